//! Enrolling an authenticator app.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{EnrolError, FactorName, HolderError, Shown};
use cedargate_idp_adapters::local::PresentedPassword;
use cedargate_idp_adapters::second::{EnrolTotpError, Enrolment, FinishError, PresentedCode};
use cedargate_idp_adapters::{Client, SignInError};
use cedargate_model::{ConnectionName, FactorId, ProofKind, RefusalCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::added::Added;
use super::{to_the_end, uncached};
use crate::own::{Own, unavailable};
use crate::page::enrolment;
use crate::page::signin::Onward;
use crate::problem::{
    FACTOR_NAME_INVALID, FACTOR_UNCONFIRMED, FACTORS_TOO_MANY, FAILED, PROOF_DELAYED, PROOF_FAILED, Problem,
};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::stepup::refused;
use crate::submitted::submitted;
use crate::wanted::Wanted;
use crate::{otpauth, own, sso};

/// `GET /auth/account/totp`: asks for the app's name, and for what else has to be shown.
pub(crate) async fn new(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    match Missing::of(&control_plane, &own).await {
        Ok(Missing::Nothing) => enrolment::new(&own, &return_to, false, None),
        Ok(Missing::Password) => enrolment::new(&own, &return_to, true, None),
        Ok(Missing::Provider(connection)) => {
            let back = ReturnTo::parse(&format!("/auth/account/totp{}", onward_to(&return_to)));
            Redirect::to(&sso::start_anew_href(&connection, &back)).into_response()
        }
        Err(problem) => own.refuse_page(problem, "/auth/account/totp"),
    }
}

/// What a session has to show before it enrols a factor. A cookie that was stolen must not be enough for the first one.
pub(super) enum Missing {
    Nothing,
    /// The account's password.
    Password,
    /// A sign-in at this provider, there and then.
    Provider(ConnectionName),
}

impl Missing {
    pub(super) async fn of(control_plane: &ControlPlane, own: &Own) -> Result<Self, Problem> {
        match control_plane.second.store().may_enrol(own.holder(), control_plane.clock.now()).await {
            Ok(()) => return Ok(Self::Nothing),
            Err(HolderError::Unconfirmed) => {}
            Err(error) => return Err(own.not_held(error)),
        }
        let (tenant, principal) = (own.tenant.id, own.signed_in.principal);
        let account = control_plane.accounts.find(tenant, principal).await.map_err(unavailable)?;
        if account.is_some_and(|account| account.password.is_some()) {
            return Ok(Self::Password);
        }
        let from = control_plane.sessions.federation(tenant, own.signed_in.session).await.map_err(unavailable)?;
        // Neither a password nor a provider: nothing that such an account could show.
        let from = from.ok_or(Problem::new(FACTOR_UNCONFIRMED))?;
        Ok(Self::Provider(from.identity.connection))
    }

    /// Judges what the request shows of it.
    ///
    /// # Errors
    /// Not enough was shown, or the wrong password.
    pub(super) async fn show(
        control_plane: &ControlPlane,
        own: &Own,
        password: PresentedPassword,
    ) -> Result<Shown, Problem> {
        match Self::of(control_plane, own).await? {
            Self::Nothing => Ok(Shown::Nothing),
            Self::Password if !password.is_empty() => confirm(control_plane, own, password).await,
            Self::Password | Self::Provider(_) => Err(Problem::new(FACTOR_UNCONFIRMED)),
        }
    }
}

#[derive(Deserialize)]
struct New {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    return_to: String,
}

/// What a program is told of an enrolment: all that an app needs.
#[derive(Serialize)]
struct Told<'e> {
    id: FactorId,
    key: &'e str,
    uri: &'e str,
}

/// `POST /auth/account/totp`: draws a key.
pub(crate) async fn begin(State(control_plane): State<Arc<ControlPlane>>, own: Own, request: Request) -> Response {
    let New { name, password, return_to } = match submitted(request).await {
        Ok(new) => new,
        Err(problem) => return own.refuse(problem),
    };
    let (password, return_to) = (PresentedPassword::new(password), ReturnTo::parse(&return_to));
    let with_password = !password.is_empty();
    let beginning = begin_named(Arc::clone(&control_plane), own.clone(), name, password);
    match (to_the_end(beginning).await, own.wanted) {
        (Ok(id), Wanted::Page) => {
            Redirect::to(&format!("/auth/account/totp/{id}{}", onward_to(&return_to))).into_response()
        }
        (Ok(id), Wanted::Json) => match find(&control_plane, &own, id).await {
            Ok(enrolment) => {
                let (key, uri) = shown(&control_plane, &own, &enrolment).await;
                uncached(Json(Told { id, key: &key, uri: &uri }))
            }
            Err(problem) => own.refuse(problem),
        },
        (Err(problem), Wanted::Page) if asks_again(&problem) => {
            // Whoever typed a password is asked for it again: it is never shown.
            let asks_password = with_password || problem.kind == FACTOR_UNCONFIRMED;
            enrolment::new(&own, &return_to, asks_password, Some(&problem.of_request(own.visit.request)))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// Whether the page itself says what was wrong.
fn asks_again(problem: &Problem) -> bool {
    [FACTOR_NAME_INVALID, FACTOR_UNCONFIRMED, PROOF_FAILED, PROOF_DELAYED].contains(&problem.kind)
}

pub(super) fn onward_to(return_to: &ReturnTo) -> String {
    if return_to.is_home() { String::new() } else { format!("?return_to={}", return_to.as_query_value()) }
}

async fn begin_named(
    control_plane: Arc<ControlPlane>,
    own: Own,
    name: String,
    password: PresentedPassword,
) -> Result<FactorId, Problem> {
    let name = match name.trim() {
        "" => "Authenticator app",
        name => name,
    };
    let name = FactorName::parse(name).map_err(|_| Problem::new(FACTOR_NAME_INVALID))?;
    let confirmed = Missing::show(&control_plane, &own, password).await?;
    let begun = control_plane.second.begin(own.holder(), name, confirmed, control_plane.clock.now()).await;
    begun.map_err(|error| match error {
        EnrolTotpError::Enrol(error) => not_enrolled(&own, error),
        error @ (EnrolTotpError::Entropy(_) | EnrolTotpError::Vault(_)) => Problem::new(FAILED).because(error),
    })
}

async fn confirm(control_plane: &ControlPlane, own: &Own, password: PresentedPassword) -> Result<Shown, Problem> {
    let (tenant, principal) = (own.tenant.id, own.signed_in.principal);
    match control_plane.local.confirm(tenant, principal, password, Client::at(own.visit.client), own.visit.now).await {
        Ok(_) => Ok(Shown::Password),
        Err(error) => Err(refused(control_plane, own, ProofKind::Password, error).await),
    }
}

fn not_enrolled(own: &Own, error: EnrolError) -> Problem {
    match error {
        EnrolError::TooMany => Problem::new(FACTORS_TOO_MANY),
        EnrolError::Holder(error) => own.not_held(error),
        EnrolError::Entropy(error) => Problem::new(FAILED).because(error),
        EnrolError::Store(error) => unavailable(error),
    }
}

/// `GET /auth/account/totp/{id}`: the key, as a picture and as text, and where to type the first code.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    let shown = async {
        let id = factor_id(id)?;
        own.require_strength(&control_plane).await?;
        show_key(&control_plane, &own, id, &return_to, None).await
    };
    shown.await.unwrap_or_else(|problem| match (problem.kind == RefusalCode::RouteUnknown.into(), own.wanted) {
        // It went with the session in which it was begun: the person begins anew.
        (true, Wanted::Page) => Redirect::to(&format!("/auth/account/totp{}", onward_to(&return_to))).into_response(),
        _ => own.refuse_page(problem, "/auth/account/totp"),
    })
}

async fn show_key(
    control_plane: &ControlPlane,
    own: &Own,
    id: FactorId,
    return_to: &ReturnTo,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let enrolment = find(control_plane, own, id).await?;
    let (key, uri) = shown(control_plane, own, &enrolment).await;
    enrolment::key(&own.visit.view, id, &key, &uri, return_to, problem)
}

async fn find(control_plane: &ControlPlane, own: &Own, id: FactorId) -> Result<Enrolment, Problem> {
    let found = control_plane.second.enrolment(own.holder(), id, own.visit.now).await;
    match found {
        Ok(Some(enrolment)) => Ok(enrolment),
        Ok(None) => Err(Problem::new(RefusalCode::RouteUnknown)),
        Err(SignInError::Store(error)) => Err(unavailable(error)),
        Err(error) => Err(Problem::new(FAILED).because(error)),
    }
}

/// The key as text, and as the address that apps read from the picture.
async fn shown(
    control_plane: &ControlPlane,
    own: &Own,
    enrolment: &Enrolment,
) -> (Zeroizing<String>, Zeroizing<String>) {
    let account = control_plane.accounts.find(own.tenant.id, own.signed_in.principal).await.ok().flatten();
    let label = own::shown(account, own);
    let key = enrolment.key.to_base32();
    let uri = otpauth::uri(own.visit.host.name(), &label, &key);
    (key, uri)
}

#[derive(Deserialize)]
struct Finish {
    #[serde(default)]
    code: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/account/totp/{id}`: a first code. It proves the app, so the session says so from now on.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let client = own.client(&control_plane, request.headers()).await;
    let (id, body) = match (factor_id(id), submitted::<Finish>(request).await) {
        (Ok(id), Ok(body)) => (id, body),
        (Err(problem), _) | (_, Err(problem)) => return own.refuse(problem),
    };
    let (code, return_to) = (Zeroizing::new(body.code), ReturnTo::parse(&body.return_to));
    let finishing = finish_proven(Arc::clone(&control_plane), own.clone(), id, PresentedCode::new(&code), client);
    match (to_the_end(finishing).await, own.wanted) {
        (Ok(added), _) => added.answer(&control_plane, &own, client, &return_to),
        (Err(problem), Wanted::Page) if problem.kind == PROOF_FAILED => {
            let problem = problem.of_request(own.visit.request);
            let again = show_key(&control_plane, &own, id, &return_to, Some(&problem)).await;
            again.unwrap_or_else(|problem| own.refuse(problem))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// Judges the code, and adds the app.
async fn finish_proven(
    control_plane: Arc<ControlPlane>,
    own: Own,
    id: FactorId,
    code: PresentedCode,
    client: Client,
) -> Result<Added, Problem> {
    let now = control_plane.clock.now();
    match control_plane.second.finish(own.holder(), id, &code, client, now).await {
        Ok((enrolled, proven)) => Added::commit(&control_plane, &own, enrolled, proven, now).await,
        Err(FinishError::Proof(error)) => Err(refused(&control_plane, &own, ProofKind::Totp, error).await),
        Err(FinishError::Enrol(error)) => Err(not_enrolled(&own, error)),
    }
}

pub(super) fn factor_id(id: Result<Path<Uuid>, PathRejection>) -> Result<FactorId, Problem> {
    id.map(|Path(id)| FactorId(id)).map_err(|_| Problem::new(RefusalCode::RouteUnknown))
}
