//! `POST /auth/revoke` (RFC 7009). Whoever holds a token may end it: holding it is all the proof that there is, and the worst that a
//! thief can do with this is to stop.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{PresentedSecret, SecretKind};
use cedargate_model::{ApiKeyId, GrantId, RefusalCode, TokenAct, TokenReason, TokenSource};
use http::{HeaderMap, StatusCode};

use super::Office;
use super::form::Form;
use super::reply::{OauthError, unkept};
use super::token::record;
use crate::own::unavailable;
use crate::problem::Problem;
use crate::recorder::TokenFacts;
use crate::visit::{Site, Visit};

/// Ends a refresh token's family, or one access token. A token that counts for nothing already is answered alike (§2.2).
pub(super) async fn post(State(office): State<Arc<Office>>, visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let Site::Tenant(tenant) = visit.site() else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(visit.request).into_response();
    };
    let token = match Form::read(&headers, &body) {
        Ok(form) => form.get("token").map(str::to_owned),
        Err(_) => None,
    };
    let Some(token) = token.map(zeroize::Zeroizing::new) else {
        return OauthError::new(TokenReason::RequestMalformed, false).into_response();
    };
    match revoke(&office, &visit, tenant, &token).await {
        Ok(()) => unkept(StatusCode::OK.into_response()),
        Err(problem) => problem.of_request(visit.request).into_response(),
    }
}

async fn revoke(office: &Office, visit: &Visit, tenant: &TenantScope, token: &str) -> Result<(), Problem> {
    let control_plane = &office.control_plane;
    if token.starts_with(SecretKind::RefreshToken.prefix()) {
        let Ok(shown) = PresentedSecret::parse(SecretKind::RefreshToken, token) else { return Ok(()) };
        let ended = control_plane.sessions.revoke_refresh(tenant.id, &shown).await.map_err(unavailable)?;
        let Some(ended) = ended else { return Ok(()) };
        let facts = facts(ended.principal, None, Some(ended.grant));
        return record(office, visit, tenant, facts, TokenAct::GrantRevoked).await;
    }
    let Ok(token) = control_plane.tokens.load().verify(token, tenant.id, &tenant.name, visit.now) else {
        return Ok(());
    };
    control_plane.sessions.revoke_token(tenant.id, &token, visit.now).await.map_err(unavailable)?;
    let (api_key, grant) = match token.source {
        TokenSource::ApiKey(key) => (Some(key), None),
        TokenSource::Session(grant) => (None, Some(grant)),
    };
    let facts = facts(token.subject, api_key, grant);
    record(office, visit, tenant, facts, TokenAct::Revoked { token: token.id }).await
}

fn facts(principal: cedargate_model::PrincipalId, api_key: Option<ApiKeyId>, grant: Option<GrantId>) -> TokenFacts {
    TokenFacts { principal: Some(principal), api_key, grant }
}
