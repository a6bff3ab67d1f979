//! Signing in.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Begun, CreateSessionError, Grounds, SignIn};
use cedargate_idp_adapters::local::{Credentials, PresentedPassword};
use cedargate_idp_adapters::{Authenticated, SignInError};
use cedargate_model::{
    AccountAct, EventBody, FactorId, Principal, PrincipalId, ProofKind, RefusalCode, SessionId, SigninReason,
    SigninResult,
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::own::unavailable;
use crate::page::{refusal, signin};
use crate::problem::{
    FAILED, Problem, SIGNIN_BUSY, SIGNIN_DELAYED, SIGNIN_FAILED, SIGNIN_MALFORMED, SIGNIN_TYPE_UNSUPPORTED,
};
use crate::recorder::{person_event, signin_event};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;
use crate::{RecordUnavailable, consent, cookie};

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
    let return_to = match &outcome {
        Ok(begun) => consent::before(&control_plane, tenant, begun.principal.id, return_to).await,
        Err(_) => return_to,
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
    let remember = presented.remember;
    let credentials = Credentials::new(presented.email, presented.password);
    match control_plane.local.sign_in_judged(tenant.id, credentials, visit.client, visit.now).await {
        Ok((authenticated, version)) => {
            let grounds = Grounds { version: Some(version), ..Grounds::default() };
            let proved = Proved { authenticated, method: ProofKind::Password, factor: None, grounds, remember };
            begin(&control_plane, &visit, &tenant, proved).await
        }
        Err(SignInError::Failed) => {
            record(&control_plane, &visit, &tenant, Became::failed()).await?;
            Err(Problem::new(SIGNIN_FAILED))
        }
        Err(SignInError::Delayed { retry_after }) => {
            let became = Became { result: SigninResult::Delayed, ..Became::failed() };
            record(&control_plane, &visit, &tenant, became).await?;
            // Rounded up: whoever comes back on time must not be told to wait again.
            Err(Problem::new(SIGNIN_DELAYED)
                .retry_after(retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)))
        }
        Err(SignInError::Busy) => Err(Problem::new(SIGNIN_BUSY).retry_after(1)),
        Err(SignInError::Store(error)) => Err(unavailable(error)),
        Err(SignInError::Broken(error)) => Err(Problem::new(FAILED).because(error)),
    }
}

/// Somebody who proved to us who they are.
pub(crate) struct Proved {
    pub(crate) authenticated: Authenticated,
    pub(crate) method: ProofKind,
    pub(crate) factor: Option<FactorId>,
    /// What it rests on, looked at again when the session begins.
    pub(crate) grounds: Grounds,
    /// Whether they want this browser to remember them.
    pub(crate) remember: bool,
}

/// Begins a session, once its event is durable: nobody learns of it before, and nothing is used up by one that cannot be recorded.
pub(crate) async fn begin(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    proved: Proved,
) -> Result<Begun, Problem> {
    let Proved { authenticated, method, factor, grounds, remember } = proved;
    let person = authenticated.principal;
    let sign_in = SignIn {
        tenant: tenant.id,
        principal: person,
        strength: authenticated.strength,
        replaces: visit.signed_in().map(|signed_in| signed_in.session),
        device: visit.device(),
        remember,
    };
    let reason = match control_plane.sessions.begin(sign_in, &grounds, visit.now).await {
        Ok(begun) => {
            let principal = &begun.change().begun().principal;
            let who = Some((principal.id, principal.session));
            let became = Became {
                result: SigninResult::Succeeded,
                who,
                ended: begun.change().ended(),
                ..Became::by(method, factor)
            };
            record(control_plane, visit, tenant, became).await?;
            if begun.change().is_new_device() {
                record_new_device(control_plane, visit, tenant, principal).await?;
            }
            let beginning = begun.commit().await.map_err(unavailable)?;
            return Ok(control_plane.sessions.take_up_begun(beginning));
        }
        Err(CreateSessionError::Entropy(error)) => return Err(Problem::new(FAILED).because(error)),
        Err(CreateSessionError::Store(error)) => return Err(unavailable(error)),
        // Of a provider's sign-ins alone.
        Err(error @ (CreateSessionError::EndedMeanwhile | CreateSessionError::EndedByProvider)) => {
            return Err(Problem::new(FAILED).because(error));
        }
        // Disabled, or given another password, in the instant since the proof was found right.
        Err(CreateSessionError::AccountUnusable(_)) => SigninReason::AccountDisabled,
        Err(CreateSessionError::UsedBefore(_)) => SigninReason::CeremonySpent,
        Err(CreateSessionError::CredentialGone) => SigninReason::CredentialUnknown,
        Err(CreateSessionError::CounterRegressed) => SigninReason::CounterRegressed,
    };
    let became = match method {
        // So that the log does not tell which accounts there are.
        ProofKind::Password => Became::failed(),
        _ => Became { reason: Some(reason), person: Some(person), ..Became::by(method, factor) },
    };
    record(control_plane, visit, tenant, became).await?;
    Err(Problem::new(SIGNIN_FAILED))
}

/// Makes durable that somebody signs in with a program, or from a family of addresses, that the account was not used with before.
pub(crate) async fn record_new_device(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    principal: &Principal,
) -> Result<(), Problem> {
    let event = person_event(visit, tenant, principal.id, Some(principal.session), AccountAct::NewDevice);
    let event = event.map_err(|error| Problem::new(FAILED).because(error))?;
    let unrecorded =
        |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)
}

/// What became of a sign-in, for the record.
pub(crate) struct Became<'b> {
    pub(crate) result: SigninResult,
    pub(crate) reason: Option<SigninReason>,
    pub(crate) who: Option<(PrincipalId, SessionId)>,
    /// Whose proof was right, where nobody is signed in by it.
    pub(crate) person: Option<PrincipalId>,
    pub(crate) method: Option<ProofKind>,
    pub(crate) factor: Option<FactorId>,
    /// The sessions that end because this one begins.
    pub(crate) ended: &'b [SessionId],
}

impl Became<'_> {
    /// A failure of which no more is said.
    pub(crate) fn failed() -> Self {
        let result = SigninResult::Failed;
        Self { result, reason: None, who: None, person: None, method: None, factor: None, ended: &[] }
    }

    /// A failure by this proof.
    pub(crate) fn by(method: ProofKind, factor: Option<FactorId>) -> Self {
        Self { method: Some(method), factor, ..Self::failed() }
    }
}

/// Makes a sign-in's event durable.
pub(crate) async fn record(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    became: Became<'_>,
) -> Result<(), Problem> {
    let event = signin_event(visit, tenant, became.result, became.who);
    let mut event = event.map_err(|error| Problem::new(FAILED).because(error))?;
    if let EventBody::Signin(signin) = &mut event.body {
        signin.principal = signin.principal.or(became.person);
        signin.reason = became.reason;
        signin.method = became.method;
        signin.factor = became.factor;
        signin.ended = became.ended.to_vec();
    }
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
    let cookie = cookie::set(visit.scheme, begun, visit.now).map_err(|error| Problem::new(FAILED).because(error))?;
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
    remember: bool,
}

#[derive(Deserialize)]
struct FormBody {
    email: String,
    password: String,
    #[serde(default)]
    return_to: String,
    /// Not empty where the box was ticked.
    #[serde(default)]
    remember: String,
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
            Ok(Self {
                email: body.email,
                password: PresentedPassword::new(body.password),
                return_to: String::new(),
                remember: false,
            })
        } else if is(b"application/x-www-form-urlencoded") {
            let Form(body) =
                Form::<FormBody>::from_request(request, &()).await.map_err(|r: FormRejection| malformed(r.status()))?;
            let password = PresentedPassword::new(body.password);
            let remember = !body.remember.is_empty();
            Ok(Self { email: body.email, password, return_to: body.return_to, remember })
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
