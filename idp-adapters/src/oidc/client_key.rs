//! Keys of the gateway's own, by which it proves to a provider which client it is (RFC 7523, OIDC Core §9, `private_key_jwt`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::{Micros, SigninReason};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;
use zeroize::Zeroizing;

use crate::Refused;

/// What such a proof is called (RFC 7523 §2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a proof is good. It goes to the provider at once.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// How many keys a connection has at most: the one that signs, and one that comes or goes.
pub const CLIENT_KEYS_MAX: usize = 4;

/// The keys of one client: the first one signs, all of them are published. `Debug` hides them. Cheap to clone.
#[derive(Clone)]
pub struct ClientKeys(Arc<[ClientKey]>);

/// One key, and its public half as providers read it.
pub struct ClientKey {
    pair: Pair,
    kid: String,
    jwk: Value,
    /// The hash of the certificate in which a provider has the public half, if it wants to hear that.
    certificate: Option<String>,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeyError {
    /// The file holds none.
    #[error("no unencrypted key in PKCS #8 (`-----BEGIN PRIVATE KEY-----`), RSA of 2048 bits or more or P-256")]
    Key,
    /// The file holds something else than a certificate behind the key.
    #[error("what stands behind the key is not its certificate")]
    Certificate,
}

impl ClientKey {
    /// Accepts a key as PEM. Where its certificate stands behind it, proofs name that, too (`x5t#S256`).
    ///
    /// # Errors
    /// [`ClientKeyError`].
    pub fn parse(pem: &str) -> Result<Self, ClientKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| ClientKeyError::Key)?;
        let (pair, jwk) = Pair::read(der.secret_pkcs8_der()).ok_or(ClientKeyError::Key)?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        if certificate.as_ref().is_some_and(|der| !pair.is_of(der)) {
            return Err(ClientKeyError::Certificate);
        }
        // The key's own name, that everybody comes to who has it (RFC 7638): its members in order, and no others.
        let kid = encode(Sha256::digest(jwk.to_string()));
        let mut jwk = jwk;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), kid.clone().into());
            members.insert("use".to_owned(), "sig".into());
            members.insert("alg".to_owned(), pair.algorithm().into());
        }
        Ok(Self { pair, kid, jwk, certificate: certificate.map(|der| encode(Sha256::digest(der))) })
    }
}

impl ClientKeys {
    /// These keys, of which the first one signs. `None` where there is none, or there are too many.
    pub fn new(keys: Vec<ClientKey>) -> Option<Self> {
        (1..=CLIENT_KEYS_MAX).contains(&keys.len()).then(|| Self(keys.into()))
    }

    /// No key, where none is used: a preview signs nothing.
    pub fn unused() -> Self {
        Self(Arc::new([]))
    }

    /// What the provider verifies with (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.0.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
    }

    /// Proves who the client is, to this audience, now.
    pub(crate) fn prove(&self, client_id: &str, audience: &str, now: Micros) -> Result<Zeroizing<String>, Refused> {
        let key = self.0.first().ok_or(SigninReason::ClientRefused)?;
        let mut header = json!({ "alg": key.pair.algorithm(), "kid": key.kid, "typ": "JWT" });
        if let (Some(hash), Some(header)) = (&key.certificate, header.as_object_mut()) {
            header.insert("x5t#S256".to_owned(), hash.clone().into());
        }
        let seconds = |at: Micros| at.0.div_euclid(1_000_000);
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": Uuid::new_v4(),
            "iat": seconds(now),
            "exp": seconds(now.after(GOOD_FOR)),
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = key.pair.sign(signed.as_bytes())?;
        Ok(Zeroizing::new(format!("{signed}.{}", encode(signature))))
    }
}

impl Pair {
    /// The key, and the members of its public half that make its name, in their order.
    fn read(pkcs8: &[u8]) -> Option<(Self, Value)> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8) {
            let point = pair.public_key().as_ref().strip_prefix(&[4])?;
            let (x, y) = (point.get(..32)?, point.get(32..64)?);
            let jwk = json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) });
            return Some((Self::P256(pair), jwk));
        }
        let pair =
            RsaKeyPair::from_pkcs8(pkcs8).ok().filter(|pair| pair.public_modulus_len() >= KeySize::Rsa2048.len())?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
        let (_, public) = SubjectPublicKeyInfo::from_der(public.as_ref()).ok()?;
        let PublicKey::RSA(public) = public.parsed().ok()? else { return None };
        let jwk = json!({ "e": number(public.exponent), "kty": "RSA", "n": number(public.modulus) });
        Some((Self::Rsa(pair), jwk))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        }
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::P256(pair) => pair.public_key().as_ref(),
        }
    }

    /// Whether a certificate holds this key: wrapped, its octets end with it.
    fn is_of(&self, certificate: &[u8]) -> bool {
        let read = X509Certificate::from_der(certificate);
        read.is_ok_and(|(_, read)| read.public_key().raw.ends_with(self.public()))
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, Refused> {
        let failed = |error| Refused::because(SigninReason::ClientRefused, error);
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, octets, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&random, octets).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// A positive number as keys have it (RFC 7518 §2): without the octet that only says that it is positive.
fn number(octets: &[u8]) -> String {
    encode(octets.strip_prefix(&[0]).unwrap_or(octets))
}

impl PartialEq for ClientKeys {
    fn eq(&self, other: &Self) -> bool {
        // A name stands for its key.
        let names =
            |keys: &Self| keys.0.iter().map(|key| (key.kid.clone(), key.certificate.clone())).collect::<Vec<_>>();
        names(self) == names(other)
    }
}

impl Eq for ClientKeys {}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::JsonWebKey as _;
    use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};

    use super::*;

    const NOW: Micros = Micros(1_800_000_000_000_000);

    fn p256() -> String {
        rcgen::KeyPair::generate().unwrap().serialize_pem()
    }

    fn part(token: &str, at: usize) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    }

    /// What is published verifies what is signed, by a library of others.
    #[test]
    fn a_proof_is_signed_by_the_first_key_and_says_who_to_whom_and_when() {
        let (rsa, _) = crate::saml::testing::key_and_certificate();
        for (text, algorithm) in
            [(rsa, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256), (p256(), CoreJwsSigningAlgorithm::EcdsaP256Sha256)]
        {
            let keys =
                ClientKeys::new(vec![ClientKey::parse(&text).unwrap(), ClientKey::parse(&p256()).unwrap()]).unwrap();
            let token = keys.prove("cedar gate", "https://idp.example", NOW).unwrap();
            let published: CoreJsonWebKey = serde_json::from_value(keys.jwks()["keys"][0].clone()).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            published.verify_signature(&algorithm, signed.as_bytes(), &signature).unwrap();
            assert_eq!(part(&token, 0)["kid"], keys.jwks()["keys"][0]["kid"]);
            let claims = part(&token, 1);
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!("cedar gate"), &json!("cedar gate")));
            assert_eq!((&claims["aud"], &claims["iat"]), (&json!("https://idp.example"), &json!(1_800_000_000)));
            assert_eq!(claims["exp"], json!(1_800_000_060));
            let again = keys.prove("cedar gate", "https://idp.example", NOW).unwrap();
            assert_ne!(part(&again, 1)["jti"], claims["jti"]);
        }
    }

    #[test]
    fn nothing_published_or_shown_is_secret() {
        let keys = ClientKeys::new(vec![ClientKey::parse(&p256()).unwrap()]).unwrap();
        let published = keys.jwks();
        let mut members: Vec<_> = published["keys"][0].as_object().unwrap().keys().cloned().collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(format!("{keys:?}"), "ClientKeys(..)");
    }

    #[test]
    fn the_certificate_behind_a_key_is_named_and_has_to_be_its_own() {
        let (key, certificate) = crate::saml::testing::key_and_certificate();
        let keys = ClientKeys::new(vec![ClientKey::parse(&format!("{key}{certificate}")).unwrap()]).unwrap();
        let token = keys.prove("a", "b", NOW).unwrap();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(part(&token, 0)["x5t#S256"], json!(encode(Sha256::digest(der))));
        let other = ClientKey::parse(&format!("{}{certificate}", p256()));
        assert_eq!(other.err(), Some(ClientKeyError::Certificate));
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        for text in
            ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----"]
        {
            assert_eq!(ClientKey::parse(text).err(), Some(ClientKeyError::Key), "{text}");
        }
        assert!(ClientKeys::new(vec![]).is_none());
        assert!(ClientKeys::unused().prove("a", "b", NOW).is_err());
    }
}
