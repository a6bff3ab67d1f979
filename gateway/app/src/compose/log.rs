//! Logging: JSON on standard output, Pingora's own lines among ours.
//!
//! A thread of its own writes the lines, many at a time: waking it for each would cost a request more than making the
//! line. Where whoever reads them does not keep up, lines are dropped and counted rather than requests held up: the log is
//! for debugging, the audit log is the record.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Octets of lines that may wait for the reader of standard output.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// How long the thread lets lines gather after the first.
const LINGER: Duration = Duration::from_millis(5);

/// The running log. Dropping it writes what still waits.
pub(super) struct Log {
    lines: Lines,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// Starts it. The filter was parsed when the configuration was.
    pub(super) fn start(filter: &str) -> io::Result<Self> {
        let (lines, writer) = Lines::to(io::stdout())?;
        let log = Self { lines: lines.clone(), writer: Some(writer) };
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(lines);
        // Only a second start in one process could find one set: its log goes on.
        let _already_set = subscriber.try_init();
        Ok(log)
    }

    /// Counts the lines that were dropped.
    pub(super) fn dropped(&self) -> LinesDropped {
        LinesDropped(Arc::clone(&self.lines.shared))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.close();
        if let Some(writer) = self.writer.take() {
            // It ends by itself once everything is written, and there is nobody left to tell how that went.
            let _ended = writer.join();
        }
    }
}

/// The count of lines that nobody read in time.
#[derive(Clone)]
pub(super) struct LinesDropped(Arc<Shared>);

impl LinesDropped {
    pub(super) fn count(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// Lines on their way to a writer.
#[derive(Clone)]
struct Lines {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    work: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    octets: Vec<u8>,
    /// Nobody has woken the writer since it went to sleep.
    asleep: bool,
    closed: bool,
}

impl Lines {
    /// Lines that a new thread writes to `out`.
    fn to(out: impl Write + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let shared = Arc::new(Shared::default());
        let lines = Self { shared: Arc::clone(&shared) };
        let writer = thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_to(out))?;
        Ok((lines, writer))
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.shared.waiting();
        if waiting.octets.len() + line.len() > WAITING_BYTES_MAX {
            drop(waiting);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.octets.extend_from_slice(line);
        let wake = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.shared.work.notify_one();
        }
    }

    fn close(&self) {
        self.shared.waiting().closed = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    /// Writes what comes until the log is closed.
    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut waiting = self.waiting();
            while waiting.octets.is_empty() && !waiting.closed {
                waiting.asleep = true;
                waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.octets.is_empty() {
                return;
            }
            if !waiting.closed {
                drop(waiting);
                thread::sleep(LINGER);
                waiting = self.waiting();
            }
            std::mem::swap(&mut waiting.octets, &mut batch);
            drop(waiting);
            // Whoever read the log is gone; the gateway is not there for its log's sake.
            let _unread = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event's line: `tracing` writes each whole, in one call.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Hands on each write, and takes the next one only when told to.
    struct Reader {
        written: Sender<Vec<u8>>,
        go: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.written.send(octets.to_vec()).map_err(io::Error::other)?;
            self.go.recv().map_err(io::Error::other)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_waits_at_the_end_is_written() {
        let (written, read) = channel();
        let (go, told) = channel();
        let (lines, writer) = Lines::to(Reader { written, go: told }).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            lines.push(line.as_bytes());
            go.send(()).unwrap();
        }
        lines.close();
        writer.join().unwrap();
        assert_eq!(read.iter().flatten().collect::<Vec<_>>(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_holds_nobody_up() {
        let (written, read) = channel();
        let (go, told) = channel();
        let (lines, writer) = Lines::to(Reader { written, go: told }).unwrap();
        lines.push(b"first\n");
        assert_eq!(read.recv().unwrap(), b"first\n", "the writer is stuck with it from now on");
        let line = vec![b'x'; WAITING_BYTES_MAX / 4];
        for _ in 0..6 {
            lines.push(&line);
        }
        assert_eq!(LinesDropped(Arc::clone(&lines.shared)).count(), 2);
        lines.close();
        drop(go);
        writer.join().unwrap();
    }
}
