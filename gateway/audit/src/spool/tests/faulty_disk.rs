//! A disk that fails or halts when told to.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::super::disk::{Disk, DiskFile, RealDisk};

/// What goes wrong.
#[derive(Default)]
pub(super) struct Faults {
    /// No file can be made: the disk is full.
    pub(super) create: AtomicBool,
    /// How often that was met.
    pub(super) creates_refused: AtomicUsize,
    /// The names in a folder cannot be made durable.
    pub(super) sync_dir: AtomicBool,
    /// This many writes to segments fail, after writing half.
    pub(super) segment_writes: AtomicUsize,
    /// This many syncs of segments fail.
    pub(super) segment_syncs: AtomicUsize,
    /// This many syncs of folders fail.
    pub(super) folder_syncs: AtomicUsize,
    /// Nothing can be removed.
    pub(super) remove: AtomicBool,
    /// Heads cannot be written.
    pub(super) heads: AtomicBool,
    /// The next write panics.
    pub(super) panic: AtomicBool,
    gate: Mutex<Gate>,
    passing: Condvar,
}

#[derive(Default)]
struct Gate {
    shut: bool,
    waiting: bool,
}

impl Faults {
    /// Halts every sync of a segment from now on.
    pub(super) fn shut(&self) {
        self.gate.lock().unwrap().shut = true;
    }

    /// Waits until a sync is halted.
    pub(super) fn halted(&self) {
        let gate = self.gate.lock().unwrap();
        drop(self.passing.wait_while(gate, |gate| !gate.waiting).unwrap());
    }

    /// Lets syncs go on.
    pub(super) fn let_pass(&self) {
        self.gate.lock().unwrap().shut = false;
        self.passing.notify_all();
    }

    fn pass(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.waiting = true;
        self.passing.notify_all();
        // Not for ever: a test that failed meanwhile is waiting for the writer to end.
        gate = self.passing.wait_timeout_while(gate, Duration::from_secs(20), |gate| gate.shut).unwrap().0;
        gate.waiting = false;
    }
}

fn takes_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

pub(super) struct FaultyDisk(pub(super) Arc<Faults>);

struct FaultyFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
    is_segment: bool,
}

impl FaultyDisk {
    fn wrap(&self, path: &Path, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        let is_segment = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("audit-"));
        Ok(Box::new(FaultyFile { file: file?, faults: Arc::clone(&self.0), is_segment }))
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path, reserve_bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        if self.0.create.load(Ordering::SeqCst) {
            self.0.creates_refused.fetch_add(1, Ordering::SeqCst);
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.wrap(path, RealDisk.create(path, reserve_bytes))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.wrap(path, RealDisk.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.0.remove.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        RealDisk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.0.sync_dir.load(Ordering::SeqCst) {
            return Err(io::Error::other("the device is gone"));
        }
        if takes_one(&self.0.folder_syncs) {
            return Err(io::Error::other("the device is gone"));
        }
        RealDisk.sync_dir(path)
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        assert!(!self.faults.panic.load(Ordering::SeqCst), "asked to panic");
        let fails = match self.is_segment {
            true => takes_one(&self.faults.segment_writes),
            false => self.faults.heads.load(Ordering::SeqCst),
        };
        if fails {
            self.file.write_at(offset, &octets[..octets.len().min(700) / 2])?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.file.write_at(offset, octets)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_segment {
            self.faults.pass();
            if takes_one(&self.faults.segment_syncs) {
                return Err(io::Error::other("the device is gone"));
            }
        }
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }
}
