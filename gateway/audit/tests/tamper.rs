//! Whoever changes the record is found out, and where.

#![cfg(test)]

mod support;

use std::fs;
use std::path::Path;

use cedargate_audit::{Break, Broken, Trust, read, verify};
use ed25519_dalek::SigningKey;
use support::{copy, key, lines, open, record, segments, settings, wait, write_lines};

/// Two boots, closed in order: entries 1 to 6 in two segments, then 7 to 9.
fn closed_record() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings_small(dir.path()));
    record(&spool, 1..=6);
    spool.close().unwrap();
    let (spool, _) = open(settings(dir.path()));
    record(&spool, 7..=9);
    spool.close().unwrap();
    dir
}

fn settings_small(dir: &Path) -> cedargate_audit::SpoolSettings {
    cedargate_audit::SpoolSettings { segment_bytes: 2000, ..settings(dir) }
}

fn broken(dir: &Path) -> Broken {
    let broken = verify(dir, Some(key().verifying_key())).unwrap_err();
    println!("{broken}");
    broken
}

fn edit(dir: &Path, segment: usize, change: impl FnOnce(&mut Vec<String>)) -> String {
    let path = &segments(dir)[segment];
    let mut text = lines(path);
    change(&mut text);
    write_lines(path, &text);
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn an_untouched_record_holds() {
    let dir = closed_record();
    let report = verify(dir.path(), Some(key().verifying_key())).unwrap();
    println!("{report}");
    assert_eq!((report.boots, report.entries_after_last_head), (2, 1));
    assert_eq!(report.trust, Trust::TrustedKeys(vec![cedargate_audit::KeyId::of(&key().verifying_key())]));
    let events = read(dir.path()).filter(|entry| entry.as_ref().unwrap().event().is_some()).count();
    assert_eq!(events, 9);
}

#[test]
fn an_edited_event_is_named() {
    let dir = closed_record();
    let file = edit(dir.path(), 0, |text| text[2] = text[2].replace("\"method\":\"GET\"", "\"method\":\"PUT\""));
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.file, broken.line, broken.sequence), (Break::EventChanged, file, Some(3), Some(3)));
}

#[test]
fn a_removed_entry_is_named() {
    let dir = closed_record();
    let file = edit(dir.path(), 0, |text| drop(text.remove(2)));
    let broken = broken(dir.path());
    assert_eq!(
        (broken.what, broken.file, broken.line, broken.sequence),
        (Break::OutOfSequence, file, Some(3), Some(3))
    );
}

#[test]
fn reordered_entries_are_named() {
    let dir = closed_record();
    let file = edit(dir.path(), 0, |text| text.swap(1, 2));
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.file, broken.line), (Break::OutOfSequence, file, Some(2)));
}

#[test]
fn an_inserted_entry_is_named() {
    let dir = closed_record();
    let file = edit(dir.path(), 0, |text| text.insert(2, text[1].clone()));
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.file, broken.line), (Break::OutOfSequence, file, Some(3)));
}

#[test]
fn an_entry_after_the_end_is_named() {
    let dir = closed_record();
    for segment in 0..segments(dir.path()).len() {
        let dir = copy(dir.path());
        let file = edit(dir.path(), segment, |text| text.push(text[0].clone()));
        let broken = broken(dir.path());
        assert_eq!((broken.what, broken.file), (Break::AfterTheEnd, file));
    }
}

#[test]
fn an_edited_entry_with_its_hashes_made_anew_is_found_by_the_next_head() {
    // The whole boot written anew by somebody without the key: another spool with other events.
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, numbers) in [(&dir, 1..=3), (&other, 11..=13)] {
        let (spool, _) = open(settings(dir.path()));
        record(&spool, numbers);
        spool.close().unwrap();
    }
    fs::copy(&segments(other.path())[0], &segments(dir.path())[0]).unwrap();
    assert_eq!(broken(dir.path()).what, Break::HeadContradicted);
}

#[test]
fn a_cut_tail_is_named() {
    let dir = closed_record();
    let file = edit(dir.path(), segments(dir.path()).len() - 1, |text| text.truncate(3));
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.file, broken.sequence), (Break::TailCut, file, Some(4)));
}

#[test]
fn a_cut_tail_in_the_middle_of_the_record_is_named() {
    let dir = closed_record();
    let file = edit(dir.path(), 0, |text| drop(text.pop()));
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.file), (Break::SegmentCut, file));
}

#[test]
fn a_removed_segment_is_named() {
    let dir = closed_record();
    let count = segments(dir.path()).len();
    assert!(count >= 4, "{count}");
    for gone in 0..count {
        let dir = copy(dir.path());
        fs::remove_file(&segments(dir.path())[gone]).unwrap();
        let expected = if gone == count - 1 { Break::TailCut } else { Break::SegmentMissing };
        assert_eq!(broken(dir.path()).what, expected, "{gone}");
    }
}

#[test]
fn swapped_files_are_named() {
    let dir = closed_record();
    let segments = segments(dir.path());
    let aside = dir.path().join("aside");
    fs::rename(&segments[0], &aside).unwrap();
    fs::rename(&segments[1], &segments[0]).unwrap();
    fs::rename(&aside, &segments[1]).unwrap();
    let broken = broken(dir.path());
    assert_eq!((broken.what, broken.line), (Break::SegmentMisplaced, Some(1)));
}

#[test]
fn a_removed_head_is_named() {
    let dir = closed_record();
    let heads = dir.path().join("heads.jsonl");
    let all = lines(&heads);
    for gone in 0..all.len() {
        let mut text = all.clone();
        text.remove(gone);
        write_lines(&heads, &text);
        assert_eq!(broken(dir.path()).what, Break::HeadMissing, "{gone}");
    }
    write_lines(&heads, &[]);
    assert_eq!(broken(dir.path()).what, Break::HeadMissing);
    fs::remove_file(&heads).unwrap();
    assert_eq!(broken(dir.path()).what, Break::HeadMissing);
}

#[test]
fn an_edited_head_is_named() {
    let dir = closed_record();
    let heads = dir.path().join("heads.jsonl");
    let all = lines(&heads);
    for edited in 0..all.len() {
        let mut text = all.clone();
        text[edited] = text[edited].replace("\"instance\":\"gw-1\"", "\"instance\":\"gw-2\"");
        write_lines(&heads, &text);
        let broken = broken(dir.path());
        assert_eq!((broken.what, broken.line), (Break::HeadInvalid, Some(edited as u64 + 1)));
    }
}

#[test]
fn another_record_in_its_place_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let forger = SigningKey::from_bytes(&[9; 32]);
    let clock = std::sync::Arc::new(cedargate_model::SystemClock);
    let (spool, _) = cedargate_audit::Spool::open(settings(dir.path()), forger, clock).unwrap();
    record(&spool, 1..=3);
    spool.close().unwrap();
    assert_eq!(broken(dir.path()).what, Break::NotTrusted);
    let report = verify(dir.path(), None).unwrap();
    assert_eq!(report.trust, Trust::ConsistencyOnly);
    assert!(report.to_string().contains("no trusted key"), "{report}");
}

#[test]
fn a_directory_without_a_record_is_not_one_that_holds() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(broken(dir.path()).what, Break::NoRecord);
    assert_eq!(broken(&dir.path().join("missing")).what, Break::Unreadable);
}

#[test]
fn before_the_next_head_an_edited_or_removed_entry_is_still_named() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    record(&spool, 1..=6);
    for change in [
        |text: &mut Vec<String>| text[2] = text[2].replace("\"GET\"", "\"PUT\""),
        |text: &mut Vec<String>| drop(text.remove(2)),
        |text: &mut Vec<String>| text.insert(2, "{}".into()),
        |text: &mut Vec<String>| text[2].truncate(40),
        |text: &mut Vec<String>| text[0].truncate(40),
    ] {
        let killed = copy(dir.path());
        let untouched = fs::read(&segments(killed.path())[0]).unwrap();
        edit(killed.path(), 0, change);
        let broken = broken(killed.path());
        assert!(broken.line.is_some_and(|line| line <= 3), "{broken}");
        // The next boot sees it too, goes on, and writes it down for good.
        let (_, recovery) = open(settings(killed.path()));
        assert!(recovery.damage.is_some());
        assert!(verify(killed.path(), None).is_err());
        // Whoever puts everything back does not take that back.
        fs::write(&segments(killed.path())[0], &untouched).unwrap();
        assert!(matches!(self::broken(killed.path()).what, Break::DamageRecorded | Break::SegmentMissing));
    }
}

#[test]
fn heads_that_a_boot_found_are_missed_even_when_every_later_one_is_gone() {
    // Three boots killed, the last two before their first event. Each has signed its first head and nothing more.
    let mut killed = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        let (spool, _) = open(settings(killed.path()));
        record(&spool, (1..=3).filter(|_| number == 1));
        killed = copy(killed.path());
    }
    let heads = killed.path().join("heads.jsonl");
    let mut text = lines(&heads);
    assert_eq!(text.len(), 3);
    // The last boot's own head may be missing: it could have been killed before it was written.
    text.pop();
    write_lines(&heads, &text);
    verify(killed.path(), Some(key().verifying_key())).unwrap();
    while text.pop().is_some() {
        write_lines(&heads, &text);
        assert_eq!(broken(killed.path()).what, Break::HeadMissing);
    }
}

#[test]
fn a_boot_sees_a_cut_tail_and_writes_it_down_for_good() {
    let dir = closed_record();
    let last = segments(dir.path()).pop().unwrap();
    let untouched = fs::read(&last).unwrap();
    edit(dir.path(), segments(dir.path()).len() - 1, |text| text.truncate(3));
    let (spool, recovery) = open(settings(dir.path()));
    assert_eq!(recovery.damage.unwrap().what, Break::TailCut);
    record(&spool, 10..=12);
    spool.close().unwrap();
    assert_eq!(broken(dir.path()).what, Break::TailCut);
    // Put back, the entries are still none that the next boot follows.
    fs::write(&last, untouched).unwrap();
    assert!(matches!(broken(dir.path()).what, Break::TailCut | Break::DamageRecorded));
}

#[test]
fn a_torn_head_is_no_break_and_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    record(&spool, 1..=3);
    let killed = copy(dir.path());
    let heads = killed.path().join("heads.jsonl");
    let torn = [b"{\"v\":1,\"head\":".as_slice(), &[0; 3000]].concat();
    fs::write(&heads, [fs::read(&heads).unwrap(), torn.clone()].concat()).unwrap();
    verify(killed.path(), Some(key().verifying_key())).unwrap();

    let (_spool, recovery) = open(settings(killed.path()));
    assert_eq!((recovery.damage, recovery.torn[0].file.as_str()), (None, "heads.jsonl"));
    assert_eq!(fs::read(killed.path().join(&recovery.torn[0].quarantined_as)).unwrap(), torn);
    verify(killed.path(), Some(key().verifying_key())).unwrap();
    assert!(!fs::read(&heads).unwrap().contains(&0));
}

#[test]
fn a_torn_tail_is_no_break_and_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(settings(dir.path()));
    record(&spool, 1..=3);
    wait(
        (4..=6)
            .map(|number| spool.record(&support::testing::allowed(number), cedargate_audit::Priority::Known).unwrap()),
    );
    let killed = copy(dir.path());
    let mut content = lines(&segments(killed.path())[0]).join("\n");
    content.truncate(content.len() - 20);
    fs::write(&segments(killed.path())[0], [content.as_bytes(), &[0; 5000]].concat()).unwrap();

    let report = verify(killed.path(), Some(key().verifying_key())).unwrap();
    let tail = report.unfinished_tail.unwrap();
    let (_spool, recovery) = open(settings(killed.path()));
    assert_eq!((recovery.boot, recovery.damage), (2, None));
    let torn = &recovery.torn[0];
    assert_eq!((&torn.file, torn.bytes), (&tail.file, tail.bytes));
    let aside = fs::read(killed.path().join(&torn.quarantined_as)).unwrap();
    assert!(content.as_bytes().ends_with(aside.strip_suffix(b"\0").unwrap_or(&aside)));
    assert_eq!(verify(killed.path(), Some(key().verifying_key())).unwrap().unfinished_tail, None);
}
