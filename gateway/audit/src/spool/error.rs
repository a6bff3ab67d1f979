//! Why the spool says no.

use std::io;
use std::path::PathBuf;

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
    /// The record holds a boot or a head with the last number that there is, which no gateway wrote.
    #[error("the audit directory `{}` holds a boot or a head with the last number there is: nothing can follow it", .0.display())]
    NumbersExhausted(PathBuf),
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
