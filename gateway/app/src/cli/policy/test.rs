//! `cedargate policy test`.

use std::path::PathBuf;

use clap::Args;

use super::super::output::Output;
use super::super::{Ending, Failure};
use super::directory;

/// Run the declarative cases of a directory against policies
///
/// Every case names who asks for what and which decision, by which policies, is expected. A role, an action or a policy
/// without a case fails, too. The engine is the one that serves.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The policy directory
    #[arg(value_name = "DIR")]
    policies: PathBuf,
    /// The directory of cases; `policy-tests/cases` beside the policy directory where it is left out
    cases: Option<PathBuf>,
    /// Answer as JSON: {"decisions", "policies_covered", "findings": [{"file", "line", "column", "message"}]}
    #[arg(long)]
    pub(super) json: bool,
}

impl Test {
    pub(super) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let Self { policies, cases, .. } = self;
        let cases = cases.unwrap_or_else(|| policies.join("../policy-tests/cases"));
        directory(&policies)?;
        directory(&cases)?;
        let report = cedargate_policy_tests::run(policies, cases);
        output.answer(&report, &report);
        Ok(Ending::yes_if(report.passed()))
    }
}
