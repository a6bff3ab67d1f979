//! Wanting an account: asked for, and verified by a link. What becomes of it, an administrator says.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use cedargate_idp_adapters::admissions::AskError;
use cedargate_model::{AdmissionAct, LinkPurpose, RefusalCode};
use http::StatusCode;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Guest, Opened, guarded, not_asked, not_looked, nothing_more};
use crate::account::to_the_end;
use crate::own::unavailable;
use crate::page::join;
use crate::problem::{ASKING_DELAYED, PUZZLE_UNSOLVED, Problem};
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `GET /auth/register`, where the tenant lets people ask.
pub(crate) async fn show(State(control_plane): State<Arc<ControlPlane>>, guest: Guest) -> Response {
    match control_plane.admissions.registers(&guest.tenant.name) {
        true => guarded(join::register(&guest, None)),
        false => guest.refuse(Problem::new(RefusalCode::RouteUnknown)),
    }
}

#[derive(Deserialize)]
struct Wish {
    email: String,
    /// What a puzzle of the tenant's own page gave.
    #[serde(default)]
    captcha: String,
}

/// `POST /auth/register`: the same answer for everybody, after the same work.
pub(crate) async fn ask(State(control_plane): State<Arc<ControlPlane>>, guest: Guest, request: Request) -> Response {
    let wish: Wish = match submitted(request).await {
        Ok(wish) => wish,
        Err(problem) => return guest.refuse(problem),
    };
    let asking = note(control_plane, guest.clone(), wish);
    let t = &guest.visit.view;
    match (to_the_end(asking).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(join::told(&guest, &t.look_into_mail(), &t.register_sent())),
        (Ok(()), Wanted::Json) => guarded(StatusCode::ACCEPTED.into_response()),
        (Err(problem), Wanted::Page) if [ASKING_DELAYED, PUZZLE_UNSOLVED].contains(&problem.kind) => {
            guarded(join::register(&guest, Some(&problem.of_request(guest.visit.request))))
        }
        (Err(problem), _) => guest.refuse(problem),
    }
}

async fn note(control_plane: Arc<ControlPlane>, guest: Guest, wish: Wish) -> Result<(), Problem> {
    let origin = super::link_origin(&control_plane, &guest)?;
    let (place, client, now) = (guest.place(), guest.visit.client, guest.visit.now);
    let admissions = &control_plane.admissions;
    let noted = admissions.ask_registration(place, &wish.email, &wish.captcha, origin, client, now).await;
    let purpose = LinkPurpose::Registration;
    let noted = match noted {
        Ok(noted) => noted,
        Err(error) => {
            if let AskError::Delayed { .. } = &error {
                guest.record(&control_plane, purpose, None, None, AdmissionAct::Delayed).await?;
            }
            return Err(not_asked(error));
        }
    };
    guest.record(&control_plane, purpose, None, None, AdmissionAct::Asked).await?;
    match noted {
        Some(noted) => noted.commit().await.map_err(unavailable),
        None => Ok(()),
    }
}

/// `GET /auth/registration`: shows a button and uses nothing.
pub(crate) async fn open(
    State(control_plane): State<Arc<ControlPlane>>,
    guest: Guest,
    opened: Result<Query<Opened>, QueryRejection>,
) -> Response {
    let token = Zeroizing::new(opened.map(|Query(opened)| opened).unwrap_or_default().token);
    let purpose = LinkPurpose::Registration;
    match control_plane.admissions.look(purpose, guest.place(), &token, guest.visit.now).await {
        Ok(email) => guarded(join::verify(&guest, email.as_str(), &token)),
        Err(error) => guest.refuse(not_looked(error)),
    }
}

#[derive(Deserialize)]
struct Shown {
    token: String,
}

/// `POST /auth/registration`: from now on an administrator sees the wish.
pub(crate) async fn verify(State(control_plane): State<Arc<ControlPlane>>, guest: Guest, request: Request) -> Response {
    let token = match submitted::<Shown>(request).await {
        Ok(shown) => Zeroizing::new(shown.token),
        Err(problem) => return guest.refuse(problem),
    };
    let verifying = {
        let guest = guest.clone();
        async move {
            let purpose = LinkPurpose::Registration;
            let verified = control_plane.admissions.verify(guest.place(), &token, guest.visit.now).await;
            let verified = match verified {
                Ok(verified) => verified,
                Err(error) => return Err(guest.not_set(&control_plane, purpose, error.into()).await),
            };
            let wish = *verified.change();
            guest.record(&control_plane, purpose, None, Some(wish), AdmissionAct::Used).await?;
            verified.commit().await.map(drop).map_err(unavailable)
        }
    };
    let t = &guest.visit.view;
    match (to_the_end(verifying).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(join::told(&guest, &t.register_verified(), &t.register_verified_lead())),
        (Ok(()), Wanted::Json) => nothing_more(),
        (Err(problem), _) => guest.refuse(problem),
    }
}
