//! Taking an account that was promised.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use cedargate_model::{AdmissionAct, LinkPurpose};
use zeroize::Zeroizing;

use super::{Chosen, Guest, Opened, asks_again, guarded, not_looked, nothing_more};
use crate::account::to_the_end;
use crate::own::unavailable;
use crate::page::join::{self, Choosing};
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `GET /auth/invitation`: shows the form and uses nothing.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    guest: Guest,
    opened: Result<Query<Opened>, QueryRejection>,
) -> Response {
    let token = Zeroizing::new(opened.map(|Query(opened)| opened).unwrap_or_default().token);
    form(&control_plane, &guest, &token, None).await
}

/// `POST /auth/invitation`: makes the account, with a password. Whoever takes it signs in afterwards as everybody does.
pub(crate) async fn accept(State(control_plane): State<Arc<ControlPlane>>, guest: Guest, request: Request) -> Response {
    let (token, password) = match submitted::<Chosen>(request).await {
        Ok(chosen) => chosen.read(),
        Err(problem) => return guest.refuse(problem),
    };
    let taking = {
        let (control_plane, guest, token) = (Arc::clone(&control_plane), guest.clone(), token.clone());
        async move { take(&control_plane, &guest, &token, password?).await }
    };
    let t = &guest.visit.view;
    match (to_the_end(taking).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(join::told(&guest, &t.invitation_done(), &t.invitation_done_lead())),
        (Ok(()), Wanted::Json) => nothing_more(),
        (Err(problem), Wanted::Page) if asks_again(&problem) => {
            form(&control_plane, &guest, &token, Some(&problem.of_request(guest.visit.request))).await
        }
        (Err(problem), _) => guest.refuse(problem),
    }
}

async fn take(
    control_plane: &ControlPlane,
    guest: &Guest,
    token: &str,
    password: Zeroizing<String>,
) -> Result<(), Problem> {
    let purpose = LinkPurpose::Invitation;
    let taken = match control_plane.admissions.accept(guest.place(), token, password, guest.visit.now).await {
        Ok(taken) => taken,
        Err(error) => return Err(guest.not_set(control_plane, purpose, error).await),
    };
    let (account, invitation) = (taken.change().account, taken.change().invitation);
    guest.record(control_plane, purpose, Some(account), Some(invitation), AdmissionAct::Used).await?;
    taken.commit().await.map(drop).map_err(unavailable)
}

async fn form(control_plane: &ControlPlane, guest: &Guest, token: &str, problem: Option<&Problem>) -> Response {
    let looked = control_plane.admissions.look(LinkPurpose::Invitation, guest.place(), token, guest.visit.now).await;
    match looked {
        Ok(email) => guarded(join::choose(&Choosing {
            t: &guest.visit.view,
            title: &guest.visit.view.invitation_title(),
            action: "/auth/invitation",
            tenant: guest.tenant.name.as_str(),
            email: email.as_str(),
            token,
            chars_min: control_plane.admissions.chars_min(&guest.tenant.name),
            problem,
        })),
        Err(error) => guest.refuse(not_looked(error)),
    }
}
