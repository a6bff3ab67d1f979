//! What every request shares, and nothing of a single one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_assertion::{IssuedCache, Issuer};
use cedargate_audit::Spool;
use cedargate_identity::Sessions;
use cedargate_model::Clock;
use cedargate_policy::Decisions;
use cedargate_tokens::{KeyLook, TokenAuthority};
use cedargate_waf::{Engine, Threshold};

use crate::h2::StreamLimits;
use crate::issuers::Issuers;
use crate::metrics::Metrics;
use crate::site::Sites;
use crate::stage::hygiene::{HeadLimits, TrustedProxies};
use crate::stage::inspect::{Inspector, RuleSets, RuleSettings};
use crate::stage::keep::KeepsForms;
use crate::stage::limit::RateLimiter;
use crate::stage::quota::Quotas;
use crate::timeline::Tracing;
use crate::upstream::Upstreams;

/// The parts of a running gateway.
pub struct Gateway {
    /// Bounds and times.
    pub settings: Settings,
    /// Who answers where; replaced whole when tenants or policies change.
    pub sites: ArcSwap<Sites>,
    /// The decision point's cache.
    pub decisions: Decisions,
    /// Whose cookie is whose.
    pub sessions: Sessions,
    /// Whose access tokens are good; replaced when keys rotate.
    pub tokens: Arc<ArcSwap<TokenAuthority>>,
    /// Where keys of theirs are found that are not known here yet.
    pub token_keys: Arc<KeyLook>,
    /// Whose JWTs count at the door as they are.
    pub issuers: Issuers,
    /// Inspection by the built-in rules.
    pub engine: Engine,
    /// Inspection by rule sets; replaced whole when one changes.
    pub rule_sets: ArcSwap<RuleSets>,
    /// Where events become durable.
    pub spool: Spool,
    /// Keeps forms for after a step-up; none where nothing is kept.
    pub forms: Option<Arc<dyn KeepsForms>>,
    /// Signs identities for services; replaced when keys rotate.
    pub issuer: ArcSwap<Issuer>,
    /// The identities signed lately.
    pub issued: IssuedCache,
    /// Where services are.
    pub upstreams: Upstreams,
    /// Rates by address.
    pub addresses: RateLimiter,
    /// Rates by person and tenant.
    pub quotas: Quotas,
    /// Counters.
    pub metrics: Metrics,
    /// Which exchanges are traced; none where nobody collects traces.
    pub tracing: Option<Tracing>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
}

/// Bounds and times of the data plane.
pub struct Settings {
    /// Bounds of a request's head.
    pub head: HeadLimits,
    /// From a head's first octet to its last.
    pub head_timeout: Duration,
    /// Bounds of HTTP/2 connections.
    pub streams: StreamLimits,
    /// Client connections in all; none for as many as open files allow.
    pub connections_max: Option<usize>,
    /// Connections that one address may have open (an IPv4 address, an IPv6 /64).
    pub address_connections_max: u32,
    /// From a TLS connection's first octet to the end of its handshake.
    pub handshake_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// From the first to the last octet of a body that is read for inspection.
    pub body_timeout: Duration,
    /// Whose `X-Forwarded-*` headers and request ids are believed.
    pub trusted_proxies: TrustedProxies,
    /// The inspection score from which a route in mode `block` refuses.
    pub inspection_threshold: Threshold,
    /// Which rule sets inspect whose requests.
    pub rules: RuleSettings,
    /// Whether every forwarded request gets a log line, and not only those that ended badly.
    pub access_log: bool,
    /// Skips inspection altogether. For benches: it says so at start.
    pub danger_inspection_off: bool,
}

impl Gateway {
    /// The inspection as configured.
    pub(crate) fn inspector(&self) -> Inspector<'_> {
        Inspector {
            gateway: self,
            threshold: self.settings.inspection_threshold,
            body_timeout: self.settings.body_timeout,
            off: self.settings.danger_inspection_off,
        }
    }
}
