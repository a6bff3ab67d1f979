//! The gateway's signing keys: one that signs, and a few older ones that are still published.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_model::Micros;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Jwks, KeyId};

/// How many older public keys stay published. Rotating further withdraws the oldest.
pub const OLDER_KEYS_MAX: usize = 3;

/// The key that signs assertions, and older keys whose assertions still verify.
///
/// Its text form is PEM: one PKCS#8 `PRIVATE KEY` (RFC 8410), then a `PUBLIC KEY` for each older key, newest first, behind a line
/// that says in seconds since 1970 when it ceased to sign. The private half of an older key is gone for good. `Debug` shows names
/// only, and the key is wiped on drop.
#[derive(Clone)]
pub struct SigningKeys {
    current: SigningKey,
    kid: KeyId,
    older: Vec<OlderKey>,
}

/// A key that signs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OlderKey {
    key: VerifyingKey,
    /// When it ceased to sign, in whole seconds; none where nobody wrote it down.
    retired_at: Option<Micros>,
}

/// What stands before the time at which an older key ceased to sign.
const RETIRED: &str = "Retired: ";

/// Why there are no signing keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The machine gave no randomness.
    #[error("the operating system gave no random bytes")]
    RandomUnavailable(#[source] getrandom::Error),
    /// The text is not a row of PEM blocks.
    #[error("the key file is not PEM: block {block} is {problem}")]
    NotPem {
        /// Which block, counted from 1.
        block: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The first block is not a private key.
    #[error("the key file does not begin with an Ed25519 `PRIVATE KEY` block; make one with `cedargate keys generate`")]
    PrivateKeyMissing,
    /// A private key that is not Ed25519 in PKCS#8.
    #[error("the private key is not an Ed25519 key in PKCS#8")]
    PrivateKeyInvalid,
    /// One of the older keys is no Ed25519 public key, or is repeated.
    #[error("block {block} of the key file is not an Ed25519 `PUBLIC KEY`, or repeats another")]
    PublicKeyInvalid {
        /// Which block, counted from 1.
        block: usize,
    },
    /// More older keys than are ever kept.
    #[error("the key file holds more than {OLDER_KEYS_MAX} older keys")]
    TooManyKeys,
    /// A key could not be written as PEM.
    #[error("the key could not be encoded")]
    Encoding,
    /// The key to withdraw signs, or is not here.
    #[error("key `{0}` is not an older key")]
    NotAnOlderKey(KeyId),
}

impl SigningKeys {
    /// Draws a new key from the operating system.
    ///
    /// # Errors
    /// `RandomUnavailable` if it has no randomness to give.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(KeyError::RandomUnavailable)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a seed (RFC 8032 §5.1.5). For tests and worked examples; elsewhere the seed must be secret and random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(SigningKey::from_bytes(seed), Vec::new())
    }

    /// Reads what [`SigningKeys::to_pem`] wrote, or a bare PKCS#8 private key made by another tool.
    ///
    /// # Errors
    /// Names the block that is wrong; never quotes it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let mut blocks = pem_blocks(text)?.into_iter();
        let current = match blocks.next() {
            Some(PemBlock::Private(der)) => {
                SigningKey::from_pkcs8_der(&der).map_err(|_| KeyError::PrivateKeyInvalid)?
            }
            Some(PemBlock::Public { .. }) | None => return Err(KeyError::PrivateKeyMissing),
        };
        let mut keys = Self::new(current, Vec::new());
        for (index, block) in blocks.enumerate() {
            let invalid = || KeyError::PublicKeyInvalid { block: index + 2 };
            let PemBlock::Public { der, retired_at } = block else { return Err(invalid()) };
            let key = VerifyingKey::from_public_key_der(&der).map_err(|_| invalid())?;
            if key.is_weak() || keys.publishes(KeyId::of(&key)) {
                return Err(invalid());
            }
            if keys.older.len() == OLDER_KEYS_MAX {
                return Err(KeyError::TooManyKeys);
            }
            keys.older.push(OlderKey { key, retired_at });
        }
        Ok(keys)
    }

    /// The text to store: secret, since it holds the private key.
    ///
    /// # Errors
    /// `Encoding`, which would be a defect of the encoder.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let mut text = self.current.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Encoding)?;
        for older in &self.older {
            let block = older.key.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Encoding)?;
            let retired = older.retired_at.map(|at| format!("{RETIRED}{}\n", at.epoch_seconds())).unwrap_or_default();
            let mut longer = Zeroizing::new(String::with_capacity(text.len() + retired.len() + block.len()));
            longer.push_str(&text);
            longer.push_str(&retired);
            longer.push_str(&block);
            text = longer;
        }
        Ok(text)
    }

    /// A new key that signs from now on; the former one stays published until withdrawn or pushed out.
    ///
    /// # Errors
    /// `RandomUnavailable` if the operating system has no randomness to give.
    pub fn rotate(&self, now: Micros) -> Result<Self, KeyError> {
        Ok(self.succeeded_at(Self::generate()?, now))
    }

    /// The same with a successor that the caller made.
    #[must_use]
    pub fn succeeded_at(&self, successor: Self, now: Micros) -> Self {
        self.succeeded(successor, Some(Micros(now.epoch_seconds().saturating_mul(1_000_000))))
    }

    /// The same where nobody knows since when.
    #[must_use]
    pub fn succeeded_by(&self, successor: Self) -> Self {
        self.succeeded(successor, None)
    }

    fn succeeded(&self, successor: Self, retired_at: Option<Micros>) -> Self {
        let mut older = vec![OlderKey { key: self.current.verifying_key(), retired_at }];
        older.extend(self.older.iter().take(OLDER_KEYS_MAX - 1));
        Self::new(successor.current, older)
    }

    /// Stops publishing an older key: its assertions verify nowhere once the services have the new key set.
    ///
    /// # Errors
    /// `NotAnOlderKey` for the key that signs and for one that is not here.
    pub fn withdraw(&self, kid: KeyId) -> Result<Self, KeyError> {
        let older: Vec<_> = self.older.iter().filter(|older| KeyId::of(&older.key) != kid).copied().collect();
        if older.len() == self.older.len() {
            return Err(KeyError::NotAnOlderKey(kid));
        }
        Ok(Self::new(self.current.clone(), older))
    }

    /// The name of the key that signs.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The names of the older keys, newest first.
    pub fn older(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.older.iter().map(|older| KeyId::of(&older.key))
    }

    /// When an older key ceased to sign, in whole seconds; none for the key that signs, one that is not here, and one of which
    /// nobody knows.
    pub fn retired_at(&self, kid: KeyId) -> Option<Micros> {
        self.older.iter().find(|older| KeyId::of(&older.key) == kid)?.retired_at
    }

    /// The key set to publish: every public key, none of the private one.
    pub fn jwks(&self) -> Jwks {
        Jwks::of(std::iter::once(self.current.verifying_key()).chain(self.older.iter().map(|older| older.key)))
    }

    /// Signs `message` with the current key.
    ///
    /// # Security
    /// Keys that sign assertions sign nothing else. This is for other keys of the same kind: a gateway has some of its own for
    /// access tokens.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.current.sign(message).to_bytes()
    }

    fn new(current: SigningKey, older: Vec<OlderKey>) -> Self {
        let kid = KeyId::of(&current.verifying_key());
        Self { current, kid, older }
    }

    fn publishes(&self, kid: KeyId) -> bool {
        self.kid == kid || self.older().any(|older| older == kid)
    }
}

impl PartialEq for SigningKeys {
    /// By names and times: a key's name is a hash of it.
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid && self.older == other.older
    }
}

impl Eq for SigningKeys {}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let older: Vec<_> = self.older().collect();
        f.debug_struct("SigningKeys").field("kid", &self.kid).field("older", &older).finish_non_exhaustive()
    }
}

/// One block of a key file, by its label.
enum PemBlock {
    Private(Zeroizing<Vec<u8>>),
    Public { der: Vec<u8>, retired_at: Option<Micros> },
}

/// Splits a key file into its blocks (RFC 7468 §2), without text around them but for a time before a public key. The `pem` modules at
/// hand read one block.
fn pem_blocks(text: &str) -> Result<Vec<PemBlock>, KeyError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    while let Some(mut begin) = lines.next() {
        let fail = |problem| KeyError::NotPem { block: blocks.len() + 1, problem };
        let mut retired_at = None;
        if let Some(seconds) = begin.strip_prefix(RETIRED) {
            let seconds: i64 = seconds.parse().map_err(|_| fail("retired at no time"))?;
            retired_at = Some(Micros(seconds.saturating_mul(1_000_000)));
            begin = lines.next().ok_or_else(|| fail("without a BEGIN line"))?;
        }
        let label = begin.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let label = label.ok_or_else(|| fail("without a BEGIN line"))?;
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::with_capacity(256));
        loop {
            match lines.next() {
                None => return Err(fail("without an END line")),
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
            }
        }
        let mut der = STANDARD.decode(body.as_bytes()).map_err(|_| fail("not base64"))?;
        blocks.push(match label {
            "PRIVATE KEY" if retired_at.is_none() => PemBlock::Private(Zeroizing::new(der)),
            "PUBLIC KEY" => PemBlock::Public { der, retired_at },
            _ => {
                der.zeroize();
                return Err(fail("neither `PRIVATE KEY` nor `PUBLIC KEY`"));
            }
        });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seed: u8) -> SigningKeys {
        SigningKeys::from_seed(&[seed; 32])
    }

    #[test]
    fn a_key_file_that_is_not_ours_is_refused_with_its_block() {
        let private = keys(1).to_pem().unwrap();
        let public = keys(2).current.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        let certificate = public.replace("PUBLIC KEY", "CERTIFICATE");
        let rsa = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        for (text, expected) in [
            (String::new(), "does not begin with"),
            ("hello".into(), "block 1 is without a BEGIN line"),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n".into(), "block 1 is without an END line"),
            ("-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----".into(), "block 1 is not base64"),
            (rsa.into(), "not an Ed25519 key in PKCS#8"),
            (public.clone(), "does not begin with"),
            (format!("{}{certificate}", *private), "block 2 is neither"),
            (format!("{0}{0}", *private), "block 2 of the key file"),
            (format!("{}{public}{public}", *private), "block 3 of the key file"),
            (format!("Retired: 1\n{}", *private), "block 1 is neither"),
            (format!("{}Retired: soon\n{public}", *private), "block 2 is retired at no time"),
            (format!("{}Retired: 1\n", *private), "block 2 is without a BEGIN line"),
        ] {
            let error = SigningKeys::from_pem(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }

    #[test]
    fn keys_read_back_as_they_were_written() {
        let rotated = keys(1).succeeded_by(keys(2)).succeeded_at(keys(3), Micros(1_790_000_000_500_000));
        let read = SigningKeys::from_pem(&rotated.to_pem().unwrap()).unwrap();
        assert_eq!(read, rotated);
        let retired = [keys(3), keys(2), keys(1)].map(|keys| read.retired_at(keys.kid()));
        assert_eq!(retired, [None, Some(Micros(1_790_000_000_000_000)), None]);
        assert_eq!(read.kid(), keys(3).kid());
        assert_eq!(read.older().collect::<Vec<_>>(), [keys(2).kid(), keys(1).kid()]);
        assert_eq!(read.sign(b"x"), keys(3).sign(b"x"));
    }

    #[test]
    fn only_one_private_key_is_ever_written() {
        let text = keys(1).succeeded_by(keys(2)).to_pem().unwrap();
        assert_eq!(text.matches("PRIVATE KEY").count(), 2, "BEGIN and END of one block");
    }

    #[test]
    fn rotation_keeps_a_bounded_number_of_older_keys() {
        let mut current = keys(0);
        for seed in 1..10 {
            current = current.succeeded_by(keys(seed));
        }
        assert_eq!(current.older().collect::<Vec<_>>(), [keys(8).kid(), keys(7).kid(), keys(6).kid()]);
        assert_eq!(SigningKeys::from_pem(&current.to_pem().unwrap()).unwrap().older().count(), OLDER_KEYS_MAX);
    }

    #[test]
    fn the_signing_key_cannot_be_withdrawn() {
        let rotated = keys(1).succeeded_by(keys(2));
        assert!(matches!(rotated.withdraw(keys(2).kid()), Err(KeyError::NotAnOlderKey(_))));
        assert!(matches!(rotated.withdraw(keys(9).kid()), Err(KeyError::NotAnOlderKey(_))));
        assert_eq!(rotated.withdraw(keys(1).kid()).unwrap().older().count(), 0);
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", keys(1));
        assert_eq!(shown, format!("SigningKeys {{ kid: {:?}, older: [], .. }}", keys(1).kid()));
    }

    #[test]
    fn every_generated_key_is_new() {
        assert_ne!(SigningKeys::generate().unwrap().kid(), SigningKeys::generate().unwrap().kid());
    }
}
