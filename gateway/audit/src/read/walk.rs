//! The whole directory, segment by segment: which file follows which, and what is missing.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::opening::Opening;
use super::segment::{Bound, End, Placed, SegmentReader, content_end_of};
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
        let unreadable = |error| Broken::unreadable(dir.display(), &error);
        let mut names = segments(dir).map_err(unreadable)?;
        let last_content_end = match names.last() {
            Some(last) => File::open(dir.join(last.to_string()))
                .and_then(|file| content_end_of(&file))
                .map_err(|error| Broken::unreadable(last, &error))?,
            None => 0,
        };
        let mut abandoned = HashSet::new();
        for name in &names {
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
