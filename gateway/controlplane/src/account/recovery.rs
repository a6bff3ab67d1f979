//! New recovery codes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use cedargate_identity::{DrawCodesError, Notice, RecoveryCode};
use cedargate_model::AccountAct;
use serde::Serialize;

use super::{to_the_end, uncached};
use crate::own::{Own, unavailable, untold};
use crate::page::enrolment;
use crate::problem::{FACTOR_MISSING, FAILED, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::wanted::Wanted;

/// `GET /auth/account/recovery-codes`: asks once more, because the former ones then count no more.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>, own: Own) -> Response {
    match allowed(&control_plane, &own).await {
        Ok(()) => enrolment::ask_for_codes(&own.visit.view),
        Err(problem) => own.refuse_page(problem, "/auth/account/recovery-codes"),
    }
}

#[derive(Serialize)]
struct Drawn<'c> {
    recovery_codes: Vec<&'c str>,
}

/// `POST /auth/account/recovery-codes`: shows new ones, this once.
pub(crate) async fn draw(State(control_plane): State<Arc<ControlPlane>>, own: Own) -> Response {
    let drawing = draw_codes(control_plane, own.clone());
    match (to_the_end(drawing).await, own.wanted) {
        (Ok(codes), Wanted::Page) => enrolment::finished(&own.visit.view, &codes, &ReturnTo::home()),
        (Ok(codes), Wanted::Json) => {
            let shown: Vec<_> = codes.iter().map(RecoveryCode::expose).collect();
            uncached(Json(Drawn { recovery_codes: shown.iter().map(|code| code.as_str()).collect() }))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// Codes recover factors: whoever has none has nothing to recover, and a code must not become their only one.
async fn allowed(control_plane: &ControlPlane, own: &Own) -> Result<(), Problem> {
    own.require_strength(control_plane).await?;
    let factors = control_plane.second.store().list(own.tenant.id, own.signed_in.principal).await;
    match factors.map_err(unavailable)?.is_empty() {
        true => Err(Problem::new(FACTOR_MISSING)),
        false => Ok(()),
    }
}

/// Draws them: they count once their event is durable, and nobody sees them before.
async fn draw_codes(control_plane: Arc<ControlPlane>, own: Own) -> Result<Vec<RecoveryCode>, Problem> {
    let drawn = control_plane.second.store().draw_recovery_codes(own.holder(), control_plane.clock.now()).await;
    let codes = drawn.map_err(|error| match error {
        DrawCodesError::Holder(error) => own.not_held(error),
        DrawCodesError::Entropy(error) => Problem::new(FAILED).because(error),
        DrawCodesError::Store(error) => unavailable(error),
    })?;
    let codes = codes.ok_or(Problem::new(FACTOR_MISSING))?;
    let told = Notice::RecoveryCodesDrawn;
    let codes = codes.noticed(own.signed_in.principal, told, own.visit.now).await.map_err(untold)?;
    own.record(&control_plane, drawn_act(codes.change())).await?;
    codes.commit().await.map_err(unavailable)
}

/// The event of new codes.
pub(super) fn drawn_act(codes: &[RecoveryCode]) -> AccountAct {
    AccountAct::RecoveryCodesDrawn { count: u32::try_from(codes.len()).unwrap_or(u32::MAX) }
}
