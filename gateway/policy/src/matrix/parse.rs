//! Reading a matrix.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedargate_model::RoleName;

use super::{Cell, Condition, Matrix, Placed, Row};
use crate::cedar_problem;
use crate::nesting::{self, Language};
use crate::problem::{Lines, PROBLEMS_MAX};
use crate::{Place, Problems};

/// The word that begins the header.
pub(super) const HEADER: &str = "action";
/// The word that begins a condition.
pub(super) const WHEN: &str = "when";
/// The cells that are no condition's name.
pub(super) const NOTHING: &str = "-";
pub(super) const ALLOW: &str = "allow";

/// The most rows and columns that are read.
const LINES_MAX: usize = 2_000;
/// The most cells: each that permits becomes a policy of its own.
const CELLS_MAX: usize = 50_000;

pub(super) fn parse(text: &str, file: &str) -> Result<Matrix, Problems> {
    let file: Arc<str> = file.into();
    let mut reader = Reader::new(text, Arc::clone(&file));
    for line in lines(text).take(LINES_MAX) {
        reader.line(line);
    }
    if lines(text).nth(LINES_MAX).is_some() {
        reader.problems.add(Place::start_of(file), format!("more than {LINES_MAX} lines"));
    }
    reader.finish()
}

/// A line without its end, and the octet at which it begins.
#[derive(Clone, Copy)]
struct Line<'t> {
    start: usize,
    text: &'t str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let here = *start;
        *start += line.len();
        Some(Line { start: here, text: line.trim_end() })
    })
}

impl<'t> Line<'t> {
    /// The words, each with the octet at which it begins.
    fn words(self) -> impl Iterator<Item = (usize, &'t str)> {
        let base = self.text.as_ptr() as usize;
        self.text.split_whitespace().map(move |word| (self.start + (word.as_ptr() as usize - base), word))
    }
}

struct Reader<'t> {
    text: &'t str,
    places: Lines<'t>,
    file: Arc<str>,
    notes: Vec<String>,
    header: Option<(Vec<String>, Vec<Placed<RoleName>>)>,
    /// How many columns the header has, also where some of them are mistaken.
    columns: usize,
    rows: Vec<Row>,
    /// How many cells all rows have.
    cells: usize,
    conditions: Vec<Open<'t>>,
    problems: Problems,
}

/// A condition whose lines are still being read.
struct Open<'t> {
    notes: Vec<String>,
    name: Placed<Arc<str>>,
    lines: Vec<Line<'t>>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, file: Arc<str>) -> Self {
        Self {
            text,
            places: Lines::of(text),
            file,
            notes: Vec::new(),
            header: None,
            columns: 0,
            rows: Vec::new(),
            cells: 0,
            conditions: Vec::new(),
            problems: Problems::none(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        self.places.place(&self.file, offset)
    }

    fn problem(&mut self, offset: usize, message: impl Into<String>) {
        let place = self.place(offset);
        self.problems.add(place, message);
    }

    fn line(&mut self, line: Line<'t>) {
        if let Some(note) = line.text.strip_prefix('#') {
            return self.notes.push(note.trim().to_owned());
        }
        let mut words = line.words();
        let Some((start, first)) = words.next() else { return };
        let rest: Vec<(usize, &str)> = words.collect();
        match first {
            _ if line.text.starts_with(char::is_whitespace) => self.continuation(line, start),
            HEADER => self.header(start, &rest),
            WHEN => self.condition(start, &rest),
            _ => self.row((start, first), &rest),
        }
    }

    fn continuation(&mut self, line: Line<'t>, start: usize) {
        // A note in between has ended the condition.
        match self.conditions.last_mut() {
            Some(condition) if self.notes.is_empty() => condition.lines.push(line),
            _ => self.problem(start, "an indented line belongs to a `when <name>:` line, and there is none above it"),
        }
    }

    fn header(&mut self, start: usize, roles: &[(usize, &str)]) {
        if self.header.is_some() {
            return self.problem(start, "a second header; a matrix has one line that begins with `action`");
        }
        let mut columns: Vec<Placed<RoleName>> = Vec::new();
        for (offset, word) in roles {
            match RoleName::parse(word) {
                Ok(role) if columns.iter().any(|other| other.value == role) => {
                    self.problem(*offset, format!("role `{role}` has a column already"));
                }
                Ok(value) => columns.push(Placed { value, place: self.place(*offset) }),
                Err(error) => self.problem(*offset, error.to_string()),
            }
        }
        if roles.is_empty() {
            self.problem(start, "the header names no role");
        }
        self.columns = roles.len();
        let notes = std::mem::take(&mut self.notes);
        self.header = Some((notes, columns));
    }

    fn row(&mut self, (start, action): (usize, &str), cells: &[(usize, &str)]) {
        let notes = std::mem::take(&mut self.notes);
        if self.header.is_none() {
            return self.problem(start, "a row above the header; the first line is `action` and the roles");
        }
        if !self.conditions.is_empty() {
            return self.problem(start, "a row below a condition; conditions stand last, their lines indented");
        }
        if !is_action_name(action) {
            return self.problem(start, format!("`{action}` is not an action's name: use letters, digits and `_`"));
        }
        if self.rows.iter().any(|row| *row.action.value == *action) {
            return self.problem(start, format!("action `{action}` has a row already"));
        }
        if cells.len() != self.columns {
            let message = format!("action `{action}` has {} cells, the header {} roles", cells.len(), self.columns);
            return self.problem(start, message);
        }
        self.cells += cells.len();
        if self.cells > CELLS_MAX {
            return self.problem(start, format!("more than {CELLS_MAX} cells"));
        }
        let mut row =
            Row { notes, action: Placed { value: action.into(), place: self.place(start) }, cells: Vec::new() };
        for (offset, word) in cells {
            match cell(word) {
                Some(value) => row.cells.push(Placed { value, place: self.place(*offset) }),
                None => self.problem(*offset, format!("`{word}` is not `allow`, `-` or the name of a condition")),
            }
        }
        self.rows.push(row);
    }

    fn condition(&mut self, start: usize, rest: &[(usize, &str)]) {
        let notes = std::mem::take(&mut self.notes);
        let name = match rest {
            [(offset, word)] => word.strip_suffix(':').map(|name| (*offset, name)),
            _ => None,
        };
        let Some((offset, name)) = name else {
            return self.problem(start, "write `when <name>:` and the expression indented below it");
        };
        if !is_condition_name(name) {
            return self
                .problem(offset, format!("`{name}` cannot name a condition: use a-z, 0-9 and `-`, and not `allow`"));
        }
        if self.conditions.iter().any(|other| *other.name.value == *name) {
            self.problem(offset, format!("condition `{name}` is defined already"));
        }
        let name = Placed { value: name.into(), place: self.place(offset) };
        self.conditions.push(Open { notes, name, lines: Vec::new() });
    }

    fn finish(mut self) -> Result<Matrix, Problems> {
        self.check_names();
        let conditions: Vec<Condition> =
            std::mem::take(&mut self.conditions).into_iter().filter_map(|open| self.close(open)).collect();
        let (header_notes, roles) = self.header.unwrap_or_else(|| {
            self.problems.add(Place::start_of(Arc::clone(&self.file)), "the header is missing: `action` and the roles");
            Default::default()
        });
        let closing_notes = self.notes;
        let matrix = Matrix { file: self.file, header_notes, roles, rows: self.rows, conditions, closing_notes };
        self.problems.into_result(matrix)
    }

    /// Checks a condition's expression as it stands in the file, so that mistakes have their place.
    fn close(&mut self, open: Open<'t>) -> Option<Condition> {
        let Open { notes, name, lines } = open;
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            self.problems.add(name.place, format!("condition `{}` has no expression below it", name.value));
            return None;
        };
        let body = self.text.get(first.start..last.start + last.text.len()).unwrap_or_default();
        if let Err(problems) = nesting::check(&self.file, body, Language::Policy) {
            // Its place is counted from the condition's beginning; the condition's name is near enough.
            for problem in problems.iter() {
                self.problems.add(name.place.clone(), format!("condition `{}`: {}", name.value, problem.message));
            }
            return None;
        }
        // One expression by itself: nothing in it can close the `when` clause that it is compiled into.
        if let Err(errors) = body.parse::<cedar_policy::Expression>() {
            for error in errors.iter().take(PROBLEMS_MAX) {
                let (offset, message) = cedar_problem::of(error);
                let place = self.place(first.start + offset.unwrap_or(0));
                self.problems.add(place, format!("condition `{}`: {message}", name.value));
            }
        }
        Some(Condition { notes, name, lines: dedent(&lines) })
    }

    fn check_names(&mut self) {
        let defined: BTreeSet<&str> = self.conditions.iter().map(|c| &*c.name.value).collect();
        let mut used = BTreeSet::new();
        for cell in self.rows.iter().flat_map(|row| &row.cells) {
            if let Cell::When(name) = &cell.value {
                used.insert(Arc::clone(name));
                if !defined.contains(&**name) {
                    let message = format!("`{name}` is not `allow`, `-` or a condition of this file");
                    self.problems.add(cell.place.clone(), message);
                }
            }
        }
        for condition in self.conditions.iter().filter(|condition| !used.contains(&condition.name.value)) {
            let message = format!("condition `{}` is used by no cell", condition.name.value);
            self.problems.add(condition.name.place.clone(), message);
        }
    }
}

fn cell(word: &str) -> Option<Cell> {
    match word {
        NOTHING => Some(Cell::Nothing),
        ALLOW => Some(Cell::Allow),
        name if is_condition_name(name) => Some(Cell::When(name.into())),
        _ => None,
    }
}

fn is_condition_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(inner)
        && name != ALLOW
}

/// Action names stand in policy ids and in Cedar text without quoting.
pub(crate) fn is_action_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(inner)
        && !matches!(name, HEADER | WHEN)
}

/// The lines without the indentation that all of them have.
fn dedent(lines: &[Line<'_>]) -> Vec<String> {
    let indentation = |line: &Line<'_>| line.text.len() - line.text.trim_start().len();
    let common = lines.iter().map(indentation).min().unwrap_or(0);
    lines.iter().map(|line| line.text.get(common..).unwrap_or(line.text.trim_start()).to_owned()).collect()
}
