//! The fields by which an answer tells where a caller stands (draft-ietf-httpapi-ratelimit-headers).

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

use super::Standing;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Standing {
    /// `RateLimit: "address";r=99;t=1` and `RateLimit-Policy: "address";q=100;w=60`.
    ///
    /// Both are lists (RFC 9651 §3.1), so where several limits apply each adds a line of its own.
    pub(in crate::stage) fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let Self { policy, remaining, reset_seconds, quota, window_seconds, .. } = self;
        let mut text = String::with_capacity(48);
        // Writing to a `String` cannot fail; names are lower-case letters and the rest is digits, so both are values.
        let _ = write!(text, "\"{policy}\";r={remaining};t={reset_seconds}");
        let standing = HeaderValue::from_str(&text).ok().map(|value| (RATE_LIMIT, value));
        text.clear();
        let _ = write!(text, "\"{policy}\";q={quota};w={window_seconds}");
        let terms = HeaderValue::from_str(&text).ok().map(|value| (RATE_LIMIT_POLICY, value));
        standing.into_iter().chain(terms)
    }
}
