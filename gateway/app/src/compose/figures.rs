//! What is not counted where it happens is read here, each time that somebody asks for the metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_dataplane::metrics::{self, Described};
use cedargate_dataplane::{Gateway, Traffic};
use cedargate_identity::Notices;
use cedargate_migrations::Pool;
use cedargate_model::{Clock as _, SystemClock};
use cedargate_telemetry::Counted;
use tokio::time::timeout;

use super::log::LinesDropped;
use super::process;

/// How long the store may take to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the figures are read.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) gateway: Arc<Gateway>,
    pub(super) pool: Pool,
    /// Connections and requests.
    pub(super) traffic: Traffic,
    /// Log lines that nobody read in time.
    pub(super) lines_dropped: LinesDropped,
    /// What became of spans; none where nobody collects them.
    pub(super) otlp: Option<Arc<Counted>>,
    /// What people are to be told, and what became of it.
    pub(super) notices: Notices,
    pub(super) notices_counted: super::admissions::Counted,
    /// Octets of events that may wait for the disk.
    pub(super) audit_queue_bytes_max: usize,
}

impl Figures {
    /// Brings every metric up to date.
    pub(super) async fn refresh(&self) {
        self.caches();
        self.audit();
        self.sites();
        self.upstreams();
        self.store().await;
        self.notices().await;
        let traffic = &self.traffic;
        self.set(metrics::CONNECTIONS, &[], as_f64(traffic.connections()));
        self.set(metrics::CONNECTIONS_MAX, &[], as_f64(traffic.connections_max()));
        self.set(metrics::IN_FLIGHT, &[], as_f64(traffic.in_flight()));
        self.set(metrics::LOG_DROPPED, &[], self.lines_dropped.count() as f64);
        self.set(metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        self.spans();
        process::figures(|metric, value| self.set(metric, &[], value));
    }

    fn caches(&self) {
        let (decisions, sessions) = (self.gateway.decisions.stats(), self.gateway.sessions.stats());
        for (cache, hits, misses) in
            [("decisions", decisions.hits, decisions.misses), ("sessions", sessions.hits, sessions.misses)]
        {
            self.set(metrics::CACHE_HITS, &[cache], hits as f64);
            self.set(metrics::CACHE_MISSES, &[cache], misses as f64);
        }
    }

    fn audit(&self) {
        let spool = self.gateway.spool.stats();
        for (result, events) in [("accepted", spool.accepted), ("folded", spool.folded), ("refused", spool.refused)] {
            self.set(metrics::AUDIT_EVENTS, &[result], events as f64);
        }
        for (result, commits) in [("durable", spool.commits), ("failed", spool.commits_failed)] {
            self.set(metrics::AUDIT_COMMITS, &[result], commits as f64);
        }
        self.set(metrics::AUDIT_COMMIT_SECONDS, &[], Duration::from_micros(spool.commit_micros).as_secs_f64());
        self.set(metrics::AUDIT_QUEUE, &[], spool.queue_bytes as f64);
        self.set(metrics::AUDIT_QUEUE_MAX, &[], as_f64(self.audit_queue_bytes_max));
        self.set(metrics::AUDIT_NOTES_DROPPED, &[], spool.notes_dropped as f64);
        self.set(metrics::AUDIT_SEGMENTS_RETIRED, &[], spool.segments_retired as f64);
        self.set(metrics::AUDIT_HEADS, &[], spool.heads as f64);
        self.set(metrics::AUDIT_WRITABLE, &[], f64::from(u8::from(self.gateway.spool.writable())));
    }

    fn spans(&self) {
        let Some(counted) = &self.otlp else { return };
        self.set(metrics::SPANS_EXPORTED, &[], counted.exported() as f64);
        let dropped = [
            ("queue_full", counted.queue_full()),
            ("export_failed", counted.export_failed()),
            ("rejected", counted.rejected()),
        ];
        for (reason, spans) in dropped {
            self.set(metrics::SPANS_DROPPED, &[reason], spans as f64);
        }
        for (signal, failed) in [("traces", counted.traces_failed()), ("metrics", counted.metrics_failed())] {
            self.set(metrics::EXPORTS_FAILED, &[signal], failed as f64);
        }
    }

    fn sites(&self) {
        let sites = self.gateway.sites.load();
        let (loaded, without): (Vec<_>, Vec<_>) = sites.iter().partition(|site| site.snapshot.is_some());
        self.set(metrics::SITES, &["loaded"], as_f64(loaded.len()));
        self.set(metrics::SITES, &["without_snapshot"], as_f64(without.len()));
    }

    fn upstreams(&self) {
        for (service, healthy, unhealthy) in self.gateway.upstreams.backends() {
            self.set(metrics::UPSTREAM_BACKENDS, &[service, "healthy"], as_f64(healthy));
            self.set(metrics::UPSTREAM_BACKENDS, &[service, "unhealthy"], as_f64(unhealthy));
        }
    }

    async fn store(&self) {
        let asked = Instant::now();
        let up = matches!(timeout(STORE_TIMEOUT, self.pool.ping()).await, Ok(Ok(_)));
        self.set(metrics::STORE_UP, &[], f64::from(u8::from(up)));
        self.set(metrics::STORE_SECONDS, &[], asked.elapsed().as_secs_f64());
        self.gateway.metrics.count(metrics::STORE_ERRORS, &[], u64::from(!up));
    }

    async fn notices(&self) {
        for (result, notices) in self.notices_counted.figures() {
            self.set(metrics::NOTICES, &[result], notices as f64);
        }
        // Where the store does not answer, the figure above says so and these stay as they were.
        let Ok(Ok(backlog)) = timeout(STORE_TIMEOUT, self.notices.backlog()).await else { return };
        let lag = backlog.oldest.map_or(Duration::ZERO, |oldest| SystemClock.now().since(oldest));
        self.set(metrics::NOTICES_WAITING, &[], backlog.count as f64);
        self.set(metrics::NOTICES_LAG, &[], lag.as_secs_f64());
    }

    fn set(&self, metric: &Described, labels: &[&str], value: f64) {
        self.gateway.metrics.set(metric, labels, value);
    }
}

/// Exact up to 2^53, which nothing here reaches.
fn as_f64(count: usize) -> f64 {
    count as f64
}
