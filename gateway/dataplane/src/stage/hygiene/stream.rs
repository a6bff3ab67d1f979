//! The head of an HTTP/2 request, held to the rules of an HTTP/1 head and to those of RFC 9113 §8.
//!
//! The library has decoded it and seen to its pseudo-headers; Pingora has refused control characters in its target. Here
//! everything is asked again that a head can be made of to mean two things, foremost once it goes on as HTTP/1.1
//! (RFC 9113 §10.3): a name or value with CR, LF, NUL, a colon or space; framing in fields; a path that is none.

use cedargate_model::{Refusal, RefusalCode};
use http::Version;
use http::header::COOKIE;
use pingora::http::RequestHeader;

use super::canonical::check_body;
use super::fields::{Fields, Framing};
use super::raw::{HeadLimits, check_method, is_field_name, is_field_value, trim_ows};
use super::target::Target;

/// What each field of a list costs beside its octets (RFC 9113 §10.5.1).
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Screens the decoded head of a stream. `has_body` says whether anything follows it.
///
/// # Errors
/// A [`Refusal`] of the stages accept and hygiene, by what is wrong first. Its detail never repeats what was sent.
pub(crate) fn screen_stream(head: &RequestHeader, has_body: bool, limits: &HeadLimits) -> Result<(), Refusal> {
    check_method(head.method.as_str().as_bytes())?;
    check_size(head, limits)?;
    let path = head.raw_path();
    if !path.starts_with(b"/") {
        return Err(Refusal::new(RefusalCode::PathInvalid, "`:path` is not a path"));
    }
    let mut fields = Fields::default();
    for (name, value) in &head.headers {
        check_field(name.as_str().as_bytes(), value.as_bytes())?;
        fields.add(name.as_str().as_bytes(), value.as_bytes())?;
    }
    let (framing, host) = fields.conclude(None)?;
    // What follows need not be announced here, as it must be for HTTP/1.
    check_body(&head.method, if has_body { Framing::Chunked } else { framing })?;
    Target::parse(path)?.at(authority(head))?.agree(host)?;
    Ok(())
}

/// The authority of an HTTP/2 request's pseudo-header; none for HTTP/1, whose target has it or not.
pub(crate) fn authority(head: &http::request::Parts) -> Option<&str> {
    let of_stream = head.version == Version::HTTP_2;
    head.uri.authority().filter(|_| of_stream).map(|authority| authority.as_str())
}

fn check_size(head: &RequestHeader, limits: &HeadLimits) -> Result<(), Refusal> {
    if head.raw_path().len() >= limits.line_bytes_max {
        return Err(RefusalCode::TargetTooLong.into());
    }
    // Cookies come in pieces that are one field further on (RFC 9113 §8.2.3).
    let crumbs = head.headers.get_all(COOKIE).iter();
    let (crumbs, joined) =
        crumbs.fold((0, COOKIE.as_str().len()), |(count, bytes), crumb| (count + 1, bytes + crumb.len() + 2));
    if head.headers.len() - crumbs + usize::from(crumbs > 0) > limits.headers_max {
        return Err(Refusal::new(RefusalCode::HeadTooLarge, "too many header fields"));
    }
    if joined >= limits.line_bytes_max {
        return Err(RefusalCode::HeadTooLarge.into());
    }
    let mut bytes = head.raw_path().len() + head.uri.authority().map_or(0, |authority| authority.as_str().len());
    for (name, value) in &head.headers {
        let field = name.as_str().len() + value.len();
        bytes += field + FIELD_OVERHEAD_BYTES;
        if field >= limits.line_bytes_max || bytes > limits.head_bytes_max {
            return Err(RefusalCode::HeadTooLarge.into());
        }
    }
    Ok(())
}

/// One field by itself: what RFC 9113 §8.2 forbids and what HTTP/1's grammar could not carry.
fn check_field(name: &[u8], value: &[u8]) -> Result<(), Refusal> {
    let invalid = |detail: &str| Err(Refusal::new(RefusalCode::HeaderInvalid, detail));
    if !is_field_name(name) || name.iter().any(u8::is_ascii_uppercase) {
        return invalid("a field name that is not a token in lower case");
    }
    if !is_field_value(value) {
        return invalid("a control character in a field value");
    }
    if trim_ows(value).len() != value.len() {
        return invalid("space around a field value");
    }
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" | b"http2-settings" => {
            invalid("a field of the connection in HTTP/2")
        }
        b"te" if !value.eq_ignore_ascii_case(b"trailers") => invalid("`TE` other than `trailers` in HTTP/2"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
