//! What the spool counts.

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
