//! The master key, and the keys that are sealed under it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::mistake::{Noted, Whence};
use super::section::Section;
use crate::keys::MasterKey;

pub(crate) const TABLE: Table = Table {
    header: "[secrets]",
    about: "The master key, which seals the signing keys at rest. Without one nothing starts. `CEDARGATE_MASTER_KEY` goes \
            before the file. Make one with `openssl rand -base64 32`.",
    keys: &[MASTER_KEY_FILE, KEYS_DIR],
};

const MASTER_KEY_FILE: Key = Key {
    name: "master_key_file",
    shape: Shape::Path,
    fallback: Fallback::Words("`CEDARGATE_MASTER_KEY` must be set"),
    environment: None,
    about: "A file with the master key: 32 octets, as 64 hexadecimal digits or in base64. Nobody but its owner may read \
            it (mode 0600 or 0400).",
};
const KEYS_DIR: Key = Key {
    name: "keys_dir",
    shape: Shape::Path,
    fallback: Fallback::Words("`keys` in `store.state_dir`"),
    environment: None,
    about: "Where the sealed signing keys are: `identity.sealed` and `audit.sealed`, made by `cedargate keys init`.",
};

/// More than any spelling of 32 octets takes, and than headers with a token do.
const PRIVATE_FILE_BYTES_MAX: u64 = 16 * 1024;

/// `[secrets]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    pub(crate) keys_dir: PathBuf,
}

/// Whether a command works with sealed keys: only then a missing master key is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MasterKeyUse {
    Needed,
    Unused,
}

impl Secrets {
    /// `state_dir` is none where it has a mistake of its own. The key is none only where it is not used.
    pub(crate) fn read(
        mut section: Section<'_, '_>,
        state_dir: Option<&Path>,
        wanted: MasterKeyUse,
    ) -> Result<(Self, Option<MasterKey>), Noted> {
        let master_key = master_key(&mut section, wanted);
        let keys_dir = section.optional_path(&KEYS_DIR);
        section.finish();
        let keys_dir = keys_dir?.or_else(|| state_dir.map(|dir| dir.join("keys"))).ok_or(Noted);
        Ok((Self { keys_dir: keys_dir? }, master_key?))
    }
}

fn master_key(section: &mut Section<'_, '_>, wanted: MasterKeyUse) -> Result<Option<MasterKey>, Noted> {
    let document = section.document;
    let in_environment = document.environment.get(environment::MASTER_KEY);
    let reads_file = wanted == MasterKeyUse::Needed && in_environment.is_none();
    let in_file = section.optional_text(&MASTER_KEY_FILE, |path| match reads_file {
        true => read_master_key(&document.resolve(path)).map(Some),
        false => Ok(None),
    })?;
    match (wanted, in_environment, in_file.flatten()) {
        (MasterKeyUse::Unused, ..) => Ok(None),
        (MasterKeyUse::Needed, Some(text), _) => MasterKey::parse(text).map(Some).map_err(|error| {
            let whence = Whence::Environment { environment: environment::MASTER_KEY };
            document.note(whence, "", error.to_string())
        }),
        (MasterKeyUse::Needed, None, Some(key)) => Ok(Some(key)),
        (MasterKeyUse::Needed, None, None) => {
            let hint = "there is no master key; make one with `openssl rand -base64 32`, and set CEDARGATE_MASTER_KEY to it or \
                        name a file that holds it";
            Err(section.complain(&MASTER_KEY_FILE, hint))
        }
    }
}

fn read_master_key(path: &Path) -> Result<MasterKey, String> {
    let text = read_private(path)?;
    MasterKey::parse(&text).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// Reads a small file that nobody else may read.
pub(in crate::config) fn read_private(path: &Path) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
    let file = fs::File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("others may read `{0}` (mode {mode:04o}); run `chmod 600 {0}`", path.display()));
    }
    let bytes_max = PRIVATE_FILE_BYTES_MAX;
    // Room for all of it from the start, so that no copy is left behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(bytes_max).unwrap_or_default()));
    file.take(bytes_max).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}
