//! SCIM 2.0 (RFC 7644): an identity provider tells about its people, and what follows for their accounts follows at once.
//!
//! Whoever asks was let through as a connection's token and nothing else. What it says is read by fixed tables, done in one transaction
//! that reads the token again, and answered once its events are durable.

mod admit;
mod discovery;
mod groups;
mod reply;
mod told;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::router::ControlPlane;

/// The service's root.
const ROOT: &str = "/scim/v2";

/// The largest body, in octets: some three thousand members.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The endpoints, as part of the control plane's router.
pub(crate) fn router() -> Router<Arc<ControlPlane>> {
    let inside = Router::new()
        .route("/ServiceProviderConfig", get(discovery::config))
        .route("/ResourceTypes", get(discovery::types))
        .route("/ResourceTypes/{name}", get(discovery::one_type))
        .route("/Schemas", get(discovery::schemas_of))
        .route("/Schemas/{urn}", get(discovery::one_schema))
        .route("/Users", get(users::list).post(users::create))
        .route("/Users/{id}", get(users::show).put(users::replace).patch(users::patch).delete(users::delete))
        .route("/Groups", get(groups::list).post(groups::create))
        .route("/Groups/{id}", get(groups::show).put(groups::replace).patch(groups::patch).delete(groups::delete));
    Router::new().nest(ROOT, inside).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
