//! Adding a passkey or a security key.

use askama::Template;
use axum::response::Response;

use super::enrolment::dressed;
use super::render_scripted;
use crate::own::Own;
use crate::problem::Problem;
use crate::return_to::ReturnTo;

#[derive(Template)]
#[template(path = "passkey_new.html")]
struct New<'p> {
    host: &'p str,
    /// What to call it, to begin with.
    name: &'p str,
    return_to: &'p ReturnTo,
    /// Whether the password has to be typed, too.
    asks_password: bool,
    notice: Option<&'static str>,
}

/// Asks what it is to be called, and of which kind it is.
pub(crate) fn new(own: &Own, return_to: &ReturnTo, asks_password: bool, problem: Option<&Problem>) -> Response {
    let notice = problem.map(|problem| problem.kind.sentence);
    let host = own.visit.host.name();
    let page = render_scripted(&New { host, name: "My passkey", return_to, asks_password, notice });
    dressed(page, problem)
}
