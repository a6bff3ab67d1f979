//! Signing out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_model::{RefusalCode, SigninResult};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::cookie;
use crate::page::refusal;
use crate::problem::{FAILED, Problem};
use crate::recorder::signin_event;
use crate::router::ControlPlane;
use crate::visit::{SignedIn, Site, Visit};
use crate::wanted::Wanted;

/// `POST /auth/logout`: ends the session in the store and makes the browser forget its cookie.
pub(crate) async fn post(State(control_plane): State<Arc<ControlPlane>>, visit: Visit, headers: HeaderMap) -> Response {
    let wanted = Wanted::of(&headers);
    let ended = match (visit.site(), visit.signed_in()) {
        (Site::Tenant(tenant), Some(signed_in)) => {
            let ending = end(control_plane, visit.clone(), tenant.clone(), signed_in);
            // On a task of its own, so that a client that goes away does not leave its session behind.
            tokio::spawn(ending).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)))
        }
        // Nobody was signed in: then nobody is now.
        (Site::Tenant(_), None) | (Site::Directory, _) => Ok(()),
    };
    let mut response = match (ended, wanted) {
        (Ok(()), Wanted::Page) => Redirect::to("/auth/login").into_response(),
        (Ok(()), Wanted::Json) => StatusCode::NO_CONTENT.into_response(),
        (Err(problem), _) => refusal::answer(wanted, problem.of_request(visit.request)),
    };
    // Whatever became of the session, this browser is done with it.
    response.headers_mut().insert(header::SET_COOKIE, cookie::clear(visit.scheme));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn end(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    signed_in: SignedIn,
) -> Result<(), Problem> {
    let unavailable = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let was_there = control_plane.sessions.end(tenant.id, signed_in.session).await.map_err(unavailable)?;
    if !was_there {
        return Ok(());
    }
    let who = Some((signed_in.principal, signed_in.session));
    let event = signin_event(&visit, &tenant, SigninResult::SignedOut, who)
        .map_err(|error| Problem::new(FAILED).because(error))?;
    let unrecorded = |error| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)
}
