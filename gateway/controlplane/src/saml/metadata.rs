//! What the gateway is called at a provider, for the provider's administrator.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use cedargate_model::RefusalCode;
use http::{HeaderValue, header};

use super::Asked;
use crate::page::refusal;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::Visit;

/// `GET /auth/saml/{connection}/metadata`. Nothing in it is a secret.
pub(crate) async fn get(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
) -> Response {
    let connections = control_plane.connections.load();
    match Asked::of(&visit, &connections, &name) {
        Some(asked) => {
            let kind = HeaderValue::from_static("application/samlmetadata+xml");
            ([(header::CONTENT_TYPE, kind)], asked.client.sp_metadata(&asked.sp)).into_response()
        }
        None => refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request)),
    }
}
