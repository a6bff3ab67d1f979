//! The hashes that hold the record together, and their text form.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 value. As text it is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The value before a boot's first entry: 32 zero octets.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of some octets.
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// Reads 64 lower-case hexadecimal digits; nothing else is a hash, so that one hash has one text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        decode_hex(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a hash is 64 lower-case hexadecimal digits"))
    }
}

/// The salt of one entry. It keeps a leaf hash, which may be published, from telling a guessable event.
pub type Salt = [u8; 16];

/// The salted leaf hash of RFC 6962 §2.1: `SHA-256(0x00 || salt || event)`.
pub fn leaf_hash(salt: &Salt, event: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x00]);
    sha.update(salt);
    sha.update(event);
    Hash(sha.finalize().into())
}

/// The next value of the chain: `SHA-256(0x02 || previous || leaf || sequence || durable)`, both numbers as eight
/// octets, most significant first. RFC 6962 uses 0x00 for leaves and 0x01 for nodes; 0x02 keeps links apart from both.
pub(crate) fn next_in_chain(previous: &Hash, leaf: &Hash, sequence: u64, durable: u64) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x02]);
    sha.update(previous.0);
    sha.update(leaf.0);
    sha.update(sequence.to_be_bytes());
    sha.update(durable.to_be_bytes());
    Hash(sha.finalize().into())
}

/// Appends octets as lower-case hexadecimal digits.
pub(crate) fn push_hex(out: &mut Vec<u8>, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    // By pieces of a hash's size: a push for every digit is most of what writing an entry costs.
    for piece in octets.chunks(32) {
        let mut text = [0; 64];
        for (pair, octet) in text.as_chunks_mut::<2>().0.iter_mut().zip(piece) {
            *pair = [digit(octet >> 4), digit(octet & 0x0f)];
        }
        out.extend_from_slice(text.get(..piece.len() * 2).unwrap_or_default());
    }
}

/// Reads exactly `N` octets of lower-case hexadecimal digits.
pub(crate) fn decode_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != N * 2 {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *octet = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_text() {
        let hash = Hash::of(b"abc");
        let text = hash.to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Hash::parse(text.as_bytes()), Some(hash));
        assert_eq!(Hash::parse(text.to_uppercase().as_bytes()), None);
        assert_eq!(Hash::parse(&text.as_bytes()[1..]), None);

        let mut pushed = Vec::new();
        push_hex(&mut pushed, &hash.0);
        assert_eq!(pushed, text.as_bytes());
    }

    #[test]
    fn a_link_depends_on_everything_it_links() {
        let link = next_in_chain(&Hash::ZERO, &Hash::of(b"leaf"), 1, 0);
        assert_ne!(link, next_in_chain(&Hash::of(b"x"), &Hash::of(b"leaf"), 1, 0));
        assert_ne!(link, next_in_chain(&Hash::ZERO, &Hash::of(b"fael"), 1, 0));
        assert_ne!(link, next_in_chain(&Hash::ZERO, &Hash::of(b"leaf"), 2, 0));
        assert_ne!(link, next_in_chain(&Hash::ZERO, &Hash::of(b"leaf"), 1, 1));
    }
}
