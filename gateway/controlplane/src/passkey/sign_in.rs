//! Signing in by a passkey, without a name and without a password.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Begun, BrowserSecret};
use cedargate_idp_adapters::webauthn::WebauthnError;
use cedargate_model::{EventBody, PrincipalId, RefusalCode, SigninReason, SigninResult};
use http::{HeaderMap, header};
use serde::Deserialize;
use uuid::Uuid;

use super::{asking, begun, ceremony_id, relying_party, unproven, whole_seconds};
use crate::page::refusal;
use crate::problem::{FAILED, PASSKEY_FAILED, Problem, SIGNIN_DELAYED};
use crate::recorder::signin_event;
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;
use crate::{RecordUnavailable, cookie, page, signin};

/// `POST /auth/login/passkey`: what to ask an authenticator. The browser gets a cookie that its answer has to come with.
pub(crate) async fn begin(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    headers: HeaderMap,
) -> Response {
    let beginning = async {
        let Site::Tenant(tenant) = visit.site() else { return Err(Problem::new(RefusalCode::RouteUnknown)) };
        let party = relying_party(&control_plane, &visit)?;
        let began = control_plane.webauthn.begin_sign_in(asking(&visit, tenant.id, &party)).await;
        let (began, browser) = began.map_err(unproven)?;
        let cookie = cookie::set_signin(visit.scheme, &browser).map_err(|error| Problem::new(FAILED).because(error))?;
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
    let browser = cookie::signin_secret(visit.scheme, request.headers());
    let Body { credential, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return refusal::answer(wanted, problem.of_request(visit.request)),
    };
    let return_to = ReturnTo::parse(&return_to);
    let presented = Presented { browser, ceremony: ceremony_id(ceremony), credential };
    // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
    let signing_in = sign_in(Arc::clone(&control_plane), visit.clone(), tenant.clone(), presented);
    let outcome = tokio::spawn(signing_in).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)));
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
    response
}

struct Presented {
    browser: Option<BrowserSecret>,
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
    let Presented { browser, ceremony, credential } = presented;
    let party = relying_party(&control_plane, &visit)?;
    let asking = asking(&visit, tenant.id, &party);
    match control_plane.webauthn.finish_sign_in(asking, browser.as_ref(), ceremony, &credential).await {
        Ok(authenticated) => match signin::begin(&control_plane, &visit, &tenant, authenticated, None).await {
            // Disabled in the instant since: to a stranger it is a passkey like any other that does not fit.
            Err(problem) if problem.kind == crate::problem::SIGNIN_FAILED => Err(Problem::new(PASSKEY_FAILED)),
            begun => begun,
        },
        Err(WebauthnError::Refused(refused)) => {
            record_refused(&control_plane, &visit, &tenant, refused.reason, refused.person).await?;
            // One answer for all of them: what was wrong is the record's to know.
            Err(Problem::new(PASSKEY_FAILED))
        }
        Err(WebauthnError::Delayed { retry_after }) => {
            signin::record(&control_plane, &visit, &tenant, SigninResult::Delayed, None).await?;
            Err(Problem::new(SIGNIN_DELAYED).retry_after(whole_seconds(retry_after)))
        }
        Err(other) => Err(unproven(other)),
    }
}

/// Makes the refusal durable, with the person whose key it was where their signature was right.
async fn record_refused(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    reason: SigninReason,
    person: Option<PrincipalId>,
) -> Result<(), Problem> {
    let event = signin_event(visit, tenant, SigninResult::Failed, None);
    let mut event = event.map_err(|error| Problem::new(FAILED).because(error))?;
    if let EventBody::Signin(signin) = &mut event.body {
        signin.principal = person;
        signin.reason = Some(reason);
    }
    let unrecorded =
        |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)
}
