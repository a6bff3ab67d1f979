//! A request that shows something, in words that a person understands.

use std::fmt;

use cedargate_model::PolicyId;
use cedargate_policy::{ModelAction, Verdict};
use serde::Serialize;

use crate::situation::Situation;

/// A request for which the decision point answered as is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Who asks.
    pub who: String,
    /// What for: the method and path, and the action.
    pub does: String,
    /// On what.
    pub on: String,
    /// What of the circumstances matters.
    pub facts: Vec<String>,
}

impl Example {
    pub(crate) fn of(situation: &Situation, action: ModelAction<'_>, same: &dyn Fn(&Situation) -> bool) -> Self {
        let route = action.route();
        let mut other = situation.clone();
        other.resource = format!("{}-another", situation.resource);
        // Collections have one id; of all others it is said where it matters.
        let on = match route.fixed_resource() {
            Some(id) => format!("{} `{id}`", action.resource_type()),
            None if same(&other) => format!("any {}", action.resource_type()),
            None => format!("{} `{}`", action.resource_type(), situation.resource),
        };
        Self {
            who: situation.person(),
            does: format!("{} {} ({})", route.method, route.path, action.name()),
            on,
            facts: situation.facts(same),
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks for {} on {}", self.who, self.does, self.on)?;
        for (n, fact) in self.facts.iter().enumerate() {
            f.write_str(if n == 0 { "; " } else { ", " })?;
            f.write_str(fact)?;
        }
        Ok(())
    }
}

/// A verdict in words. None: nothing leads there.
pub(crate) fn said(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else { return "there is no such action".to_owned() };
    let by = verdict.basis().determined_by();
    let by: Vec<&str> = by.iter().map(PolicyId::as_str).collect();
    let because = if by.is_empty() { "nothing permits it".to_owned() } else { format!("by {}", by.join(", ")) };
    match verdict {
        Verdict::Allow(_) => format!("allowed {because}"),
        Verdict::StepUp(step_up) => {
            let age = step_up.max_age_seconds().map(|age| format!(" of at most {age} s ago")).unwrap_or_default();
            format!("refused ({because}) until they sign in at level {}{age}", step_up.level())
        }
        Verdict::SignIn(_) => format!("asked to sign in ({because})"),
        Verdict::Deny(_) => format!("refused ({because})"),
        Verdict::Failed(failed) => format!("refused, because it cannot be evaluated: {}", failed.errors().join("; ")),
    }
}

pub(crate) fn is_allowed(verdict: Option<&Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Allow(_)))
}
