//! Delivery of the outbox to the gateway's audit log: oldest first, in batches, until the gateway says that it has them.
//!
//! At least once: what was delivered is forgotten only after the answer, and the gateway knows an event that it is told
//! again. Nothing here is on a request's way: a service whose gateway is away goes on, and its outbox grows.

mod answer;
mod destination;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cedargate_migrations::{Pool, StoreError};
use cedargate_model::Clock;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use self::answer::Outcome;
pub(crate) use self::destination::Destination;
pub use self::destination::{DestinationParseError, Place};
use self::destination::{SendError, Sender};
use self::rows::{Settled, Waiting};
use crate::problem::chain;

/// Events of one batch, as the gateway takes them at most.
const BATCH_EVENTS_MAX: u32 = 256;

/// Octets of one batch; the gateway takes 1 MiB.
const BATCH_BYTES_MAX: usize = 1_000_000;

/// How often it is looked whether something waits that nobody has told about: another process's, or an earlier one's.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The first wait after a failure; each further failure doubles it.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How delivery stands, and the way to wake it.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    state: AtomicU8,
    changed: Notify,
}

/// How delivery stands, as readiness says it. It never makes a service unready: its requests need no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    /// Nobody said where to.
    Off,
    /// What waits is being delivered.
    Delivering,
    /// The last attempt failed; it is tried again.
    Failing,
}

impl Delivery {
    /// Something waits: called once it is durable.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn state(&self) -> DeliveryState {
        match self.state.load(Ordering::Relaxed) {
            0 => DeliveryState::Off,
            1 => DeliveryState::Delivering,
            _ => DeliveryState::Failing,
        }
    }

    fn set(&self, state: DeliveryState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

impl DeliveryState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Delivering => "delivering",
            Self::Failing => "failing",
        }
    }
}

/// Delivers what one store's outbox holds.
pub(crate) struct Relay {
    pool: Pool,
    clock: Arc<dyn Clock>,
    sender: Sender,
    delivery: Arc<Delivery>,
    failures: u32,
}

/// Why a batch was not delivered as a whole. All of it is tried again.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the outbox cannot be read or written")]
    Store(#[from] StoreError),
    #[error("the gateway did not take the batch")]
    Send(#[from] SendError),
    #[error("the gateway asks to be told again later ({0})")]
    Later(String),
}

/// What one round came to.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// Nothing waits any more.
    Idle,
    /// More may wait.
    More,
}

impl Relay {
    /// # Errors
    /// The HTTP client cannot be set up.
    pub(crate) fn new(
        pool: Pool,
        clock: Arc<dyn Clock>,
        destination: &Destination,
        delivery: Arc<Delivery>,
    ) -> Result<Self, reqwest::Error> {
        let sender = Sender::new(destination)?;
        Ok(Self { pool, clock, sender, delivery, failures: 0 })
    }

    /// Delivers until it is told to stop; a batch that is under way is finished first.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        self.delivery.set(DeliveryState::Delivering);
        // Whoever starts the service anew may have mended what was in the way.
        match rows::unpark(&self.pool).await {
            Ok(0) => {}
            Ok(unparked) => tracing::info!(cedargate.events = unparked, "events that were refused are tried once more"),
            Err(error) => tracing::warn!(error.cause = chain(&error), "events that were refused stay put aside"),
        }
        while !*stopped.borrow() {
            let wait = match self.round().await {
                Ok(Round::More) => {
                    self.succeeded();
                    continue;
                }
                Ok(Round::Idle) => {
                    self.succeeded();
                    LOOK_EVERY
                }
                Err(error) => self.failed(&error),
            };
            let is_failing = self.failures > 0;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // New events are no reason to ask a gateway sooner that has just not answered.
                () = self.delivery.changed.notified(), if !is_failing => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
    }

    async fn round(&self) -> Result<Round, RelayError> {
        let waiting = rows::waiting(&self.pool, BATCH_EVENTS_MAX).await?;
        let batch = fitting(waiting);
        if batch.is_empty() {
            return Ok(Round::Idle);
        }
        let outcomes = self.sender.send(&batch).await?;
        let (mut settled, mut later) = (Vec::new(), None);
        for (event, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Outcome::Delivered => settled.push((event, Settled::Delivered)),
                Outcome::Refused { code, detail } => {
                    tracing::error!(
                        error.type = "service_event_refused",
                        cedargate.refusal.code = code,
                        cedargate.detail = detail,
                        cedargate.event.id = %event.id,
                        cedargate.decision.id = %event.decision,
                        "the gateway refused an event; it is put aside and the rest goes on"
                    );
                    settled.push((event, Settled::Refused(code)));
                }
                // What comes after it in the batch was not taken either, or is told again: the gateway knows it then.
                Outcome::Later { code } => {
                    later = Some(code);
                    break;
                }
            }
        }
        rows::settle(&self.pool, &settled, self.clock.now()).await?;
        later.map_or(Ok(Round::More), |code| Err(RelayError::Later(code)))
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(cedargate.attempts = self.failures, "events are delivered again");
        }
        self.failures = 0;
        self.delivery.set(DeliveryState::Delivering);
    }

    /// How long to wait. Said at the first failure and then ever less often: it is the same news.
    fn failed(&mut self, error: &RelayError) -> Duration {
        let wait = backoff(self.failures, Uuid::new_v4().as_u64_pair().0);
        self.failures = self.failures.saturating_add(1);
        self.delivery.set(DeliveryState::Failing);
        if self.failures.is_power_of_two() {
            let cause = chain(error);
            if error.needs_a_person() {
                tracing::error!(error.cause = cause, cedargate.attempts = self.failures, "events are not delivered");
            } else {
                tracing::warn!(error.cause = cause, cedargate.attempts = self.failures, "events are not delivered yet");
            }
        }
        match error {
            RelayError::Send(SendError::Refused { retry_after: Some(asked), .. }) => wait.max(*asked).min(BACKOFF_MAX),
            RelayError::Send(_) | RelayError::Store(_) | RelayError::Later(_) => wait,
        }
    }
}

impl RelayError {
    /// Whether it will not pass by itself.
    fn needs_a_person(&self) -> bool {
        match self {
            Self::Send(SendError::Credential { .. }) => true,
            Self::Send(SendError::Refused { status, .. }) => status.is_client_error() && status.as_u16() != 429,
            Self::Send(SendError::Unreachable(_) | SendError::Unintelligible(_)) | Self::Store(_) | Self::Later(_) => {
                false
            }
        }
    }
}

/// As many of them, from the first on, as one batch may have octets.
fn fitting(waiting: Vec<Waiting>) -> Vec<Waiting> {
    let mut bytes = 0;
    let mut fits = |event: &Waiting| {
        bytes += event.line.len() + 1;
        bytes <= BATCH_BYTES_MAX
    };
    waiting.into_iter().take_while(|event| fits(event)).collect()
}

/// Twice as long after each failure, and somewhere between half of it and all of it, so that services that lost their gateway
/// together do not come back to it together.
fn backoff(failures: u32, random: u64) -> Duration {
    let whole = BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX);
    let half = whole / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(random % micros)
}
