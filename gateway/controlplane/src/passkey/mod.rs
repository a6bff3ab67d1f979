//! Passkeys and security keys: signing in, and proving again who one is. Adding one is [`crate::account::passkey`]'s.
//!
//! Each is two requests: a script asks what an authenticator is to be asked, and the browser sends its answer as an ordinary form.

pub(crate) mod sign_in;
pub(crate) mod step_up;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use cedargate_idp_adapters::webauthn::{Asking, BegunCeremony, RelyingParty, WebauthnError};
use cedargate_model::{AccountAct, RefusalCode, TenantId};
use http::{HeaderValue, header};
use serde::Serialize;
use uuid::Uuid;

use crate::own::{Own, SECOND_FACTOR, unavailable};
use crate::problem::{FACTORS_TOO_MANY, FAILED, PASSKEY_FAILED, PROOF_DELAYED, Problem};
use crate::router::ControlPlane;
use crate::visit::Visit;

/// What the script is told: the options for `navigator.credentials`, and where their answer goes.
#[derive(Serialize)]
struct Told {
    ceremony: Uuid,
    options: serde_json::Value,
}

/// Tells it.
pub(crate) fn begun(begun: BegunCeremony) -> Response {
    let mut response = Json(Told { ceremony: begun.id, options: begun.options }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The relying party that is asked for. Where the host is an address there is none, and nothing to find.
pub(crate) fn relying_party(control_plane: &ControlPlane, visit: &Visit) -> Result<RelyingParty, Problem> {
    let found = control_plane.webauthn.relying_party(visit.host.name());
    found.ok_or(Problem::new(RefusalCode::RouteUnknown))
}

pub(crate) fn asking<'a>(visit: &Visit, tenant: TenantId, relying_party: &'a RelyingParty) -> Asking<'a> {
    Asking { tenant, relying_party, client: visit.client, now: visit.now }
}

/// What is no id of ours is a ceremony that nobody began.
pub(crate) fn ceremony_id(id: Result<Path<Uuid>, PathRejection>) -> Uuid {
    id.map_or(Uuid::nil(), |Path(id)| id)
}

/// Records that an answer proved nothing, and says what a person who is signed in may know: whatever was wrong, the same.
pub(crate) async fn refused(control_plane: &ControlPlane, own: &Own, error: WebauthnError) -> Problem {
    let (act, problem) = match error {
        WebauthnError::Refused(refused) => {
            let act = AccountAct::ProofRefused { method: refused.kind, factor: refused.factor, reason: refused.reason };
            (act, Problem::new(PASSKEY_FAILED))
        }
        WebauthnError::Delayed { retry_after } => {
            let method = cedargate_model::ProofKind::Passkey;
            (AccountAct::ProofDelayed { method }, Problem::new(PROOF_DELAYED).retry_after(whole_seconds(retry_after)))
        }
        WebauthnError::Holder(error) => return own.not_held(error),
        other => return unproven(other),
    };
    match own.record(control_plane, act).await {
        Ok(()) => problem,
        Err(unrecorded) => unrecorded,
    }
}

/// What is nobody's wrong answer.
pub(crate) fn unproven(error: WebauthnError) -> Problem {
    match error {
        WebauthnError::TooMany => Problem::new(FACTORS_TOO_MANY),
        WebauthnError::Holder(error) => Problem::new(RefusalCode::StepUpRequired).step_up(SECOND_FACTOR).because(error),
        WebauthnError::SessionGone => Problem::new(RefusalCode::SigninRequired),
        WebauthnError::Store(error) => unavailable(error),
        WebauthnError::Broken(error) => Problem::new(FAILED).because(error),
        // Whoever can hear these records them first.
        error @ (WebauthnError::Refused(_) | WebauthnError::Delayed { .. }) => {
            Problem::new(PASSKEY_FAILED).because(error)
        }
    }
}

/// Rounded up: whoever comes back on time must not be told to wait again.
pub(crate) fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}
