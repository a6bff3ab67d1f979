//! What the fuzz targets in `fuzz/` call of this crate. No interface: it changes with them.

use cedargate_model::{Canonical, RequestId, Scheme};
use http::{HeaderMap, Method};

use crate::arrival::Peer;
use crate::framing::{ChunkScreen, Progress};
use crate::stage::hygiene::{
    self, CookieLookup, Framing, HeadLimits, Stripped, TraceContext, TrustedProxies, is_hop_by_hop, is_reserved_header,
};

/// Where a head ends, if it does.
pub fn head_end(octets: &[u8]) -> Option<usize> {
    hygiene::find_head_end(octets, 0)
}

/// How the body of a screened head is framed: `none`, `chunked`, `upgrade`, or its length.
pub fn screen(head: &[u8]) -> Result<String, String> {
    let framing = hygiene::screen(head, &HeadLimits::default()).map_err(|refusal| refusal.code.to_string())?;
    Ok(match framing {
        Framing::None => "none".to_owned(),
        Framing::Length(length) => length.to_string(),
        Framing::Chunked => "chunked".to_owned(),
        Framing::Upgrade => "upgrade".to_owned(),
    })
}

/// The canonical form of a parsed request from a proxy that is trusted with everything.
pub fn canonicalise(method: &Method, target: &[u8], headers: &HeaderMap) -> Result<Canonical, String> {
    let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).map_err(|error| error.to_string())?;
    let peer = Peer { address: [10, 0, 0, 1].into(), scheme: Scheme::Http };
    let _ = TraceContext::of(headers, true, [7; 24]);
    hygiene::canonicalise(method, target, headers, &peer, &trusted, RequestId(uuid::Uuid::nil()))
        .map_err(|refusal| refusal.code.to_string())
}

/// Feeds a chunked body in these pieces; how many octets belonged to it, if it came to its end.
pub fn chunked<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<usize>, String> {
    let mut screen = ChunkScreen::default();
    let mut fed = 0;
    for piece in pieces {
        match screen.feed(piece).map_err(|error| error.to_string())? {
            Progress::More => fed += piece.len(),
            Progress::Done { consumed } => return Ok(Some(fed + consumed)),
        }
    }
    Ok(None)
}

/// What is found of a session cookie: nothing, one value, or too many.
pub fn session_cookie(headers: &HeaderMap, name: &str) -> Result<Option<String>, &'static str> {
    match hygiene::session_cookie(headers, name) {
        CookieLookup::Absent => Ok(None),
        CookieLookup::One(value) => Ok(Some(value.to_owned())),
        CookieLookup::Ambiguous => Err("several"),
    }
}

/// What a service gets of a `Cookie` header; none where it is dropped.
pub fn strip_cookies(header: &[u8]) -> Option<Vec<u8>> {
    match hygiene::strip_gateway_cookie(header) {
        Stripped::Untouched => Some(header.to_vec()),
        Stripped::Rest(rest) => Some(rest),
        Stripped::Nothing => None,
    }
}

/// Whether a client's header of this name never reaches a service.
pub fn is_kept_from_services(name: &str) -> bool {
    is_reserved_header(name) || is_hop_by_hop(name)
}
