//! The audit log: whatever was changed in its files, reading and verifying end, and what is read was written.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use cedargate_audit::{Priority, Spool, SpoolSettings, read, verify};
use cedargate_model::{DecisionId, Event, EventBody, EventId, Micros, Outcome, OutcomeEnd, SystemClock};
use ed25519_dalek::SigningKey;

/// A record of some entries: its files, and the events in order.
struct Written {
    files: Vec<(String, Vec<u8>)>,
    events: Vec<EventId>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = SpoolSettings::new(dir.path(), "gw-1");
    let (spool, _) = Spool::open(settings, key(), Arc::new(SystemClock)).expect("a record");
    let events: Vec<Event> = (1..=6).map(event).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::spawn(spool.dispatch());
        for event in &events {
            spool.record(event, Priority::Known).expect("room").durable().await.expect("durable");
        }
    });
    spool.close().expect("closed");
    let mut files = Vec::new();
    collect(dir.path(), dir.path(), &mut files);
    files.sort();
    assert!(verify(dir.path(), Some(key().verifying_key())).is_ok());
    Written { files, events: events.iter().map(|event| event.id).collect() }
});

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn event(n: u128) -> Event {
    let decision = DecisionId(uuid::Uuid::from_u128(n + 100));
    let outcome = Outcome {
        decision,
        status: Some(200),
        response_bytes: 0,
        duration_micros: 0,
        end: OutcomeEnd::Complete,
        inspection: None,
    };
    Event { id: EventId(uuid::Uuid::from_u128(n)), at: Micros(0), tenant: None, body: EventBody::Outcome(outcome) }
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if let (Ok(name), Ok(octets)) = (path.strip_prefix(root), std::fs::read(&path)) {
            files.push((name.to_string_lossy().into_owned(), octets));
        }
    }
}

/// Changes to the files, each six octets: which file, what to do, where (three), and what with. Or, behind `+`, octets for
/// the end of the first file.
pub fn record(data: &[u8]) {
    let Written { files, events } = &*WRITTEN;
    let mut files = files.clone();
    match data.split_first() {
        Some((b'+', more)) => files[0].1.extend_from_slice(more),
        Some((b'=', text)) => files[0].1 = text.to_vec(),
        _ => {
            for change in data.chunks_exact(6).take(32) {
                let which = usize::from(change[0]) % files.len();
                let octets = &mut files[which].1;
                let at = usize::from_be_bytes([0, 0, 0, 0, 0, change[2], change[3], change[4]]) % (octets.len() + 1);
                match change[1] % 5 {
                    0 if at < octets.len() => octets[at] = change[5],
                    1 => octets.insert(at, change[5]),
                    2 => octets.truncate(at),
                    3 if at < octets.len() => drop(octets.remove(at)),
                    4 => {
                        let line = octets
                            .split_inclusive(|octet| *octet == b'\n')
                            .nth(usize::from(change[5]))
                            .map(<[u8]>::to_vec);
                        octets.extend(line.unwrap_or_default());
                    }
                    _ => {}
                }
            }
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    for (name, octets) in &files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, octets).expect("a file");
    }
    let found: Vec<EventId> =
        read(dir.path()).take(1_000).flatten().filter_map(|entry| entry.event().map(|event| event.id)).collect();
    let verified = verify(dir.path(), Some(key().verifying_key()));
    if files == WRITTEN.files {
        assert!(verified.is_ok(), "an untouched record does not verify: {:?}", verified.err());
        assert_eq!(&found, events);
    } else if verified.is_ok() {
        // Only what never was proved can be missing, at the end.
        assert!(events.starts_with(&found), "a record that verifies says what was not written: {found:?}");
    }
}
