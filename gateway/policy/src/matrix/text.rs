//! Writing a matrix in its canonical form.

use std::fmt;

use super::parse::{ALLOW, HEADER, NOTHING, WHEN};
use super::{Cell, Matrix};

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str(NOTHING),
            Self::Allow => f.write_str(ALLOW),
            Self::When(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header: Vec<String> =
            std::iter::once(HEADER.to_owned()).chain(self.roles().map(ToString::to_string)).collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let cells = row.cells.iter().map(|cell| cell.value.to_string());
                std::iter::once(row.action.value.to_string()).chain(cells).collect()
            })
            .collect();
        let widths = widths(&header, &rows);

        write_notes(f, &self.header_notes)?;
        if !self.header_notes.is_empty() {
            writeln!(f)?;
        }
        write_row(f, &header, &widths)?;
        for (row, words) in self.rows.iter().zip(&rows) {
            write_notes(f, &row.notes)?;
            write_row(f, words, &widths)?;
        }
        for condition in &self.conditions {
            writeln!(f)?;
            write_notes(f, &condition.notes)?;
            writeln!(f, "{WHEN} {}:", condition.name.value)?;
            condition.lines.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        if !self.closing_notes.is_empty() {
            writeln!(f)?;
        }
        write_notes(f, &self.closing_notes)
    }
}

fn widths(header: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let column =
        |n: usize| rows.iter().chain(std::iter::once(&header.to_vec())).filter_map(|r| r.get(n)).map(String::len).max();
    (0..header.len()).map(|n| column(n).unwrap_or(0)).collect()
}

fn write_notes(f: &mut fmt::Formatter<'_>, notes: &[String]) -> fmt::Result {
    notes.iter().try_for_each(|note| if note.is_empty() { writeln!(f, "#") } else { writeln!(f, "# {note}") })
}

fn write_row(f: &mut fmt::Formatter<'_>, words: &[String], widths: &[usize]) -> fmt::Result {
    let padded: Vec<String> = words.iter().zip(widths).map(|(word, width)| format!("{word:<width$}")).collect();
    writeln!(f, "{}", padded.join("  ").trim_end())
}
