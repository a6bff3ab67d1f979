//! What stands in the directory and nobody signed decides nothing about the next boot.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cedargate_model::Micros;
use ed25519_dalek::SigningKey;

use super::super::disk::RealDisk;
use super::super::{OpenError, Recovery};
use super::{key, open, proved, settings};
use crate::Break;
use crate::format::directory::{HEADS_FILE, SegmentName};
use crate::format::hash::Hash;
use crate::format::head::Head;
use crate::format::keys::{PUBLIC_KEYS_FILE, public_key_line};

/// A boot that was closed in order: one segment, one head.
fn record() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    reopen(dir.path()).unwrap();
    dir
}

fn reopen(dir: &Path) -> Result<Recovery, OpenError> {
    let (spool, recovery) = open(settings(dir), Arc::new(RealDisk))?;
    spool.close().unwrap();
    Ok(recovery)
}

/// Adds a head with these numbers, signed with this key.
fn add_head(dir: &Path, number: u64, boot: u64, key: &SigningKey) {
    let (previous, chain, at) = (Hash::ZERO, Hash::ZERO, Micros(0));
    let head = Head { number, previous, instance: "gw-1".into(), boot, sequence: 1, chain, at };
    let before = fs::read(dir.join(HEADS_FILE)).unwrap();
    fs::write(dir.join(HEADS_FILE), [before, head.sign(key).unwrap(), b"\n".to_vec()].concat()).unwrap();
}

#[test]
fn a_head_that_no_known_key_signed_numbers_nothing() {
    let stranger = SigningKey::from_bytes(&[9; 32]);
    for (number, boot) in [(u64::MAX, u64::MAX), (2, 7), (2, 1)] {
        let dir = record();
        add_head(dir.path(), number, boot, &stranger);
        let forged = fs::read(dir.path().join(HEADS_FILE)).unwrap();

        let recovery = reopen(dir.path()).unwrap();
        assert_eq!((recovery.boot, recovery.damage.unwrap().what), (2, Break::HeadInvalid));
        let heads = fs::read_to_string(dir.path().join(HEADS_FILE)).unwrap();
        assert!(heads.as_bytes().starts_with(&forged), "it stays for whoever looks into it");
        assert!(heads.lines().nth(2).unwrap().contains(r#""number":2,"#), "{heads}");
        let broken = proved(dir.path()).unwrap_err();
        assert_eq!((broken.what, broken.line), (Break::HeadInvalid, Some(2)));
        // The next boot goes on from its own heads.
        let again = reopen(dir.path()).unwrap();
        assert_eq!((again.boot, again.damage), (3, None));
    }
}

#[test]
fn after_the_last_number_nothing_is_opened() {
    let by_name = record();
    fs::write(by_name.path().join(SegmentName { boot: u64::MAX, segment: 1 }.to_string()), "").unwrap();

    // A key that somebody added beside the record, and heads of it.
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let heads = [(u64::MAX, 1), (2, u64::MAX)].map(|(number, boot)| {
        let dir = record();
        let keys = fs::read(dir.path().join(PUBLIC_KEYS_FILE)).unwrap();
        let keys = [keys, public_key_line(&stranger.verifying_key())].concat();
        fs::write(dir.path().join(PUBLIC_KEYS_FILE), keys).unwrap();
        add_head(dir.path(), number, boot, &stranger);
        dir
    });
    for dir in heads.iter().chain([&by_name]) {
        assert!(matches!(reopen(dir.path()), Err(OpenError::NumbersExhausted(_))));
    }
}

#[test]
fn the_own_key_is_known_also_where_its_file_is_gone() {
    let dir = record();
    fs::remove_file(dir.path().join(PUBLIC_KEYS_FILE)).unwrap();
    assert_eq!(reopen(dir.path()).unwrap().damage, None);
    assert_eq!(proved(dir.path()).unwrap().heads, 2);
    let keys = fs::read(dir.path().join(PUBLIC_KEYS_FILE)).unwrap();
    assert_eq!(keys, public_key_line(&key().verifying_key()));
}
