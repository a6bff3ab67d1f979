//! Where clients reach the gateway.

use std::fmt;

use cedargate_identity::LinkOrigin;
use cedargate_idp_adapters::webauthn::PublicPlace;
use cedargate_model::{Host, Scheme, TenantName};

/// Scheme, base domain and port, without a path: `http://localhost:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    host: Host,
}

/// Why a text is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BaseUrlError {
    #[error("a base URL begins with `https://` or `http://`")]
    Scheme,
    #[error("a base URL is scheme, host name and port alone, without a path: `https://gateway.example`")]
    Host,
    #[error("a base URL needs a host name, since tenants answer at names below it; an address has none")]
    Address,
    #[error("leave out the port that the scheme has anyway")]
    OwnPort,
}

impl BaseUrl {
    /// Accepts one spelling of a URL, because it is compared as text: it is the issuer of identity assertions.
    pub(crate) fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let (scheme, authority) = text.split_once("://").ok_or(BaseUrlError::Scheme)?;
        let (scheme, own_port) = match scheme {
            "https" => (Scheme::Https, 443),
            "http" => (Scheme::Http, 80),
            _ => return Err(BaseUrlError::Scheme),
        };
        let host = Host::parse(authority).map_err(|_| BaseUrlError::Host)?;
        if host.to_string() != authority {
            return Err(BaseUrlError::Host);
        }
        if host.port() == Some(own_port) {
            return Err(BaseUrlError::OwnPort);
        }
        let is_address = host.name().starts_with('[') || host.name().parse::<std::net::Ipv4Addr>().is_ok();
        if is_address { Err(BaseUrlError::Address) } else { Ok(Self { scheme, host }) }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The domain that tenants' hosts are below, without port.
    pub(crate) fn domain(&self) -> &str {
        self.host.name()
    }

    /// The port that clients see: the one in the URL, or the scheme's own.
    pub(crate) fn port(&self) -> u16 {
        self.host.port().unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Where people's browsers say that they are: scheme and port.
    pub(crate) fn public_place(&self) -> PublicPlace {
        PublicPlace { scheme: self.scheme, port: self.host.port() }
    }

    /// The host name that a tenant answers to, without port.
    pub(crate) fn tenant_domain(&self, tenant: &TenantName) -> String {
        format!("{tenant}.{}", self.domain())
    }

    /// The value of `Host` for a host name of ours.
    pub(crate) fn authority_of(&self, domain: &str) -> String {
        match self.host.port() {
            Some(port) => format!("{domain}:{port}"),
            None => domain.to_owned(),
        }
    }

    /// Where a tenant's people go.
    pub(crate) fn tenant_url(&self, tenant: &TenantName) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority_of(&self.tenant_domain(tenant)))
    }

    /// The same as what links in mails lead to; none where base domain and name are too long to be a host together.
    pub(crate) fn tenant_origin(&self, tenant: &TenantName) -> Option<LinkOrigin> {
        let host = Host::parse(&self.authority_of(&self.tenant_domain(tenant))).ok()?;
        Some(LinkOrigin::new(self.scheme, host))
    }

    /// Whether plain HTTP would carry sessions over a network.
    pub(crate) fn is_clear_text_beyond_loopback(&self) -> bool {
        let domain = self.domain();
        self.scheme == Scheme::Http && domain != "localhost" && !domain.ends_with(".localhost")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_answer_below_the_base_domain() {
        let base = BaseUrl::parse("http://localhost:8080").unwrap();
        let acme = TenantName::parse("acme").unwrap();
        assert_eq!(base.to_string(), "http://localhost:8080");
        assert_eq!(base.tenant_domain(&acme), "acme.localhost");
        assert_eq!(base.tenant_url(&acme), "http://acme.localhost:8080");
        assert!(!base.is_clear_text_beyond_loopback());
        assert!(BaseUrl::parse("http://gateway.example").unwrap().is_clear_text_beyond_loopback());
    }

    #[test]
    fn a_base_url_has_one_spelling() {
        for (text, why) in [
            ("localhost:8080", BaseUrlError::Scheme),
            ("ftp://localhost", BaseUrlError::Scheme),
            ("http://localhost/", BaseUrlError::Host),
            ("http://LOCALHOST", BaseUrlError::Host),
            ("http://a b", BaseUrlError::Host),
            ("http://", BaseUrlError::Host),
            ("http://127.0.0.1:8080", BaseUrlError::Address),
            ("http://[::1]", BaseUrlError::Address),
            ("https://gateway.example:443", BaseUrlError::OwnPort),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(why), "{text}");
        }
    }
}
