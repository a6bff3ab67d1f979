//! Entries that no head covers yet are pinned by what the next segment says that it follows.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::Priority;
use super::super::disk::RealDisk;
use super::faulty_disk::{Faults, FaultyDisk};
use super::{open, proved, settings, wait};
use crate::Break;
use crate::format::entry::{Line, Link};
use crate::testing::allowed;

/// Writes the last event of a segment anew, with hashes that fit.
fn rewrite_last(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().take_while(|line| line.ends_with('}')).collect();
    let last = lines.pop().unwrap();
    let mut link = lines.last().map_or_else(Link::default, |line| {
        let line = Line::parse(line.as_bytes()).unwrap();
        Link { sequence: line.sequence, chain: line.chain }
    });
    let last = Line::parse(last.as_bytes()).unwrap();
    let event = String::from_utf8(last.event.to_vec()).unwrap().replace("\"GET\"", "\"PUT\"");
    let mut out = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    link.append(&mut out, last.durable, &last.salt, event.as_bytes());
    assert_ne!(out, text.as_bytes());
    fs::write(path, out).unwrap();
}

#[test]
fn an_entry_before_a_crash_cannot_be_rewritten_after_the_next_boot() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let (spool, _) = open(settings(dir.path()), Arc::new(FaultyDisk(Arc::clone(&faults)))).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    // Ends the boot without a closing head, as a crash does.
    faults.heads.store(true, Ordering::SeqCst);
    spool.close().unwrap_err();
    drop(open(settings(dir.path()), Arc::new(RealDisk)).unwrap());
    proved(dir.path()).unwrap();
    rewrite_last(&dir.path().join("audit-000001-000001.jsonl"));
    let broken = proved(dir.path()).unwrap_err();
    assert_eq!((broken.what, broken.line, broken.sequence), (Break::ChainBroken, Some(2), Some(2)), "{broken}");
}

#[test]
fn an_entry_before_a_failed_write_cannot_be_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let (spool, _) = open(settings(dir.path()), Arc::new(FaultyDisk(Arc::clone(&faults)))).unwrap();
    wait(spool.record(&allowed(1), Priority::Known).unwrap()).unwrap();
    faults.create.store(true, Ordering::SeqCst);
    faults.segment_writes.store(1, Ordering::SeqCst);
    wait(spool.record(&allowed(2), Priority::Known).unwrap()).unwrap_err();
    faults.create.store(false, Ordering::SeqCst);
    super::until(|| spool.writable());
    proved(dir.path()).unwrap();
    rewrite_last(&dir.path().join("audit-000001-000001.jsonl"));
    assert_eq!(proved(dir.path()).unwrap_err().what, Break::ChainBroken);
}
