//! Whether an ID token says that this person signed in just now, for us (OIDC Core §3.1.3.7).

use std::time::Duration;

use cedargate_identity::Subject;
use cedargate_model::{Micros, SigninReason};
use chrono::{DateTime, Utc};
use openidconnect::core::{CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, Audience, ClaimsVerificationError, ClientId, EmptyAdditionalClaims, IdToken,
    IdTokenVerifier, IssuerUrl, JsonWebKeySet, Nonce, SignatureVerificationError,
};
use serde_json::Value;

use super::jws::{ALGORITHMS, Purpose, UnverifiedJws};
use super::provider::Provider;
use super::settings::OidcSettings;
use crate::Refused;
use crate::connection::Claims;

/// How old a token may be that comes straight from the token endpoint.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// An ID token as the library reads it.
type LibraryToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    openidconnect::core::CoreJwsSigningAlgorithm,
>;

/// What a token is held against.
pub(crate) struct Expected<'e> {
    pub(crate) settings: &'e OidcSettings,
    pub(crate) nonce: &'e str,
    pub(crate) access_token: Option<&'e str>,
    pub(crate) now: Micros,
}

/// What a believed token says.
#[derive(Debug)]
pub(crate) struct Believed {
    pub(crate) subject: Subject,
    pub(crate) claims: Claims,
    /// When the person last proved who they are, if the provider says.
    pub(crate) auth_time: Option<Micros>,
    /// The provider's own session (`sid`).
    pub(crate) provider_session: Option<Subject>,
}

/// Believes a token, or says why not. Twice looked at: by our own rules, and by the library's.
pub(crate) fn believe(text: &str, provider: &Provider, expected: &Expected<'_>) -> Result<Believed, Refused> {
    let unverified = UnverifiedJws::parse(text, Purpose::IdToken)?;
    check_by_library(text, &provider.keys, expected)?;
    let claims = unverified.verify(&provider.keys)?;
    check_party(&claims, &expected.settings.client_id)?;
    check_times(&claims, expected.settings.clock_skew, expected.now)?;

    let subject = claims.get("sub").and_then(Value::as_str).ok_or(SigninReason::SubjectInvalid)?;
    let subject = Subject::parse(subject).map_err(|_| SigninReason::SubjectInvalid)?;
    let provider_session = claims.get("sid").and_then(Value::as_str).and_then(|sid| Subject::parse(sid).ok());
    let auth_time = claims.get("auth_time").and_then(seconds);
    Ok(Believed { subject, auth_time, provider_session, claims })
}

fn check_by_library(text: &str, keys: &[CoreJsonWebKey], expected: &Expected<'_>) -> Result<(), Refused> {
    let malformed = |error: serde_json::Error| Refused::because(SigninReason::TokenMalformed, error);
    let token: LibraryToken = serde_json::from_value(Value::String(text.to_owned())).map_err(malformed)?;
    let settings = expected.settings;
    let issuer = IssuerUrl::new(settings.issuer.issuer().to_string())
        .map_err(|error| Refused::because(SigninReason::TokenIssuer, error))?;
    let skew = settings.clock_skew;
    // The library compares with one moment: a clock that is late by the skew still takes a token for alive, and one that is ahead
    // by it does not take it for one of the future.
    let late = moment(Micros(expected.now.0.saturating_sub(micros(skew))));
    let ahead = moment(expected.now.after(skew));
    let oldest = moment(Micros(expected.now.0.saturating_sub(micros(skew + AGE_MAX))));
    let verifier = IdTokenVerifier::new_public_client(
        ClientId::new(settings.client_id.clone()),
        issuer,
        JsonWebKeySet::new(keys.to_vec()),
    )
    .set_allowed_algs(ALGORITHMS)
    .set_other_audience_verifier_fn(|_: &Audience| false)
    .set_time_fn(move || late)
    .set_issue_time_verifier_fn(move |issued| {
        if issued > ahead {
            Err(FROM_THE_FUTURE.to_owned())
        } else if issued < oldest {
            Err("issued too long ago".to_owned())
        } else {
            Ok(())
        }
    });
    let claims = token.claims(&verifier, &Nonce::new(expected.nonce.to_owned())).map_err(by_library)?;
    if let (Some(hash), Some(access_token)) = (claims.access_token_hash(), expected.access_token) {
        let wrong = |error: SignatureVerificationError| Refused::because(SigninReason::TokenHash, error);
        let key = token.signing_key(&verifier).map_err(wrong)?;
        let algorithm = token.signing_alg().map_err(wrong)?;
        let of_token = AccessTokenHash::from_token(&AccessToken::new(access_token.to_owned()), algorithm, key)
            .map_err(|error| Refused::because(SigninReason::TokenHash, error))?;
        if of_token != *hash {
            return Err(SigninReason::TokenHash.into());
        }
    }
    Ok(())
}

const FROM_THE_FUTURE: &str = "issued in the future";

/// What the library says, in our words. Its texts quote claims, so they are for the log alone.
fn by_library(error: ClaimsVerificationError) -> Refused {
    let reason = match &error {
        ClaimsVerificationError::Expired(text) if text == FROM_THE_FUTURE => SigninReason::TokenFuture,
        ClaimsVerificationError::Expired(_) => SigninReason::TokenExpired,
        ClaimsVerificationError::InvalidAudience(_) => SigninReason::TokenAudience,
        ClaimsVerificationError::InvalidIssuer(_) => SigninReason::TokenIssuer,
        ClaimsVerificationError::InvalidNonce(_) => SigninReason::TokenNonce,
        ClaimsVerificationError::InvalidSubject(_) => SigninReason::SubjectInvalid,
        ClaimsVerificationError::SignatureVerification(signature) => match signature {
            SignatureVerificationError::NoMatchingKey => SigninReason::TokenKeyUnknown,
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::UnsupportedAlg(_)
            | SignatureVerificationError::NoSignature => SigninReason::TokenAlgorithm,
            _ => SigninReason::TokenSignature,
        },
        _ => SigninReason::TokenMalformed,
    };
    Refused::because(reason, error)
}

/// `azp`, where it stands, is us; and it has to stand where the token is for others too, which the audience check refuses anyway.
fn check_party(claims: &Claims, client_id: &str) -> Result<(), SigninReason> {
    match claims.get("azp") {
        None => Ok(()),
        Some(party) if party.as_str() == Some(client_id) => Ok(()),
        Some(_) => Err(SigninReason::TokenParty),
    }
}

/// `nbf`, which the library leaves alone, and `auth_time`, which cannot be to come.
fn check_times(claims: &Claims, skew: Duration, now: Micros) -> Result<(), SigninReason> {
    for name in ["nbf", "auth_time"] {
        let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { continue };
        let at = seconds(value).ok_or(SigninReason::TokenMalformed)?;
        if at > now.after(skew) {
            return Err(SigninReason::TokenFuture);
        }
    }
    Ok(())
}

/// A NumericDate (RFC 7519 §2), whole or with a fraction that is dropped.
pub(crate) fn seconds(value: &Value) -> Option<Micros> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be within the range of 32 bits, and fractions do not matter"
    )]
    let whole = |number: f64| (0.0..4_294_967_296.0).contains(&number).then_some(number as i64);
    let seconds = value.as_i64().filter(|number| (0..1 << 32).contains(number)).or_else(|| whole(value.as_f64()?))?;
    Some(Micros(seconds * 1_000_000))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn moment(at: Micros) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_that_can_be() {
        assert_eq!(seconds(&json!(1_700_000_000)), Some(Micros(1_700_000_000_000_000)));
        assert_eq!(seconds(&json!(1_700_000_000.9)), Some(Micros(1_700_000_000_000_000)));
        for value in [json!(-1), json!("1700000000"), json!(1e30), json!(null), json!([1]), json!(u64::MAX)] {
            assert_eq!(seconds(&value), None, "{value}");
        }
    }
}
