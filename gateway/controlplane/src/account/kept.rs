//! A form that was kept while its sender confirmed who they are: shown, and sent when they say so.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::{KeptPost, KeptPosts};
use cedargate_model::{AccountAct, POSTED_FORM_BYTES_MAX, PostedForm};
use uuid::Uuid;

use super::to_the_end;
use crate::own::{Own, unavailable};
use crate::page::kept;
use crate::problem::{FAILED, POST_GONE, Problem};
use crate::router::ControlPlane;

/// `GET /auth/account/kept/{id}`: what will be sent. It may be looked at again until it is sent or over.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
) -> Response {
    let shown = async {
        let id = kept_id(id)?;
        let posts = &control_plane.posts;
        let found = posts.find(own.tenant.id, id, own.signed_in.session, own.visit.now).await.map_err(unavailable)?;
        let form = open(&control_plane, &own, id, &found.ok_or(Problem::new(POST_GONE))?)?;
        Ok::<_, Problem>(kept::show(&own, id, &form))
    };
    shown.await.unwrap_or_else(|problem| own.refuse(problem))
}

/// `POST /auth/account/kept/{id}`: takes it, and has the browser send what it just sent here to where it was meant for (307, RFC 9110
/// §15.4.8). There it walks the whole way, as any request from a browser does: nothing of what is kept goes past the inspection or a
/// decision. Taken once: a second click, or going back, sends nothing.
pub(crate) async fn send(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    // The same fields, for the browser's sake. They are read off the connection and looked at where they are meant for.
    if let Err(error) = to_bytes(request.into_body(), POSTED_FORM_BYTES_MAX).await {
        return own.refuse(Problem::new(cedargate_model::RefusalCode::BodyTooLarge).because(error));
    }
    let sending = {
        let own = own.clone();
        async move {
            let id = kept_id(id)?;
            let now = control_plane.clock.now();
            let taken = control_plane.posts.take(own.tenant.id, id, own.signed_in.session, now).await;
            let taken = taken.map_err(unavailable)?.ok_or(Problem::new(POST_GONE))?;
            let form = open(&control_plane, &own, id, taken.change())?;
            own.record(&control_plane, AccountAct::KeptPostSent { post: id, action: taken.change().action.clone() })
                .await?;
            taken.commit().await.map_err(unavailable)?;
            Ok(form)
        }
    };
    match to_the_end(sending).await {
        Ok(form) => Redirect::temporary(form.target()).into_response(),
        Err(problem) => own.refuse(problem),
    }
}

fn kept_id(id: Result<Path<Uuid>, PathRejection>) -> Result<Uuid, Problem> {
    id.map(|Path(id)| id).map_err(|_| Problem::new(POST_GONE))
}

fn open(control_plane: &ControlPlane, own: &Own, id: Uuid, kept: &KeptPost) -> Result<PostedForm, Problem> {
    let name = KeptPosts::sealed_name(own.tenant.id, own.signed_in.principal, id, &kept.action);
    let opened = control_plane.vault.open(&name, &kept.sealed).map_err(|error| Problem::new(FAILED).because(error))?;
    serde_json::from_str(&opened).map_err(|error| Problem::new(FAILED).because(error))
}
