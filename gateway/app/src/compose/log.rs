//! Logging: JSON on standard output, Pingora's own lines among ours.
//!
//! A thread of its own writes the lines. Where whoever reads them does not keep up, lines are dropped and counted rather
//! than requests held up: the log is for debugging, the audit log is the record.

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait for the reader of standard output: about 10 MiB.
const LINES_WAITING_MAX: usize = 16 * 1024;

/// The running log. Dropping it writes what still waits.
pub(super) struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Log {
    /// Starts it. The filter was parsed when the configuration was.
    pub(super) fn start(filter: &str) -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING_MAX);
        let (writer, guard) = builder.thread_name("log").finish(std::io::stdout());
        let log = Self { dropped: writer.error_counter(), _writer: guard };
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(writer);
        // Only a second start in one process could find one set: its log goes on.
        let _already_set = subscriber.try_init();
        log
    }

    /// Counts the lines that were dropped.
    pub(super) fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}
