//! The rules that header fields keep together, whoever parsed them.

use cedargate_model::{Host, Refusal, RefusalCode};
use http::Version;

use super::raw::{is_field_name, trim_ows};
use super::target::parse_host;

/// How the body of a request is delimited (RFC 9112 §6.3): in one way, or the request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// This many octets.
    Length(u64),
    /// Chunks, to be screened by [`ChunkScreen`](crate::framing::ChunkScreen).
    Chunked,
    /// No body, and what follows the head belongs to another protocol if the upgrade is granted.
    Upgrade,
}

/// What the fields seen so far say of framing, host and upgrade.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    host: Option<NamedHost<'a>>,
    content_length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    upgrade_named: bool,
    /// Which of the fields that may stand once were seen.
    seen: u32,
}

/// The value of `Host`, as sent and as understood.
#[derive(Debug)]
pub(super) struct NamedHost<'a> {
    pub(super) raw: &'a [u8],
    pub(super) host: Host,
}

impl<'a> Fields<'a> {
    /// Takes one field: a token, and a value without surrounding space.
    ///
    /// # Errors
    /// A refusal if the field is malformed, stands where it may not, or stands once too often.
    pub(super) fn add(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Refusal> {
        let Some(known) = Known::of(name) else { return Ok(()) };
        if name.contains(&b'_') {
            // CGI and WSGI servers cannot tell `Content_Length` from `Content-Length`.
            return Err(header_invalid("a known field name spelled with an underscore"));
        }
        match known {
            Known::Host => self.host(value),
            Known::ContentLength => self.content_length(value),
            Known::TransferEncoding => self.transfer_encoding(value),
            Known::Connection => self.connection(value),
            Known::Upgrade => self.once(UPGRADE).and_then(|()| check_upgrade(value)).map(|()| self.upgrade = true),
            Known::Expect => self.once(EXPECT).and_then(|()| check_expect(value)),
            Known::Http2Settings => Err(upgrade_invalid("`HTTP2-Settings`: HTTP/2 is agreed on by TLS only")),
            Known::KeepAlive | Known::ProxyConnection => Ok(()),
            Known::Single(field) => self.once(field),
        }
    }

    /// What the fields come to together.
    ///
    /// # Errors
    /// `framing_ambiguous` for two ways of delimiting the body, `upgrade_invalid` for an upgrade that is not asked for
    /// by both `Upgrade` and `Connection`, that has a body, or that comes by HTTP/1.0.
    pub(super) fn conclude(self, version: Option<Version>) -> Result<(Framing, Option<NamedHost<'a>>), Refusal> {
        let old = version == Some(Version::HTTP_10);
        if self.chunked && self.content_length.is_some() {
            return Err(framing_ambiguous("`Content-Length` beside `Transfer-Encoding`"));
        }
        if self.chunked && old {
            return Err(framing_ambiguous("`Transfer-Encoding` in HTTP/1.0"));
        }
        if self.upgrade != self.upgrade_named {
            return Err(upgrade_invalid("`Upgrade` and `Connection` do not name each other"));
        }
        let framing = match (self.upgrade, self.chunked, self.content_length) {
            (true, _, _) if old => return Err(upgrade_invalid("an upgrade of HTTP/1.0")),
            (true, false, None | Some(0)) => Framing::Upgrade,
            (true, _, _) => return Err(upgrade_invalid("an upgrade with a body")),
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::None,
        };
        Ok((framing, self.host))
    }

    fn host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        match self.host.replace(NamedHost { raw: value, host: parse_host(value)? }) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(RefusalCode::HostInvalid, "more than one `Host`")),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        // `0x10`, `+1`, `1, 1`, ` 1` within quotes and `01` (octal to some) are read as different numbers.
        let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit) && !matches!(value, [b'0', _, ..]);
        let length = std::str::from_utf8(value).ok().filter(|_| plain).and_then(|digits| digits.parse::<u64>().ok());
        // Half of the range, since others keep it in a signed integer.
        let Some(length) = length.filter(|length| i64::try_from(*length).is_ok()) else {
            return Err(framing_ambiguous("a malformed `Content-Length`"));
        };
        match self.content_length.replace(length) {
            None => Ok(()),
            Some(_) => Err(framing_ambiguous("more than one `Content-Length`")),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut self.chunked, true) {
            return Err(framing_ambiguous("a `Transfer-Encoding` that is not exactly `chunked`"));
        }
        Ok(())
    }

    /// Options that a client may name. Any other option names a field that some server on the way will then drop, be it
    /// `Cookie`, `Host` or the gateway's own identity (hop-by-hop abuse), so it is refused.
    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in value.split(|b| *b == b',').map(trim_ows) {
            match option {
                _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade_named = true,
                _ if option.is_empty() => {}
                _ if option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close") => {}
                _ if option.eq_ignore_ascii_case(b"te") || option.eq_ignore_ascii_case(b"trailers") => {}
                _ if option.eq_ignore_ascii_case(b"http2-settings") => {
                    return Err(upgrade_invalid("`Connection` names `HTTP2-Settings`"));
                }
                _ => return Err(header_invalid("`Connection` names a field that is not hop-by-hop")),
            }
        }
        Ok(())
    }

    /// Takes note of a field that has one meaning only when it stands once. A second `Content-Type` or `Origin` is read by
    /// some servers instead of the first, so that what was inspected is not what is served.
    fn once(&mut self, field: Once) -> Result<(), Refusal> {
        let bit = 1 << field.0;
        if self.seen & bit != 0 {
            return Err(header_invalid("a field that may stand only once is repeated"));
        }
        self.seen |= bit;
        Ok(())
    }
}

/// The fields that a rule knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    Http2Settings,
    KeepAlive,
    ProxyConnection,
    /// May stand once.
    Single(Once),
}

/// A field that may stand once, by a number of its own below 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Once(u8);

const UPGRADE: Once = Once(30);
const EXPECT: Once = Once(31);

impl Known {
    /// Finds a field by its name in any case, and with `_` for `-`.
    fn of(name: &[u8]) -> Option<Self> {
        // By length first, since every field of every request is looked up.
        let candidates: &[(&[u8], Self)] = match name.len() {
            4 => &[(b"host", Self::Host)],
            6 => &[(b"expect", Self::Expect), (b"origin", Self::Single(Once(0)))],
            7 => &[(b"referer", Self::Single(Once(1))), (b"upgrade", Self::Upgrade)],
            10 => &[(b"connection", Self::Connection), (b"keep-alive", Self::KeepAlive)],
            12 => &[(b"content-type", Self::Single(Once(2)))],
            13 => &[(b"authorization", Self::Single(Once(3)))],
            14 => &[
                (b"content-length", Self::ContentLength),
                (b"http2-settings", Self::Http2Settings),
                (b"sec-fetch-dest", Self::Single(Once(4))),
                (b"sec-fetch-mode", Self::Single(Once(5))),
                (b"sec-fetch-site", Self::Single(Once(6))),
                (b"sec-fetch-user", Self::Single(Once(7))),
            ],
            16 => &[(b"content-encoding", Self::Single(Once(8))), (b"proxy-connection", Self::ProxyConnection)],
            17 => &[(b"sec-websocket-key", Self::Single(Once(9))), (b"transfer-encoding", Self::TransferEncoding)],
            21 => &[(b"sec-websocket-version", Self::Single(Once(10)))],
            29 => &[(b"access-control-request-method", Self::Single(Once(11)))],
            _ => return None,
        };
        candidates.iter().find(|(known, _)| folds_to(name, known)).map(|(_, field)| *field)
    }
}

/// Whether a server that folds case, or `_` into `-`, takes `name` for `known`.
fn folds_to(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len()
        && name.iter().zip(known).all(|(b, k)| b.to_ascii_lowercase() == *k || (*b == b'_' && *k == b'-'))
}

/// The only expectation there is (RFC 9110 §10.1.1). Servers that match loosely wait where others do not.
fn check_expect(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"100-continue") {
        return Ok(());
    }
    Err(header_invalid("an expectation other than `100-continue`"))
}

/// One protocol, and none that would change HTTP itself below the walk: a tunnel of HTTP/2 carries further requests
/// past every stage.
fn check_upgrade(value: &[u8]) -> Result<(), Refusal> {
    let mut parts = value.split(|b| *b == b'/');
    let name = parts.next().unwrap_or_default();
    if !is_field_name(name) || !parts.next().is_none_or(is_field_name) || parts.next().is_some() {
        return Err(upgrade_invalid("`Upgrade` names no protocol, or more than one"));
    }
    if [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err(upgrade_invalid("`Upgrade` to another HTTP or to TLS"));
    }
    Ok(())
}

fn framing_ambiguous(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::FramingAmbiguous, detail)
}

fn header_invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::HeaderInvalid, detail)
}

fn upgrade_invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::UpgradeInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_at_its_length_in_every_spelling() {
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "expect",
            "http2-settings",
            "keep-alive",
            "proxy-connection",
            "origin",
            "referer",
            "content-type",
            "authorization",
            "sec-fetch-dest",
            "sec-fetch-mode",
            "sec-fetch-site",
            "sec-fetch-user",
            "content-encoding",
            "sec-websocket-key",
            "sec-websocket-version",
            "access-control-request-method",
        ] {
            let known = Known::of(name.as_bytes());
            assert!(known.is_some(), "{name}");
            assert_eq!(Known::of(name.to_ascii_uppercase().replace('-', "_").as_bytes()), known, "{name}");
        }
        for name in ["cookie", "hos_", "hosts", "", "content-lengt", "contentxlength", "content length"] {
            assert_eq!(Known::of(name.as_bytes()), None, "{name}");
        }
    }
}
