//! An assertion, before and after anybody believes it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_identity::ServiceAccountName;
use cedargate_model::{ConnectionName, Micros, TokenReason};
use openidconnect::core::CoreJsonWebKey;
use openidconnect::{JsonWebKey as _, JsonWebKeyId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::settings::{WorkloadAlgorithm, WorkloadSettings};
use crate::connection::Claims;

/// The longest assertion that is read. A pod's takes about 1,500 octets, a CI job's about 2,500.
pub const ASSERTION_BYTES_MAX: usize = 16 * 1024;

/// How many keys are tried of an issuer whose assertions do not say which: anybody may have us try them.
const KEYS_TRIED_MAX: usize = 10;

/// The longest `sub` and `jti`.
const NAME_BYTES_MAX: usize = 1_024;

/// Somebody for whom an issuer vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// By which issuer.
    pub issuer: ConnectionName,
    /// As whom the program is known.
    pub service_account: ServiceAccountName,
    /// Which program it is, as a hash of what the issuer calls it.
    pub subject: [u8; 32],
    /// When the issuer said so.
    pub issued_at: Micros,
    /// When its word ends.
    pub expires_at: Micros,
    /// A hash of the assertion's own name, and until when it is to be remembered, where each counts once.
    pub once: Option<([u8; 32], Micros)>,
}

/// An assertion whose header was looked at, and of which nothing is believed.
pub(super) struct UnverifiedAssertion<'t> {
    algorithm: WorkloadAlgorithm,
    kid: Option<String>,
    signed: &'t str,
    signature: Vec<u8>,
    claims: Claims,
}

/// Every member that is judged. Repeated ones are refused; others say nothing to us.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

impl<'t> UnverifiedAssertion<'t> {
    /// Takes a compact token apart (RFC 7515 §7.1).
    pub(super) fn parse(text: &'t str) -> Result<Self, TokenReason> {
        if text.len() > ASSERTION_BYTES_MAX {
            return Err(TokenReason::AssertionMalformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenReason::AssertionMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenReason::AssertionMalformed)?;
        // An encrypted token has five parts: a dot is no base64url.
        let header: Header = decoded(header)?;
        let claims: Claims = decoded_once(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenReason::AssertionMalformed)?;
        header.check_tricks()?;
        header.check_type()?;
        let algorithm = WorkloadAlgorithm::named(&header.alg).ok_or(TokenReason::AssertionAlgorithm)?;
        Ok(Self { algorithm, kid: header.kid, signed, signature, claims })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn unverified_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    pub(super) fn check_algorithm(&self, allowed: &[WorkloadAlgorithm]) -> Result<(), TokenReason> {
        if allowed.contains(&self.algorithm) { Ok(()) } else { Err(TokenReason::AssertionAlgorithm) }
    }

    /// For whom it vouches if it says what it must, for here and for now, and [one of the issuer's keys signed
    /// it](Self::check_signature).
    pub(super) fn check_claims(
        &self,
        settings: &WorkloadSettings,
        url: &str,
        now: Micros,
    ) -> Result<Vouched, TokenReason> {
        let claims = &self.claims;
        if self.unverified_issuer() != Some(settings.issuer.as_str()) {
            return Err(TokenReason::AssertionIssuer);
        }
        check_audience(claims.get("aud"), settings.audience.as_deref().unwrap_or(url))?;
        let (issued_at, expires_at) = check_times(claims, settings, now)?;
        let subject = bounded(claims.get("sub")).ok_or(TokenReason::AssertionClaims)?;
        if settings.required.is_empty() || !settings.required.iter().all(|rule| rule.holds(claims)) {
            return Err(TokenReason::AssertionClaims);
        }
        let once = match settings.once {
            false => None,
            true => {
                let name = bounded(claims.get("jti")).ok_or(TokenReason::AssertionClaims)?;
                Some((hash(&settings.issuer, name), expires_at.after(settings.leeway)))
            }
        };
        Ok(Vouched {
            issuer: settings.name.clone(),
            service_account: settings.service_account.clone(),
            subject: hash(&settings.issuer, subject),
            issued_at,
            expires_at,
            once,
        })
    }

    /// Whether the key that it names is among these, or any where it names none.
    pub(super) fn has_key(&self, keys: &[CoreJsonWebKey]) -> bool {
        self.named(keys).next().is_some()
    }

    fn named<'k>(&self, keys: &'k [CoreJsonWebKey]) -> impl Iterator<Item = &'k CoreJsonWebKey> {
        let kid = self.kid.clone().map(JsonWebKeyId::new);
        keys.iter().filter(move |key| kid.is_none() || kid.as_ref() == key.key_id())
    }

    /// Whether one of these keys signed it.
    pub(super) fn check_signature(&self, keys: &[CoreJsonWebKey]) -> Result<(), TokenReason> {
        let mut named = self.named(keys).take(KEYS_TRIED_MAX).peekable();
        if named.peek().is_none() {
            return Err(TokenReason::AssertionKeyUnknown);
        }
        let algorithm = self.algorithm.of_library();
        // The key says which kind it is: no RSA key verifies what claims to be ECDSA, and none is the secret of an HMAC.
        let signed =
            |key: &CoreJsonWebKey| key.verify_signature(&algorithm, self.signed.as_bytes(), &self.signature).is_ok();
        if named.any(signed) { Ok(()) } else { Err(TokenReason::AssertionSignature) }
    }
}

impl Header {
    /// A token that brings its own key, or says where to fetch one, is a trick: keys are the issuer's, from where the configuration
    /// says.
    fn check_tricks(&self) -> Result<(), TokenReason> {
        let Self { alg: _, kid: _, typ: _, cty, crit, jwk, jku, x5u, x5c, enc, zip, b64 } = self;
        match [cty, crit, jwk, jku, x5u, x5c, enc, zip, b64].iter().any(|member| member.is_some()) {
            true => Err(TokenReason::AssertionHeader),
            false => Ok(()),
        }
    }

    /// `application/` may be left out (RFC 7515 §4.1.9). Who says another type means another thing: an access token, ours or anybody's,
    /// an identity assertion, a logout token.
    fn check_type(&self) -> Result<(), TokenReason> {
        let typ = self.typ.as_deref().map(str::to_ascii_lowercase);
        match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
            None | Some("jwt") => Ok(()),
            Some(_) => Err(TokenReason::AssertionType),
        }
    }
}

/// Our audience alone: one that is for others, too, may be shown here by any of them.
fn check_audience(audience: Option<&Value>, ours: &str) -> Result<(), TokenReason> {
    let is_ours = match audience {
        Some(Value::String(one)) => one == ours,
        Some(Value::Array(several)) => matches!(several.as_slice(), [Value::String(only)] if only == ours),
        _ => false,
    };
    if is_ours { Ok(()) } else { Err(TokenReason::AssertionAudience) }
}

/// When it was issued and when it ends, if it counts now and not for longer than it may.
fn check_times(claims: &Claims, settings: &WorkloadSettings, now: Micros) -> Result<(Micros, Micros), TokenReason> {
    let seconds =
        |name: &str| claims.get(name).map(|value| number(value).ok_or(TokenReason::AssertionClaims)).transpose();
    let expires = seconds("exp")?.ok_or(TokenReason::AssertionClaims)?;
    let issued = seconds("iat")?.ok_or(TokenReason::AssertionClaims)?;
    let not_before = seconds("nbf")?.unwrap_or(issued);
    let (now, leeway) = (now.epoch_seconds(), settings.leeway.as_secs().cast_signed());
    if now.saturating_sub(leeway) >= expires {
        return Err(TokenReason::AssertionExpired);
    }
    if issued.max(not_before) > now.saturating_add(leeway) {
        return Err(TokenReason::AssertionNotYetValid);
    }
    match expires.saturating_sub(issued) {
        0.. if expires.saturating_sub(issued) <= settings.lifetime_max.as_secs().cast_signed() => {
            let micros = |seconds: i64| Micros(seconds.saturating_mul(1_000_000));
            Ok((micros(issued), micros(expires)))
        }
        _ => Err(TokenReason::AssertionLifetime),
    }
}

/// Whole seconds; a part of one is dropped (RFC 7519 §2 allows them).
fn number(value: &Value) -> Option<i64> {
    let written = value.as_number()?.to_string();
    written.split('.').next()?.parse().ok()
}

fn bounded(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| (1..=NAME_BYTES_MAX).contains(&text.len()))
}

/// Of two texts, so that no pair of others has the same.
fn hash(issuer: &str, name: &str) -> [u8; 32] {
    Sha256::new().chain_update(Sha256::digest(issuer)).chain_update(name).finalize().into()
}

fn decoded<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenReason> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenReason::AssertionMalformed)?;
    serde_json::from_slice(&octets).map_err(|_| TokenReason::AssertionMalformed)
}

/// Claims that each stand once: of two, the issuer's rules may have looked at one and ours at the other.
fn decoded_once(part: &str) -> Result<Claims, TokenReason> {
    struct Once(Claims);

    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;

            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Claims;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("claims")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                    let mut claims = Claims::new();
                    while let Some((name, value)) = map.next_entry::<String, Value>()? {
                        if claims.insert(name, value).is_some() {
                            return Err(serde::de::Error::custom("a claim stands twice"));
                        }
                    }
                    Ok(claims)
                }
            }

            deserializer.deserialize_map(Visitor).map(Once)
        }
    }

    decoded::<Once>(part).map(|Once(claims)| claims)
}
