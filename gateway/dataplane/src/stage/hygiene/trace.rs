//! W3C Trace Context: which trace an exchange belongs to.

use cedargate_model::TraceParent;
use http::{HeaderMap, HeaderValue};

/// The trace context that goes upstream. It replaces whatever the request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// Goes as `traceparent`.
    pub(crate) parent: TraceParent,
    /// Goes as `tracestate`, where a trusted proxy sent one.
    pub(crate) state: Option<HeaderValue>,
    /// What a trusted proxy sent as `traceparent`.
    pub(crate) continued: Option<TraceParent>,
}

impl TraceContext {
    /// Continues the trace of a trusted proxy; starts a new one for everybody else.
    ///
    /// A client's own trace id is not taken over: with it, anybody could switch on sampling for floods of requests and
    /// mix foreign spans into our traces (W3C Trace Context §4.3 calls this restarting the trace). `tracestate` means
    /// nothing without its `traceparent` and goes the same way; over 512 octets (§3.3.1.5) or malformed, it is dropped.
    pub(crate) fn of(headers: &HeaderMap, peer_trusted: bool, random: [u8; 24]) -> Self {
        let given = if peer_trusted { single(headers, "traceparent").and_then(TraceParent::parse) } else { None };
        let fresh = Self::fresh(random);
        match given {
            None => fresh,
            Some(given) => {
                let state = single(headers, "tracestate").filter(|s| (1..=512).contains(&s.len()));
                let state = state.and_then(|state| HeaderValue::from_str(state).ok());
                Self { parent: given.child(fresh.parent.span()), state, continued: Some(given) }
            }
        }
    }

    /// A new trace.
    pub(crate) fn fresh(random: [u8; 24]) -> Self {
        Self { parent: TraceParent::root(random), state: None, continued: None }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_strangers_trace_is_not_continued() {
        let context = TraceContext::of(&headers(&[("traceparent", GOOD), ("tracestate", "a=1")]), false, [7; 24]);
        assert_eq!(context, TraceContext::fresh([7; 24]));
    }

    #[test]
    fn a_trusted_proxys_trace_is_continued_with_a_span_of_our_own() {
        let context = TraceContext::of(&headers(&[("traceparent", GOOD), ("tracestate", "a=1")]), true, [7; 24]);
        assert_eq!(context.parent.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0707070707070707-01");
        assert_eq!(context.parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.state.unwrap(), "a=1");
    }

    #[test]
    fn state_without_parent_or_repeated_parents_start_anew() {
        for fields in [&[("tracestate", "a=1")][..], &[("traceparent", GOOD), ("traceparent", GOOD)]] {
            let context = TraceContext::of(&headers(fields), true, [7; 24]);
            assert_eq!(context, TraceContext::fresh([7; 24]));
        }
    }
}
