//! `GET /`: the portal on a tenant's host, the list of tenants on the bare one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::{directory, portal, refusal};
use crate::consent::CONSENT;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// Shows whichever start page the host has.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>, visit: Visit) -> Response {
    let shown: Result<Response, Problem> = match (visit.site(), visit.signed_in()) {
        (Site::Directory, _) => directory::show(&control_plane, &visit).await,
        (Site::Tenant(tenant), Some(signed_in)) => {
            match control_plane.consents.missing(tenant.id, &tenant.name, signed_in.principal).await {
                Ok(missing) if missing.is_empty() => portal::show(&control_plane, &visit, tenant, signed_in).await,
                Ok(_) => Ok(Redirect::to(CONSENT).into_response()),
                Err(problem) => Err(problem),
            }
        }
        // The tenant's policies let nobody else see the portal; whoever comes all the same needs a sign-in.
        (Site::Tenant(_), None) => Ok(Redirect::to("/auth/login").into_response()),
    };
    shown.unwrap_or_else(|problem| refusal::show(problem.of_request(visit.request)))
}
