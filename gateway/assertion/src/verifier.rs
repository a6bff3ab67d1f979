//! The service's side: from a header's text to an identity, or to the reason why not.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::Micros;
use ed25519_dalek::Signature;

use crate::claims::{ALG, Claims, Header, TYP};
use crate::{Identity, Jwks, KeyId, TOKEN_BYTES_MAX};

/// How far the service's clock may differ from the gateway's.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Verifies assertions of one issuer for one audience.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: Arc<str>,
    audience: Arc<str>,
    keys: Jwks,
}

/// Why a text proves nobody's identity. For logs and metrics: the client learns only that it is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Longer than any assertion.
    #[error("the assertion is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLarge,
    /// Not three base64url parts, or the first two are not the JSON they should be.
    #[error("the assertion is not a compact JWT")]
    Malformed,
    /// A header member beside `alg`, `typ` and `kid`, one of them missing, or a `kid` that is no thumbprint.
    #[error("the assertion's header is not the one that assertions have")]
    HeaderInvalid,
    /// Another algorithm than Ed25519, `none` included.
    #[error("the assertion's algorithm is not `EdDSA`")]
    AlgorithmRefused,
    /// Another kind of token.
    #[error("the token's type is not `{TYP}`")]
    TypeMismatch,
    /// Signed with a key that is not in the key set. Fetching the set anew may help.
    #[error("the assertion's key `{kid}` is not in the key set")]
    KeyUnknown {
        /// The key's name.
        kid: KeyId,
    },
    /// The signature is not the key's over this text.
    #[error("the assertion's signature is wrong")]
    SignatureInvalid,
    /// Signed, but the claims have not the shape that assertions have.
    #[error("the assertion's claims are malformed")]
    ClaimsMalformed,
    /// Signed, but a claim's value is not one that assertions have.
    #[error("the assertion's claim `{claim}` is invalid")]
    ClaimInvalid {
        /// The claim.
        claim: &'static str,
    },
    /// Issued by somebody else.
    #[error("the assertion is of another issuer")]
    IssuerMismatch,
    /// Issued for another service.
    #[error("the assertion is for another audience")]
    AudienceMismatch,
    /// Issued in the future, beyond the leeway.
    #[error("the assertion is not valid yet; compare the clocks")]
    NotYetValid,
    /// Past its life, beyond the leeway.
    #[error("the assertion has expired")]
    Expired,
}

impl Verifier {
    /// A verifier that accepts what `issuer` signed for `audience` with one of `keys`.
    pub fn new(issuer: impl Into<Arc<str>>, audience: impl Into<Arc<str>>, keys: Jwks) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), keys }
    }

    /// The same with another key set.
    #[must_use]
    pub fn with_keys(&self, keys: Jwks) -> Self {
        Self { issuer: Arc::clone(&self.issuer), audience: Arc::clone(&self.audience), keys }
    }

    /// The key set.
    pub fn keys(&self) -> &Jwks {
        &self.keys
    }

    /// Verifies the value of `Cedargate-Identity`.
    ///
    /// # Errors
    /// The first thing that is wrong. After [`VerifyError::KeyUnknown`] a newer key set may help; after any other,
    /// nothing does.
    pub fn verify(&self, token: &str, now: Micros) -> Result<Identity, VerifyError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(VerifyError::TooLarge);
        }
        let parts = Parts::split(token)?;
        let kid = parts.kid()?;
        let key = self.keys.find(kid).ok_or(VerifyError::KeyUnknown { kid })?;
        let signature = Signature::from_slice(&decode(parts.signature)?).map_err(|_| VerifyError::SignatureInvalid)?;
        // Strict: refuses the encodings of RFC 8032 that make one signature verify for several keys or texts.
        key.verify_strict(parts.signed.as_bytes(), &signature).map_err(|_| VerifyError::SignatureInvalid)?;

        let claims: Claims =
            serde_json::from_slice(&decode(parts.payload)?).map_err(|_| VerifyError::ClaimsMalformed)?;
        self.check(&claims, now.epoch_seconds())?;
        Identity::read(claims)
    }

    fn check(&self, claims: &Claims, now_seconds: i64) -> Result<(), VerifyError> {
        if claims.iss != *self.issuer {
            return Err(VerifyError::IssuerMismatch);
        }
        if claims.aud != *self.audience {
            return Err(VerifyError::AudienceMismatch);
        }
        let leeway = LEEWAY.as_secs().cast_signed();
        let valid_from = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
        if valid_from > now_seconds.saturating_add(leeway) {
            return Err(VerifyError::NotYetValid);
        }
        if now_seconds >= claims.exp.saturating_add(leeway) {
            return Err(VerifyError::Expired);
        }
        Ok(())
    }
}

/// A compact JWS, split (RFC 7515 §7.1).
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header, dot and payload: what the signature is over.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, VerifyError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
        if payload.contains('.') {
            return Err(VerifyError::Malformed);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// The key that the header names, once the header is known to be one of ours.
    ///
    /// The algorithm is compared before anything is done with it: the key set holds Ed25519 keys only, and no key can
    /// be used as the secret of an HMAC.
    fn kid(&self) -> Result<KeyId, VerifyError> {
        let json = decode(self.header)?;
        let header: serde_json::Value = serde_json::from_slice(&json).map_err(|_| VerifyError::Malformed)?;
        if header.get("alg").and_then(|alg| alg.as_str()) != Some(ALG) {
            return Err(VerifyError::AlgorithmRefused);
        }
        if header.get("typ").and_then(|typ| typ.as_str()) != Some(TYP) {
            return Err(VerifyError::TypeMismatch);
        }
        // From the text and not from the value above, which has already dropped repeated members.
        let header: Header = serde_json::from_slice(&json).map_err(|_| VerifyError::HeaderInvalid)?;
        KeyId::parse(&header.kid).ok_or(VerifyError::HeaderInvalid)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)
}
