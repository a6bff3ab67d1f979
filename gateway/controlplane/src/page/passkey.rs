//! Adding a passkey or a security key.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;

use super::enrolment::dressed;
use super::render_scripted;
use crate::own::Own;
use crate::problem::Problem;
use crate::return_to::ReturnTo;
use crate::view::View;

#[derive(Template)]
#[template(path = "passkey_new.html")]
struct New<'p> {
    t: &'p View,
    host: &'p str,
    /// What to call it, to begin with.
    name: &'p str,
    return_to: &'p ReturnTo,
    /// Whether the password has to be typed, too.
    asks_password: bool,
    notice: Option<Cow<'static, str>>,
}

/// Asks what it is to be called, and of which kind it is.
pub(crate) fn new(own: &Own, return_to: &ReturnTo, asks_password: bool, problem: Option<&Problem>) -> Response {
    let t = &own.visit.view;
    let notice = problem.map(|problem| problem.kind.said(t.texts()));
    let host = own.visit.host.name();
    let page = render_scripted(t, &New { t, host, name: &t.passkey_name(), return_to, asks_password, notice });
    dressed(page, problem)
}
