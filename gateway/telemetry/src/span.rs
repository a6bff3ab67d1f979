//! Spans and attributes as the protocol has them.

use cedargate_model::TraceParent;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
pub use opentelemetry_proto::tonic::trace::v1::Span;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Status, status::StatusCode};
use uuid::Uuid;

/// Bits of [`Span::flags`]: that the next bit means something, and that the parent is another process' span.
const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

/// A span of this trace: named, of a kind, from and until these nanoseconds since 1970.
pub fn span(trace: TraceParent, id: [u8; 8], name: impl Into<String>, kind: SpanKind, times: (u64, u64)) -> Span {
    Span {
        trace_id: trace.trace().to_vec(),
        span_id: id.to_vec(),
        flags: u32::from(trace.is_sampled()) | PARENT_IS_KNOWN,
        name: name.into(),
        kind: kind.into(),
        start_time_unix_nano: times.0,
        end_time_unix_nano: times.1.max(times.0),
        ..Span::default()
    }
}

/// The same span below another one of this process.
#[must_use]
pub fn below(mut span: Span, parent: [u8; 8]) -> Span {
    span.parent_span_id = parent.to_vec();
    span
}

/// The same span below another process' one.
#[must_use]
pub fn below_remote(mut span: Span, parent: [u8; 8]) -> Span {
    span.flags |= PARENT_IS_REMOTE;
    below(span, parent)
}

/// The same span, marked as failed. What failed stands in the attribute `error.type`.
#[must_use]
pub fn failed(mut span: Span) -> Span {
    span.status = Some(Status { message: String::new(), code: StatusCode::Error.into() });
    span
}

/// An attribute that is a text.
pub fn text(key: &'static str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// An attribute that is a number.
pub fn number(key: &'static str, value: impl Into<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.into()))
}

/// A name that one method goes by, or `_OTHER`: a client's own words make no attributes (OpenTelemetry, HTTP spans).
pub fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// What a span of such a request is called: its method, and the route where it is known.
pub fn name(method: &str, route: Option<&str>) -> String {
    let method = match self::method(method) {
        "_OTHER" => "HTTP",
        known => known,
    };
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

/// An id for a span: never zero, since a version's bits stand in it.
pub fn id() -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = Uuid::new_v4().into_bytes();
    [a, b, c, d, e, f, g, h]
}

pub(crate) fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_words_name_no_span() {
        assert_eq!(name("GET", Some("/inventory/{id}")), "GET /inventory/{id}");
        assert_eq!(name("get", None), "HTTP");
        assert_eq!(method("SPEAK"), "_OTHER");
    }
}
