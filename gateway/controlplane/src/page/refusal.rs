//! Something was refused or failed, as a page.

use std::borrow::Cow;

use askama::Template;
use axum::response::{IntoResponse, Response};
use cedargate_model::RequestId;

use super::render;
use crate::problem::{Kind, Problem};
use crate::view::View;
use crate::wanted::Wanted;

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal<'p> {
    t: &'p View,
    kind: Kind,
    sentence: Cow<'static, str>,
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
    let t = View::new(problem.request.map(|request| request.language).unwrap_or_default(), None);
    let (sentence, request) = (problem.kind.said(t.texts()), problem.request.map(|request| request.id));
    let page = render(&t, &Refusal { t: &t, kind: problem.kind, sentence, request });
    problem.dress(page)
}
