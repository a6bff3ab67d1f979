//! Power cuts at every moment: whoever got an answer finds its entry.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

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

/// Runs one boot in `dir` that records batches of these sizes, and gives what was asked of the disk.
fn boot(dir: &Path, first: u64, batches: &[u64], closes: bool) -> Vec<Op> {
    let disk = Arc::new(CrashDisk::new(dir));
    let journal = Arc::clone(&disk.journal);
    let settings = SpoolSettings { segment_bytes: 3000, head_interval: Duration::ZERO, ..settings(dir) };
    let (spool, recovery) = open(settings, disk).unwrap();
    assert_eq!(recovery.damage, None);
    journal.lock().unwrap().push(Op::Opened);
    let mut number = first;
    for size in batches {
        let tickets: Vec<_> = (0..*size)
            .map(|_| {
                number += 1;
                (number, spool.record(&allowed(number), Priority::Known).unwrap())
            })
            .collect();
        for (number, ticket) in tickets {
            wait(ticket).unwrap();
            journal.lock().unwrap().push(Op::Resolved(number));
        }
    }
    let before_close = journal.lock().unwrap().len();
    drop(spool);
    let mut ops = journal.lock().unwrap().clone();
    if !closes {
        ops.truncate(before_close);
    }
    ops
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
    let (spool, recovery) = open(settings(dir), Arc::new(super::super::disk::RealDisk)).unwrap();
    assert_eq!(recovery.damage, None);
    proved(dir).unwrap();
    drop(spool);
    proved(dir).unwrap();
    assert!(numbers(dir).is_superset(answered));
}

#[test]
fn a_power_cut_after_any_operation_loses_no_answered_entry() {
    let (base, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ops = boot(dir.path(), 0, &[1, 3, 9, 1, 2], true);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_records_and_crashes_verifies(
        boots in prop::collection::vec(
            (prop::collection::vec(1_u64..12, 0..6), any::<bool>(), 0.0..=1.0_f64, any::<u64>(), any::<u8>()),
            1..5,
        )
    ) {
        let mut base = tempfile::tempdir().unwrap();
        let mut answered = BTreeSet::new();
        let mut opened = false;
        for (round, (batches, closes, cut, seed, weight)) in boots.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            cut_power(base.path(), dir.path(), &[], dir.path(), &mut || true);
            let ops = boot(dir.path(), 1000 * round as u64, batches, *closes);
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
