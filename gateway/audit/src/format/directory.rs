//! The names in a record's directory.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file of signed heads.
pub(crate) const HEADS_FILE: &str = "heads.jsonl";

/// The file that its writer holds locked.
pub(crate) const LOCK_FILE: &str = "lock";

/// The folder of torn tails.
pub(crate) const QUARANTINE_FOLDER: &str = "quarantine";

/// What a segment's name ends with until its first entry is durable: only then does it stand under its own name.
pub(crate) const UNBEGUN_SUFFIX: &str = ".new";

/// Names one segment: `audit-<boot>-<segment>.jsonl`, both numbers with at least six digits, so that names sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentName {
    pub(crate) boot: u64,
    pub(crate) segment: u64,
}

impl SegmentName {
    /// Reads a file's name; none where it is not a segment's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (boot, segment) = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.split_once('-')?;
        let parsed = Self { boot: boot.parse().ok()?, segment: segment.parse().ok()? };
        // One name for one segment: `audit-1-1.jsonl` is not `audit-000001-000001.jsonl`.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit-{:06}-{:06}.jsonl", self.boot, self.segment)
    }
}

/// The files of segments that never began.
pub(crate) fn unbegun(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir)? {
        let item = item?;
        let name = item.file_name();
        let begun = name.to_str().and_then(|name| name.strip_suffix(UNBEGUN_SUFFIX)).and_then(SegmentName::parse);
        found.extend(begun.map(|_| item.path()));
    }
    Ok(found)
}

/// The segments of a directory, oldest first.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<SegmentName>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir)? {
        found.extend(item?.file_name().to_str().and_then(SegmentName::parse));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_one_name() {
        let name = SegmentName { boot: 3, segment: 1_234_567 };
        assert_eq!(name.to_string(), "audit-000003-1234567.jsonl");
        assert_eq!(SegmentName::parse("audit-000003-1234567.jsonl"), Some(name));
        for other in [
            "audit-3-1.jsonl",
            "audit-000003-000001.jsonl.gz",
            "audit-000003.jsonl",
            "heads.jsonl",
            "audit-+00003-000001.jsonl",
        ] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }
}
