//! `cedargate policy`.

use std::path::PathBuf;

use clap::Subcommand;

use super::output::Output;
use super::{Ending, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Run the declarative cases of a directory against policies
    ///
    /// Every case names who asks for what and which decision, by which policies, is expected. A role, an action or a policy
    /// without a case fails, too. The engine is the one that serves.
    Test {
        /// The policy directory
        #[arg(value_name = "DIR")]
        policies: PathBuf,
        /// The directory of cases; `policy-tests/cases` beside the policy directory where it is left out
        cases: Option<PathBuf>,
        /// Answer as JSON: {"decisions", "policies_covered", "findings": [{"file", "line", "column", "message"}]}
        #[arg(long)]
        json: bool,
    },
}

impl PolicyCommand {
    pub(crate) fn json(&self) -> bool {
        let Self::Test { json, .. } = self;
        *json
    }

    pub(crate) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let Self::Test { policies, cases, .. } = self;
        let cases = cases.unwrap_or_else(|| policies.join("../policy-tests/cases"));
        for directory in [&policies, &cases] {
            if !directory.is_dir() {
                return Err(Failure::mistake(format!("`{}` is not a directory", directory.display())));
            }
        }
        let report = cedargate_policy_tests::run(policies, cases);
        output.answer(&report, &report);
        Ok(Ending::yes_if(report.passed()))
    }
}
