//! What callers and the writer share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cedargate_model::Micros;

use super::fold::FoldKey;
use super::log::Log;
use super::queue::{Accepted, Batch, Intake, Queue, WriterSleep};
use super::ticket::Epochs;
use super::{Priority, RecordError, SpoolStats};

/// The queue, the waiters and the counters.
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    writer: Condvar,
    pub(crate) epochs: Arc<Epochs>,
    heads_written: AtomicBool,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    folded: AtomicU64,
    refused: AtomicU64,
    notes_dropped: AtomicU64,
    commits: AtomicU64,
    commits_failed: AtomicU64,
    commit_micros: AtomicU64,
    segments_retired: AtomicU64,
    heads: AtomicU64,
    sequence: AtomicU64,
}

/// What the writer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Events wait.
    Batch,
    /// The time that was given has come.
    Due,
    /// The spool was closed and nothing waits.
    Close,
}

impl Shared {
    pub(crate) fn new(queue_bytes_max: usize, fold_after: u32) -> Self {
        Self {
            queue: Mutex::new(Queue::new(queue_bytes_max, fold_after)),
            writer: Condvar::new(),
            epochs: Arc::new(Epochs::default()),
            heads_written: AtomicBool::new(true),
            counters: Counters::default(),
        }
    }

    // For callers.

    /// Counts a refusal that need not stand whole; none where it must.
    pub(crate) fn fold(&self, key: &FoldKey, at: Micros) -> Option<Result<u64, RecordError>> {
        let folded = self.queue().fold(key, at)?;
        if folded.is_ok() {
            self.counters.folded.fetch_add(1, Ordering::Relaxed);
        }
        Some(self.accepted(folded))
    }

    pub(crate) fn record(&self, event: &[u8], priority: Priority, key: Option<FoldKey>) -> Result<u64, RecordError> {
        let accepted = self.queue().record(event, priority, key);
        self.accepted(accepted)
    }

    pub(crate) fn note(&self, event: &[u8]) {
        let accepted = self.queue().note(event);
        match accepted {
            Ok(Accepted { wake_writer, .. }) => {
                self.counters.accepted.fetch_add(1, Ordering::Relaxed);
                if wake_writer {
                    self.writer.notify_one();
                }
            }
            Err(_) => self.drop_notes(1),
        }
    }

    pub(crate) fn drop_notes(&self, count: u64) {
        self.counters.notes_dropped.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, error: RecordError) -> RecordError {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        error
    }

    fn accepted(&self, accepted: Result<Accepted, RecordError>) -> Result<u64, RecordError> {
        let Accepted { epoch, wake_writer } = accepted.map_err(|error| self.refuse(error))?;
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        if wake_writer {
            self.writer.notify_one();
        }
        Ok(epoch)
    }

    /// Takes no more events and tells the writer to finish.
    pub(crate) fn close(&self) {
        let mut queue = self.queue();
        queue.intake = Intake::Closed;
        queue.sleep = WriterSleep::Awake;
        drop(queue);
        self.writer.notify_one();
    }

    pub(crate) fn writable(&self) -> bool {
        self.queue().intake == Intake::Open && self.heads_written.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self, boot: u64) -> SpoolStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        SpoolStats {
            accepted: of(&counters.accepted),
            folded: of(&counters.folded),
            refused: of(&counters.refused),
            notes_dropped: of(&counters.notes_dropped),
            commits: of(&counters.commits),
            commits_failed: of(&counters.commits_failed),
            segments_retired: of(&counters.segments_retired),
            heads: of(&counters.heads),
            queue_bytes: u64::try_from(self.queue().bytes()).unwrap_or(u64::MAX),
            commit_micros: of(&counters.commit_micros),
            boot,
            sequence: of(&counters.sequence),
        }
    }

    // For the writer.

    /// Sleeps until there is something to do, or until `due`.
    ///
    /// First it dozes: a record wakes it, a note that comes meanwhile waits for one, so that the outcome of one request
    /// costs no sync of its own. When nothing came, it sleeps until woken.
    pub(crate) fn wait_for_work(&self, doze: Duration, due: Option<Instant>) -> Work {
        let mut queue = self.queue();
        let doze_end = Instant::now() + doze;
        loop {
            if queue.batch.records > 0 || (queue.intake == Intake::Closed && !queue.batch.is_empty()) {
                queue.sleep = WriterSleep::Awake;
                return Work::Batch;
            }
            if queue.intake == Intake::Closed {
                return Work::Close;
            }
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                queue.sleep = WriterSleep::Awake;
                return Work::Due;
            }
            let dozing = now < doze_end;
            if !dozing && !queue.batch.is_empty() {
                queue.sleep = WriterSleep::Awake;
                return Work::Batch;
            }
            queue.sleep = if dozing { WriterSleep::Dozing } else { WriterSleep::Asleep };
            let until = if dozing { Some(due.map_or(doze_end, |due| due.min(doze_end))) } else { due };
            queue = match until {
                Some(until) => {
                    let timeout = until.saturating_duration_since(now);
                    self.writer.wait_timeout(queue, timeout).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.writer.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub(crate) fn take(&self, empty: Batch) -> (u64, Batch) {
        self.queue().take(empty)
    }

    /// A batch is durable, so the log can be written, whatever was said of it while the batch was waiting.
    ///
    /// Timeline in which saying nothing loses: a rotation fails while events wait, and the intake stops; the disk comes
    /// back; their commit begins a fresh segment. The log is writable from then on, and nothing would try it again.
    pub(crate) fn committed(&self, epoch: u64, took: Duration) {
        let mut queue = self.queue();
        queue.in_flight_bytes = 0;
        if queue.intake == Intake::Unwritable {
            queue.intake = Intake::Open;
        }
        drop(queue);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.commit_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.epochs.complete(epoch);
    }

    /// The batch is lost to the disk, and what has gathered behind it would be next: all who wait are told.
    pub(crate) fn failed(&self, epoch: u64, batch: &Batch) {
        let mut queue = self.queue();
        if queue.intake == Intake::Open {
            queue.intake = Intake::Unwritable;
        }
        queue.in_flight_bytes = 0;
        let (last, gathered) = queue.take(Batch::default());
        queue.in_flight_bytes = 0;
        drop(queue);
        self.counters.commits_failed.fetch_add(1, Ordering::Relaxed);
        self.drop_notes(batch.notes + gathered.notes);
        self.epochs.fail(epoch, last);
    }

    /// Opens or stops the intake; a closed one stays closed.
    pub(crate) fn set_intake(&self, intake: Intake) {
        let mut queue = self.queue();
        if queue.intake != Intake::Closed {
            queue.intake = intake;
        }
    }

    pub(crate) fn publish(&self, log: &Log) {
        self.heads_written.store(!log.heads_fail(), Ordering::Relaxed);
        self.counters.sequence.store(log.sequence(), Ordering::Relaxed);
        self.counters.heads.store(log.heads_written(), Ordering::Relaxed);
        self.counters.segments_retired.store(log.segments_retired, Ordering::Relaxed);
    }

    /// The writer has ended in order.
    pub(crate) fn end(&self) {
        self.epochs.close();
    }

    /// The writer is gone: nothing becomes durable any more.
    pub(crate) fn die(&self) {
        let mut queue = self.queue();
        queue.intake = Intake::Closed;
        let (last, _) = queue.take(Batch::default());
        drop(queue);
        self.epochs.fail_rest(last);
        self.epochs.close();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
