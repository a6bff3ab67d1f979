//! The record: where it is, and how it is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[audit]",
    about: "The record of every decision: where it is, and how it is kept.",
    keys: &[
        DIR,
        INSTANCE,
        SEGMENT_BYTES,
        HEAD_INTERVAL_MS,
        COMMIT_INTERVAL_US,
        QUEUE_BYTES_MAX,
        FOLD_AFTER,
        VERIFY_INTERVAL_SECONDS,
        ARCHIVE_DIR,
        ORIGIN,
        SEAL_INTERVAL_SECONDS,
    ],
};

const DIR: Key = Key {
    name: "dir",
    shape: Shape::Path,
    fallback: Fallback::Words("`audit` in `store.state_dir`"),
    environment: None,
    about: "The record's directory, made where it is missing. It belongs to one instance; its disk decides how fast \
            anything is answered.",
};
const INSTANCE: Key = Key {
    name: "instance",
    shape: Shape::Text("1 to 64 of letters, digits, `.`, `_` and `-`"),
    fallback: Fallback::Value(r#""gateway-1""#),
    environment: None,
    about: "This gateway's own name in every segment and signed head.",
};
const SEGMENT_BYTES: Key = Key {
    name: "segment_bytes",
    shape: Shape::Integer { min: 65_536, max: 4_294_967_296 },
    fallback: Fallback::Value("67108864"),
    environment: None,
    about: "A segment of this size is closed and the next one begun. A start reads the last one back.",
};
const HEAD_INTERVAL_MS: Key = Key {
    name: "head_interval_ms",
    shape: Shape::Integer { min: 100, max: 3_600_000 },
    fallback: Fallback::Value("5000"),
    environment: None,
    about: "The longest time for which entries stay without a signed head: so much could be cut off unseen after a crash.",
};
const COMMIT_INTERVAL_US: Key = Key {
    name: "commit_interval_us",
    shape: Shape::Integer { min: 0, max: 100_000 },
    fallback: Fallback::Value("1000"),
    environment: None,
    about: "The least time between the starts of two commits, in microseconds: how many entries share one sync.",
};
const QUEUE_BYTES_MAX: Key = Key {
    name: "queue_bytes_max",
    shape: Shape::Integer { min: 65_536, max: 4_294_967_296 },
    fallback: Fallback::Value("16777216"),
    environment: None,
    about: "Octets of events that may wait for the disk. Beyond it requests are refused with 503.",
};
const FOLD_AFTER: Key = Key {
    name: "fold_after",
    shape: Shape::Integer { min: 1, max: 1_000_000 },
    fallback: Fallback::Value("16"),
    environment: None,
    about: "Alike refusals before authentication that are kept whole in one commit; the rest is exactly counted.",
};
const VERIFY_INTERVAL_SECONDS: Key = Key {
    name: "verify_interval_seconds",
    shape: Shape::Integer { min: 1, max: 604_800 },
    fallback: Fallback::Value("600"),
    environment: None,
    about: "How often the gateway proves its own record. A break raises `audit_chain_broken_total` and is logged as an \
            error.",
};
const ARCHIVE_DIR: Key = Key {
    name: "archive_dir",
    shape: Shape::Path,
    fallback: Fallback::Words("`audit-archive` in `store.state_dir`"),
    environment: None,
    about: "Where the record is sealed into trees under signed checkpoints. One process at a time seals there.",
};
const ORIGIN: Key = Key {
    name: "origin",
    shape: Shape::Text("1 to 200 of letters, digits, `.`, `_`, `-`, `:` and `/`"),
    fallback: Fallback::Words("`audit.instance`, and `/audit`"),
    environment: None,
    about: "What the trees are called in every checkpoint, such as `gateway.example/audit`. An archive keeps its name.",
};
const SEAL_INTERVAL_SECONDS: Key = Key {
    name: "seal_interval_seconds",
    shape: Shape::Integer { min: 1, max: 86_400 },
    fallback: Fallback::Value("10"),
    environment: None,
    about: "How often what signed heads cover is sealed. Until then there is no proof of a single event.",
};

/// `[audit]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    pub(crate) dir: PathBuf,
    pub(crate) instance: String,
    pub(crate) segment_bytes: u64,
    pub(crate) head_interval: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) queue_bytes_max: usize,
    pub(crate) fold_after: u32,
    pub(crate) verify_interval: Duration,
    pub(crate) archive_dir: PathBuf,
    pub(crate) origin: String,
    pub(crate) seal_interval: Duration,
}

impl Audit {
    /// `state_dir` is none where it has a mistake of its own.
    pub(crate) fn read(mut section: Section<'_, '_>, state_dir: Option<&Path>) -> Result<Self, Noted> {
        let dir = section.optional_path(&DIR);
        let instance = section.text(&INSTANCE, instance_name);
        let segment_bytes = section.integer(&SEGMENT_BYTES);
        let head_interval = section.integer(&HEAD_INTERVAL_MS);
        let commit_interval = section.integer(&COMMIT_INTERVAL_US);
        let queue_bytes_max = section.integer_as(&QUEUE_BYTES_MAX);
        let fold_after = section.integer_as(&FOLD_AFTER);
        let verify_interval = section.integer(&VERIFY_INTERVAL_SECONDS);
        let archive_dir = section.optional_path(&ARCHIVE_DIR);
        let origin = section.optional_text(&ORIGIN, origin);
        let seal_interval = section.integer(&SEAL_INTERVAL_SECONDS);
        section.finish();
        let dir = dir?.or_else(|| state_dir.map(|dir| dir.join("audit"))).ok_or(Noted);
        let archive_dir = archive_dir?.or_else(|| state_dir.map(|dir| dir.join("audit-archive"))).ok_or(Noted);
        let instance = instance?;
        let origin = origin?.unwrap_or_else(|| format!("{instance}/audit"));
        Ok(Self {
            dir: dir?,
            instance,
            segment_bytes: segment_bytes?,
            head_interval: Duration::from_millis(head_interval?),
            commit_interval: Duration::from_micros(commit_interval?),
            queue_bytes_max: queue_bytes_max?,
            fold_after: fold_after?,
            verify_interval: Duration::from_secs(verify_interval?),
            archive_dir: archive_dir?,
            origin,
            seal_interval: Duration::from_secs(seal_interval?),
        })
    }
}

fn origin(text: &str) -> Result<String, String> {
    if cedargate_audit::is_origin(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an origin: use 1 to 200 of letters, digits, `.`, `_`, `-`, `:` and `/`"))
    }
}

fn instance_name(text: &str) -> Result<String, String> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let well_formed = (1..=64).contains(&text.len()) && text.bytes().all(inner);
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an instance name: use 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`"))
    }
}
