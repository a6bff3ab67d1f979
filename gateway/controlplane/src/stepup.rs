//! Proving again who one is: a code or a password, and a session that says so.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use cedargate_identity::{Begun, Ready, Replaced, StepUpError};
use cedargate_idp_adapters::local::PresentedPassword;
use cedargate_idp_adapters::second::{PresentedCode, Proven};
use cedargate_idp_adapters::{Client, SignInError};
use cedargate_model::{AccountAct, FactorId, ProofKind, RefusalCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::own::{Own, unavailable};
use crate::page::stepup;
use crate::problem::{FAILED, PROOF_DELAYED, PROOF_FAILED, PROOF_TOO_WEAK, Problem, REQUEST_MALFORMED, SIGNIN_BUSY};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::signin;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// What somebody sent to prove who they are: one of the two.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    code: String,
    #[serde(default)]
    password: String,
    /// What was asked for, to show the same page again.
    #[serde(default)]
    level: String,
    #[serde(default)]
    return_to: String,
}

enum Presented {
    Code(PresentedCode),
    Password(PresentedPassword),
}

impl Presented {
    fn read(code: String, password: String) -> Result<Self, Problem> {
        let code = Zeroizing::new(code);
        match (code.trim().is_empty(), password.is_empty()) {
            (false, true) => Ok(Self::Code(PresentedCode::new(&code))),
            (true, false) => Ok(Self::Password(PresentedPassword::new(password))),
            // Two proofs at once would be two opinions.
            (true, true) | (false, false) => Err(Problem::new(REQUEST_MALFORMED)),
        }
    }

    fn kind(&self) -> ProofKind {
        match self {
            Self::Code(code) => code.kind(),
            Self::Password(_) => ProofKind::Password,
        }
    }
}

/// `POST /auth/step-up`: a form from the page, or the same as JSON from a program.
pub(crate) async fn post(State(control_plane): State<Arc<ControlPlane>>, own: Own, request: Request) -> Response {
    let client = own.client(&control_plane, request.headers()).await;
    let Body { code, password, level, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return own.refuse(problem),
    };
    let asked = stepup::Asked::of(&level, &return_to, own.visit.identity.level);
    let presented = Presented::read(code, password);
    let is_factor = presented.as_ref().is_ok_and(|presented| presented.kind() != ProofKind::Password);
    let outcome = match presented {
        Ok(presented) => {
            // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
            let proving = prove_again(Arc::clone(&control_plane), own.clone(), presented, client);
            tokio::spawn(proving).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)))
        }
        Err(problem) => Err(problem),
    };
    let back: &ReturnTo = &asked.return_to;
    match (outcome.and_then(|begun| signin::answer(&own.visit, own.wanted, back, &begun)), own.wanted) {
        (Ok(mut response), _) => {
            if is_factor {
                own.remember_device(&control_plane, client, &mut response);
            }
            response
        }
        (Err(problem), Wanted::Page) => stepup::show_again(&control_plane, &own, asked, problem).await,
        (Err(problem), Wanted::Json) => own.refuse(problem),
    }
}

/// Judges the proof, replaces the session, and makes the event durable. Nobody learns the outcome before that.
async fn prove_again(
    control_plane: Arc<ControlPlane>,
    own: Own,
    presented: Presented,
    client: Client,
) -> Result<Begun, Problem> {
    let kind = presented.kind();
    // Before it is judged: else the answer would tell whether a guess was right, and a code would be spent for nothing.
    if level_of(kind) < own.visit.identity.level {
        return Err(Problem::new(PROOF_TOO_WEAK));
    }
    match judge(&control_plane, &own, presented, client).await {
        Ok((proven, spent)) => replace_session(&control_plane, &own, proven, spent).await,
        Err(error) => Err(refused(&control_plane, &own, kind, error).await),
    }
}

/// What a proof of this kind is good for (NIST SP 800-63B-4 §2).
pub(crate) fn level_of(kind: ProofKind) -> u8 {
    match kind {
        ProofKind::Password => 1,
        ProofKind::Totp | ProofKind::RecoveryCode | ProofKind::Passkey | ProofKind::SecurityKey => 2,
    }
}

/// What was proved, and what is spent by that, once it is committed with what comes of it.
async fn judge(
    control_plane: &ControlPlane,
    own: &Own,
    presented: Presented,
    client: Client,
) -> Result<(Proven, Option<Ready<()>>), SignInError> {
    let (tenant, principal) = (own.tenant.id, own.signed_in.principal);
    let now = own.visit.now;
    match presented {
        Presented::Code(code) => {
            let (proven, spent) = control_plane.second.prove(tenant, principal, &code, client, now).await?;
            Ok((proven, Some(spent)))
        }
        Presented::Password(password) => {
            let again = control_plane.local.confirm(tenant, principal, password, client, now).await?;
            Ok((Proven { kind: ProofKind::Password, factor: None, strength: again.strength }, None))
        }
    }
}

/// The session of somebody who has just proved who they are, in place of the one that they had. What is `spent` by the proof is spent with
/// that, once the event is durable: where the session is over or nothing can be recorded, the code is as good as before.
pub(crate) async fn replace_session(
    control_plane: &ControlPlane,
    own: &Own,
    proven: Proven,
    spent: Option<Ready<()>>,
) -> Result<Begun, Problem> {
    let Proven { kind, factor, strength } = proven;
    let (sessions, session, now) = (&control_plane.sessions, own.signed_in.session, own.visit.now);
    let replaced = match spent {
        Some(spent) => {
            let both = sessions.step_up_with(spent, session, strength, now).await;
            both.map(|both| both.map(|((), replaced)| replaced))
        }
        None => sessions.step_up(own.tenant.id, session, strength, now).await,
    };
    let replaced = replaced.map_err(not_replaced)?;
    own.record(control_plane, stepped_up(kind, factor, replaced.change())).await?;
    let replaced = replaced.commit().await.map_err(unavailable)?;
    Ok(control_plane.sessions.take_up(replaced))
}

/// The event of a session that takes another's place.
pub(crate) fn stepped_up(method: ProofKind, factor: Option<FactorId>, replaced: &Replaced) -> AccountAct {
    let principal = replaced.principal();
    AccountAct::SteppedUp { method, factor, into: principal.session, level: principal.strength.level }
}

/// What is said where a session is not replaced.
pub(crate) fn not_replaced(error: StepUpError) -> Problem {
    match error {
        StepUpError::SessionGone(_) => Problem::new(RefusalCode::SigninRequired),
        StepUpError::TooWeak { .. } => Problem::new(PROOF_TOO_WEAK),
        StepUpError::Entropy(error) => Problem::new(FAILED).because(error),
        StepUpError::Store(error) => unavailable(error),
    }
}

/// Records that something proved nothing, and says what the person may know.
pub(crate) async fn refused(control_plane: &ControlPlane, own: &Own, method: ProofKind, error: SignInError) -> Problem {
    let (act, problem) = match error {
        SignInError::Failed => (AccountAct::ProofFailed { method }, Problem::new(PROOF_FAILED)),
        SignInError::Delayed { retry_after } => {
            // Rounded up: whoever comes back on time must not be told to wait again.
            let seconds = retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
            (AccountAct::ProofDelayed { method }, Problem::new(PROOF_DELAYED).retry_after(seconds))
        }
        SignInError::Busy => return Problem::new(SIGNIN_BUSY).retry_after(1),
        SignInError::Store(error) => return unavailable(error),
        SignInError::Broken(error) => return Problem::new(FAILED).because(error),
    };
    match own.record(control_plane, act).await {
        Ok(()) => problem,
        Err(unrecorded) => unrecorded,
    }
}
