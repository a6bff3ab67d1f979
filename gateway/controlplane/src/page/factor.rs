//! One factor: renaming and removing it.

use askama::Template;
use axum::response::Response;
use cedargate_identity::Factor;

use super::account::kind;
use super::enrolment::dressed;
use super::portal::ago;
use super::render;
use crate::own::Own;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "factor.html")]
struct Shown<'p> {
    id: String,
    name: &'p str,
    kind: &'static str,
    added: String,
    used: Option<String>,
    notice: Option<&'static str>,
}

/// Shows it.
pub(crate) fn show(own: &Own, factor: &Factor, problem: Option<&Problem>) -> Response {
    let since = |at| ago(own.visit.now.since(at));
    let page = render(&Shown {
        id: factor.id.to_string(),
        name: factor.name.as_str(),
        kind: kind(factor.kind),
        added: since(factor.added_at),
        used: factor.last_used_at.map(since),
        notice: problem.map(|problem| problem.kind.sentence),
    });
    dressed(page, problem)
}
