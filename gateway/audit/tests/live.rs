//! Verification while the writer runs: no false alarm, and nothing missed.

#![cfg(test)]

mod support;

use std::time::Duration;

use cedargate_audit::{Priority, SpoolSettings, read, verify};
use support::testing::allowed;
use support::{key, open, settings};

#[test]
fn a_record_verifies_at_every_moment_of_its_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) =
        open(SpoolSettings { segment_bytes: 100_000, head_interval: Duration::from_millis(2), ..settings(dir.path()) });
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let mut number = 0;
            for _ in 0..120 {
                let batch: Vec<_> = (0..40)
                    .map(|_| {
                        number += 1;
                        spool.record(&allowed(number), Priority::Known).unwrap()
                    })
                    .collect();
                support::wait(batch);
            }
            number
        });
        let (mut last, mut verified) = (0, 0);
        while !writer.is_finished() || verified < 3 {
            let before = spool.stats().sequence;
            let report = verify(dir.path(), Some(key().verifying_key())).unwrap();
            assert!(report.last_sequence >= before.max(last), "what was durable before must be seen");
            last = report.last_sequence;
            verified += 1;
        }
        let written = writer.join().unwrap();
        spool.close().unwrap();
        let events = read(dir.path()).filter(|entry| entry.as_ref().unwrap().event().is_some()).count();
        assert_eq!(events as u64, written);
    });
    let report = verify(dir.path(), Some(key().verifying_key())).unwrap();
    assert!(report.segments > 2 && report.heads > 5, "{report}");
}
