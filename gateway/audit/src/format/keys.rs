//! The public keys that stand beside the record: enough to prove that it is consistent, not whose it is.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, decode_hex, push_hex};
use super::head::{Head, UnverifiedHead};

/// The file of public keys, one a line: `ed25519 <key id> <64 hex>`. A key that signed once stays in it.
pub(crate) const PUBLIC_KEYS_FILE: &str = "public-keys";

/// Names a public key: the first eight octets of the SHA-256 of its 32 octets, as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The name of a key.
    pub fn of(key: &VerifyingKey) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(Hash::of(key.as_bytes()).0).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = decode_hex(text.as_bytes());
        id.map(Self).ok_or_else(|| serde::de::Error::custom("a key id is 16 lower-case hexadecimal digits"))
    }
}

/// The keys named in a record's directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicKeys(Vec<VerifyingKey>);

impl PublicKeys {
    /// Reads the directory's keys. A missing file holds none; a line that is no key is left out, so that whatever it
    /// should verify will not.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(dir.join(PUBLIC_KEYS_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Self(text.lines().filter_map(parse_line).collect()))
    }

    /// These and one more.
    pub(crate) fn and(mut self, key: VerifyingKey) -> Self {
        self.0.push(key);
        self
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<VerifyingKey> {
        self.0.clone()
    }

    /// What a head says, if one of these keys signed it.
    pub(crate) fn verify<'a>(&self, head: &'a UnverifiedHead) -> Option<&'a Head> {
        self.find(head.key()).and_then(|key| head.verify(key))
    }

    /// The key of that name.
    pub(crate) fn find(&self, id: KeyId) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| KeyId::of(key) == id)
    }
}

fn parse_line(line: &str) -> Option<VerifyingKey> {
    let mut words = line.split(' ');
    let ("ed25519", _id, octets, None) = (words.next()?, words.next()?, words.next()?, words.next()) else {
        return None;
    };
    VerifyingKey::from_bytes(&decode_hex(octets.as_bytes())?).ok()
}

/// The line of a key, with its line end.
pub(crate) fn public_key_line(key: &VerifyingKey) -> Vec<u8> {
    let mut line = format!("ed25519 {} ", KeyId::of(key)).into_bytes();
    push_hex(&mut line, key.as_bytes());
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    #[test]
    fn a_key_is_found_by_its_name() {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        let dir = tempfile::tempdir().unwrap();
        assert!(PublicKeys::read(dir.path()).unwrap().find(KeyId::of(&key)).is_none());

        let text = [b"not a key\n".as_slice(), &public_key_line(&key)].concat();
        fs::write(dir.path().join(PUBLIC_KEYS_FILE), text).unwrap();
        assert_eq!(PublicKeys::read(dir.path()).unwrap().find(KeyId::of(&key)), Some(&key));
    }
}
