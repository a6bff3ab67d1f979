//! Adding a passkey or a security key.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{FactorName, WebauthnKind};
use cedargate_idp_adapters::local::PresentedPassword;
use cedargate_idp_adapters::webauthn::{Asking, BegunCeremony, NewCredential, Registrant};
use serde::Deserialize;
use uuid::Uuid;

use super::added::Added;
use super::to_the_end;
use super::totp::{Missing, onward_to};
use crate::own::{Own, unavailable};
use crate::page::passkey as page;
use crate::page::signin::Onward;
use crate::passkey::{asking, begun, ceremony_id, refused, relying_party};
use crate::problem::{FACTOR_NAME_INVALID, PASSKEY_FAILED, Problem, REQUEST_MALFORMED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;
use crate::{own, sso};

/// `GET /auth/account/passkey`: asks what it is to be called, of which kind it is, and for what else has to be shown.
pub(crate) async fn new(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    match show(&control_plane, &own, &return_to, None).await {
        Ok(page) => page,
        Err(problem) => own.refuse_page(problem, "/auth/account/passkey"),
    }
}

async fn show(
    control_plane: &ControlPlane,
    own: &Own,
    return_to: &ReturnTo,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    match Missing::of(control_plane, own).await? {
        Missing::Nothing => Ok(page::new(own, return_to, false, problem)),
        Missing::Password => Ok(page::new(own, return_to, true, problem)),
        Missing::Provider(connection) => {
            let back = ReturnTo::parse(&format!("/auth/account/passkey{}", onward_to(return_to)));
            Ok(Redirect::to(&sso::start_anew_href(&connection, &back)).into_response())
        }
    }
}

#[derive(Deserialize)]
struct New {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    kind: String,
}

/// `POST /auth/account/passkey`: what to ask an authenticator.
pub(crate) async fn begin(State(control_plane): State<Arc<ControlPlane>>, own: Own, request: Request) -> Response {
    let new = match submitted::<New>(request).await {
        Ok(new) => new,
        Err(problem) => return own.refuse(problem),
    };
    let beginning = begin_named(Arc::clone(&control_plane), own.clone(), new);
    to_the_end(beginning).await.map_or_else(|problem| own.refuse(problem), begun)
}

async fn begin_named(control_plane: Arc<ControlPlane>, own: Own, new: New) -> Result<BegunCeremony, Problem> {
    let New { name, password, kind } = new;
    let password = PresentedPassword::new(password);
    let (kind, default_name) = match kind.as_str() {
        "passkey" => (WebauthnKind::Passkey, "Passkey"),
        "security_key" => (WebauthnKind::SecurityKey, "Security key"),
        _ => return Err(Problem::new(REQUEST_MALFORMED)),
    };
    let name = match name.trim() {
        "" => default_name,
        name => name,
    };
    let name = FactorName::parse(name).map_err(|_| Problem::new(FACTOR_NAME_INVALID))?;
    let party = relying_party(&control_plane, &own.visit)?;
    let confirmed = Missing::show(&control_plane, &own, password).await?;
    let account = control_plane.accounts.find(own.tenant.id, own.signed_in.principal).await.map_err(unavailable)?;
    let called = own::shown(account, &own);
    let registrant = Registrant { holder: own.holder(), confirmed, called: &called };
    let (asking, new) = (asking(&own.visit, own.tenant.id, &party), NewCredential { kind, name: &name });
    match control_plane.webauthn.begin_registration(asking, registrant, new).await {
        Ok(began) => Ok(began),
        Err(error) => Err(refused(&control_plane, &own, error).await),
    }
}

#[derive(Deserialize)]
struct Finish {
    /// What the authenticator answered, as JSON text (WebAuthn §5.1, `toJSON`).
    #[serde(default)]
    credential: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/account/passkey/{ceremony}`: the answer. It proves that the person has it, so the session says so from now on.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    ceremony: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let client = own.client(&control_plane, request.headers()).await;
    let Finish { credential, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return own.refuse(problem),
    };
    let return_to = ReturnTo::parse(&return_to);
    let finishing = finish_proven(Arc::clone(&control_plane), own.clone(), ceremony_id(ceremony), credential);
    match (to_the_end(finishing).await, own.wanted) {
        (Ok(added), _) => added.answer(&control_plane, &own, client, &return_to),
        (Err(problem), Wanted::Page) if problem.kind == PASSKEY_FAILED => {
            let problem = problem.of_request(own.visit.request);
            let again = show(&control_plane, &own, &return_to, Some(&problem)).await;
            again.unwrap_or_else(|problem| own.refuse(problem))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// Judges the answer, and adds the credential.
async fn finish_proven(
    control_plane: Arc<ControlPlane>,
    own: Own,
    ceremony: Uuid,
    credential: String,
) -> Result<Added, Problem> {
    let party = relying_party(&control_plane, &own.visit)?;
    // The moment at which all of the body was there.
    let now = control_plane.clock.now();
    let asking = Asking { now, ..asking(&own.visit, own.tenant.id, &party) };
    match control_plane.webauthn.finish_registration(asking, own.holder(), ceremony, &credential).await {
        Ok((enrolled, proven)) => Added::commit(&control_plane, &own, enrolled, proven, now).await,
        Err(error) => Err(refused(&control_plane, &own, error).await),
    }
}
