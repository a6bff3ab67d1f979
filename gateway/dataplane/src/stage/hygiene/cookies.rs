//! The gateway's own cookies: found for the gateway, kept from services, and not theirs to set.
//!
//! Browsers and servers read cookies by different rules, and the differences have been used to plant, hide and leak
//! them. So: what we accept as our session is read narrowly, and what we keep from a service, in either direction, is
//! read as widely as the loosest parser could.

use cedargate_model::Host;
use http::{HeaderMap, header};

use super::raw::trim_ows;

/// The name that all cookies of the gateway begin with, once a browser's prefix is off.
const NAME: &[u8] = b"cedargate";

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
    let kept: Vec<&[u8]> = cookie_header.split(|b| *b == b';').filter(|pair| !is_gateway_pair(pair)).collect();
    let rest = kept.join(&b';');
    match trim_ows(&rest) {
        [] => Stripped::Nothing,
        rest => Stripped::Rest(rest.to_vec()),
    }
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
    // Most cookies do not even mention us.
    cookie_header.windows(NAME.len()).any(|window| window.eq_ignore_ascii_case(NAME))
        && cookie_header.split(|b| *b == b';').any(is_gateway_pair)
}

/// Whether a pair is a cookie of ours to any parser that we know of.
fn is_gateway_pair(pair: &[u8]) -> bool {
    // The loosest readers trim any Unicode space from a name, and take a nameless cookie's value for its name.
    let text = String::from_utf8_lossy(pair);
    let text = text.trim_start_matches(|c: char| c == '=' || c == '"' || c.is_whitespace() || c.is_control());
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let name = text.get(..end).unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c == '"' || c.is_whitespace() || c.is_control()).to_ascii_lowercase();
    let bare = ["__host-http-", "__host-", "__secure-", "__http-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let rest = bare.unwrap_or(&name).as_bytes().strip_prefix(NAME);
    matches!(rest, Some([] | [b'-' | b'_' | b'.', ..]))
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
