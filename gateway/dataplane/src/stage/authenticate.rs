//! Whose session is it, or whose key or token?
//!
//! A credential scheme answers one of three: not presented, presented and bad, or a known principal. "Bad" never falls
//! through to the next scheme. An unknown or expired session cookie counts as not presented and is cleared.

mod bearer;

use cedargate_identity::{PresentedToken, Sessions, session_cookie_name};
use cedargate_model::{Caller, Micros, Refusal, RefusalCode, Scheme, TenantId};
use cedargate_policy::Route;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use self::bearer::Door;
use super::forward::GATEWAY_SERVICE;
use super::hygiene::{CookieLookup, session_cookie};
use crate::gateway::Gateway;
use crate::site::Site;

/// Where clients ask for tokens, with client authentication in the `Authorization` header if they like (RFC 6749 §2.3.1).
const TOKEN_PATH: &str = "/auth/token";

/// Who asks, and whether their cookie is dead and should be cleared.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    pub(crate) stale_cookie: bool,
}

/// Finds out who asks, by key, token or session cookie.
///
/// # Errors
/// 400 for two session cookies or a cookie beside an `Authorization` header, 401 for bad credentials, 503 if the store does not
/// answer: nobody is then anonymous by accident.
pub(crate) async fn authenticate(
    gateway: &Gateway,
    site: &Site,
    route: &Route,
    scheme: Scheme,
    headers: &HeaderMap,
    now: Micros,
) -> Result<Authenticated, Refusal> {
    if headers.contains_key(header::AUTHORIZATION) {
        let door = Door {
            sessions: &gateway.sessions,
            tokens: &gateway.tokens,
            tenant: site.tenant,
            name: &site.name,
            scheme,
            takes_clients: is_token_endpoint(route),
        };
        return Box::pin(bearer::authenticate(door, headers, now)).await;
    }
    by_cookie(&gateway.sessions, site.tenant, scheme, headers, now).await
}

async fn by_cookie(
    sessions: &Sessions,
    tenant: TenantId,
    scheme: Scheme,
    headers: &HeaderMap,
    now: Micros,
) -> Result<Authenticated, Refusal> {
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

/// Whether client authentication is for whoever this route leads to, which is the gateway's own service alone.
pub(crate) fn is_token_endpoint(route: &Route) -> bool {
    *route.service == *GATEWAY_SERVICE && *route.path == *TOKEN_PATH
}

/// The token of a request's one session cookie, if it has one.
pub(crate) fn presented(headers: &HeaderMap, scheme: Scheme) -> Option<PresentedToken> {
    match session_cookie(headers, session_cookie_name(scheme)) {
        CookieLookup::One(value) => PresentedToken::parse(value),
        CookieLookup::Absent | CookieLookup::Ambiguous => None,
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
