//! Power cuts at every moment: whoever got an answer finds its entry.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::super::disk::Disk;
use super::super::{Priority, SpoolSettings};
use super::crash_disk::{CrashDisk, Fate, Op, cut_power};
use super::{numbers, open, proved, settings, wait};
use crate::testing::allowed;

/// Draws survivals from a seed, most of one kind where `weight` is far from the middle.
struct Seeded {
    state: u64,
    weight: u8,
}

impl Fate for Seeded {
    fn survives(&mut self) -> bool {
        // SplitMix64, as published by Steele, Lea and Flood.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u8::try_from((z ^ (z >> 31)) & 0xff).unwrap() < self.weight
    }
}

/// Runs one boot in `dir` that records batches of these sizes, and closes.
fn boot(disk: &Arc<CrashDisk>, dir: &Path, first: u64, batches: &[u64]) {
    let settings = SpoolSettings { segment_bytes: 3000, head_interval: Duration::ZERO, ..settings(dir) };
    let Ok((spool, recovery)) = open(settings, Arc::clone(disk) as Arc<dyn Disk>) else { return };
    assert_eq!(recovery.damage, None);
    let _ = disk.note(Op::Opened);
    let mut number = first;
    for size in batches {
        let record = || {
            number += 1;
            spool.record(&allowed(number), Priority::Known).map(|ticket| (number, ticket)).ok()
        };
        let tickets: Vec<_> = std::iter::repeat_with(record).take(usize::try_from(*size).unwrap()).flatten().collect();
        for (number, ticket) in tickets {
            if wait(ticket).is_ok() {
                let _ = disk.note(Op::Resolved(number));
            }
        }
    }
}

fn journal(disk: &CrashDisk) -> Vec<Op> {
    disk.journal.lock().unwrap().clone()
}

fn resolved(ops: &[Op]) -> BTreeSet<u64> {
    ops.iter().filter_map(|op| if let Op::Resolved(number) = op { Some(*number) } else { None }).collect()
}

/// What must be true of what a power cut left, before and after the next boot.
fn check(dir: &Path, answered: &BTreeSet<u64>, opened: bool) {
    if opened {
        proved(dir).unwrap();
        assert!(numbers(dir).is_superset(answered));
    }
    let settings = SpoolSettings { segment_bytes: 3000, ..settings(dir) };
    let (spool, recovery) = open(settings, Arc::new(CrashDisk::new(dir))).unwrap();
    assert_eq!(recovery.damage, None);
    proved(dir).unwrap();
    drop(spool);
    proved(dir).unwrap();
    assert!(numbers(dir).is_superset(answered));
}

#[test]
fn a_power_cut_after_any_operation_loses_no_answered_entry() {
    let (base, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Arc::new(CrashDisk::new(dir.path()));
    boot(&disk, dir.path(), 0, &[1, 3, 9, 1, 2]);
    let ops = journal(&disk);
    assert!(ops.len() > 40);
    for cut in 0..=ops.len() {
        let ops = &ops[..cut];
        let opened = ops.iter().any(|op| matches!(op, Op::Opened));
        for (weight, seed) in [(0, 0), (255, 0), (128, 1), (220, 2)] {
            let to = tempfile::tempdir().unwrap();
            cut_power(base.path(), dir.path(), ops, to.path(), &mut Seeded { state: seed, weight });
            check(to.path(), &resolved(ops), opened);
        }
    }
}

#[test]
fn a_kill_or_failed_sync_and_then_a_power_cut_lose_no_answered_entry() {
    let whole = {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(CrashDisk::new(dir.path()));
        boot(&disk, dir.path(), 0, &[2, 5, 1]);
        journal(&disk).len()
    };
    let moments = (1..whole).step_by(2).map(|killed_at| (killed_at, false));
    let failures = (1..whole).step_by(3).map(|killed_at| (killed_at, true));
    for (killed_at, last_sync_fails) in moments.chain(failures) {
        // What a killed process wrote and did not sync is there for the next boot, and gone after a power cut. What it
        // failed to sync is there too, and no later sync brings it to the disk.
        let (base, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Arc::new(CrashDisk::new(dir.path()));
        disk.killed_at.store(killed_at, Ordering::SeqCst);
        disk.last_sync_fails.store(last_sync_fails, Ordering::SeqCst);
        boot(&disk, dir.path(), 0, &[2, 5, 1]);
        let first = journal(&disk).len();
        disk.killed_at.store(usize::MAX, Ordering::SeqCst);
        boot(&disk, dir.path(), 100, &[1, 2]);
        let ops = journal(&disk);
        for cut in first..=ops.len() {
            let ops = &ops[..cut];
            let opened = ops.iter().any(|op| matches!(op, Op::Opened));
            let to = tempfile::tempdir().unwrap();
            cut_power(base.path(), dir.path(), ops, to.path(), &mut || false);
            check(to.path(), &resolved(ops), opened);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_records_and_crashes_verifies(
        boots in prop::collection::vec(
            (prop::collection::vec(1_u64..12, 0..6), 0.0..=1.0_f64, any::<u64>(), any::<u8>()),
            1..5,
        )
    ) {
        let mut base = tempfile::tempdir().unwrap();
        let mut answered = BTreeSet::new();
        let mut opened = false;
        for (round, (batches, cut, seed, weight)) in boots.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            cut_power(base.path(), dir.path(), &[], dir.path(), &mut || true);
            let disk = Arc::new(CrashDisk::new(dir.path()));
            boot(&disk, dir.path(), 1000 * round as u64, batches);
            let ops = journal(&disk);
            let ops = &ops[..(ops.len() as f64 * cut) as usize];
            let to = tempfile::tempdir().unwrap();
            cut_power(base.path(), dir.path(), ops, to.path(), &mut Seeded { state: *seed, weight: *weight });
            answered.extend(resolved(ops));
            opened |= ops.iter().any(|op| matches!(op, Op::Opened));
            base = to;
            if opened {
                proved(base.path()).unwrap();
                prop_assert!(numbers(base.path()).is_superset(&answered));
            }
        }
        check(base.path(), &answered, opened);
    }
}
