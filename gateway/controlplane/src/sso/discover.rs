//! From an address to the connection of its domain.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Response;
use cedargate_model::RefusalCode;
use serde::Deserialize;

use crate::page::{onward, refusal, signin};
use crate::problem::{Problem, SIGNIN_MALFORMED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// The sign-in page's form. It may have a password in it, which has no business here and is not read.
#[derive(Deserialize)]
pub(crate) struct Typed {
    email: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/sso`: leads on to the provider of the address's domain, whoever has such an address or not.
pub(crate) async fn post(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let Ok(Form(typed)) = typed else {
        return refusal::show(Problem::new(SIGNIN_MALFORMED).of_request(visit.request));
    };
    let return_to = ReturnTo::parse(&typed.return_to);
    match control_plane.connections.load().by_address(&tenant.name, &typed.email) {
        Some(live) => {
            let href = super::start_href(&live.connection.name, &return_to, visit.signed_in().is_some());
            let t = &visit.view;
            onward::show(t, &t.sso_title(), &t.sso_sentence(&live.connection.title), &href, &t.go_on())
        }
        None => signin::show_undiscovered(&control_plane, &visit, tenant, &typed.email, &return_to),
    }
}
