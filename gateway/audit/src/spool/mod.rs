//! The writing side: what the gateway holds while it runs.

mod settings;
mod ticket;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cedargate_model::{Clock, Event};
use ed25519_dalek::SigningKey;

pub use settings::SpoolSettings;
pub use ticket::{Recorded, Ticket};

use crate::Broken;

/// The record as the gateway writes it. Cheap to clone.
#[derive(Clone)]
pub struct Spool {}

/// For whom room in the queue is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The decision concerns somebody who is signed in: may fill the whole queue.
    Known,
    /// Nobody is known: may fill only its part of the queue, so that a flood of strangers leaves room for the rest.
    Unknown,
}

/// Why an event was not recorded. The gateway answers 503 to the request that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The disk does not keep up; may pass by itself.
    #[error("the audit queue is full")]
    QueueFull,
    /// The disk refuses to keep what is written; may pass once it is mended or has room.
    #[error("the audit log cannot be written")]
    Unwritable,
    /// The event is larger than an entry may be.
    #[error("the event has {bytes} bytes and may have {max}")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The largest that is kept.
        max: usize,
    },
    /// The event could not be written as JSON.
    #[error("the event cannot be written as JSON")]
    Unserializable,
    /// The spool was closed.
    #[error("the audit log is closed")]
    Closed,
}

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The instance's name cannot stand in the log.
    #[error("`{0}` is not an instance name: use 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`")]
    InstanceInvalid(String),
    /// The directory holds another instance's record.
    #[error("the audit directory belongs to instance `{found}`, not `{asked}`: give each instance its own")]
    InstanceMismatch {
        /// Whose record it is.
        found: String,
        /// Who asked.
        asked: String,
    },
    /// Another process writes here.
    #[error("another process holds the audit directory `{}`", .0.display())]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {doing} `{}`", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// What was found in the directory when the spool opened.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The boot that now writes, counted from 1.
    pub boot: u64,
    /// A tail that a crash had left, copied aside. Nobody was answered on the strength of it.
    pub torn: Vec<TornTail>,
    /// Damage that a crash does not explain: entries that had been durable are gone or changed.
    pub damage: Option<Broken>,
}

/// The unfinished end of a file after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file's name.
    pub file: String,
    /// The octets that were not whole entries.
    pub bytes: u64,
    /// Where they were copied, below the record's directory.
    pub quarantined_as: String,
}

/// The spool's counters since it opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// Events accepted by `record` and `note`, folded ones included.
    pub accepted: u64,
    /// Events that were counted in a `folded` entry instead of written whole.
    pub folded: u64,
    /// Events refused by `record`.
    pub refused: u64,
    /// Events dropped by `note`.
    pub notes_dropped: u64,
    /// Commits that became durable.
    pub commits: u64,
    /// Commits that failed for good: their waiters were told so.
    pub commits_failed: u64,
    /// Segments given up after a failed write or sync.
    pub segments_retired: u64,
    /// Signed heads written.
    pub heads: u64,
    /// Octets waiting for the disk.
    pub queue_bytes: u64,
    /// The last commit's write and sync, in microseconds.
    pub commit_micros: u64,
    /// This boot's number.
    pub boot: u64,
    /// The last durable entry's number in this boot.
    pub sequence: u64,
}

impl Spool {
    /// Opens the record in `settings.dir` for writing and starts its writer thread.
    ///
    /// # Errors
    /// Another process holds the directory, it belongs to another instance, or it cannot be read or written.
    pub fn open(
        settings: SpoolSettings,
        _key: SigningKey,
        _clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), OpenError> {
        Err(OpenError::Locked(settings.dir))
    }

    /// A spool that records nothing and calls everything durable.
    ///
    /// # Security
    /// For measuring what recording costs, and nothing else.
    pub fn danger_discarding() -> Self {
        Self {}
    }

    /// Hands an event to the writer. Never blocks; the ticket tells when it is durable.
    ///
    /// # Errors
    /// The queue is full for this priority, the log cannot be written, or the event is too large.
    pub fn record(&self, _event: &Event, _priority: Priority) -> Result<Ticket, RecordError> {
        Err(RecordError::Closed)
    }

    /// Hands over an event that nobody waits for: dropped and counted where there is no room.
    pub fn note(&self, _event: &Event) {}

    /// Wakes those whose events have become durable, until the spool closes.
    ///
    /// Spawn it once on the runtime that awaits tickets: waking a task from inside its runtime is much cheaper than
    /// from the writer's thread, which does it itself when no dispatcher runs.
    pub async fn dispatch(&self) {}

    /// Whether the record can be written now: part of readiness.
    pub fn writable(&self) -> bool {
        false
    }

    /// The counters since it opened.
    pub fn stats(&self) -> SpoolStats {
        SpoolStats::default()
    }

    /// Writes what waits, signs the closing head and ends the writer. Blocks until done; later calls do nothing.
    ///
    /// # Errors
    /// What still waited, or the closing head, could not be written.
    pub fn close(&self) -> Result<(), RecordError> {
        Ok(())
    }
}
