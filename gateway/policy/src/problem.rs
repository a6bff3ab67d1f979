//! Mistakes in policy sources, all of them at once, each with its place.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// Where something stands: a file below the policy directory, and the position in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The file, relative to the directory that was read, with `/` between its parts.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The beginning of a file: for what is missing from it as a whole.
    pub fn start_of(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }

    /// The place of an octet offset into `text`, which is what `file` holds.
    pub fn at(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..floor_boundary(text, offset)).unwrap_or(text);
        let line = before.bytes().filter(|b| *b == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let one_based = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Self { file: Arc::clone(file), line: one_based(line), column: one_based(column) }
    }

    /// As [`Place::at`], for a range as parsers give it.
    pub fn of_span(file: &Arc<str>, text: &str, span: &Range<usize>) -> Self {
        Self::at(file, text, span.start)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where the lines of a text begin: for places without number, each of which [`Place::at`] would walk through the text for.
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// As [`Place::at`].
    pub(crate) fn place(&self, file: &Arc<str>, offset: usize) -> Place {
        let offset = floor_boundary(self.text, offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).unwrap_or_default().chars().count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: Arc::clone(file), line: number(line), column: number(column.saturating_add(1)) }
    }
}

/// The most mistakes that are told of one text, or of one change: who has so many mends the first and looks again. Finding
/// the place of each costs a walk through the text.
pub(crate) const PROBLEMS_MAX: usize = 1_000;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong and, where we know, what to write instead: lower case, the author's text in backticks.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line each, whatever a parser put into its message.
        write!(f, "{}: ", self.place)?;
        let mut lines = self.message.lines().map(str::trim).filter(|l| !l.is_empty());
        if let Some(first) = lines.next() {
            f.write_str(first)?;
        }
        lines.try_for_each(|line| write!(f, "; {line}"))
    }
}

/// Every mistake that was found, the first thousand of them, sorted by place. Never empty where it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing wrong so far.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a mistake.
    pub fn add(&mut self, place: Place, message: impl Into<String>) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem { place, message: message.into() });
        }
    }

    /// Adds all of another's.
    pub fn append(&mut self, other: Self) {
        let room = PROBLEMS_MAX.saturating_sub(self.0.len());
        self.0.extend(other.0.into_iter().take(room));
    }

    /// Keeps the mistakes of a result and gives its value, if there is one.
    pub fn absorb<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        result.map_err(|problems| self.append(problems)).ok()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is, sorted and without repeats.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self.sorted()) }
    }

    /// The same, sorted by place and without repeats.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort();
        self.0.dedup();
        self
    }

    /// The mistakes.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The largest character boundary of `text` that is not behind `offset`.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let file: Arc<str> = "a.cedar".into();
        let text = "é1\nzwei\n";
        let place = |offset| {
            let place = Place::at(&file, text, offset);
            (place.line, place.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(1), (1, 1), "inside a character counts as its beginning");
        assert_eq!(place(2), (1, 2));
        assert_eq!(place(4), (2, 1));
        assert_eq!(place(6), (2, 3));
        assert_eq!(place(99), (3, 1));
        for offset in 0..12 {
            assert_eq!(Lines::of(text).place(&file, offset), Place::at(&file, text, offset), "{offset}");
        }
    }

    #[test]
    fn problems_are_one_per_line_sorted_and_said_once() {
        let mut problems = Problems::none();
        problems.add(Place::start_of("b"), "two\n  lines\n");
        problems.add(Place::start_of("a"), "one");
        problems.add(Place::start_of("a"), "one");
        assert_eq!(problems.into_result(()).unwrap_err().to_string(), "a:1:1: one\nb:1:1: two; lines");
    }
}
