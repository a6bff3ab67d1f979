//! What is counted. Labels come from closed sets: routes, refusal codes, services, tenants that are configured; never a
//! user, path or raw host.
//!
//! What every request counts has its place in [`Metrics`]; everything else is [`set`](Metrics::set) when somebody asks. To
//! add a metric: a row in `described.rs`, and whoever knows its value.

pub(crate) mod described;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use cedargate_model::{RefusalCode, RouteId, Stage, TenantName};
use cedargate_policy::Route;
use prometheus::proto::MetricFamily;
use prometheus::{
    CounterVec, Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder,
};

pub use self::described::*;
use crate::tls::{HandshakeFailure, HostExpiry};

/// Upper bounds of the duration buckets, in seconds. Stages take microseconds, services up to seconds.
const DURATION_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const STAGE_BUCKETS: [f64; 12] =
    [0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.1, 1.0, 5.0];

/// Tenants with series of their own. What they cost grows with them in every scrape.
const TENANTS_MAX: usize = 100;

/// What the series of all other tenants are called.
const OTHER: &str = "other";

/// The classes of status, and what stands for none.
const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// The gateway's counters, each registered once.
pub struct Metrics {
    registry: Registry,
    families: HashMap<&'static str, Family>,
    refusals: IntCounterVec,
    rate_limited: IntCounterVec,
    turned_away: IntCounter,
    stages: HistogramVec,
    upstream_errors: IntCounterVec,
    shadow: ShadowCounts,
    policy_shadow: IntCounterVec,
    /// Looked up once for each route and tenant: their labels are hashed anew otherwise, for every request.
    routes: ArcSwap<HashMap<RouteId, Arc<OfRoute>>>,
    tenants: ArcSwap<HashMap<TenantName, OfTenant>>,
}

/// Counts of what rules say that only watch, for whoever runs them.
#[derive(Clone)]
pub(crate) struct ShadowCounts(IntCounterVec);

impl ShadowCounts {
    pub(crate) fn count(&self, outcome: &str) {
        self.0.with_label_values(&[outcome]).inc();
    }
}

enum Family {
    Counter(IntCounterVec),
    Seconds(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

struct OfRoute {
    requests: [IntCounter; STATUSES.len()],
    duration: Histogram,
    upstream: Histogram,
}

#[derive(Clone)]
struct OfTenant {
    forwarded: IntCounter,
    refused: IntCounter,
}

/// A metric that is not there: a bug that the first test finds.
fn unknown(metric: &Described) -> prometheus::Error {
    prometheus::Error::Msg(format!("`{}` is not registered as that", metric.name))
}

impl Metrics {
    /// Registers everything. What knows its labels starts at zero.
    ///
    /// # Errors
    /// A name or label that Prometheus refuses: a bug that the first test finds.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let mut families = HashMap::new();
        for metric in described::ALL {
            families.insert(metric.name, Family::register(metric, &registry)?);
        }
        let counter = |metric: &'static Described| match families.get(metric.name) {
            Some(Family::Counter(vec)) => Ok(vec.clone()),
            _ => Err(unknown(metric)),
        };
        let histogram = |metric: &'static Described| match families.get(metric.name) {
            Some(Family::Histogram(vec)) => Ok(vec.clone()),
            _ => Err(unknown(metric)),
        };
        let metrics = Self {
            refusals: counter(described::REFUSALS)?,
            rate_limited: counter(described::RATE_LIMITED)?,
            turned_away: counter(described::TURNED_AWAY)?.with_label_values(&[]),
            stages: histogram(described::STAGE_DURATION)?,
            upstream_errors: counter(described::UPSTREAM_ERRORS)?,
            shadow: ShadowCounts(counter(described::WAF_SHADOW)?),
            policy_shadow: counter(described::POLICY_SHADOW)?,
            routes: ArcSwap::default(),
            tenants: ArcSwap::default(),
            registry,
            families,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    fn start_at_zero(&self) {
        for code in RefusalCode::ALL {
            self.refusals.with_label_values(&[code.as_str()]).inc_by(0);
        }
        for limit in ["address", "principal"] {
            self.rate_limited.with_label_values(&[limit]).inc_by(0);
        }
        for cache in ["decisions", "sessions"] {
            self.set(described::CACHE_HITS, &[cache], 0.0);
            self.set(described::CACHE_MISSES, &[cache], 0.0);
        }
        for result in ["accepted", "folded", "refused"] {
            self.set(described::AUDIT_EVENTS, &[result], 0.0);
        }
        for result in ["durable", "failed"] {
            self.set(described::AUDIT_COMMITS, &[result], 0.0);
        }
        for reason in ["queue_full", "export_failed", "rejected"] {
            self.set(described::SPANS_DROPPED, &[reason], 0.0);
        }
        for signal in ["traces", "metrics"] {
            self.set(described::EXPORTS_FAILED, &[signal], 0.0);
        }
        for reason in HandshakeFailure::REASONS {
            self.count(described::HANDSHAKE_FAILURES, &[reason], 0);
        }
        for outcome in ["same", "stricter", "looser", "skipped"] {
            self.count(described::WAF_SHADOW, &[outcome], 0);
        }
        for outcome in ["same", "differs"] {
            self.count(described::POLICY_SHADOW, &[outcome], 0);
        }
        for result in ["taken_up", "failed"] {
            self.count(described::WAF_RELOADS, &[result], 0);
        }
        for metric in described::ALL.iter().filter(|metric| metric.labels.is_empty()) {
            self.set(metric, &[], 0.0);
        }
        self.set(described::AUDIT_HOLDS, &[], 1.0);
        self.set(described::TENANT_REQUESTS, &["forwarded", OTHER], 0.0);
    }

    /// Sets a gauge, or brings a counter up to what has been counted elsewhere. A counter never falls; two who ask at
    /// once may both see the lower value, which the next one mends.
    pub fn set(&self, metric: &Described, labels: &[&str], to: f64) {
        match self.families.get(metric.name) {
            Some(Family::Counter(vec)) => {
                let counter = vec.with_label_values(labels);
                // Whole and not negative; what it saturates at is out of reach.
                counter.inc_by((to as u64).saturating_sub(counter.get()));
            }
            Some(Family::Seconds(vec)) => {
                let counter = vec.with_label_values(labels);
                counter.inc_by((to - counter.get()).max(0.0));
            }
            Some(Family::Gauge(vec)) => vec.with_label_values(labels).set(to),
            // Durations are observed, one by one.
            Some(Family::Histogram(_)) | None => {}
        }
    }

    /// Adds to a counter that few requests touch.
    pub fn count(&self, metric: &Described, labels: &[&str], by: u64) {
        if let Some(Family::Counter(vec)) = self.families.get(metric.name) {
            vec.with_label_values(labels).inc_by(by);
        }
    }

    /// A request was refused.
    pub(crate) fn refused(&self, code: RefusalCode, tenant: Option<&TenantName>) {
        self.refusals.with_label_values(&[code.as_str()]).inc();
        if let Some(tenant) = tenant {
            self.with_tenant(tenant, |of| of.refused.inc());
        }
        let limit = match code {
            RefusalCode::AddressRateLimited => "address",
            RefusalCode::QuotaExceeded => "principal",
            _ => return,
        };
        self.rate_limited.with_label_values(&[limit]).inc();
    }

    /// A request was forwarded and has ended.
    pub(crate) fn forwarded(&self, route: &Route, tenant: &TenantName, status: Option<u16>, duration: Duration) {
        self.with_route(route, |of| {
            if let Some(requests) = of.requests.get(class(status)) {
                requests.inc();
            }
            of.duration.observe(duration.as_secs_f64());
        });
        self.with_tenant(tenant, |of| of.forwarded.inc());
    }

    /// A service began to answer.
    pub(crate) fn answered(&self, route: &Route, took: Duration) {
        self.with_route(route, |of| of.upstream.observe(took.as_secs_f64()));
    }

    /// A service did not answer properly.
    pub(crate) fn upstream_failed(&self, route: &Route, code: RefusalCode) {
        self.upstream_errors.with_label_values(&[code.as_str(), &route.service]).inc();
    }

    /// A stage of a traced exchange took so long.
    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.stages.with_label_values(&[stage.as_str()]).observe(took.as_secs_f64());
    }

    /// Breaks were found in the audit log.
    pub fn audit_chain_broken(&self, breaks: u64) {
        self.count(described::AUDIT_BROKEN, &[], breaks);
        self.set(described::AUDIT_HOLDS, &[], 0.0);
    }

    /// The audit log was proved to hold.
    pub fn audit_holds(&self) {
        self.set(described::AUDIT_HOLDS, &[], 1.0);
        self.set(described::AUDIT_PROVED_AT, &[], seconds_now());
    }

    /// What signed heads cover was sealed; so many entries are in the archive now.
    pub fn audit_sealed(&self, entries: u64) {
        self.set(described::AUDIT_SEALED, &[], entries as f64);
        self.set(described::AUDIT_SEALED_AT, &[], seconds_now());
    }

    /// A sealing failed.
    pub fn audit_sealing_failed(&self) {
        self.count(described::AUDIT_SEALINGS_FAILED, &[], 1);
    }

    /// What rules say that only watch.
    /// A policy set in the shadow was asked, too.
    pub(crate) fn policy_shadow(&self, same: bool) {
        self.policy_shadow.with_label_values(&[if same { "same" } else { "differs" }]).inc();
    }

    pub(crate) fn shadow(&self) -> &ShadowCounts {
        &self.shadow
    }

    /// A changed rule set was read; whether it could be taken up.
    pub fn rule_set_read(&self, taken_up: bool) {
        self.count(described::WAF_RELOADS, &[if taken_up { "taken_up" } else { "failed" }], 1);
    }

    /// A tenant's new snapshot could not be built; the old one stays.
    pub fn policy_reload_failed(&self) {
        self.count(described::RELOAD_FAILURES, &[], 1);
        self.set(described::RELOAD_OK, &[], 0.0);
    }

    /// Tenants and policies were read and taken up; `wholly` if there was no mistake in any.
    pub fn policies_taken_up(&self, wholly: bool) {
        self.count(described::RELOADS, &[], 1);
        if wholly {
            self.set(described::RELOAD_OK, &[], 1.0);
            self.set(described::RELOADED_AT, &[], seconds_now());
        }
    }

    /// A connection came where there is room for no more.
    pub(crate) fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// A changed certificate could not be taken up; the old one stays.
    pub fn tls_reload_failed(&self) {
        self.count(described::TLS_RELOAD_FAILURES, &[], 1);
    }

    /// Takes note of until when each host's certificate is valid, and forgets hosts that have none any more.
    pub fn certificates(&self, hosts: &[HostExpiry]) {
        if let Some(Family::Gauge(expiry)) = self.families.get(described::TLS_EXPIRY.name) {
            expiry.reset();
        }
        for host in hosts {
            self.set(described::TLS_EXPIRY, &[&host.host], host.valid_to as f64);
        }
    }

    /// Everything, as it stands.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// Two metrics of one name: a bug that the first test finds.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn with_route(&self, route: &Route, count: impl Fn(&OfRoute)) {
        if let Some(of) = self.routes.load().get(&route.id) {
            return count(of);
        }
        let (Some(Family::Counter(requests)), Some(Family::Histogram(duration)), Some(Family::Histogram(upstream))) = (
            self.families.get(described::REQUESTS.name),
            self.families.get(described::DURATION.name),
            self.families.get(described::UPSTREAM_DURATION.name),
        ) else {
            return;
        };
        let id = route.id.as_str();
        let of = Arc::new(OfRoute {
            requests: STATUSES.map(|status| requests.with_label_values(&[id, status])),
            duration: duration.with_label_values(&[id]),
            upstream: upstream.with_label_values(&[&route.service]),
        });
        count(&of);
        self.routes.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            routes.insert(route.id.clone(), Arc::clone(&of));
            routes
        });
    }

    fn with_tenant(&self, tenant: &TenantName, count: impl Fn(&OfTenant)) {
        let tenants = self.tenants.load();
        if let Some(of) = tenants.get(tenant) {
            return count(of);
        }
        let Some(Family::Counter(requests)) = self.families.get(described::TENANT_REQUESTS.name) else { return };
        let name = if tenants.len() < TENANTS_MAX { tenant.as_str() } else { OTHER };
        let of = |outcome| requests.with_label_values(&[outcome, name]);
        let of = OfTenant { forwarded: of("forwarded"), refused: of("refused") };
        count(&of);
        if name != OTHER {
            self.tenants.rcu(|tenants| {
                let mut tenants = HashMap::clone(tenants);
                tenants.insert(tenant.clone(), of.clone());
                tenants
            });
        }
    }
}

impl Family {
    fn register(metric: &'static Described, registry: &Registry) -> Result<Self, prometheus::Error> {
        let (opts, labels) = (Opts::new(metric.name, metric.help), metric.labels);
        let family = match metric.kind {
            Kind::Counter => Self::Counter(IntCounterVec::new(opts, labels)?),
            Kind::Seconds => Self::Seconds(CounterVec::new(opts, labels)?),
            Kind::Gauge => Self::Gauge(GaugeVec::new(opts, labels)?),
            Kind::Histogram => {
                let buckets =
                    if metric.name == described::STAGE_DURATION.name { STAGE_BUCKETS } else { DURATION_BUCKETS };
                let opts = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
                Self::Histogram(HistogramVec::new(opts, labels)?)
            }
        };
        match &family {
            Self::Counter(vec) => registry.register(Box::new(vec.clone()))?,
            Self::Seconds(vec) => registry.register(Box::new(vec.clone()))?,
            Self::Gauge(vec) => registry.register(Box::new(vec.clone()))?,
            Self::Histogram(vec) => registry.register(Box::new(vec.clone()))?,
        }
        Ok(family)
    }
}

/// A status's place in [`STATUSES`].
fn class(status: Option<u16>) -> usize {
    match status {
        Some(status @ 100..=599) => usize::from(status / 100) - 1,
        _ => STATUSES.len() - 1,
    }
}

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dashboards_rely_on_is_there_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.refused(RefusalCode::AddressRateLimited, None);
        metrics.set(described::CACHE_HITS, &["decisions"], 3.0);
        metrics.set(described::CACHE_HITS, &["decisions"], 5.0);
        metrics.set(described::CACHE_HITS, &["decisions"], 4.0);
        let text = metrics.render().unwrap();
        for line in [
            r#"cedargate_refusals_total{code="path_invalid"} 0"#,
            r#"rate_limit_rejections_total{limit="address"} 1"#,
            r#"cache_hits_total{cache="decisions"} 5"#,
            r#"cache_misses_total{cache="decisions"} 0"#,
            "audit_chain_broken_total 0",
            "cedargate_audit_holds 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing from\n{text}");
        }
    }

    #[test]
    fn tenants_beyond_the_bound_share_a_series() {
        let metrics = Metrics::new().unwrap();
        for tenant in 0..TENANTS_MAX + 50 {
            let tenant = TenantName::parse(&format!("t{tenant}")).unwrap();
            metrics.refused(RefusalCode::Forbidden, Some(&tenant));
            metrics.refused(RefusalCode::Forbidden, Some(&tenant));
        }
        let text = metrics.render().unwrap();
        let series = text.lines().filter(|line| line.starts_with("cedargate_tenant_requests_total{")).count();
        assert_eq!(series, 2 * (TENANTS_MAX + 1));
        assert!(text.contains(r#"cedargate_tenant_requests_total{outcome="refused",tenant="other"} 100"#), "{text}");
    }

    #[test]
    fn every_status_has_its_class() {
        for (status, class) in
            [(Some(101), "1xx"), (Some(204), "2xx"), (Some(599), "5xx"), (Some(600), "none"), (None, "none")]
        {
            assert_eq!(STATUSES[super::class(status)], class);
        }
    }
}
