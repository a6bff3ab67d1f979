//! The raw head of an HTTP/1 request, by the strict grammar of RFC 9112 and nothing looser.

use cedargate_model::{Refusal, RefusalCode};
use http::Version;
use memchr::memchr;

use super::fields::{Fields, Framing};
use super::target::Target;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The longest line, request line or field, in octets, its CRLF included. At most 64 KiB: longer targets are no URI to
    /// Pingora, which then answers by itself and unrecorded.
    pub line_bytes_max: usize,
    /// The whole head, in octets, its blank line included.
    pub head_bytes_max: usize,
    /// How many fields. At most 256, as many as Pingora parses.
    pub headers_max: usize,
}

impl HeadLimits {
    /// What common servers take (nginx, Apache: 8 KiB a line). RFC 9112 §3 asks for at least 8,000 octets.
    pub const LINE_BYTES_MAX: usize = 8 * 1024;
    /// Four such lines: browsers with many cookies stay under half of it.
    pub const HEAD_BYTES_MAX: usize = 32 * 1024;
    /// Browsers send about 20; chains of proxies add a dozen.
    pub const HEADERS_MAX: usize = 100;

    /// Whether an unfinished head has already broken a bound, and which, so that nobody need wait for its end.
    pub(crate) fn overrun(&self, unfinished: &[u8]) -> Option<RefusalCode> {
        let line = unfinished.get(..self.line_bytes_max);
        if line.is_some_and(|line| memchr(b'\n', line).is_none()) {
            return Some(RefusalCode::TargetTooLong);
        }
        (unfinished.len() > self.head_bytes_max).then_some(RefusalCode::HeadTooLarge)
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: Self::LINE_BYTES_MAX,
            head_bytes_max: Self::HEAD_BYTES_MAX,
            headers_max: Self::HEADERS_MAX,
        }
    }
}

/// Finds the end of a head: the index just past its blank line.
///
/// `from` is how much of `buffer` was searched before; a blank line that straddles it is found. A line that ends in a
/// bare LF counts, and so does a blank line in first place, so that [`screen`] refuses both at once instead of leaving
/// them to the deadline. In a head that `screen` accepts, the only end is the one CRLF CRLF.
pub(crate) fn find_head_end(buffer: &[u8], from: usize) -> Option<usize> {
    match buffer {
        [b'\n', ..] => return Some(1),
        [b'\r', b'\n', ..] => return Some(2),
        _ => {}
    }
    // A blank line is LF LF or LF CR LF: at most two octets of it can have been searched in vain.
    let mut at = from.saturating_sub(2);
    loop {
        at += memchr(b'\n', buffer.get(at..)?)? + 1;
        match buffer.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
}

/// Screens one whole head, from the first octet of its request line to its blank line.
///
/// # Errors
/// A [`Refusal`] of the stages accept and hygiene, by what is wrong first. Its detail never repeats what was sent.
pub(crate) fn screen(head: &[u8], limits: &HeadLimits) -> Result<Framing, Refusal> {
    let mut lines = Lines { rest: head, line_bytes_max: limits.line_bytes_max };
    let (version, target) = request_line(lines.next(RefusalCode::TargetTooLong)?)?;
    if head.len() > limits.head_bytes_max {
        return Err(RefusalCode::HeadTooLarge.into());
    }
    let mut fields = Fields::default();
    let mut count = 0;
    loop {
        let line = lines.next(RefusalCode::HeadTooLarge)?;
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > limits.headers_max {
            return Err(Refusal::new(RefusalCode::HeadTooLarge, "too many header fields"));
        }
        let (name, value) = field_line(line)?;
        fields.add(name, value)?;
    }
    if !lines.rest.is_empty() {
        return Err(unparsable("octets behind the blank line"));
    }
    let (framing, host) = fields.conclude(Some(version))?;
    target.agree(host)?;
    Ok(framing)
}

/// Cuts a head into lines, which end in CRLF and hold no other CR or LF.
struct Lines<'a> {
    rest: &'a [u8],
    line_bytes_max: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, too_long: RefusalCode) -> Result<&'a [u8], Refusal> {
        let end = memchr(b'\n', self.rest).ok_or_else(|| unparsable("the head breaks off"))?;
        if end >= self.line_bytes_max {
            return Err(too_long.into());
        }
        let (line, rest) = self.rest.split_at_checked(end + 1).unwrap_or_default();
        self.rest = rest;
        match line {
            [line @ .., b'\r', b'\n'] => Ok(line),
            _ => Err(unparsable("a line ends in a bare LF")),
        }
    }
}

/// `method SP request-target SP HTTP-version`, single spaces and nothing around them (RFC 9112 §3).
fn request_line(line: &[u8]) -> Result<(Version, Target<'_>), Refusal> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(unparsable("the request line is not method, target and version"));
    };
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        _ => return Err(unparsable("the version is not HTTP/1.0 or HTTP/1.1")),
    };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(unparsable("the method is not a token"));
    }
    check_method(method)?;
    Ok((version, Target::parse(target)?))
}

/// Accepts a method that a route may have.
///
/// Registered methods are upper-case letters. In lower case some services take `post` for `POST`, so it is refused.
/// `CONNECT` asks for a tunnel past every stage, `TRACE` echoes the headers that the gateway adds.
pub(super) fn check_method(method: &[u8]) -> Result<(), Refusal> {
    /// The longest registered one of letters is `UPDATEREDIRECTREF`.
    const METHOD_BYTES_MAX: usize = 32;
    if method.is_empty() || method.len() > METHOD_BYTES_MAX || !method.iter().all(u8::is_ascii_uppercase) {
        return Err(Refusal::new(RefusalCode::MethodInvalid, "the method is not 1 to 32 upper-case letters"));
    }
    if matches!(method, b"CONNECT" | b"TRACE") {
        return Err(Refusal::new(RefusalCode::MethodInvalid, "`CONNECT` and `TRACE` are never passed on"));
    }
    Ok(())
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5). No folding, no space before the colon.
fn field_line(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(header_invalid("a folded field line"));
    }
    let colon = memchr(b':', line).ok_or_else(|| header_invalid("a field line without colon"))?;
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    let value = value.get(1..).unwrap_or_default();
    if !is_field_name(name) {
        return Err(header_invalid("a field name that is not a token"));
    }
    if !is_field_value(value) {
        return Err(header_invalid("a control character in a field value"));
    }
    Ok((name, trim_ows(value)))
}

/// Whether this is a token (RFC 9110 §5.6.2).
pub(crate) fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| is_token(*b))
}

/// Whether this holds no control but HTAB (RFC 9110 §5.5). Octets from 0x80 pass: names in Latin-1 or UTF-8 occur.
pub(crate) fn is_field_value(value: &[u8]) -> bool {
    // Without early exit, so that it is done many octets at a time.
    !value.iter().fold(false, |bad, b| bad | ((*b < 0x20) & (*b != b'\t')) | (*b == 0x7F))
}

/// Without the spaces and tabs at both ends (RFC 9110 §5.6.3).
pub(crate) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Which octets a token may have, looked up because every octet of every name is.
const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte: u8 = 0;
    while byte < 0x80 {
        let mark = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        #[expect(clippy::indexing_slicing, reason = "at compile time, and a u8 is within 256")]
        {
            token[byte as usize] = byte.is_ascii_alphanumeric() || mark;
        }
        byte += 1;
    }
    token
};

fn unparsable(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::RequestUnparsable, detail)
}

fn header_invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::HeaderInvalid, detail)
}

#[cfg(test)]
mod tests;
