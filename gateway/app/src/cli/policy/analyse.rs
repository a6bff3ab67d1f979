//! `cedargate policy analyse`.

use std::fmt;
use std::path::PathBuf;

use cedargate_policy::{Model, TenantScope};
use cedargate_policy_analysis::{Comparison, Relation};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::output::Output;
use super::super::{Ending, Failure};
use super::tenants::{self, Asked, Tenants};

/// Say what proposed policies change, with a request for every difference
///
/// The solver compares what both directories allow, for each kind of principal, action and resource. Every difference is
/// shown by a request that both were asked about. Exit code 0: all of it is known, and as `--expect` wants it; 1: it is not;
/// 3: there is no solver.
#[derive(Debug, Args)]
pub(crate) struct Analyse {
    /// The proposed policy directory
    #[arg(value_name = "DIR")]
    policies: PathBuf,
    /// The live policy directory
    #[arg(long, value_name = "DIR")]
    against: PathBuf,
    /// What the change is meant to be at most
    #[arg(long, value_enum)]
    expect: Option<Expect>,
    #[command(flatten)]
    tenants: Tenants,
    #[command(flatten)]
    asked: Asked,
    /// Answer as JSON: {"tenants": [{"tenant", "relation", "differences", "compared", "questions", "millis"}]}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Expect {
    /// Nothing changes
    Equal,
    /// Nothing more is allowed
    Stricter,
    /// Nothing less is allowed
    Looser,
}

impl Expect {
    fn admits(self, relation: Relation) -> bool {
        match self {
            Self::Equal => relation == Relation::Equal,
            Self::Stricter => matches!(relation, Relation::Equal | Relation::Stricter),
            Self::Looser => matches!(relation, Relation::Equal | Relation::Looser),
        }
    }
}

#[derive(Serialize)]
struct Answer {
    tenants: Vec<Comparison>,
}

impl Analyse {
    pub(super) fn run(self, output: &Output) -> Result<Ending, Failure> {
        let Self { policies, against, expect, tenants, asked, .. } = self;
        let (proposed, live) = (tenants::read(&policies)?, tenants::read(&against)?);
        let analyst = asked.analyst()?;
        let mut answer = Answer { tenants: Vec::new() };
        let mut scopes = tenants.scopes(&proposed)?;
        let scopes_before = tenants.scopes(&live)?;
        // Whose folder goes loses its own policies, and whatever they forbade.
        let gone = |before: &&TenantScope| scopes.iter().all(|scope| scope.id != before.id);
        let gone: Vec<_> = scopes_before.iter().filter(gone).cloned().collect();
        scopes.extend(gone);
        let known = proposed.modules();
        for scope in &scopes {
            // A tenant that has no folder yet has the modules that there are, and one that goes those that are left.
            let mut scope = scope.clone();
            scope.modules.retain(|module| known.contains(&**module));
            let scope = &scope;
            let before = scopes_before.iter().find(|other| other.id == scope.id);
            let mut was = scope.clone();
            let modules = before.map_or_else(|| live.modules(), |before| before.modules.clone());
            was.modules.retain(|module| modules.contains(module));
            was.modules.extend(before.into_iter().flat_map(|before| before.modules.iter().cloned()));
            let live = tenants::built(&against, Model::build(&live, &was))?;
            let proposed = tenants::built(&policies, Model::build(&proposed, scope))?;
            answer.tenants.push(analyst.compare(&live, &proposed));
        }
        output.answer(&answer, &answer);
        let is_right =
            |tenant: &Comparison| tenant.is_decided() && expect.is_none_or(|expect| expect.admits(tenant.relation));
        Ok(Ending::yes_if(answer.tenants.iter().all(is_right)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tenants.iter().try_for_each(|tenant| writeln!(f, "{tenant}\n"))
    }
}
