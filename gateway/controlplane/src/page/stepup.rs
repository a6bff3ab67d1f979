//! What to do when a stronger or fresher sign-in is asked for.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use cedargate_model::RefusalCode;
use serde::Deserialize;

use super::{refusal, render};
use crate::problem::Problem;
use crate::return_to::ReturnTo;
use crate::visit::{Site, Visit};

#[derive(Template)]
#[template(path = "stepup.html")]
struct StepUp {
    /// A fresher sign-in with the same means suffices.
    freshness_suffices: bool,
    level: u8,
    current_level: u8,
    return_to: ReturnTo,
    /// The same, escaped for a query.
    signin_href: String,
}

/// What the data plane's challenge says (RFC 9470 §3). Values that are none count as missing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Challenge {
    #[serde(default)]
    level: String,
    #[serde(default)]
    return_to: String,
}

/// Says which sign-in is needed, and whether there is a way to it.
pub(crate) async fn show(visit: Visit, challenge: Result<Query<Challenge>, QueryRejection>) -> Response {
    let Site::Tenant(_) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let challenge = challenge.map(|Query(challenge)| challenge).unwrap_or_default();
    let return_to = ReturnTo::parse(&challenge.return_to);
    let current_level = visit.identity.level;
    let level = challenge.level.parse().ok().filter(|level| (1..=3).contains(level)).unwrap_or(2);
    render(&StepUp {
        freshness_suffices: level <= current_level,
        level,
        current_level,
        signin_href: format!("/auth/login?return_to={}", escape(return_to.as_str())),
        return_to,
    })
}

/// Percent-encodes what would end a query's value. The text is visible ASCII already.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("%26"),
            '+' => escaped.push_str("%2B"),
            '%' => escaped.push_str("%25"),
            '=' => escaped.push_str("%3D"),
            plain => escaped.push(plain),
        }
    }
    escaped
}
