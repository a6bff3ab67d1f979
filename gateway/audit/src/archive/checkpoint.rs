//! Checkpoints: a tree's size and root, signed as C2SP tlog-checkpoint and signed-note say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::format::hash::Hash;
use crate::format::keys::KeyId;

/// The type of an Ed25519 signature in a note.
const ED25519: u8 = 0x01;

/// The largest note that is read. With a dozen witnesses it has some two thousand octets.
pub(crate) const NOTE_BYTES_MAX: usize = 16 << 10;

/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 64;

/// What a tree was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which tree it is: a name without a scheme, such as `cedargate.example/audit`.
    pub origin: String,
    /// How many leaves it had.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A signed checkpoint as it was read: its signatures are not yet checked.
#[derive(Clone, Debug)]
pub(crate) struct UnverifiedCheckpoint {
    checkpoint: Checkpoint,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug)]
struct NoteSignature {
    name: String,
    key_hash: [u8; 4],
    octets: Vec<u8>,
}

impl Checkpoint {
    /// The text that is signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))
    }

    /// The checkpoint as a signed note. The key's name is the origin, as the specification wants it.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let hash = key_hash(&self.origin, &key.verifying_key());
        let signed = [hash.as_slice(), &key.sign(text.as_bytes()).to_bytes()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.origin, BASE64.encode(signed))
    }

    /// Reads a signed note whose origin one of these keys signed, and says which.
    ///
    /// Signatures of others, such as witnesses, are passed over.
    pub fn verify(note: &str, keys: &[VerifyingKey]) -> Option<(Self, KeyId)> {
        UnverifiedCheckpoint::parse(note)?.verify(keys)
    }
}

impl UnverifiedCheckpoint {
    /// Reads a note. Its text has one spelling, and no lines beyond the three.
    pub(crate) fn parse(note: &str) -> Option<Self> {
        if note.len() > NOTE_BYTES_MAX {
            return None;
        }
        let (text, signatures) = note.split_once("\n\n")?;
        let mut lines = text.split('\n');
        let (origin, size, root, None) = (lines.next()?, lines.next()?, lines.next()?, lines.next()) else {
            return None;
        };
        let root = BASE64.decode(root).ok().and_then(|root| root.try_into().ok()).map(Hash)?;
        let checkpoint = Checkpoint { origin: origin.into(), size: size.parse().ok()?, root };
        if !is_origin(origin) || checkpoint.text().strip_suffix('\n') != Some(text) {
            return None;
        }
        let signatures: Vec<_> =
            signatures.strip_suffix('\n')?.split('\n').map(NoteSignature::parse).collect::<Option<_>>()?;
        (signatures.len() <= SIGNATURES_MAX).then_some(Self { checkpoint, signatures })
    }

    /// What it says of itself.
    pub(crate) fn danger_unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn verify(self, keys: &[VerifyingKey]) -> Option<(Checkpoint, KeyId)> {
        let text = self.checkpoint.text();
        let by = keys.iter().find(|key| {
            let hash = key_hash(&self.checkpoint.origin, key);
            self.signatures.iter().any(|signature| {
                signature.name == self.checkpoint.origin
                    && signature.key_hash == hash
                    && Signature::from_slice(&signature.octets)
                        .is_ok_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok())
            })
        })?;
        Some((self.checkpoint, KeyId::of(by)))
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, octets) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let octets = BASE64.decode(octets).ok()?;
        let (key_hash, octets) = octets.split_first_chunk()?;
        Some(Self { name: name.into(), key_hash: *key_hash, octets: octets.into() })
    }
}

/// Whether a text can name a tree and the key that signs for it: 1 to 200 of what a URL without a scheme has.
pub fn is_origin(text: &str) -> bool {
    let inner = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-' | b'/' | b':');
    (1..=200).contains(&text.len()) && text.bytes().all(inner)
}

fn key_hash(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut sha = Sha256::new();
    sha.update(name);
    sha.update([b'\n', ED25519]);
    sha.update(key.as_bytes());
    let [a, b, c, d, ..]: [u8; 32] = sha.finalize().into();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use signed_note::{Note, StandardVerifier, VerifierList, new_ed25519_verifier_key};

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "cedargate.example/audit".into(), size: 20_852_163, root: Hash::of(b"root") }
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn another_implementation_reads_and_verifies_a_checkpoint() {
        let note = checkpoint().sign(&key());
        let read = Note::from_bytes(note.as_bytes()).unwrap();
        let verifier = new_ed25519_verifier_key(&checkpoint().origin, &key().verifying_key());
        let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&verifier).unwrap())]);
        let (verified, unverified) = read.verify(&verifiers).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));

        let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), (checkpoint().origin.as_str(), checkpoint().size));
        assert_eq!(theirs.hash().0, checkpoint().root.0);
    }

    #[test]
    fn a_checkpoint_verifies_under_its_key_alone_and_beside_others_signatures() {
        let other = SigningKey::from_bytes(&[8; 32]);
        let note = checkpoint().sign(&key());
        assert!(Checkpoint::verify(&note, &[other.verifying_key()]).is_none());
        let named = KeyId::of(&key().verifying_key());
        assert_eq!(
            Checkpoint::verify(&note, &[other.verifying_key(), key().verifying_key()]),
            Some((checkpoint(), named))
        );
        let witnessed = format!("{note}\u{2014} witness.example {}\n", BASE64.encode([9; 80]));
        assert!(Checkpoint::verify(&witnessed, &[key().verifying_key()]).is_some());
        assert!(Checkpoint::verify(&witnessed, &[other.verifying_key()]).is_none());
    }

    #[test]
    fn any_flipped_bit_of_a_checkpoint_is_noticed() {
        let note = checkpoint().sign(&key()).into_bytes();
        for bit in 0..note.len() * 8 {
            let mut flipped = note.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = std::str::from_utf8(&flipped).ok();
            assert!(read.is_none_or(|note| Checkpoint::verify(note, &[key().verifying_key()]).is_none()), "{bit}");
        }
    }
}
