//! The keys that verify assertions, published.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::router::ControlPlane;

/// Answers the key set (RFC 7517 §5). A new key is published before it signs, so a few minutes of caching do no harm.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>) -> Response {
    let keys = control_plane.verifier.load().keys().to_json();
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, keys).into_response()
}
