//! Whose session is it, or whose key or token?
//!
//! A credential scheme answers one of three: not presented, presented and bad, or a known principal. "Bad" never falls
//! through to the next scheme. An unknown or expired session cookie counts as not presented and is cleared.

mod bearer;

use std::sync::Arc;

use cedargate_identity::{
    FindProgramError, HeldCredential, HeldToken, PresentedSecret, PresentedToken, SecretKind, Sessions, ShownAssertion,
    ShownCertificate, ShownToken, session_cookie_name,
};
use cedargate_idp_adapters::workload::{LiveWorkload, VouchedAt};
use cedargate_model::{
    Caller, ConnectionName, Credential, Micros, Principal, Refusal, RefusalCode, Scheme, TenantId, TenantName,
};
use cedargate_policy::Route;
use cedargate_tokens::SignedBy;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use self::bearer::Door;
use super::forward::GATEWAY_SERVICE;
use super::hygiene::{CookieLookup, session_cookie};
use crate::gateway::Gateway;
use crate::site::Site;

/// Where clients ask for tokens, with client authentication in the `Authorization` header if they like (RFC 6749 §2.3.1).
const TOKEN_PATH: &str = "/auth/token";

/// Where programs go with secrets of their own in what they send: nobody knows them before that is read.
const PROGRAM_PATHS: [&str; 3] = [TOKEN_PATH, "/auth/refresh", "/auth/revoke"];

/// Who asks, and whether their cookie is dead and should be cleared.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    /// Whose quota it counts for: a client whose authentication another judges is nobody yet, and no stranger.
    pub(crate) counts_for: Caller,
    pub(crate) stale_cookie: bool,
    /// The issuer elsewhere whose JWT was taken just now: the record is told once.
    pub(crate) taken_of: Option<Box<ConnectionName>>,
}

impl Authenticated {
    fn as_caller(caller: Caller, stale_cookie: bool) -> Self {
        Self { counts_for: caller.clone(), caller, stale_cookie, taken_of: None }
    }
}

/// What a request's connection says of it.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'s> {
    pub(crate) scheme: Scheme,
    /// The certificate that it was made with.
    pub(crate) machine: Option<&'s Arc<ShownCertificate>>,
}

/// Finds out who asks, by certificate, key, token or session cookie.
///
/// # Errors
/// 400 for two session cookies, or for two of a cookie, an `Authorization` header and a service account's certificate, 401 for bad
/// credentials, 503 if the store does not
/// answer: nobody is then anonymous by accident.
pub(crate) async fn authenticate(
    gateway: &Gateway,
    site: &Site,
    route: &Route,
    shown: Shown<'_>,
    headers: &HeaderMap,
    now: Micros,
) -> Result<Authenticated, Refusal> {
    let scheme = shown.scheme;
    if let Some(certificate) = shown.machine
        && let Some(program) = Box::pin(by_certificate(gateway, site.tenant, certificate, now)).await?
    {
        let has_cookie = session_cookie(headers, session_cookie_name(scheme)) != CookieLookup::Absent;
        if has_cookie || headers.contains_key(header::AUTHORIZATION) {
            let detail = "a session cookie or an `authorization` header beside a service account's certificate";
            return Err(Refusal::new(RefusalCode::CredentialsAmbiguous, detail));
        }
        return Ok(Authenticated::as_caller(Caller::Principal(program), false));
    }
    if headers.contains_key(header::AUTHORIZATION) {
        let door = Door {
            sessions: &gateway.sessions,
            tokens: &gateway.tokens,
            keys: &gateway.token_keys,
            issuers: &gateway.issuers,
            tenant: site.tenant,
            name: &site.name,
            scheme,
            takes_clients: is_token_endpoint(route),
        };
        return Box::pin(bearer::authenticate(door, headers, now)).await;
    }
    by_cookie(&gateway.sessions, site.tenant, scheme, headers, now).await
}

/// Most certificates are no service account's: then whatever else is shown says who asks.
async fn by_certificate(
    gateway: &Gateway,
    tenant: TenantId,
    certificate: &ShownCertificate,
    now: Micros,
) -> Result<Option<Arc<Principal>>, Refusal> {
    gateway.sessions.find_certificate(tenant, certificate, now).await.map_err(|error| match error {
        FindProgramError::Refused(refused) => {
            Refusal::new(RefusalCode::CredentialsInvalid, format!("certificate_{}", refused.as_str()))
        }
        FindProgramError::Store(error) => Refusal::new(RefusalCode::SessionStoreUnavailable, error.to_string()),
    })
}

async fn by_cookie(
    sessions: &Sessions,
    tenant: TenantId,
    scheme: Scheme,
    headers: &HeaderMap,
    now: Micros,
) -> Result<Authenticated, Refusal> {
    let anonymous = |stale_cookie| Ok(Authenticated::as_caller(Caller::Anonymous, stale_cookie));
    let token = match session_cookie(headers, session_cookie_name(scheme)) {
        CookieLookup::Absent => return anonymous(false),
        CookieLookup::Ambiguous => return Err(RefusalCode::CookieAmbiguous.into()),
        CookieLookup::One(value) => match PresentedToken::parse(value) {
            Some(token) => token,
            None => return anonymous(true),
        },
    };
    match sessions.find(tenant, &token, now).await {
        Ok(Some(principal)) => Ok(Authenticated::as_caller(Caller::Principal(principal), false)),
        Ok(None) => anonymous(true),
        Err(error) => Err(Refusal::new(RefusalCode::SessionStoreUnavailable, error.to_string())),
    }
}

/// Whether client authentication is for whoever this route leads to, which is the gateway's own service alone.
pub(crate) fn is_token_endpoint(route: &Route) -> bool {
    *route.service == *GATEWAY_SERVICE && *route.path == *TOKEN_PATH
}

/// Whether this route is for programs that show what they have in what they send.
pub(crate) fn is_for_programs(route: &Route) -> bool {
    *route.service == *GATEWAY_SERVICE && PROGRAM_PATHS.contains(&&*route.path)
}

/// What a credential rests on that the store knows nothing of.
pub(crate) enum Backing {
    Nothing,
    /// The key of ours that a token was verified with.
    Key(SignedBy),
    /// The tenant's rule by which a JWT of an issuer elsewhere counts.
    Rule(TenantName, Arc<LiveWorkload>),
}

/// What a request came with that somebody was known by at `then`, and what that rests on. None where it says something else by now.
pub(crate) fn held(
    gateway: &Gateway,
    site: &Site,
    credential: Credential,
    connection: Shown<'_>,
    headers: &HeaderMap,
    then: Micros,
) -> Option<(HeldCredential, Backing)> {
    let scheme = connection.scheme;
    let shown = || headers.get(header::AUTHORIZATION).and_then(bearer::shown);
    let credential = match credential {
        Credential::Session => match session_cookie(headers, session_cookie_name(scheme)) {
            CookieLookup::One(value) => PresentedToken::parse(value).map(HeldCredential::Session),
            CookieLookup::Absent | CookieLookup::Ambiguous => None,
        },
        Credential::ApiKey => PresentedSecret::parse(SecretKind::ApiKey, shown()?).ok().map(HeldCredential::Key),
        Credential::ScimToken => PresentedSecret::parse(SecretKind::ScimToken, shown()?).ok().map(HeldCredential::Scim),
        Credential::Certificate => connection.machine.cloned().map(HeldCredential::Certificate),
        Credential::IssuerToken => {
            let (text, url) = (shown()?, gateway.tokens.load().url(&site.name));
            // This very text let somebody in: its signature was verified then.
            let VouchedAt { vouched, rule } = gateway.issuers.rule_of(&site.name, &url, text, then)?;
            let assertion = ShownAssertion {
                shown: ShownToken::of(text),
                service_account: vouched.service_account,
                issued_at: vouched.issued_at,
                expires_at: vouched.expires_at,
            };
            return Some((HeldCredential::Assertion(Box::new(assertion)), Backing::Rule(site.name.clone(), rule)));
        }
        Credential::SessionToken | Credential::KeyToken | Credential::WorkloadToken => {
            let (token, signed) = gateway.tokens.load().verify_signed(shown()?, site.tenant, &site.name, then).ok()?;
            return Some((HeldCredential::Token(HeldToken::of(token)), Backing::Key(signed)));
        }
    };
    credential.map(|credential| (credential, Backing::Nothing))
}

/// The header that makes a browser forget a dead session cookie.
pub(crate) fn clear_cookie(scheme: Scheme) -> (HeaderName, HeaderValue) {
    let value = match scheme {
        Scheme::Https => "__Host-cedargate=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        Scheme::Http => "cedargate=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
    };
    (header::SET_COOKIE, HeaderValue::from_static(value))
}
