//! What came of a run.

use std::fmt;

use cedargate_policy::{Place, Problems};
use serde::Serialize;

/// What came of running cases against policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many decisions were compared with what was expected.
    pub decisions: usize,
    /// How many policies decided at least one of them.
    pub policies_covered: usize,
    /// Everything that is not as it should be, sorted by place. Empty where all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be: a mistake in a file, a decision other than expected, or a hole in what the
/// cases cover.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where. The file is named as it was reached from where the run was started.
    #[serde(flatten)]
    pub place: Place,
    /// What.
    pub message: String,
}

impl Report {
    /// Whether all is well.
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn find(&mut self, place: Place, message: impl Into<String>) {
        self.findings.push(Finding { place, message: message.into() });
    }

    pub(crate) fn find_all(&mut self, folder: &str, problems: &Problems) {
        for problem in problems.iter() {
            self.find(below(folder, &problem.place), problem.message.clone());
        }
    }
}

/// The place of something in a folder, seen from where the run was started.
pub(crate) fn below(folder: &str, place: &Place) -> Place {
    Place { file: format!("{}/{}", folder.trim_end_matches('/'), place.file).into(), ..place.clone() }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { place, message } in &self.findings {
            let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
            write!(f, "{place}: {}", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| write!(f, "; {line}"))?;
            writeln!(f)?;
        }
        let outcome = if self.passed() { "passed" } else { "failed" };
        write!(
            f,
            "{outcome}: {} decisions compared, {} policies covered, {} findings",
            self.decisions,
            self.policies_covered,
            self.findings.len()
        )
    }
}
