//! Reading an archive: one entry, and the proof of it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use cedargate_model::{EventId, TenantName};
use serde::Serialize;

use super::bundle;
use super::checkpoint::{Checkpoint, UnverifiedCheckpoint};
use super::line::Archived;
use super::proof::ProofFile;
use super::state::{State, tenant_dir};
use crate::broken::{Break, Broken};
use crate::tree::proof::{consistency, inclusion};
use crate::tree::tile::{TILE_WIDTH, Tiles};

/// The ids of all entries, 16 octets each, in order. A guide and no part of the proof: what it leads to is looked at.
pub(crate) const IDS_FILE: &str = "ids";

/// An archive as it stood when this was opened; also while it is being appended to.
pub struct ArchiveReader {
    pub(super) dir: PathBuf,
    pub(super) state: State,
    pub(super) checkpoint: Checkpoint,
}

/// Which tree a proof is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// The installation's, which has all entries.
    Installation,
    /// A tenant's, which has its own. A proof from it tells nothing of the others.
    Tenant(TenantName),
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There is no archive in the folder.
    #[error("there is no archive in `{}`", .0.display())]
    NoArchive(PathBuf),
    /// No event of that id is sealed.
    #[error("no event with the id {0} is sealed here: it may be sealed a few seconds after it was recorded")]
    NotSealed(EventId),
    /// The tree does not exist.
    #[error("tenant `{0}` has no sealed entries here")]
    NoTree(TenantName),
    /// The earlier checkpoint is not one of this tree.
    #[error("the checkpoint of `{found}` is not one of `{asked}`")]
    OtherTree {
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        asked: String,
    },
    /// The earlier checkpoint is no checkpoint, or is later than the tree.
    #[error("this is no earlier checkpoint: {0}")]
    NotEarlier(&'static str),
    /// The archive does not hold where it was read.
    #[error("the archive is broken at {0}")]
    Broken(Broken),
}

impl From<Broken> for ProveError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl ArchiveReader {
    /// Opens the archive in a folder.
    ///
    /// # Errors
    /// There is none, or what it says of itself does not hold.
    pub fn open(dir: &Path) -> Result<Self, ProveError> {
        let state = State::read(dir)?.ok_or_else(|| ProveError::NoArchive(dir.into()))?;
        let checkpoint = state.checkpoint()?;
        Ok(Self { dir: dir.into(), state, checkpoint })
    }

    /// The signed checkpoint of a tree.
    ///
    /// # Errors
    /// The tenant has none.
    pub fn checkpoint(&self, tree: &Tree) -> Result<&str, ProveError> {
        match tree {
            Tree::Installation => Ok(&self.state.checkpoint),
            Tree::Tenant(name) => {
                self.state.tenants.get(name).map(String::as_str).ok_or_else(|| ProveError::NoTree(name.clone()))
            }
        }
    }

    /// Finds the sealed event of an id: its place in the installation's tree, whose it is, and its octets.
    ///
    /// # Errors
    /// There is none, or its file does not hold.
    pub fn find(&self, id: EventId) -> Result<Found, ProveError> {
        let index = self.index_of(id)?.ok_or(ProveError::NotSealed(id))?;
        let width = (self.checkpoint.size - index / TILE_WIDTH * TILE_WIDTH).min(TILE_WIDTH);
        let (path, lines) = bundle::read(&self.dir, index / TILE_WIDTH, width)?;
        let archived =
            lines.split(|octet| *octet == b'\n').filter_map(Archived::parse).find(|line| line.index == index);
        let missing = || Broken::new(path, Break::EntryMissing, format_args!("entry {index} is not there"));
        let archived = archived.ok_or_else(missing)?;
        let belongs = archived.belongs().filter(|belongs| belongs.id == Some(id));
        let Some(belongs) = belongs else { return Err(ProveError::NotSealed(id)) };
        let Archived { tenant_index, salt, event, .. } = archived;
        Ok(Found { index, tenant: belongs.tenant.zip(tenant_index), salt, event: event.into() })
    }

    /// The proof that an event is in a tree, as the JSON that [`super::verify_proof`] takes.
    ///
    /// # Errors
    /// There is no such event or tree, or a tile does not hold.
    pub fn prove(&self, id: EventId, tree: &Tree) -> Result<String, ProveError> {
        let found = self.find(id)?;
        let index = match tree {
            Tree::Installation => found.index,
            Tree::Tenant(name) => match &found.tenant {
                Some((of, index)) if of == name => *index,
                Some(_) | None => return Err(ProveError::NotSealed(id)),
            },
        };
        let (tiles, size) = self.tiles(tree)?;
        let hashes = inclusion(&tiles, index, size)?;
        let note = self.checkpoint(tree)?.to_owned();
        let proof = ProofFile::inclusion((&found.event, &found.salt), index, hashes, note);
        Ok(written(&proof.ok_or(ProveError::NotSealed(id))?))
    }

    /// The proof that a tree begins with that of an earlier checkpoint, as JSON.
    ///
    /// # Errors
    /// It is no earlier checkpoint of this tree, or a tile does not hold.
    pub fn prove_since(&self, earlier: &str, tree: &Tree) -> Result<String, ProveError> {
        let read = UnverifiedCheckpoint::parse(earlier).ok_or(ProveError::NotEarlier("it is not well-formed"))?;
        let (from, to) = (read.danger_unverified(), self.checkpoint(tree)?);
        let asked = UnverifiedCheckpoint::parse(to).map(|to| to.danger_unverified().origin.clone()).unwrap_or_default();
        if from.origin != asked {
            return Err(ProveError::OtherTree { found: from.origin.clone(), asked });
        }
        let (tiles, size) = self.tiles(tree)?;
        if from.size > size {
            return Err(ProveError::NotEarlier("it has more entries than are sealed here"));
        }
        let hashes = consistency(&tiles, from.size, size)?;
        Ok(written(&ProofFile::consistency(earlier.to_owned(), hashes, to.to_owned())))
    }

    fn tiles(&self, tree: &Tree) -> Result<(Tiles, u64), ProveError> {
        match tree {
            Tree::Installation => Ok((Tiles::new(&self.dir, self.checkpoint.size), self.checkpoint.size)),
            Tree::Tenant(name) => {
                let size = self.state.checkpoint_of(name)?.ok_or_else(|| ProveError::NoTree(name.clone()))?.size;
                Ok((Tiles::new(&self.dir.join(tenant_dir(name)), size), size))
            }
        }
    }

    fn index_of(&self, id: EventId) -> Result<Option<u64>, Broken> {
        let unreadable = |error| Broken::unreadable(IDS_FILE, &error);
        let file = match File::open(self.dir.join(IDS_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut ids = BufReader::with_capacity(1 << 20, file);
        let mut block = vec![0; 1 << 20];
        let (wanted, mut first) = (id.0.into_bytes(), 0_u64);
        loop {
            let read = fill(&mut ids, &mut block).map_err(unreadable)?;
            let part = block.get(..read).unwrap_or_default();
            if let Some(at) = part.as_chunks::<16>().0.iter().position(|id| *id == wanted) {
                let index = first + u64::try_from(at).unwrap_or(u64::MAX);
                return Ok((index < self.checkpoint.size).then_some(index));
            }
            if read < block.len() {
                return Ok(None);
            }
            first += u64::try_from(read / 16).unwrap_or(u64::MAX);
        }
    }
}

/// A sealed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place in the installation's tree.
    pub index: u64,
    /// Whose it is, and its place in that tree.
    pub tenant: Option<(TenantName, u64)>,
    /// The salt of its leaf hash.
    pub salt: [u8; 16],
    /// The event's octets, as they were recorded.
    pub event: Vec<u8>,
}

fn written(proof: &impl Serialize) -> String {
    // Strings, numbers and octets that were JSON before cannot fail to be.
    serde_json::to_string(proof).unwrap_or_default()
}

/// Reads as much as there is room for.
fn fill(from: &mut impl io::Read, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(room) = into.get_mut(read..).filter(|room| !room.is_empty()) {
        match from.read(room)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
