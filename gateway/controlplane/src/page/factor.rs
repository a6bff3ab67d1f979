//! One factor: renaming and removing it.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use cedargate_identity::Factor;

use super::account::kind;
use super::enrolment::dressed;
use super::portal::ago;
use super::render;
use crate::own::Own;
use crate::problem::Problem;
use crate::view::View;

#[derive(Template)]
#[template(path = "factor.html")]
struct Shown<'p> {
    t: &'p View,
    id: String,
    name: &'p str,
    kind: Cow<'static, str>,
    added: Cow<'static, str>,
    used: Option<Cow<'static, str>>,
    notice: Option<Cow<'static, str>>,
}

/// Shows it.
pub(crate) fn show(own: &Own, factor: &Factor, problem: Option<&Problem>) -> Response {
    let t = &own.visit.view;
    let since = |at| ago(t.texts(), own.visit.now.since(at));
    let shown = Shown {
        t,
        id: factor.id.to_string(),
        name: factor.name.as_str(),
        kind: kind(t.texts(), factor.kind),
        added: since(factor.added_at),
        used: factor.last_used_at.map(since),
        notice: problem.map(|problem| problem.kind.said(t.texts())),
    };
    dressed(render(t, &shown), problem)
}
