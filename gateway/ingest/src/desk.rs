//! Takes what services say: holds it against the record, and adds it to the record.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cedargate_audit::{Broken, Priority, Spool, Ticket};
use cedargate_model::{
    Clock, DecisionId, Event, EventBody, EventId, Micros, PrincipalId, ServiceEvent, TenantId, TenantName,
};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, spawn_blocking};
use uuid::Uuid;

use crate::ServiceName;
use crate::answer::{Answer, LaterCode, Outcome, RefusedCode};
use crate::event::{Malformed, UnverifiedEvent};
use crate::memory::{Memory, Window};
use crate::record::{self, Content, FoundDecision, Said};

/// Events that are remembered of one service: some two MiB.
const EVENTS_REMEMBERED_MAX: usize = 16_384;

/// Batches that may be arriving or worked on at once: some sixty MiB at the very most.
const BATCHES_MAX: usize = 64;

/// How far back a decision is looked for. Longer than a service can have been cut off unnoticed.
const DECISION_AGE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How far ahead of the clock a decision's id may be.
const AHEAD_MAX: Duration = Duration::from_secs(10);

/// Refusals of one batch that are logged one by one; the rest is counted.
const REFUSALS_LOGGED_MAX: usize = 8;

/// Where services' events are taken. One batch of a service at a time: what one says decides what is a duplicate in the next.
/// Services do not wait for each other, but for a look far back into the record.
pub struct Desk {
    settings: DeskSettings,
    opened_at: Micros,
    /// What is known of each service that was heard, and whose turn it is: the services that have a credential, so few.
    services: std::sync::Mutex<HashMap<ServiceName, Arc<Mutex<Memory>>>>,
    room: Arc<Semaphore>,
    far_back: Arc<Mutex<()>>,
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
    /// How long after its id was drawn a decision may be recorded: a request's body is inspected first. Until then one that
    /// is not in the record may still come.
    pub recorded_within: Duration,
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
    content: Content,
}

/// How far one line has come.
enum Step {
    Open(Box<Candidate>),
    /// Its decision covers it, and says who asked.
    Covered(Box<Candidate>, Option<PrincipalId>),
    Handed(Said, Ticket),
    /// It says what an earlier one of the batch says.
    Again(usize),
    Done(Outcome),
}

impl Desk {
    /// A desk for a record that was just opened: what is in it by now, is looked up when somebody asks.
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            opened_at: settings.clock.now(),
            settings,
            services: std::sync::Mutex::default(),
            room: Arc::new(Semaphore::new(BATCHES_MAX)),
            far_back: Arc::default(),
        }
    }

    /// A turn to hand over a batch; none while an earlier one of this service is being worked on, or too many of others are.
    pub fn turn(&self, service: &ServiceName) -> Option<Turn> {
        let memory = {
            let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
            let unheard = || Arc::new(Mutex::new(Memory::new(self.opened_at, EVENTS_REMEMBERED_MAX)));
            Arc::clone(services.entry(service.clone()).or_insert_with(unheard))
        };
        Some(Turn {
            memory: memory.try_lock_owned().ok()?,
            room: Arc::clone(&self.room).try_acquire_owned().ok()?,
            settings: self.settings.clone(),
            service: service.clone(),
            far_back: Arc::clone(&self.far_back),
        })
    }
}

/// A service's turn. It lasts until the batch has been worked on to its end, whoever waits: what is held is what is counted.
pub struct Turn {
    settings: DeskSettings,
    service: ServiceName,
    memory: OwnedMutexGuard<Memory>,
    room: OwnedSemaphorePermit,
    far_back: Arc<Mutex<()>>,
}

impl Turn {
    /// Takes a batch, line by line; the answers are in the same order. Whatever is answered as accepted or duplicate is
    /// durable.
    ///
    /// # Errors
    /// [`TakeError`]: nothing was taken, or it is not known; saying it again is right in both cases.
    ///
    /// # Cancel safety
    /// The batch is worked on to its end whether or not anybody waits: an event that is on its way into the record must be
    /// remembered, or its repetition would be recorded once more.
    pub async fn take(self, lines: Vec<Vec<u8>>) -> Result<Vec<Answer>, TakeError> {
        tokio::spawn(self.work(lines)).await?
    }

    async fn work(mut self, lines: Vec<Vec<u8>>) -> Result<Vec<Answer>, TakeError> {
        let now = self.settings.clock.now();
        let mut named = HashMap::new();
        let (mut events, mut steps) = (Vec::new(), Vec::new());
        for line in &lines {
            let (event, step) = self.admit(line, now, &mut named);
            events.push(event);
            steps.push(self.recall(step));
        }
        let found = self.decisions(&steps).await?;
        let mut steps: Vec<_> = steps.into_iter().map(|step| self.judge(step, &found, now)).collect();
        self.look_back(&steps).await?;
        self.sort_out_what_was_said(&mut steps);
        self.hand_over(&mut steps);
        let outcomes = self.settle(steps).await;
        self.tell(&outcomes, &events);
        drop(self.room);
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
        let Some(decided_at) = record::drawn_at(said.decision).filter(|at| *at <= now.after(AHEAD_MAX)) else {
            return (Some(event), unknown_decision());
        };
        if now.since(decided_at) > DECISION_AGE_MAX {
            return (Some(event), refused(RefusedCode::DecisionTooOld, "its decision was made more than 90 days ago"));
        }
        let content = Content::of(&said, tenant.as_str());
        (Some(event), Step::Open(Box::new(Candidate { said, tenant, decided_at, content })))
    }

    /// Answers what is known to have been said before.
    fn recall(&self, step: Step) -> Step {
        let Some(Candidate { said, content, .. }) = step.open() else { return step };
        match self.memory.recall(said.event) {
            Some(before) if before == *content => Step::Done(Outcome::Duplicate),
            Some(_) => conflict(),
            None => step,
        }
    }

    async fn decisions(&self, steps: &[Step]) -> Result<HashMap<DecisionId, FoundDecision>, TakeError> {
        let open = steps.iter().filter_map(Step::open);
        let wanted: HashMap<_, _> = open.map(|candidate| (candidate.said.decision, candidate.decided_at)).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let (dir, within) = (self.settings.audit_dir.clone(), self.settings.recorded_within);
        Ok(spawn_blocking(move || record::decisions(&dir, &wanted, within)).await??)
    }

    /// Whether a decision covers what is said to have been done under it. The service is told no more than that it does not.
    fn judge(&self, step: Step, found: &HashMap<DecisionId, FoundDecision>, now: Micros) -> Step {
        let Step::Open(candidate) = step else { return step };
        let Some(found) = found.get(&candidate.said.decision) else {
            let is_pending = now.since(candidate.decided_at) < self.settings.recorded_within;
            let pending = Outcome::Later { code: LaterCode::DecisionPending };
            return Step::Done(if is_pending { pending } else { not_covered() });
        };
        let why = if found.tenant.as_deref() != Some(candidate.tenant.as_str()) {
            "the decision is another tenant's"
        } else if found.service.as_deref() != Some(self.service.as_str()) {
            "the decision is about another service"
        } else if !found.is_allowed {
            "the decision was a refusal"
        } else {
            return Step::Covered(candidate, found.principal);
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
        unknown_decision()
    }

    /// Reads from the record what memory does not hold, for what a decision covers: whoever makes ids up costs no look.
    ///
    /// An event is never recorded before its decision was made, so that the oldest decision is as far back as anything asked
    /// for can be. One look at a time, so that services that come back together do not all read at once.
    async fn look_back(&mut self, steps: &[Step]) -> Result<(), TakeError> {
        let unknown =
            || steps.iter().filter_map(Step::covered).filter(|it| !self.memory.is_complete_for(it.decided_at));
        let Some(first) = unknown().map(|candidate| candidate.decided_at).min() else { return Ok(()) };
        let asked: HashSet<EventId> = unknown().map(|candidate| candidate.said.event).collect();
        let (dir, service) = (self.settings.audit_dir.clone(), self.service.clone());
        let far_back = Arc::clone(&self.far_back).lock_owned().await;
        let (earlier, hits) = spawn_blocking(move || {
            let (mut earlier, mut hits) = (Window::new(first, EVENTS_REMEMBERED_MAX), HashMap::new());
            record::said_since(&dir, first, &service, |said| {
                if asked.contains(&said.event) {
                    hits.insert(said.event, said);
                }
                earlier.keep(said);
            })?;
            drop(far_back);
            Ok::<_, Broken>((earlier, hits))
        })
        .await??;
        self.memory.extend(earlier);
        hits.into_values().for_each(|said| self.memory.add(said));
        Ok(())
    }

    /// Answers what was said before: in the record, which memory holds as far as it is asked for, or in this batch.
    fn sort_out_what_was_said(&self, steps: &mut [Step]) {
        let mut in_batch = HashMap::new();
        for (at, step) in steps.iter_mut().enumerate() {
            let Some(Candidate { said, content, .. }) = step.covered() else { continue };
            let outcome = match (self.memory.recall(said.event), in_batch.get(&said.event)) {
                (Some(before), _) if before == *content => Step::Done(Outcome::Duplicate),
                (None, Some((before, first))) if before == content => Step::Again(*first),
                (Some(_), _) | (None, Some(_)) => conflict(),
                (None, None) => {
                    in_batch.insert(said.event, (*content, at));
                    continue;
                }
            };
            *step = outcome;
        }
    }

    /// Hands to the spool what is left; nothing after what has to be said again.
    fn hand_over(&self, steps: &mut [Step]) {
        let mut held_up = false;
        for step in steps {
            if let Step::Covered(candidate, principal) = step {
                *step = if held_up {
                    Step::Done(Outcome::Later { code: LaterCode::AfterAnother })
                } else {
                    self.record(candidate, *principal)
                };
            }
            held_up = held_up || matches!(step, Step::Done(Outcome::Later { .. }));
        }
    }

    fn record(&self, candidate: &Candidate, principal: Option<PrincipalId>) -> Step {
        let said = &candidate.said;
        let body = ServiceEvent {
            decision: said.decision,
            service: self.service.shared(),
            event: said.event,
            principal,
            action: said.action.clone(),
            resource: said.resource.clone(),
            done_at: said.done_at,
            detail: said.detail.clone(),
        };
        let event = Event {
            id: EventId(Uuid::now_v7()),
            // The moment of recording, however long the look back took: the record is searched by its entries' times.
            at: self.settings.clock.now(),
            tenant: Some(candidate.tenant.clone()),
            body: EventBody::ServiceEvent(Box::new(body)),
        };
        let recorded = Said { event: said.event, content: candidate.content, decided_at: candidate.decided_at };
        match self.settings.spool.record(&event, Priority::Reported) {
            Ok(ticket) => Step::Handed(recorded, ticket),
            // What was parsed is far smaller than an entry may be: only the record itself can stand in the way.
            Err(_) => Step::Done(Outcome::Later { code: LaterCode::RecordUnavailable }),
        }
    }

    /// Waits until everything that was handed over is durable, and remembers it.
    async fn settle(&mut self, steps: Vec<Step>) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(steps.len());
        for step in steps {
            let outcome = match step {
                Step::Done(outcome) => outcome,
                // Nothing stays open: handing over looks at each.
                Step::Open(_) | Step::Covered(..) => Outcome::Later { code: LaterCode::AfterAnother },
                Step::Again(first) => match outcomes.get(first) {
                    Some(Outcome::Accepted) => Outcome::Duplicate,
                    Some(other) => other.clone(),
                    None => Outcome::Later { code: LaterCode::AfterAnother },
                },
                Step::Handed(said, ticket) => match ticket.durable().await {
                    Ok(_recorded) => {
                        self.memory.add(said);
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
            Self::Covered(..) | Self::Handed(..) | Self::Again(_) | Self::Done(_) => None,
        }
    }

    fn covered(&self) -> Option<&Candidate> {
        match self {
            Self::Covered(candidate, _) => Some(candidate),
            Self::Open(_) | Self::Handed(..) | Self::Again(_) | Self::Done(_) => None,
        }
    }
}

fn refused(code: RefusedCode, detail: impl Into<String>) -> Step {
    Step::Done(Outcome::Refused { code, detail: detail.into() })
}

fn conflict() -> Step {
    refused(RefusedCode::EventConflict, "an event of this id said something else before")
}

fn unknown_decision() -> Step {
    Step::Done(not_covered())
}

fn not_covered() -> Outcome {
    let detail = "no decision of this id allowed anything of this tenant at this service".to_owned();
    Outcome::Refused { code: RefusedCode::DecisionUnknown, detail }
}
