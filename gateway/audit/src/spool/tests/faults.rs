//! Disks that fail: nobody is answered on the strength of what is not there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cedargate_model::SystemClock;

use super::super::log::Log;
use super::super::queue::{Batch, Intake};
use super::super::recover::recover;
use super::super::shared::Shared;
use super::super::{Priority, RecordError, SpoolSettings, publish_key};
use super::faulty_disk::{Faults, FaultyDisk};
use super::{key, numbers, open, proved, settings, until, wait};
use crate::testing::{allowed, outcome};
use crate::verify::Listed;

fn faulty() -> (tempfile::TempDir, Arc<Faults>, Arc<FaultyDisk>) {
    let faults = Arc::new(Faults::default());
    (tempfile::tempdir().unwrap(), Arc::clone(&faults), Arc::new(FaultyDisk(faults)))
}

#[test]
fn after_a_failed_write_or_sync_the_batch_stands_in_a_fresh_segment() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    faults.segment_syncs.store(1, Ordering::SeqCst);
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap();
    faults.segment_writes.store(1, Ordering::SeqCst);
    wait(spool.record(&allowed(3), Priority::Known).unwrap()).unwrap();
    assert!(spool.writable());

    let live = proved(dir.path()).unwrap();
    assert_eq!((live.segments, live.retired_segments), (3, 2));
    spool.close().unwrap();
    assert_eq!(proved(dir.path()).unwrap().retired_segments, 2);
    assert_eq!(numbers(dir.path()), [1, 2, 3].into());
}

#[test]
fn a_full_disk_refuses_and_is_tried_again() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();

    faults.create.store(true, Ordering::SeqCst);
    faults.segment_writes.store(1, Ordering::SeqCst);
    let ticket = spool.record(&allowed(2), Priority::Known).unwrap();
    assert_eq!(wait(ticket), Err(RecordError::Unwritable));
    assert!(!spool.writable());
    assert_eq!(spool.record(&allowed(3), Priority::Known).err(), Some(RecordError::Unwritable));
    spool.note(&outcome(3));
    assert_eq!(spool.stats().notes_dropped, 1);
    // What the disk refuses is refused, and what it holds still holds.
    proved(dir.path()).unwrap();

    faults.create.store(false, Ordering::SeqCst);
    until(|| spool.writable());
    wait(spool.record(&allowed(4), Priority::Known).unwrap()).unwrap();
    spool.close().unwrap();
    proved(dir.path()).unwrap();
    let kept = numbers(dir.path());
    assert!(kept.is_superset(&[1, 4].into()), "{kept:?}");
    assert!(!kept.contains(&3));
}

#[test]
fn a_commit_that_succeeds_after_a_failed_rotation_opens_the_intake() {
    let shared = Shared::new(1 << 20, 16);
    shared.record(b"{}", Priority::Known, None).unwrap();
    shared.set_intake(Intake::Unwritable);
    assert_eq!(shared.record(b"{}", Priority::Known, None), Err(RecordError::Unwritable));
    let (epoch, _batch) = shared.take(Batch::default());
    shared.committed(epoch, Duration::ZERO);
    assert!(shared.writable());
    shared.record(b"{}", Priority::Known, None).unwrap();

    shared.close();
    let (epoch, _batch) = shared.take(Batch::default());
    shared.committed(epoch, Duration::ZERO);
    assert_eq!(shared.record(b"{}", Priority::Known, None), Err(RecordError::Closed), "a closed one stays closed");
}

#[test]
fn a_full_disk_is_tried_again_a_few_times_a_second_only() {
    let (dir, faults, disk) = faulty();
    let settings = SpoolSettings { head_interval: Duration::ZERO, ..settings(dir.path()) };
    let (spool, _) = open(settings, disk).unwrap();
    // Entries that no head covers yet must not hurry it.
    faults.heads.store(true, Ordering::SeqCst);
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    faults.create.store(true, Ordering::SeqCst);
    faults.segment_writes.store(1, Ordering::SeqCst);
    let start = Instant::now();
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap_err();
    until(|| faults.creates_refused.load(Ordering::SeqCst) >= 6);
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
}

#[test]
fn however_long_an_outage_lasts_the_next_segment_can_be_read() {
    let (dir, faults, disk) = faulty();
    let found = recover(dir.path(), &*disk, "gw-1", key().verifying_key()).unwrap();
    publish_key(dir.path(), &*disk, &key().verifying_key()).unwrap();
    let instance = ("gw-1".to_owned(), 1024);
    let mut log = Log::begin(dir.path().into(), disk, key(), Arc::new(SystemClock), instance, found).unwrap();
    for outage in [&faults.create, &faults.sync_dir] {
        outage.store(true, Ordering::SeqCst);
        assert!(log.rotate().is_err());
        (0..500).for_each(|_| assert!(log.begin_segment().is_err()));
        proved(dir.path()).unwrap();
        outage.store(false, Ordering::SeqCst);
        log.begin_segment().unwrap();
        log.write_head().unwrap();
        proved(dir.path()).unwrap();
    }
    let names = crate::format::directory::segments(dir.path()).unwrap();
    assert_eq!(names.len(), 3);
    let last = std::fs::read_to_string(dir.path().join(names[2].to_string())).unwrap();
    assert!(last.lines().next().unwrap().len() < 1024, "an opening entry grew with the outage");
}

#[test]
fn every_way_to_fail_twice_is_an_error_and_no_break() {
    // Failing syncs: the batch, the fresh segment's opening, and so on until one holds.
    for failures in 2..6 {
        let (dir, faults, disk) = faulty();
        let (spool, _) = open(settings(dir.path()), disk).unwrap();
        faults.segment_syncs.store(failures, Ordering::SeqCst);
        let ticket = spool.record(&allowed(1), Priority::Known).unwrap();
        assert_eq!(wait(ticket), Err(RecordError::Unwritable));
        proved(dir.path()).unwrap();
        until(|| spool.writable());
        wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap();
        proved(dir.path()).unwrap();
        drop(spool);
        assert!(proved(dir.path()).unwrap().retired_segments >= 1);
    }
}

#[test]
fn a_segment_whose_name_is_not_durable_is_no_part_of_the_record() {
    for kept in [false, true] {
        let (dir, faults, disk) = faulty();
        let (spool, _) = open(settings(dir.path()), disk).unwrap();
        wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
        faults.remove.store(kept, Ordering::SeqCst);
        faults.folder_syncs.store(2, Ordering::SeqCst);
        faults.segment_writes.store(1, Ordering::SeqCst);
        wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap_err();
        until(|| spool.writable());
        wait(spool.record(&allowed(3), Priority::Known).unwrap()).unwrap();
        assert_eq!(proved(dir.path()).unwrap().abandoned_segments, if kept { 2 } else { 0 });
        spool.close().unwrap();
        proved(dir.path()).unwrap();
        assert_eq!(numbers(dir.path()), [1, 3].into());
    }
}

#[test]
fn a_segment_given_up_after_it_was_listed_is_no_break() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    // The entry stands in the file and is no part of the record: its sync failed, and there is no other segment yet.
    faults.create.store(true, Ordering::SeqCst);
    faults.segment_syncs.store(1, Ordering::SeqCst);
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap_err();
    let listed = Listed::take(dir.path()).unwrap();
    // Another entry takes its number in the next segment, and gets a head.
    faults.create.store(false, Ordering::SeqCst);
    until(|| spool.writable());
    spool.close().unwrap();
    let report = listed.prove(vec![key().verifying_key()]).unwrap();
    assert_eq!((report.segments, report.heads, report.entries_after_last_head), (1, 1, 2));
    let report = proved(dir.path()).unwrap();
    assert_eq!((report.segments, report.heads, report.retired_segments), (2, 2, 1));
}

#[test]
fn what_gathers_behind_a_failing_commit_is_refused_too() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    faults.shut();
    let first = spool.record(&allowed(1), Priority::Known).unwrap();
    faults.halted();
    let second = spool.record(&allowed(2), Priority::Known).unwrap();
    faults.segment_syncs.store(1, Ordering::SeqCst);
    faults.create.store(true, Ordering::SeqCst);
    faults.let_pass();
    assert_eq!(wait(first), Err(RecordError::Unwritable));
    assert_eq!(wait(second), Err(RecordError::Unwritable));
    assert_eq!(spool.stats().commits_failed, 1);
    assert_eq!(spool.stats().queue_bytes, 0);
}

#[test]
fn without_heads_it_records_on_and_is_not_ready() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(SpoolSettings { head_interval: Duration::ZERO, ..settings(dir.path()) }, disk).unwrap();
    faults.heads.store(true, Ordering::SeqCst);
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    until(|| !spool.writable());
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap();
    proved(dir.path()).unwrap();

    faults.heads.store(false, Ordering::SeqCst);
    until(|| spool.writable());
    spool.close().unwrap();
    assert_eq!(proved(dir.path()).unwrap().entries_after_last_head, 1);
    assert_eq!(numbers(dir.path()), [1, 2].into());
}

#[test]
fn closing_on_a_broken_disk_says_so() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    faults.heads.store(true, Ordering::SeqCst);
    assert_eq!(spool.close(), Err(RecordError::Unwritable));
    proved(dir.path()).unwrap();
}

#[test]
fn a_writer_that_dies_leaves_nobody_waiting() {
    let (dir, faults, disk) = faulty();
    let (spool, _) = open(settings(dir.path()), disk).unwrap();
    faults.shut();
    let first = spool.record(&allowed(1), Priority::Known).unwrap();
    faults.halted();
    let second = spool.record(&allowed(2), Priority::Known).unwrap();
    faults.panic.store(true, Ordering::SeqCst);
    faults.let_pass();
    // The first was written before the panic; whichever way it went, both are answered.
    let _ = wait(first);
    assert_eq!(wait(second), Err(RecordError::Unwritable));
    assert!(!spool.writable());
    assert_eq!(spool.record(&allowed(3), Priority::Known).err(), Some(RecordError::Closed));
    assert_eq!(spool.close(), Err(RecordError::Unwritable));
}
