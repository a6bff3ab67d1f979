//! What an archive says of itself: its checkpoints, and how far each spool has come. Replacing this one file is what
//! makes a sealing count.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use cedargate_model::TenantName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::checkpoint::{Checkpoint, UnverifiedCheckpoint};
use crate::broken::{Break, Broken};
use crate::format::hash::Hash;

/// The file's name.
pub(crate) const STATE_FILE: &str = "archive.json";

/// The file's version.
const VERSION: u16 = 1;

/// An archive's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Where only one tenant's entries are here: whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) export_of: Option<TenantName>,
    /// The installation's signed checkpoint.
    pub(crate) checkpoint: String,
    /// The signed checkpoint of each tenant's tree.
    pub(crate) tenants: BTreeMap<TenantName, String>,
    /// How far the spool of each gateway is sealed.
    pub(crate) sources: BTreeMap<String, Cursor>,
}

/// How far a spool is sealed: the last sealed entry, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    pub(crate) boot: u64,
    pub(crate) segment: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: Hash,
    /// The chain's value before it.
    pub(crate) joins: Hash,
    /// Where its line begins in its segment.
    pub(crate) offset: u64,
    /// Its line's number.
    pub(crate) line: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    v: u16,
    /// The SHA-256 of the state's octets: a damaged file is noticed before it is believed. It is no signature.
    sum: Hash,
    #[serde(borrow)]
    state: &'a RawValue,
}

impl State {
    /// Reads the state; none where there is no archive.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Broken> {
        let text = match fs::read(dir.join(STATE_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Broken::unreadable(STATE_FILE, &error)),
        };
        let changed = || Broken::new(STATE_FILE, Break::CheckpointInvalid, "it is not what was written");
        let file: File<'_> = serde_json::from_slice(&text).map_err(|_| changed())?;
        if file.v != VERSION {
            let detail = format_args!("its version is {}, and this program knows {VERSION}", file.v);
            return Err(Broken::new(STATE_FILE, Break::CheckpointInvalid, detail));
        }
        let state: Self = serde_json::from_str(file.state.get()).map_err(|_| changed())?;
        // One spelling, so that nothing in the file is neither covered by the sum nor fixed.
        if Hash::of(file.state.get().as_bytes()) != file.sum || state.to_file().map_err(|_| changed())? != text {
            return Err(changed());
        }
        Ok(Some(state))
    }

    /// The file's octets.
    pub(crate) fn to_file(&self) -> serde_json::Result<Vec<u8>> {
        let state = serde_json::value::to_raw_value(self)?;
        let mut text = serde_json::to_vec(&File { v: VERSION, sum: Hash::of(state.get().as_bytes()), state: &state })?;
        text.push(b'\n');
        Ok(text)
    }

    /// What the installation's checkpoint says; not verified.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, Broken> {
        read_note("checkpoint", &self.checkpoint)
    }

    /// What the checkpoint of a tenant's tree says; not verified. None where it has no entries yet.
    pub(crate) fn checkpoint_of(&self, tenant: &TenantName) -> Result<Option<Checkpoint>, Broken> {
        self.tenants.get(tenant).map(|note| read_note(&format!("{}/checkpoint", tenant_dir(tenant)), note)).transpose()
    }
}

/// The folder of a tenant's tree.
pub(crate) fn tenant_dir(tenant: &TenantName) -> String {
    format!("tenants/{tenant}")
}

/// Where a tree's checkpoint is served: a tenant's, or the installation's.
pub(crate) fn served_path(tenant: Option<&TenantName>) -> String {
    tenant.map_or_else(|| "checkpoint".into(), |tenant| format!("{}/checkpoint", tenant_dir(tenant)))
}

/// More is served than the state has, which is replaced before: somebody put an earlier state in its place.
pub(crate) fn set_back(path: &str, served: u64, now: u64) -> Broken {
    let detail = format_args!("it has {served} entries, and the archive's state has {now}: it was set back");
    Broken::new(path, Break::NotAppendOnly, detail)
}

/// The origin of a tenant's tree.
pub(crate) fn tenant_origin(origin: &str, tenant: &TenantName) -> String {
    format!("{origin}/tenants/{tenant}")
}

fn read_note(path: &str, note: &str) -> Result<Checkpoint, Broken> {
    let parsed = UnverifiedCheckpoint::parse(note).map(|note| note.danger_unverified().clone());
    parsed.ok_or_else(|| Broken::new(path, Break::CheckpointInvalid, "this is not a checkpoint"))
}
