//! Whose session is it?
//!
//! A credential scheme answers one of three: not presented, presented and bad, or a known principal. "Bad" never falls
//! through to the next scheme. An unknown or expired session cookie counts as not presented and is cleared.

use cedargate_identity::{PresentedToken, Sessions, session_cookie_name};
use cedargate_model::{Caller, Micros, Refusal, RefusalCode, Scheme, TenantId};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::hygiene::{CookieLookup, session_cookie};

/// Who asks, and whether their cookie is dead and should be cleared.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    pub(crate) stale_cookie: bool,
}

/// Finds out who asks, by token or by session cookie.
///
/// # Errors
/// 400 for two session cookies, 401 for bad credentials, 503 if the store does not answer: nobody is then anonymous
/// by accident.
pub(crate) async fn authenticate(
    sessions: &Sessions,
    tenant: TenantId,
    scheme: Scheme,
    headers: &HeaderMap,
    now: Micros,
) -> Result<Authenticated, Refusal> {
    // The seam for tokens: an issuer of tokens will verify them here. Until one does, a presented one is bad.
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(Refusal::new(RefusalCode::CredentialsInvalid, "no scheme accepts the authorization header"));
    }
    let anonymous = |stale_cookie| Ok(Authenticated { caller: Caller::Anonymous, stale_cookie });
    let token = match session_cookie(headers, session_cookie_name(scheme)) {
        CookieLookup::Absent => return anonymous(false),
        CookieLookup::Ambiguous => return Err(RefusalCode::CookieAmbiguous.into()),
        CookieLookup::One(value) => match PresentedToken::parse(value) {
            Some(token) => token,
            None => return anonymous(true),
        },
    };
    match sessions.find(tenant, &token, now).await {
        Ok(Some(principal)) => Ok(Authenticated { caller: Caller::Principal(principal), stale_cookie: false }),
        Ok(None) => anonymous(true),
        Err(error) => Err(Refusal::new(RefusalCode::SessionStoreUnavailable, error.to_string())),
    }
}

/// The header that makes a browser forget a dead session cookie.
pub(crate) fn clear_cookie(scheme: Scheme) -> (HeaderName, HeaderValue) {
    let value = match scheme {
        Scheme::Https => "__Host-cedargate=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        Scheme::Http => "cedargate=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
    };
    (header::SET_COOKIE, HeaderValue::from_static(value))
}
