//! What is counted. Labels come from closed sets: routes, refusal codes, cache names; never a user, path or raw host.

use std::time::Duration;

use cedargate_model::RefusalCode;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Upper bounds of the duration buckets, in seconds.
const DURATION_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The gateway's counters, each registered once.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    rate_limited: IntCounterVec,
    duration: Histogram,
    cache_hits: IntCounterVec,
    cache_misses: IntCounterVec,
    audit_chain_broken: IntCounter,
    audit_notes_dropped: IntCounter,
    audit_queue_bytes: IntGauge,
    log_lines_dropped: IntCounter,
    policy_reload_failures: IntCounter,
    turned_away: IntCounter,
}

impl Metrics {
    /// Registers everything. Counters that know their labels start at zero.
    ///
    /// # Errors
    /// A name or label that Prometheus refuses: a bug that the first test finds.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let vec = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let single = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let duration = Histogram::with_opts(
            HistogramOpts::new("cedargate_request_duration_seconds", "From a head's arrival to the end of its answer.")
                .buckets(DURATION_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(duration.clone()))?;
        let audit_queue_bytes = IntGauge::new("audit_queue_bytes", "Octets of events that wait for the disk.")?;
        registry.register(Box::new(audit_queue_bytes.clone()))?;
        let metrics = Self {
            requests: vec("cedargate_requests_total", "Requests that were forwarded, by route.", "route")?,
            refusals: vec("cedargate_refusals_total", "Requests that were refused, by code.", "code")?,
            rate_limited: vec("rate_limit_rejections_total", "Requests over a rate, by whose.", "limit")?,
            duration,
            cache_hits: vec("cache_hits_total", "Look-ups that a cache answered.", "cache")?,
            cache_misses: vec("cache_misses_total", "Look-ups that a cache could not answer.", "cache")?,
            audit_chain_broken: single("audit_chain_broken_total", "Breaks found in the audit log.")?,
            audit_notes_dropped: single("audit_notes_dropped_total", "Outcomes dropped because the queue was full.")?,
            audit_queue_bytes,
            log_lines_dropped: single("log_lines_dropped_total", "Log lines that nobody read in time.")?,
            policy_reload_failures: single("policy_reload_failures_total", "Snapshots that could not be built.")?,
            turned_away: single("connections_turned_away_total", "Connections closed unheard: there were too many.")?,
            registry,
        };
        for code in RefusalCode::ALL {
            metrics.refusals.with_label_values(&[code.as_str()]).inc_by(0);
        }
        for limit in ["address", "principal"] {
            metrics.rate_limited.with_label_values(&[limit]).inc_by(0);
        }
        for cache in ["decisions", "sessions"] {
            metrics.cache_hits.with_label_values(&[cache]).inc_by(0);
            metrics.cache_misses.with_label_values(&[cache]).inc_by(0);
        }
        Ok(metrics)
    }

    /// A request was refused.
    pub(crate) fn refused(&self, code: RefusalCode) {
        self.refusals.with_label_values(&[code.as_str()]).inc();
        let limit = match code {
            RefusalCode::AddressRateLimited => "address",
            RefusalCode::QuotaExceeded => "principal",
            _ => return,
        };
        self.rate_limited.with_label_values(&[limit]).inc();
    }

    /// A request was forwarded and has ended.
    pub(crate) fn forwarded(&self, route: &str, duration: Duration) {
        self.requests.with_label_values(&[route]).inc();
        self.duration.observe(duration.as_secs_f64());
    }

    /// Breaks were found in the audit log.
    pub fn audit_chain_broken(&self, breaks: u64) {
        self.audit_chain_broken.inc_by(breaks);
    }

    /// A tenant's new snapshot could not be built; the old one stays.
    pub fn policy_reload_failed(&self) {
        self.policy_reload_failures.inc();
    }

    /// A connection came where there is room for no more.
    pub(crate) fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// Brings a cache's counters up to what it has counted itself.
    pub fn cache(&self, cache: &str, hits: u64, misses: u64) {
        raise(&self.cache_hits.with_label_values(&[cache]), hits);
        raise(&self.cache_misses.with_label_values(&[cache]), misses);
    }

    /// Brings the spool's figures up to what it has counted itself.
    pub fn spool(&self, notes_dropped: u64, queue_bytes: u64) {
        raise(&self.audit_notes_dropped, notes_dropped);
        self.audit_queue_bytes.set(i64::try_from(queue_bytes).unwrap_or(i64::MAX));
    }

    /// Brings the log's figure up to what it has counted itself.
    pub fn log_lines_dropped(&self, lines: u64) {
        raise(&self.log_lines_dropped, lines);
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// Two metrics of one name: a bug that the first test finds.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Counters only rise; two scrapes at once may both see the lower value, which the next one mends.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dashboards_rely_on_is_there_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.refused(RefusalCode::AddressRateLimited);
        metrics.cache("decisions", 3, 1);
        metrics.cache("decisions", 5, 1);
        let text = metrics.render().unwrap();
        for line in [
            r#"cedargate_refusals_total{code="path_invalid"} 0"#,
            r#"rate_limit_rejections_total{limit="address"} 1"#,
            r#"cache_hits_total{cache="decisions"} 5"#,
            r#"cache_misses_total{cache="decisions"} 1"#,
            "audit_chain_broken_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing from\n{text}");
        }
    }
}
