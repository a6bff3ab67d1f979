//! What a spool is told when it opens.

use std::path::PathBuf;
use std::time::Duration;

/// How a spool keeps its record. [`SpoolSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// The directory of the record. Made if missing; belongs to one instance and to one process at a time.
    pub dir: PathBuf,
    /// The gateway's own name, in every segment and head: 1 to 64 of letters, digits, `.`, `_` and `-`.
    pub instance: String,
    /// A segment that has grown to this size is closed and the next one begun.
    pub segment_bytes: u64,
    /// The longest time for which entries stay without a signed head. What was written since the last head is what an
    /// attacker with write access to the directory can cut unseen after a crash.
    pub head_interval: Duration,
    /// Octets of events that may wait for the disk. Beyond it, `record` refuses.
    pub queue_bytes_max: usize,
    /// The least time between the starts of two commits: how many records share one sync when there are many.
    pub commit_interval: Duration,
    /// Alike refusals before authentication that are kept whole in one commit; the rest is counted.
    pub fold_after: u32,
    /// How much longer every sync takes than the disk does: for measuring what a slow disk costs, and nothing else.
    pub danger_sync_delay: Duration,
}

impl SpoolSettings {
    /// The defaults for a directory and an instance.
    pub fn new(dir: impl Into<PathBuf>, instance: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            instance: instance.into(),
            // About a hundred thousand entries: what recovery reads at the next start, in well under a second.
            segment_bytes: 64 << 20,
            head_interval: Duration::from_secs(5),
            // Some twenty thousand events, half a second's worth at forty thousand a second.
            queue_bytes_max: 16 << 20,
            // Measured: below one millisecond, waking threads costs more than the disk does.
            commit_interval: Duration::from_millis(1),
            fold_after: 16,
            danger_sync_delay: Duration::ZERO,
        }
    }
}
