//! `cedargate policy change`: the life of a change of a tenant's policies.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cedargate_identity::{ChangeStep, PolicyChange, PolicyChangeError, PolicyChanges, Tenant, Tenants};
use cedargate_migrations::Pool;
use cedargate_model::{ChangeId, Clock as _, Micros, SystemClock, TenantName};
use cedargate_policy::{Model, Problems, Proposal, Snapshot, Sources, TenantScope};
use cedargate_policy_analysis::{Analyst, Bounds, Solver};
use clap::{Args, Subcommand};
use serde_json::json;

use super::super::audit::{directory as log_directory, moment};
use super::super::output::Output;
use super::super::{Common, Ending, Failure, block_on, tenant};
use super::{directory, replay};
use crate::compose;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// Propose a policy set for a tenant: its modules and its own policies, as a policy directory has them
    ///
    /// What is proposed is kept in the store by its content and never changes; whoever wants something else opens another change.
    /// The platform's files (guard-rails, roles, step-up) are no part of it: the gateway's own are used.
    Open {
        /// The proposed policy directory, whole
        #[arg(long, value_name = "DIR")]
        proposed: PathBuf,
        /// What it is for, in a line
        #[arg(long, value_parser = title)]
        title: String,
        #[command(flatten)]
        who: Who,
    },
    /// Build it as a gateway would, and run cases against it
    ///
    /// Ends with 1 and every mistake's file, line and column where it does not pass.
    Check {
        #[command(flatten)]
        which: Which,
        /// A directory of cases, as `cedargate policy test` has it
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
    },
    /// Compare it with the live set by symbolic analysis
    Analyse {
        #[command(flatten)]
        which: Which,
    },
    /// Make recorded decisions again by it, and say which would change
    Replay {
        #[command(flatten)]
        which: Which,
        /// The audit log's directory; the configured one where it is left out
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
        /// How many days back
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Ask others to look at it
    Submit {
        #[command(flatten)]
        which: Which,
    },
    /// Approve it; whoever wrote or submitted it may not
    Approve {
        #[command(flatten)]
        which: Which,
    },
    /// Evaluate it beside the live set on real requests, with no effect on answers
    Shadow {
        #[command(flatten)]
        which: Which,
    },
    /// Say which requests the set in the shadow decided otherwise, by this gateway's audit log
    Diverged {
        #[command(flatten)]
        which: Which,
        /// The audit log's directory; the configured one where it is left out
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
    },
    /// Let it decide, at every gateway within a second
    Live {
        #[command(flatten)]
        which: Which,
    },
    /// Let what decided before decide again, at every gateway within a second
    Back {
        /// Also where that is the policy directory
        #[arg(long)]
        to_directory: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Give it up
    Withdraw {
        #[command(flatten)]
        which: Which,
    },
    /// List a tenant's changes, the newest first
    List {
        #[command(flatten)]
        who: Who,
    },
    /// Show a change: what it changes, what was found, who agreed, what is missing
    Show {
        #[command(flatten)]
        which: Which,
    },
}

/// Of which tenant, and by whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct Who {
    /// The tenant
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    /// Who does it; the name of the user who runs the command where it is left out
    #[arg(long, value_name = "NAME", value_parser = person)]
    by: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Which change.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The change's id
    #[arg(value_name = "CHANGE")]
    id: ChangeId,
    #[command(flatten)]
    who: Who,
}

impl ChangeCommand {
    pub(super) fn json(&self) -> bool {
        self.who().json
    }

    fn who(&self) -> &Who {
        match self {
            Self::Open { who, .. } | Self::Back { who, .. } | Self::List { who } => who,
            Self::Check { which, .. }
            | Self::Analyse { which }
            | Self::Replay { which, .. }
            | Self::Submit { which }
            | Self::Approve { which }
            | Self::Shadow { which }
            | Self::Diverged { which, .. }
            | Self::Live { which }
            | Self::Withdraw { which }
            | Self::Show { which } => &which.who,
        }
    }

    pub(super) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let config = common.load()?;
        let who = self.who().clone();
        block_on(async {
            let pool = compose::open_store(&config.store).await?;
            let done = async {
                let tenant = tenant::find(&Tenants::new(pool.clone()), &who.tenant).await?;
                let person = who.by.clone().unwrap_or_else(user_name);
                Desk { config: &config, common, output, changes: PolicyChanges::new(pool.clone()), tenant, person }
                    .carry_out(self)
                    .await
            };
            let done = done.await;
            close(&pool).await;
            done
        })
    }
}

async fn close(pool: &Pool) {
    pool.close().await;
}

/// What every command has at hand.
struct Desk<'a> {
    config: &'a Config,
    common: &'a Common,
    output: &'a Output,
    changes: PolicyChanges,
    tenant: Tenant,
    person: String,
}

impl Desk<'_> {
    async fn carry_out(self, command: ChangeCommand) -> Result<Ending, Failure> {
        let now = SystemClock.now();
        match command {
            ChangeCommand::Open { proposed, title, .. } => self.open(&proposed, &title, now).await,
            ChangeCommand::Check { which, cases } => self.check(which.id, cases, now).await,
            ChangeCommand::Analyse { which } => self.analyse(which.id, now).await,
            ChangeCommand::Replay { which, log, days } => self.replay(which.id, log, days, now).await,
            ChangeCommand::Submit { which } => {
                let done = self.changes.submit(self.tenant.id, which.id, &self.steps(), &self.person, now).await;
                self.said(done, which.id, "submitted")
            }
            ChangeCommand::Approve { which } => {
                let done = self.changes.approve(self.tenant.id, which.id, &self.person, now).await;
                self.said(done, which.id, "approved")
            }
            ChangeCommand::Shadow { which } => {
                let done = self.changes.shadow(self.tenant.id, which.id, &self.steps(), &self.person, now).await;
                self.said(done, which.id, "evaluated in the shadow of the live set")
            }
            ChangeCommand::Live { which } => {
                let done = self.changes.go_live(self.tenant.id, which.id, &self.steps(), &self.person, now).await;
                self.said(done.map(drop), which.id, "live")
            }
            ChangeCommand::Back { to_directory, .. } => {
                let live = self.changes.go_back(self.tenant.id, to_directory, &self.person, now).await;
                let live = live.map_err(failed)?;
                let change = live.change.map_or_else(|| "the policy directory".to_owned(), |id| format!("change {id}"));
                let value = json!({ "tenant": self.tenant.name.as_str(), "live": live.change, "serial": live.serial });
                self.output.answer(&value, format_args!("{change} decides again for {}", self.tenant.name));
                Ok(Ending::Done)
            }
            ChangeCommand::Withdraw { which } => {
                let done = self.changes.withdraw(self.tenant.id, which.id, &self.person, now).await;
                self.said(done, which.id, "withdrawn")
            }
            ChangeCommand::List { .. } => self.list().await,
            ChangeCommand::Show { which } => self.show(which.id).await,
            ChangeCommand::Diverged { which, log } => self.diverged(which.id, log, now).await,
        }
    }

    /// The steps that the tenant asks for; all of them where its configuration says nothing.
    fn steps(&self) -> BTreeSet<ChangeStep> {
        let configured = self.config.tenants.get(&self.tenant.name).map(|tenant| tenant.policy_steps.clone());
        configured.unwrap_or_else(|| ChangeStep::ALL.into())
    }

    /// Says what was done. What was refused is the answer no; it is not the command that was mistaken.
    fn said(&self, done: Result<(), PolicyChangeError>, id: ChangeId, what: &str) -> Result<Ending, Failure> {
        match done {
            Ok(()) => {
                self.output.answer(&json!({ "change": id, "done": what }), format_args!("change {id}: {what}"));
                Ok(Ending::Done)
            }
            Err(PolicyChangeError::Refused(reason)) => {
                let value = json!({ "change": id, "refused": reason });
                self.output.answer(&value, format_args!("change {id}: refused: {reason}"));
                Ok(Ending::No)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn open(&self, proposed: &std::path::Path, title: &str, now: Micros) -> Result<Ending, Failure> {
        directory(proposed)?;
        let sources = Sources::read(proposed).map_err(|problems| {
            Failure::mistake(format!("the policies in `{}` have mistakes:\n{problems}", proposed.display()))
        })?;
        let proposal = Proposal::of(&sources, &self.tenant.name);
        let texts = proposal.to_json().map_err(|error| Failure::mistaken(&error))?;
        let set = (proposal.id(), &*texts);
        let id = self.changes.open(self.tenant.id, set, (title, &self.person), now).await.map_err(failed)?;
        let value = json!({ "change": id, "set": proposal.id(), "author": self.person });
        self.output.answer(&value, format_args!("change {id} by {} proposes set {}", self.person, proposal.id()));
        Ok(Ending::Done)
    }

    /// The proposed set, and what the tenant would be decided by.
    async fn proposed(&self, id: ChangeId) -> Result<(Proposal, Result<Sources, Problems>), Failure> {
        let (set, texts) = self.changes.texts(self.tenant.id, id).await.map_err(failed)?;
        let unread = |problems: Problems| Failure::mistake(problems.to_string());
        let proposal = Proposal::from_json(&texts, &set, &self.tenant.name).map_err(unread)?;
        let installed = Sources::read(&self.config.policies.dir).map_err(unread)?;
        let sources = proposal.with_platform_of(&installed);
        Ok((proposal, sources))
    }

    async fn check(&self, id: ChangeId, cases: Option<PathBuf>, now: Micros) -> Result<Ending, Failure> {
        let (_, sources) = self.proposed(id).await?;
        let built = sources.and_then(|sources| {
            let scope = TenantScope::of_all_modules(&sources, self.tenant.id, self.tenant.name.clone());
            Snapshot::build(&sources, &scope).map(|snapshot| (sources, snapshot))
        });
        let (passed, detail, value) = match built {
            Err(problems) => {
                let text = problems.to_string();
                (false, text, json!({ "mistakes": problems }))
            }
            Ok((sources, snapshot)) => {
                let count = snapshot.policies().count();
                let mut found = format!("{count} policies build");
                let mut passed = true;
                if let Some(cases) = cases {
                    directory(&cases)?;
                    let report = self.run_cases(&sources, &cases)?;
                    passed = report.passed();
                    found = format!("{found}; {report}");
                }
                (passed, found, json!({ "policies": count, "snapshot": snapshot.id() }))
            }
        };
        let made = (ChangeStep::Check, passed, &*detail);
        self.changes.made(self.tenant.id, id, made, &self.person, now).await.map_err(failed)?;
        let verdict = if passed { "passes" } else { "DOES NOT PASS" };
        let value = json!({ "change": id, "passed": passed, "detail": detail, "found": value });
        self.output.answer(&value, format_args!("change {id} {verdict}\n{detail}"));
        Ok(Ending::yes_if(passed))
    }

    /// The test runner reads directories, so the set becomes one for as long as it runs.
    fn run_cases(&self, sources: &Sources, cases: &std::path::Path) -> Result<cedargate_policy_tests::Report, Failure> {
        let unwritable = |error| Failure::unavailable_because("the set cannot be written for its cases", &error);
        let dir = self.config.store.state_dir.join(format!("change-{}", uuid::Uuid::now_v7()));
        let written = sources.texts().try_for_each(|(path, text)| {
            let file = dir.join(&**path);
            fs::create_dir_all(file.parent().unwrap_or(&dir))?;
            fs::write(file, text.as_bytes())
        });
        let report = written.map(|()| cedargate_policy_tests::run(&dir, cases));
        let removed = fs::remove_dir_all(&dir);
        let report = report.map_err(unwritable)?;
        removed.map_err(unwritable)?;
        Ok(report)
    }

    /// What decides for the tenant today.
    async fn before(&self, id: ChangeId) -> Result<Sources, Failure> {
        let unread = |problems: Problems| Failure::mistake(problems.to_string());
        let (_, live) = self.changes.find(self.tenant.id, id).await.map_err(failed)?;
        match live.change.filter(|live| *live != id) {
            Some(live) => self.proposed(live).await?.1.map_err(unread),
            None => Sources::read(&self.config.policies.dir).map_err(unread),
        }
    }

    /// Where there is no solver, that is what the step says: it does not pass.
    async fn analyse(&self, id: ChangeId, now: Micros) -> Result<Ending, Failure> {
        let unread = |problems: Problems| Failure::mistake(problems.to_string());
        let (before, after) = (self.before(id).await?, self.proposed(id).await?.1.map_err(unread)?);
        let model = |sources: &Sources| {
            let scope = TenantScope::of_all_modules(sources, self.tenant.id, self.tenant.name.clone());
            Model::build(sources, &scope).map_err(unread)
        };
        let (before, after) = (model(&before)?, model(&after)?);
        // The solver's own runtime cannot be started from inside this one.
        let asked = std::thread::scope(|scope| scope.spawn(|| analysed(&before, &after)).join());
        let (passed, detail, found) =
            asked.map_err(|_| Failure::mistake("the analysis broke off: this is a defect of ours"))?;
        let made = (ChangeStep::Analyse, passed, &*detail);
        self.changes.made(self.tenant.id, id, made, &self.person, now).await.map_err(failed)?;
        let value = json!({ "change": id, "passed": passed, "detail": detail, "found": found });
        self.output.answer(&value, format_args!("change {id}: {detail}\n{found}"));
        Ok(Ending::yes_if(passed))
    }

    async fn replay(&self, id: ChangeId, log: Option<PathBuf>, days: u32, now: Micros) -> Result<Ending, Failure> {
        let log = log_directory(log, self.common)?;
        let (_, sources) = self.proposed(id).await?;
        let sources = sources.map_err(|problems| Failure::mistake(problems.to_string()))?;
        let back = i64::try_from(Duration::from_secs(86_400 * u64::from(days)).as_micros()).unwrap_or(i64::MAX);
        let times = (Micros(now.0.saturating_sub(back)), now);
        let replayed = replay::replay(&log, &sources, Some(self.tenant.name.clone()), times)
            .map_err(|stopped| stopped.into_failure(std::path::Path::new("change")))?;
        let kinds = replayed.by_kind();
        let kinds: Vec<_> =
            kinds.iter().map(|((was, now), count)| format!("{} -> {} {count}", was.as_str(), now.as_str())).collect();
        let told = if kinds.is_empty() { "nothing changes".to_owned() } else { kinds.join(", ") };
        let detail =
            format!("{} decisions of {days} days made again, {} change: {told}", replayed.decisions, replayed.changed);
        let made = (ChangeStep::Replay, true, &*detail);
        self.changes.made(self.tenant.id, id, made, &self.person, now).await.map_err(failed)?;
        let value = json!({ "change": id, "passed": true, "detail": detail, "replayed": replayed });
        self.output.answer(&value, format_args!("change {id}: {detail}\n{}", replay::text(&replayed)));
        Ok(Ending::Done)
    }

    async fn list(&self) -> Result<Ending, Failure> {
        let changes = self.changes.list(self.tenant.id).await.map_err(|error| Failure::unavailable(&error))?;
        let line = |change: &PolicyChange| {
            let (state, at) = (change.state.as_str(), moment(change.opened_at.0));
            format!("{} {state:<10} {at} {} by {}", change.id, change.title, change.author)
        };
        let lines: Vec<_> = changes.iter().map(line).collect();
        let text = if lines.is_empty() { "no changes".to_owned() } else { lines.join("\n") };
        self.output.answer(&json!({ "changes": changes }), text);
        Ok(Ending::Done)
    }

    async fn show(&self, id: ChangeId) -> Result<Ending, Failure> {
        let (change, live) = self.changes.find(self.tenant.id, id).await.map_err(failed)?;
        let (proposal, _) = self.proposed(id).await?;
        let before = match live.change.filter(|live| *live != id) {
            Some(live) => self.proposed(live).await?.0,
            None => {
                let installed = Sources::read(&self.config.policies.dir);
                let installed = installed.map_err(|problems| Failure::mistake(problems.to_string()))?;
                Proposal::of(&installed, &self.tenant.name)
            }
        };
        let steps = self.steps();
        let missing = change.missing_before(cedargate_identity::ChangeState::Live, &steps, live.serial);
        let differences = before.differences(&proposal);
        let mut text = format!(
            "change {id}: {}\nby {}, {}, set {}\n",
            change.title,
            change.author,
            change.state.as_str(),
            change.set
        );
        for done in &change.steps {
            let verdict = if done.passed { "passed" } else { "DID NOT PASS" };
            let stale = if done.serial == live.serial { "" } else { " (beside another live set)" };
            let (at, step, person) = (moment(done.at.0), &done.step, &done.person);
            let _ = writeln!(text, "  {at} {step:<8} {verdict} by {person}{stale}  {}", done.detail);
        }
        if missing.is_empty() {
            text.push_str("nothing is missing before it may go live\n");
        } else {
            for missing in &missing {
                let _ = writeln!(text, "missing: {missing}");
            }
        }
        for difference in &differences {
            let _ = writeln!(text, "\n{}", difference.path);
            text.push_str(&lines_changed(difference.before.as_deref(), difference.after.as_deref()));
        }
        let paths: Vec<_> = differences.iter().map(|difference| &*difference.path).collect();
        let value = json!({ "change": change, "serial": live.serial, "missing": missing, "files": paths });
        self.output.answer(&value, text);
        Ok(Ending::Done)
    }

    async fn diverged(&self, id: ChangeId, log: Option<PathBuf>, now: Micros) -> Result<Ending, Failure> {
        let (change, _) = self.changes.find(self.tenant.id, id).await.map_err(failed)?;
        let log = log_directory(log, self.common)?;
        let since =
            change.steps.iter().rev().find(|done| done.step == "shadow").map_or(change.opened_at, |done| done.at);
        let found = super::diverged::read(&log, &self.tenant.name, (since, now))?;
        let text = super::diverged::text(&found);
        self.output.answer(&json!({ "change": id, "diverged": found }), text);
        Ok(Ending::yes_if(found.is_empty()))
    }
}

/// Whether all of it is known and every property is proved; in a sentence, and in full.
fn analysed(before: &Model, after: &Model) -> (bool, String, String) {
    let solver = std::env::var_os("CEDARGATE_SOLVER").map(PathBuf::from);
    let analyst = Solver::find(solver.as_deref())
        .map_err(|missing| missing.to_string())
        .and_then(|solver| Analyst::new(solver, Bounds::default()).map_err(|error| error.to_string()));
    match analyst {
        Err(missing) => (false, format!("MISSING, so another person has to approve: {missing}"), String::new()),
        Ok(analyst) => {
            let (comparison, proofs) = (analyst.compare(before, after), analyst.prove(after));
            let proved = if proofs.all_proved() { "every property is proved" } else { "NOT every property is proved" };
            let detail = format!("beside what is live: {}; {proved}", comparison.relation.as_str());
            (comparison.is_decided() && proofs.all_proved(), detail, format!("{comparison}\n{proofs}"))
        }
    }
}

fn failed(error: PolicyChangeError) -> Failure {
    match error {
        PolicyChangeError::Store(_) | PolicyChangeError::Entropy(_) => Failure::unavailable(&error),
        PolicyChangeError::Unknown(_)
        | PolicyChangeError::TooLarge
        | PolicyChangeError::TooMany
        | PolicyChangeError::Refused(_)
        | PolicyChangeError::NothingBefore
        | PolicyChangeError::DirectoryBefore
        | PolicyChangeError::Overtaken => Failure::mistaken(&error),
    }
}

/// The most lines of a text whose differences are looked for one by one.
const LINES_MAX: usize = 2_000;

/// The lines that differ, with where each run of them begins in the later text.
fn lines_changed(before: Option<&str>, after: Option<&str>) -> String {
    let lines = |text: Option<&'_ str>| text.unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    if before.len().max(after.len()) > LINES_MAX {
        return format!("{} lines become {}\n", before.len(), after.len());
    }
    // How many lines are common from each place on: the longest common subsequence, from behind.
    let mut common = vec![vec![0_u16; after.len() + 1]; before.len() + 1];
    let at = |common: &[Vec<u16>], one: usize, two: usize| {
        common.get(one).and_then(|row| row.get(two)).copied().unwrap_or_default()
    };
    for (one, old) in before.iter().enumerate().rev() {
        for (two, new) in after.iter().enumerate().rev() {
            let longest = match old == new {
                true => at(&common, one + 1, two + 1) + 1,
                false => at(&common, one + 1, two).max(at(&common, one, two + 1)),
            };
            if let Some(place) = common.get_mut(one).and_then(|row| row.get_mut(two)) {
                *place = longest;
            }
        }
    }
    let (mut one, mut two, mut text, mut in_run) = (0, 0, String::new(), false);
    while one < before.len() || two < after.len() {
        let (old, new) = (before.get(one), after.get(two));
        if old == new {
            (one, two, in_run) = (one + 1, two + 1, false);
            continue;
        }
        if !in_run {
            let _ = writeln!(text, "@@ line {}", two + 1);
            in_run = true;
        }
        match (old, new) {
            (Some(old), _) if new.is_none() || at(&common, one + 1, two) >= at(&common, one, two + 1) => {
                let _ = writeln!(text, "-{old}");
                one += 1;
            }
            (_, Some(new)) => {
                let _ = writeln!(text, "+{new}");
                two += 1;
            }
            (_, None) => break,
        }
    }
    text
}

fn person(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    match (1..=64).contains(&text.len()) && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 64 of letters, digits and `.`, `_`, `-`, `@`, `+`".to_owned()),
    }
}

fn title(text: &str) -> Result<String, String> {
    match (1..=200).contains(&text.len()) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("write one line of 1 to 200 octets".to_owned()),
    }
}

/// The user whose process this is, by the machine's list of users.
fn user_name() -> String {
    let id = rustix::process::getuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, user) = (fields.next()?, fields.nth(1)?);
        (user.parse() == Ok(id)).then(|| name.to_owned())
    });
    named.filter(|name| person(name).is_ok()).unwrap_or_else(|| format!("uid-{id}"))
}

#[cfg(test)]
mod tests {
    use super::lines_changed;

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        assert_eq!(lines_changed(Some("a\nb\nc\n"), Some("a\nx\ny\nc\n")), "@@ line 2\n-b\n+x\n+y\n");
        assert_eq!(lines_changed(None, Some("a\n")), "@@ line 1\n+a\n");
        assert_eq!(lines_changed(Some("a\nb\n"), Some("a\n")), "@@ line 2\n-b\n");
        let apart = lines_changed(Some("a\nb\nc\nd\n"), Some("x\nb\nc\nd\ny\n"));
        assert_eq!(apart, "@@ line 1\n-a\n+x\n@@ line 5\n+y\n");
    }
}
