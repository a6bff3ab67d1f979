//! Where clients read what there is (RFC 8414 §3).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cedargate_model::RefusalCode;
use serde_json::json;

use super::token::{JWT_BEARER, JWT_TOKEN_TYPES, SESSION_TOKEN_TYPE, TOKEN_EXCHANGE};
use super::{Office, TOKEN_PATH};
use crate::problem::Problem;
use crate::visit::{Site, Visit};

/// Answers the metadata of the tenant's issuer. There is no `jwks_uri`: tokens are for the gateway alone, and nobody else is to believe
/// one.
pub(super) async fn get(State(office): State<Arc<Office>>, visit: Visit) -> Response {
    let Site::Tenant(tenant) = visit.site() else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(visit.request).into_response();
    };
    let [jwt, id_token] = JWT_TOKEN_TYPES;
    let issuer = office.control_plane.tokens.load().url(&tenant.name);
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
        "revocation_endpoint": format!("{issuer}/auth/revoke"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials", "refresh_token", TOKEN_EXCHANGE, JWT_BEARER],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "subject_token_types_supported": [SESSION_TOKEN_TYPE, jwt, id_token],
    }))
    .into_response()
}
