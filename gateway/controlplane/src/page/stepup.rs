//! What to do when a stronger or fresher sign-in is asked for.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use cedargate_model::ProofKind;
use serde::Deserialize;

use super::signin::offers_passkeys;
use super::{render, render_scripted};
use crate::own::{Own, SECOND_FACTOR, unavailable};
use crate::problem::{PROOF_DELAYED, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::view::View;

#[derive(Template)]
#[template(path = "stepup.html")]
struct StepUp {
    t: View,
    asked: Asked,
    ways: Ways,
    notice: Option<Cow<'static, str>>,
    wait_seconds: Option<u64>,
}

impl StepUp {
    /// The script is there where something needs it.
    fn page(&self) -> Response {
        if self.ways.passkey { render_scripted(&self.t, self) } else { render(&self.t, self) }
    }
}

/// What the data plane's challenge says (RFC 9470 §3). Values that are none count as missing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Challenge {
    #[serde(default)]
    level: String,
    #[serde(default)]
    return_to: String,
}

/// What is asked for, as far as it can be believed: whoever changes the address asks for something else and gets nothing by it.
pub(crate) struct Asked {
    /// The level to reach. Never below the session's own: as old as a weaker proof it would be, and say otherwise.
    level: u8,
    current_level: u8,
    pub(crate) return_to: ReturnTo,
}

impl Asked {
    pub(crate) fn of(level: &str, return_to: &str, current_level: u8) -> Self {
        let level = level.parse().ok().filter(|level| (1..=3).contains(level)).unwrap_or(SECOND_FACTOR);
        Self { level: level.max(current_level), current_level, return_to: ReturnTo::parse(return_to) }
    }

    /// A fresher sign-in with the same means suffices.
    fn freshness_suffices(&self) -> bool {
        self.level <= self.current_level
    }
}

/// By what this person can confirm who they are.
struct Ways {
    code: bool,
    /// A code of an app, and not of those for recovery alone.
    app: bool,
    passkey: bool,
    password: bool,
    /// Nothing that they have is strong enough, and they may add something.
    enrol: bool,
    /// They have a factor, and not one that is strong enough.
    weaker_factor: bool,
}

impl Ways {
    async fn of(control_plane: &ControlPlane, own: &Own, level: u8) -> Result<Self, Problem> {
        let (tenant, principal) = (own.tenant.id, own.signed_in.principal);
        let store = control_plane.second.store();
        let factors = store.list(tenant, principal).await.map_err(unavailable)?;
        let (has_factor, app) = (!factors.is_empty(), factors.iter().any(|factor| factor.kind == ProofKind::Totp));
        let passkey = factors.iter().any(|factor| matches!(factor.kind, ProofKind::Passkey | ProofKind::SecurityKey));
        let account = control_plane.accounts.find(tenant, principal).await.map_err(unavailable)?;
        let has_password = account.is_some_and(|account| account.password.is_some());
        let code = has_factor && level <= SECOND_FACTOR;
        Ok(Self {
            code,
            app,
            passkey: passkey && code && offers_passkeys(control_plane, &own.visit),
            password: has_password && level < SECOND_FACTOR,
            enrol: !has_factor && level == SECOND_FACTOR,
            weaker_factor: has_factor && !code,
        })
    }
}

/// `GET /auth/step-up`: says which sign-in is needed, and asks for it.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    challenge: Result<Query<Challenge>, QueryRejection>,
) -> Response {
    let Challenge { level, return_to } = challenge.map(|Query(challenge)| challenge).unwrap_or_default();
    let asked = Asked::of(&level, &return_to, own.visit.identity.level);
    match Ways::of(&control_plane, &own, asked.level).await {
        Ok(ways) => StepUp { t: own.visit.view.clone(), asked, ways, notice: None, wait_seconds: None }.page(),
        Err(problem) => own.refuse(problem),
    }
}

/// Shows the page again after a proof that was none. What was typed is never shown again.
pub(crate) async fn show_again(control_plane: &ControlPlane, own: &Own, asked: Asked, problem: Problem) -> Response {
    let problem = problem.of_request(own.visit.request);
    match Ways::of(control_plane, own, asked.level).await {
        Ok(ways) => {
            problem.log();
            let notice = Some(problem.kind.said(own.visit.view.texts()));
            let wait_seconds = problem.retry_after_seconds.filter(|_| problem.kind == PROOF_DELAYED);
            problem.dress(StepUp { t: own.visit.view.clone(), asked, ways, notice, wait_seconds }.page())
        }
        Err(problem) => own.refuse(problem),
    }
}
