//! Where and how a record fails to hold.

use std::fmt;

use serde::Serialize;

/// The first place where the record does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The file's name in the directory.
    pub file: String,
    /// The line, counted from 1, where it is one line's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The entry's number in its boot, where it is known.
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
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " (entry {sequence})")?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for Broken {}
