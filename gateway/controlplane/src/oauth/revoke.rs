//! `POST /auth/revoke` (RFC 7009). Whoever holds a token may end it: holding it is all the proof that there is, and the worst that a
//! thief can do with this is to stop.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{FamilyStanding, PresentedRefresh, SecretKind};
use cedargate_model::{RefusalCode, SessionId, TokenAct, TokenReason, TokenSource};
use cedargate_tokens::TokenRefused;
use http::{HeaderMap, StatusCode};

use super::Office;
use super::form::Form;
use super::rate::Exceeded;
use super::reply::{OauthError, unkept};
use super::token::{forget, record};
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
        return failed(&office, &visit, OauthError::new(TokenReason::RequestMalformed, false).into_response());
    };
    if token.starts_with(SecretKind::ApiKey.prefix()) {
        // It counts on until its service account's keeper revokes it, and whoever thinks it ended must hear that it did not.
        return failed(&office, &visit, OauthError::unsupported_token_type().into_response());
    }
    match revoke(&office, &visit, tenant, &token).await {
        Ok(Outcome::Ended) => unkept(StatusCode::OK.into_response()),
        Ok(Outcome::Nothing) => failed(&office, &visit, unkept(StatusCode::OK.into_response())),
        Ok(Outcome::TooOften(over)) => waits(over),
        Err(problem) => problem.of_request(visit.request).into_response(),
    }
}

/// What came of it.
enum Outcome {
    Ended,
    /// There was nothing to end.
    Nothing,
    /// The same token, over and over.
    TooOften(Exceeded),
}

/// Answers what was in vain, unless there was too much of that from the address. Whoever shows a token that counts never waits.
fn failed(office: &Office, visit: &Visit, answer: Response) -> Response {
    office.rates.failed(visit.client, visit.now).map_or_else(waits, |()| answer)
}

fn waits(over: Exceeded) -> Response {
    OauthError::new(TokenReason::RateExceeded, false).retry_after(over.retry_after_seconds).into_response()
}

async fn revoke(office: &Office, visit: &Visit, tenant: &TenantScope, token: &str) -> Result<Outcome, Problem> {
    let control_plane = &office.control_plane;
    if token.starts_with(SecretKind::RefreshToken.prefix()) {
        let Ok(shown) = PresentedRefresh::parse(token) else { return Ok(Outcome::Nothing) };
        let ended = control_plane.sessions.revoke_refresh(tenant.id, &shown).await.map_err(unavailable)?;
        let Some(family) = ended else { return Ok(Outcome::Nothing) };
        // It may have ended before, by a spent token, and that is still to be recorded.
        let act = match family.standing {
            FamilyStanding::Reused => TokenAct::Reused,
            FamilyStanding::Counts | FamilyStanding::Spent | FamilyStanding::Revoked => TokenAct::GrantRevoked,
        };
        record(office, visit, tenant, family.into(), act).await?;
        forget(office, tenant, family).await;
        return Ok(Outcome::Ended);
    }
    let verify = || control_plane.tokens.load().verify(token, tenant.id, &tenant.name, visit.now);
    let mut verified = verify();
    if verified == Err(TokenRefused::KeyUnknown) {
        // Another gateway's, perhaps, which has taken up a key before this one: whoever is told that it ended must not be told wrongly.
        control_plane.token_keys.look().await;
        verified = verify();
    }
    let Ok(token) = verified else { return Ok(Outcome::Nothing) };
    // By the token's own id: however busy a thief keeps the key or the family, its tokens can be ended.
    if let Err(over) = office.rates.token(tenant.id, SessionId(token.id.0), visit.now) {
        return Ok(Outcome::TooOften(over));
    }
    control_plane.sessions.revoke_token(tenant.id, &token, visit.now).await.map_err(unavailable)?;
    let (api_key, grant) = match token.source {
        TokenSource::ApiKey(key) => (Some(key), None),
        TokenSource::Session(grant) => (None, Some(grant)),
        TokenSource::Workload(_) => (None, None),
    };
    let facts = TokenFacts { principal: Some(token.subject), api_key, grant, ..TokenFacts::default() };
    record(office, visit, tenant, facts, TokenAct::Revoked { token: token.id }).await?;
    Ok(Outcome::Ended)
}
