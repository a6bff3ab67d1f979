//! A disk that remembers what was asked of it, and can show what a power cut at any moment would have left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::super::disk::{Disk, DiskFile, RealDisk};

/// Names a file whatever it is called, as an inode does.
type FileId = usize;

/// One thing asked of the disk, or told to the test.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create(PathBuf, FileId),
    Write(FileId, u64, Vec<u8>),
    Truncate(FileId, u64),
    Sync(FileId),
    /// A sync that failed: what it should have written is lost, and the kernel takes it for written.
    FailedSync(FileId),
    Rename(PathBuf, PathBuf, FileId),
    Remove(PathBuf),
    SyncDir,
    /// The spool had opened.
    Opened,
    /// The ticket of this event had resolved.
    Resolved(u64),
}

/// Everything asked so far, in order.
pub(super) type Journal = Arc<Mutex<Vec<Op>>>;

/// Passes everything on to the real disk, and writes it down.
pub(super) struct CrashDisk {
    pub(super) journal: Journal,
    names: Mutex<BTreeMap<PathBuf, FileId>>,
    files_ever: AtomicUsize,
    /// The process is killed once so much has been asked: nothing more reaches the disk.
    pub(super) killed_at: Arc<AtomicUsize>,
    /// Whether a sync in the last moment before that fails.
    pub(super) last_sync_fails: Arc<AtomicBool>,
}

struct CrashFile {
    id: FileId,
    file: Box<dyn DiskFile>,
    journal: Journal,
    killed_at: Arc<AtomicUsize>,
    last_sync_fails: Arc<AtomicBool>,
}

/// Notes an operation, unless the process is dead.
fn note(journal: &Journal, killed_at: &AtomicUsize, op: Op) -> io::Result<()> {
    let mut journal = journal.lock().unwrap();
    if journal.len() >= killed_at.load(Ordering::SeqCst) {
        return Err(io::Error::other("killed"));
    }
    journal.push(op);
    Ok(())
}

impl CrashDisk {
    /// On a directory as it stands.
    pub(super) fn new(dir: &Path) -> Self {
        let names: BTreeMap<_, _> = files_in(dir).into_iter().enumerate().map(|(id, path)| (path, id)).collect();
        Self {
            journal: Journal::default(),
            files_ever: AtomicUsize::new(names.len()),
            names: Mutex::new(names),
            killed_at: Arc::new(AtomicUsize::new(usize::MAX)),
            last_sync_fails: Arc::default(),
        }
    }

    /// Notes something, unless the process is dead.
    pub(super) fn note(&self, op: Op) -> io::Result<()> {
        note(&self.journal, &self.killed_at, op)
    }

    fn file(&self, id: FileId, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CrashFile {
            id,
            file,
            journal: Arc::clone(&self.journal),
            killed_at: Arc::clone(&self.killed_at),
            last_sync_fails: Arc::clone(&self.last_sync_fails),
        })
    }
}

impl Disk for CrashDisk {
    fn create(&self, path: &Path, _reserve_bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let id = self.files_ever.fetch_add(1, Ordering::SeqCst);
        self.note(Op::Create(path.into(), id))?;
        let file = RealDisk.create(path, 0)?;
        self.names.lock().unwrap().insert(path.into(), id);
        Ok(self.file(id, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.open(path)?;
        Ok(self.file(self.names.lock().unwrap()[path], file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names.lock().unwrap();
        let id = names[from];
        self.note(Op::Rename(from.into(), to.into(), id))?;
        names.remove(from);
        names.insert(to.into(), id);
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(Op::Remove(path.into()))?;
        self.names.lock().unwrap().remove(path);
        RealDisk.remove(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.note(Op::SyncDir)
    }
}

impl DiskFile for CrashFile {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        note(&self.journal, &self.killed_at, Op::Write(self.id, offset, octets.to_vec()))?;
        self.file.write_at(offset, octets)
    }

    fn sync(&mut self) -> io::Result<()> {
        let left = self.killed_at.load(Ordering::SeqCst).saturating_sub(self.journal.lock().unwrap().len());
        if left == 1 && self.last_sync_fails.load(Ordering::SeqCst) {
            note(&self.journal, &self.killed_at, Op::FailedSync(self.id))?;
            return Err(io::Error::other("the device is gone"));
        }
        note(&self.journal, &self.killed_at, Op::Sync(self.id))
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        note(&self.journal, &self.killed_at, Op::Truncate(self.id, bytes))?;
        self.file.truncate(bytes)
    }
}

/// What a power cut does with what was not synced.
pub(super) trait Fate {
    /// Whether this one thing (a sector of a write, a truncation, a name) reached the disk.
    fn survives(&mut self) -> bool;
}

impl<F: FnMut() -> bool> Fate for F {
    fn survives(&mut self) -> bool {
        self()
    }
}

/// A file as far as the disk has it, and what was asked since its last sync.
#[derive(Default)]
struct Image {
    durable: Vec<u8>,
    pending: Vec<Op>,
}

/// Writes into `to` what a power cut after these operations on `dir` would have left, where `base` is a copy of it as it
/// was before. Sectors of 512 octets survive or not, each by itself, and so do names.
pub(super) fn cut_power(base: &Path, dir: &Path, ops: &[Op], to: &Path, fate: &mut dyn Fate) {
    let mut files: BTreeMap<FileId, Image> = BTreeMap::new();
    let mut names: BTreeMap<PathBuf, FileId> = BTreeMap::new();
    for (id, path) in files_in(base).into_iter().enumerate() {
        files.insert(id, Image { durable: fs::read(&path).unwrap(), pending: Vec::new() });
        names.insert(path.strip_prefix(base).unwrap().into(), id);
    }
    let mut pending_names: Vec<Op> = Vec::new();
    let local = |path: &Path| path.strip_prefix(dir).unwrap().to_path_buf();
    for op in ops {
        match op {
            Op::Write(id, ..) | Op::Truncate(id, _) => files.entry(*id).or_default().pending.push(op.clone()),
            Op::Sync(id) => {
                let image = files.entry(*id).or_default();
                for op in std::mem::take(&mut image.pending) {
                    apply(&mut image.durable, &op, &mut || true);
                }
            }
            Op::FailedSync(id) => files.entry(*id).or_default().pending.clear(),
            Op::Create(..) | Op::Rename(..) | Op::Remove(_) => pending_names.push(op.clone()),
            Op::SyncDir => pending_names.drain(..).for_each(|op| apply_name(&mut names, &op, &local)),
            Op::Opened | Op::Resolved(_) => {}
        }
    }
    for op in pending_names.into_iter().filter(|_| fate.survives()) {
        apply_name(&mut names, &op, &local);
    }
    for (name, id) in names {
        let mut image = files.remove(&id).unwrap_or_default();
        for op in image.pending {
            apply(&mut image.durable, &op, &mut || fate.survives());
        }
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, image.durable).unwrap();
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, FileId>, op: &Op, local: &dyn Fn(&Path) -> PathBuf) {
    match op {
        Op::Create(path, id) => drop(names.insert(local(path), *id)),
        Op::Rename(from, to, id) => {
            names.remove(&local(from));
            names.insert(local(to), *id);
        }
        Op::Remove(path) => drop(names.remove(&local(path))),
        _ => {}
    }
}

fn apply(content: &mut Vec<u8>, op: &Op, survives: &mut dyn FnMut() -> bool) {
    match op {
        Op::Truncate(_, bytes) if survives() => content.truncate(usize::try_from(*bytes).unwrap()),
        Op::Write(_, offset, octets) => {
            let offset = usize::try_from(*offset).unwrap();
            let mut at = 0;
            while at < octets.len() {
                let sector_end = ((offset + at) / 512 + 1) * 512;
                let end = octets.len().min(sector_end - offset);
                if survives() {
                    if content.len() < offset + end {
                        content.resize(offset + end, 0);
                    }
                    content[offset + at..offset + end].copy_from_slice(&octets[at..end]);
                }
                at = end;
            }
        }
        _ => {}
    }
}

/// The files of a directory and its folders, sorted.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files_in(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
