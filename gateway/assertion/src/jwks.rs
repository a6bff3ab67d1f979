//! The published key set (RFC 7517 §5).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::KeyId;

/// The longest key set that is read, in bytes. Four keys take under 1 KiB.
pub const JWKS_BYTES_MAX: usize = 16 * 1024;

/// The most keys that a set may hold.
pub const KEYS_MAX: usize = 16;

/// The public keys that verify assertions, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    keys: BTreeMap<KeyId, VerifyingKey>,
}

/// Why a text is no key set for assertions.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Longer than any honest key set.
    #[error("the key set is longer than {JWKS_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON, or not of a key set's shape.
    #[error("the key set is not a JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// More keys than are ever published.
    #[error("the key set holds more than {KEYS_MAX} keys")]
    TooManyKeys,
    /// A private key was published. Whoever sees it can sign.
    #[error("key {index} of the key set holds a private key; withdraw it, it is no longer secret")]
    PrivateKeyPublished {
        /// Which key, counted from 0.
        index: usize,
    },
    /// A key that says it is ours and cannot be.
    #[error("key {index} of the key set is unusable: {problem}")]
    KeyInvalid {
        /// Which key, counted from 0.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No Ed25519 signing key at all: nothing could ever verify.
    #[error("the key set holds no Ed25519 signing key")]
    Empty,
}

impl Jwks {
    /// Reads a key set.
    ///
    /// Keys of another type, curve or use are passed over, so that a set can announce tomorrow's algorithm beside
    /// today's (RFC 7517 §5). A key that is of our kind has to be right in every member.
    ///
    /// # Errors
    /// See [`JwksError`]; each says which key.
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        let set: JwkSet = serde_json::from_slice(text).map_err(JwksError::Malformed)?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwksError::TooManyKeys);
        }
        let mut keys = BTreeMap::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            if jwk.d.is_some() || jwk.k.is_some() {
                return Err(JwksError::PrivateKeyPublished { index });
            }
            if !jwk.is_for_assertions() {
                continue;
            }
            let (kid, key) = jwk.read().map_err(|problem| JwksError::KeyInvalid { index, problem })?;
            if keys.insert(kid, key).is_some() {
                return Err(JwksError::KeyInvalid { index, problem: "it is repeated" });
            }
        }
        if keys.is_empty() { Err(JwksError::Empty) } else { Ok(Self { keys }) }
    }

    /// The key set as JSON, keys sorted by name: the same keys give the same bytes.
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter().map(|(kid, key)| Jwk {
            kty: KTY.into(),
            crv: Some(CRV.into()),
            kid: Some(kid.to_string()),
            usage: Some(USE.into()),
            alg: Some(ALG.into()),
            x: Some(URL_SAFE_NO_PAD.encode(key.as_bytes())),
            d: None,
            k: None,
        });
        // Strings only: serialisation cannot fail, and an empty text would be refused by every reader.
        serde_json::to_string(&JwkSet { keys: keys.collect() }).unwrap_or_default()
    }

    /// The names of the keys, sorted.
    pub fn kids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.keys().copied()
    }

    /// Whether the key of that name signed `message`; none where the set has no such key. Strict: refuses the encodings of RFC 8032
    /// that make one signature verify for several keys or texts.
    pub fn verifies(&self, kid: KeyId, message: &[u8], signature: &[u8]) -> Option<bool> {
        let key = self.keys.get(&kid)?;
        let signature = Signature::from_slice(signature);
        Some(signature.is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()))
    }

    /// The set of the given keys.
    pub(crate) fn of(keys: impl Iterator<Item = VerifyingKey>) -> Self {
        Self { keys: keys.map(|key| (KeyId::of(&key), key)).collect() }
    }

    /// The key of that name.
    pub(crate) fn find(&self, kid: KeyId) -> Option<&VerifyingKey> {
        self.keys.get(&kid)
    }
}

const KTY: &str = "OKP";
const CRV: &str = "Ed25519";
const USE: &str = "sig";
const ALG: &str = "EdDSA";

#[derive(Serialize, Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// Members that only private and symmetric keys have (RFC 8037 §2, RFC 7518 §6.4.1): never written.
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
    #[serde(default, skip_serializing)]
    k: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    fn is_for_assertions(&self) -> bool {
        self.kty == KTY && self.crv.as_deref() == Some(CRV) && self.usage.as_deref().is_none_or(|usage| usage == USE)
    }

    fn read(&self) -> Result<(KeyId, VerifyingKey), &'static str> {
        if self.alg.as_deref() != Some(ALG) {
            return Err("its `alg` is not `EdDSA`");
        }
        let x = self.x.as_deref().ok_or("it has no `x`")?;
        let bytes = URL_SAFE_NO_PAD.decode(x).map_err(|_| "its `x` is not base64url")?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| "its `x` is not 32 bytes")?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "its `x` is no point of the curve")?;
        if key.is_weak() {
            return Err("its `x` is of small order, so that signatures prove nothing");
        }
        let kid = KeyId::of(&key);
        match self.kid.as_deref().and_then(KeyId::parse) {
            Some(stated) if stated == kid => Ok((kid, key)),
            Some(_) | None => Err("its `kid` is not its RFC 7638 thumbprint"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKeys;

    fn valid() -> serde_json::Value {
        serde_json::from_str(&SigningKeys::from_seed(&[1; 32]).jwks().to_json()).unwrap()
    }

    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut set = valid();
        change(&mut set["keys"][0]);
        Jwks::parse(set.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_set_reads_back_as_it_was_written() {
        let keys = SigningKeys::from_seed(&[1; 32]).succeeded_by(SigningKeys::from_seed(&[2; 32])).jwks();
        assert_eq!(Jwks::parse(keys.to_json().as_bytes()).unwrap(), keys);
    }

    #[test]
    fn a_key_with_one_wrong_member_spoils_the_set() {
        assert!(changed(|key| key["alg"] = "HS256".into()).contains("`alg`"));
        assert!(changed(|key| key["alg"] = serde_json::Value::Null).contains("`alg`"));
        assert!(changed(|key| key["x"] = "AAAA".into()).contains("32 bytes"));
        assert!(changed(|key| key["x"] = "!".into()).contains("base64url"));
        assert!(changed(|key| key["x"] = serde_json::Value::Null).contains("no `x`"));
        assert!(changed(|key| key["kid"] = "main".into()).contains("thumbprint"));
        assert!(changed(|key| key["kid"] = serde_json::Value::Null).contains("thumbprint"));
        assert!(changed(|key| key["d"] = "AAAA".into()).contains("private key"));
    }

    /// With a point of small order, one signature verifies for many messages.
    #[test]
    fn a_key_of_small_order_is_refused() {
        let identity = URL_SAFE_NO_PAD.encode([[1_u8].as_slice(), &[0; 31]].concat());
        assert!(changed(|key| key["x"] = identity.into()).contains("small order"));
    }

    #[test]
    fn keys_of_another_kind_are_passed_over() {
        let mut set = valid();
        let keys = set["keys"].as_array_mut().unwrap();
        keys.push(serde_json::json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "tls"}));
        keys.push(serde_json::json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}));
        keys.push(serde_json::json!({"kty": "OKP", "crv": "X25519", "x": "AA", "use": "enc"}));
        assert_eq!(Jwks::parse(set.to_string().as_bytes()).unwrap().kids().count(), 1);
    }

    #[test]
    fn a_set_that_could_verify_nothing_is_refused() {
        assert!(matches!(Jwks::parse(br#"{"keys":[]}"#), Err(JwksError::Empty)));
        assert!(matches!(Jwks::parse(b"{}"), Err(JwksError::Malformed(_))));
        assert!(matches!(Jwks::parse(b""), Err(JwksError::Malformed(_))));
        assert!(matches!(Jwks::parse(b"\xff"), Err(JwksError::Malformed(_))));
    }

    #[test]
    fn a_set_over_its_bounds_is_refused() {
        let long = vec![b' '; JWKS_BYTES_MAX + 1];
        assert!(matches!(Jwks::parse(&long), Err(JwksError::TooLarge)));
        let many = serde_json::json!({"keys": vec![serde_json::json!({"kty": "EC"}); KEYS_MAX + 1]});
        assert!(matches!(Jwks::parse(many.to_string().as_bytes()), Err(JwksError::TooManyKeys)));
    }

    #[test]
    fn a_repeated_key_is_refused() {
        let mut set = valid();
        let first = set["keys"][0].clone();
        set["keys"].as_array_mut().unwrap().push(first);
        let error = Jwks::parse(set.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("repeated"), "{error}");
    }
}
