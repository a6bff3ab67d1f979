//! Signing in.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Begun, CreateSessionError, SignIn};
use cedargate_idp_adapters::local::{Credentials, PresentedPassword};
use cedargate_idp_adapters::{Authenticated, SignInError};
use cedargate_model::{Principal, RefusalCode, SigninResult};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::page::{refusal, signin};
use crate::problem::{
    FAILED, Problem, SIGNIN_BUSY, SIGNIN_DELAYED, SIGNIN_FAILED, SIGNIN_MALFORMED, SIGNIN_TYPE_UNSUPPORTED,
};
use crate::recorder::signin_event;
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;
use crate::{RecordUnavailable, cookie};

/// `POST /auth/login`: a form from the page, or the same as JSON from a program.
pub(crate) async fn post(State(control_plane): State<Arc<ControlPlane>>, visit: Visit, request: Request) -> Response {
    let wanted = Wanted::of(request.headers());
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::answer(wanted, Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let presented = match Presented::read(request).await {
        Ok(presented) => presented,
        Err(problem) => return refusal::answer(wanted, problem.of_request(visit.request)),
    };
    let (email, return_to) = (presented.email.clone(), ReturnTo::parse(&presented.return_to));

    // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
    let signing_in = sign_in(Arc::clone(&control_plane), visit.clone(), tenant.clone(), presented);
    let outcome = match tokio::spawn(signing_in).await {
        Ok(outcome) => outcome,
        Err(lost) => Err(Problem::new(FAILED).because(lost)),
    };
    match (outcome.and_then(|begun| answer(&visit, wanted, &return_to, &begun)), wanted) {
        (Ok(response), _) => response,
        (Err(problem), Wanted::Page) => {
            signin::show_again(&control_plane, &visit, tenant, &email, &return_to, &problem.of_request(visit.request))
        }
        (Err(problem), Wanted::Json) => problem.of_request(visit.request).into_response(),
    }
}

/// Judges the credentials, begins a session, and makes the event durable. Nobody learns the outcome before that.
async fn sign_in(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    presented: Presented,
) -> Result<Begun, Problem> {
    let credentials = Credentials::new(presented.email, presented.password);
    match control_plane.local.sign_in_judged(tenant.id, credentials, visit.client, visit.now).await {
        Ok((authenticated, version)) => begin(&control_plane, &visit, &tenant, authenticated, Some(version)).await,
        Err(SignInError::Failed) => {
            record(&control_plane, &visit, &tenant, SigninResult::Failed, None).await?;
            Err(Problem::new(SIGNIN_FAILED))
        }
        Err(SignInError::Delayed { retry_after }) => {
            record(&control_plane, &visit, &tenant, SigninResult::Delayed, None).await?;
            // Rounded up: whoever comes back on time must not be told to wait again.
            Err(Problem::new(SIGNIN_DELAYED)
                .retry_after(retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)))
        }
        Err(SignInError::Busy) => Err(Problem::new(SIGNIN_BUSY).retry_after(1)),
        Err(SignInError::Store(error)) => {
            Err(Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5))
        }
        Err(SignInError::Broken(error)) => Err(Problem::new(FAILED).because(error)),
    }
}

pub(crate) async fn begin(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    authenticated: Authenticated,
    version: Option<i64>,
) -> Result<Begun, Problem> {
    let sign_in = SignIn {
        tenant: tenant.id,
        principal: authenticated.principal,
        strength: authenticated.strength,
        replaces: visit.signed_in().map(|signed_in| signed_in.session),
        device: visit.device(),
    };
    let created = match version {
        Some(version) => control_plane.sessions.create_as_judged(sign_in, version, visit.now).await,
        None => control_plane.sessions.create(sign_in, visit.now).await,
    };
    let begun = match created {
        Ok(begun) => begun,
        // Disabled, or given another password, in the instant since its password was found right.
        Err(CreateSessionError::AccountUnusable(_) | CreateSessionError::EndedByProvider) => {
            record(control_plane, visit, tenant, SigninResult::Failed, None).await?;
            return Err(Problem::new(SIGNIN_FAILED));
        }
        Err(CreateSessionError::Entropy(error)) => return Err(Problem::new(FAILED).because(error)),
        Err(CreateSessionError::Store(error)) => {
            return Err(Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5));
        }
    };
    let recorded = record(control_plane, visit, tenant, SigninResult::Succeeded, Some(&begun.principal)).await;
    if let Err(problem) = recorded {
        // Nobody has its token, and now nobody gets it.
        if let Err(error) = control_plane.sessions.end(tenant.id, begun.principal.session).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an unrecorded session could not be ended");
        }
        return Err(problem);
    }
    Ok(begun)
}

/// Makes a sign-in's event durable.
pub(crate) async fn record(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    result: SigninResult,
    who: Option<&Principal>,
) -> Result<(), Problem> {
    let who = who.map(|principal| (principal.id, principal.session));
    let event = signin_event(visit, tenant, result, who).map_err(|error| Problem::new(FAILED).because(error))?;
    let unrecorded =
        |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)
}

/// What a program is told about the session that it now has.
#[derive(Serialize)]
struct Session<'s> {
    principal: String,
    email: &'s str,
    tenant: &'s str,
    roles: &'s [cedargate_model::RoleName],
    level: u8,
    expires_in_seconds: u64,
}

/// Sets the session's cookie, and takes a person on; a program is told what it has.
pub(crate) fn answer(visit: &Visit, wanted: Wanted, return_to: &ReturnTo, begun: &Begun) -> Result<Response, Problem> {
    let cookie = cookie::set(visit.scheme, &begun.token).map_err(|error| Problem::new(FAILED).because(error))?;
    let principal = &begun.principal;
    let mut response = match wanted {
        Wanted::Page => Redirect::to(return_to.as_str()).into_response(),
        Wanted::Json => Json(Session {
            principal: principal.id.to_string(),
            email: &principal.display,
            tenant: principal.tenant_name.as_str(),
            roles: &principal.roles,
            level: principal.strength.level,
            expires_in_seconds: begun.expires_at.since(visit.now).as_secs(),
        })
        .into_response(),
    };
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What somebody sent to sign in.
struct Presented {
    email: String,
    password: PresentedPassword,
    return_to: String,
}

#[derive(Deserialize)]
struct FormBody {
    email: String,
    password: String,
    #[serde(default)]
    return_to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonBody {
    email: String,
    password: String,
}

impl Presented {
    async fn read(request: Request) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
        let is = |expected: &[u8]| kind.as_ref().is_some_and(|kind| kind.starts_with(expected));
        // What a rejection says may quote the body, and the body holds a password: only its status goes on.
        if is(b"application/json") {
            let Json(body) =
                Json::<JsonBody>::from_request(request, &()).await.map_err(|r: JsonRejection| malformed(r.status()))?;
            Ok(Self { email: body.email, password: PresentedPassword::new(body.password), return_to: String::new() })
        } else if is(b"application/x-www-form-urlencoded") {
            let Form(body) =
                Form::<FormBody>::from_request(request, &()).await.map_err(|r: FormRejection| malformed(r.status()))?;
            let password = PresentedPassword::new(body.password);
            Ok(Self { email: body.email, password, return_to: body.return_to })
        } else {
            Err(Problem::new(SIGNIN_TYPE_UNSUPPORTED))
        }
    }
}

fn malformed(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(RefusalCode::BodyTooLarge),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(SIGNIN_TYPE_UNSUPPORTED),
        _ => Problem::new(SIGNIN_MALFORMED),
    }
}
