//! Something was refused or failed, as a page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use cedargate_model::RequestId;

use super::render;
use crate::problem::{Kind, Problem};
use crate::wanted::Wanted;

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal {
    kind: Kind,
    request: Option<RequestId>,
}

/// Answers with a problem in the form that is wanted.
pub(crate) fn answer(wanted: Wanted, problem: Problem) -> Response {
    match wanted {
        Wanted::Page => show(problem),
        Wanted::Json => problem.into_response(),
    }
}

/// Shows a problem as a page.
pub(crate) fn show(problem: Problem) -> Response {
    problem.log();
    let page = render(&Refusal { kind: problem.kind, request: problem.request });
    problem.dress(page)
}
