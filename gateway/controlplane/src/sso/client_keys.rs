//! The keys by which the gateway proves to a provider which client it is, for that provider.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use cedargate_idp_adapters::oidc::{ClientAuthentication, OidcClient};
use cedargate_model::RefusalCode;
use http::header;

use crate::page::refusal;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// `GET /auth/sso/{connection}/jwks.json`. Nothing in it is a secret; where a connection has no such keys, there is nothing here.
pub(crate) async fn get(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
) -> Response {
    let connections = control_plane.connections.load();
    let found = match visit.site() {
        Site::Tenant(tenant) => connections.find(&tenant.name, &name).and_then(|live| live.oidc()),
        Site::Directory => None,
    };
    match found.map(OidcClient::settings).map(|settings| &settings.authentication) {
        Some(ClientAuthentication::PrivateKeyJwt { keys, .. }) => {
            let headers =
                [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=300")];
            (headers, keys.jwks().to_string()).into_response()
        }
        Some(ClientAuthentication::SecretBasic(_) | ClientAuthentication::SecretPost(_)) | None => {
            refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request))
        }
    }
}
