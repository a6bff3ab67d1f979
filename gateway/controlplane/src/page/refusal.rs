//! Something was refused or failed, as a page.

use askama::Template;
use axum::response::Response;
use cedargate_model::RequestId;

use super::render;
use crate::problem::{Kind, Problem};

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal {
    kind: Kind,
    request: Option<RequestId>,
}

/// Shows a problem as a page.
pub(crate) fn show(problem: Problem) -> Response {
    problem.log();
    let page = render(&Refusal { kind: problem.kind, request: problem.request });
    problem.dress(page)
}
