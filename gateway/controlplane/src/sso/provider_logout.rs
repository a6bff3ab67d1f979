//! The provider says that somebody signed out there (OIDC Back-Channel Logout 1.0 §2.5).

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use cedargate_assertion::TenantScope;
use cedargate_idp_adapters::connection::LiveConnection;
use cedargate_model::{RefusalCode, SigninReason, SigninResult};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Became, log_cause, record};
use crate::problem::Problem;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// The provider's message.
#[derive(Deserialize)]
pub(crate) struct Message {
    logout_token: String,
}

/// `POST /auth/sso/{connection}/backchannel-logout`: ends the sessions that the provider means. The provider has no session here: its
/// token is all that it has to show.
pub(crate) async fn post(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
    message: Result<Form<Message>, FormRejection>,
) -> Response {
    let connections = control_plane.connections.load_full();
    let found = match visit.site() {
        Site::Tenant(tenant) => connections.find(&tenant.name, &name).map(|live| (tenant, live)),
        Site::Directory => None,
    };
    let Some((tenant, live)) = found else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(visit.request).into_response();
    };
    let token = message.map(|Form(message)| message.logout_token).unwrap_or_default();
    let mut response = match end(&control_plane, &visit, tenant, live, &token).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem) if problem.kind.status == StatusCode::BAD_REQUEST => {
            // What the specification wants: the reason is for the record.
            (StatusCode::BAD_REQUEST, Json(serde_json::json!({ "error": "invalid_request" }))).into_response()
        }
        Err(problem) => problem.of_request(visit.request).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn end(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    token: &str,
) -> Result<(), Problem> {
    let store = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let name = &live.connection.name;
    let logout = match live.client.logout(token, visit.now).await {
        Ok(logout) => logout,
        Err(refused) => {
            log_cause(visit, name, &refused);
            return refuse(control_plane, visit, tenant, live, refused.reason).await;
        }
    };
    let issuer = live.client.settings().issuer.issuer();
    let first = control_plane
        .attempts
        .take_logout_token(tenant.id, name, &logout.jti, logout.remember_until, visit.now)
        .await
        .map_err(store)?;
    if !first {
        return refuse(control_plane, visit, tenant, live, SigninReason::LogoutReplayed).await;
    }
    let ended = control_plane.sessions.end_federated(tenant.id, name, issuer, &logout.ending).await.map_err(store)?;
    for session in ended {
        let who = Some((session.principal, session.session));
        let became = Became { connection: Some(name), result: SigninResult::EndedByProvider, reason: None, who };
        record(control_plane, visit, tenant, became).await?;
    }
    Ok(())
}

async fn refuse(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    reason: SigninReason,
) -> Result<(), Problem> {
    let became = Became {
        connection: Some(&live.connection.name),
        result: SigninResult::EndingRefused,
        reason: Some(reason),
        who: None,
    };
    record(control_plane, visit, tenant, became).await?;
    Err(Problem::new(crate::problem::LOGOUT_TOKEN_REFUSED))
}
