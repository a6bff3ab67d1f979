//! Whom a request is addressed to.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The authority of a request in canonical form: lower-case name without trailing dot, and the port if one was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// The name, and `:` and the port where there is one.
    text: String,
    name_bytes: usize,
    port: Option<u16>,
}

/// Why a text is no host. The text itself is not repeated: it comes from an unauthenticated client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing, or nothing before the port.
    #[error("the host is empty")]
    Empty,
    /// More than 253 octets (RFC 1035 §2.3.4).
    #[error("the host is longer than 253 octets")]
    TooLong,
    /// User information, a comma, a space, a control or another character that no host name has.
    #[error("the host has a character that no host name has")]
    Character,
    /// An empty label, or one that is over 63 octets or starts or ends with a hyphen.
    #[error("the host has a malformed label")]
    Label,
    /// A port that is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Brackets without an IPv6 address in them.
    #[error("the host has a malformed IPv6 address")]
    Ipv6,
}

impl Host {
    /// Parses the value of a `Host` header or an absolute target's authority (RFC 9110 §7.2, RFC 3986 §3.2.2).
    ///
    /// Accepts a DNS name, an IPv4 address or a bracketed IPv6 address, each with an optional port. Underscores are
    /// accepted in names because they occur in private DNS.
    ///
    /// # Errors
    /// One [`HostError`] by what is wrong first.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(HostError::Ipv6)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
            let port = match port.strip_prefix(':') {
                Some(digits) => Some(parse_port(digits)?),
                None if port.is_empty() => None,
                None => return Err(HostError::Character),
            };
            return Ok(Self::of(format!("[{address}]"), port));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, digits)) => (name, Some(parse_port(digits)?)),
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        Ok(Self::of(name.to_ascii_lowercase(), port))
    }

    fn of(name: String, port: Option<u16>) -> Self {
        let (name_bytes, mut text) = (name.len(), name);
        if let Some(port) = port {
            text.push(':');
            text.push_str(itoa::Buffer::new().format(port));
        }
        Self { text, name_bytes, port }
    }

    /// Name and port as they stand in a `Host` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name without port: `acme.localhost`, `127.0.0.1` or `[::1]`.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_bytes).unwrap_or_default()
    }

    /// The port, where the client gave one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_port(digits: &str) -> Result<u16, HostError> {
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port != 0 => Ok(port),
        _ => Err(HostError::Port),
    }
}

fn check_name(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > 253 {
        return Err(HostError::TooLong);
    }
    // In one pass, since every request has a host and it is read twice.
    let (mut label_bytes, mut is_number, mut is_well_formed, mut last) = (0, true, true, b'.');
    for octet in name.bytes() {
        match octet {
            b'.' => {
                is_well_formed &= (1..=63).contains(&label_bytes) && last != b'-';
                (label_bytes, is_number) = (0, true);
            }
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => {
                is_well_formed &= octet != b'-' || label_bytes > 0;
                label_bytes += 1;
                is_number &= octet.is_ascii_digit();
            }
            _ => return Err(HostError::Character),
        }
        last = octet;
    }
    if !is_well_formed || !(1..=63).contains(&label_bytes) || last == b'-' {
        return Err(HostError::Label);
    }
    // A last label of digits is meant as IPv4 (RFC 3696 §2), and `127.1` or `0x7f.1` would mean different machines
    // to different parsers.
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Label);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_trailing_dot_do_not_make_another_host() {
        let host = Host::parse("ACME.localhost.:8080").unwrap();
        assert_eq!((host.name(), host.port()), ("acme.localhost", Some(8080)));
        assert_eq!(host.to_string(), "acme.localhost:8080");
        assert_eq!(Host::parse("[::1]:80").unwrap().to_string(), "[::1]:80");
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (text, why) in [
            ("", HostError::Empty),
            (":80", HostError::Empty),
            ("a,b", HostError::Character),
            ("a b", HostError::Character),
            ("a@b", HostError::Character),
            ("a/b", HostError::Character),
            ("a%2eb", HostError::Character),
            ("ä.de", HostError::Character),
            ("a..b", HostError::Label),
            ("-a", HostError::Label),
            ("127.1", HostError::Label),
            ("a:0", HostError::Port),
            ("a:+80", HostError::Port),
            ("a:080808", HostError::Port),
            ("a:80:80", HostError::Port),
            ("[::1", HostError::Ipv6),
            ("[fe80::1%25eth0]", HostError::Ipv6),
            ("[::1]x", HostError::Character),
        ] {
            assert_eq!(Host::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host));
            }
        }
    }

    /// The rules of a name one after the other, as they are written down.
    fn by_the_rules(name: &str) -> Result<(), HostError> {
        let labels: Vec<&str> = name.split('.').collect();
        let is_label =
            |label: &&str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
        let is_number = labels.last().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
        if name.is_empty() {
            Err(HostError::Empty)
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            Err(HostError::Character)
        } else if !labels.iter().all(is_label) || is_number && name.parse::<Ipv4Addr>().is_err() {
            Err(HostError::Label)
        } else {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_the_rules_say(name in prop_oneof!["[a1.-]{0,9}", "[0-9.]{1,12}", "[aA0_. \u{e9}-]{0,70}"]) {
            prop_assert_eq!(check_name(&name), by_the_rules(&name));
        }
    }
}
