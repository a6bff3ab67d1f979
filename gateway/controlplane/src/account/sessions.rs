//! Ending sessions of one's own.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use cedargate_identity::{EndedSessions, Ready};
use cedargate_model::{AccountAct, RefusalCode, SessionId};
use uuid::Uuid;

use super::{done, to_the_end};
use crate::own::{Own, unavailable};
use crate::problem::Problem;
use crate::router::ControlPlane;

/// `POST /auth/account/sessions/{id}/end`.
pub(crate) async fn end(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
) -> Response {
    let ending = {
        let own = own.clone();
        async move {
            let session = id.map(|Path(id)| SessionId(id)).map_err(|_| Problem::new(RefusalCode::RouteUnknown))?;
            let ended = control_plane.sessions.end_own(own.tenant.id, own.signed_in.principal, session).await;
            match ended.map_err(unavailable)? {
                Some(ended) => end_recorded(&control_plane, &own, ended).await,
                // Over already, which is what was wanted; or somebody else's, which nobody is told.
                None => Ok(()),
            }
        }
    };
    match to_the_end(ending).await {
        Ok(()) => done(own.wanted),
        Err(problem) => own.refuse(problem),
    }
}

/// `POST /auth/account/sessions/end-others`.
pub(crate) async fn end_others(State(control_plane): State<Arc<ControlPlane>>, own: Own) -> Response {
    let ending = {
        let own = own.clone();
        async move {
            let (tenant, principal, keep) = (own.tenant.id, own.signed_in.principal, own.signed_in.session);
            match control_plane.sessions.end_others(tenant, principal, keep).await.map_err(unavailable)? {
                Some(ended) => end_recorded(&control_plane, &own, ended).await,
                None => Ok(()),
            }
        }
    };
    match to_the_end(ending).await {
        Ok(()) => done(own.wanted),
        Err(problem) => own.refuse(problem),
    }
}

/// Ends them once their event is durable. Where that fails they go on, and whoever asks again still finds them.
async fn end_recorded(control_plane: &ControlPlane, own: &Own, ended: Ready<EndedSessions>) -> Result<(), Problem> {
    let which = ended.change().sessions.iter().map(|ended| ended.session).collect();
    own.record(control_plane, AccountAct::SessionsEnded { ended: which }).await?;
    let ended = ended.commit().await.map_err(unavailable)?;
    control_plane.sessions.forget_federated(ended);
    Ok(())
}
