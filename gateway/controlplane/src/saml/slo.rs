//! Single logout: the provider ends sessions here, or answers that it ended its own.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_identity::LogoutRequested;
use cedargate_idp_adapters::saml::LogoutMessage;
use cedargate_model::{RefusalCode, SigninReason, SigninResult};
use http::{HeaderValue, header};
use serde::Deserialize;

use super::{Asked, message_id};
use crate::cookie;
use crate::page::{post, refusal};
use crate::problem::{FAILED, LOGOUT_REQUEST_REFUSED, Problem};
use crate::router::ControlPlane;
use crate::sso::callback::store_unavailable;
use crate::sso::{Became, log_cause, record};
use crate::visit::Visit;

/// The form.
#[derive(Deserialize)]
pub(crate) struct Posted {
    #[serde(rename = "SAMLRequest")]
    request: Option<String>,
    #[serde(rename = "SAMLResponse")]
    response: Option<String>,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// `GET /auth/saml/{connection}/slo`.
pub(crate) async fn get(
    control_plane: State<Arc<ControlPlane>>,
    visit: Visit,
    name: Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let has = |parameter: &str| query.split('&').any(|pair| pair.split('=').next() == Some(parameter));
    match has("SAMLResponse") && !has("SAMLRequest") {
        true => ended_there(),
        false => answer(control_plane, visit, name, Some(LogoutMessage::Query(query))).await,
    }
}

/// `POST /auth/saml/{connection}/slo`. Any site may have a browser send it: it counts for nothing unless the provider signed it.
pub(crate) async fn post(
    control_plane: State<Arc<ControlPlane>>,
    visit: Visit,
    name: Path<String>,
    form: Result<Form<Posted>, FormRejection>,
) -> Response {
    match form.ok().map(|Form(posted)| posted) {
        Some(Posted { request: None, response: Some(_), .. }) => ended_there(),
        Some(Posted { request: Some(message), response: None, relay_state }) => {
            answer(control_plane, visit, name, Some(LogoutMessage::Field { message, relay_state })).await
        }
        Some(_) | None => answer(control_plane, visit, name, None).await,
    }
}

/// The provider answers that it ended its session. Ours ended before it was asked, so there is nothing to believe.
fn ended_there() -> Response {
    Redirect::to("/auth/login").into_response()
}

async fn answer(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
    message: Option<LogoutMessage>,
) -> Response {
    // On a task of its own: a browser that goes away must not leave its sessions behind.
    let ending = tokio::spawn(end(control_plane, visit.clone(), name, message));
    let outcome = ending.await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)));
    outcome.unwrap_or_else(|problem| refusal::show(problem.of_request(visit.request)))
}

async fn end(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    name: String,
    message: Option<LogoutMessage>,
) -> Result<Response, Problem> {
    let connections = control_plane.connections.load_full();
    let asked = Asked::of(&visit, &connections, &name).ok_or(Problem::new(RefusalCode::RouteUnknown))?;
    let Asked { tenant, live, client, sp } = &asked;
    let (connection, issuer) = (&live.connection.name, live.connection.kind.issuer());
    let believed = match message {
        Some(message) => client.logout(sp, message, visit.now).await,
        None => Err(SigninReason::SamlEncoding.into()),
    };
    let ends = match believed {
        Ok(ends) => ends,
        Err(refused) => {
            log_cause(&visit, connection, &refused);
            return refuse(&control_plane, &visit, &asked, refused.reason).await;
        }
    };
    let request = LogoutRequested {
        id: &ends.request_id,
        issued_at: ends.issued_at,
        remember_until: ends.remember_until,
        endings: &ends.endings,
    };
    let sessions = &control_plane.sessions;
    let ended = sessions.end_by_logout_request(tenant.id, connection, issuer, request, visit.now).await;
    let Some(ended) = ended.map_err(store_unavailable)? else {
        return refuse(&control_plane, &visit, &asked, SigninReason::SamlReplayed).await;
    };
    // Recorded before it is done. Where that fails, nothing was done and the request has not counted: it may come again.
    let meant = ended.change().sessions.clone();
    if meant.is_empty() {
        // It was believed, and has counted: whoever asks later why finds it.
        let (result, reason) = (SigninResult::EndedByProvider, None);
        let became = Became { connection: Some(connection), result, reason, who: None, ended: &[] };
        record(&control_plane, &visit, tenant, became).await?;
    }
    for session in &meant {
        let who = Some((session.principal, session.session));
        let (result, reason) = (SigninResult::EndedByProvider, None);
        let became = Became { connection: Some(connection), result, reason, who, ended: &[] };
        record(&control_plane, &visit, tenant, became).await?;
    }
    sessions.forget_federated(ended.commit().await.map_err(store_unavailable)?);
    let out = client.logout_response(sp, &ends.request_id, ends.relay_state.as_deref(), &message_id(), visit.now);
    let out = out.map_err(|error| Problem::new(FAILED).because(error))?;
    let mut response = out.map_or_else(ended_there, |out| post::send(&visit.view, &live.connection.title, out));
    // Anybody may lead this browser here with a request of their own: only a session that has ended is forgotten.
    if visit.signed_in().is_some_and(|own| meant.iter().any(|ended| ended.session == own.session)) {
        response.headers_mut().append(header::SET_COOKIE, cookie::clear(visit.scheme));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn refuse(
    control_plane: &ControlPlane,
    visit: &Visit,
    asked: &Asked<'_>,
    reason: SigninReason,
) -> Result<Response, Problem> {
    let became = Became {
        connection: Some(&asked.live.connection.name),
        result: SigninResult::EndingRefused,
        reason: Some(reason),
        who: None,
        ended: &[],
    };
    record(control_plane, visit, asked.tenant, became).await?;
    Err(Problem::new(LOGOUT_REQUEST_REFUSED))
}
