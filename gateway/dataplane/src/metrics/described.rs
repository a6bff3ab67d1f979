//! Every metric, said once: it is registered from here, and the reference page is made from here.

/// A metric as it is registered and documented.
#[derive(Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, sorted. Their values come from closed sets: routes, services, codes, configured tenants.
    pub labels: &'static [&'static str],
    /// What it tells, one sentence or two.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, by whole numbers.
    Counter,
    /// Only rises, by fractions: seconds.
    Seconds,
    /// Rises and falls.
    Gauge,
    /// Counts of durations up to certain bounds.
    Histogram,
}

impl Kind {
    /// Its name in Prometheus' text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter | Self::Seconds => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: &Described =
                &Described { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// Every metric, in the order of the reference page.
        pub const ALL: &[&Described] = &[$($constant),*];
    };
}

metrics! {
    REQUESTS = Counter "cedargate_requests_total" ["route", "status"]
        "Requests that were forwarded, by route and class of status: `2xx` to `5xx`, or `none` where the client went away before it was told one.";
    REFUSALS = Counter "cedargate_refusals_total" ["code"]
        "Requests that were refused, by code. The codes stand in the reference of refusals; every one is there from the start.";
    TENANT_REQUESTS = Counter "cedargate_tenant_requests_total" ["outcome", "tenant"]
        "Requests to a tenant's host, `forwarded` or `refused`. The first 100 tenants that are asked for have a series each, all others share `other`.";
    RATE_LIMITED = Counter "rate_limit_rejections_total" ["limit"]
        "Requests over a rate, by whose: an `address`' or a `principal`'s (which includes the tenant's).";
    DURATION = Histogram "cedargate_request_duration_seconds" ["route"]
        "From a head's arrival to the end of its answer, for what was forwarded.";
    STAGE_DURATION = Histogram "cedargate_stage_duration_seconds" ["stage"]
        "How long each stage of the walk took, for exchanges that are traced; empty where no traces are collected.";
    UPSTREAM_DURATION = Histogram "cedargate_upstream_duration_seconds" ["service"]
        "From asking a service to the head of its answer.";
    UPSTREAM_ERRORS = Counter "cedargate_upstream_errors_total" ["code", "service"]
        "Forwarded requests that a service did not answer properly, by the refusal that the client got instead.";
    UPSTREAM_BACKENDS = Gauge "cedargate_upstream_backends" ["service", "state"]
        "Backends of each service, `healthy` or `unhealthy` at the last check.";
    CONNECTIONS = Gauge "cedargate_connections" []
        "Client connections that are open.";
    CONNECTIONS_MAX = Gauge "cedargate_connections_max" []
        "Client connections that there is room for.";
    IN_FLIGHT = Gauge "cedargate_requests_in_flight" []
        "Requests that are being answered.";
    TURNED_AWAY = Counter "connections_turned_away_total" []
        "Connections closed unheard: there were too many.";
    OVER_ADDRESS_LIMIT = Counter "connections_over_address_limit_total" []
        "Connections closed unheard: too many of one address.";
    HANDSHAKE_FAILURES = Counter "tls_handshake_failures_total" ["reason"]
        "TLS handshakes that led to nothing: `timed_out`, `nameless` (no SNI), `unknown_host`, or `failed`.";
    TLS_RELOAD_FAILURES = Counter "tls_reload_failures_total" []
        "Changed certificates that could not be taken up; the former ones serve on.";
    TLS_EXPIRY = Gauge "tls_certificate_expiry_timestamp_seconds" ["host"]
        "Until when a host's certificate is valid, in seconds since 1970.";
    CACHE_HITS = Counter "cache_hits_total" ["cache"]
        "Look-ups that a cache answered: `decisions` or `sessions`.";
    CACHE_MISSES = Counter "cache_misses_total" ["cache"]
        "Look-ups that a cache could not answer.";
    AUDIT_EVENTS = Counter "cedargate_audit_events_total" ["result"]
        "Events of the record: `accepted` (the folded ones among them), `folded` into a count, `refused` because the queue was full or the log not writable.";
    AUDIT_COMMITS = Counter "cedargate_audit_commits_total" ["result"]
        "Commits of the record that became `durable`, or `failed`: then those who waited were refused.";
    AUDIT_COMMIT_SECONDS = Gauge "cedargate_audit_commit_seconds" []
        "How long the last commit's write and sync took.";
    AUDIT_QUEUE = Gauge "audit_queue_bytes" []
        "Octets of events that wait for the disk.";
    AUDIT_QUEUE_MAX = Gauge "cedargate_audit_queue_max_bytes" []
        "Octets of events that may wait; beyond it requests are refused.";
    AUDIT_NOTES_DROPPED = Counter "audit_notes_dropped_total" []
        "Outcomes dropped because the queue was full. Decisions are never dropped.";
    AUDIT_SEGMENTS_RETIRED = Counter "cedargate_audit_segments_retired_total" []
        "Segments given up after a write or sync that failed.";
    AUDIT_HEADS = Counter "cedargate_audit_heads_total" []
        "Signed heads written.";
    AUDIT_WRITABLE = Gauge "cedargate_audit_writable" []
        "1 while the record can be written, 0 while every request is refused for it.";
    AUDIT_BROKEN = Counter "audit_chain_broken_total" []
        "Breaks found in the record. Each is counted once.";
    AUDIT_HOLDS = Gauge "cedargate_audit_holds" []
        "1 if the last proof of the record succeeded, 0 if it found a break; 1 before the first.";
    AUDIT_PROVED_AT = Gauge "cedargate_audit_proved_timestamp_seconds" []
        "When the record was last proved to hold, in seconds since 1970; 0 before the first proof.";
    AUDIT_SEALED = Gauge "cedargate_audit_sealed_entries" []
        "Entries in the archive's tree; 0 before the first sealing.";
    AUDIT_SEALED_AT = Gauge "cedargate_audit_sealed_timestamp_seconds" []
        "When what signed heads cover was last sealed, in seconds since 1970; 0 before the first sealing.";
    AUDIT_SEALINGS_FAILED = Counter "cedargate_audit_sealings_failed_total" []
        "Sealings that failed. The record itself goes on; proofs of single events wait.";
    SERVICE_EVENTS = Counter "cedargate_service_events_total" ["result"]
        "Events that services handed over: `accepted`, `duplicate`, `later` where it must be said again, else the code of the refusal.";
    SITES = Gauge "cedargate_sites" ["state"]
        "Tenants by what decides for them: `loaded`, or `without_snapshot`, which are refused everything.";
    RELOADS = Counter "cedargate_policy_reloads_total" []
        "Times that tenants and policies were read anew and taken up, at least in part.";
    RELOAD_FAILURES = Counter "policy_reload_failures_total" []
        "Snapshots that could not be built; what was live before stays.";
    RELOAD_OK = Gauge "cedargate_policy_reload_ok" []
        "1 if the last reading of tenants and policies had no mistake, else 0.";
    RELOADED_AT = Gauge "cedargate_policy_reload_success_timestamp_seconds" []
        "When tenants and policies were last taken up without a mistake, in seconds since 1970.";
    POLICY_SHADOW = Counter "cedargate_policy_shadow_total" ["outcome"]
        "Decisions that a policy set in the shadow of the live one was asked for, too: the `same`, or it `differs`.";
    WAF_SHADOW = Counter "cedargate_waf_shadow_total" ["outcome"]
        "Requests that a rule set which only watches was shown, by what it says beside the live one: the `same`, `stricter` or `looser`; `skipped` where no thread was free for it.";
    WAF_RELOADS = Counter "cedargate_waf_reloads_total" ["result"]
        "Times that changed rule sets were read: `taken_up`, or `failed`; then the former ones inspect on.";
    STORE_UP = Gauge "cedargate_store_up" []
        "1 if the store answered at the time of asking, else 0.";
    STORE_SECONDS = Gauge "cedargate_store_ping_seconds" []
        "How long the store took to answer at the time of asking.";
    STORE_ERRORS = Counter "cedargate_store_errors_total" []
        "Times that the store did not answer when it was asked for these figures.";
    NOTICES = Counter "cedargate_notices_total" ["result"]
        "Mails to people: `sent`, `retried` after the mail server did not take one, `given_up` after a day; `nobody` where nobody has the address that a link was asked for.";
    NOTICES_WAITING = Gauge "cedargate_notices_waiting" []
        "Mails that wait to be sent.";
    NOTICES_LAG = Gauge "cedargate_notices_lag_seconds" []
        "How long the oldest mail has waited.";
    LOG_DROPPED = Counter "log_lines_dropped_total" []
        "Log lines that nobody read in time.";
    SPANS_EXPORTED = Counter "cedargate_otlp_spans_exported_total" []
        "Spans that a collector accepted.";
    SPANS_DROPPED = Counter "cedargate_otlp_spans_dropped_total" ["reason"]
        "What no collector got: exchanges for which there was no room (`queue_full`), spans that could not be delivered (`export_failed`) or that the collector turned down (`rejected`).";
    EXPORTS_FAILED = Counter "cedargate_otlp_exports_failed_total" ["signal"]
        "Deliveries of `traces` or `metrics` that failed for good.";
    BUILD_INFO = Gauge "cedargate_build_info" ["version"]
        "Always 1; the label says what runs.";
    CPU_SECONDS = Seconds "process_cpu_seconds_total" []
        "User and system time of the process.";
    RESIDENT_BYTES = Gauge "process_resident_memory_bytes" []
        "Memory of the process that is in RAM.";
    VIRTUAL_BYTES = Gauge "process_virtual_memory_bytes" []
        "Addresses that the process has mapped.";
    THREADS = Gauge "process_threads" []
        "Threads of the process.";
    OPEN_FILES = Gauge "process_open_fds" []
        "Files and sockets that the process has open.";
    OPEN_FILES_MAX = Gauge "process_max_fds" []
        "Files and sockets that it may have open.";
    START_TIME = Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_prometheus_own_way() {
        for metric in ALL {
            let rises = matches!(metric.kind, Kind::Counter | Kind::Seconds);
            assert_eq!(metric.name.ends_with("_total"), rises, "{}", metric.name);
            assert!(metric.labels.is_sorted(), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert_eq!(ALL.iter().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
        }
    }
}
