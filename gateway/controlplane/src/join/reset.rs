//! Setting one's password anew by a link.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use cedargate_model::{AccountAct, AdmissionAct, LinkPurpose};
use zeroize::Zeroizing;

use super::{Chosen, Guest, Opened, asks_again, guarded, not_looked, nothing_more};
use crate::account::to_the_end;
use crate::own::unavailable;
use crate::page::join::{self, Choosing};
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `GET /auth/reset`: shows the form and uses nothing.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    guest: Guest,
    opened: Result<Query<Opened>, QueryRejection>,
) -> Response {
    let token = Zeroizing::new(opened.map(|Query(opened)| opened).unwrap_or_default().token);
    form(&control_plane, &guest, &token, None).await
}

/// `POST /auth/reset`: sets the password and ends every session. A second factor is proved at the next sign-in as ever.
pub(crate) async fn set(State(control_plane): State<Arc<ControlPlane>>, guest: Guest, request: Request) -> Response {
    let (token, password) = match submitted::<Chosen>(request).await {
        Ok(chosen) => chosen.read(),
        Err(problem) => return guest.refuse(problem),
    };
    let setting = {
        let (control_plane, guest, token) = (Arc::clone(&control_plane), guest.clone(), token.clone());
        async move { set_anew(&control_plane, &guest, &token, password?).await }
    };
    let t = &guest.visit.view;
    match (to_the_end(setting).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(join::told(&guest, &t.reset_done(), &t.reset_done_lead())),
        (Ok(()), Wanted::Json) => nothing_more(),
        (Err(problem), Wanted::Page) if asks_again(&problem) => {
            form(&control_plane, &guest, &token, Some(&problem.of_request(guest.visit.request))).await
        }
        (Err(problem), _) => guest.refuse(problem),
    }
}

async fn set_anew(
    control_plane: &ControlPlane,
    guest: &Guest,
    token: &str,
    password: Zeroizing<String>,
) -> Result<(), Problem> {
    let purpose = LinkPurpose::Reset;
    let set = match control_plane.admissions.reset(guest.place(), token, password, guest.visit.now).await {
        Ok(set) => set,
        Err(error) => return Err(guest.not_set(control_plane, purpose, error).await),
    };
    let (account, ended) = (set.change().account, set.change().ended.clone());
    guest.record(control_plane, purpose, Some(account), None, AdmissionAct::Used).await?;
    if !ended.is_empty() {
        guest.record_act(control_plane, account, AccountAct::SessionsEnded { ended }).await?;
    }
    let set = set.commit().await.map_err(unavailable)?;
    control_plane.sessions.forget_reset(&set);
    Ok(())
}

async fn form(control_plane: &ControlPlane, guest: &Guest, token: &str, problem: Option<&Problem>) -> Response {
    let looked = control_plane.admissions.look(LinkPurpose::Reset, guest.place(), token, guest.visit.now).await;
    match looked {
        Ok(email) => guarded(join::choose(&Choosing {
            t: &guest.visit.view,
            title: &guest.visit.view.reset_title(),
            action: "/auth/reset",
            tenant: guest.tenant.name.as_str(),
            email: email.as_str(),
            token,
            chars_min: control_plane.admissions.chars_min(&guest.tenant.name),
            problem,
        })),
        Err(error) => guest.refuse(not_looked(error)),
    }
}
