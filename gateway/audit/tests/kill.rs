//! A process killed under load: whoever it had told that an event is durable can rely on it.

#![cfg(test)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use cedargate_audit::{Priority, SpoolSettings, read, verify};
use support::testing::{allowed, outcome};
use support::{key, open, settings};

/// Names the directory and the first number, where this binary is the process to be killed.
const CHILD: &str = "CEDARGATE_AUDIT_TEST_CHILD";

/// Not a test by itself: records for ever, and says what is durable.
#[test]
fn the_process_to_be_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (first, dir) = told.split_once(':').unwrap();
    let first: u64 = first.parse().unwrap();
    let (spool, recovery) = open(SpoolSettings {
        segment_bytes: 200_000,
        head_interval: Duration::from_millis(20),
        ..settings(dir.as_ref())
    });
    assert_eq!(recovery.damage, None);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        tokio::spawn(spool.dispatch());
        let mut tasks = Vec::new();
        for task in 0..16 {
            let spool = spool.clone();
            tasks.push(tokio::spawn(async move {
                for number in (first + task..).step_by(16) {
                    let ticket = spool.record(&allowed(number), Priority::Known).unwrap();
                    ticket.durable().await.unwrap();
                    // One write of one line: the parent reads whole lines only.
                    std::io::stdout().write_all(format!("durable {number}\n").as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                    spool.note(&outcome(number));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_kill_under_load_loses_nothing_that_was_called_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut durable = BTreeSet::new();
    for round in 0..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_to_be_killed", "--nocapture"])
            .env(CHILD, format!("{}:{}", 1 + round * 10_000_000, dir.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut seen = 0;
        while output.read_line(&mut line).unwrap() > 0 {
            // The test harness may have begun the first line.
            if let Some((_, number)) = line.strip_suffix('\n').and_then(|line| line.split_once("durable ")) {
                durable.insert(number.parse::<u64>().unwrap());
                seen += 1;
            }
            if seen == 700 + 300 * round {
                child.kill().unwrap();
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(seen >= 700, "the process ended by itself");

        let report = verify(dir.path(), Some(key().verifying_key())).unwrap();
        assert_eq!(report.boots, round + 1);
        let kept: BTreeSet<u64> = read(dir.path())
            .filter_map(|entry| entry.unwrap().event().map(|event| event.id.0.as_u128() as u64))
            .collect();
        assert!(kept.is_superset(&durable), "{:?}", durable.difference(&kept).next());
    }
}
