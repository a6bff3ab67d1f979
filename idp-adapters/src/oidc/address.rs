//! Which addresses a provider may have.
//!
//! The issuer is an operator's word. What the issuer's discovery document names is the provider's, and a provider that was taken over, or
//! was never honest, would have us call what only we can reach: services of this machine, and the metadata service of a cloud. So
//! everything it names is `https` (a service inside would need a certificate that the world trusts), redirects are not followed,
//! and a name that leads to this machine or to a link-local address is not called. Private networks are: that is where many
//! companies' providers are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Where a provider can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl {
    url: Url,
    is_loopback: bool,
}

/// Why a text is no place where a provider is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderUrlError {
    /// It is no URL, or of another scheme, or of plain HTTP beyond this machine.
    #[error("a provider's address begins with `https://`; `http://` is for `localhost`, `127.0.0.1` and `[::1]` alone")]
    Scheme,
    /// It has a user, a password or a fragment.
    #[error("a provider's address has no user, password or fragment")]
    Parts,
    /// It is an address that no provider has.
    #[error("no provider is at such an address")]
    Host,
    /// A provider elsewhere names something on this machine, or the other way round.
    #[error("the provider names an endpoint that it cannot have: one of them is on this machine, the other is not")]
    Elsewhere,
}

impl ProviderUrl {
    /// Accepts an absolute URL.
    ///
    /// # Errors
    /// [`ProviderUrlError`].
    pub fn parse(text: &str) -> Result<Self, ProviderUrlError> {
        let url = Url::parse(text).map_err(|_| ProviderUrlError::Scheme)?;
        let host = url.host().ok_or(ProviderUrlError::Scheme)?;
        // Another spelling of the same name would be another name to whoever compares them.
        if matches!(host, Host::Domain(name) if name.ends_with('.')) {
            return Err(ProviderUrlError::Host);
        }
        let is_loopback = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return Err(ProviderUrlError::Scheme),
        }
        let literal = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        // The resolver never sees these.
        if literal.is_some_and(|address| !is_loopback && !may_be_called(address)) {
            return Err(ProviderUrlError::Host);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(ProviderUrlError::Parts);
        }
        Ok(Self { url, is_loopback })
    }

    /// Accepts an endpoint that this issuer names.
    ///
    /// # Errors
    /// [`ProviderUrlError`]; [`ProviderUrlError::Elsewhere`] where it leads from elsewhere to this machine, or away from it.
    pub fn endpoint(&self, text: &str) -> Result<Self, ProviderUrlError> {
        let endpoint = Self::parse(text)?;
        if endpoint.is_loopback == self.is_loopback { Ok(endpoint) } else { Err(ProviderUrlError::Elsewhere) }
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it needs TLS.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Whether an address that a name leads to may be called for it.
pub(crate) fn leads_where_it_may(name: &str, address: IpAddr) -> bool {
    if name == "localhost" { address.is_loopback() } else { may_be_called(address) }
}

/// Neither this machine nor what only it can reach. `169.254.169.254` and `fd00:ec2::254` are where clouds tell a machine its
/// credentials.
fn may_be_called(address: IpAddr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let this_network = v4.octets().first() == Some(&0);
            !(v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || this_network
                || v4 == Ipv4Addr::new(100, 100, 100, 200))
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == METADATA
                || embedded_v4(v6).is_some_and(|v4| !may_be_called(IpAddr::V4(v4))))
        }
    }
}

/// The IPv4 address that a translator (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16) would call.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in [
            "https://idp.example",
            "https://10.0.0.5/realms/a",
            "http://localhost:8081",
            "http://127.0.0.1:1/x",
            "http://[::1]:1",
        ] {
            assert!(ProviderUrl::parse(text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("http://idp.example", ProviderUrlError::Scheme),
            ("http://localhost.idp.example", ProviderUrlError::Scheme),
            ("http://10.0.0.5", ProviderUrlError::Scheme),
            ("ftp://localhost", ProviderUrlError::Scheme),
            ("file:///etc/passwd", ProviderUrlError::Scheme),
            ("idp.example", ProviderUrlError::Scheme),
            ("https://", ProviderUrlError::Scheme),
            ("https://user@idp.example", ProviderUrlError::Parts),
            ("https://user:pass@idp.example", ProviderUrlError::Parts),
            ("https://idp.example#x", ProviderUrlError::Parts),
            ("https://169.254.169.254/latest", ProviderUrlError::Host),
            ("https://[fd00:ec2::254]/", ProviderUrlError::Host),
            ("https://0.0.0.0/", ProviderUrlError::Host),
            ("https://[::ffff:169.254.169.254]/", ProviderUrlError::Host),
            ("https://0xa9fea9fe/", ProviderUrlError::Host),
            ("https://localhost.:8443/", ProviderUrlError::Host),
            ("https://idp.example./", ProviderUrlError::Host),
        ] {
            assert_eq!(ProviderUrl::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_provider_elsewhere_names_nothing_on_this_machine() {
        let elsewhere = ProviderUrl::parse("https://idp.example").unwrap();
        let here = ProviderUrl::parse("http://127.0.0.1:8081").unwrap();
        assert!(elsewhere.endpoint("https://keys.example/jwks").is_ok());
        assert!(here.endpoint("http://localhost:8082/jwks").is_ok());
        for (of, text) in [
            (&elsewhere, "https://localhost/jwks"),
            (&elsewhere, "https://127.0.0.1:9901/metrics"),
            (&here, "https://keys.example/jwks"),
        ] {
            assert_eq!(of.endpoint(text), Err(ProviderUrlError::Elsewhere), "{text}");
        }
        assert_eq!(elsewhere.endpoint("http://127.0.0.1/"), Err(ProviderUrlError::Elsewhere));
        assert_eq!(elsewhere.endpoint("http://keys.example/"), Err(ProviderUrlError::Scheme));
    }

    #[test]
    fn a_name_that_leads_to_this_machine_is_not_called() {
        for address in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!leads_where_it_may("idp.example", address.parse().unwrap()), "{address}");
        }
        for address in ["192.0.2.1", "10.0.0.5", "2001:db8::1", "fd00::1", "64:ff9b::c000:201"] {
            assert!(leads_where_it_may("idp.example", address.parse().unwrap()), "{address}");
            assert!(!leads_where_it_may("localhost", address.parse().unwrap()), "{address}");
        }
        assert!(leads_where_it_may("localhost", IpAddr::from([127, 0, 0, 1])));
    }
}
