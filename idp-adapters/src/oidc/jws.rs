//! Signed tokens, before anybody believes them: our own strict look at the header, and the signature.
//!
//! The library that checks ID tokens is given only what passed here. Its rules are good; these are stricter, say apart what was
//! tried, and hold for logout tokens, which it does not know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::SigninReason;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyId};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::connection::Claims;

/// The longest token: a person in a thousand groups has one of 60 KB.
const TOKEN_BYTES_MAX: usize = 96 * 1024;

/// What a token may be signed with. Never without, and never with a secret: who can check such a signature can make it. ES512 is
/// missing because the library does not know it.
pub(crate) const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Says who signed in.
    IdToken,
    /// Says whose sessions end.
    LogoutToken,
}

/// A token whose header was looked at, and of which nothing is believed.
pub(crate) struct UnverifiedJws<'t> {
    algorithm: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    signed: &'t str,
    signature: Vec<u8>,
    claims: Claims,
}

/// Every member that we judge. Repeated ones are refused; others say nothing to us.
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

impl<'t> UnverifiedJws<'t> {
    /// Takes a compact token apart (RFC 7515 §7.1).
    ///
    /// # Errors
    /// Which rule it breaks.
    pub(crate) fn parse(text: &'t str, purpose: Purpose) -> Result<Self, SigninReason> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(SigninReason::TokenMalformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(SigninReason::TokenMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(SigninReason::TokenMalformed)?;
        // An encrypted token has five parts: a dot is no base64url.
        let header: Header = decoded(header)?;
        let claims: Claims = decoded(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SigninReason::TokenMalformed)?;
        header.check_type(purpose)?;
        Ok(Self { algorithm: header.checked_algorithm()?, kid: header.kid, signed, signature, claims })
    }

    /// The key's name, if the token says one.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims, if one of the issuer's keys signed them.
    ///
    /// # Errors
    /// `TokenKeyUnknown` or `TokenSignature`.
    pub(crate) fn verify(self, keys: &[CoreJsonWebKey]) -> Result<Claims, SigninReason> {
        let kid = self.kid.map(JsonWebKeyId::new);
        let mut named = keys.iter().filter(|key| kid.is_none() || kid.as_ref() == key.key_id()).peekable();
        if named.peek().is_none() {
            return Err(SigninReason::TokenKeyUnknown);
        }
        // The key says which algorithm it is for: an RSA key cannot verify what claims to be ECDSA.
        let signed = |key: &CoreJsonWebKey| {
            key.verify_signature(&self.algorithm, self.signed.as_bytes(), &self.signature).is_ok()
        };
        if named.any(signed) { Ok(self.claims) } else { Err(SigninReason::TokenSignature) }
    }

    /// The claims, believed by nobody.
    pub(crate) fn unverified_claims(&self) -> &Claims {
        &self.claims
    }
}

impl Header {
    fn check_type(&self, purpose: Purpose) -> Result<(), SigninReason> {
        // `application/` may be left out (RFC 7515 §4.1.9). Who says another type means another thing: an access token, an
        // identity assertion of ours, a logout token where an ID token is asked for.
        let typ = self.typ.as_deref().map(str::to_ascii_lowercase);
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        let is_right = match (purpose, typ) {
            (_, None | Some("jwt")) => true,
            (Purpose::LogoutToken, Some("logout+jwt")) => true,
            (Purpose::IdToken | Purpose::LogoutToken, Some(_)) => false,
        };
        if is_right { Ok(()) } else { Err(SigninReason::TokenType) }
    }

    fn checked_algorithm(&self) -> Result<CoreJwsSigningAlgorithm, SigninReason> {
        let Self { alg, kid: _, typ: _, cty, crit, jwk, jku, x5u, x5c, enc, zip, b64 } = self;
        // A token that brings its own key, or says where to fetch one, is a trick: keys are the issuer's, from where discovery says.
        if [cty, crit, jwk, jku, x5u, x5c, enc, zip, b64].iter().any(|member| member.is_some()) {
            return Err(SigninReason::TokenHeader);
        }
        let is_named = |algorithm: &CoreJwsSigningAlgorithm| {
            serde_json::to_value(algorithm).is_ok_and(|name| name.as_str() == Some(alg))
        };
        ALGORITHMS.into_iter().find(is_named).ok_or(SigninReason::TokenAlgorithm)
    }
}

fn decoded<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, SigninReason> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| SigninReason::TokenMalformed)?;
    serde_json::from_slice(&octets).map_err(|_| SigninReason::TokenMalformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{\"sub\":\"a\"}"))
    }

    fn refused(text: &str) -> Option<SigninReason> {
        UnverifiedJws::parse(text, Purpose::IdToken).err()
    }

    #[test]
    fn a_header_with_a_trick_in_it_is_refused_before_any_key_is_looked_for() {
        for (header, why) in [
            (r#"{"alg":"none"}"#, SigninReason::TokenAlgorithm),
            (r#"{"alg":"None"}"#, SigninReason::TokenAlgorithm),
            (r#"{"alg":"HS256"}"#, SigninReason::TokenAlgorithm),
            (r#"{"alg":"rs256"}"#, SigninReason::TokenAlgorithm),
            (r#"{"alg":""}"#, SigninReason::TokenAlgorithm),
            (r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","jku":"https://evil.example/jwks"}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","jwk":{"kty":"RSA"}}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","x5u":"https://evil.example"}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","x5c":["MII"]}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","crit":["exp"]}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","b64":false}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","zip":"DEF"}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","cty":"JWT"}"#, SigninReason::TokenHeader),
            (r#"{"alg":"RS256","typ":"at+jwt"}"#, SigninReason::TokenType),
            (r#"{"alg":"RS256","typ":"logout+jwt"}"#, SigninReason::TokenType),
            (r#"{"alg":"EdDSA","typ":"cedargate-identity+jwt"}"#, SigninReason::TokenType),
            (r#"{"alg":"none","alg":"RS256"}"#, SigninReason::TokenMalformed),
            (r#"{"alg":["RS256"]}"#, SigninReason::TokenMalformed),
            (r#"{"typ":"JWT"}"#, SigninReason::TokenMalformed),
            (r#"["RS256"]"#, SigninReason::TokenMalformed),
        ] {
            assert_eq!(refused(&token(header)), Some(why), "{header}");
        }
        for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"ES256","typ":"JWT","kid":"1","x5t":"a"}"#] {
            assert_eq!(refused(&token(header)), None, "{header}");
        }
    }

    #[test]
    fn what_is_no_compact_token_is_refused() {
        let good = token(r#"{"alg":"RS256"}"#);
        for text in
            ["", ".", "..", "a.b.c", &good.replace("c2ln", "c2ln="), &format!("{good}.x.y"), &format!(" {good}")]
        {
            assert_eq!(refused(text), Some(SigninReason::TokenMalformed), "{text}");
        }
        assert_eq!(refused(&"a".repeat(TOKEN_BYTES_MAX + 1)), Some(SigninReason::TokenMalformed));
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_refused(text in "\\PC{0,40}|[A-Za-z0-9_.-]{0,60}", header in "[ -~]{0,60}") {
            let _ = refused(&text);
            let _ = refused(&token(&header));
            let _ = refused(&token(&format!("{{\"alg\":\"RS256\",{header}}}")));
        }
    }

    #[test]
    fn without_a_key_of_its_name_nothing_is_verified() {
        let text = token(r#"{"alg":"RS256","kid":"1"}"#);
        let token = UnverifiedJws::parse(&text, Purpose::IdToken).unwrap();
        assert_eq!(token.kid(), Some("1"));
        assert_eq!(token.verify(&[]), Err(SigninReason::TokenKeyUnknown));
    }
}
