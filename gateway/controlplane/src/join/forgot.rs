//! Asking for a way to set one's password anew.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cedargate_idp_adapters::admissions::AskError;
use cedargate_model::{AdmissionAct, LinkPurpose};
use http::StatusCode;
use serde::Deserialize;

use super::{Guest, guarded, not_asked};
use crate::account::to_the_end;
use crate::own::unavailable;
use crate::page::join;
use crate::problem::{ASKING_DELAYED, Problem};
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// `GET /auth/forgot`.
pub(crate) async fn show(guest: Guest) -> Response {
    guarded(join::forgot(&guest, None))
}

#[derive(Deserialize)]
struct Asked {
    email: String,
}

/// `POST /auth/forgot`: the same answer for everybody, after the same work. Whether there is somebody to write to is found out when
/// the mail is written.
pub(crate) async fn ask(State(control_plane): State<Arc<ControlPlane>>, guest: Guest, request: Request) -> Response {
    let asked: Asked = match submitted(request).await {
        Ok(asked) => asked,
        Err(problem) => return guest.refuse(problem),
    };
    let asking = note(control_plane, guest.clone(), asked.email);
    let t = &guest.visit.view;
    match (to_the_end(asking).await, guest.wanted) {
        (Ok(()), Wanted::Page) => guarded(join::told(&guest, &t.look_into_mail(), &t.forgot_sent())),
        (Ok(()), Wanted::Json) => guarded(StatusCode::ACCEPTED.into_response()),
        (Err(problem), Wanted::Page) if problem.kind == ASKING_DELAYED => {
            guarded(join::forgot(&guest, Some(&problem.of_request(guest.visit.request))))
        }
        (Err(problem), _) => guest.refuse(problem),
    }
}

async fn note(control_plane: Arc<ControlPlane>, guest: Guest, address: String) -> Result<(), Problem> {
    let visit = &guest.visit;
    let origin = super::link_origin(&control_plane, &guest)?;
    let purpose = LinkPurpose::Reset;
    let noted = control_plane.admissions.ask_reset(guest.tenant.id, &address, origin, visit.client, visit.now).await;
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
