//! The reference page of metrics says what the code says. `CEDARGATE_UPDATE_DOCS=1 cargo test -p cedargate-dataplane`
//! rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use cedargate_dataplane::metrics::ALL;

/// The page's words around its table.
const HEAD: &str = "\
# Metrics

What the gateway counts: at `/metrics` of the operator's listener in Prometheus' text format and, where
[`telemetry.otlp_endpoint`](configuration.md) is set, sent to a collector from the same counters. Durations are in
seconds. Labels come from closed sets, so that the number of series is bounded by routes, services, refusal codes and tenants (100
of them, then `other`), never by what clients send. The dashboard in [`deploy/grafana/`](../../deploy/grafana) and the alerts in
[`deploy/prometheus/`](../../deploy/prometheus) are made of these.

| metric | type | labels | meaning |
|---|---|---|---|
";

#[test]
fn the_reference_page_lists_every_metric() {
    let mut page = HEAD.to_owned();
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {} | {} | {} |", metric.name, metric.kind.as_str(), labels.join(", "), metric.help)
            .unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if std::env::var_os("CEDARGATE_UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), page, "write it anew with CEDARGATE_UPDATE_DOCS=1");
}
