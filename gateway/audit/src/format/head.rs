//! Signed heads: what the record was, said by somebody who holds the key.

use cedargate_model::Micros;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::hash::{Hash, decode_hex, push_hex};
use super::keys::KeyId;

/// What a signature covers begins with this line, so that it can stand for nothing else.
const CONTEXT: &[u8] = b"cedargate-audit-head/1\n";

/// The version of a head's line.
const HEAD_VERSION: u16 = 1;

/// The largest line of a head: a real one has some 450 octets.
pub(crate) const HEAD_LINE_BYTES_MAX: usize = 4096;

/// A statement about the record at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The head's number in the directory, counted from 1.
    pub number: u64,
    /// The SHA-256 of the line of the head before it; zero in the first.
    pub previous: Hash,
    /// The gateway that signs.
    pub instance: String,
    /// Its boot.
    pub boot: u64,
    /// The last entry that it covers.
    pub sequence: u64,
    /// That entry's chain value, which covers every entry of the boot up to it and, through the boot's first entry,
    /// the boots before.
    pub chain: Hash,
    /// When it was signed.
    pub at: Micros,
}

/// A head's line: the head, the key's name and the signature.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine<'a> {
    v: u16,
    #[serde(borrow)]
    head: &'a RawValue,
    key: KeyId,
    sig: String,
}

/// A head as it was read: its signature is not yet checked.
#[derive(Clone, Debug)]
pub(crate) struct UnverifiedHead {
    head: Head,
    signed: Vec<u8>,
    key: KeyId,
    signature: Signature,
}

impl Head {
    /// The head as a signed line without its line end.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, serde_json::Error> {
        let head = serde_json::value::to_raw_value(self)?;
        let mut sig = Vec::new();
        push_hex(&mut sig, &key.sign(&signed_octets(head.get())).to_bytes());
        let sig = String::from_utf8_lossy(&sig).into_owned();
        serde_json::to_vec(&HeadLine { v: HEAD_VERSION, head: &head, key: KeyId::of(&key.verifying_key()), sig })
    }
}

impl UnverifiedHead {
    /// Reads a line without its line end. A line has one spelling; whatever differs from it is no head.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let parsed: HeadLine<'_> = serde_json::from_slice(line).ok()?;
        if parsed.v != HEAD_VERSION || serde_json::to_vec(&parsed).ok()? != line {
            return None;
        }
        let head = serde_json::from_str(parsed.head.get()).ok()?;
        let signature = Signature::from_bytes(&decode_hex(parsed.sig.as_bytes())?);
        Some(Self { head, signed: signed_octets(parsed.head.get()), key: parsed.key, signature })
    }

    /// The key that is said to have signed it.
    pub(crate) fn key(&self) -> KeyId {
        self.key
    }

    /// The head, if this key signed it.
    pub(crate) fn verify(&self, key: &VerifyingKey) -> Option<&Head> {
        key.verify_strict(&self.signed, &self.signature).ok().map(|()| &self.head)
    }
}

fn signed_octets(head: &str) -> Vec<u8> {
    [CONTEXT, head.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let (previous, chain) = (Hash::of(b"before"), Hash::of(b"chain"));
        Head { number: 3, previous, instance: "gw-1".into(), boot: 2, sequence: 40, chain, at: Micros(7) }
    }

    #[test]
    fn a_head_verifies_under_its_key_alone() {
        let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let line = head().sign(&key).unwrap();
        let read = UnverifiedHead::parse(&line).unwrap();
        assert_eq!(read.verify(&key.verifying_key()), Some(&head()));
        assert_eq!(read.verify(&other.verifying_key()), None);
        assert_eq!(read.key(), KeyId::of(&key.verifying_key()));
    }

    #[test]
    fn a_changed_head_does_not_verify() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let line = String::from_utf8(head().sign(&key).unwrap()).unwrap();
        let changed = line.replace("\"sequence\":40", "\"sequence\":41");
        assert_ne!(changed, line);
        assert!(UnverifiedHead::parse(changed.as_bytes()).unwrap().verify(&key.verifying_key()).is_none());
    }

    #[test]
    fn another_spelling_is_no_head() {
        let line = String::from_utf8(head().sign(&SigningKey::from_bytes(&[1; 32])).unwrap()).unwrap();
        for (from, to) in
            [("{\"v\":1,", "{ \"v\":1,"), ("\"v\":1", "\"v\":2"), ("}", "} "), ("\"key\"", "\"x\":1,\"key\"")]
        {
            assert!(
                UnverifiedHead::parse(line.replacen(from, to, 1).as_bytes())
                    .is_none_or(|head| { head.verify(&SigningKey::from_bytes(&[1; 32]).verifying_key()).is_none() })
            );
        }
        assert!(UnverifiedHead::parse(b"").is_none());
    }
}
