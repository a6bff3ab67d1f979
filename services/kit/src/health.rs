//! Whether the process lives, and whether it can serve. The gateway routes neither to the world.

use axum::Json;
use axum::extract::State;
use cedargate_migrations::MigrateError;
use http::StatusCode;
use serde::Serialize;

use crate::problem::chain;
use crate::{Kit, SCHEMAS};

/// `/healthz`: this process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// What readiness depends on, each by itself.
#[derive(Serialize)]
pub(crate) struct Readiness {
    ready: bool,
    /// The store answers and has the schema that this binary needs.
    store: bool,
    /// The gateway's keys have been read.
    keys: bool,
    /// How the delivery of events stands: `off`, `delivering` or `failing`. Requests need none.
    delivery: &'static str,
}

/// `/readyz`: 200 once requests can be served, 503 with what is missing before.
pub(crate) async fn ready(State(kit): State<Kit>) -> (StatusCode, Json<Readiness>) {
    let store = match is_current(&kit).await {
        Ok(current) => current,
        Err(error) => {
            tracing::warn!(error.cause = chain(&error), "store not ready");
            false
        }
    };
    let keys = kit.keys().are_loaded();
    let ready = store && keys;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, store, keys, delivery: kit.delivery().state().as_str() }))
}

async fn is_current(kit: &Kit) -> Result<bool, MigrateError> {
    for set in SCHEMAS.into_iter().chain([kit.schema()]) {
        if !kit.pool().migrated(set).await?.is_current() {
            return Ok(false);
        }
    }
    Ok(true)
}
