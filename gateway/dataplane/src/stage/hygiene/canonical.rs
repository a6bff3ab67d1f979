//! From a parsed request to the one form that every later stage sees.

use std::net::IpAddr;

use cedargate_model::{Canonical, NormalizedPath, Refusal, RefusalCode, RequestId, Scheme};
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;

use super::fields::{Fields, Framing};
use super::peers::TrustedProxies;
use super::raw::check_method;
use super::stream::authority;
use super::target::Target;
use crate::arrival::Peer;

/// Normalises a parsed request once.
///
/// `raw_target` is the target as it came, in origin-form or absolute-form. Everything that [`screen`](super::screen) asked of the raw fields is asked again of
/// the parsed ones, so that a parser that repairs or reorders cannot bring back what was refused, and HTTP/2 is held to
/// the same rules.
///
/// The client's address, the scheme and the request's id are taken from headers only when the peer is one of `trusted`:
/// - the address is the rightmost one of `X-Forwarded-For` that is not itself a trusted proxy; what stands left of it
///   came from the client and is not read;
/// - the scheme is `X-Forwarded-Proto`, which must not contradict itself;
/// - the id is `Cedargate-Request` or else `X-Request-Id`, where that is one UUIDv7; any other gives way to `fresh`.
///
/// `Forwarded` (RFC 7239) is never read, only removed: two conventions for one fact is one too many. Nor is
/// `X-Forwarded-Host`: a proxy in front must keep `Host`.
///
/// # Errors
/// A [`Refusal`] of the stage hygiene. Its detail never repeats what was sent.
pub(crate) fn canonicalise(
    method: &Method,
    raw_target: &[u8],
    headers: &HeaderMap,
    peer: &Peer,
    trusted: &TrustedProxies,
    fresh: RequestId,
) -> Result<Canonical, Refusal> {
    canonicalise_at(method, Target::parse(raw_target)?, headers, peer, trusted, fresh)
}

/// The same for a head as Pingora has it, whose authority is a pseudo-header in HTTP/2.
///
/// # Errors
/// Those of [`canonicalise`].
pub(crate) fn canonicalise_head(
    head: &RequestHeader,
    peer: &Peer,
    trusted: &TrustedProxies,
    fresh: RequestId,
) -> Result<Canonical, Refusal> {
    let target = Target::parse(head.raw_path())?.at(authority(head))?;
    canonicalise_at(&head.method, target, &head.headers, peer, trusted, fresh)
}

fn canonicalise_at(
    method: &Method,
    target: Target<'_>,
    headers: &HeaderMap,
    peer: &Peer,
    trusted: &TrustedProxies,
    fresh: RequestId,
) -> Result<Canonical, Refusal> {
    check_method(method.as_str().as_bytes())?;
    let mut fields = Fields::default();
    for (name, value) in headers {
        fields.add(name.as_str().as_bytes(), value.as_bytes())?;
    }
    let (framing, host) = fields.conclude(None)?;
    check_body(method, framing)?;
    let path = NormalizedPath::parse(target.path)
        .map_err(|error| Refusal::new(RefusalCode::PathInvalid, error.to_string()))?;
    let query = target.query.map(str::to_owned);
    let host = target.agree(host)?;

    let mut origin = Origin { client: peer.address.to_canonical(), scheme: peer.scheme, request: fresh };
    if trusted.contains(origin.client) {
        origin.read(headers, trusted)?;
    }
    Ok(Canonical {
        request: origin.request,
        method: method.clone(),
        scheme: origin.scheme,
        host,
        path,
        query,
        client: origin.client,
    })
}

/// A body has no meaning with `GET` and `HEAD` (RFC 9110 §9.3.1), and a service that does not read one takes it for the
/// next request on the connection that we reuse ("CL.0" smuggling).
pub(super) fn check_body(method: &Method, framing: Framing) -> Result<(), Refusal> {
    let bodiless = matches!(*method, Method::GET | Method::HEAD);
    match framing {
        Framing::Length(1..) | Framing::Chunked if bodiless => {
            Err(Refusal::new(RefusalCode::FramingAmbiguous, "a body with a method that has none"))
        }
        Framing::None | Framing::Length(_) | Framing::Chunked | Framing::Upgrade => Ok(()),
    }
}

/// Where a request came from: by its connection, or by what a trusted proxy says.
struct Origin {
    client: IpAddr,
    scheme: Scheme,
    request: RequestId,
}

impl Origin {
    fn read(&mut self, headers: &HeaderMap, trusted: &TrustedProxies) -> Result<(), Refusal> {
        self.client = client_address(headers, trusted)?.unwrap_or(self.client);
        self.scheme = client_scheme(headers)?.unwrap_or(self.scheme);
        self.request = request_id(headers).unwrap_or(self.request);
        Ok(())
    }
}

fn client_address(headers: &HeaderMap, trusted: &TrustedProxies) -> Result<Option<IpAddr>, Refusal> {
    let mut client = None;
    let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    for field in fields.into_iter().rev() {
        let text = field.to_str().map_err(|_| malformed("`X-Forwarded-For`"))?;
        for entry in text.rsplit(',') {
            let address = parse_forwarded_address(entry.trim()).ok_or_else(|| malformed("`X-Forwarded-For`"))?;
            client = Some(address);
            if !trusted.contains(address) {
                return Ok(client);
            }
        }
    }
    // All of them proxies of ours: the leftmost one asks on its own account.
    Ok(client)
}

/// An address, with or without port: some balancers add one.
fn parse_forwarded_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text.parse::<std::net::SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

fn client_scheme(headers: &HeaderMap) -> Result<Option<Scheme>, Refusal> {
    let mut scheme = None;
    for field in headers.get_all("x-forwarded-proto") {
        for entry in field.as_bytes().split(|b| *b == b',').map(|entry| entry.trim_ascii()) {
            let this = match entry {
                _ if entry.eq_ignore_ascii_case(b"https") => Scheme::Https,
                _ if entry.eq_ignore_ascii_case(b"http") => Scheme::Http,
                _ => return Err(malformed("`X-Forwarded-Proto`")),
            };
            // Which of two proxies to believe cannot be told from here: one of them appends where it should replace.
            if scheme.replace(this).is_some_and(|earlier| earlier != this) {
                return Err(malformed("`X-Forwarded-Proto` that contradicts itself"));
            }
        }
    }
    Ok(scheme)
}

fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    let field = headers.get_all("cedargate-request").iter().chain(headers.get_all("x-request-id")).next()?;
    let id: RequestId = field.to_str().ok()?.parse().ok()?;
    (id.0.get_version_num() == 7).then_some(id)
}

/// A trusted proxy misbehaves: it is refused, since whom the request is from cannot be known.
fn malformed(what: &str) -> Refusal {
    Refusal::new(RefusalCode::HeaderInvalid, format!("a trusted proxy sent a malformed {what}"))
}

#[cfg(test)]
mod tests;
