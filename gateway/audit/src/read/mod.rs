//! The reading side: works on a directory while it is being written.

pub(crate) mod heads;
pub(crate) mod lines;
pub(crate) mod opening;
mod search;
pub(crate) mod segment;
pub(crate) mod signed;
pub(crate) mod walk;

use std::path::Path;

use cedargate_model::Event;

use crate::broken::{Break, Broken};
use crate::format::directory::SegmentName;
use crate::format::hash::{Hash, Salt};
use crate::format::marker::Marker;
pub use search::search;
use segment::Placed;
use walk::{Step, Walk};

/// One entry of the record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The file that it stands in.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The boot that wrote it.
    pub boot: u64,
    /// Its number in that boot.
    pub sequence: u64,
    /// The salt of its leaf hash.
    pub salt: Salt,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The chain's value after it.
    pub chain: Hash,
    /// What it says.
    pub body: EntryBody,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryBody {
    /// Something that happened.
    Event(Event),
    /// Something about the record's own files.
    Marker(Marker),
}

impl Entry {
    /// The event, where it is not about the record's own files.
    pub fn event(&self) -> Option<&Event> {
        match &self.body {
            EntryBody::Event(event) => Some(event),
            EntryBody::Marker(_) => None,
        }
    }

    fn new(name: SegmentName, placed: &Placed<'_>) -> Result<Self, Broken> {
        let line = &placed.line;
        let malformed = |error: serde_json::Error| {
            Broken::new(name, Break::Malformed, format_args!("its event is not one that is known: {error}"))
                .at(placed.line_number, Some(line.sequence))
        };
        let body = match Marker::parse(line.event).map_err(malformed)? {
            Some(marker) => EntryBody::Marker(marker),
            None => EntryBody::Event(serde_json::from_slice(line.event).map_err(malformed)?),
        };
        Ok(Self {
            file: name.to_string(),
            line: placed.line_number,
            boot: name.boot,
            sequence: line.sequence,
            salt: line.salt,
            leaf: line.leaf,
            chain: line.chain,
            body,
        })
    }
}

/// The entries of a record, oldest first. Made by [`read`].
pub struct Entries {
    walk: Option<Walk>,
    failed: Option<Broken>,
}

/// Reads the entries of the record in `dir`, oldest first, also while it is being written.
///
/// Every entry given has its leaf hash and its place in the chain checked; the signed heads are [`crate::verify`]'s.
/// After a break, which is given where it stands, reading goes on with the next segment.
pub fn read(dir: &Path) -> Entries {
    match Walk::new(dir) {
        Ok(walk) => Entries { walk: Some(walk), failed: None },
        Err(broken) => Entries { walk: None, failed: Some(broken) },
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(broken) = self.failed.take() {
            return Some(Err(broken));
        }
        let walk = self.walk.as_mut()?;
        loop {
            match walk.next() {
                Ok(Some(Step::Entry(name, placed))) => return Some(Entry::new(name, &placed)),
                Ok(Some(Step::Begins(..) | Step::Ends(..))) => {}
                Ok(None) => return None,
                Err(broken) => {
                    walk.skip_segment();
                    return Some(Err(broken));
                }
            }
        }
    }
}
