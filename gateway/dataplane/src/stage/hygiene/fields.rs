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
pub(super) struct Fields {
    host: Option<Host>,
    content_length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    upgrade_named: bool,
    /// Which of [`SINGLE`] were seen, by position.
    seen: u32,
}

/// Fields that have one meaning only when they stand once. A second `Content-Type` or `Origin` is read by some
/// servers instead of the first, so that what was inspected is not what is served.
const SINGLE: [&[u8]; 14] = [
    b"access-control-request-method",
    b"authorization",
    b"content-encoding",
    b"content-type",
    b"expect",
    b"origin",
    b"referer",
    b"sec-fetch-dest",
    b"sec-fetch-mode",
    b"sec-fetch-site",
    b"sec-fetch-user",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"upgrade",
];

/// No name that a rule knows is longer.
const NAME_BYTES_MAX: usize = 32;

impl Fields {
    /// Takes one field: a token, and a value without surrounding space.
    ///
    /// # Errors
    /// A refusal if the field is malformed, stands where it may not, or stands once too often.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let mut space = [0; NAME_BYTES_MAX];
        let Some(folded) = space.get_mut(..name.len()) else { return Ok(()) };
        let mut underscore = false;
        for (to, from) in folded.iter_mut().zip(name) {
            underscore |= *from == b'_';
            *to = if *from == b'_' { b'-' } else { from.to_ascii_lowercase() };
        }
        let known = match &*folded {
            b"host" => self.host(value)?,
            b"content-length" if !underscore => self.content_length(value)?,
            b"transfer-encoding" if !underscore => self.transfer_encoding(value)?,
            b"connection" => self.connection(value)?,
            b"content-length" | b"transfer-encoding" | b"keep-alive" | b"proxy-connection" => true,
            b"http2-settings" => return Err(upgrade_invalid("`HTTP2-Settings`: HTTP/2 is agreed on by TLS only")),
            folded => self.single(folded, value)?,
        };
        if known && underscore {
            // CGI and WSGI servers cannot tell `Content_Length` from `Content-Length`.
            return Err(header_invalid("a known field name spelled with an underscore"));
        }
        Ok(())
    }

    /// What the fields come to together.
    ///
    /// # Errors
    /// `framing_ambiguous` for two ways of delimiting the body, `upgrade_invalid` for an upgrade that is not asked for
    /// by both `Upgrade` and `Connection`, that has a body, or that comes by HTTP/1.0.
    pub(super) fn conclude(self, version: Option<Version>) -> Result<(Framing, Option<Host>), Refusal> {
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

    fn host(&mut self, value: &[u8]) -> Result<bool, Refusal> {
        match self.host.replace(parse_host(value)?) {
            None => Ok(true),
            Some(_) => Err(Refusal::new(RefusalCode::HostInvalid, "more than one `Host`")),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<bool, Refusal> {
        // `0x10`, `+1`, `1, 1`, ` 1` within quotes and `01` (octal to some) are read as different numbers.
        let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit) && !matches!(value, [b'0', _, ..]);
        let length = std::str::from_utf8(value).ok().filter(|_| plain).and_then(|digits| digits.parse::<u64>().ok());
        // Half of the range, since others keep it in a signed integer.
        let Some(length) = length.filter(|length| i64::try_from(*length).is_ok()) else {
            return Err(framing_ambiguous("a malformed `Content-Length`"));
        };
        match self.content_length.replace(length) {
            None => Ok(true),
            Some(_) => Err(framing_ambiguous("more than one `Content-Length`")),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<bool, Refusal> {
        if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut self.chunked, true) {
            return Err(framing_ambiguous("a `Transfer-Encoding` that is not exactly `chunked`"));
        }
        Ok(true)
    }

    /// Options that a client may name. Any other option names a field that some server on the way will then drop, be it
    /// `Cookie`, `Host` or the gateway's own identity (hop-by-hop abuse), so it is refused.
    fn connection(&mut self, value: &[u8]) -> Result<bool, Refusal> {
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
        Ok(true)
    }

    fn single(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Refusal> {
        let Some(position) = SINGLE.iter().position(|single| *single == name) else { return Ok(false) };
        let bit = 1 << position;
        if self.seen & bit != 0 {
            return Err(header_invalid("a field that may stand only once is repeated"));
        }
        self.seen |= bit;
        match name {
            b"upgrade" => {
                check_upgrade(value)?;
                self.upgrade = true;
            }
            // The only expectation there is (RFC 9110 §10.1.1). Servers that match loosely wait where others do not.
            b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(header_invalid("an expectation other than `100-continue`"));
            }
            _ => {}
        }
        Ok(true)
    }
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
    fn names_of_the_rules_fit_the_space() {
        assert!(SINGLE.iter().all(|name| name.len() <= NAME_BYTES_MAX && name.is_ascii()));
        assert!(SINGLE.len() <= 32, "one bit each");
    }
}
