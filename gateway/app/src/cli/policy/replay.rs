//! `cedargate policy replay`.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use cedargate_audit::search;
use cedargate_model::{Clock as _, Micros, PolicyId, PrincipalId, SystemClock, TenantName};
use cedargate_policy::{Change, Group, Replay as Replaying, Replayed, Sources};
use clap::Args;

use super::super::audit::{directory as log_directory, moment};
use super::super::output::Output;
use super::super::{Common, Ending, Failure};
use super::directory;

const DAY: Duration = Duration::from_secs(86_400);

/// Say which recorded requests a proposed policy set would decide otherwise
///
/// Reads the decisions of the last days from this gateway's audit log and makes each of them again, by the proposed set, with
/// the principal, roles, sign-in, address, time and findings that policies were shown. Ends with 0 where nothing changes and
/// with 1 where something does. Of a fleet, each gateway has a log of its own.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The proposed policy directory, whole
    #[arg(long, value_name = "DIR")]
    proposed: PathBuf,
    /// The audit log's directory; the configured one where it is left out
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Only this tenant's requests
    #[arg(long, value_parser = TenantName::parse)]
    tenant: Option<TenantName>,
    /// How many days back
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// How many changed requests are shown one by one; all are counted
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    limit: u32,
    /// Answer as JSON: {"decisions", "unchanged", "changed", "without_facts", "unreadable", "groups": [..], "changes": [..]}
    #[arg(long)]
    pub(super) json: bool,
}

impl Replay {
    pub(super) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        directory(&self.proposed)?;
        let log = log_directory(self.log, common)?;
        let sources = Sources::read(&self.proposed).map_err(|problems| refused(&self.proposed, &problems))?;
        let now = SystemClock.now();
        let since = Micros(now.0.saturating_sub(i64::try_from((DAY * self.days).as_micros()).unwrap_or(i64::MAX)));
        let replayed = replay(&log, &sources, self.tenant, (since, now))
            .map_err(|stopped| stopped.into_failure(&self.proposed))?;
        let mut replayed = replayed;
        replayed.changes.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        output.answer(&replayed, text(&replayed));
        Ok(Ending::yes_if(replayed.changed == 0))
    }
}

/// What kept a replay from ending.
pub(super) enum Stopped {
    Set(cedargate_policy::Problems),
    Log(cedargate_audit::Broken),
}

impl Stopped {
    pub(super) fn into_failure(self, proposed: &std::path::Path) -> Failure {
        match self {
            Self::Set(problems) => refused(proposed, &problems),
            Self::Log(broken) => Failure::unavailable_because("the log cannot be read", &broken),
        }
    }
}

/// Replays what the log in `dir` has of these times.
pub(super) fn replay(
    dir: &std::path::Path,
    sources: &Sources,
    tenant: Option<TenantName>,
    times: (Micros, Micros),
) -> Result<Replayed, Stopped> {
    let mut replay = Replaying::new(sources, tenant);
    let mut problems = None;
    let is_decision = |line: &[u8]| memchr::memmem::find(line, br#","kind":"decision","#).is_some();
    let take = |event: &[u8]| match replay.take(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(found) => {
            problems = Some(found);
            ControlFlow::Break(())
        }
    };
    search(dir, times, is_decision, take).map_err(Stopped::Log)?;
    problems.map_or(Ok(replay.finish()), |problems| Err(Stopped::Set(problems)))
}

fn refused(proposed: &std::path::Path, problems: &cedargate_policy::Problems) -> Failure {
    Failure::mistake(format!("the policies in `{}` have mistakes:\n{problems}", proposed.display()))
}

/// What came of a replay, for people.
pub(super) fn text(replayed: &Replayed) -> String {
    let Replayed { decisions, unchanged, changed, without_facts, unreadable, groups, changes } = replayed;
    let mut text =
        format!("{decisions} recorded decisions made again: {unchanged} as they were, {changed} otherwise\n");
    if *without_facts > 0 {
        let _ =
            writeln!(text, "{without_facts} more cannot be: an older gateway did not record what policies were shown");
    }
    if *unreadable > 0 {
        let _ = writeln!(text, "{unreadable} more cannot be read");
    }
    for Group { count, tenant, was, now, route, roles, principal } in groups {
        let (was, now) = (was.as_str(), now.as_str());
        let _ = writeln!(text, "\n{was} -> {now}  {count} times  {route}  {tenant}  {}", who(*principal, roles));
        let of_group = |change: &&Change| {
            change.was.as_str() == was
                && change.now.as_str() == now
                && change.route == *route
                && change.roles == *roles
                && change.principal == *principal
                && change.tenant == *tenant
        };
        for change in changes.iter().filter(of_group) {
            let (at, by, now_by) = (moment(change.at.0), names(&change.was_by), names(&change.now_by));
            let _ = writeln!(text, "  {at} {} {} {}", change.decision, change.method, change.path);
            let _ = writeln!(text, "    was {was}: {by}; now {now}: {now_by}");
        }
    }
    text
}

fn who(principal: Option<PrincipalId>, roles: &[String]) -> String {
    match principal {
        None => "anonymous".to_owned(),
        Some(principal) => format!("{principal} ({})", roles.join(", ")),
    }
}

fn names(policies: &[PolicyId]) -> String {
    match policies {
        [] => "by no policy".to_owned(),
        some => some.iter().map(PolicyId::as_str).collect::<Vec<_>>().join(", "),
    }
}
