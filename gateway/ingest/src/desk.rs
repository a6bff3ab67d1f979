//! Takes what services say: holds it against the record, and adds it to the record.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cedargate_audit::{Broken, Priority, Spool, Ticket};
use cedargate_model::{Clock, DecisionId, Event, EventBody, EventId, Micros, ServiceEvent, TenantId, TenantName};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{JoinError, spawn_blocking};
use uuid::Uuid;

use crate::ServiceName;
use crate::answer::{Answer, LaterCode, Outcome, RefusedCode};
use crate::event::{Malformed, UnverifiedEvent};
use crate::memory::{Key, Memory};
use crate::record::{self, Content, FoundDecision, Said};

/// Events that are remembered: some ten MiB.
const EVENTS_REMEMBERED_MAX: usize = 65_536;

/// How far back a decision is looked for. Longer than a service can have been cut off unnoticed.
const DECISION_AGE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A decision this young may still be on its way into the record.
const PENDING_FOR: Duration = Duration::from_secs(10);

/// Refusals of one batch that are logged one by one; the rest is counted.
const REFUSALS_LOGGED_MAX: usize = 8;

/// Where services' events are taken. One batch at a time: what one says decides what is a duplicate in the next.
pub struct Desk {
    settings: DeskSettings,
    memory: Arc<Mutex<Memory>>,
}

/// What a desk works with.
#[derive(Clone)]
pub struct DeskSettings {
    /// The record that events are added to.
    pub spool: Spool,
    /// The directory of that record.
    pub audit_dir: PathBuf,
    /// A tenant's name; none where there is no such tenant.
    pub tenants: Arc<dyn Fn(TenantId) -> Option<TenantName> + Send + Sync>,
    /// Counts what became of events, by [`Outcome::as_str`].
    pub count: Arc<dyn Fn(&'static str, u64) + Send + Sync>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why nothing of a batch was taken. The same batch may be taken later.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The record cannot be read.
    #[error("the record cannot be read")]
    Unreadable(#[from] Broken),
    /// The work broke down.
    #[error("the work on a batch broke down")]
    BrokeDown(#[from] JoinError),
}

/// An event that is what its shape says, about a tenant that there is, under an id that may be a decision's.
struct Candidate {
    said: UnverifiedEvent,
    tenant: TenantName,
    decided_at: Micros,
    key: Key,
    content: Content,
}

/// How far one line has come.
enum Step {
    Open(Box<Candidate>),
    Handed(Key, Content, Ticket),
    /// It says what an earlier one of the batch says.
    Again(usize),
    Done(Outcome),
}

impl Desk {
    /// A desk for a record that was just opened: what is in it by now, is looked up when somebody asks.
    pub fn new(settings: DeskSettings) -> Self {
        let memory = Memory::new(settings.clock.now(), EVENTS_REMEMBERED_MAX);
        Self { settings, memory: Arc::new(Mutex::new(memory)) }
    }

    /// Takes a batch that `service` sent, line by line; the answers are in the same order. Whatever is answered as accepted
    /// or duplicate is durable.
    ///
    /// # Errors
    /// [`TakeError`]: nothing was taken, or it is not known; saying it again is right in both cases.
    ///
    /// # Cancel safety
    /// The batch is worked on to its end whether or not anybody waits: an event that is on its way into the record must be
    /// remembered, or its repetition would be recorded once more.
    pub async fn take(&self, service: &ServiceName, lines: Vec<Vec<u8>>) -> Result<Vec<Answer>, TakeError> {
        let (settings, service) = (self.settings.clone(), service.clone());
        let memory = Arc::clone(&self.memory);
        tokio::spawn(async move {
            let memory = memory.lock_owned().await;
            Batch { settings, service, memory }.take(lines).await
        })
        .await?
    }
}

/// The batch that is being worked on.
struct Batch {
    settings: DeskSettings,
    service: ServiceName,
    memory: OwnedMutexGuard<Memory>,
}

impl Batch {
    async fn take(mut self, lines: Vec<Vec<u8>>) -> Result<Vec<Answer>, TakeError> {
        let now = self.settings.clock.now();
        let mut named = HashMap::new();
        let (mut events, mut steps) = (Vec::new(), Vec::new());
        for line in &lines {
            let (event, step) = self.admit(line, now, &mut named);
            events.push(event);
            steps.push(step);
        }
        self.sort_out_what_was_said(&mut steps).await?;
        let found = self.decisions(&steps).await?;
        self.hand_over(&mut steps, &found, now);
        let outcomes = self.settle(steps, now).await;
        self.tell(&outcomes, &events);
        Ok(events.into_iter().zip(outcomes).map(|(event, outcome)| Answer { event, outcome }).collect())
    }

    /// What can be said of a line by itself.
    fn admit(
        &self,
        line: &[u8],
        now: Micros,
        named: &mut HashMap<TenantId, Option<TenantName>>,
    ) -> (Option<EventId>, Step) {
        let said = match UnverifiedEvent::parse(line) {
            Ok(said) => said,
            Err(Malformed { event, why }) => return (event, refused(RefusedCode::EventMalformed, why)),
        };
        let event = said.event;
        let tenant = named.entry(said.tenant).or_insert_with(|| (self.settings.tenants)(said.tenant));
        let Some(tenant) = tenant.clone() else {
            return (Some(event), refused(RefusedCode::TenantUnknown, "there is no such tenant"));
        };
        let Some(decided_at) = record::drawn_at(said.decision).filter(|at| *at <= now.after(PENDING_FOR)) else {
            return (Some(event), unknown_decision());
        };
        if now.since(decided_at) > DECISION_AGE_MAX {
            return (Some(event), refused(RefusedCode::DecisionTooOld, "its decision was made more than 90 days ago"));
        }
        let content = Content::of(&said, tenant.as_str());
        let key = (self.service.shared(), event);
        (Some(event), Step::Open(Box::new(Candidate { said, tenant, decided_at, key, content })))
    }

    /// Answers what was said before: in this batch, lately, or so long ago that it has to be looked up.
    async fn sort_out_what_was_said(&mut self, steps: &mut [Step]) -> Result<(), TakeError> {
        let open = || steps.iter().filter_map(Step::open);
        let asked: HashSet<Key> = open().map(|candidate| candidate.key.clone()).collect();
        let first = open().map(|candidate| candidate.decided_at).min();
        let mut earlier = HashMap::new();
        if let Some(first) = first.filter(|first| !self.memory.is_complete_for(*first)) {
            earlier = self.look_back(first, asked).await?;
        }
        let mut in_batch = HashMap::new();
        for (at, step) in steps.iter_mut().enumerate() {
            let Some(candidate) = step.open() else { continue };
            let (key, content) = (&candidate.key, candidate.content);
            let before = self.memory.recall(key).or_else(|| earlier.get(key).copied());
            let outcome = match (before, in_batch.get(key)) {
                (Some(before), _) if before == content => Step::Done(Outcome::Duplicate),
                (None, Some((before, first))) if *before == content => Step::Again(*first),
                (Some(_), _) | (None, Some(_)) => {
                    refused(RefusedCode::EventConflict, "an event of this id said something else before")
                }
                (None, None) => {
                    in_batch.insert(key.clone(), (content, at));
                    continue;
                }
            };
            *step = outcome;
        }
        Ok(())
    }

    /// Reads from the record what was recorded before memory begins. An event is never recorded before its decision was
    /// made, so that this is as far back as anything asked for can be.
    async fn look_back(&mut self, decided_at: Micros, asked: HashSet<Key>) -> Result<HashMap<Key, Content>, TakeError> {
        let (dir, until) = (self.settings.audit_dir.clone(), self.memory.complete_since());
        let (all, hits) = spawn_blocking(move || {
            let (mut all, mut hits) = (Vec::new(), HashMap::new());
            record::said_between(&dir, (decided_at, until), |Said { service, event, content, at }| {
                let key: Key = (service.into(), event);
                if asked.contains(&key) {
                    hits.insert(key.clone(), content);
                }
                // One more than there is room for, so that memory sees that there are too many.
                if all.len() <= EVENTS_REMEMBERED_MAX {
                    all.push((at, key, content));
                }
            })?;
            Ok::<_, Broken>((all, hits))
        })
        .await??;
        self.memory.extend(decided_at, all);
        Ok(hits)
    }

    async fn decisions(&self, steps: &[Step]) -> Result<HashMap<DecisionId, FoundDecision>, TakeError> {
        let open = steps.iter().filter_map(Step::open);
        let wanted: HashMap<_, _> = open.map(|candidate| (candidate.said.decision, candidate.decided_at)).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let dir = self.settings.audit_dir.clone();
        Ok(spawn_blocking(move || record::decisions(&dir, &wanted)).await??)
    }

    /// Hands to the spool what stands under a decision that covers it.
    fn hand_over(&self, steps: &mut [Step], found: &HashMap<DecisionId, FoundDecision>, now: Micros) {
        let mut held_up = false;
        for step in steps {
            let Step::Open(candidate) = step else { continue };
            let judged = self.judge(candidate, found.get(&candidate.said.decision), now);
            *step = match judged {
                _ if held_up => Step::Done(Outcome::Later { code: LaterCode::AfterAnother }),
                Ok(decision) => self.record(candidate, decision, now),
                Err(outcome) => Step::Done(outcome),
            };
            held_up = matches!(step, Step::Done(Outcome::Later { .. }));
        }
    }

    /// Whether a decision covers what is said to have been done under it. The service is told no more than that it does not.
    fn judge<'f>(
        &self,
        candidate: &Candidate,
        found: Option<&'f FoundDecision>,
        now: Micros,
    ) -> Result<&'f FoundDecision, Outcome> {
        let Some(found) = found else {
            let is_pending = now.since(candidate.decided_at) < PENDING_FOR;
            return Err(if is_pending { Outcome::Later { code: LaterCode::DecisionPending } } else { not_covered() });
        };
        let why = if found.tenant.as_deref() != Some(candidate.tenant.as_str()) {
            "the decision is another tenant's"
        } else if found.service.as_deref() != Some(self.service.as_str()) {
            "the decision is about another service"
        } else if !found.is_allowed {
            "the decision was a refusal"
        } else {
            return Ok(found);
        };
        tracing::error!(
            error.type = "service_event_not_covered",
            cedargate.service = self.service.as_str(),
            cedargate.event.id = %candidate.said.event,
            cedargate.decision.id = %candidate.said.decision,
            cedargate.tenant = candidate.tenant.as_str(),
            cedargate.why = why,
            "a service says that it did something under a decision that does not cover it"
        );
        Err(not_covered())
    }

    fn record(&self, candidate: &Candidate, decision: &FoundDecision, now: Micros) -> Step {
        let said = &candidate.said;
        let body = ServiceEvent {
            decision: said.decision,
            service: self.service.shared(),
            event: said.event,
            principal: decision.principal,
            action: said.action.clone(),
            resource: said.resource.clone(),
            done_at: said.done_at,
            detail: said.detail.clone(),
        };
        let event = Event {
            id: EventId(Uuid::now_v7()),
            at: now,
            tenant: Some(candidate.tenant.clone()),
            body: EventBody::ServiceEvent(Box::new(body)),
        };
        match self.settings.spool.record(&event, Priority::Reported) {
            Ok(ticket) => Step::Handed(candidate.key.clone(), candidate.content, ticket),
            // What was parsed is far smaller than an entry may be: only the record itself can stand in the way.
            Err(_) => Step::Done(Outcome::Later { code: LaterCode::RecordUnavailable }),
        }
    }

    /// Waits until everything that was handed over is durable, and remembers it.
    async fn settle(&mut self, steps: Vec<Step>, now: Micros) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(steps.len());
        for step in steps {
            let outcome = match step {
                Step::Done(outcome) => outcome,
                // Nothing stays open: handing over looks at each.
                Step::Open(_) => Outcome::Later { code: LaterCode::AfterAnother },
                Step::Again(first) => match outcomes.get(first) {
                    Some(Outcome::Accepted) => Outcome::Duplicate,
                    Some(other) => other.clone(),
                    None => Outcome::Later { code: LaterCode::AfterAnother },
                },
                Step::Handed(key, content, ticket) => match ticket.durable().await {
                    Ok(_recorded) => {
                        self.memory.add(key, content, now);
                        Outcome::Accepted
                    }
                    Err(_) => Outcome::Later { code: LaterCode::RecordUnavailable },
                },
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Counts what became of each, and says what a person should look at.
    fn tell(&self, outcomes: &[Outcome], events: &[Option<EventId>]) {
        let mut logged = 0;
        for (outcome, event) in outcomes.iter().zip(events) {
            (self.settings.count)(outcome.as_str(), 1);
            let Outcome::Refused { detail, .. } = outcome else { continue };
            logged += 1;
            if logged <= REFUSALS_LOGGED_MAX {
                tracing::error!(
                    error.type = outcome.as_str(),
                    cedargate.service = self.service.as_str(),
                    cedargate.event.id = event.map(tracing::field::display),
                    cedargate.detail = detail,
                    "a service's event was refused"
                );
            }
        }
        if logged > REFUSALS_LOGGED_MAX {
            tracing::error!(
                cedargate.service = self.service.as_str(),
                cedargate.refused = logged,
                "more events of a service were refused than are told one by one"
            );
        }
    }
}

impl Step {
    fn open(&self) -> Option<&Candidate> {
        match self {
            Self::Open(candidate) => Some(candidate),
            Self::Handed(..) | Self::Again(_) | Self::Done(_) => None,
        }
    }
}

fn refused(code: RefusedCode, detail: impl Into<String>) -> Step {
    Step::Done(Outcome::Refused { code, detail: detail.into() })
}

fn unknown_decision() -> Step {
    Step::Done(not_covered())
}

fn not_covered() -> Outcome {
    let detail = "no decision of this id allowed anything of this tenant at this service".to_owned();
    Outcome::Refused { code: RefusedCode::DecisionUnknown, detail }
}
