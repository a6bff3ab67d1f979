//! `cedargate policy prove`.

use std::fmt;
use std::path::PathBuf;

use cedargate_policy_analysis::Proofs;
use clap::Args;
use serde::Serialize;

use super::super::output::Output;
use super::super::{Ending, Failure};
use super::tenants::{Asked, Tenants};

/// Prove the standing properties of a policy directory, or refute them with a request
///
/// Properties stand in `properties/`, written as policies that must change nothing. Exit code 0: all are proved; 1: one is
/// refuted or undecided; 3: there is no solver.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The policy directory
    #[arg(value_name = "DIR")]
    policies: PathBuf,
    #[command(flatten)]
    tenants: Tenants,
    #[command(flatten)]
    asked: Asked,
    /// Answer as JSON: {"tenants": [{"tenant", "proofs": [{"id", "says", "file", "line", "column", "finding"}]}]}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Answer {
    tenants: Vec<Proofs>,
}

impl Prove {
    pub(super) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let models = self.tenants.models(&self.policies)?;
        let analyst = self.asked.analyst()?;
        let answer = Answer { tenants: models.iter().map(|model| analyst.prove(model)).collect() };
        output.answer(&answer, &answer);
        Ok(Ending::yes_if(answer.tenants.iter().all(Proofs::all_proved)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tenants.iter().try_for_each(|tenant| writeln!(f, "{tenant}\n"))
    }
}
