//! `cedargate waf exclude`: from what the record says of harmless requests to the narrowest exclusions, for somebody to read.

use std::collections::BTreeMap;
use std::fmt;

use cedargate_audit::{EntryBody, read};
use cedargate_model::{Decision, DecisionId, EventBody, Inspection, InspectionPlace, Outcome, TenantName, Verdict};
use clap::Args;
use serde::Serialize;

use super::audit::directory;
use super::output::Output;
use super::{Common, Ending, Failure};

/// Exclusions have ids from here on, which no rule set of others has.
const FIRST_ID: u64 = 9_910_000;
/// How many decisions are named as the reason for one exclusion.
const REASONS_MAX: usize = 3;
/// How many exclusions are proposed: who needs more wants another paranoia level.
const EXCLUSIONS_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Exclude {
    /// The log's directory; the configured one where it is left out
    dir: Option<std::path::PathBuf>,
    /// Only this tenant's
    #[arg(long, value_parser = TenantName::parse)]
    tenant: Option<TenantName>,
    /// Only this route's, `<module>.<Action>`
    #[arg(long)]
    route: Option<String>,
    /// Only this decision, which was seen to be harmless; may be given more than once. Without it, those of callers that are known
    #[arg(long, value_name = "ID")]
    decision: Vec<DecisionId>,
    /// The first exclusion's id
    #[arg(long, value_name = "ID", default_value_t = FIRST_ID)]
    first_id: u64,
    /// Answer as JSON: {"exclusions": [{"id", "tenant", "route", "rule", "variable", "times", "refused", "decisions"}], "left_out": [..]}
    #[arg(long)]
    json: bool,
}

impl Exclude {
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let dir = directory(self.dir.clone(), common)?;
        // What was found after the decision stands in the outcome, behind it.
        let mut later = BTreeMap::new();
        for entry in read(&dir) {
            let entry = entry.map_err(|broken| Failure::mistaken(&broken))?;
            let EntryBody::Event(event) = entry.body else { continue };
            if let EventBody::Outcome(Outcome { decision, inspection: Some(inspection), .. }) = event.body {
                later.insert(decision.0, inspection);
            }
        }
        let mut seen = Seen::default();
        for entry in read(&dir) {
            let entry = entry.map_err(|broken| Failure::mistaken(&broken))?;
            let EntryBody::Event(event) = entry.body else { continue };
            if let (EventBody::Decision(decision), Some(tenant)) = (&event.body, &event.tenant)
                && self.wants(decision, tenant)
            {
                let later = later.get(&decision.decision.0).map(|inspection| &**inspection);
                for inspection in decision.inspection.iter().chain(later) {
                    seen.note(decision, inspection, tenant);
                }
            }
        }
        let proposal = seen.propose(self.first_id);
        output.answer(&proposal, &proposal);
        Ok(Ending::yes_if(!proposal.exclusions.is_empty()))
    }

    fn wants(&self, decision: &Decision, tenant: &TenantName) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && self
                .route
                .as_ref()
                .is_none_or(|wanted| decision.route.as_ref().is_some_and(|route| route.as_str() == wanted))
            // A stranger's requests say nothing of what is harmless: who wants a hole in the rules would send what opens it.
            && match self.decision.is_empty() {
                true => decision.subject.is_some(),
                false => self.decision.contains(&decision.decision),
            }
    }
}

/// What matched, and the decisions that say so: by tenant, route, rule and variable.
#[derive(Default)]
struct Seen(BTreeMap<(String, String, String, String), Reasons>);

/// The decisions that say so.
#[derive(Default)]
struct Reasons {
    decisions: Vec<DecisionId>,
    /// How many of them refused.
    refused: usize,
}

impl Seen {
    fn note(&mut self, decision: &Decision, inspection: &Inspection, tenant: &TenantName) {
        let Some(route) = &decision.route else { return };
        for InspectionPlace { rule, variable, .. } in &inspection.places {
            // What rules only do sums with: the rule that found something is named itself.
            if variable.starts_with("TX:") || variable.starts_with("MATCHED_") || rule.parse::<u64>().is_err() {
                continue;
            }
            let key = (tenant.to_string(), route.as_str().to_owned(), rule.to_string(), variable.clone());
            let reasons = self.0.entry(key).or_default();
            if reasons.decisions.last() != Some(&decision.decision) {
                reasons.decisions.push(decision.decision);
                reasons.refused += usize::from(matches!(decision.verdict, Verdict::Refuse { .. }));
            }
        }
    }

    fn propose(self, first_id: u64) -> Proposal {
        let mut proposal = Proposal { exclusions: Vec::new(), left_out: Vec::new() };
        for ((tenant, route, rule, variable), Reasons { decisions, refused }) in self.0 {
            if let Err(why) = is_writable(&variable) {
                proposal.left_out.push(format!("{route}: rule {rule} on {variable}: {why}"));
                continue;
            }
            if proposal.exclusions.len() == EXCLUSIONS_MAX {
                proposal.left_out.push(format!("{route}: rule {rule} on {variable}: more than {EXCLUSIONS_MAX}"));
                continue;
            }
            let id = first_id + u64::try_from(proposal.exclusions.len()).unwrap_or_default();
            let times = decisions.len();
            let decisions = decisions.into_iter().take(REASONS_MAX).collect();
            proposal.exclusions.push(Exclusion { id, tenant, route, rule, variable, times, refused, decisions });
        }
        proposal
    }
}

/// Whether a rule can name the variable, and nothing beside it. A name that was cut, or that has been escaped, is not the client's:
/// excluding something else would be too much or too little.
fn is_writable(variable: &str) -> Result<(), &'static str> {
    let Some((_, name)) = variable.split_once(':') else {
        return Err("it is not one value of many: excluding it would take the rule from all of that part of a request");
    };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:[]~".contains(&byte);
    match () {
        () if name.is_empty() => Err("the name is empty, which no rule can say"),
        () if variable.ends_with("...") || !variable.bytes().all(inner) => Err("the name cannot be written as it is"),
        () => Ok(()),
    }
}

/// What is proposed.
#[derive(Debug, Serialize)]
struct Proposal {
    exclusions: Vec<Exclusion>,
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Exclusion {
    id: u64,
    tenant: String,
    route: String,
    rule: String,
    variable: String,
    times: usize,
    /// How many of those were refused.
    refused: usize,
    decisions: Vec<DecisionId>,
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Proposed from the record. Read each: what is excluded, an attacker may fill.")?;
        for left_out in &self.left_out {
            writeln!(f, "# left out: {left_out}")?;
        }
        for exclusion in &self.exclusions {
            let Exclusion { id, tenant, route, rule, variable, times, refused, decisions } = exclusion;
            let reasons: Vec<_> = decisions.iter().map(ToString::to_string).collect();
            writeln!(f)?;
            writeln!(
                f,
                "# Rule {rule} on {variable}, {times} times at {route} of {tenant}, {refused} refused; `cedargate audit show --decision`:"
            )?;
            writeln!(f, "#   {}", reasons.join(" "))?;
            if variable == "ARGS:body" {
                writeln!(f, "#   That is also the name of a whole body that is a text.")?;
            }
            writeln!(f, "SecRule TX:cedargate_route \"@streq {route}\" \\")?;
            writeln!(f, "    \"id:{id},phase:1,pass,nolog,chain\"")?;
            writeln!(f, "    SecRule TX:cedargate_tenant \"@streq {tenant}\" \\")?;
            writeln!(f, "        \"ctl:ruleRemoveTargetById={rule};{variable}\"")?;
        }
        match self.exclusions.len() {
            0 => write!(f, "# Nothing that rules found is in these decisions."),
            count => write!(f, "\n# {count} exclusions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_open_more_than_one_value_is_not_excluded() {
        for variable in ["ARGS", "ARGS:", "REQUEST_COOKIES:", "XML", "REQUEST_URI", "QUERY_STRING", "REQUEST_BODY"] {
            assert!(is_writable(variable).is_err(), "{variable}");
        }
    }

    #[test]
    fn a_name_that_was_cut_or_escaped_is_not_excluded() {
        for variable in ["ARGS:json.name", "REQUEST_HEADERS:user-agent", "REQUEST_COOKIES:a_b", "ARGS:a[0]"] {
            assert_eq!(is_writable(variable), Ok(()), "{variable}");
        }
        for variable in ["", "ARGS:a%22", "ARGS:aaaa...", "ARGS:...", "ARGS:a;b", "ARGS:a\"b", "ARGS:a b", "XML:/*"] {
            assert!(is_writable(variable).is_err(), "{variable}");
        }
    }
}
