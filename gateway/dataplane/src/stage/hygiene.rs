//! Is this one unambiguous request?
//!
//! Two passes. [`screen`] reads the raw head of an HTTP/1 request before Pingora's parser does, because that parser
//! accepts and repairs much of what makes two servers disagree about one message. [`canonicalise`] then reads what the
//! parser made of it, holds it to the same rules once more ([`fields::Fields`] serves both), and leaves [`Canonical`]:
//! the one form that routing, policy and the service see. HTTP/2 has no raw head: [`screen_stream`] asks the same of what the
//! library decoded.
//!
//! Nothing is repaired. What two parsers could read differently is refused, with a detail that repeats no value.
//!
//! [`Canonical`]: cedargate_model::Canonical

mod canonical;
mod cookies;
mod fields;
mod peers;
mod raw;
#[cfg(test)]
pub(crate) mod reference;
mod reserved;
mod stream;
mod target;
mod trace;

pub(crate) use canonical::{canonicalise, canonicalise_head};
pub(crate) use cookies::{
    CookieLookup, Stripped, has_gateway_cookie, session_cookie, sets_gateway_cookie, spans_hosts, strip_gateway_cookie,
};
pub(crate) use fields::Framing;
pub use peers::{TrustedProxies, TrustedProxiesError};
pub use raw::HeadLimits;
pub(crate) use raw::{find_head_end, is_field_name, is_field_value, screen};
pub(crate) use reserved::{is_hop_by_hop, is_reserved_header, reserved_headers};
pub(crate) use stream::{authority, screen_stream};
pub(crate) use trace::TraceContext;
