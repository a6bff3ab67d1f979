//! Traced exchanges as spans, by OpenTelemetry's conventions for HTTP; and the exporter that takes them away.
//!
//! One span for the exchange, below it one for each stage, and below `forward` the one whose id the service was told.
//! Attributes hold what we know, never what a client wrote: no query, no header, no path but the route's.

use std::sync::Arc;

use cedargate_dataplane::{TraceSink, TracedExchange, Tracing};
use cedargate_model::{Host, Stage};
use cedargate_telemetry::span::{self, SpanKind, below, below_remote, failed, number, span, text};
use cedargate_telemetry::{Counted, Exporter, Finished, Queue, Resource, Settings, Span, Waiting, queue};

use super::StartError;
use super::figures::Figures;
use crate::config::{Config, Otlp};

/// A way to a collector that is set up, and not yet taken.
pub(super) struct Prepared {
    settings: Settings,
    waiting: Waiting<Traced>,
    counted: Arc<Counted>,
    tells_metrics: bool,
}

/// What the data plane and the exporter need, where somebody collects.
pub(super) fn prepare(config: &Config) -> (Option<Tracing>, Option<Prepared>) {
    let Some(otlp) = &config.telemetry.otlp else { return (None, None) };
    let settings = settings(otlp, &config.audit.instance);
    let (queue, waiting) = queue(settings.queue_max);
    let counted = Arc::clone(queue.counted());
    let tracing = Tracing { sampled: otlp.sampled, failures: otlp.failures, sink: Arc::new(Sink(queue)) };
    (Some(tracing), Some(Prepared { settings, waiting, counted, tells_metrics: otlp.metrics_interval.is_some() }))
}

/// What a start would find wrong with the way to a collector.
pub(super) fn check(config: &Config) -> Result<String, StartError> {
    match &config.telemetry.otlp {
        None => Ok("nobody collects spans".to_owned()),
        Some(otlp) => {
            settings(otlp, &config.audit.instance).check()?;
            Ok("the collector can be spoken to, if it is there".to_owned())
        }
    }
}

fn settings(otlp: &Otlp, instance: &str) -> Settings {
    let instance = otlp.instance.as_deref().unwrap_or(instance);
    let resource = Resource::new(&*otlp.service_name, env!("CARGO_PKG_VERSION"), instance);
    let mut settings = Settings::new(otlp.endpoint.clone(), resource);
    settings.headers = otlp.headers.clone();
    settings.authorities.clone_from(&otlp.authorities);
    settings.timeout = otlp.timeout;
    settings.queue_max = otlp.queue_max;
    settings.metrics_interval = otlp.metrics_interval.unwrap_or(settings.metrics_interval);
    settings
}

impl Prepared {
    /// What becomes of what is handed in.
    pub(super) fn counted(&self) -> Arc<Counted> {
        Arc::clone(&self.counted)
    }

    /// Takes it.
    pub(super) fn start(self, figures: &Figures) -> Result<Exporter, StartError> {
        let figures = figures.clone();
        let source = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let figures = figures.clone();
            Box::pin(async move {
                figures.refresh().await;
                figures.gateway.metrics.gather()
            })
        };
        let metrics = self.tells_metrics.then_some(Box::new(source) as _);
        tracing::info!(cedargate.otlp.metrics = self.tells_metrics, "telling a collector");
        Ok(Exporter::start(self.settings, self.waiting, metrics)?)
    }
}

/// Where the data plane hands in what has ended.
struct Sink(Queue<Traced>);

impl TraceSink for Sink {
    fn take(&self, exchange: Box<TracedExchange>) {
        self.0.offer(Traced(exchange));
    }
}

struct Traced(Box<TracedExchange>);

impl Finished for Traced {
    fn spans(self, into: &mut Vec<Span>) {
        let exchange = &*self.0;
        into.push(server(exchange));
        let mut began = exchange.began;
        for (stage, ended) in &exchange.stages {
            let id = span::id();
            into.push(self::stage(exchange, *stage, id, (began, *ended)));
            if let (Stage::Forward, Some(asked)) = (stage, exchange.asked) {
                into.push(below(client(exchange, (asked, *ended)), id));
                let held = |times| span(exchange.trace, span::id(), "record wait", SpanKind::Internal, times);
                into.extend(exchange.held.map(|times| below(held(times), id)));
            }
            began = *ended;
        }
    }
}

/// The exchange as the client saw it.
fn server(exchange: &TracedExchange) -> Span {
    let route = exchange.route.as_deref();
    let name = span::name(&exchange.method, route.map(|route| &*route.path));
    let mut span = span(exchange.trace, exchange.span, name, SpanKind::Server, (exchange.began, exchange.ended));
    span.trace_state = exchange.state.clone().unwrap_or_default();
    span.attributes = vec![
        text("http.request.method", span::method(&exchange.method)),
        text("url.scheme", exchange.scheme),
        text("client.address", exchange.client.to_string()),
        text("cedargate.decision.id", exchange.decision.to_string()),
        text("cedargate.request.id", exchange.request.to_string()),
    ];
    if let Some(route) = route {
        span.attributes.push(text("http.route", &*route.path));
        span.attributes.push(text("cedargate.route", route.id.as_str()));
        span.attributes.push(text("cedargate.action", &*route.action));
    }
    if let Some(host) = exchange.host.as_deref().and_then(|host| Host::parse(host).ok()) {
        span.attributes.push(text("server.address", host.name()));
        span.attributes.extend(host.port().map(|port| number("server.port", port)));
    }
    span.attributes.extend(exchange.tenant.as_ref().map(|tenant| text("cedargate.tenant", tenant.as_str())));
    span.attributes.extend(exchange.status.map(|status| number("http.response.status_code", status)));
    span.attributes.extend(exchange.refusal.map(|code| text("cedargate.refusal.code", code.as_str())));
    if exchange.is_failure() {
        span.attributes.push(text("error.type", what_failed(exchange)));
        span = failed(span);
    }
    match exchange.parent {
        Some(parent) => below_remote(span, parent),
        None => span,
    }
}

/// One stage of the walk.
fn stage(exchange: &TracedExchange, stage: Stage, id: [u8; 8], times: (u64, u64)) -> Span {
    let mut span = below(span(exchange.trace, id, stage.as_str(), SpanKind::Internal, times), exchange.span);
    if let Some(code) = exchange.refusal.filter(|code| code.stage() == stage) {
        span.attributes.push(text("cedargate.refusal.code", code.as_str()));
        if code.status() >= 500 {
            span.attributes.push(text("error.type", code.as_str()));
            span = failed(span);
        }
    }
    span
}

/// The exchange with the service. It has the id that the service was told.
fn client(exchange: &TracedExchange, times: (u64, u64)) -> Span {
    let method = span::method(&exchange.method);
    let name = span::name(&exchange.method, None);
    let mut span = span(exchange.trace, exchange.trace.span(), name, SpanKind::Client, times);
    span.attributes.push(text("http.request.method", method));
    span.attributes.extend(exchange.route.as_ref().map(|route| text("cedargate.service", &*route.service)));
    // What the client was told is what the service said, unless we refused later.
    let status = exchange.status.filter(|_| exchange.refusal.is_none());
    span.attributes.extend(status.map(|status| number("http.response.status_code", status)));
    if exchange.is_failure() || status.is_some_and(|status| status >= 400) {
        span.attributes.push(text("error.type", what_failed(exchange)));
        span = failed(span);
    }
    span
}

/// A refusal's code, else the status, else that the answer broke off.
fn what_failed(exchange: &TracedExchange) -> String {
    match (exchange.refusal, exchange.status) {
        (Some(code), _) => code.as_str().to_owned(),
        (None, Some(status)) if status >= 400 => status.to_string(),
        (None, _) => "upstream_broke".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use cedargate_model::{DecisionId, RefusalCode, RequestId, TraceParent};
    use uuid::Uuid;

    use super::*;

    fn exchange() -> TracedExchange {
        TracedExchange {
            trace: TraceParent::root([7; 24]).with_sampled(true),
            state: None,
            parent: None,
            span: [1; 8],
            began: 10,
            ended: 90,
            stages: vec![(Stage::Hygiene, 20), (Stage::Route, 30)],
            asked: None,
            held: None,
            method: "GET".to_owned(),
            scheme: "https",
            host: None,
            client: IpAddr::from([192, 0, 2, 1]),
            route: None,
            tenant: None,
            decision: DecisionId(Uuid::nil()),
            request: RequestId(Uuid::nil()),
            refusal: None,
            status: None,
            end: None,
        }
    }

    fn spans(exchange: TracedExchange) -> Vec<Span> {
        let mut spans = Vec::new();
        Traced(Box::new(exchange)).spans(&mut spans);
        spans
    }

    fn has(span: &Span, key: &str) -> bool {
        span.attributes.iter().any(|attribute| attribute.key == key)
    }

    #[test]
    fn stages_follow_each_other_below_the_exchange() {
        let spans = spans(exchange());
        let times: Vec<_> = spans.iter().map(|s| (&*s.name, s.start_time_unix_nano, s.end_time_unix_nano)).collect();
        assert_eq!(times, [("GET", 10, 90), ("hygiene", 10, 20), ("route", 20, 30)]);
        assert!(spans.iter().skip(1).all(|span| span.parent_span_id == [1; 8]));
        assert!(spans.first().unwrap().parent_span_id.is_empty());
    }

    #[test]
    fn the_span_that_the_service_was_told_stands_below_forward() {
        let stages = vec![(Stage::Forward, 80)];
        let spans = spans(TracedExchange { stages, asked: Some(40), held: Some((50, 60)), ..exchange() });
        let [_, forward, client, wait] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(client.span_id, [7; 8], "as `traceparent` said");
        assert_eq!((&client.parent_span_id, &wait.parent_span_id), (&forward.span_id, &forward.span_id));
    }

    #[test]
    fn only_what_is_not_the_clients_fault_is_an_error() {
        let refused = |code: RefusalCode| {
            let told = TracedExchange { refusal: Some(code), status: Some(code.status()), ..exchange() };
            spans(told).swap_remove(0)
        };
        let (not_found, unrecorded) = (refused(RefusalCode::RouteUnknown), refused(RefusalCode::RecordUnavailable));
        assert!(not_found.status.is_none() && !has(&not_found, "error.type"));
        assert!(unrecorded.status.is_some() && has(&unrecorded, "error.type"));
        assert!(has(&not_found, "cedargate.refusal.code"));
    }
}
