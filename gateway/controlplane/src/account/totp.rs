//! Enrolling an authenticator app.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{Begun, DrawCodesError, EnrolError, FactorName, RecoveryCode};
use cedargate_idp_adapters::SignInError;
use cedargate_idp_adapters::second::{EnrolTotpError, Enrolment, PresentedCode};
use cedargate_model::{AccountAct, FactorId, ProofKind, RefusalCode};
use http::header;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{to_the_end, uncached};
use crate::own::{Own, unavailable};
use crate::page::enrolment;
use crate::page::signin::Onward;
use crate::problem::{FACTOR_NAME_INVALID, FACTORS_TOO_MANY, FAILED, PROOF_FAILED, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::stepup::{refused, replace_session};
use crate::submitted::submitted;
use crate::wanted::Wanted;
use crate::{cookie, otpauth, own};

/// `GET /auth/account/totp`: asks for the app's name.
pub(crate) async fn new(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    match own.require_strength(&control_plane).await {
        Ok(()) => enrolment::new(&own, &return_to, None),
        Err(problem) => own.refuse_page(problem, "/auth/account/totp"),
    }
}

#[derive(Deserialize)]
struct New {
    #[serde(default)]
    name: String,
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
    let New { name, return_to } = match submitted(request).await {
        Ok(new) => new,
        Err(problem) => return own.refuse(problem),
    };
    let return_to = ReturnTo::parse(&return_to);
    match (begin_named(&control_plane, &own, &name).await, own.wanted) {
        (Ok(id), Wanted::Page) => {
            let onward =
                if return_to.is_home() { String::new() } else { format!("?return_to={}", return_to.as_query_value()) };
            Redirect::to(&format!("/auth/account/totp/{id}{onward}")).into_response()
        }
        (Ok(id), Wanted::Json) => match find(&control_plane, &own, id).await {
            Ok(enrolment) => {
                let (key, uri) = shown(&control_plane, &own, &enrolment).await;
                uncached(Json(Told { id, key: &key, uri: &uri }))
            }
            Err(problem) => own.refuse(problem),
        },
        (Err(problem), Wanted::Page) if problem.kind == FACTOR_NAME_INVALID => {
            enrolment::new(&own, &return_to, Some(&problem.of_request(own.visit.request)))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

async fn begin_named(control_plane: &ControlPlane, own: &Own, name: &str) -> Result<FactorId, Problem> {
    own.require_strength(control_plane).await?;
    let name = match name.trim() {
        "" => "Authenticator app",
        name => name,
    };
    let name = FactorName::parse(name).map_err(|_| Problem::new(FACTOR_NAME_INVALID))?;
    let begun = control_plane.second.begin(own.tenant.id, own.signed_in.principal, name, own.visit.now).await;
    begun.map_err(|error| match error {
        EnrolTotpError::Enrol(EnrolError::TooMany) => Problem::new(FACTORS_TOO_MANY),
        EnrolTotpError::Enrol(EnrolError::Store(error)) => unavailable(error),
        error @ (EnrolTotpError::Enrol(EnrolError::Entropy(_))
        | EnrolTotpError::Entropy(_)
        | EnrolTotpError::Vault(_)) => Problem::new(FAILED).because(error),
    })
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
    shown.await.unwrap_or_else(|problem| own.refuse_page(problem, "/auth/account/totp"))
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
    enrolment::key(id, &key, &uri, return_to, problem)
}

async fn find(control_plane: &ControlPlane, own: &Own, id: FactorId) -> Result<Enrolment, Problem> {
    let found = control_plane.second.enrolment(own.tenant.id, own.signed_in.principal, id, own.visit.now).await;
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

/// What a program is told once an app is enrolled.
#[derive(Serialize)]
struct Finished<'c> {
    id: FactorId,
    /// Empty where the account has some already.
    recovery_codes: Vec<&'c str>,
}

/// `POST /auth/account/totp/{id}`: a first code. It proves the app, so the session says so from now on.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let (id, body) = match (factor_id(id), submitted::<Finish>(request).await) {
        (Ok(id), Ok(body)) => (id, body),
        (Err(problem), _) | (_, Err(problem)) => return own.refuse(problem),
    };
    let (code, return_to) = (Zeroizing::new(body.code), ReturnTo::parse(&body.return_to));
    let finishing = finish_proven(Arc::clone(&control_plane), own.clone(), id, PresentedCode::new(&code));
    match (to_the_end(finishing).await, own.wanted) {
        (Ok((begun, codes)), wanted) => {
            let mut response = match wanted {
                Wanted::Page => enrolment::finished(&codes, &return_to),
                Wanted::Json => {
                    let shown: Vec<_> = codes.iter().map(RecoveryCode::expose).collect();
                    let recovery_codes = shown.iter().map(|code| code.as_str()).collect();
                    uncached(Json(Finished { id, recovery_codes }))
                }
            };
            match begun.map(|begun| cookie::set(own.visit.scheme, &begun.token)) {
                Some(Ok(cookie)) => {
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                    response
                }
                None => response,
                Some(Err(error)) => own.refuse(Problem::new(FAILED).because(error)),
            }
        }
        (Err(problem), Wanted::Page) if problem.kind == PROOF_FAILED => {
            let problem = problem.of_request(own.visit.request);
            let again = show_key(&control_plane, &own, id, &return_to, Some(&problem)).await;
            again.unwrap_or_else(|problem| own.refuse(problem))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// Judges the code, replaces the session, draws the first recovery codes.
async fn finish_proven(
    control_plane: Arc<ControlPlane>,
    own: Own,
    id: FactorId,
    code: PresentedCode,
) -> Result<(Option<Begun>, Vec<RecoveryCode>), Problem> {
    own.require_strength(&control_plane).await?;
    let (tenant, principal, now) = (own.tenant.id, own.signed_in.principal, own.visit.now);
    let second = &control_plane.second;
    let proven = match second.finish(tenant, principal, id, &code, own.visit.client, now).await {
        Ok(proven) => proven,
        Err(error) => return Err(refused(&control_plane, &own, ProofKind::Totp, error).await),
    };
    let added = AccountAct::FactorAdded { factor: id, method: ProofKind::Totp };
    if let Err(unrecorded) = own.record(&control_plane, added).await {
        // No factor without its event.
        match second.store().remove(tenant, principal, id, own.signed_in.session).await {
            Ok(removed) => removed.iter().for_each(|removed| control_plane.sessions.forget_ended(removed)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an unrecorded factor could not be removed");
            }
        }
        return Err(unrecorded);
    }
    let left = second.store().recovery_codes_left(tenant, principal).await.map_err(unavailable)?;
    let codes = match left {
        0 => super::recovery::draw_codes(&control_plane, &own).await?,
        _ => Vec::new(),
    };
    // A session that has a stronger factor behind it already stays as it is.
    let begun = match own.visit.identity.level > proven.strength.level {
        true => None,
        false => Some(replace_session(&control_plane, &own, proven).await?),
    };
    Ok((begun, codes))
}

pub(super) fn factor_id(id: Result<Path<Uuid>, PathRejection>) -> Result<FactorId, Problem> {
    id.map(|Path(id)| FactorId(id)).map_err(|_| Problem::new(RefusalCode::RouteUnknown))
}

pub(super) fn undrawn(error: DrawCodesError) -> Problem {
    match error {
        DrawCodesError::Entropy(error) => Problem::new(FAILED).because(error),
        DrawCodesError::Store(error) => unavailable(error),
    }
}
