//! Who may open a record.

#![cfg(test)]

mod support;

use std::sync::Arc;

use cedargate_audit::{Break, HeadsOfKey, KeyId, OpenError, RecordError, Spool, SpoolSettings, verify};
use cedargate_model::SystemClock;
use support::testing::allowed;
use support::{key, open, record, settings};

fn refused(settings: SpoolSettings) -> OpenError {
    Spool::open(settings, key(), Arc::new(SystemClock)).err().unwrap()
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    assert!(matches!(refused(settings(dir.path())), OpenError::Locked(_)));
    spool.close().unwrap();
    let (_, recovery) = open(settings(dir.path()));
    assert_eq!((recovery.boot, recovery.torn.len(), recovery.damage), (2, 0, None));
}

#[test]
fn another_instance_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(settings(dir.path())));
    let other = SpoolSettings { instance: "gw-2".into(), ..settings(dir.path()) };
    assert!(matches!(refused(other), OpenError::InstanceMismatch { found, .. } if found == "gw-1"));
    for name in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
        let bad = SpoolSettings { instance: name.into(), ..settings(dir.path()) };
        assert!(matches!(refused(bad), OpenError::InstanceInvalid(_)), "{name:?}");
    }
}

#[test]
fn a_closed_spool_records_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    spool.close().unwrap();
    spool.close().unwrap();
    assert!(!spool.writable());
    assert!(matches!(spool.record(&allowed(1), cedargate_audit::Priority::Known), Err(RecordError::Closed)));
}

#[test]
fn closing_writes_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    let tickets: Vec<_> =
        (1..=50).map(|number| spool.record(&allowed(number), cedargate_audit::Priority::Known).unwrap()).collect();
    spool.note(&support::testing::outcome(1));
    spool.close().unwrap();
    support::wait(tickets);
    let report = verify(dir.path(), Some(key().verifying_key())).unwrap();
    // The opening entry, fifty events, a note, and the closing entry, which alone has no head after it.
    assert_eq!((report.entries, report.entries_after_last_head), (53, 1));
}

#[test]
fn heads_come_by_time_too() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(SpoolSettings { head_interval: std::time::Duration::ZERO, ..settings(dir.path()) });
    record(&spool, 1..=3);
    while spool.stats().heads < 2 {
        std::thread::yield_now();
    }
    assert!(spool.writable());
}

#[test]
fn a_record_outlives_a_change_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    record(&spool, 1..=3);
    spool.close().unwrap();
    let newer = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let trusted = newer.verifying_key();
    let (spool, _) = Spool::open(settings(dir.path()), newer, Arc::new(SystemClock)).unwrap();
    spool.close().unwrap();
    let report = verify(dir.path(), Some(trusted)).unwrap();
    assert_eq!((report.heads, report.heads_of_other_keys), (3, 2));
    // The former key alone covers no longer the end; with the newer one both count.
    let former = key().verifying_key();
    assert_eq!(verify(dir.path(), Some(former)).unwrap_err().what, Break::NotTrusted);
    let report = verify(dir.path(), [former, trusted]).unwrap();
    assert_eq!((report.heads, report.heads_of_other_keys), (3, 0));
    let heads_of = |key, heads| HeadsOfKey { key: KeyId::of(&key), heads };
    assert_eq!(report.heads_by_key, [heads_of(former, 2), heads_of(trusted, 1)]);
    assert!(report.to_string().contains(&format!("2 of the heads are signed with key {}", KeyId::of(&former))));
}
