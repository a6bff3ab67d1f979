//! The writing side: what the gateway holds while it runs.

pub(crate) mod disk;
mod error;
mod fold;
mod log;
mod pace;
mod queue;
mod recover;
mod settings;
mod shared;
mod stats;
mod ticket;
mod writer;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cedargate_model::{Clock, Event};
use ed25519_dalek::{SigningKey, VerifyingKey};

pub use error::{OpenError, RecordError};
pub use recover::{Recovery, TornTail};
pub use settings::SpoolSettings;
pub use stats::SpoolStats;
pub use ticket::{Recorded, Ticket};

use crate::format::directory::LOCK_FILE;
use crate::format::entry::EVENT_BYTES_MAX;
use crate::format::event::append_json;
use crate::format::keys::{KeyId, PUBLIC_KEYS_FILE, PublicKeys, public_key_line};
use disk::{Disk, RealDisk, SlowDisk};
use fold::FoldKey;
use log::Log;
use recover::{io_error, recover};
use shared::Shared;
use writer::Writer;

/// The record as the gateway writes it. Cheap to clone; the last clone closes it when dropped.
#[derive(Clone)]
pub struct Spool {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    boot: u64,
    /// None in a spool that discards.
    writer: Option<Mutex<WriterThread>>,
}

enum WriterThread {
    Running(JoinHandle<Result<(), RecordError>>),
    Ended(Result<(), RecordError>),
}

/// For whom room in the queue is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The decision concerns somebody who is signed in: may fill the whole queue.
    Known,
    /// Nobody is known: may fill only its part of the queue, so that a flood of strangers leaves room for the rest.
    Unknown,
    /// A service says what it did, and will say it again if it is not heard: may fill a part of the queue so small that
    /// decisions always find room.
    Reported,
}

impl Spool {
    /// Opens the record in `settings.dir` for writing and starts its writer thread.
    ///
    /// When this returns, the boot's first entry and its first signed head are durable. What a crash had left torn is
    /// in `quarantine/`, named in [`Recovery`] and in the boot's first entry.
    ///
    /// # Errors
    /// Another process holds the directory, it belongs to another instance, or it cannot be read or written.
    pub fn open(
        settings: SpoolSettings,
        key: SigningKey,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), OpenError> {
        let disk: Arc<dyn Disk> = match settings.danger_sync_delay {
            Duration::ZERO => Arc::new(RealDisk),
            delay => Arc::new(SlowDisk(delay)),
        };
        Self::open_on(settings, key, clock, disk)
    }

    pub(crate) fn open_on(
        settings: SpoolSettings,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Recovery), OpenError> {
        let SpoolSettings {
            dir,
            instance,
            segment_bytes,
            head_interval,
            queue_bytes_max,
            commit_interval,
            fold_after,
            danger_sync_delay: _,
        } = settings;
        if !is_instance_name(&instance) {
            return Err(OpenError::InstanceInvalid(instance));
        }
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&dir).map_err(io_error("create", &dir))?;
        let lock = lock(&dir)?;
        let found = recover(&dir, &*disk, &instance, key.verifying_key())?;
        publish_key(&dir, &*disk, &key.verifying_key())?;
        let (boot, recovery) = (found.boot, found.recovery.clone());
        let log = Log::begin(dir.clone(), disk, key, clock, (instance, segment_bytes), found)
            .map_err(io_error("begin a segment in", &dir))?;

        let shared = Arc::new(Shared::new(queue_bytes_max, fold_after));
        shared.publish(&log);
        let writer = Writer::new(Arc::clone(&shared), log, (commit_interval, head_interval), Some(lock));
        let thread = thread::Builder::new()
            .name("audit-writer".into())
            .spawn(move || writer.run())
            .map_err(io_error("start a thread for", &dir))?;
        let writer = Some(Mutex::new(WriterThread::Running(thread)));
        Ok((Self { handle: Arc::new(Handle { shared, boot, writer }) }, recovery))
    }

    /// A spool that records nothing and calls everything durable.
    ///
    /// # Security
    /// For measuring what recording costs, and nothing else.
    pub fn danger_discarding() -> Self {
        Self { handle: Arc::new(Handle { shared: Arc::new(Shared::new(0, 0)), boot: 0, writer: None }) }
    }

    /// Hands an event to the writer. Never blocks; the ticket tells when it is durable.
    ///
    /// Refusals before authentication may be counted in a `folded` entry instead of written whole, when one address
    /// sends many alike; the ticket then waits for the commit that counts them.
    ///
    /// # Errors
    /// The queue is full for this priority, the log cannot be written, or the event is too large.
    pub fn record(&self, event: &Event, priority: Priority) -> Result<Ticket, RecordError> {
        let shared = &self.handle.shared;
        let ticket = |epoch| Ticket { epochs: Arc::clone(&shared.epochs), epoch, event: event.id };
        if self.handle.writer.is_none() {
            return Ok(ticket(0));
        }
        let key = FoldKey::of(event);
        // Asked first: under a flood, what is only counted is not even turned into text.
        if let Some(folded) = key.as_ref().and_then(|key| shared.fold(key, event.at)) {
            return folded.map(ticket);
        }
        with_json(event, |event| shared.record(event, priority, key))
            .unwrap_or_else(|error| Err(shared.refuse(error)))
            .map(ticket)
    }

    /// Hands over an event that nobody waits for: dropped and counted where there is no room.
    pub fn note(&self, event: &Event) {
        let shared = &self.handle.shared;
        if self.handle.writer.is_some() && with_json(event, |event| shared.note(event)).is_err() {
            shared.drop_notes(1);
        }
    }

    /// Wakes those whose events have become durable, until the spool closes.
    ///
    /// Spawn it once on the runtime that awaits tickets: waking a task from inside its runtime is much cheaper than
    /// from the writer's thread, which does it itself when no dispatcher runs. The future holds no clone of the spool.
    pub fn dispatch(&self) -> impl Future<Output = ()> + Send + 'static {
        let epochs = Arc::clone(&self.handle.shared.epochs);
        async move { epochs.dispatch().await }
    }

    /// Whether the record can be written now, heads included: part of readiness.
    pub fn writable(&self) -> bool {
        self.handle.writer.is_none() || self.handle.shared.writable()
    }

    /// The counters since it opened.
    pub fn stats(&self) -> SpoolStats {
        self.handle.shared.stats(self.handle.boot)
    }

    /// Writes what waits, signs the closing head and ends the writer. Blocks until done; later calls give the same.
    ///
    /// # Errors
    /// What still waited, or the closing head, could not be written.
    pub fn close(&self) -> Result<(), RecordError> {
        self.handle.close()
    }
}

impl Handle {
    fn close(&self) -> Result<(), RecordError> {
        let Some(writer) = &self.writer else { return Ok(()) };
        self.shared.close();
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = match std::mem::replace(&mut *writer, WriterThread::Ended(Err(RecordError::Closed))) {
            // A writer that panicked has failed its waiters already.
            WriterThread::Running(thread) => thread.join().unwrap_or(Err(RecordError::Unwritable)),
            WriterThread::Ended(ended) => ended,
        };
        *writer = WriterThread::Ended(ended);
        ended
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `close`; the writer has logged it.
        let _ = self.close();
    }
}

fn is_instance_name(name: &str) -> bool {
    let well_formed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(well_formed)
}

/// Holds the directory against other processes; the kernel lets go of it when the process dies.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
    }
}

/// Adds the key to the directory's public keys.
fn publish_key(dir: &Path, disk: &dyn Disk, key: &VerifyingKey) -> Result<(), OpenError> {
    let path = dir.join(PUBLIC_KEYS_FILE);
    if PublicKeys::read(dir).map_err(io_error("read", &path))?.find(KeyId::of(key)).is_some() {
        return Ok(());
    }
    let append = || -> io::Result<()> {
        let (mut file, end) = match fs::metadata(&path) {
            Ok(metadata) => (disk.open(&path)?, metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (disk.create(&path, 0)?, 0),
            Err(error) => return Err(error),
        };
        // After a torn line a line end of our own: the torn one is then no key, and this one is.
        let line = if end == 0 { public_key_line(key) } else { [b"\n", public_key_line(key).as_slice()].concat() };
        file.write_at(end, &line)?;
        file.sync()?;
        disk.sync_dir(dir)
    };
    append().map_err(io_error("write", &path))
}

/// Turns an event into JSON in memory that the thread keeps, and lends it.
fn with_json<T>(event: &Event, lend: impl FnOnce(&[u8]) -> T) -> Result<T, RecordError> {
    thread_local! {
        static JSON: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    JSON.with_borrow_mut(|json| {
        json.clear();
        append_json(json, event).map_err(|_| RecordError::Unserializable)?;
        if json.len() > EVENT_BYTES_MAX {
            let bytes = json.len();
            *json = Vec::new();
            return Err(RecordError::TooLarge { bytes, max: EVENT_BYTES_MAX });
        }
        Ok(lend(json))
    })
}
