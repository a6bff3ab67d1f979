//! Pages of links that are mailed.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use cedargate_identity::Registration;
use cedargate_model::RoleName;

use super::enrolment::dressed;
use super::render;
use crate::join::Guest;
use crate::problem::Problem;
use crate::view::View;

#[derive(Template)]
#[template(path = "forgot.html")]
struct Forgot<'p> {
    t: &'p View,
    tenant: &'p str,
    notice: Option<Cow<'static, str>>,
}

/// Asks whose password is to be set anew.
pub(crate) fn forgot(guest: &Guest, problem: Option<&Problem>) -> Response {
    let tenant = guest.tenant.name.as_str();
    let t = &guest.visit.view;
    let notice = problem.map(|problem| problem.kind.said(t.texts()));
    dressed(render(t, &Forgot { t, tenant, notice }), problem)
}

#[derive(Template)]
#[template(path = "told.html")]
struct Told<'p> {
    t: &'p View,
    title: &'p str,
    sentence: &'p str,
}

/// Says something, and leads to the sign-in.
pub(crate) fn told(guest: &Guest, title: &str, sentence: &str) -> Response {
    let t = &guest.visit.view;
    render(t, &Told { t, title, sentence })
}

/// What a page shows that asks for a new password.
#[derive(Template)]
#[template(path = "password_new.html")]
pub(crate) struct Choosing<'p> {
    pub(crate) t: &'p View,
    pub(crate) title: &'p str,
    pub(crate) action: &'p str,
    pub(crate) tenant: &'p str,
    pub(crate) email: &'p str,
    pub(crate) token: &'p str,
    pub(crate) chars_min: usize,
    pub(crate) problem: Option<&'p Problem>,
}

/// Asks for a new password. What was typed is never shown again.
pub(crate) fn choose(choosing: &Choosing<'_>) -> Response {
    dressed(render(choosing.t, choosing), choosing.problem)
}

#[derive(Template)]
#[template(path = "register.html")]
struct Register<'p> {
    t: &'p View,
    tenant: &'p str,
    notice: Option<Cow<'static, str>>,
}

/// Asks for the address of whoever wants an account.
pub(crate) fn register(guest: &Guest, problem: Option<&Problem>) -> Response {
    let tenant = guest.tenant.name.as_str();
    let t = &guest.visit.view;
    let notice = problem.map(|problem| problem.kind.said(t.texts()));
    dressed(render(t, &Register { t, tenant, notice }), problem)
}

#[derive(Template)]
#[template(path = "register_verify.html")]
struct Verify<'p> {
    t: &'p View,
    tenant: &'p str,
    email: &'p str,
    token: &'p str,
}

/// Asks whether an address is one's own.
pub(crate) fn verify(guest: &Guest, email: &str, token: &str) -> Response {
    let t = &guest.visit.view;
    render(t, &Verify { t, tenant: guest.tenant.name.as_str(), email, token })
}

#[derive(Template)]
#[template(path = "wishes.html")]
struct Wishes<'p> {
    t: &'p View,
    tenant: &'p str,
    wishes: &'p [Registration],
    roles: String,
}

/// Shows an administrator who wants an account.
pub(crate) fn wishes(guest: &Guest, wishes: &[Registration], roles: &[RoleName]) -> Response {
    let names: Vec<_> = roles.iter().map(RoleName::as_str).collect();
    let t = &guest.visit.view;
    render(t, &Wishes { t, tenant: guest.tenant.name.as_str(), wishes, roles: names.join(", ") })
}
