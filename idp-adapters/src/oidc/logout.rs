//! A provider ends sessions (OIDC Back-Channel Logout 1.0).

use std::time::Duration;

use cedargate_identity::{Ending, Subject};
use cedargate_model::{Micros, SigninReason};
use serde_json::Value;

use super::id_token::seconds;
use super::jws::UnverifiedJws;
use super::provider::Provider;
use super::settings::OidcSettings;
use crate::connection::Claims;

/// How old a logout token may be; providers give them two minutes (§2.4 of the specification asks for a short time).
const AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// The event that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A believed logout token. It counts once: the caller sees to that, by `jti`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Logout {
    /// Which sessions end.
    pub ending: Ending,
    /// The token's own name.
    pub jti: String,
    /// Until when its name must be remembered.
    pub remember_until: Micros,
}

/// Believes a logout token, or says why not (§2.6 of the specification).
pub(crate) fn believe(
    token: UnverifiedJws<'_>,
    provider: &Provider,
    settings: &OidcSettings,
    now: Micros,
) -> Result<Logout, SigninReason> {
    let claims = token.verify(&provider.keys)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(settings.issuer.issuer().as_str()) {
        return Err(SigninReason::TokenIssuer);
    }
    check_audience(&claims, &settings.client_id)?;
    let issued = claims.get("iat").and_then(seconds).ok_or(SigninReason::TokenMalformed)?;
    let expires = match claims.get("exp") {
        None => issued.after(AGE_MAX),
        Some(value) => seconds(value).ok_or(SigninReason::TokenMalformed)?,
    };
    if issued > now.after(settings.clock_skew) {
        return Err(SigninReason::TokenFuture);
    }
    let over = expires.after(settings.clock_skew).min(issued.after(AGE_MAX + settings.clock_skew));
    if now >= over {
        return Err(SigninReason::TokenExpired);
    }
    // Before anything else is read: an ID token has a nonce, and must not end sessions.
    if claims.contains_key("nonce") {
        return Err(SigninReason::LogoutNonce);
    }
    if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err(SigninReason::LogoutEvent);
    }
    let jti = text("jti").filter(|jti| (1..=255).contains(&jti.len())).ok_or(SigninReason::LogoutReplayed)?;
    Ok(Logout { ending: ending(&claims)?, jti: jti.to_owned(), remember_until: over })
}

fn check_audience(claims: &Claims, client_id: &str) -> Result<(), SigninReason> {
    let is_us = |value: &Value| value.as_str() == Some(client_id);
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(all)) => !all.is_empty() && all.iter().all(is_us),
        Some(one) => is_us(one),
        None => false,
    };
    if is_for_us { Ok(()) } else { Err(SigninReason::TokenAudience) }
}

fn ending(claims: &Claims) -> Result<Ending, SigninReason> {
    let name = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let parsed = value.as_str().map(Subject::parse).and_then(Result::ok);
            parsed.map(Some).ok_or(SigninReason::LogoutSubject)
        }
    };
    match (name("sid")?, name("sub")?) {
        (Some(session), subject) => Ok(Ending::ProviderSession { session, subject }),
        (None, Some(subject)) => Ok(Ending::Subject(subject)),
        (None, None) => Err(SigninReason::LogoutSubject),
    }
}
