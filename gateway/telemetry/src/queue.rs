//! Between those who must not wait and the one who may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;

/// Something that has ended and becomes spans on the exporter's thread.
pub trait Finished: Send + 'static {
    /// Adds its spans.
    fn spans(self, into: &mut Vec<Span>);
}

/// Where finished things are handed in. Cheap to clone.
#[derive(Debug)]
pub struct Queue<T> {
    sender: mpsc::Sender<T>,
    counted: Arc<Counted>,
}

/// The other end, for the exporter.
pub struct Waiting<T> {
    pub(crate) receiver: mpsc::Receiver<T>,
    pub(crate) counted: Arc<Counted>,
}

/// What became of everything that was handed in.
#[derive(Debug, Default)]
pub struct Counted {
    pub(crate) exported: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    pub(crate) export_failed: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) traces_failed: AtomicU64,
    pub(crate) metrics_failed: AtomicU64,
}

/// A queue with room for so many.
pub fn queue<T: Finished>(max: usize) -> (Queue<T>, Waiting<T>) {
    let (sender, receiver) = mpsc::channel(max.max(1));
    let counted = Arc::<Counted>::default();
    (Queue { sender, counted: Arc::clone(&counted) }, Waiting { receiver, counted })
}

impl<T: Finished> Queue<T> {
    /// Hands something in, or counts it where there is no room. Never waits.
    pub fn offer(&self, finished: T) {
        if self.sender.try_send(finished).is_err() {
            self.counted.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of everything.
    pub fn counted(&self) -> &Arc<Counted> {
        &self.counted
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), counted: Arc::clone(&self.counted) }
    }
}

impl Counted {
    /// Spans that a collector accepted.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Things for which the queue had no room.
    pub fn queue_full(&self) -> u64 {
        self.queue_full.load(Ordering::Relaxed)
    }

    /// Spans that could not be delivered.
    pub fn export_failed(&self) -> u64 {
        self.export_failed.load(Ordering::Relaxed)
    }

    /// Spans that a collector turned down.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Deliveries of spans that failed for good.
    pub fn traces_failed(&self) -> u64 {
        self.traces_failed.load(Ordering::Relaxed)
    }

    /// Deliveries of metrics that failed for good.
    pub fn metrics_failed(&self) -> u64 {
        self.metrics_failed.load(Ordering::Relaxed)
    }

    /// Everything that no collector got.
    pub(crate) fn lost(&self) -> u64 {
        self.queue_full() + self.export_failed() + self.rejected()
    }
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Finished for Nothing {
        fn spans(self, _: &mut Vec<Span>) {}
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (queue, waiting) = queue(2);
        for _ in 0..5 {
            queue.offer(Nothing);
        }
        assert_eq!(waiting.counted.queue_full(), 3);
        drop(waiting);
        queue.offer(Nothing);
        assert_eq!(queue.counted().queue_full(), 4, "nobody is left to take it");
    }
}
