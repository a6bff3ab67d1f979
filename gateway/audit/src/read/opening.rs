//! A segment's first entry, read before the segment is.

use std::fs::File;
use std::path::Path;

use super::lines::{Lines, NextLine};
use crate::broken::{Break, Broken};
use crate::format::directory::SegmentName;
use crate::format::entry::{LINE_BYTES_MAX, Line, Link};
use crate::format::marker::{Marker, SegmentOpened};

/// A first entry that is what its file's name and its own words say.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) opened: SegmentOpened,
    /// The end of the chain that the segment continues; zero in a boot's first.
    pub(crate) joins: Link,
}

impl Opening {
    /// Reads a segment's first entry.
    pub(crate) fn read(dir: &Path, name: SegmentName) -> Result<Self, Broken> {
        let unreadable = |error| Broken::unreadable(name, &error);
        let file = File::open(dir.join(name.to_string())).map_err(unreadable)?;
        let mut lines = Lines::new(file, u64::MAX, LINE_BYTES_MAX);
        let misplaced = |detail: &str| Broken::new(name, Break::SegmentMisplaced, detail).at(1, None);
        match lines.next().map_err(unreadable)? {
            NextLine::Whole(line) => Self::parse(name, line),
            NextLine::Fragment | NextLine::End => Err(misplaced("it does not begin with a whole entry")),
        }
    }

    fn parse(name: SegmentName, line: &[u8]) -> Result<Self, Broken> {
        let misplaced = |detail: String| Broken::new(name, Break::SegmentMisplaced, detail).at(1, None);
        let line = Line::parse(line).map_err(|error| Broken::from_line(name, error).at(1, None))?;
        let Ok(Some(Marker::SegmentOpened(opened))) = Marker::parse(line.event) else {
            return Err(misplaced("it does not begin with the entry that opens a segment".into()));
        };
        let says = SegmentName { boot: opened.boot, segment: opened.segment };
        if says != name {
            return Err(misplaced(format!("it holds what was written as {says}")));
        }
        let begins_boot = opened.segment == 1;
        if opened.recovered.is_some() != begins_boot {
            return Err(misplaced("a boot's first segment, and no other, says what the boot found".into()));
        }
        if opened.abandoned.iter().any(|abandoned| *abandoned >= opened.segment) {
            return Err(misplaced("it gives up a segment that does not come before it".into()));
        }
        let mut joins = Link::default();
        if !begins_boot {
            let previous = opened.previous.as_ref().filter(|previous| previous.boot == opened.boot);
            let Some(previous) = previous else {
                return Err(misplaced("it does not name the segment before it in its boot".into()));
            };
            joins = Link { sequence: previous.sequence, chain: previous.chain };
        }
        let mut end = joins;
        end.follow(&line).map_err(|error| Broken::from_link(name, error).at(1, Some(line.sequence)))?;
        Ok(Self { opened, joins })
    }

    /// Where the record ended before this segment, as it says.
    pub(crate) fn previous_name(&self) -> Option<SegmentName> {
        let previous = self.opened.previous.as_ref()?;
        Some(SegmentName { boot: previous.boot, segment: previous.segment })
    }

    /// The chain's end before this segment, as it says; across boots too.
    pub(crate) fn follows(&self) -> Link {
        self.opened
            .previous
            .as_ref()
            .map_or_else(Link::default, |previous| Link { sequence: previous.sequence, chain: previous.chain })
    }
}

impl Broken {
    pub(super) fn from_line(name: SegmentName, error: crate::format::entry::LineError) -> Self {
        use crate::format::entry::LineError;
        let what = match error {
            LineError::Malformed | LineError::VersionUnknown(_) => Break::Malformed,
            LineError::LeafMismatch => Break::EventChanged,
        };
        Self::new(name, what, error)
    }

    pub(super) fn from_link(name: SegmentName, error: crate::format::entry::LinkError) -> Self {
        use crate::format::entry::LinkError;
        let what = match error {
            LinkError::Sequence { .. } => Break::OutOfSequence,
            LinkError::Durable { .. } | LinkError::Chain => Break::ChainBroken,
        };
        Self::new(name, what, error)
    }
}
