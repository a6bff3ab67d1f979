//! The queue is bounded, and keeps room for people who are signed in.

use std::sync::Arc;

use super::super::{Priority, RecordError, SpoolSettings};
use super::faulty_disk::{Faults, FaultyDisk};
use super::{numbers, open, settings, wait};
use crate::testing::{allowed, outcome};

#[test]
fn a_stalled_disk_fills_the_queue_and_loses_nothing_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let settings = SpoolSettings { queue_bytes_max: 100_000, ..settings(dir.path()) };
    let (spool, _) = open(settings, Arc::new(FaultyDisk(Arc::clone(&faults)))).unwrap();
    faults.shut();
    let mut tickets = vec![spool.record(&allowed(0), Priority::Known).unwrap()];
    faults.halted();

    let mut sent = 0;
    let mut fill = |priority| {
        let before = sent;
        loop {
            sent += 1;
            match spool.record(&allowed(sent), priority) {
                Ok(ticket) => tickets.push(ticket),
                Err(error) => {
                    assert_eq!(error, RecordError::QueueFull);
                    return sent - before - 1;
                }
            }
        }
    };
    let (unknown, known) = (fill(Priority::Unknown), fill(Priority::Known));
    assert!(unknown > 50 && known.abs_diff(unknown) <= 2, "{unknown} {known}");
    spool.note(&outcome(1));
    let stats = spool.stats();
    assert_eq!((stats.notes_dropped, stats.refused), (1, 2));
    assert!(stats.queue_bytes <= 100_000);

    faults.let_pass();
    let accepted = tickets.len();
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    assert_eq!(numbers(dir.path()).len(), accepted);
    assert_eq!(spool.stats().queue_bytes, 0);
    wait(spool.record(&allowed(9999), Priority::Unknown).unwrap()).unwrap();
}

#[test]
fn an_event_larger_than_an_entry_may_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()), Arc::new(super::super::disk::RealDisk)).unwrap();
    let mut event = allowed(1);
    if let cedargate_model::EventBody::Decision(decision) = &mut event.body {
        std::sync::Arc::make_mut(decision).resource = Some("x".repeat(300_000));
    }
    assert!(matches!(spool.record(&event, Priority::Known), Err(RecordError::TooLarge { .. })));
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap();
}
