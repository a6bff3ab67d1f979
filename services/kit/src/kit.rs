//! What every handler can reach, and the app around a service's routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use cedargate_migrations::{MigrationSet, Pool};
use cedargate_model::{Clock, Micros};
use http::{HeaderValue, header};

use crate::idempotency::{self, InFlight};
use crate::list::CursorSecret;
use crate::problem::{METHOD_NOT_ALLOWED, NOT_FOUND, Problem};
use crate::relay::Delivery;
use crate::trace::Traces;
use crate::{Keys, health, identity, log};

/// The longest body that a service reads, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What handlers share: the store, the gateway's keys, the clock. Cheap to clone.
#[derive(Clone)]
pub struct Kit {
    pool: Pool,
    schema: &'static MigrationSet,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    in_flight: InFlight,
    cursor_secret: Arc<CursorSecret>,
    traces: Option<Traces>,
    delivery: Arc<Delivery>,
}

impl Kit {
    /// Puts the parts together. The store's schema must be current: [`open_store`](crate::open_store) sees to it.
    pub fn new(pool: Pool, schema: &'static MigrationSet, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self {
            pool,
            schema,
            keys,
            clock,
            in_flight: InFlight::default(),
            cursor_secret: Arc::default(),
            traces: None,
            delivery: Arc::default(),
        }
    }

    /// The service's routes behind verification, logging and bounds, with `/healthz` and `/readyz` beside them.
    ///
    /// Whatever `routes` holds is reached with a verified identity only, its fallback included.
    pub fn app(&self, routes: Router<Self>) -> Router {
        let behind = routes
            .fallback(async || Problem::new(NOT_FOUND))
            .method_not_allowed_fallback(async || Problem::new(METHOD_NOT_ALLOWED))
            .layer(from_fn_with_state(self.clone(), idempotency::once))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(from_fn_with_state(self.clone(), identity::authenticate))
            .layer(map_response(keep_private))
            .layer(from_fn_with_state(self.clone(), log::exchange))
            .with_state(self.clone());
        Router::new()
            .route("/healthz", get(health::live))
            .route("/readyz", get(health::ready))
            .with_state(self.clone())
            .fallback_service(behind)
    }

    /// The same, telling of requests whose trace is recorded.
    #[must_use]
    pub(crate) fn traced(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    pub(crate) fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }

    /// The store.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The gateway's keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// The present moment.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    pub(crate) fn cursor_secret(&self) -> &CursorSecret {
        &self.cursor_secret
    }

    pub(crate) fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    pub(crate) fn schema(&self) -> &'static MigrationSet {
        self.schema
    }
}

/// An answer belongs to the one who asked: nothing keeps it, unless its handler says otherwise.
async fn keep_private(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
