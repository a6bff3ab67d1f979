//! The sign-in page.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_model::RefusalCode;
use serde::Deserialize;

use super::{refusal, render};
use crate::problem::{Problem, SIGNIN_DELAYED};
use crate::return_to::ReturnTo;
use crate::visit::{Site, Visit};

#[derive(Template)]
#[template(path = "signin.html")]
struct SignIn<'p> {
    tenant: &'p str,
    email: &'p str,
    return_to: &'p ReturnTo,
    notice: Option<&'p str>,
    wait_seconds: Option<u64>,
    signed_in: bool,
}

/// The query of pages that lead on to somewhere. Whatever else it says is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Onward {
    #[serde(default)]
    pub(crate) return_to: String,
}

/// Shows the empty form.
pub(crate) async fn show(visit: Visit, onward: Result<Query<Onward>, QueryRejection>) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    render(&SignIn {
        tenant: tenant.name.as_str(),
        email: "",
        return_to: &return_to,
        notice: None,
        wait_seconds: None,
        signed_in: visit.signed_in().is_some(),
    })
}

/// Shows the form again after a sign-in that did not succeed. What was typed as a password is never shown again.
pub(crate) fn show_again(
    visit: &Visit,
    tenant: &TenantScope,
    email: &str,
    return_to: &ReturnTo,
    problem: &Problem,
) -> Response {
    problem.log();
    let page = render(&SignIn {
        tenant: tenant.name.as_str(),
        email,
        return_to,
        notice: Some(problem.kind.sentence),
        wait_seconds: problem.retry_after_seconds.filter(|_| problem.kind == SIGNIN_DELAYED),
        signed_in: visit.signed_in().is_some(),
    });
    problem.dress(page)
}
