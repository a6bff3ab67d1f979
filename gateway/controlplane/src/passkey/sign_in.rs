//! Signing in by a passkey, without a name and without a password.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::Begun;
use cedargate_idp_adapters::InBrowser;
use cedargate_idp_adapters::webauthn::{PasskeySignIn, WebauthnError};
use cedargate_model::{RefusalCode, SigninResult};
use http::{HeaderMap, header};
use serde::Deserialize;
use uuid::Uuid;

use super::{asking, begun, ceremony_id, relying_party, unproven, whole_seconds};
use crate::page::refusal;
use crate::problem::{FAILED, PASSKEY_FAILED, Problem, SIGNIN_DELAYED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::signin::{Became, Proved};
use crate::submitted::submitted;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;
use crate::{consent, cookie, own, page, signin};

/// `POST /auth/login/passkey`: what to ask an authenticator. The browser gets a cookie that its answer has to come with.
pub(crate) async fn begin(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    headers: HeaderMap,
) -> Response {
    let beginning = async {
        let Site::Tenant(tenant) = visit.site() else { return Err(Problem::new(RefusalCode::RouteUnknown)) };
        let party = relying_party(&control_plane, &visit)?;
        // Nothing is written for whoever begins one: the browser keeps it.
        let (began, kept) =
            control_plane.webauthn.begin_sign_in(asking(&visit, tenant.id, &party)).map_err(unproven)?;
        let cookie = cookie::set_signin(visit.scheme, &kept).map_err(|error| Problem::new(FAILED).because(error))?;
        let mut response = begun(began);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    };
    beginning.await.unwrap_or_else(|problem| refusal::answer(Wanted::of(&headers), problem.of_request(visit.request)))
}

#[derive(Deserialize)]
struct Body {
    /// What the authenticator answered, as JSON text (WebAuthn §5.1, `toJSON`).
    #[serde(default)]
    credential: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/login/passkey/{ceremony}`: the answer. The cookie is spent with it.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    ceremony: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let wanted = Wanted::of(request.headers());
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::answer(wanted, Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let headers = request.headers().clone();
    let kept = cookie::signin_kept(visit.scheme, &headers);
    let Body { credential, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return refusal::answer(wanted, problem.of_request(visit.request)),
    };
    let mut return_to = ReturnTo::parse(&return_to);
    let presented = Presented { kept, ceremony: ceremony_id(ceremony), credential };
    // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
    let signing_in = sign_in(Arc::clone(&control_plane), visit.clone(), tenant.clone(), presented);
    let outcome = tokio::spawn(signing_in).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)));
    let mut known = None;
    if let Ok(begun) = &outcome {
        let account = begun.principal.id;
        return_to = consent::before(&control_plane, tenant, account, return_to).await;
        // A passkey is a proof that nobody guesses: its browser is a device of theirs.
        let device = own::known_device(&control_plane, &visit, tenant.id, account, &headers).await;
        known = own::remembered(&control_plane, &visit, tenant.id, account, device);
    }
    let answered = outcome.and_then(|begun| signin::answer(&visit, wanted, &return_to, &begun));
    let mut response = match (answered, wanted) {
        (Ok(response), _) => response,
        (Err(problem), Wanted::Page) => {
            let problem = problem.of_request(visit.request);
            page::signin::show_again(&control_plane, &visit, tenant, "", &return_to, &problem)
        }
        (Err(problem), Wanted::Json) => problem.of_request(visit.request).into_response(),
    };
    response.headers_mut().append(header::SET_COOKIE, cookie::clear_signin(visit.scheme));
    if let Some(known) = known {
        response.headers_mut().append(header::SET_COOKIE, known);
    }
    response
}

struct Presented {
    kept: Option<InBrowser>,
    ceremony: Uuid,
    credential: String,
}

/// Judges the answer, begins a session, and makes the event durable. Nobody learns the outcome before that.
async fn sign_in(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    presented: Presented,
) -> Result<Begun, Problem> {
    let Presented { kept, ceremony, credential } = presented;
    let party = relying_party(&control_plane, &visit)?;
    let asking = asking(&visit, tenant.id, &party);
    match control_plane.webauthn.finish_sign_in(asking, kept.as_ref(), ceremony, &credential).await {
        Ok(PasskeySignIn { authenticated, proven, grounds }) => {
            let proved = Proved { authenticated, method: proven.kind, factor: proven.factor, grounds, remember: false };
            match signin::begin(&control_plane, &visit, &tenant, proved).await {
                // Gone in the instant since, or a copy: to a stranger it is a passkey like any other that does not fit.
                Err(problem) if problem.kind == crate::problem::SIGNIN_FAILED => Err(Problem::new(PASSKEY_FAILED)),
                begun => begun,
            }
        }
        Err(WebauthnError::Refused(refused)) => {
            // With the person and the key, where their signature was right.
            let became = match refused.person {
                Some(_) => Became::by(refused.kind, refused.factor),
                None => Became::failed(),
            };
            let became = Became { reason: Some(refused.reason), person: refused.person, ..became };
            signin::record(&control_plane, &visit, &tenant, became).await?;
            // One answer for all of them: what was wrong is the record's to know.
            Err(Problem::new(PASSKEY_FAILED))
        }
        Err(WebauthnError::Delayed { retry_after }) => {
            let became = Became { result: SigninResult::Delayed, ..Became::failed() };
            signin::record(&control_plane, &visit, &tenant, became).await?;
            Err(Problem::new(SIGNIN_DELAYED).retry_after(whole_seconds(retry_after)))
        }
        Err(other) => Err(unproven(other)),
    }
}
