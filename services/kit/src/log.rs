//! One line per exchange, as JSON on standard error; never a token, a body or a query.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use cedargate_assertion::REQUEST_HEADER;
use cedargate_model::{DecisionId, TenantName};
use tracing_subscriber::EnvFilter;

use crate::Kit;
use crate::problem::Logged;
use crate::trace::{Continued, Served, unix_now};

/// The environment variable that sets what is logged, as `tracing` filters are written; `info` where it is not set.
pub const LOG_FILTER_VARIABLE: &str = "CEDARGATE_LOG";

/// Starts logging to standard error. A second call changes nothing.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_env(LOG_FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
    // A test or an embedding program may have set up logging before: theirs stays.
    let _already_set = started.with_writer(std::io::stderr).try_init();
}

/// Whose request it was, once that is verified: left in the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) tenant: TenantName,
    pub(crate) decision: DecisionId,
}

/// Logs the exchange when its answer's head is ready. A failure of ours is an error, a refusal is not.
pub(crate) async fn exchange(State(kit): State<Kit>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let continued = Continued::of(request.headers());
    let began_at = unix_now();
    let request_id = request.headers().get(REQUEST_HEADER).and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);

    let response = next.run(request).await;

    let known = response.extensions().get::<Known>();
    let problem = response.extensions().get::<Logged>();
    let facts = Facts {
        method: method.as_str(),
        route: route.as_ref().map(MatchedPath::as_str),
        status: response.status().as_u16(),
        duration_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        request: request_id.as_deref(),
        decision: known.map(|known| known.decision.to_string()),
        tenant: known.map(|known| known.tenant.as_str()),
        code: problem.map(|problem| problem.code),
        trace: continued.map(|continued| continued.trace.trace_id()),
        cause: problem.and_then(|problem| problem.cause.as_deref()),
    };
    if response.status().is_server_error() {
        line!(error, facts);
    } else {
        line!(info, facts);
    }
    if let (Some(traces), Some(continued)) = (kit.traces(), continued) {
        traces.take(facts.served(continued, began_at));
    }
    response
}

struct Facts<'a> {
    method: &'a str,
    route: Option<&'a str>,
    status: u16,
    duration_us: u64,
    request: Option<&'a str>,
    decision: Option<String>,
    tenant: Option<&'a str>,
    code: Option<&'static str>,
    cause: Option<&'a str>,
    trace: Option<String>,
}

impl Facts<'_> {
    fn served(&self, continued: Continued, began: u64) -> Served {
        Served {
            trace: continued.trace,
            parent: continued.parent,
            began,
            ended: unix_now(),
            method: cedargate_telemetry::span::method(self.method),
            route: self.route.map(ToOwned::to_owned),
            status: self.status,
            tenant: self.tenant.map(ToOwned::to_owned),
            decision: self.decision.clone(),
            request: self.request.map(ToOwned::to_owned),
            code: self.code,
        }
    }
}

/// `tracing` fixes a line's level where it is written.
macro_rules! line {
    ($level:ident, $facts:expr) => {
        tracing::$level!(
            http.request.method = $facts.method,
            http.route = $facts.route,
            http.response.status_code = $facts.status,
            cedargate.duration_us = $facts.duration_us,
            cedargate.request.id = $facts.request,
            cedargate.decision.id = $facts.decision,
            cedargate.tenant = $facts.tenant,
            error.type = $facts.code,
            error.cause = $facts.cause,
            trace_id = $facts.trace,
            "exchange"
        )
    };
}
use line;
