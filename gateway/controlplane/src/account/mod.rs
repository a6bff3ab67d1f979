//! What people see and change of their own account: factors, recovery codes, sessions.

mod added;
pub(crate) mod factor;
pub(crate) mod kept;
pub(crate) mod passkey;
pub(crate) mod recovery;
pub(crate) mod sessions;
pub(crate) mod totp;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{Factor, OwnSession};
use cedargate_model::{FactorId, SessionId};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::own::{Own, shown, unavailable};
use crate::page::account;
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::wanted::Wanted;

/// Where the account's page is.
pub(crate) const ACCOUNT: &str = "/auth/account";

/// All that the page shows.
pub(crate) struct Overview {
    pub(crate) email: String,
    pub(crate) factors: Vec<Factor>,
    pub(crate) codes_left: usize,
    pub(crate) sessions: Vec<OwnSession>,
}

impl Overview {
    async fn of(control_plane: &ControlPlane, own: &Own) -> Result<Self, Problem> {
        let (tenant, principal) = (own.tenant.id, own.signed_in.principal);
        let store = control_plane.second.store();
        let account = control_plane.accounts.find(tenant, principal).await.map_err(unavailable)?;
        Ok(Self {
            email: shown(account, own),
            factors: store.list(tenant, principal).await.map_err(unavailable)?,
            codes_left: store.recovery_codes_left(tenant, principal).await.map_err(unavailable)?,
            sessions: control_plane.sessions.list(tenant, principal, own.visit.now).await.map_err(unavailable)?,
        })
    }
}

/// `GET /auth/account`.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>, own: Own) -> Response {
    match (Overview::of(&control_plane, &own).await, own.wanted) {
        (Ok(overview), Wanted::Page) => account::show(&own, &overview),
        (Ok(overview), Wanted::Json) => uncached(Json(Told::of(&overview, own.signed_in.session))),
        (Err(problem), _) => own.refuse(problem),
    }
}

/// What a program is told of an account.
#[derive(Serialize)]
struct Told<'o> {
    email: &'o str,
    factors: Vec<ToldFactor<'o>>,
    recovery_codes_left: usize,
    sessions: Vec<ToldSession<'o>>,
}

#[derive(Serialize)]
struct ToldFactor<'o> {
    id: FactorId,
    kind: &'static str,
    name: &'o str,
    added_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
}

#[derive(Serialize)]
struct ToldSession<'o> {
    id: SessionId,
    current: bool,
    began_at: i64,
    last_seen_at: i64,
    level: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'o str>,
}

impl<'o> Told<'o> {
    fn of(overview: &'o Overview, current: SessionId) -> Self {
        let factor = |factor: &'o Factor| ToldFactor {
            id: factor.id,
            kind: factor.kind.as_str(),
            name: factor.name.as_str(),
            added_at: factor.added_at.0,
            last_used_at: factor.last_used_at.map(|at| at.0),
        };
        let session = |session: &'o OwnSession| ToldSession {
            id: session.id,
            current: session.id == current,
            began_at: session.began_at.0,
            last_seen_at: session.last_seen_at.0,
            level: session.strength.level,
            address: session.device.address,
            agent: session.device.agent.as_ref().map(|agent| agent.as_str()),
        };
        Self {
            email: &overview.email,
            factors: overview.factors.iter().map(factor).collect(),
            recovery_codes_left: overview.codes_left,
            sessions: overview.sessions.iter().map(session).collect(),
        }
    }
}

/// Done: a person sees the account again, a program hears that there is nothing more to say.
fn done(wanted: Wanted) -> Response {
    match wanted {
        Wanted::Page => Redirect::to(ACCOUNT).into_response(),
        Wanted::Json => uncached(StatusCode::NO_CONTENT),
    }
}

/// One person's, so nobody may keep it.
fn uncached(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Work that must come to its end although the client goes away: what was done is then recorded.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|lost| Err(Problem::new(crate::problem::FAILED).because(lost)))
}
