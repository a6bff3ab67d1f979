//! Choosing a language.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_texts::Language;
use http::{HeaderMap, header};
use serde::Deserialize;

use crate::cookie;
use crate::page::refusal;
use crate::problem::{FAILED, Problem, REQUEST_MALFORMED};
use crate::return_to::ReturnTo;
use crate::visit::Visit;
use crate::wanted::Wanted;

#[derive(Deserialize)]
pub(crate) struct Chosen {
    language: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/language`: has the browser remember a language, and leads back. Whoever is asked nothing of it is told nothing of it: it
/// is nobody's but the browser's.
pub(crate) async fn post(visit: Visit, headers: HeaderMap, chosen: Result<Form<Chosen>, FormRejection>) -> Response {
    let refuse = |problem: Problem| refusal::answer(Wanted::of(&headers), problem.of_request(visit.request));
    let Ok(Form(chosen)) = chosen else { return refuse(Problem::new(REQUEST_MALFORMED)) };
    let Some(language) = Language::of_tag(&chosen.language) else { return refuse(Problem::new(REQUEST_MALFORMED)) };
    match cookie::set_language(visit.scheme, language) {
        Ok(cookie) => {
            let mut response = Redirect::to(ReturnTo::page(&chosen.return_to).as_str()).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => refuse(Problem::new(FAILED).because(error)),
    }
}
