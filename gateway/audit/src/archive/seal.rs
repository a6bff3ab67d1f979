//! Sealing: appends what gateways recorded to the trees, and signs their roots.
//!
//! It works beside the gateways, on their spools' files alone. A spool is sealed up to its last signed head, because what
//! is beyond may still be given up by its writer. One file's replacement makes a sealing count: whatever a crash left
//! besides is written anew or removed at the next start.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_model::{Clock, TenantName};
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::bundle;
use super::checkpoint::{Checkpoint, NOTE_BYTES_MAX, UnverifiedCheckpoint, is_origin};
use super::files::{Files, remove};
use super::line::{Archived, Belongs, Origin, SealedUpTo, SealingMarker};
use super::reader::IDS_FILE;
use super::state::{Cursor, STATE_FILE, State, served_path, set_back, tenant_dir, tenant_origin};
use crate::bounded;
use crate::broken::{Break, Broken};
use crate::format::directory::{LOCK_FILE, SegmentName};
use crate::format::hash::{Hash, Salt};
use crate::format::keys::{KeyId, PUBLIC_KEYS_FILE, PublicKeys, public_key_line};
use crate::read::signed::{Stand, entries, last_head};
use crate::tree::edge::Edge;
use crate::tree::tile::{TILE_WIDTH, hashes_at, octets, tile_path};

/// How many entries are sealed at once. It bounds what a crash makes to be done again.
const BATCH_ENTRIES_MAX: u64 = 65_536;

/// An archive that is appended to. One at a time holds it.
pub struct Archive {
    dir: PathBuf,
    origin: String,
    key: SigningKey,
    /// What may have signed the spools' heads.
    gateways: Vec<VerifyingKey>,
    clock: Arc<dyn Clock>,
    state: State,
    trees: Trees,
    _lock: File,
}

/// What one sealing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Entries that were appended, the sealing's own included.
    pub entries: u64,
    /// How many the installation's tree has now.
    pub size: u64,
    /// Spools that could not be sealed further, and why. The others were.
    pub broken: Vec<Broken>,
}

/// Why nothing could be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The archive does not hold.
    #[error("the archive is broken at {0}")]
    Broken(Broken),
    /// Another process seals here.
    #[error("another process holds the archive `{}`", .0.display())]
    Locked(PathBuf),
    /// The archive is of another installation.
    #[error("the archive is of `{found}`, not of `{asked}`: give each installation its own")]
    OriginMismatch {
        /// Whose it is.
        found: String,
        /// Who asked.
        asked: String,
    },
    /// The name cannot stand in a checkpoint.
    #[error("`{0}` is not an origin: use 1 to 200 of letters, digits, `.`, `_`, `-`, `:` and `/`")]
    OriginInvalid(String),
    /// It is a copy of one tenant's entries, to which nothing is appended.
    #[error("the archive `{}` is an export of one tenant's entries: nothing can be added to it", .0.display())]
    Export(PathBuf),
    /// A file could not be read or written.
    #[error("cannot write the archive `{}`", .dir.display())]
    Io {
        /// The archive.
        dir: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl From<Broken> for SealError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// All trees as far as they were needed.
#[derive(Clone, Default)]
struct Trees {
    installation: Edge,
    /// The lines of the last bundle, which is not full.
    lines: Vec<u8>,
    tenants: BTreeMap<TenantName, Edge>,
}

impl Archive {
    /// Opens the archive in `dir` for appending, or begins one. What a crash left unfinished is removed.
    ///
    /// A spool is sealed if `key` signed its last head, or one of `gateways`: keys that signed before, and those of other
    /// gateways whose spools are sealed here, too.
    ///
    /// # Errors
    /// It is held by another process, is of another installation, does not hold at its end, or was set back: a checkpoint
    /// that is served is not of a beginning of it. Nothing is removed then.
    ///
    /// # Security
    /// `gateways` must come from where a gateway's files are not written: each of these keys can have anything sealed.
    pub fn open(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        gateways: &[VerifyingKey],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SealError> {
        let failed = |source| SealError::Io { dir: dir.into(), source };
        if !is_origin(origin) {
            return Err(SealError::OriginInvalid(origin.into()));
        }
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = lock(dir)?;
        publish_key(dir, &key.verifying_key()).map_err(failed)?;
        let state = match State::read(dir)? {
            Some(state) => state,
            None => State {
                checkpoint: Checkpoint { origin: origin.into(), size: 0, root: Edge::default().root() }.sign(&key),
                ..State::default()
            },
        };
        if state.export_of.is_some() {
            return Err(SealError::Export(dir.into()));
        }
        let found = state.checkpoint()?.origin;
        if found != origin {
            return Err(SealError::OriginMismatch { found, asked: origin.into() });
        }
        refuse_if_set_back(dir, &state)?;
        discard(dir, &state)?;
        let trees = Trees { installation: edge(dir, "", &state.checkpoint()?)?, ..Trees::default() };
        let gateways = [&[key.verifying_key()], gateways].concat();
        let (dir, origin) = (dir.to_owned(), origin.to_owned());
        let mut archive = Self { dir, origin, key, gateways, clock, state, trees, _lock: lock };
        archive.trees.lines = archive.unfinished_lines()?;
        // A crash may have come between what counts and what is served.
        archive.publish().map_err(failed)?;
        Ok(archive)
    }

    /// Appends what the spools in these folders hold and their heads cover.
    ///
    /// # Errors
    /// The archive does not hold or cannot be written; nothing was sealed then that is not whole.
    pub fn seal<'a>(&mut self, spools: impl IntoIterator<Item = &'a Path>) -> Result<Sealed, SealError> {
        let (before, mut broken) = (self.trees.installation.size(), vec![]);
        for spool in spools {
            loop {
                match self.seal_batch(spool) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(BatchError::Spool(found)) => {
                        broken.push(found);
                        break;
                    }
                    Err(BatchError::Archive(error)) => return Err(error),
                }
            }
        }
        let size = self.trees.installation.size();
        Ok(Sealed { entries: size - before, size, broken })
    }

    /// Seals some entries of one spool, and says how many.
    fn seal_batch(&mut self, spool: &Path) -> Result<u64, BatchError> {
        let Some(head) = last_head(spool, &self.gateways).map_err(BatchError::Spool)? else { return Ok(0) };
        let source = head.instance.clone();
        let after = self.state.sources.get(&source).map(stand);
        let mut batch = Batch {
            files: Files::new(&self.dir),
            archive: self,
            trees: self.trees.clone(),
            ids: vec![],
            filled: vec![],
        };
        let (mut last, mut failed, mut count) = (None, None, 0);
        entries(spool, after, &head, |stand, placed| {
            let line = placed.line;
            let from =
                Origin { source: &source, boot: stand.name.boot, sequence: line.sequence, durable: line.durable };
            if let Err(error) = batch.append(Some(from), line.salt, line.event) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            last = Some(stand);
            count += 1;
            if count >= BATCH_ENTRIES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(BatchError::Spool)?;
        if let Some(error) = failed {
            return Err(BatchError::Archive(error));
        }
        let Some(last) = last else { return Ok(0) };
        let (boot, sequence, chain) = (last.name.boot, last.sequence, last.chain);
        let up_to = SealedUpTo { at: batch.archive.clock.now(), source: source.clone(), boot, sequence, chain };
        let commit = |mut batch: Batch<'_>| -> Result<Committed, SealError> {
            let failed = |source| SealError::Io { dir: batch.archive.dir.clone(), source };
            let event = serde_json::to_vec(&SealingMarker::Sealed(up_to)).map_err(|error| failed(error.into()))?;
            let mut salt = Salt::default();
            getrandom::fill(&mut salt).map_err(|error| failed(io::Error::other(error)))?;
            batch.append(None, salt, &event)?;
            batch.write((source, cursor(last)))
        };
        let committed = commit(batch).map_err(BatchError::Archive)?;
        self.state = committed.state;
        self.trees = committed.trees;
        let failed = |source| BatchError::Archive(SealError::Io { dir: self.dir.clone(), source });
        self.publish().map_err(failed)?;
        for path in committed.superseded {
            remove(&self.dir.join(path)).map_err(failed)?;
        }
        Ok(count)
    }

    /// Puts the checkpoints where they are served.
    fn publish(&self) -> io::Result<()> {
        let mut files = Files::new(&self.dir);
        let tenants =
            self.state.tenants.iter().map(|(tenant, note)| (format!("{}/checkpoint", tenant_dir(tenant)), note));
        for (path, note) in tenants.chain([("checkpoint".to_owned(), &self.state.checkpoint)]) {
            if fs::read(self.dir.join(&path)).ok().as_deref() != Some(note.as_bytes()) {
                files.put(&path, note.as_bytes())?;
            }
        }
        files.sync()?;
        // Of a new archive last: without it there is none yet, and with it there is a checkpoint.
        if !self.dir.join(STATE_FILE).exists() {
            files.put(STATE_FILE, &self.state.to_file()?)?;
            files.sync()?;
        }
        Ok(())
    }

    /// The lines of the last bundle, as many as count.
    fn unfinished_lines(&self) -> Result<Vec<u8>, Broken> {
        let size = self.trees.installation.size();
        let width = size % TILE_WIDTH;
        if width == 0 {
            return Ok(vec![]);
        }
        let (path, mut lines) = bundle::read(&self.dir, size / TILE_WIDTH, width)?;
        let nth = usize::try_from(width).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(end) = memchr::memchr_iter(b'\n', &lines).nth(nth) else {
            return Err(Broken::new(path, Break::EntryMissing, format_args!("it should hold {width} entries")));
        };
        lines.truncate(end + 1);
        Ok(lines)
    }
}

enum BatchError {
    /// The spool is at fault.
    Spool(Broken),
    /// The archive is.
    Archive(SealError),
}

/// Entries that are being appended: on disk in part, and of no account until they are committed.
struct Batch<'a> {
    archive: &'a Archive,
    files: Files,
    trees: Trees,
    /// The events' ids, in order.
    ids: Vec<u8>,
    /// Unfinished tiles and bundles that are full now.
    filled: Vec<String>,
}

/// What has been committed.
struct Committed {
    state: State,
    trees: Trees,
    superseded: Vec<String>,
}

impl Batch<'_> {
    fn append(&mut self, from: Option<Origin<'_>>, salt: Salt, event: &[u8]) -> Result<(), SealError> {
        let index = self.trees.installation.size();
        let mut archived = Archived { index, tenant_index: None, from, salt, event };
        let belongs = archived.belongs().unwrap_or(Belongs { id: None, tenant: None });
        let leaf = archived.leaf();
        if let Some(tenant) = belongs.tenant {
            archived.tenant_index = Some(self.append_of(&tenant, leaf)?);
        }
        archived.append(&mut self.trees.lines);
        self.ids.extend_from_slice(belongs.id.map_or(uuid::Uuid::nil(), |id| id.0).as_bytes());

        let Self { archive, files, trees, filled, .. } = self;
        let failed = |source| SealError::Io { dir: archive.dir.clone(), source };
        trees
            .installation
            .push(leaf, |level, index, hashes| put_full(files, filled, "", level, index, hashes))
            .map_err(failed)?;
        if trees.installation.size().is_multiple_of(TILE_WIDTH) {
            let number = index / TILE_WIDTH;
            let lines = std::mem::take(&mut trees.lines);
            let full = bundle::compress(&lines).map_err(failed)?;
            files.put(&bundle::full_path(number), &full).map_err(failed)?;
            filled.push(bundle::partial_path(number));
        }
        Ok(())
    }

    /// Appends to a tenant's tree, and gives the leaf's place there.
    fn append_of(&mut self, tenant: &TenantName, leaf: Hash) -> Result<u64, SealError> {
        let Self { archive, files, trees, filled, .. } = self;
        if !trees.tenants.contains_key(tenant) {
            let edge = match archive.state.checkpoint_of(tenant)? {
                Some(checkpoint) => edge(&archive.dir, &tenant_dir(tenant), &checkpoint)?,
                None => Edge::default(),
            };
            trees.tenants.insert(tenant.clone(), edge);
        }
        let edge = trees.tenants.entry(tenant.clone()).or_default();
        let (index, dir) = (edge.size(), format!("{}/", tenant_dir(tenant)));
        edge.push(leaf, |level, index, hashes| put_full(files, filled, &dir, level, index, hashes))
            .map_err(|source| SealError::Io { dir: archive.dir.clone(), source })?;
        Ok(index)
    }

    /// Makes everything durable, and then count.
    fn write(mut self, (source, cursor): (String, Cursor)) -> Result<Committed, SealError> {
        let archive = self.archive;
        let failed = |source| SealError::Io { dir: archive.dir.clone(), source };
        let mut state = archive.state.clone();
        state.sources.insert(source, cursor);
        self.put_unfinished("", &self.trees.installation.clone()).map_err(failed)?;
        state.checkpoint = sign(&archive.origin, &self.trees.installation, &archive.key);
        for (tenant, edge) in &self.trees.tenants.clone() {
            if archive.trees.tenants.get(tenant).is_some_and(|before| before.size() == edge.size()) {
                continue;
            }
            self.put_unfinished(&format!("{}/", tenant_dir(tenant)), edge).map_err(failed)?;
            state.tenants.insert(tenant.clone(), sign(&tenant_origin(&archive.origin, tenant), edge, &archive.key));
        }
        let size = self.trees.installation.size();
        if !size.is_multiple_of(TILE_WIDTH) {
            self.files.put(&bundle::partial_path(size / TILE_WIDTH), &self.trees.lines).map_err(failed)?;
        }
        let before = archive.trees.installation.size();
        append_ids(&archive.dir, before, &self.ids).map_err(failed)?;
        self.files.sync().map_err(failed)?;
        self.files.put(STATE_FILE, &state.to_file().map_err(|error| failed(error.into()))?).map_err(failed)?;
        self.files.sync().map_err(failed)?;
        Ok(Committed { state, trees: self.trees, superseded: self.filled })
    }

    fn put_unfinished(&mut self, dir: &str, edge: &Edge) -> io::Result<()> {
        for (level, index, hashes) in edge.unfinished() {
            let width = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
            self.files.put(&format!("{dir}{}", tile_path(level, index, width)), &octets(hashes))?;
        }
        Ok(())
    }
}

fn put_full(
    files: &mut Files,
    filled: &mut Vec<String>,
    dir: &str,
    level: u8,
    index: u64,
    hashes: &[Hash],
) -> io::Result<()> {
    let path = format!("{dir}{}", tile_path(level, index, TILE_WIDTH));
    files.put(&path, &octets(hashes))?;
    filled.push(format!("{path}.p"));
    Ok(())
}

fn append_ids(dir: &Path, before: u64, ids: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
    let path = dir.join(IDS_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)?;
    file.set_len(before * 16)?;
    file.write_all_at(ids, before * 16)?;
    file.sync_data()
}

fn sign(origin: &str, edge: &Edge, key: &SigningKey) -> String {
    Checkpoint { origin: origin.into(), size: edge.size(), root: edge.root() }.sign(key)
}

/// A tree's edge, which has to have the root that was signed.
fn edge(dir: &Path, tree: &str, checkpoint: &Checkpoint) -> Result<Edge, Broken> {
    let edge = Edge::read(&dir.join(tree), checkpoint.size)?;
    if edge.root() != checkpoint.root {
        let place = if tree.is_empty() { "tile" } else { tree };
        return Err(Broken::new(place, Break::TreeContradicted, "the tiles do not have the root that was signed"));
    }
    Ok(edge)
}

fn stand(cursor: &Cursor) -> Stand {
    let Cursor { boot, segment, sequence, chain, joins, offset, line } = *cursor;
    Stand { name: SegmentName { boot, segment }, sequence, chain, joins, offset, line }
}

fn cursor(stand: Stand) -> Cursor {
    let Stand { name: SegmentName { boot, segment }, sequence, chain, joins, offset, line } = stand;
    Cursor { boot, segment, sequence, chain, joins, offset, line }
}

/// No crash leaves more served than counts. Where more is, going on would remove the later tiles and bundles, which show what
/// was taken out, and sign another tree of sizes that were signed before. It stays as it is, for somebody to look at.
///
/// Signatures are not asked for: a note of a key that is forgotten here is a reason to stop, too.
fn refuse_if_set_back(dir: &Path, state: &State) -> Result<(), SealError> {
    let failed = |source| SealError::Io { dir: dir.into(), source };
    let tenants = tenants_on_disk(dir).map_err(failed)?;
    for tenant in tenants.iter().map(Some).chain([None]) {
        let (path, now) = match tenant {
            None => (served_path(None), Some(state.checkpoint()?)),
            Some(tenant) => (served_path(Some(tenant)), state.checkpoint_of(tenant)?),
        };
        let served = match bounded::read(&dir.join(&path), NOTE_BYTES_MAX as u64) {
            Ok(served) => served,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Broken::unreadable(path, &error).into()),
        };
        let served = std::str::from_utf8(&served).ok().and_then(UnverifiedCheckpoint::parse);
        let Some(served) = served else {
            return Err(Broken::new(path, Break::CheckpointInvalid, "this is not a checkpoint").into());
        };
        let served = served.danger_unverified();
        let (size, root) = now.map_or_else(|| (0, Edge::default().root()), |now| (now.size, now.root));
        if served.size > size {
            return Err(set_back(&path, served.size, size).into());
        }
        if served.size == size && served.root != root {
            let detail = "it is of as many entries as the archive's state, and of others";
            return Err(Broken::new(path, Break::NotAppendOnly, detail).into());
        }
    }
    Ok(())
}

/// The tenants that have a folder.
fn tenants_on_disk(dir: &Path) -> io::Result<Vec<TenantName>> {
    let found = match fs::read_dir(dir.join("tenants")) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut tenants = vec![];
    for tenant in found {
        tenants.extend(tenant?.file_name().to_str().and_then(|name| TenantName::parse(name).ok()));
    }
    Ok(tenants)
}

/// Removes what a sealing that did not count left behind.
fn discard(dir: &Path, state: &State) -> Result<(), SealError> {
    let failed = |source| SealError::Io { dir: dir.into(), source };
    let size = state.checkpoint()?.size;
    discard_tiles(dir, size).map_err(failed)?;
    let mut bundle = size / TILE_WIDTH;
    if !size.is_multiple_of(TILE_WIDTH) && dir.join(bundle::partial_path(bundle)).exists() {
        remove(&dir.join(bundle::full_path(bundle))).map_err(failed)?;
        bundle += 1;
    }
    loop {
        let full = remove(&dir.join(bundle::full_path(bundle))).map_err(failed)?;
        if !full && !remove(&dir.join(bundle::partial_path(bundle))).map_err(failed)? {
            break;
        }
        bundle += 1;
    }
    for tenant in tenants_on_disk(dir).map_err(failed)? {
        let size = state.checkpoint_of(&tenant)?.map_or(0, |checkpoint| checkpoint.size);
        let tree = dir.join(tenant_dir(&tenant));
        if size == 0 {
            remove(&tree).map_err(failed)?;
        } else {
            discard_tiles(&tree, size).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes the tiles of a tree beyond its size.
fn discard_tiles(dir: &Path, size: u64) -> io::Result<()> {
    for level in 0..8 {
        let hashes = hashes_at(level, size);
        let (mut index, width) = (hashes / TILE_WIDTH, hashes % TILE_WIDTH);
        let folder = |index| PathBuf::from(format!("{}.p", dir.join(tile_path(level, index, TILE_WIDTH)).display()));
        if width > 0 && folder(index).is_dir() {
            for tile in fs::read_dir(folder(index))? {
                let tile = tile?;
                let beyond =
                    tile.file_name().to_str().and_then(|name| name.parse().ok()).is_none_or(|found: u64| found > width);
                if beyond {
                    remove(&tile.path())?;
                }
            }
            // Where the partial one is there, a full one is of a sealing that did not count.
            if dir.join(tile_path(level, index, width)).exists() {
                remove(&dir.join(tile_path(level, index, TILE_WIDTH)))?;
            }
            index += 1;
        }
        loop {
            let full = remove(&dir.join(tile_path(level, index, TILE_WIDTH)))?;
            if !remove(&folder(index))? && !full {
                break;
            }
            index += 1;
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, SealError> {
    let failed = |source| SealError::Io { dir: dir.into(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SealError::Locked(dir.into())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Adds the key to the archive's public keys.
fn publish_key(dir: &Path, key: &VerifyingKey) -> io::Result<()> {
    if PublicKeys::read(dir)?.find(KeyId::of(key)).is_some() {
        return Ok(());
    }
    let mut keys = match fs::read(dir.join(PUBLIC_KEYS_FILE)) {
        Ok(keys) => keys,
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
        Err(error) => return Err(error),
    };
    keys.extend_from_slice(&public_key_line(key));
    let mut files = Files::new(dir);
    files.put(PUBLIC_KEYS_FILE, &keys)?;
    files.sync()
}
