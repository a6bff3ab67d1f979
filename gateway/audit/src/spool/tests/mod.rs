//! The spool on disks that lose, fail and delay.

mod crash_disk;
mod crashes;
mod faults;
mod faulty_disk;
mod folding;
mod forged;
mod queueing;
mod rewriting;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cedargate_model::{EventId, SystemClock};
use ed25519_dalek::SigningKey;

use super::disk::Disk;
use super::{OpenError, RecordError, Recorded, Recovery, Spool, SpoolSettings, Ticket};
use crate::{Broken, Report, read, verify};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Settings under which nothing happens by time.
fn settings(dir: &Path) -> SpoolSettings {
    SpoolSettings { head_interval: Duration::from_secs(3600), ..SpoolSettings::new(dir, "gw-1") }
}

fn open(settings: SpoolSettings, disk: Arc<dyn Disk>) -> Result<(Spool, Recovery), OpenError> {
    Spool::open_on(settings, key(), Arc::new(SystemClock), disk)
}

fn proved(dir: &Path) -> Result<Report, Broken> {
    verify(dir, Some(key().verifying_key()))
}

/// The numbers of the events in a record.
fn numbers(dir: &Path) -> BTreeSet<u64> {
    read(dir).filter_map(|entry| entry.unwrap().event().map(|event| number(event.id))).collect()
}

fn number(id: EventId) -> u64 {
    u64::try_from(id.0.as_u128()).unwrap_or(u64::MAX)
}

/// Waits for a ticket on this thread.
fn wait(ticket: Ticket) -> Result<Recorded, RecordError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ticket.durable())
}

/// Whether a ticket has its answer.
fn is_decided(ticket: &Ticket) -> bool {
    ticket.epochs.result(ticket.epoch).is_some()
}

/// Waits until something is so, for as long as a loaded machine may need.
fn until(mut so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(std::time::Instant::now() < deadline, "it never came to be");
        std::thread::yield_now();
    }
}

#[test]
fn a_discarding_spool_answers_at_once() {
    let spool = Spool::danger_discarding();
    let event = crate::testing::allowed(1);
    let ticket = spool.record(&event, super::Priority::Known).unwrap();
    let polled = std::pin::pin!(ticket.durable()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(recorded)) if recorded.event() == event.id));
    assert!(spool.writable());
    spool.close().unwrap();
}
