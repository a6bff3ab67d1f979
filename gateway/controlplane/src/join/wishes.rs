//! What an administrator makes of wishes for an account. Who is one, the tenant's policies say.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{InviteError, Registration};
use cedargate_idp_adapters::admissions::ApproveError;
use cedargate_model::{AdmissionAct, LinkPurpose, RefusalCode, RoleName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Guest, guarded, nothing_more};
use crate::account::to_the_end;
use crate::own::unavailable;
use crate::page::join;
use crate::problem::{FAILED, Problem, REQUEST_MALFORMED, ROLE_NOT_OFFERED, WISH_KNOWN};
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// Where the list is.
const LIST: &str = "/auth/admin/registrations";

#[derive(Serialize)]
struct Told<'w> {
    registrations: Vec<ToldWish<'w>>,
    roles: &'w [RoleName],
}

#[derive(Serialize)]
struct ToldWish<'w> {
    id: Uuid,
    email: &'w str,
    asked_at: i64,
    verified_at: i64,
}

impl<'w> ToldWish<'w> {
    fn of(wish: &'w Registration) -> Self {
        let (asked_at, verified_at) = (wish.asked_at.0, wish.verified_at.0);
        Self { id: wish.id, email: wish.email.as_str(), asked_at, verified_at }
    }
}

/// `GET /auth/admin/registrations`: the wishes whose address was verified, and the roles that may be given.
pub(crate) async fn list(State(control_plane): State<Arc<ControlPlane>>, guest: Guest) -> Response {
    let wishes = match control_plane.admissions.registrations(guest.tenant.id).await {
        Ok(wishes) => wishes,
        Err(error) => return guest.refuse(unavailable(error)),
    };
    let roles = control_plane.admissions.roles_offered(&guest.tenant.name);
    match guest.wanted {
        Wanted::Page => guarded(join::wishes(&guest, &wishes, &roles)),
        Wanted::Json => {
            let registrations = wishes.iter().map(ToldWish::of).collect();
            guarded(Json(Told { registrations, roles: &roles }).into_response())
        }
    }
}

#[derive(Deserialize)]
struct Decided {
    decision: Decision,
    /// Names with blanks or commas between.
    #[serde(default)]
    roles: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Deny,
}

/// `POST /auth/admin/registrations/{id}`: `decision` is `approve` or `deny`; `roles` are of those that are offered.
pub(crate) async fn decide(
    State(control_plane): State<Arc<ControlPlane>>,
    guest: Guest,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(wish)) = id else { return guest.refuse(Problem::new(RefusalCode::RouteUnknown)) };
    let decided: Decided = match submitted(request).await {
        Ok(decided) => decided,
        Err(problem) => return guest.refuse(problem),
    };
    let words = decided.roles.split([' ', ',', '+']).filter(|word| !word.is_empty());
    let Ok(roles) = words.map(RoleName::parse).collect::<Result<Vec<_>, _>>() else {
        return guest.refuse(Problem::new(REQUEST_MALFORMED));
    };
    let deciding = {
        let guest = guest.clone();
        async move {
            match decided.decision {
                Decision::Approve => approve(&control_plane, &guest, wish, roles).await,
                Decision::Deny => deny(&control_plane, &guest, wish).await,
            }
        }
    };
    match (to_the_end(deciding).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(Redirect::to(LIST).into_response()),
        (Ok(()), Wanted::Json) => nothing_more(),
        (Err(problem), _) => guest.refuse(problem),
    }
}

async fn approve(control_plane: &ControlPlane, guest: &Guest, wish: Uuid, roles: Vec<RoleName>) -> Result<(), Problem> {
    let origin = super::link_origin(control_plane, guest)?;
    let approved = control_plane.admissions.approve(guest.place(), wish, roles, &origin, guest.visit.now).await;
    let approved = approved.map_err(|error| match error {
        ApproveError::RoleNotOffered(_) | ApproveError::Invite(InviteError::Roles(_)) => Problem::new(ROLE_NOT_OFFERED),
        ApproveError::Invite(InviteError::EmailTaken(_) | InviteError::AddressReserved(_)) => Problem::new(WISH_KNOWN),
        ApproveError::Invite(InviteError::Entropy(error)) => Problem::new(FAILED).because(error),
        ApproveError::Invite(InviteError::Store(error)) => unavailable(error),
    })?;
    let approved = approved.ok_or(Problem::new(RefusalCode::RouteUnknown))?;
    let act = AdmissionAct::Approved { roles: approved.change().roles.clone() };
    guest.record(control_plane, LinkPurpose::Registration, None, Some(wish), act).await?;
    approved.commit().await.map(drop).map_err(unavailable)
}

async fn deny(control_plane: &ControlPlane, guest: &Guest, wish: Uuid) -> Result<(), Problem> {
    let denied = control_plane.admissions.deny(guest.tenant.id, wish).await.map_err(unavailable)?;
    let denied = denied.ok_or(Problem::new(RefusalCode::RouteUnknown))?;
    guest.record(control_plane, LinkPurpose::Registration, None, Some(wish), AdmissionAct::Denied).await?;
    denied.commit().await.map_err(unavailable)
}
