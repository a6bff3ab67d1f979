//! The gateway's own cookies: found for the gateway, kept from services, and not theirs to set.
//!
//! Browsers and servers read cookies by different rules, and the differences have been used to plant, hide and leak
//! them. So: what we accept as our session is read narrowly, and what we keep from a service, in either direction, is
//! read as widely as the loosest parser could.

use cedargate_model::Host;
use http::{HeaderMap, header};
use memchr::memchr2_iter;

use super::raw::trim_ows;

/// The name that all cookies of the gateway begin with, once a browser's prefix is off.
const NAME: &[u8] = b"cedargate";

/// What browsers let a name begin with as a promise about the cookie (RFC 6265bis §4.1.3), the longest first.
const PREFIXES: [&[u8]; 4] = [b"__Host-Http-", b"__Host-", b"__Secure-", b"__Http-"];

/// How many octets of that name stand before its rarest letter, the `g`.
const BEFORE_G: usize = 5;

/// What a request has of one cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieLookup<'a> {
    /// Nothing of that name.
    Absent,
    /// Its value, without surrounding space and quotes; empty if it is not ASCII.
    One(&'a str),
    /// More than one of that name, be they equal or not: somebody may have planted one.
    Ambiguous,
}

/// Looks for the cookie `name` in all `Cookie` headers of a request.
///
/// Names compare exactly, as browsers compare them, but for space around them. A pair without `=` counts as the name of
/// an empty value. Cookies are cut at every `;`, in quotes too (RFC 6265bis §5.6 knows no quoting): whoever hides one of
/// ours inside another's quotes makes it count.
pub(crate) fn session_cookie<'a>(headers: &'a HeaderMap, name: &str) -> CookieLookup<'a> {
    let mut found = CookieLookup::Absent;
    for header in headers.get_all(header::COOKIE) {
        for pair in header.as_bytes().split(|b| *b == b';') {
            let (this, value) = split_pair(pair);
            if this != name.as_bytes() {
                continue;
            }
            if found != CookieLookup::Absent {
                return CookieLookup::Ambiguous;
            }
            let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            found = CookieLookup::One(std::str::from_utf8(value).ok().filter(|v| v.is_ascii()).unwrap_or_default());
        }
    }
    found
}

/// Whether any `Cookie` header carries a cookie of the gateway.
pub(crate) fn has_gateway_cookie(headers: &HeaderMap) -> bool {
    headers.get_all(header::COOKIE).iter().any(|header| holds_gateway_pair(header.as_bytes()))
}

/// What is left of a `Cookie` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stripped {
    /// All of it: there was no cookie of ours.
    Untouched,
    /// This, octet for octet as it was sent.
    Rest(Vec<u8>),
    /// Nothing: drop the header.
    Nothing,
}

/// Removes the gateway's cookies from the value of one `Cookie` header.
pub(crate) fn strip_gateway_cookie(cookie_header: &[u8]) -> Stripped {
    if !holds_gateway_pair(cookie_header) {
        return Stripped::Untouched;
    }
    let mut rest = Vec::with_capacity(cookie_header.len());
    for pair in cookie_header.split(|b| *b == b';').filter(|pair| !is_gateway_pair(pair)) {
        // What moves to the first place leaves the space before it behind.
        rest.extend_from_slice(if rest.is_empty() { pair.trim_ascii_start() } else { pair });
        rest.push(b';');
    }
    rest.pop();
    if trim_ows(&rest).is_empty() { Stripped::Nothing } else { Stripped::Rest(rest) }
}

/// Whether a service's `Set-Cookie` would set, or delete, a cookie of the gateway.
///
/// A nameless cookie (`=cedargate=x`, or `cedargate` without `=`) is sent back by browsers as if it had that name, so it
/// counts, and so do names with space that some server trims, with any of the prefixes `__Host-`, `__Secure-`, `__Http-`
/// and `__Host-Http-`, and in any case.
pub(crate) fn sets_gateway_cookie(set_cookie: &[u8]) -> bool {
    let pair = set_cookie.split(|b| *b == b';').next().unwrap_or_default();
    is_gateway_pair(pair)
}

/// Whether a service's `Set-Cookie` reaches beyond the host that was asked: with `Domain=localhost`, a service of one
/// tenant sets what every other tenant's host is then sent.
pub(crate) fn spans_hosts(set_cookie: &[u8], host: &Host) -> bool {
    set_cookie.split(|b| *b == b';').skip(1).any(|attribute| {
        let (name, value) = split_pair(attribute);
        let domain = value.strip_prefix(b".").unwrap_or(value);
        name.eq_ignore_ascii_case(b"domain")
            && !domain.is_empty()
            && !domain.eq_ignore_ascii_case(host.name().as_bytes())
    })
}

fn holds_gateway_pair(cookie_header: &[u8]) -> bool {
    cookie_header.split(|b| *b == b';').any(is_gateway_pair)
}

/// Whether a pair is a cookie of ours to any parser that we know of.
fn is_gateway_pair(pair: &[u8]) -> bool {
    if !mentions_us(pair) {
        return false;
    }
    // As browsers send ours, which is nearly all that comes here.
    let plain = pair.trim_ascii_start();
    if plain.starts_with(b"cedargate=") || plain.starts_with(b"__Host-cedargate=") {
        return true;
    }
    // The loosest readers trim any Unicode space from a name, and take a nameless cookie's value for its name.
    let text = String::from_utf8_lossy(pair);
    let text = text.trim_start_matches(|c: char| c == '=' || c == '"' || c.is_whitespace() || c.is_control());
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let name = text.get(..end).unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c == '"' || c.is_whitespace() || c.is_control()).as_bytes();
    let bare = PREFIXES.iter().find_map(|prefix| strip_prefix_any_case(name, prefix)).unwrap_or(name);
    matches!(strip_prefix_any_case(bare, NAME), Some([] | [b'-' | b'_' | b'.', ..]))
}

fn strip_prefix_any_case<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether our name stands anywhere in it, in any case: in most cookies it does not, and that is all there is to do.
fn mentions_us(pair: &[u8]) -> bool {
    memchr2_iter(b'g', b'G', pair).any(|at| {
        let start = at.saturating_sub(BEFORE_G);
        pair.get(start..start + NAME.len()).is_some_and(|part| part.eq_ignore_ascii_case(NAME))
    })
}

/// Name and value of one pair, without the space around them.
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|b| *b == b'=') {
        Some(equals) => {
            let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
            (trim_ows(name), trim_ows(value.get(1..).unwrap_or_default()))
        }
        None => (trim_ows(pair), &[]),
    }
}

#[cfg(test)]
mod tests;
