//! The signing keys of a gateway: what signs identities, what signs the record's heads, and what signs access tokens.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cedargate_assertion::{KeyError, KeyId, SigningKeys};
use cedargate_model::Micros;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Serialize;
use zeroize::Zeroizing;

use super::seal::{self, SealError};
use super::{MasterKey, StoreVault};
use crate::files;

/// What a key is for. Each signs nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Signs the identity assertions that services trust.
    Identity,
    /// Signs the heads of the audit log.
    Audit,
    /// Signs the access tokens that programs show at the door.
    Token,
}

/// Locked (`flock`) by the process that changes the keys.
const LOCK_FILE: &str = "lock";

/// How a public key ends as PEM (RFC 7468 §13).
const PUBLIC_KEY_END: &str = "-----END PUBLIC KEY-----";

/// How it begins.
const PUBLIC_KEY_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";

/// A directory of sealed keys.
#[derive(Clone)]
pub(crate) struct KeyRing {
    dir: PathBuf,
    master: MasterKey,
}

/// One key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) purpose: Purpose,
    /// The key's name, as heads and assertions carry it.
    pub(crate) id: String,
    /// Whether it signs, or is only still published.
    pub(crate) signs: bool,
}

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRingError {
    #[error("there is no key `{}`; make the keys with `cedargate keys init`", .0.display())]
    Missing(PathBuf),
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the key `{}` cannot be opened", path.display())]
    Seal {
        path: PathBuf,
        #[source]
        source: SealError,
    },
    #[error("the identity key is unusable")]
    Identity(#[from] KeyError),
    #[error("the token key is unusable")]
    Token(#[source] KeyError),
    #[error("the audit key in `{}` is not an Ed25519 key in PKCS#8", .0.display())]
    Audit(PathBuf),
    #[error("the audit log's former keys verify what they signed: none is withdrawn")]
    AuditKept,
    #[error("the operating system gave no random bytes")]
    RandomUnavailable(#[source] getrandom::Error),
}

impl Purpose {
    pub(crate) const ALL: [Self; 3] = [Self::Identity, Self::Audit, Self::Token];

    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Audit => "audit",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KeyRingError {
    /// Whether the operator has to do something other than mend a disk.
    pub(crate) fn is_mistake(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::RandomUnavailable(_))
    }
}

impl KeyRing {
    pub(crate) fn new(dir: impl Into<PathBuf>, master: MasterKey) -> Self {
        Self { dir: dir.into(), master }
    }

    /// Seals secrets for the store, under the same master key.
    pub(crate) fn vault(&self) -> StoreVault {
        StoreVault(self.master.clone())
    }

    /// Makes the keys that are missing and opens the ones that are there. Says which it made.
    pub(crate) fn init(&self) -> Result<Vec<Listed>, KeyRingError> {
        files::make_private_directory(&self.dir).map_err(self.io("make the directory", &self.dir))?;
        let missing = || Purpose::ALL.into_iter().filter(|purpose| !self.path(*purpose).exists());
        let mut made = Vec::new();
        // Keys that are there may stand where nobody can write.
        if missing().next().is_some() {
            let _lock = self.lock()?;
            // Looked at again: somebody else may have made them meanwhile.
            made = missing().map(|purpose| self.draw(purpose)).collect::<Result<_, _>>()?;
        }
        // A key that is there and opens under another master key would only be noticed at the next start.
        self.list()?;
        Ok(made)
    }

    /// Replaces a key by a new one. The former identity key stays published, and the public halves of all former audit
    /// keys are kept: who verifies the record must not have to ask the record for them.
    pub(crate) fn rotate(&self, purpose: Purpose, now: Micros) -> Result<Listed, KeyRingError> {
        if !self.path(purpose).exists() {
            return Err(KeyRingError::Missing(self.path(purpose)));
        }
        let _lock = self.lock()?;
        match purpose {
            Purpose::Identity => self.keep_signing(purpose, &self.identity()?.rotate(now)?),
            Purpose::Token => self.keep_signing(purpose, &self.token()?.rotate(now)?),
            Purpose::Audit => {
                let (key, former) = self.audit_keys()?;
                self.draw_audit(&[&[key.verifying_key()], former.as_slice()].concat())
            }
        }
    }

    /// Has a former key verify nothing any more, at once. The record's former keys verify what they signed for ever.
    pub(crate) fn withdraw(&self, purpose: Purpose, key: KeyId) -> Result<Vec<Listed>, KeyRingError> {
        let _lock = self.lock()?;
        let keys = match purpose {
            Purpose::Identity => self.identity()?,
            Purpose::Token => self.token()?,
            Purpose::Audit => return Err(KeyRingError::AuditKept),
        };
        let left = keys.withdraw(key)?;
        self.keep_signing(purpose, &left)?;
        Ok(named(purpose, &left))
    }

    /// What signs identities.
    pub(crate) fn identity(&self) -> Result<SigningKeys, KeyRingError> {
        Ok(SigningKeys::from_pem(&self.open(Purpose::Identity)?)?)
    }

    /// What signs access tokens.
    pub(crate) fn token(&self) -> Result<SigningKeys, KeyRingError> {
        SigningKeys::from_pem(&self.open(Purpose::Token)?).map_err(KeyRingError::Token)
    }

    /// What signs the record's heads.
    pub(crate) fn audit(&self) -> Result<SigningKey, KeyRingError> {
        Ok(self.audit_keys()?.0)
    }

    /// The public keys of the record: the one that signs now, and those that signed before, the last one first.
    pub(crate) fn audit_publics(&self) -> Result<Vec<VerifyingKey>, KeyRingError> {
        let (key, former) = self.audit_keys()?;
        Ok(std::iter::once(key.verifying_key()).chain(former).collect())
    }

    /// What signs the record's heads, and what signed them before, the last one first.
    fn audit_keys(&self) -> Result<(SigningKey, Vec<VerifyingKey>), KeyRingError> {
        let text = self.open(Purpose::Audit)?;
        let (secret, former) = text.split_at_checked(text.find(PUBLIC_KEY_BEGIN).unwrap_or(text.len())).unzip();
        let key = secret.and_then(|secret| SigningKey::from_pkcs8_pem(secret).ok());
        key.zip(former.and_then(public_keys)).ok_or_else(|| KeyRingError::Audit(self.path(Purpose::Audit)))
    }

    /// Every key by name.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, KeyRingError> {
        let (identity, (audit, former)) = (self.identity()?, self.audit_keys()?);
        let mut listed = named(Purpose::Identity, &identity);
        listed.push(Listed { purpose: Purpose::Audit, id: audit_key_id(&audit.verifying_key()), signs: true });
        let former = former.iter().map(|key| Listed { purpose: Purpose::Audit, id: audit_key_id(key), signs: false });
        listed.extend(former);
        listed.extend(named(Purpose::Token, &self.token()?));
        Ok(listed)
    }

    /// The public half: a JSON Web Key Set for identities, PEM for the record. `all` gives the former keys of the record,
    /// too, the last one first; the set for identities always has what still verifies.
    pub(crate) fn public(&self, purpose: Purpose, all: bool) -> Result<String, KeyRingError> {
        match purpose {
            Purpose::Identity => Ok(self.identity()?.jwks().to_json() + "\n"),
            // Nobody but the gateway is to believe a token; this is for looking at one by hand.
            Purpose::Token => Ok(self.token()?.jwks().to_json() + "\n"),
            Purpose::Audit => {
                let (key, former) = self.audit_keys()?;
                let former = former.iter().filter(|_| all).copied();
                self.public_pem(&std::iter::once(key.verifying_key()).chain(former).collect::<Vec<_>>())
            }
        }
    }

    /// What tells whether a key's file has changed; none where it cannot be told.
    pub(crate) fn metadata(&self, purpose: Purpose) -> Option<fs::Metadata> {
        fs::metadata(self.path(purpose)).ok()
    }

    /// Keeps the keys from others who would change them, until it is dropped. Without it, of two rotations at once one
    /// would be gone: its key would have signed and be published nowhere.
    fn lock(&self) -> Result<File, KeyRingError> {
        let path = self.dir.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        file.and_then(|file| file.lock().map(|()| file)).map_err(self.io("lock", &path))
    }

    /// A first key.
    fn draw(&self, purpose: Purpose) -> Result<Listed, KeyRingError> {
        match purpose {
            Purpose::Identity | Purpose::Token => self.keep_signing(purpose, &SigningKeys::generate()?),
            Purpose::Audit => self.draw_audit(&[]),
        }
    }

    fn keep_signing(&self, purpose: Purpose, keys: &SigningKeys) -> Result<Listed, KeyRingError> {
        self.keep(purpose, keys.kid().to_string(), &keys.to_pem()?)
    }

    fn draw_audit(&self, former: &[VerifyingKey]) -> Result<Listed, KeyRingError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(KeyRingError::RandomUnavailable)?;
        let key = SigningKey::from_bytes(&seed);
        let unusable = |_| KeyRingError::Audit(self.path(Purpose::Audit));
        let secret = key.to_pkcs8_pem(LineEnding::LF).map_err(unusable)?;
        // In memory of its own size: a text that grows leaves what it was behind.
        let text = Zeroizing::new([secret.as_str(), &self.public_pem(former)?].concat());
        self.keep(Purpose::Audit, audit_key_id(&key.verifying_key()), &text)
    }

    fn public_pem(&self, keys: &[VerifyingKey]) -> Result<String, KeyRingError> {
        let pem = keys.iter().map(|key| key.to_public_key_pem(LineEnding::LF)).collect::<Result<_, _>>();
        pem.map_err(|_| KeyRingError::Audit(self.path(Purpose::Audit)))
    }

    /// Puts a key in the place of the one before it.
    fn keep(&self, purpose: Purpose, id: String, text: &str) -> Result<Listed, KeyRingError> {
        let path = self.path(purpose);
        let sealed = seal::seal(&self.master, purpose.name(), text)
            .map_err(|source| KeyRingError::Seal { path: path.clone(), source })?;
        files::replace(&path, sealed.as_bytes(), 0o600).map_err(self.io("write", &path))?;
        Ok(Listed { purpose, id, signs: true })
    }

    fn open(&self, purpose: Purpose) -> Result<Zeroizing<String>, KeyRingError> {
        let path = self.path(purpose);
        let file = match fs::read_to_string(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyRingError::Missing(path)),
            Err(error) => return Err(self.io("read", &path)(error)),
        };
        seal::open(&self.master, purpose.name(), &file).map_err(|source| KeyRingError::Seal { path, source })
    }

    fn path(&self, purpose: Purpose) -> PathBuf {
        self.dir.join(format!("{purpose}.sealed"))
    }

    fn io(&self, doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyRingError + use<> {
        let path = path.to_owned();
        move |source| KeyRingError::Io { doing, path, source }
    }
}

/// The key that signs, and those before it that still verify.
fn named(purpose: Purpose, keys: &SigningKeys) -> Vec<Listed> {
    let older = keys.older().map(|kid| Listed { purpose, id: kid.to_string(), signs: false });
    std::iter::once(Listed { purpose, id: keys.kid().to_string(), signs: true }).chain(older).collect()
}

/// Ed25519 public keys, one PEM text after another; none where one of them is no such key. Lines before a key explain it
/// (RFC 7468 §5.2) and are passed over.
pub(crate) fn public_keys(text: &str) -> Option<Vec<VerifyingKey>> {
    let texts = text.split_inclusive(PUBLIC_KEY_END).map(str::trim).filter(|text| !text.is_empty());
    texts.map(|text| VerifyingKey::from_public_key_pem(text).ok()).collect()
}

/// The name by which the record knows a key.
fn audit_key_id(key: &VerifyingKey) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(key.as_bytes()).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Micros = Micros(1_790_000_000_000_000);

    fn ring(dir: &Path) -> KeyRing {
        KeyRing::new(dir.join("keys"), MasterKey::parse(&"0123456789abcdef".repeat(4)).unwrap())
    }

    #[test]
    fn keys_survive_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let made = ring(dir.path()).init().unwrap();
        assert_eq!(made.iter().map(|key| key.purpose).collect::<Vec<_>>(), Purpose::ALL);
        assert_eq!(ring(dir.path()).list().unwrap(), made);
        for purpose in Purpose::ALL {
            let mode = fs::metadata(ring(dir.path()).path(purpose)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(ring(dir.path()).init().unwrap(), [], "a second time makes nothing");
        assert_eq!(ring(dir.path()).list().unwrap(), made);
    }

    #[test]
    fn a_rotated_identity_key_stays_published_and_signs_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let made = ring(dir.path()).init().unwrap();
        let fresh = ring(dir.path()).rotate(Purpose::Identity, NOW).unwrap();
        assert_ne!(fresh.id, made[0].id);
        let listed = ring(dir.path()).list().unwrap();
        assert_eq!(listed[0], fresh);
        assert_eq!(listed[1], Listed { signs: false, ..made[0].clone() });
        let jwks = ring(dir.path()).public(Purpose::Identity, false).unwrap();
        assert!(jwks.contains(&fresh.id) && jwks.contains(&made[0].id), "{jwks}");
    }

    #[test]
    fn a_rotated_token_key_still_verifies_and_signs_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let made = ring(dir.path()).init().unwrap();
        let fresh = ring(dir.path()).rotate(Purpose::Token, NOW).unwrap();
        let listed = ring(dir.path()).list().unwrap();
        assert_eq!(listed[..2], made[..2], "the others are as they were");
        assert_eq!(listed[2..], [fresh.clone(), Listed { signs: false, ..made[2].clone() }]);
        assert_eq!(ring(dir.path()).token().unwrap().kid().to_string(), fresh.id);
        assert_ne!(ring(dir.path()).identity().unwrap().kid().to_string(), fresh.id);
    }

    #[test]
    fn a_withdrawn_key_is_gone_and_the_one_that_signs_stays() {
        let dir = tempfile::tempdir().unwrap();
        let made = ring(dir.path()).init().unwrap();
        let fresh = ring(dir.path()).rotate(Purpose::Token, NOW).unwrap();
        let keys = ring(dir.path()).token().unwrap();
        let former = keys.older().next().unwrap();
        assert_eq!(keys.retired_at(former), Some(NOW), "the file says since when");
        assert!(ring(dir.path()).withdraw(Purpose::Token, keys.kid()).is_err());
        assert!(ring(dir.path()).withdraw(Purpose::Audit, former).is_err());
        assert!(ring(dir.path()).withdraw(Purpose::Identity, former).is_err(), "it is another purpose's");
        assert_eq!(ring(dir.path()).withdraw(Purpose::Token, former).unwrap(), std::slice::from_ref(&fresh));
        assert_eq!(ring(dir.path()).list().unwrap(), [&made[..2], &[fresh]].concat());
    }

    #[test]
    fn a_rotated_audit_key_signs_no_more_and_its_public_half_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = ring(dir.path()).init().unwrap().remove(1);
        let second = ring(dir.path()).rotate(Purpose::Audit, NOW).unwrap();
        let third = ring(dir.path()).rotate(Purpose::Audit, NOW).unwrap();
        let exported = |all| {
            let keys = public_keys(&ring(dir.path()).public(Purpose::Audit, all).unwrap()).unwrap();
            keys.iter().map(audit_key_id).collect::<Vec<_>>()
        };
        assert_eq!(exported(false), [third.id.as_str()]);
        assert_eq!(exported(true), [third.id.as_str(), &second.id, &first.id]);
        let former = |key| Listed { signs: false, ..key };
        assert_eq!(ring(dir.path()).list().unwrap()[1..4], [third, former(second), former(first)]);
    }

    #[test]
    fn of_changes_at_once_none_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let at_once = |change: &(dyn Fn() -> Vec<Listed> + Sync)| {
            std::thread::scope(|threads| {
                let running: Vec<_> = (0..8).map(|_| threads.spawn(change)).collect();
                running.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            })
        };
        let first = at_once(&|| ring(dir.path()).init().unwrap());
        assert_eq!(first.len(), Purpose::ALL.len(), "each is made once");
        let made = at_once(&|| (0..4).map(|_| ring(dir.path()).rotate(Purpose::Audit, NOW).unwrap()).collect());
        let listed = ring(dir.path()).list().unwrap();
        let ids: Vec<_> = listed.iter().map(|key| &key.id).collect();
        assert!(first.iter().chain(&made).all(|key| ids.contains(&&key.id)), "{listed:?}");
    }

    #[test]
    fn public_keys_are_all_read_or_none() {
        let dir = tempfile::tempdir().unwrap();
        ring(dir.path()).init().unwrap();
        let pem = ring(dir.path()).public(Purpose::Audit, true).unwrap();
        assert_eq!(public_keys(&format!("\n{pem}\n{pem}")).unwrap().len(), 2);
        for text in
            [format!("{pem}x"), format!("x{pem}"), format!("{pem}{}", pem.replace('=', "")), pem[..90].to_owned()]
        {
            assert_eq!(public_keys(&text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_key_says_how_to_make_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = ring(dir.path()).identity().unwrap_err();
        assert!(error.to_string().contains("`cedargate keys init`"), "{error}");
        assert!(ring(dir.path()).rotate(Purpose::Audit, NOW).is_err(), "there is nothing to rotate");
    }

    #[test]
    fn files_that_were_exchanged_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        ring(dir.path()).init().unwrap();
        let ring = ring(dir.path());
        fs::copy(ring.path(Purpose::Identity), ring.path(Purpose::Audit)).unwrap();
        assert!(matches!(ring.audit(), Err(KeyRingError::Seal { .. })));
    }
}
