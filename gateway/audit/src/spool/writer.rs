//! The writer's thread: takes what has gathered, makes it durable, says so.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info};

use super::RecordError;
use super::log::Log;
use super::pace::Pace;
use super::queue::{Batch, Intake};
use super::shared::{Shared, Work};

/// How often an unwritable log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long a note waits for a record to share a commit with.
const NOTE_LINGER: Duration = Duration::from_millis(25);

/// Heads come no closer than this: a signature costs some 20 microseconds, its sync as much as a commit's.
const HEAD_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The writer, as its thread owns it.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    pace: Pace,
    head_interval: Duration,
    last_head: Instant,
    spare: Batch,
    /// Held as long as the files are.
    _lock: Option<File>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        log: Log,
        (commit_interval, head_interval): (Duration, Duration),
        lock: Option<File>,
    ) -> Self {
        let (pace, last_head) = (Pace::new(commit_interval), Instant::now());
        let head_interval = head_interval.max(HEAD_INTERVAL_MIN);
        Self { shared, log, pace, head_interval, last_head, spare: Batch::default(), _lock: lock }
    }

    /// Works until the spool is closed. If this ever panics, waiters are told that nothing more becomes durable.
    pub(crate) fn run(mut self) -> Result<(), RecordError> {
        let guard = FailOnUnwind(Arc::clone(&self.shared));
        loop {
            // Heads wait while nothing can be written: one that is overdue would make every try follow the last at once.
            let due = match self.log.is_writable() {
                true => self.log.has_uncovered().then(|| self.last_head + self.head_interval),
                false => Some(Instant::now() + RETRY_INTERVAL),
            };
            self.pause();
            match self.shared.wait_for_work(NOTE_LINGER, due) {
                Work::Batch => self.commit(),
                Work::Due => {}
                Work::Close => break,
            }
            self.keep_house();
        }
        let closed = self.log.close();
        self.publish();
        std::mem::forget(guard);
        self.shared.end();
        closed.map_err(|error| {
            error!(%error, "the audit log could not be closed in order");
            RecordError::Unwritable
        })
    }

    /// Sleeps until the next commit may start. What arrives meanwhile joins its batch, and wakes nobody: while there is
    /// always something to write, this thread is never woken by a request.
    fn pause(&self) {
        let wait = self.pace.wait(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait);
        }
    }

    fn commit(&mut self) {
        let (epoch, mut batch) = self.shared.take(std::mem::take(&mut self.spare));
        let start = Instant::now();
        let committed = self.log.commit(&mut batch);
        let end = Instant::now();
        self.pace.committed(start, end);
        match committed {
            Ok(()) => self.shared.committed(epoch, end - start),
            Err(error) => {
                error!(%error, events = batch.len(), "audit events are refused: nothing can be written");
                self.shared.failed(epoch, &batch);
            }
        }
        self.publish();
        batch.clear();
        self.spare = batch;
    }

    /// What is due besides commits: heads, full segments, a log that may be writable again.
    fn keep_house(&mut self) {
        if !self.log.is_writable() {
            if self.log.begin_segment().is_ok() {
                info!("the audit log is writable again");
                self.shared.set_intake(Intake::Open);
            }
            self.publish();
            return;
        }
        let due = self.last_head.elapsed() >= self.head_interval;
        if self.log.heads_fail() && !due {
            // Tried again an interval later, not at once: it must not slow the commits down.
            return;
        }
        if self.log.is_full() {
            self.signed(Log::rotate);
            if !self.log.is_writable() {
                self.shared.set_intake(Intake::Unwritable);
            }
        } else if due && self.log.has_uncovered() {
            self.signed(Log::write_head);
        }
        self.publish();
    }

    fn signed(&mut self, step: impl FnOnce(&mut Log) -> io::Result<()>) {
        self.last_head = Instant::now();
        if let Err(error) = step(&mut self.log) {
            error!(%error, "the audit log could not be signed or continued");
        }
    }

    fn publish(&self) {
        self.shared.publish(&self.log);
    }
}

/// Tells the waiters when the writer's thread dies.
struct FailOnUnwind(Arc<Shared>);

impl Drop for FailOnUnwind {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("the audit writer died; nothing is recorded any more");
            self.0.die();
        }
    }
}
