//! `GET /`: the portal on a tenant's host, the list of tenants on the bare one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::{directory, portal, refusal};
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// Shows whichever start page the host has.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>, visit: Visit) -> Response {
    let shown: Result<Response, Problem> = match (visit.site(), visit.signed_in()) {
        (Site::Directory, _) => directory::show(&control_plane, &visit).await,
        (Site::Tenant(tenant), Some(signed_in)) => portal::show(&control_plane, &visit, tenant, signed_in).await,
        // The tenant's policies let nobody else see the portal; whoever comes all the same needs a sign-in.
        (Site::Tenant(_), None) => Ok(Redirect::to("/auth/login").into_response()),
    };
    shown.unwrap_or_else(|problem| refusal::show(problem.of_request(visit.request)))
}
