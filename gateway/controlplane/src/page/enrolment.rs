//! Adding an authenticator app, and the recovery codes that come with the first.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use cedargate_identity::RecoveryCode;
use cedargate_model::FactorId;
use zeroize::Zeroizing;

use super::render;
use crate::otpauth::{self, Drawing};
use crate::own::Own;
use crate::problem::{FAILED, Problem};
use crate::return_to::ReturnTo;
use crate::view::View;

#[derive(Template)]
#[template(path = "totp_new.html")]
struct New<'p> {
    t: &'p View,
    tenant: &'p str,
    return_to: &'p ReturnTo,
    asks_password: bool,
    notice: Option<Cow<'static, str>>,
}

/// Asks what the app is to be called, and for the password before the first one.
pub(crate) fn new(own: &Own, return_to: &ReturnTo, asks_password: bool, problem: Option<&Problem>) -> Response {
    let t = &own.visit.view;
    let notice = problem.map(|problem| problem.kind.said(t.texts()));
    let page = render(t, &New { t, tenant: own.tenant.name.as_str(), return_to, asks_password, notice });
    dressed(page, problem)
}

#[derive(Template)]
#[template(path = "totp_key.html")]
struct Key<'p> {
    t: &'p View,
    id: FactorId,
    drawing: &'p Drawing,
    groups: Vec<&'p str>,
    uri: &'p str,
    return_to: &'p ReturnTo,
    notice: Option<Cow<'static, str>>,
}

/// Shows the key, and asks for a first code.
pub(crate) fn key(
    t: &View,
    id: FactorId,
    key: &str,
    uri: &str,
    return_to: &ReturnTo,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let drawing = otpauth::draw(uri).ok_or(Problem::new(FAILED))?;
    let notice = problem.map(|problem| problem.kind.said(t.texts()));
    // Groups of four, as people read them. The key is ASCII.
    let groups = (0..key.len()).step_by(4).filter_map(|at| key.get(at..(at + 4).min(key.len()))).collect();
    let page = render(t, &Key { t, id, drawing: &drawing, groups, uri, return_to, notice });
    Ok(dressed(page, problem))
}

#[derive(Template)]
#[template(path = "codes.html")]
struct Codes<'p> {
    t: &'p View,
    codes: Vec<Zeroizing<String>>,
    return_to: &'p ReturnTo,
}

/// Says that it is done, and shows the recovery codes, this once.
pub(crate) fn finished(t: &View, codes: &[RecoveryCode], return_to: &ReturnTo) -> Response {
    render(t, &Codes { t, codes: codes.iter().map(RecoveryCode::expose).collect(), return_to })
}

#[derive(Template)]
#[template(path = "codes_ask.html")]
struct AskForCodes<'p> {
    t: &'p View,
}

/// Asks whether new codes are to take the place of the former ones.
pub(crate) fn ask_for_codes(t: &View) -> Response {
    render(t, &AskForCodes { t })
}

pub(super) fn dressed(page: Response, problem: Option<&Problem>) -> Response {
    match problem {
        None => page,
        Some(problem) => {
            problem.log();
            problem.dress(page)
        }
    }
}
