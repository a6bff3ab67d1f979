//! Proving again who one is, by a passkey or a security key.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use cedargate_identity::Begun;
use cedargate_model::ProofKind;
use serde::Deserialize;
use uuid::Uuid;

use super::{asking, begun, ceremony_id, refused, relying_party};
use crate::own::Own;
use crate::page::stepup;
use crate::problem::{FAILED, PROOF_TOO_WEAK, Problem};
use crate::router::ControlPlane;
use crate::signin;
use crate::stepup::{level_of, replace_session};
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `POST /auth/step-up/passkey`: what to ask an authenticator.
pub(crate) async fn begin(State(control_plane): State<Arc<ControlPlane>>, own: Own) -> Response {
    let beginning = async {
        let party = relying_party(&control_plane, &own.visit)?;
        let began = control_plane.webauthn.begin_step_up(asking(&own.visit, own.tenant.id, &party), own.holder()).await;
        match began {
            Ok(began) => Ok(began),
            Err(error) => Err(refused(&control_plane, &own, error).await),
        }
    };
    beginning.await.map_or_else(|problem| own.refuse(problem), begun)
}

#[derive(Deserialize)]
struct Body {
    /// What the authenticator answered, as JSON text (WebAuthn §5.1, `toJSON`).
    #[serde(default)]
    credential: String,
    /// What was asked for, to show the same page again.
    #[serde(default)]
    level: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/step-up/passkey/{ceremony}`: the answer.
pub(crate) async fn finish(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    ceremony: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let client = own.client(&control_plane, request.headers()).await;
    let Body { credential, level, return_to } = match submitted(request).await {
        Ok(body) => body,
        Err(problem) => return own.refuse(problem),
    };
    let asked = stepup::Asked::of(&level, &return_to, own.visit.identity.level);
    // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
    let proving = prove_again(Arc::clone(&control_plane), own.clone(), ceremony_id(ceremony), credential);
    let outcome = tokio::spawn(proving).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)));
    let answered = outcome.and_then(|begun| signin::answer(&own.visit, own.wanted, &asked.return_to, &begun));
    match (answered, own.wanted) {
        (Ok(mut response), _) => {
            own.remember_device(&control_plane, client, &mut response);
            response
        }
        (Err(problem), Wanted::Page) => stepup::show_again(&control_plane, &own, asked, problem).await,
        (Err(problem), Wanted::Json) => own.refuse(problem),
    }
}

/// Judges the answer, replaces the session, and makes the event durable. Nobody learns the outcome before that.
async fn prove_again(
    control_plane: Arc<ControlPlane>,
    own: Own,
    ceremony: Uuid,
    credential: String,
) -> Result<Begun, Problem> {
    // Before it is judged: else a right answer would be spent for nothing.
    if level_of(ProofKind::Passkey) < own.visit.identity.level {
        return Err(Problem::new(PROOF_TOO_WEAK));
    }
    let party = relying_party(&control_plane, &own.visit)?;
    let asking = asking(&own.visit, own.tenant.id, &party);
    match control_plane.webauthn.finish_step_up(asking, own.holder(), ceremony, &credential).await {
        Ok((proven, spent)) => replace_session(&control_plane, &own, proven, Some(spent)).await,
        Err(error) => Err(refused(&control_plane, &own, error).await),
    }
}
