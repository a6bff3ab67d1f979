//! The fields by which an answer tells where a caller stands (draft-ietf-httpapi-ratelimit-headers).

use http::{HeaderName, HeaderValue};

use super::{Rate, Standing};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Standing {
    /// `RateLimit: "address";r=99;t=1` and `RateLimit-Policy: "address";q=100;w=60`.
    ///
    /// Both are lists (RFC 9651 §3.1), so where several limits apply each adds a line of its own.
    pub(in crate::stage) fn fields(&self) -> [(HeaderName, HeaderValue); 2] {
        let Self { policy, remaining, reset_seconds, .. } = self;
        let (mut left, mut seconds) = (itoa::Buffer::new(), itoa::Buffer::new());
        let standing =
            value(["\"", policy, "\";r=", left.format(*remaining), ";t=", seconds.format(*reset_seconds)].concat());
        [(RATE_LIMIT, standing), (RATE_LIMIT_POLICY, self.terms.clone())]
    }
}

/// What a limit allows, as its answers say it.
pub(super) fn terms(policy: &str, Rate { requests, window_seconds }: Rate) -> HeaderValue {
    value(format!("\"{policy}\";q={requests};w={window_seconds}"))
}

fn value(text: String) -> HeaderValue {
    // Names are lower-case letters and the rest is digits, so this is always a value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
