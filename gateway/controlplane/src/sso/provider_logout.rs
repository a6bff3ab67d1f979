//! The provider says that somebody signed out there (OIDC Back-Channel Logout 1.0 §2.5).

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use cedargate_assertion::TenantScope;
use cedargate_identity::LogoutTokenId;
use cedargate_idp_adapters::connection::LiveConnection;
use cedargate_model::{RefusalCode, SigninReason, SigninResult};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Became, log_cause, record};
use crate::problem::{FAILED, Problem};
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
    let Site::Tenant(tenant) = visit.site() else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(visit.request).into_response();
    };
    let token = message.map(|Form(message)| message.logout_token).unwrap_or_default();
    // On a task of its own: a provider that hangs up has said it all the same.
    let ending = end(control_plane, visit.clone(), tenant.clone(), name, token);
    let ended = tokio::spawn(ending).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)));
    let mut response = match ended {
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
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    name: String,
    token: String,
) -> Result<(), Problem> {
    let connections = control_plane.connections.load_full();
    let found = connections.find(&tenant.name, &name).and_then(|live| live.oidc().map(|client| (live, client)));
    let (live, client) = found.ok_or(Problem::new(RefusalCode::RouteUnknown))?;
    let store = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let name = &live.connection.name;
    let logout = match client.logout(&token, visit.now).await {
        Ok(logout) => logout,
        Err(refused) => {
            log_cause(&visit, name, &refused);
            return refuse(&control_plane, &visit, &tenant, live, refused.reason).await;
        }
    };
    let (sessions, issuer) = (&control_plane.sessions, client.settings().issuer.issuer());
    let id = LogoutTokenId { jti: &logout.jti, remember_until: logout.remember_until };
    let ended = sessions.end_by_logout_token(tenant.id, name, issuer, &logout.ending, id, visit.now).await;
    let Some(ended) = ended.map_err(store)? else {
        return refuse(&control_plane, &visit, &tenant, live, SigninReason::LogoutReplayed).await;
    };
    // Recorded before it is done. Where that fails, nothing was done and the token has not counted: the provider may send it again.
    let meant = ended.change().sessions.clone();
    if meant.is_empty() {
        // It was believed, and has counted: whoever asks later why finds it.
        let (result, reason) = (SigninResult::EndedByProvider, None);
        let became = Became { connection: Some(name), result, reason, who: None, ended: &[] };
        record(&control_plane, &visit, &tenant, became).await?;
    }
    for session in meant {
        let who = Some((session.principal, session.session));
        let became =
            Became { connection: Some(name), result: SigninResult::EndedByProvider, reason: None, who, ended: &[] };
        record(&control_plane, &visit, &tenant, became).await?;
    }
    let ended = ended.commit().await.map_err(store)?;
    sessions.forget_federated(ended);
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
        ended: &[],
    };
    record(control_plane, visit, tenant, became).await?;
    Err(Problem::new(crate::problem::LOGOUT_TOKEN_REFUSED))
}
