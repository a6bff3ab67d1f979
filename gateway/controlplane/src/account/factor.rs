//! One factor: its name, and its end.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use cedargate_identity::{Factor, FactorName, Notice};
use cedargate_model::{AccountAct, FactorId, RefusalCode};
use serde::Deserialize;
use uuid::Uuid;

use super::totp::factor_id;
use super::{done, to_the_end};
use crate::own::{Own, unavailable, untold};
use crate::page::factor;
use crate::problem::{FACTOR_NAME_INVALID, Problem};
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `GET /auth/account/factors/{id}`.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
) -> Response {
    let id = match factor_id(id) {
        Ok(id) => id,
        Err(problem) => return own.refuse(problem),
    };
    match find(&control_plane, &own, id).await {
        Ok(found) => factor::show(&own, &found, None),
        Err(problem) => own.refuse_page(problem, &format!("/auth/account/factors/{id}")),
    }
}

async fn find(control_plane: &ControlPlane, own: &Own, id: FactorId) -> Result<Factor, Problem> {
    own.require_strength(control_plane).await?;
    let found = control_plane.second.store().find(own.tenant.id, own.signed_in.principal, id).await;
    found.map_err(unavailable)?.ok_or(Problem::new(RefusalCode::RouteUnknown))
}

#[derive(Deserialize)]
struct Renamed {
    name: String,
}

/// `POST /auth/account/factors/{id}/name`.
pub(crate) async fn rename(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let (id, body) = match (factor_id(id), submitted::<Renamed>(request).await) {
        (Ok(id), Ok(body)) => (id, body),
        (Err(problem), _) | (_, Err(problem)) => return own.refuse(problem),
    };
    let found = match find(&control_plane, &own, id).await {
        Ok(found) => found,
        Err(problem) => return own.refuse(problem),
    };
    let renaming = {
        let own = own.clone();
        async move {
            let name = FactorName::parse(&body.name).map_err(|_| Problem::new(FACTOR_NAME_INVALID))?;
            let store = control_plane.second.store();
            let renamed = store.rename(own.holder(), id, &name, control_plane.clock.now()).await;
            let renamed = renamed.map_err(|error| own.not_held(error))?;
            let renamed = renamed.ok_or(Problem::new(RefusalCode::RouteUnknown))?;
            own.record(&control_plane, AccountAct::FactorRenamed { factor: id }).await?;
            renamed.commit().await.map_err(unavailable)
        }
    };
    match (to_the_end(renaming).await, own.wanted) {
        (Ok(()), wanted) => done(wanted),
        (Err(problem), Wanted::Page) if problem.kind == FACTOR_NAME_INVALID => {
            factor::show(&own, &found, Some(&problem.of_request(own.visit.request)))
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

/// `POST /auth/account/factors/{id}/remove`: every other session of the person ends with it.
pub(crate) async fn remove(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
) -> Response {
    let id = match factor_id(id) {
        Ok(id) => id,
        Err(problem) => return own.refuse(problem),
    };
    let removing = {
        let own = own.clone();
        async move {
            let store = control_plane.second.store();
            let removed = store.remove(own.holder(), id, control_plane.clock.now()).await;
            let removed = removed.map_err(|error| own.not_held(error))?;
            let removed = removed.ok_or(Problem::new(RefusalCode::RouteUnknown))?;
            let change = removed.change();
            let (method, ended, roles) = (change.kind, change.ended.clone(), change.roles.clone());
            let told = Notice::FactorRemoved { method };
            let removed = removed.noticed(own.signed_in.principal, told, own.visit.now).await.map_err(untold)?;
            own.record(&control_plane, AccountAct::FactorRemoved { factor: id, method }).await?;
            if let Some(roles) = roles {
                own.record(&control_plane, AccountAct::RolesChanged { roles }).await?;
            }
            if !ended.is_empty() {
                own.record(&control_plane, AccountAct::SessionsEnded { ended }).await?;
            }
            let removed = removed.commit().await.map_err(unavailable)?;
            control_plane.sessions.forget_ended(&removed);
            Ok(())
        }
    };
    match to_the_end(removing).await {
        Ok(()) => done(own.wanted),
        Err(problem) => own.refuse(problem),
    }
}
