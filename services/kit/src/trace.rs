//! The trace that the gateway began, continued: a span for each request, and the trace's id in its log line.
//!
//! Whether a trace is recorded is the gateway's decision, which travels in `traceparent`; a service follows it. Nobody else
//! reaches a service, so that the header is believed as it stands.

use std::time::{SystemTime, UNIX_EPOCH};

use cedargate_model::TraceParent;
use cedargate_telemetry::span::{self, SpanKind, below_remote, failed, number, text};
use cedargate_telemetry::{
    Endpoint, EndpointError, Exporter, Finished, Headers, HeadersError, Queue, Resource, Settings, Span, StartError,
    queue,
};
use http::HeaderMap;

/// Where a service tells its spans, as an operator says it.
#[derive(Clone, Default, clap::Args)]
pub struct TelemetryOptions {
    /// An OpenTelemetry collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; without it no spans are made
    #[arg(long, env = "CEDARGATE_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Headers that the collector wants to see, from the environment alone: a command line is read by everybody
    #[arg(env = "CEDARGATE_OTLP_HEADERS", hide = true, hide_env_values = true, long)]
    otlp_headers: Option<String>,
}

// Not derived: the headers are secret.
impl std::fmt::Debug for TelemetryOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelemetryOptions").field("otlp_endpoint", &self.otlp_endpoint).finish_non_exhaustive()
    }
}

/// Why a service cannot tell its spans.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address is none.
    #[error("`--otlp-endpoint` is not usable")]
    Endpoint(#[from] EndpointError),
    /// The headers are none.
    #[error("CEDARGATE_OTLP_HEADERS is not usable")]
    Headers(#[from] HeadersError),
    /// The exporter does not start.
    #[error("spans cannot be told")]
    Start(#[from] StartError),
}

impl TelemetryOptions {
    /// Starts telling, if somebody is to be told.
    pub(crate) fn start(&self, service: &'static str) -> Result<Option<(Traces, Exporter)>, TelemetryError> {
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let instance = format!("{service}-{}", std::process::id());
        let resource = Resource::new(service, env!("CARGO_PKG_VERSION"), instance);
        let mut settings = Settings::new(Endpoint::parse(endpoint)?, resource);
        settings.headers = Headers::parse_list(self.otlp_headers.as_deref().unwrap_or_default())?;
        let (queue, waiting) = queue(settings.queue_max);
        let exporter = Exporter::start(settings, waiting, None)?;
        Ok(Some((Traces(queue), exporter)))
    }
}

/// Where finished requests are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Traces(Queue<Served>);

impl Traces {
    /// Takes a request that has ended, if its trace is recorded.
    pub(crate) fn take(&self, served: Served) {
        if served.trace.is_sampled() {
            self.0.offer(served);
        }
    }
}

/// The trace of this request, and the span of the gateway that asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continued {
    /// With a span of our own.
    pub(crate) trace: TraceParent,
    pub(crate) parent: [u8; 8],
}

impl Continued {
    /// None without a `traceparent`, with several, or with one that is none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let given = TraceParent::parse(value.to_str().ok()?)?;
        Some(Self { trace: given.child(span::id()), parent: given.span() })
    }
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) trace: TraceParent,
    pub(crate) parent: [u8; 8],
    /// In nanoseconds since 1970.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) method: &'static str,
    pub(crate) route: Option<String>,
    pub(crate) status: u16,
    pub(crate) tenant: Option<String>,
    pub(crate) decision: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) code: Option<&'static str>,
}

impl Finished for Served {
    fn spans(self, into: &mut Vec<Span>) {
        let name = span::name(self.method, self.route.as_deref());
        let times = (self.began, self.ended);
        let mut span =
            below_remote(span::span(self.trace, self.trace.span(), name, SpanKind::Server, times), self.parent);
        span.attributes =
            vec![text("http.request.method", self.method), number("http.response.status_code", self.status)];
        let facts = [
            ("http.route", self.route),
            ("cedargate.tenant", self.tenant),
            ("cedargate.decision.id", self.decision),
            ("cedargate.request.id", self.request),
        ];
        span.attributes.extend(facts.into_iter().filter_map(|(key, fact)| Some(text(key, fact?))));
        if self.status >= 500 {
            span.attributes
                .push(text("error.type", self.code.map_or_else(|| self.status.to_string(), ToOwned::to_owned)));
            span = failed(span);
        }
        into.push(span);
    }
}

/// Nanoseconds since 1970.
pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_gateways_trace_is_continued_below_its_span() {
        let continued = Continued::of(&HeaderMap::from_iter([(
            http::HeaderName::from_static("traceparent"),
            HeaderValue::from_static(GIVEN),
        )]));
        let Continued { trace, parent } = continued.unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(format!("{:016x}", u64::from_be_bytes(parent)), "00f067aa0ba902b7");
        assert!(trace.is_sampled() && trace.span() != parent);
    }

    #[test]
    fn what_is_no_traceparent_begins_nothing() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", HeaderValue::from_static(value));
            }
            headers
        };
        for values in [&[][..], &["00-0-0-0"], &[GIVEN, GIVEN]] {
            assert!(Continued::of(&headers(values)).is_none(), "{values:?}");
        }
    }

    #[test]
    fn the_headers_are_not_shown() {
        let options = TelemetryOptions { otlp_endpoint: None, otlp_headers: Some("very-secret".to_owned()) };
        assert!(!format!("{options:?}").contains("very-secret"));
    }
}
