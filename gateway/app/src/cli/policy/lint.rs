//! `cedargate policy lint`.

use std::fmt;
use std::path::PathBuf;

use cedargate_policy_analysis::Lints;
use clap::Args;
use serde::Serialize;

use super::super::output::Output;
use super::super::{Ending, Failure};
use super::tenants::{Asked, Tenants};

/// Find policies that never apply, are shadowed by a forbid or allow everyone, and roles that are dead
///
/// Exit code 0: nothing was found; 1: something was, or could not be decided; 3: there is no solver.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The policy directory
    #[arg(value_name = "DIR")]
    policies: PathBuf,
    #[command(flatten)]
    tenants: Tenants,
    #[command(flatten)]
    asked: Asked,
    /// Answer as JSON: {"tenants": [{"tenant", "lints": [{"file", "line", "column", "id", "kind", "message"}]}]}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Answer {
    tenants: Vec<Lints>,
}

impl Lint {
    pub(super) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let models = self.tenants.models(&self.policies)?;
        let analyst = self.asked.analyst()?;
        let answer = Answer { tenants: models.iter().map(|model| analyst.lint(model)).collect() };
        output.answer(&answer, &answer);
        Ok(Ending::yes_if(answer.tenants.iter().all(|tenant| tenant.lints.is_empty())))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tenants.iter().try_for_each(|tenant| writeln!(f, "{tenant}\n"))
    }
}
