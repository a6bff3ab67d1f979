//! `cedargate policy why`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_audit::search;
use cedargate_identity::{PolicyChanges, Tenant, Tenants, directory as bare_host};
use cedargate_model::{DecisionId, Event, EventBody, Micros, TenantName};
use cedargate_policy::{Alternative, Callers, Recorded, Snapshot, Sources, TenantScope};
use clap::Args;
use serde_json::json;

use super::super::audit::{directory as log_directory, moment};
use super::super::output::Output;
use super::super::{Common, Ending, Failure, block_on};
use crate::compose::{self, LiveSets};
use crate::config::Config;

/// How long after its beginning a request may have been decided: a body may arrive slowly.
const DECIDED_WITHIN: Duration = Duration::from_secs(3_600);

/// Say why a request was allowed or refused, by the decision's id from a refusal page or a service's log
///
/// Reads the decision from this gateway's audit log: who asked for what, which facts policies were shown, which of them decided. Then asks
/// the live policies the same question, and, where it is refused, which sign-in or which further role would change that. Ends with 0 where
/// it was allowed, and with 1 where it was refused.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The decision's id
    #[arg(value_name = "DECISION")]
    decision: DecisionId,
    /// The audit log's directory; the configured one where it is left out
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Answer as JSON: {"recorded", "facts", "now", "same_policies", "alternatives"}
    #[arg(long)]
    pub(super) json: bool,
}

impl Why {
    pub(super) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        let log = log_directory(self.log, common)?;
        let octets = find(&log, self.decision)?;
        let event: Event = serde_json::from_slice(&octets).map_err(|error| Failure::mistaken(&error))?;
        let EventBody::Decision(decision) = &event.body else {
            return Err(Failure::mistake(format!("{} is no decision", self.decision)));
        };
        let recorded = match Recorded::read(&octets) {
            Ok(Some(recorded)) => recorded,
            Ok(None) => {
                let text = format!("no policy was asked:\n{}", json!(event));
                output.answer(&json!({ "recorded": event }), text);
                return Ok(Ending::No);
            }
            Err(error) => return Err(Failure::mistake(format!("it cannot be decided again: {error}"))),
        };
        let snapshot = live(&config, &recorded)?;
        let same = recorded.snapshot() == snapshot.id().as_str();
        let asked = recorded.ask_again(&snapshot, &mut Callers::default());
        let asked = asked.map_err(|error| Failure::mistake(error.to_string()))?;
        let verdict = asked.as_ref().map(|asked| snapshot.decide(&asked.query(), self.decision));
        let now = verdict.as_ref().map_or("no_route", |verdict| verdict.as_str());
        let now_by: Vec<String> = verdict
            .iter()
            .flat_map(|verdict| verdict.basis().determined_by().iter())
            .map(ToString::to_string)
            .collect();
        let alternatives = asked.map(|asked| asked.alternatives(&snapshot)).unwrap_or_default();
        let helps: Vec<String> = alternatives.iter().map(describe).collect();

        let mut text = String::new();
        let _ = writeln!(text, "decision {} of {}, {}", self.decision, recorded.tenant(), moment(event.at.0));
        let _ = writeln!(text, "  {} {} {}", decision.method, decision.host, decision.path);
        let (action, resource) =
            (decision.action.as_deref().unwrap_or("-"), decision.resource.as_deref().unwrap_or("-"));
        let _ = writeln!(text, "  action {action} on {resource}");
        text.push_str(&facts(&recorded, decision));
        let _ = writeln!(
            text,
            "\ndecided {}{}",
            recorded.decided().as_str(),
            named(&decision.determined_by.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
        for id in decision.determined_by.iter() {
            match snapshot.policy_text(id) {
                Some(policy) => policy.lines().for_each(|line| text.push_str(&format!("    {line}\n"))),
                None => text.push_str(&format!("    {id} is there no more\n")),
            }
        }
        match same {
            true => text.push_str("the same policies decide today\n"),
            false => {
                let _ = writeln!(text, "other policies decide today: {now}{}", named(&now_by));
            }
        }
        if helps.is_empty() && now != "allow" {
            text.push_str("no stronger sign-in and no single further role would change that\n");
        }
        helps.iter().for_each(|help| text.push_str(&format!("it would be permitted {help}\n")));
        let value = json!({
            "recorded": event, "facts": decision.facts, "now": now, "now_by": now_by, "same_policies": same, "alternatives": helps,
        });
        output.answer(&value, text);
        Ok(Ending::yes_if(recorded.decided().as_str() == "allow"))
    }
}

/// The decision's own event.
fn find(log: &Path, decision: DecisionId) -> Result<Vec<u8>, Failure> {
    let (seconds, nanos) = decision.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
    let micros = seconds.saturating_mul(1_000_000).saturating_add(u64::from(nanos / 1_000));
    let since = Micros(i64::try_from(micros).unwrap_or(0));
    let text = format!("\"kind\":\"decision\",\"decision\":\"{decision}\"");
    let mut found = None;
    let wanted = |line: &[u8]| memchr::memmem::find(line, text.as_bytes()).is_some();
    let take = |event: &[u8]| {
        found = Some(event.to_vec());
        ControlFlow::Break(())
    };
    search(log, (since, since.after(DECIDED_WITHIN)), wanted, take)
        .map_err(|broken| Failure::unavailable_because("the log cannot be read", &broken))?;
    found.ok_or_else(|| Failure::mistake(format!("the log in `{}` has no decision `{decision}`", log.display())))
}

/// What decides for the tenant today: the set that the store says is live, or the policy directory.
fn live(config: &Config, recorded: &Recorded<'_>) -> Result<Snapshot, Failure> {
    let mistakes = |problems: cedargate_policy::Problems| {
        Failure::mistake(format!("the live policies have mistakes:\n{problems}"))
    };
    let sources = Sources::read(&config.policies.dir).map_err(mistakes)?;
    let name = TenantName::parse(recorded.tenant()).map_err(|error| Failure::mistaken(&error))?;
    let scope = |sources: &Sources| TenantScope::of_all_modules(sources, recorded.tenant_id(), name.clone());
    let set = if recorded.tenant_id() == bare_host().id { None } else { block_on(stored(config, &name))? };
    let sources = match set {
        None => sources,
        Some(set) => set.and_then(|set| set.with_platform_of(&sources)).map_err(mistakes)?,
    };
    Snapshot::build(&sources, &scope(&sources)).map_err(mistakes)
}

type Stored = Option<Result<std::sync::Arc<cedargate_policy::Proposal>, cedargate_policy::Problems>>;

async fn stored(config: &Config, name: &TenantName) -> Result<Stored, Failure> {
    let Some(pool) = compose::look_at_store(&config.store).await? else { return Ok(None) };
    compose::require_schema(&pool).await?;
    let unavailable = |error: cedargate_identity::StoreError| Failure::unavailable(&error);
    let tenant: Option<Tenant> = Tenants::new(pool.clone()).find_by_name(name).await.map_err(unavailable)?;
    let mut sets = LiveSets::new(PolicyChanges::new(pool.clone()));
    sets.look().await.map_err(unavailable)?;
    pool.close().await;
    let mut of: BTreeMap<_, _> = sets.of(tenant.as_slice());
    Ok(tenant.and_then(|tenant| of.remove(&tenant.id)).and_then(|sets| sets.live))
}

fn facts(recorded: &Recorded<'_>, decision: &cedargate_model::Decision) -> String {
    let mut text = String::new();
    match &decision.subject {
        None => text.push_str("  by somebody who was not signed in\n"),
        Some(subject) => {
            let roles: Vec<&str> = recorded.roles().collect();
            let _ = writeln!(text, "  by {} with the roles {}", subject.principal, roles.join(", "));
            let age = decision.facts.as_ref().and_then(|facts| Some((facts.now.since(facts.authenticated_at?), facts)));
            if let Some((age, facts)) = age {
                let methods: Vec<_> = facts.methods.iter().map(|method| method.as_str()).collect();
                let (level, methods, age) = (subject.level, methods.join("+"), age.as_secs());
                let _ = writeln!(
                    text,
                    "  signed in at level {level} by {methods}, {age} s before, known by {}",
                    subject.credential.as_str()
                );
            }
        }
    }
    let _ = writeln!(text, "  from {}", decision.client);
    if let Some(inspection) = &decision.inspection {
        let _ = writeln!(text, "  inspection: score {} by {}", inspection.score, inspection.rules.join(" "));
    }
    text
}

fn named(policies: &[String]) -> String {
    if policies.is_empty() {
        ", because no policy permits it".to_owned()
    } else {
        format!(" by {}", policies.join(", "))
    }
}

fn describe(alternative: &Alternative) -> String {
    let role = alternative.role.as_ref().map(|role| format!("with the role `{role}`"));
    let sign_in = alternative.needed.map(|needed| match needed.max_age_seconds {
        None => format!("after a sign-in of level {}", needed.level),
        Some(age) => format!("after a sign-in of level {} that is at most {age} s old", needed.level),
    });
    role.into_iter().chain(sign_in).collect::<Vec<_>>().join(" and ")
}
