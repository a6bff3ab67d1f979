//! What a collector is told: one trace from the gateway to the service, sampled as configured, without a secret; and that
//! nobody waits for it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use cedargate_e2e::collector::{Collected, Collector, Span, SpanKind, attribute};
use cedargate_e2e::{World, WorldOptions};
use rustix::process::{Pid, Signal, kill_process};

/// The stages that leave a span, in the order of the walk.
const STAGES: [&str; 10] =
    ["hygiene", "route", "limit", "authenticate", "quota", "guard", "inspect", "authorize", "record", "forward"];

fn world(collector: &Collector, telemetry: &'static str) -> World {
    let options = WorldOptions {
        collector: Some((collector.url(), telemetry)),
        listen: "trusted_proxies = [\"127.0.0.1\"]",
        ..WorldOptions::default()
    };
    World::start(&options).unwrap()
}

fn is_of(request: &str) -> impl Fn(&Span) -> bool + '_ {
    move |span| attribute(span, "cedargate.request.id").as_deref() == Some(request)
}

fn named<'a>(spans: &'a [Collected], service: &str, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|of| of.service == service && of.span.name == name);
    match (found.next(), found.next()) {
        (Some(of), None) => &of.span,
        _ => panic!("not one `{name}` of {service} in {spans:#?}"),
    }
}

#[test]
fn a_request_is_one_trace_through_gateway_and_service_without_a_secret() {
    let collector = Collector::start().unwrap();
    let world = world(&collector, "trace_sample_ratio = 1\notlp_metrics_interval_seconds = 1");
    let clerk = world.sign_in("clerk", "acme");
    let headers =
        [("Cookie", &*clerk.cookie), ("X-Marked", "very-secret-header"), ("Authorization", "very-secret-credential")];
    let target = "/inventory/items?limit=5&q=very-secret-query";
    let answer = world.ask("acme", "GET", target, &headers[..2], b"");
    let request = answer.header("cedargate-request").unwrap();
    let whole = |spans: &[Collected]| {
        let of = |service| spans.iter().any(|of| of.service == service);
        of("cedargate") && of("inventory")
    };
    let spans = collector.trace(whole, is_of(request)).unwrap();

    let name = "GET /inventory/items";
    let server = named(&spans, "cedargate", name);
    assert_eq!(server.kind(), SpanKind::Server);
    assert!(server.parent_span_id.is_empty(), "nobody asked before the client");
    let status = answer.status.to_string();
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/inventory/items"),
        ("http.response.status_code", &status),
        ("url.scheme", "http"),
        ("server.address", "acme.localhost"),
        ("client.address", "127.0.0.1"),
        ("cedargate.tenant", "acme"),
        ("cedargate.decision.id", &world.decision(&answer).decision.to_string()),
    ] {
        assert_eq!(attribute(server, key).as_deref(), Some(value), "{key}");
    }
    let mut before = server.start_time_unix_nano;
    for stage in STAGES {
        let span = named(&spans, "cedargate", stage);
        assert_eq!(span.parent_span_id, server.span_id, "{stage}");
        assert_eq!(span.start_time_unix_nano, before, "{stage} begins where the one before ended");
        before = span.end_time_unix_nano;
    }
    let client = named(&spans, "cedargate", "GET");
    assert_eq!(client.kind(), SpanKind::Client);
    assert_eq!(client.parent_span_id, named(&spans, "cedargate", "forward").span_id);
    let served = named(&spans, "inventory", name);
    assert_eq!((served.kind(), &served.parent_span_id), (SpanKind::Server, &client.span_id));

    let refused = [
        (world.ask("acme", "GET", "/nowhere/very-secret-path", &headers[..2], b""), "GET", "route_unknown", "route"),
        (
            world.ask("acme", "POST", "/echo/a", &headers[1..2], b"very-secret-body"),
            "POST /echo/{name}",
            "signin_required",
            "authorize",
        ),
        (world.ask("acme", "GET", "/echo/../very-secret-path", &[], b""), "GET", "path_invalid", "hygiene"),
        (world.send("GET", b"GET /very-secret-path HTTP/1.1\r\n\r\n"), "GET", "host_invalid", "hygiene"),
    ];
    for (answer, name, code, stage) in refused {
        let request = answer.header("cedargate-request").unwrap();
        let spans = collector.trace(|_| true, is_of(request)).unwrap();
        let server = named(&spans, "cedargate", name);
        assert_eq!(attribute(server, "cedargate.refusal.code").as_deref(), Some(code));
        assert_eq!(attribute(server, "http.response.status_code"), Some(answer.status.to_string()));
        assert_eq!(attribute(named(&spans, "cedargate", stage), "cedargate.refusal.code").as_deref(), Some(code));
        assert!(server.status.is_none(), "a refusal is no error of ours");
    }

    let told: BTreeSet<_> = collector.metrics().unwrap().into_iter().map(|metric| metric.name).collect();
    let text = world.admin("/metrics").unwrap().text();
    let shown: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(told, shown, "one source of truth");

    let octets = String::from_utf8_lossy(&collector.octets()).into_owned();
    let token = clerk.cookie.split_once('=').unwrap().1;
    for secret in [token, world.password(), "very-secret"] {
        assert!(!octets.contains(secret), "`{secret}` was told");
    }
}

#[test]
fn a_trusted_proxys_decision_is_followed_and_handed_on() {
    let collector = Collector::start().unwrap();
    let world = world(&collector, "trace_sample_ratio = 0\ntrace_failure_ratio = 0");
    let clerk = world.sign_in("clerk", "acme");
    let ask = |id: u8, flags: &str| {
        let parent = format!("00-{id:032x}-00f067aa0ba902b7-{flags}");
        let headers = [("Cookie", &*clerk.cookie), ("traceparent", &*parent), ("tracestate", "vendor=kept")];
        let answer = world.ask("acme", "GET", "/echo/a", &headers, b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    };
    let plain = world.get(&clerk, "/echo/a").text();
    let unsampled = ask(7, "00");
    let sampled = ask(8, "01");
    assert!(plain.contains("-00\""), "the service is told that nobody records: {plain}");
    assert!(unsampled.contains(&format!("00-{:032x}-", 7)) && unsampled.contains("-00\""), "{unsampled}");
    assert!(sampled.contains(&format!("00-{:032x}-", 8)) && sampled.contains("-01\""), "{sampled}");
    assert!(sampled.contains("vendor=kept"), "{sampled}");
    assert_eq!(world.get(&clerk, "/nowhere").status, 404);

    let of_trace = |span: &Span| span.trace_id.last() == Some(&8);
    let is_enough = |spans: &[Collected]| spans.iter().any(|of| of.span.kind() == SpanKind::Client);
    let spans = collector.trace(is_enough, of_trace).unwrap();
    let server = named(&spans, "cedargate", "GET /echo/{name}");
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes(), "the proxy's span");
    assert_eq!(server.trace_state, "vendor=kept");
    // What was sent later has come, so that what was sent before would have come, too.
    assert!(collector.spans().iter().all(|of| of_trace(&of.span)), "nothing else is traced");
}

#[test]
fn a_dead_collector_is_noticed_by_nobody_but_the_counters() {
    // It takes connections by its backlog alone, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let more = "trace_sample_ratio = 1\notlp_queue_max = 8\notlp_timeout_ms = 200";
    let world = World::start(&WorldOptions { collector: Some((url, more)), ..WorldOptions::default() }).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    for _ in 0..300 {
        assert_eq!(world.get(&clerk, "/echo/a").status, 200);
    }
    let metrics = world.admin("/metrics").unwrap().text();
    let dropped = metrics.lines().filter(|line| line.starts_with("cedargate_otlp_spans_dropped_total{"));
    let dropped: f64 = dropped.filter_map(|line| line.split(' ').next_back()?.parse::<f64>().ok()).sum();
    assert!(dropped > 0.0, "{metrics}");

    let id = Pid::from_raw(i32::try_from(world.gateway_id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let status = world.wait_for_gateway(Duration::from_secs(60)).unwrap();
    assert!(status.success(), "{status}\n{}", world.logs());
    let (_, log) = world.log_line("did not reach the collector").unwrap();
    assert_eq!(log.matches("did not reach the collector").count().max(3), 3, "once in a while, not for each");
}
