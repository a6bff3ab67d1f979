//! The whole directory, segment by segment: which file follows which, and what is missing.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::opening::Opening;
use super::segment::{Bound, End, Place, Placed, SegmentReader, content_end_of};
use crate::broken::{Break, Broken};
use crate::format::directory::{SegmentName, segments};

/// Walks the record's segments as they stood when the walk began.
pub(crate) struct Walk {
    dir: PathBuf,
    names: Vec<SegmentName>,
    /// Segments that a later one calls given up.
    pub(crate) abandoned: u64,
    /// What stood in the last segment when the walk began. Entries that come later are none of its business; heads
    /// read before and after that moment can then be held against it.
    last_content_end: u64,
    at: usize,
    before: Option<SegmentName>,
    current: Option<(SegmentName, Bound, SegmentReader)>,
}

/// One thing met on the walk.
pub(crate) enum Step<'a> {
    /// A segment begins.
    Begins(SegmentName, Box<Opening>),
    /// An entry of it.
    Entry(SegmentName, Placed<'a>),
    /// It has ended.
    Ends(SegmentName, Bound, End),
}

impl Walk {
    /// Lists the segments and measures the last.
    pub(crate) fn new(dir: &Path) -> Result<Self, Broken> {
        let names = segments(dir).map_err(|error| Broken::unreadable(dir.display(), &error))?;
        Self::of(dir, names)
    }

    /// Goes on from a line that was read before, and gives it again first. Earlier segments are not looked at.
    pub(crate) fn resume(dir: &Path, place: Place) -> Result<Self, Broken> {
        let mut names = segments(dir).map_err(|error| Broken::unreadable(dir.display(), &error))?;
        names.retain(|name| *name >= place.name);
        let mut walk = Self::of(dir, names)?;
        if walk.names.first() != Some(&place.name) {
            return Err(Broken::new(place.name, Break::SegmentMissing, "it was read before, and is gone"));
        }
        let following = walk.names.get(1).copied();
        let content_end = following.is_none().then_some(walk.last_content_end);
        let bound = following.map_or(Ok(Bound::Open), |following| walk.bound_by(place.name, following))?;
        let reader = SegmentReader::resume(dir, place, bound, content_end)?;
        walk.at = 1;
        walk.current = Some((place.name, bound, reader));
        Ok(walk)
    }

    fn of(dir: &Path, mut names: Vec<SegmentName>) -> Result<Self, Broken> {
        let last_content_end = match names.last() {
            Some(last) => File::open(dir.join(last.to_string()))
                .and_then(|file| content_end_of(&file))
                .map_err(|error| Broken::unreadable(last, &error))?,
            None => 0,
        };
        // From the last to the first, because a segment names only earlier ones: whatever may give one up has been read
        // before it, and what was given up itself is not asked.
        let mut abandoned = HashSet::new();
        for name in names.iter().rev() {
            if abandoned.contains(name) {
                continue;
            }
            match Opening::read(dir, *name) {
                Ok(Opening { opened, .. }) => {
                    let boot = opened.boot;
                    abandoned.extend(opened.abandoned.into_iter().map(|segment| SegmentName { boot, segment }));
                }
                Err(broken) if broken.what == Break::Exhausted => return Err(broken),
                // Met again, and judged, in its place.
                Err(_) => {}
            }
        }
        let all = names.len();
        names.retain(|name| !abandoned.contains(name));
        let abandoned = u64::try_from(all - names.len()).unwrap_or(0);
        Ok(Self { dir: dir.into(), names, abandoned, last_content_end, at: 0, before: None, current: None })
    }

    /// Whether the directory holds no segment at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The next thing; none at the record's end.
    pub(crate) fn next(&mut self) -> Result<Option<Step<'_>>, Broken> {
        if self.current.is_none() {
            return self.begin();
        }
        // Two looks, because a borrowed entry cannot be returned from one branch while the other ends the segment.
        if let Some((name, bound, reader)) = self.current.take_if(|(_, _, reader)| reader.end().is_some()) {
            self.before = Some(name);
            return Ok(reader.end().cloned().map(|end| Step::Ends(name, bound, end)));
        }
        let Some((name, _, reader)) = self.current.as_mut() else { return Ok(None) };
        reader.advance()?;
        let name = *name;
        if self.current.as_ref().is_some_and(|(_, _, reader)| reader.end().is_some()) {
            return self.next();
        }
        let Some((_, _, reader)) = &self.current else { return Ok(None) };
        Ok(Some(Step::Entry(name, reader.placed()?)))
    }

    /// After a break: goes on with the next segment, as if it followed.
    pub(crate) fn skip_segment(&mut self) {
        if let Some((name, _, _)) = self.current.take() {
            self.before = Some(name);
        } else if let Some(name) = self.names.get(self.at).copied() {
            self.before = Some(name);
            self.at += 1;
        }
    }

    fn begin(&mut self) -> Result<Option<Step<'_>>, Broken> {
        let Some(name) = self.names.get(self.at).copied() else { return Ok(None) };
        let following = self.names.get(self.at + 1).copied();
        let content_end = following.is_none().then_some(self.last_content_end);
        let opening = Opening::read(&self.dir, name)?;
        self.check_follows(name, &opening)?;
        let bound = following.map_or(Ok(Bound::Open), |following| self.bound_by(name, following))?;
        let reader = SegmentReader::open(&self.dir, name, opening.joins, bound, content_end)?;
        self.at += 1;
        self.current = Some((name, bound, reader));
        Ok(Some(Step::Begins(name, Box::new(opening))))
    }

    fn check_follows(&self, name: SegmentName, opening: &Opening) -> Result<(), Broken> {
        let says = opening.previous_name();
        if says != self.before {
            let detail = match (says, self.before) {
                (Some(says), Some(before)) => format!("it follows {says}, and {before} stands before it"),
                (Some(says), None) => format!("it follows {says}, which is gone"),
                (None, _) => "it says that it is the first, and it is not".into(),
            };
            return Err(Broken::new(name, Break::SegmentMissing, detail).at(1, None));
        }
        Ok(())
    }

    /// How the following segment says that this one ended. What does not fit is reported when its turn comes.
    fn bound_by(&self, name: SegmentName, following: SegmentName) -> Result<Bound, Broken> {
        let opening = match Opening::read(&self.dir, following) {
            Ok(opening) => opening,
            Err(broken) if broken.what == Break::Exhausted => return Err(broken),
            Err(_) => return Ok(Bound::Open),
        };
        Ok(match &opening.opened.previous {
            Some(previous) if opening.previous_name() == Some(name) => {
                Bound::Named { at: opening.follows(), ended: previous.ended }
            }
            Some(_) | None => Bound::Open,
        })
    }
}

#[cfg(test)]
mod tests {
    use cedargate_model::Micros;

    use super::*;
    use crate::format::entry::Link;
    use crate::format::hash::Hash;
    use crate::format::marker::{Ended, Marker, Previous, Recovered, SegmentOpened};

    /// Writes a segment that holds its opening entry alone, after entry `joins` of segment `previous`.
    fn segment(dir: &Path, segment: u64, previous: Option<(u64, Link)>, abandoned: &[u64]) -> Link {
        let recovered = previous.is_none().then(|| Recovered {
            heads: 0,
            last_head: Hash::ZERO,
            quarantined: vec![],
            damage: None,
        });
        let mut link = previous.map_or_else(Link::default, |(_, joins)| joins);
        let previous = previous.map(|(segment, joins)| {
            let Link { sequence, chain } = joins;
            Previous { boot: 1, segment, sequence, chain, ended: Ended::Retired }
        });
        let (instance, boot, at, abandoned) = ("gw-1".into(), 1, Micros(0), abandoned.to_vec());
        let opened = SegmentOpened { instance, boot, segment, at, previous, abandoned, recovered };
        let mut text = Vec::new();
        let durable = link.sequence;
        link.append(&mut text, durable, &[7; 16], &serde_json::to_vec(&Marker::SegmentOpened(opened)).unwrap());
        std::fs::write(dir.join(SegmentName { boot, segment }.to_string()), text).unwrap();
        link
    }

    /// The segments of the record, or the first break.
    fn walked(dir: &Path) -> Result<Vec<u64>, Broken> {
        let (mut walk, mut begun) = (Walk::new(dir)?, Vec::new());
        while let Some(step) = walk.next()? {
            if let Step::Begins(name, _) = step {
                begun.push(name.segment);
            }
        }
        Ok(begun)
    }

    #[test]
    fn two_segments_that_give_each_other_up_are_not_both_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = segment(dir.path(), 1, None, &[]);
        segment(dir.path(), 2, Some((1, first)), &[3]);
        segment(dir.path(), 3, Some((1, first)), &[2]);
        assert_eq!(walked(dir.path()).unwrap(), [1, 3]);
    }

    #[test]
    fn a_segment_gives_up_only_earlier_ones() {
        for given_up in [2, 3] {
            let dir = tempfile::tempdir().unwrap();
            let first = segment(dir.path(), 1, None, &[]);
            let second = segment(dir.path(), 2, Some((1, first)), &[given_up]);
            segment(dir.path(), 3, Some((2, second)), &[]);
            assert_eq!(walked(dir.path()).unwrap_err().what, Break::SegmentMisplaced, "{given_up}");
        }
    }

    #[test]
    fn a_segment_that_was_given_up_gives_up_none() {
        let dir = tempfile::tempdir().unwrap();
        let first = segment(dir.path(), 1, None, &[]);
        let second = segment(dir.path(), 2, Some((1, first)), &[]);
        segment(dir.path(), 3, Some((2, second)), &[2]);
        segment(dir.path(), 4, Some((2, second)), &[3]);
        assert_eq!(walked(dir.path()).unwrap(), [1, 2, 4]);
    }
}
