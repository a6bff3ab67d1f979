//! What the gateway's own record says of decisions, and of events that were said before.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use cedargate_audit::{Broken, search};
use cedargate_model::{DecisionId, EventId, Micros, PrincipalId};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::ServiceName;
use crate::event::{UnverifiedEvent, detail_text};

/// Decisions this close to each other are looked for in one go.
const TOGETHER_MICROS: i64 = 60_000_000;

/// A decision, as far as an event is held against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundDecision {
    pub(crate) tenant: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) is_allowed: bool,
    pub(crate) principal: Option<PrincipalId>,
}

/// What an event says, as a digest: a service says an event of one id once, and always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content([u8; 32]);

/// An event of one service that the record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) event: EventId,
    pub(crate) content: Content,
    /// When the id of its decision was drawn.
    pub(crate) decided_at: Micros,
}

/// When a decision's id was drawn; none where it is no id of ours (UUIDv7).
pub(crate) fn drawn_at(decision: DecisionId) -> Option<Micros> {
    let (seconds, nanos) = (decision.0.get_version_num() == 7).then(|| decision.0.get_timestamp())??.to_unix();
    let seconds = i64::try_from(seconds).ok()?;
    Some(Micros(seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))?))
}

/// Looks decisions up that were recorded at most so long after their ids were drawn. Those that are not in the record are
/// not in the answer. Reads files: not for a thread that must not wait.
pub(crate) fn decisions(
    dir: &Path,
    wanted: &HashMap<DecisionId, Micros>,
    recorded_within: Duration,
) -> Result<HashMap<DecisionId, FoundDecision>, Broken> {
    let mut in_time: Vec<_> = wanted.iter().map(|(id, at)| (*at, *id)).collect();
    in_time.sort_unstable();
    let mut found = HashMap::new();
    for group in in_time.chunk_by(|(one, _), (next, _)| next.0.saturating_sub(one.0) < TOGETHER_MICROS) {
        let (Some((first, _)), Some((last, _))) = (group.first(), group.last()) else { continue };
        let mut missing: HashSet<[u8; 36]> = group.iter().map(|(_, id)| spelt(*id)).collect();
        let of_interest = missing.clone();
        let wanted = |line: &[u8]| decision_of(line, DECISION).is_some_and(|id| of_interest.contains(id));
        search(dir, (*first, last.after(recorded_within)), wanted, |event| {
            if let Ok(logged) = serde_json::from_slice::<LoggedDecision>(event) {
                let id = DecisionId(logged.decision);
                missing.remove(&spelt(id));
                found.insert(id, logged.into());
            }
            if missing.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    Ok(found)
}

/// Gives every event of this service that was recorded at that moment or later. Reads files.
pub(crate) fn said_since(
    dir: &Path,
    since: Micros,
    service: &ServiceName,
    mut each: impl FnMut(Said),
) -> Result<(), Broken> {
    let wanted = |line: &[u8]| decision_of(line, SERVICE_EVENT).is_some();
    search(dir, (since, Micros(i64::MAX)), wanted, |event| {
        if let Ok(logged) = serde_json::from_slice::<LoggedEvent<'_>>(event)
            && logged.service == service.as_str()
            && let Some(said) = logged.said()
        {
            each(said);
        }
        ControlFlow::Continue(())
    })
}

impl Content {
    /// What this event says, about a tenant of this name.
    pub(crate) fn of(event: &UnverifiedEvent, tenant: &str) -> Self {
        let UnverifiedEvent { event: _, tenant: _, decision, action, resource, done_at, detail } = event;
        Self::digest(tenant, *decision, action, resource, *done_at, &detail_text(detail))
    }

    fn digest(tenant: &str, decision: DecisionId, action: &str, resource: &str, done_at: Micros, detail: &str) -> Self {
        let mut digest = Sha256::new();
        // Lengths keep the end of one part and the beginning of the next apart.
        for part in [tenant, &decision.to_string(), action, resource, &done_at.0.to_string(), detail] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

const DECISION: &[u8] = b"\"kind\":\"decision\",\"decision\":\"";
const SERVICE_EVENT: &[u8] = b"\"kind\":\"service_event\",\"decision\":\"";

/// The decision's id in a line of this kind. The gateway writes an event's kind and decision next to each other, and within
/// the first few hundred octets; a look for them costs a fraction of reading the line's JSON.
fn decision_of<'l>(line: &'l [u8], kind: &[u8]) -> Option<&'l [u8; 36]> {
    const BEGINNING_BYTES: usize = 640;
    let beginning = line.get(..BEGINNING_BYTES).unwrap_or(line);
    let at = memchr::memmem::find(beginning, kind)? + kind.len();
    line.get(at..)?.first_chunk()
}

fn spelt(decision: DecisionId) -> [u8; 36] {
    let mut text = [0; 36];
    decision.0.hyphenated().encode_lower(&mut text);
    text
}

#[derive(Deserialize)]
struct LoggedDecision {
    tenant: Option<String>,
    decision: Uuid,
    verdict: String,
    route: Option<String>,
    service: Option<String>,
    subject: Option<LoggedSubject>,
}

#[derive(Deserialize)]
struct LoggedSubject {
    principal: Uuid,
}

/// The facts stay the text that they are, so that the digest is of what was written.
#[derive(Deserialize)]
struct LoggedEvent<'a> {
    tenant: String,
    decision: Uuid,
    service: String,
    event: Uuid,
    action: String,
    resource: String,
    done_at: i64,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

impl From<LoggedDecision> for FoundDecision {
    fn from(logged: LoggedDecision) -> Self {
        // Before the record named the service, the route's module did; for a decision from then they are taken to be one.
        let module =
            logged.route.as_deref().and_then(|route| route.split_once('.')).map(|(module, _)| module.to_owned());
        Self {
            tenant: logged.tenant,
            service: logged.service.or(module),
            is_allowed: logged.verdict == "allow",
            principal: logged.subject.map(|subject| PrincipalId(subject.principal)),
        }
    }
}

impl LoggedEvent<'_> {
    fn said(self) -> Option<Said> {
        let detail = self.detail.map_or("{}", RawValue::get);
        let (decision, done_at) = (DecisionId(self.decision), Micros(self.done_at));
        let content = Content::digest(&self.tenant, decision, &self.action, &self.resource, done_at, detail);
        Some(Said { event: EventId(self.event), content, decided_at: drawn_at(decision)? })
    }
}
