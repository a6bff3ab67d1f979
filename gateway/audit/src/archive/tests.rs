//! Whole archives: what is sealed is proved, and whatever is changed afterwards is noticed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cedargate_model::{Event, EventId, SystemClock, TenantName};
use ed25519_dalek::{SigningKey, VerifyingKey};
use proptest::prelude::*;
use uuid::Uuid;

use super::state::STATE_FILE;
use super::*;
use crate::testing::allowed;
use crate::{Break, Broken, Priority, Spool, SpoolSettings};

const ORIGIN: &str = "cedargate.example/audit";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn trusted() -> [VerifyingKey; 1] {
    [key().verifying_key()]
}

fn tenant(name: &str) -> TenantName {
    TenantName::parse(name).unwrap()
}

/// Every third event is the second tenant's.
fn event(number: u64) -> Event {
    let name = if number.is_multiple_of(3) { "globex" } else { "acme" };
    Event { tenant: Some(tenant(name)), ..allowed(number) }
}

fn id(number: u64) -> EventId {
    EventId(Uuid::from_u128(u128::from(number)))
}

/// Records events in a boot of its own, which is closed in order.
fn record(dir: &Path, instance: &str, numbers: impl IntoIterator<Item = u64>) {
    record_with(dir, instance, numbers, key());
}

fn record_with(dir: &Path, instance: &str, numbers: impl IntoIterator<Item = u64>, key: SigningKey) {
    let settings = SpoolSettings {
        head_interval: Duration::from_secs(3600),
        segment_bytes: 64 << 10,
        ..SpoolSettings::new(dir, instance)
    };
    let (spool, _) = Spool::open(settings, key, Arc::new(SystemClock)).unwrap();
    let tickets: Vec<_> =
        numbers.into_iter().map(|number| spool.record(&event(number), Priority::Known).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for ticket in tickets {
            ticket.durable().await.unwrap();
        }
    });
    spool.close().unwrap();
}

fn seal_with(dir: &Path, spools: &[&Path], key: SigningKey) -> Result<Sealed, SealError> {
    Archive::open(dir, ORIGIN, key, &[], Arc::new(SystemClock))?.seal(spools.iter().copied())
}

fn seal(dir: &Path, spools: &[&Path]) -> Sealed {
    let sealed = seal_with(dir, spools, key()).unwrap();
    assert_eq!(sealed.broken, []);
    sealed
}

fn proved(dir: &Path) -> ArchiveReport {
    verify_archive(dir, &trusted(), &[]).unwrap()
}

fn broken(dir: &Path) -> Broken {
    verify_archive(dir, &trusted(), &[]).unwrap_err()
}

/// A spool with some events, and its archive.
fn archived(events: u64) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (spool, archive) = (dir.path().join("spool"), dir.path().join("archive"));
    record(&spool, "gw-1", 1..=events);
    seal(&archive, &[&spool]);
    (dir, spool, archive)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

#[test]
fn what_several_gateways_recorded_is_sealed_in_one_order_and_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, archive) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("archive"));
    let mut checkpoints = vec![];
    for round in 0..3 {
        record(&one, "gw-1", round * 1000 + 1..=round * 1000 + 290);
        record(&two, "gw-2", round * 1000 + 500..=round * 1000 + 540);
        seal(&archive, &[&one, &two]);
        checkpoints.push(fs::read_to_string(archive.join("checkpoint")).unwrap());
        checkpoints.push(fs::read_to_string(archive.join("tenants/acme/checkpoint")).unwrap());
    }
    let report = verify_archive(&archive, &trusted(), &checkpoints).unwrap();
    assert_eq!(report.extends, checkpoints.len());
    assert_eq!(report.tenants.values().sum::<u64>(), 3 * 331);
    // The boots' markers, one at each segment's begin and end, and what the sealing says of each spool.
    assert!(report.entries >= 3 * (331 + 2 * 2 + 2), "{}", report.entries);
    assert_eq!(report.sources.keys().collect::<Vec<_>>(), ["gw-1", "gw-2"]);

    assert_eq!(seal(&archive, &[&one, &two]).entries, 0, "nothing is sealed twice");
}

#[test]
fn nothing_that_no_head_covers_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (spool_dir, archive) = (dir.path().join("spool"), dir.path().join("archive"));
    let settings = SpoolSettings { head_interval: Duration::from_secs(3600), ..SpoolSettings::new(&spool_dir, "gw-1") };
    let (spool, _) = Spool::open(settings, key(), Arc::new(SystemClock)).unwrap();
    let ticket = spool.record(&event(1), Priority::Known).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ticket.durable()).unwrap();
    // The boot's first entry has a head, and what is sealed says so.
    assert_eq!(seal(&archive, &[&spool_dir]).entries, 2);
    spool.close().unwrap();
    assert!(seal(&archive, &[&spool_dir]).entries >= 2);
    assert_eq!(proved(&archive).tenants[&tenant("acme")], 1);
}

#[test]
fn an_archive_that_a_crash_left_half_sealed_is_sealed_on() {
    for (before, more) in [(3, 5), (200, 60), (240, 600)] {
        let (dir, spool, archive) = archived(before);
        let (first, crashed) = (dir.path().join("first"), dir.path().join("crashed"));
        copy(&archive, &first);
        record(&spool, "gw-1", before + 1..=before + more);
        seal(&archive, &[&spool]);
        // Everything of the second sealing but what makes it count, beside everything of the first.
        copy(&archive, &crashed);
        copy(&first, &crashed);
        assert_eq!(seal(&crashed, &[&spool]).size, proved(&archive).size);
        assert_eq!(proved(&crashed).entries, proved(&archive).entries);
        // And the other half: it counts, and nothing is published or cleared away yet.
        fs::copy(archive.join(STATE_FILE), first.join(STATE_FILE)).unwrap();
        let late = dir.path().join("late");
        copy(&first, &late);
        copy(&archive, &late);
        fs::copy(dir.path().join("first/checkpoint"), late.join("checkpoint")).unwrap();
        seal(&late, &[&spool]);
        proved(&late);
    }
}

#[test]
fn a_changed_entry_is_named() {
    let (_dir, _, archive) = archived(20);
    let path = archive.join("entries/000.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("/inventory/items/7\"", "/inventory/items/8\"")).unwrap();
    let broken = broken(&archive);
    assert_eq!((broken.what, broken.file.as_str(), broken.line), (Break::EventChanged, "entries/000.jsonl", Some(8)));
}

#[test]
fn an_entry_said_to_be_of_another_boot_or_place_is_noticed() {
    for (from, to) in
        [("\"boot\":1,\"seq\":7", "\"boot\":2,\"seq\":7"), ("\"seq\":20,\"durable\":1", "\"seq\":20,\"durable\":2")]
    {
        let (_dir, _, archive) = archived(20);
        let path = archive.join("entries/000.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replacen(from, to, 1);
        if changed == text {
            continue;
        }
        fs::write(&path, changed).unwrap();
        assert!(matches!(broken(&archive).what, Break::OutOfSequence | Break::ChainBroken), "{from}");
    }
}

#[test]
fn a_cut_or_removed_file_is_noticed() {
    let (dir, _, archive) = archived(300);
    for file in files(&archive).into_iter().filter(|file| !file.ends_with("lock")) {
        let damaged = dir.path().join("damaged");
        let inside = damaged.join(file.strip_prefix(&archive).unwrap());
        for cut in [true, false] {
            copy(&archive, &damaged);
            if cut {
                let octets = fs::read(&inside).unwrap();
                fs::write(&inside, &octets[..octets.len() - 1]).unwrap();
            } else {
                fs::remove_file(&inside).unwrap();
            }
            assert!(verify_archive(&damaged, &trusted(), &[]).is_err(), "{} cut: {cut}", inside.display());
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
}

#[test]
fn an_archive_set_back_is_shown_by_a_checkpoint_kept_elsewhere() {
    let (dir, spool, archive) = archived(20);
    let former = dir.path().join("former");
    copy(&archive, &former);
    record(&spool, "gw-1", 21..=30);
    seal(&archive, &[&spool]);
    let kept = fs::read_to_string(archive.join("checkpoint")).unwrap();
    // By itself the former state holds: only what was kept elsewhere shows that something is gone.
    proved(&former);
    let broken = verify_archive(&former, &trusted(), &[kept]).unwrap_err();
    assert_eq!(broken.what, Break::NotAppendOnly);
}

#[test]
fn a_state_that_was_set_back_under_a_newer_checkpoint_is_broken_and_not_sealed_on() {
    for (served, tenant_served) in [(true, false), (false, true)] {
        let (_dir, spool, archive) = archived(20);
        let state = fs::read(archive.join(STATE_FILE)).unwrap();
        let former = ["checkpoint", "tenants/acme/checkpoint", "tenants/globex/checkpoint"]
            .map(|path| (path, fs::read(archive.join(path)).unwrap()));
        record(&spool, "gw-1", 21..=300);
        seal(&archive, &[&spool]);
        // The entries after it are there, and the earlier state is put over them.
        fs::write(archive.join(STATE_FILE), state).unwrap();
        for (path, note) in &former {
            if !(if *path == "checkpoint" { served } else { tenant_served }) {
                fs::write(archive.join(path), note).unwrap();
            }
        }
        let before: Vec<_> = files(&archive).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
        assert_eq!(broken(&archive).what, Break::NotAppendOnly);
        let refused = seal_with(&archive, &[&spool], key()).unwrap_err();
        assert!(matches!(refused, SealError::Broken(broken) if broken.what == Break::NotAppendOnly));
        let after: Vec<_> = files(&archive).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
        assert!(before == after, "what shows it is kept");
    }
}

#[test]
fn an_archive_whose_state_is_gone_is_not_begun_anew() {
    let (_dir, spool, archive) = archived(20);
    fs::remove_file(archive.join(STATE_FILE)).unwrap();
    assert!(matches!(seal_with(&archive, &[&spool], key()).unwrap_err(), SealError::Broken(_)));
    assert!(archive.join("entries/000.jsonl").exists());
}

#[test]
fn a_file_that_was_made_huge_is_named_and_not_read() {
    let (_dir, _, archive) = archived(300);
    for (path, what) in [
        ("tile/0/000", Break::TileChanged),
        ("tenants/acme/tile/0/000.p/200", Break::TileChanged),
        ("entries/000.jsonl.gz", Break::EventChanged),
        ("entries/001.jsonl", Break::EventChanged),
        ("checkpoint", Break::CheckpointInvalid),
    ] {
        let file = archive.join(path);
        let octets = fs::read(&file).unwrap();
        // Sparse, and of any length that a verifier without a bound would take memory for.
        fs::File::options().write(true).open(&file).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(broken(&archive).what, what, "{path}");
        fs::write(&file, octets).unwrap();
    }
    proved(&archive);
}

#[test]
fn whoever_may_write_every_file_and_has_no_key_is_found_out() {
    let (dir, _, archive) = archived(20);
    // Everything made anew from another spool, with a key of their own in the place of ours.
    let (spool, forged) = (dir.path().join("other"), dir.path().join("forged"));
    let forger = SigningKey::from_bytes(&[9; 32]);
    record_with(&spool, "gw-1", 101..=120, forger.clone());
    seal_with(&forged, &[&spool], forger.clone()).unwrap();
    verify_archive(&forged, &[], &[]).unwrap();
    assert_eq!(broken(&forged).what, Break::CheckpointInvalid);
    // With our checkpoints over their entries.
    for file in [STATE_FILE, "checkpoint", "tenants/acme/checkpoint", "tenants/globex/checkpoint", "public-keys"] {
        fs::copy(archive.join(file), forged.join(file)).unwrap();
    }
    assert!(verify_archive(&forged, &trusted(), &[]).is_err());
    // Another history under our own key is no continuation of the one whose checkpoint somebody kept.
    let (spool, other) = (dir.path().join("third"), dir.path().join("rewritten"));
    record(&spool, "gw-1", 201..=240);
    seal(&other, &[&spool]);
    let kept = fs::read_to_string(archive.join("checkpoint")).unwrap();
    assert_eq!(verify_archive(&other, &trusted(), &[kept]).unwrap_err().what, Break::NotAppendOnly);
}

#[test]
fn a_tenants_export_holds_and_has_nothing_of_others_but_hashes() {
    let (dir, _, archive) = archived(600);
    let export = dir.path().join("export");
    let count = ArchiveReader::open(&archive).unwrap().export(&tenant("globex"), &export).unwrap();
    let report = verify_export(&export, &tenant("globex"), &trusted(), &[]).unwrap();
    assert_eq!((count, report.entries, report.size), (200, 200, proved(&archive).size));
    assert_eq!(report.export_of, Some(tenant("globex")));
    for bundle in 0..3 {
        let (_, lines) = bundle::read(&export, bundle, if bundle < 2 { 256 } else { 1 }).unwrap();
        let text = String::from_utf8(lines).unwrap();
        assert!(text.contains("\"globex\"") && !text.contains("\"acme\"") && !text.contains("segment_"));
    }
    assert!(!files(&export).iter().any(|file| file.to_string_lossy().contains("acme")));
    // One of its entries taken out shows, though others' are not there either.
    let path = export.join("entries/002.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (_, without) = text.split_once('\n').unwrap();
    fs::write(&path, without).unwrap();
    let broken = verify_export(&export, &tenant("globex"), &trusted(), &[]).unwrap_err();
    assert_eq!(broken.what, Break::OutOfSequence);
}

#[test]
fn only_who_asks_for_an_export_is_shown_that_one_holds() {
    let (dir, _, archive) = archived(20);
    let export = dir.path().join("export");
    ArchiveReader::open(&archive).unwrap().export(&tenant("globex"), &export).unwrap();
    // In the place of the whole archive it is one from which the others' entries were taken out.
    let broken = broken(&export);
    assert_eq!((broken.what, broken.file.as_str()), (Break::EntryMissing, STATE_FILE));
    assert!(verify_export(&export, &tenant("acme"), &trusted(), &[]).is_err(), "another tenant's");
    assert!(verify_export(&archive, &tenant("globex"), &trusted(), &[]).is_err(), "no export");
    verify_export(&export, &tenant("globex"), &trusted(), &[]).unwrap();
}

#[test]
fn each_event_is_proved_by_itself() {
    let (_dir, spool, archive) = archived(300);
    let earlier = fs::read_to_string(archive.join("checkpoint")).unwrap();
    record(&spool, "gw-1", 301..=330);
    seal(&archive, &[&spool]);
    let reader = ArchiveReader::open(&archive).unwrap();
    for number in [1, 2, 255, 256, 257, 300, 330] {
        let whose = event(number).tenant.unwrap();
        for tree in [Tree::Installation, Tree::Tenant(whose)] {
            let proof = reader.prove(id(number), &tree).unwrap();
            let Proved::Event(shown) = verify_proof(proof.as_bytes(), &trusted()).unwrap() else { panic!("{proof}") };
            assert_eq!(serde_json::from_value::<Event>(shown.event).unwrap(), event(number));
            let other = SigningKey::from_bytes(&[9; 32]).verifying_key();
            assert_eq!(verify_proof(proof.as_bytes(), &[other]).unwrap_err().what, Break::CheckpointInvalid);
            let changed = proof.replacen("\"GET\"", "\"PUT\"", 1);
            assert_eq!(verify_proof(changed.as_bytes(), &trusted()).unwrap_err().what, Break::ProofInvalid);
        }
    }
    assert_eq!(reader.prove(id(331), &Tree::Installation), Err(ProveError::NotSealed(id(331))));
    assert_eq!(reader.prove(id(1), &Tree::Tenant(tenant("globex"))), Err(ProveError::NotSealed(id(1))));

    let proof = reader.prove_since(&earlier, &Tree::Installation).unwrap();
    assert!(matches!(verify_proof(proof.as_bytes(), &trusted()).unwrap(), Proved::Extends { .. }));
    assert!(matches!(reader.prove_since(&earlier, &Tree::Tenant(tenant("acme"))), Err(ProveError::OtherTree { .. })));
}

#[test]
fn a_broken_spool_is_sealed_no_further_and_keeps_no_other_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, archive) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("archive"));
    record(&one, "gw-1", 1..=9);
    record(&two, "gw-2", 11..=19);
    let segment = one.join("audit-000001-000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replace("/inventory/items/5\"", "/inventory/items/6\"")).unwrap();
    let sealed = seal_with(&archive, &[&one, &two], key()).unwrap();
    assert_eq!(sealed.broken.iter().map(|broken| broken.what).collect::<Vec<_>>(), [Break::EventChanged]);
    assert_eq!(proved(&archive).sources.keys().collect::<Vec<_>>(), ["gw-2"]);
}

#[test]
fn what_a_key_signed_that_only_stands_beside_the_spool_is_not_sealed() {
    let (_dir, spool, archive) = archived(9);
    // Whoever writes the disk goes on with a key of their own, which the spool then names among its public keys.
    let stranger = SigningKey::from_bytes(&[9; 32]);
    record_with(&spool, "gw-1", 10..=12, stranger.clone());
    let sealed = seal_with(&archive, &[&spool], key()).unwrap();
    assert_eq!(sealed.broken.iter().map(|broken| broken.what).collect::<Vec<_>>(), [Break::HeadInvalid]);
    assert_eq!(sealed.entries, 0);
    // The same of another gateway's key, or of one that signed before, which is said to be one.
    let gateways = [stranger.verifying_key()];
    let mut opened = Archive::open(&archive, ORIGIN, key(), &gateways, Arc::new(SystemClock)).unwrap();
    let sealed = opened.seal([spool.as_path()]).unwrap();
    assert_eq!(sealed.broken, []);
    assert!(sealed.entries > 3);
    proved(&archive);
}

#[test]
fn an_archive_holds_while_it_is_being_sealed() {
    let (dir, spool, archive) = archived(250);
    let earlier = vec![fs::read_to_string(archive.join("checkpoint")).unwrap()];
    std::thread::scope(|scope| {
        let sealing = scope.spawn(|| {
            for round in 1..=6 {
                record(&spool, "gw-1", round * 1000..round * 1000 + 70);
                seal(&archive, &[&spool]);
            }
        });
        // At least once, however the threads are scheduled, and at the end of it.
        loop {
            let over = sealing.is_finished();
            verify_archive(&archive, &trusted(), &earlier).unwrap();
            if over {
                break;
            }
        }
    });
    assert_eq!(proved(&archive).tenants.values().sum::<u64>(), 250 + 6 * 70);
    drop(dir);
}

#[test]
fn an_archive_that_nothing_was_sealed_in_holds() {
    let dir = tempfile::tempdir().unwrap();
    drop(Archive::open(dir.path(), ORIGIN, key(), &[], Arc::new(SystemClock)).unwrap());
    assert_eq!(proved(dir.path()).size, 0);
}

#[test]
fn two_do_not_seal_at_once_and_an_archive_keeps_its_name() {
    let (_dir, _, archive) = archived(3);
    let held = Archive::open(&archive, ORIGIN, key(), &[], Arc::new(SystemClock)).unwrap();
    let other = Archive::open(&archive, ORIGIN, key(), &[], Arc::new(SystemClock));
    assert!(matches!(other.err(), Some(SealError::Locked(_))));
    drop(held);
    let other = Archive::open(&archive, "elsewhere/audit", key(), &[], Arc::new(SystemClock));
    assert!(matches!(other.err(), Some(SealError::OriginMismatch { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_flipped_bit_of_any_file_is_noticed(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        use std::sync::OnceLock;
        static ARCHIVE: OnceLock<(tempfile::TempDir, PathBuf, PathBuf)> = OnceLock::new();
        let (_, _, archive) = ARCHIVE.get_or_init(|| archived(300));
        let files: Vec<_> = files(archive).into_iter().filter(|file| !file.ends_with("lock")).collect();
        let file = which.get(&files);
        let octets = fs::read(file).unwrap();
        let mut flipped = octets.clone();
        flipped[at.index(octets.len())] ^= 1 << bit;
        fs::write(file, flipped).unwrap();
        let verified = verify_archive(archive, &trusted(), &[]);
        fs::write(file, octets).unwrap();
        prop_assert!(verified.is_err(), "{}", file.display());
    }

    #[test]
    fn a_proof_that_is_no_proof_is_no_yes(text in "\\PC{0,200}", octets: Vec<u8>) {
        prop_assert!(verify_proof(text.as_bytes(), &trusted()).is_err());
        prop_assert!(verify_proof(&octets, &trusted()).is_err());
    }
}
