//! One segment, entry by entry, to its end.

use std::fs::File;
use std::io;
use std::path::Path;

use super::lines::{Lines, NextLine, content_end, is_padding};
use crate::broken::{Break, Broken};
use crate::format::directory::SegmentName;
use crate::format::entry::{LINE_BYTES_MAX, Line, Link};
use crate::format::marker::{Ended, Marker, SegmentClosed};

/// Where a segment is known to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// The segment after it says where, and how.
    Named { at: Link, ended: Ended },
    /// Nothing comes after it: it ends where its content does, perhaps in a torn tail.
    Open,
}

/// An unfinished end: what a crash, or a write in progress, leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where the whole entries end.
    pub(crate) offset: u64,
    /// The first line that is none.
    pub(crate) line: u64,
    /// The octets from there on that are not padding.
    pub(crate) bytes: u64,
    /// Why the first of them is no entry.
    pub(crate) reason: Broken,
}

/// Reads a segment and holds each entry against the one before it.
pub(crate) struct SegmentReader {
    name: SegmentName,
    lines: Lines,
    bound: Bound,
    pub(crate) link: Link,
    closed: Option<SegmentClosed>,
    content_end: u64,
    /// Where the entries begin that were written in one commit with the last one read, and what was durable then.
    commit: (u64, u64),
    ended: Option<End>,
}

/// How reading a segment ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Its closing entry, where it has one.
    pub(crate) closed: Option<SegmentClosed>,
    /// What stands after the last entry and is not part of the record.
    pub(crate) tail: Option<Tail>,
    /// Where the last entry ends.
    pub(crate) offset: u64,
}

/// An entry in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) line_number: u64,
    /// Where the line begins in its segment.
    pub(crate) offset: u64,
}

/// A line in the middle of a segment, known from an earlier reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) name: SegmentName,
    /// The end of the chain before that line.
    pub(crate) joins: Link,
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl SegmentReader {
    /// Opens a segment whose first entry joins the chain at `joins`.
    ///
    /// Reads what stands in it now, or stood in it when `content_end` was measured, and not what comes later.
    pub(crate) fn open(
        dir: &Path,
        name: SegmentName,
        joins: Link,
        bound: Bound,
        content_end: Option<u64>,
    ) -> Result<Self, Broken> {
        let unreadable = |error| Broken::unreadable(name, &error);
        let file = File::open(dir.join(name.to_string())).map_err(unreadable)?;
        let content_end = match content_end {
            Some(end) => end,
            None => content_end_of(&file).map_err(unreadable)?,
        };
        let lines = Lines::new(file, content_end, LINE_BYTES_MAX);
        Ok(Self { name, lines, bound, link: joins, closed: None, content_end, commit: (0, 0), ended: None })
    }

    /// Opens a segment in its middle.
    pub(crate) fn resume(dir: &Path, place: Place, bound: Bound, content_end: Option<u64>) -> Result<Self, Broken> {
        let mut reader = Self::open(dir, place.name, place.joins, bound, content_end)?;
        let beyond = place.offset > reader.content_end;
        if beyond {
            let detail = format_args!("it is shorter than it was when entry {} was read", place.joins.sequence);
            return Err(Broken::new(place.name, Break::SegmentCut, detail));
        }
        reader.lines.rewind(place.offset, place.line).map_err(|error| Broken::unreadable(place.name, &error))?;
        Ok(reader)
    }

    /// Goes to the next entry, or to the end.
    ///
    /// Then either [`SegmentReader::placed`] gives the entry, or [`SegmentReader::end`] tells how it ended: apart,
    /// because one call cannot lend an entry and change the reader on its other branches.
    pub(crate) fn advance(&mut self) -> Result<(), Broken> {
        if self.ended.is_some() {
            return Ok(());
        }
        if let Bound::Named { at, ended } = self.bound
            && self.link.sequence == at.sequence
            && self.lines.number > 0
        {
            return self.end_as_named(at, ended);
        }
        if self.closed.is_some() {
            return match self.bound {
                Bound::Open => self.end_closed(),
                // The next segment follows an entry that is not the closing one: where it says, this one does not end.
                Bound::Named { .. } => self.end_of_content(self.lines.offset, self.lines.number + 1),
            };
        }
        let (offset, number) = (self.lines.offset, self.lines.number + 1);
        let expected = self.link.sequence.saturating_add(1);
        let judged = match self.lines.next().map_err(|error| Broken::unreadable(self.name, &error))? {
            NextLine::Whole(text) => judge(self.name, text, self.link),
            NextLine::Fragment => Err(Broken::new(self.name, Break::Malformed, "the line has no end")),
            NextLine::End => return self.end_of_content(offset, number),
        };
        match judged {
            Ok((link, durable, closed)) => {
                self.link = link;
                self.closed = closed;
                if self.commit.1 != durable {
                    self.commit = (offset, durable);
                }
                Ok(())
            }
            Err(reason) => self.end_broken(offset, number, reason.at(number, Some(expected))),
        }
    }

    /// The entry that [`SegmentReader::advance`] went to.
    pub(crate) fn placed(&self) -> Result<Placed<'_>, Broken> {
        let text = self.lines.current();
        let line = Line::parse_shape(text).map_err(|error| Broken::from_line(self.name, error))?;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
        Ok(Placed { line, line_number: self.lines.number, offset: self.lines.offset.saturating_sub(length) })
    }

    /// Where the last commit read begins: everything before it was durable when it was written.
    pub(crate) fn last_commit_offset(&self) -> u64 {
        self.commit.0
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// The entry that the next segment follows has been reached.
    fn end_as_named(&mut self, at: Link, ended: Ended) -> Result<(), Broken> {
        let line = self.lines.number;
        if self.link.chain != at.chain {
            let detail = "the segment after it follows another entry of this number";
            return Err(Broken::new(self.name, Break::ChainBroken, detail).at(line, Some(at.sequence)));
        }
        match ended {
            Ended::Closed if self.closed.is_none() => {
                let detail = "the segment after it says that it was closed here, and this is no closing entry";
                Err(Broken::new(self.name, Break::ChainBroken, detail).at(line, Some(at.sequence)))
            }
            Ended::Closed | Ended::Crashed => self.end_closed(),
            Ended::Retired | Ended::Damaged => {
                let (offset, number) = (self.lines.offset, line + 1);
                let bytes = self.content_end.saturating_sub(offset);
                let reason = Broken::new(self.name, Break::AfterTheEnd, "given up by its writer after a failed write");
                let tail = (bytes > 0).then(|| Tail { offset, line: number, bytes, reason: reason.at(number, None) });
                self.finish(offset, tail);
                Ok(())
            }
        }
    }

    /// Only padding may stand here.
    fn end_closed(&mut self) -> Result<(), Broken> {
        if self.lines.offset < self.content_end {
            let detail =
                format_args!("something stands after entry {}, where the segment has ended", self.link.sequence);
            return Err(Broken::new(self.name, Break::AfterTheEnd, detail).at(self.lines.number + 1, None));
        }
        self.finish(self.lines.offset, None);
        Ok(())
    }

    /// The content ended with a whole entry.
    fn end_of_content(&mut self, offset: u64, number: u64) -> Result<(), Broken> {
        match self.bound {
            Bound::Open => self.finish(offset, None),
            Bound::Named { at, .. } => {
                let last = self.link.sequence;
                let detail =
                    format_args!("it ends after entry {last}, and the segment after it follows entry {}", at.sequence);
                return Err(Broken::new(self.name, Break::SegmentCut, detail).at(number, Some(last.saturating_add(1))));
            }
        }
        Ok(())
    }

    /// A line is no entry, or not the next one.
    ///
    /// In a segment with nothing after it this may be the work of a crash, which can only touch the last commit: the
    /// writer begins no commit before the one before it is durable. So if any later entry calls this one durable, it
    /// was whole once.
    fn end_broken(&mut self, offset: u64, number: u64, reason: Broken) -> Result<(), Broken> {
        let first_torn = self.link.sequence.saturating_add(1);
        match self.bound {
            Bound::Named { .. } => Err(reason),
            Bound::Open => {
                let witness = self.find_later_witness(offset, number, first_torn)?;
                if witness {
                    return Err(reason);
                }
                let bytes = self.content_end.saturating_sub(offset);
                self.finish(offset, Some(Tail { offset, line: number, bytes, reason }));
                Ok(())
            }
        }
    }

    /// Whether a well-formed entry from here on says that `sequence` was durable when it was written.
    fn find_later_witness(&mut self, offset: u64, number: u64, sequence: u64) -> Result<bool, Broken> {
        let unreadable = |error| Broken::unreadable(self.name, &error);
        self.lines.rewind(offset, number).map_err(unreadable)?;
        loop {
            match self.lines.next().map_err(unreadable)? {
                NextLine::Whole(text) => match Line::parse(text) {
                    Ok(line) if line.durable >= sequence => return Ok(true),
                    Ok(_) | Err(_) => {}
                },
                NextLine::Fragment => {}
                NextLine::End => return Ok(false),
            }
        }
    }

    fn finish(&mut self, offset: u64, tail: Option<Tail>) {
        self.ended = Some(End { closed: self.closed.clone(), tail, offset });
    }
}

/// Where a segment's content ends at this moment.
pub(crate) fn content_end_of(file: &File) -> io::Result<u64> {
    loop {
        match content_end(file, file.metadata()?.len()) {
            // Its writer cut the padding off in between, which it does once in a segment's life: measure again.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            measured => return measured,
        }
    }
}

/// Whether a line is the next entry; then the chain's end after it, what was durable when it was written, and the closing
/// marker if it is that.
fn judge(name: SegmentName, text: &[u8], mut link: Link) -> Result<(Link, u64, Option<SegmentClosed>), Broken> {
    if is_padding(text) {
        return Err(Broken::new(name, Break::Malformed, "an empty line stands between entries"));
    }
    let line = Line::parse(text).map_err(|error| Broken::from_line(name, error))?;
    link.follow(&line).map_err(|error| Broken::from_link(name, error))?;
    let marker = Marker::parse(line.event);
    let closed = match marker {
        Ok(Some(Marker::SegmentClosed(closed))) => Some(closed),
        Ok(Some(Marker::SegmentOpened(_)) | None) => None,
        Err(error) => return Err(Broken::new(name, Break::Malformed, format_args!("a malformed marker: {error}"))),
    };
    Ok((link, line.durable, closed))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use cedargate_model::{Micros, SystemClock};
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::format::hash::Hash;
    use crate::format::marker::{Previous, SegmentOpened};
    use crate::{Spool, SpoolSettings, verify};

    /// A boot that was closed in order, and a segment of it that somebody added who has no key.
    fn continued(sequence: u64, joins: Link) -> Result<crate::Report, Broken> {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::from_bytes(&[7; 32]));
        let trusted = key.verifying_key();
        Spool::open(SpoolSettings::new(dir.path(), "gw-1"), key, Arc::new(SystemClock)).unwrap().0.close().unwrap();
        assert_eq!(verify(dir.path(), Some(trusted)).unwrap().entries, 2);

        let (instance, boot, segment, at, abandoned) = ("gw-1".into(), 1, 2, Micros(0), vec![]);
        let previous = Some(Previous { boot: 1, segment: 1, sequence, chain: joins.chain, ended: Ended::Closed });
        let opened =
            Marker::SegmentOpened(SegmentOpened { instance, boot, segment, at, previous, abandoned, recovered: None });
        let (mut link, mut text) = (joins, Vec::new());
        link.append(&mut text, joins.sequence, &[7; 16], &serde_json::to_vec(&opened).unwrap());
        fs::write(dir.path().join(SegmentName { boot, segment }.to_string()), text).unwrap();
        verify(dir.path(), Some(trusted))
    }

    #[test]
    fn nothing_joins_a_closed_segment_but_at_its_closing_entry() {
        for sequence in [0, 1, 3, 9] {
            let broken = continued(sequence, Link { sequence, chain: Hash::of(b"any") }).unwrap_err();
            assert!(matches!(broken.what, Break::SegmentCut | Break::ChainBroken), "{broken}");
        }
    }
}
