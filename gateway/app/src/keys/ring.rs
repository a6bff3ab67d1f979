//! The signing keys of a gateway: what signs identities, and what signs the record's heads.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cedargate_assertion::{KeyError, SigningKeys};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Serialize;
use zeroize::Zeroizing;

use super::MasterKey;
use super::seal::{self, SealError};
use crate::files;

/// What a key is for. Each signs nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Signs the identity assertions that services trust.
    Identity,
    /// Signs the heads of the audit log.
    Audit,
}

/// A directory of sealed keys.
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
    #[error("the audit key in `{}` is not an Ed25519 key in PKCS#8", .0.display())]
    Audit(PathBuf),
    #[error("the operating system gave no random bytes")]
    RandomUnavailable(#[source] getrandom::Error),
}

impl Purpose {
    pub(crate) const ALL: [Self; 2] = [Self::Identity, Self::Audit];

    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Audit => "audit",
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

    /// Makes the keys that are missing and opens the ones that are there. Says which it made.
    pub(crate) fn init(&self) -> Result<Vec<Listed>, KeyRingError> {
        files::make_private_directory(&self.dir).map_err(self.io("make the directory", &self.dir))?;
        let missing: Vec<_> = Purpose::ALL.into_iter().filter(|purpose| !self.path(*purpose).exists()).collect();
        let made = missing.into_iter().map(|purpose| self.draw(purpose, None)).collect::<Result<_, _>>()?;
        // A key that is there and opens under another master key would only be noticed at the next start.
        self.list()?;
        Ok(made)
    }

    /// Replaces a key by a new one. The former identity key stays published; the former audit key's public half stands
    /// in the record.
    pub(crate) fn rotate(&self, purpose: Purpose) -> Result<Listed, KeyRingError> {
        match purpose {
            Purpose::Identity => self.draw(purpose, Some(self.identity()?)),
            Purpose::Audit => self.audit().and_then(|_| self.draw(purpose, None)),
        }
    }

    /// What signs identities.
    pub(crate) fn identity(&self) -> Result<SigningKeys, KeyRingError> {
        Ok(SigningKeys::from_pem(&self.open(Purpose::Identity)?)?)
    }

    /// What signs the record's heads.
    pub(crate) fn audit(&self) -> Result<SigningKey, KeyRingError> {
        let pem = self.open(Purpose::Audit)?;
        SigningKey::from_pkcs8_pem(&pem).map_err(|_| KeyRingError::Audit(self.path(Purpose::Audit)))
    }

    /// Every key by name.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, KeyRingError> {
        let (identity, audit) = (self.identity()?, self.audit()?);
        let mut listed = vec![Listed { purpose: Purpose::Identity, id: identity.kid().to_string(), signs: true }];
        let older =
            identity.older().map(|kid| Listed { purpose: Purpose::Identity, id: kid.to_string(), signs: false });
        listed.extend(older);
        listed.push(Listed { purpose: Purpose::Audit, id: audit_key_id(&audit.verifying_key()), signs: true });
        Ok(listed)
    }

    /// The public half: a JSON Web Key Set for identities, PEM for the record.
    pub(crate) fn public(&self, purpose: Purpose) -> Result<String, KeyRingError> {
        match purpose {
            Purpose::Identity => Ok(self.identity()?.jwks().to_json() + "\n"),
            Purpose::Audit => {
                let pem = self.audit()?.verifying_key().to_public_key_pem(LineEnding::LF);
                pem.map_err(|_| KeyRingError::Audit(self.path(Purpose::Audit)))
            }
        }
    }

    /// When a key's file last changed; none where it cannot be told.
    pub(crate) fn changed_at(&self, purpose: Purpose) -> Option<std::time::SystemTime> {
        fs::metadata(self.path(purpose)).and_then(|metadata| metadata.modified()).ok()
    }

    fn draw(&self, purpose: Purpose, former: Option<SigningKeys>) -> Result<Listed, KeyRingError> {
        let (pem, id) = match purpose {
            Purpose::Identity => {
                let keys = match former {
                    Some(former) => former.rotate()?,
                    None => SigningKeys::generate()?,
                };
                (keys.to_pem()?, keys.kid().to_string())
            }
            Purpose::Audit => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut_slice()).map_err(KeyRingError::RandomUnavailable)?;
                let key = SigningKey::from_bytes(&seed);
                let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyRingError::Audit(self.path(purpose)))?;
                (pem, audit_key_id(&key.verifying_key()))
            }
        };
        let path = self.path(purpose);
        let sealed = seal::seal(&self.master, purpose.name(), &pem)
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

/// The name by which the record knows a key.
fn audit_key_id(key: &VerifyingKey) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(key.as_bytes()).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

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
        let fresh = ring(dir.path()).rotate(Purpose::Identity).unwrap();
        assert_ne!(fresh.id, made[0].id);
        let listed = ring(dir.path()).list().unwrap();
        assert_eq!(listed[0], fresh);
        assert_eq!(listed[1], Listed { signs: false, ..made[0].clone() });
        let jwks = ring(dir.path()).public(Purpose::Identity).unwrap();
        assert!(jwks.contains(&fresh.id) && jwks.contains(&made[0].id), "{jwks}");
    }

    #[test]
    fn a_rotated_audit_key_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let made = ring(dir.path()).init().unwrap();
        assert_ne!(ring(dir.path()).rotate(Purpose::Audit).unwrap().id, made[1].id);
        assert!(ring(dir.path()).public(Purpose::Audit).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    }

    #[test]
    fn a_missing_key_says_how_to_make_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = ring(dir.path()).identity().unwrap_err();
        assert!(error.to_string().contains("`cedargate keys init`"), "{error}");
        assert!(ring(dir.path()).rotate(Purpose::Audit).is_err(), "there is nothing to rotate");
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
