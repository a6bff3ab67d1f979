//! Which peers may speak for a client.

use std::net::{IpAddr, Ipv6Addr};

/// The proxies in front of the gateway whose word on address, scheme and request id is taken. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxiesError {
    /// Neither an address nor a network.
    #[error("`{0}` is not an address or a network: write `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`")]
    Malformed(String),
    /// Bits set behind the prefix: one of the two is a mistake.
    #[error("`{0}` has bits set behind its prefix length")]
    HostBits(String),
    /// Everybody.
    #[error("`{0}` would trust everybody: name the proxies")]
    Everybody(String),
}

/// One network. IPv4 is kept as IPv4-mapped IPv6, so that a dual-stack listener's peers compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    mask: u128,
}

impl TrustedProxies {
    /// Parses addresses and networks in CIDR notation.
    ///
    /// # Errors
    /// The first text that is none, or that trusts everybody.
    pub fn parse(texts: &[String]) -> Result<Self, TrustedProxiesError> {
        let networks = texts.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { networks })
    }

    /// Whether `address` is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        !self.networks.is_empty() && {
            let bits = bits(address);
            self.networks.iter().any(|network| bits & network.mask == network.base)
        }
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, TrustedProxiesError> {
        let malformed = || TrustedProxiesError::Malformed(text.chars().take(80).collect());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length: u32 = match length {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| malformed())?
            }
            Some(_) => return Err(malformed()),
            None => width,
        };
        match length {
            0 => return Err(TrustedProxiesError::Everybody(text.to_owned())),
            _ if length > width => return Err(malformed()),
            _ => {}
        }
        let mask = u128::MAX << (128 - offset - length);
        let base = bits(address);
        if base & mask != base {
            return Err(TrustedProxiesError::HostBits(text.to_owned()));
        }
        Ok(Self { base, mask })
    }
}

fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted(texts: &[&str]) -> Result<TrustedProxies, TrustedProxiesError> {
        TrustedProxies::parse(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    }

    fn contains(texts: &[&str], address: &str) -> bool {
        trusted(texts).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        assert!(!TrustedProxies::default().contains(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "proxy", " ::1"]
        {
            assert!(matches!(trusted(&[text]), Err(TrustedProxiesError::Malformed(_))), "{text}");
        }
        assert!(matches!(trusted(&["10.0.0.1/8"]), Err(TrustedProxiesError::HostBits(_))));
        assert!(matches!(trusted(&["0.0.0.0/0"]), Err(TrustedProxiesError::Everybody(_))));
        assert!(matches!(trusted(&["::/0"]), Err(TrustedProxiesError::Everybody(_))));
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        assert!(contains(&["10.0.0.0/8"], "10.255.255.255"));
        assert!(!contains(&["10.0.0.0/8"], "11.0.0.0"));
        assert!(contains(&["10.0.0.7"], "10.0.0.7"));
        assert!(!contains(&["10.0.0.7"], "10.0.0.8"));
        assert!(contains(&["fd00::/8"], "fd12::1"));
        assert!(!contains(&["fd00::/8"], "fe00::1"));
        assert!(!contains(&["fd00::/8"], "10.0.0.1"));
        assert!(contains(&["10.0.0.0/8"], "::ffff:10.1.2.3"), "a dual-stack listener sees IPv4 so");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,24}|[0-9a-f.:/]{0,24}") {
            let _ = trusted(&[&text]);
        }

        #[test]
        fn a_network_holds_what_shares_its_prefix(base: u32, other: u32, length in 1u32..=32) {
            let mask = u32::MAX << (32 - length);
            let text = format!("{}/{length}", std::net::Ipv4Addr::from(base & mask));
            let holds = contains(&[&text], &std::net::Ipv4Addr::from(other).to_string());
            prop_assert_eq!(holds, base & mask == other & mask);
        }
    }
}
