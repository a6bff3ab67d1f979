//! Where and how a record fails to hold.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::Serialize;

/// The first place where the record does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Broken {
    /// The file's name in the directory.
    pub file: String,
    /// The line, counted from 1, where it is at one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The entry's number in its boot: the first that is not as it was written, or the one that should stand here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What is wrong.
    pub what: Break,
    /// What was found and what was expected, for people.
    pub detail: String,
}

/// The kinds of break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// A file could not be read.
    Unreadable,
    /// The machine had no open file or no memory left to look with. Says nothing about the record.
    Exhausted,
    /// There is no record in the directory.
    NoRecord,
    /// A line is no entry of a version that is known.
    Malformed,
    /// An event is not the one whose leaf hash stands beside it.
    EventChanged,
    /// Entries were removed, inserted or put in another order.
    OutOfSequence,
    /// An entry does not follow from the one before it.
    ChainBroken,
    /// Something stands where the segment has ended.
    AfterTheEnd,
    /// A segment ends before the entry that the next one follows.
    SegmentCut,
    /// A segment is gone.
    SegmentMissing,
    /// A segment stands under another's name, or does not begin as one.
    SegmentMisplaced,
    /// The record ends before what a signed head covers.
    TailCut,
    /// A signed head, or the file of heads, is gone.
    HeadMissing,
    /// A head is malformed, out of order, or its signature does not hold.
    HeadInvalid,
    /// A head says otherwise than the record: the record was rewritten.
    HeadContradicted,
    /// Nothing that a trusted key signed covers the end of the record.
    NotTrusted,
    /// A boot found damage and wrote it down.
    DamageRecorded,
    /// A signed checkpoint is gone, malformed, or its signature does not hold.
    CheckpointInvalid,
    /// A tile of a tree is gone.
    TileMissing,
    /// A tile does not hold the hashes that it should.
    TileChanged,
    /// Archived entries are gone.
    EntryMissing,
    /// A tree's root is not the one that was signed.
    TreeContradicted,
    /// An earlier checkpoint is not the beginning of the tree: it was not only appended to.
    NotAppendOnly,
    /// A proof does not show what it should.
    ProofInvalid,
}

impl Broken {
    pub(crate) fn new(file: impl fmt::Display, what: Break, detail: impl fmt::Display) -> Self {
        Self { file: file.to_string(), line: None, sequence: None, what, detail: detail.to_string() }
    }

    pub(crate) fn unreadable(file: impl fmt::Display, error: &io::Error) -> Self {
        let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM]
            .into_iter()
            .any(|errno| Errno::from_io_error(error) == Some(errno));
        let what = if exhausted { Break::Exhausted } else { Break::Unreadable };
        Self::new(file, what, format_args!("it cannot be read: {error}"))
    }

    pub(crate) fn at(mut self, line: u64, sequence: Option<u64>) -> Self {
        self.line = Some(line);
        self.sequence = sequence;
        self
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, ", entry {sequence}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_open_files_says_nothing_about_the_record() {
        let what = |errno: Errno| Broken::unreadable("x", &errno.into()).what;
        assert_eq!(what(Errno::MFILE), Break::Exhausted);
        assert_eq!(what(Errno::NFILE), Break::Exhausted);
        assert_eq!(what(Errno::IO), Break::Unreadable);
        assert_eq!(what(Errno::ACCESS), Break::Unreadable);
    }
}
