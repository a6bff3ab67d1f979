//! A record to work on.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "../../src/testing.rs"]
pub(crate) mod testing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cedargate_audit::{Priority, Recovery, Spool, SpoolSettings, Ticket};
use cedargate_model::SystemClock;
use ed25519_dalek::SigningKey;

/// The key that signs in tests.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Settings under which nothing happens by time.
pub(crate) fn settings(dir: &Path) -> SpoolSettings {
    SpoolSettings { head_interval: Duration::from_secs(3600), ..SpoolSettings::new(dir, "gw-1") }
}

/// Opens a spool.
pub(crate) fn open(settings: SpoolSettings) -> (Spool, Recovery) {
    Spool::open(settings, key(), Arc::new(SystemClock)).unwrap()
}

/// Waits for tickets on this thread; every one must be durable.
pub(crate) fn wait(tickets: impl IntoIterator<Item = Ticket>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for ticket in tickets {
            ticket.durable().await.unwrap();
        }
    });
}

/// Records allowed requests with these numbers, each in a commit of its own.
pub(crate) fn record(spool: &Spool, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        wait([spool.record(&testing::allowed(number), Priority::Known).unwrap()]);
    }
}

/// Copies a record as it stands: what a kill at this moment would leave.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let to = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_into(&item.path(), &to);
        } else {
            fs::copy(item.path(), &to).unwrap();
        }
    }
}

/// The segments of a record, oldest first.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit-"))
        .collect();
    names.sort();
    names
}

/// A file's lines, without padding.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Writes lines back.
pub(crate) fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}
