//! Adding a passkey or a security key.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{Begun, FactorName, RecoveryCode, WebauthnKind};
use cedargate_idp_adapters::local::PresentedPassword;
use cedargate_idp_adapters::webauthn::{Asking, BegunCeremony, NewCredential, Registrant};
use cedargate_model::{AccountAct, FactorId};
use http::header;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::totp::{Missing, onward_to};
use super::{recovery, to_the_end, uncached};
use crate::own::{Own, unavailable};
use crate::page::signin::Onward;
use crate::page::{enrolment, passkey as page};
use crate::passkey::{asking, begun, ceremony_id, refused, relying_party};
use crate::problem::{FACTOR_NAME_INVALID, FAILED, PASSKEY_FAILED, Problem, REQUEST_MALFORMED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::stepup::{not_replaced, stepped_up};
use crate::submitted::submitted;
use crate::wanted::Wanted;
use crate::{cookie, own, sso};

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

/// What a program is told once it is added.
#[derive(Serialize)]
struct Finished<'c> {
    id: FactorId,
    /// Empty where the account has some already.
    recovery_codes: Vec<&'c str>,
}

/// `POST /auth/account/passkey/{ceremony}`: the answer. It proves that the person has it, so the session says so from now on.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    ceremony: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let Finish { credential, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return own.refuse(problem),
    };
    let return_to = ReturnTo::parse(&return_to);
    let finishing = finish_proven(Arc::clone(&control_plane), own.clone(), ceremony_id(ceremony), credential);
    match (to_the_end(finishing).await, own.wanted) {
        (Ok(added), wanted) => {
            let mut response = match wanted {
                Wanted::Page => enrolment::finished(&own.visit.view, &added.codes, &return_to),
                Wanted::Json => {
                    let shown: Vec<_> = added.codes.iter().map(RecoveryCode::expose).collect();
                    let recovery_codes = shown.iter().map(|code| code.as_str()).collect();
                    uncached(Json(Finished { id: added.factor, recovery_codes }))
                }
            };
            match added.begun.map(|begun| cookie::set(own.visit.scheme, &begun.token)) {
                Some(Ok(cookie)) => {
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                    response
                }
                None => response,
                Some(Err(error)) => own.refuse(Problem::new(FAILED).because(error)),
            }
        }
        (Err(problem), Wanted::Page) if problem.kind == PASSKEY_FAILED => {
            let problem = problem.of_request(own.visit.request);
            let again = show(&control_plane, &own, &return_to, Some(&problem)).await;
            again.unwrap_or_else(|problem| own.refuse(problem))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// What was added, and what came with it.
struct Added {
    factor: FactorId,
    /// The session from now on, where it became a stronger one.
    begun: Option<Begun>,
    codes: Vec<RecoveryCode>,
}

/// Judges the answer, adds the credential, draws the first recovery codes and replaces the session: all of it, once its events are
/// durable, or nothing.
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
    let finished = control_plane.webauthn.finish_registration(asking, own.holder(), ceremony, &credential).await;
    let (enrolled, proven) = match finished {
        Ok(finished) => finished,
        Err(error) => return Err(refused(&control_plane, &own, error).await),
    };
    let Some(factor) = proven.factor else { return Err(Problem::new(FAILED)) };
    let added = AccountAct::FactorAdded { factor, method: proven.kind };
    let drawn = &enrolled.change().recovery_codes;
    let drawn = (!drawn.is_empty()).then(|| recovery::drawn_act(drawn));
    let events = [Some(added), drawn].into_iter().flatten();
    // A session that has a stronger factor behind it already stays as it is.
    if own.visit.identity.level > proven.strength.level {
        own.record_all(&control_plane, events).await?;
        let enrolled = enrolled.commit().await.map_err(unavailable)?;
        return Ok(Added { factor, begun: None, codes: enrolled.recovery_codes });
    }
    let stronger = control_plane.sessions.step_up_with(enrolled, own.signed_in.session, proven.strength, now).await;
    let stronger = stronger.map_err(not_replaced)?;
    let (_, replaced) = stronger.change();
    let stepped_up = stepped_up(proven.kind, proven.factor, replaced);
    own.record_all(&control_plane, events.chain([stepped_up])).await?;
    let (enrolled, replaced) = stronger.commit().await.map_err(unavailable)?;
    Ok(Added { factor, begun: Some(control_plane.sessions.take_up(replaced)), codes: enrolled.recovery_codes })
}
