//! Takes notices from the store, writes mails of them, and sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cedargate_identity::{AccountLinks, Answer, LinkToken, Notice, Notices, OperatorError, StoreError, Waiting};
use cedargate_model::{Clock, Micros};
use lettre::message::Mailbox;
use tokio::time::MissedTickBehavior;

use crate::{Letter, SendError, Transport};

/// How often it is looked whether any wait.
const EVERY: Duration = Duration::from_secs(2);

/// How many are taken at a time: so many can be sent before others may take them, too.
const TAKEN_MAX: u32 = 5;

/// How long what was taken is left alone by others.
const LEASE: Duration = Duration::from_secs(5 * 60);

/// The first retry's delay, doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(15);

/// The longest delay.
const RETRY_MAX: Duration = Duration::from_secs(60 * 60);

/// Nobody wants to be told any more what happened so long ago.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What became of notices since the start.
#[derive(Debug, Default)]
pub struct Counted {
    sent: AtomicU64,
    nobody: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
}

impl Counted {
    /// Results and how many there were of each, by the names that metrics have.
    pub fn figures(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("sent", of(&self.sent)),
            ("nobody", of(&self.nobody)),
            ("retried", of(&self.retried)),
            ("given_up", of(&self.given_up)),
        ]
    }
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No link could be made.
    #[error("no link could be made")]
    Link(#[from] OperatorError),
}

/// Sends what waits, for ever.
#[derive(Debug)]
pub struct Courier {
    notices: Notices,
    links: AccountLinks,
    transport: Transport,
    from: Mailbox,
    counted: Arc<Counted>,
}

/// What a notice needs before it can be written.
enum Link {
    /// None.
    Unneeded,
    /// This one.
    Drawn(LinkToken),
    /// One that nobody can use: there is no such account or invitation, and nobody is written to.
    Nobody,
}

impl Courier {
    /// A courier between a store and a transport. Mails are from `from`.
    pub fn new(notices: Notices, links: AccountLinks, transport: Transport, from: Mailbox) -> Self {
        Self { notices, links, transport, from, counted: Arc::default() }
    }

    /// What becomes of notices, counted.
    pub fn counted(&self) -> Arc<Counted> {
        Arc::clone(&self.counted)
    }

    /// Works for ever. Drop the future to stop it: what was taken is due again after a while.
    pub async fn run(self, clock: &dyn Clock) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut works = true;
        loop {
            ticks.tick().await;
            let round = self.all(clock).await;
            // Once for an outage of the store.
            match &round {
                Ok(()) if !works => tracing::info!("notices are taken again"),
                Err(error) if works => {
                    tracing::warn!(error = error as &dyn std::error::Error, "notices cannot be taken");
                }
                Ok(()) | Err(_) => {}
            }
            works = round.is_ok();
        }
    }

    async fn all(&self, clock: &dyn Clock) -> Result<(), RoundError> {
        while self.round(clock.now()).await? > 0 {}
        Ok(())
    }

    /// Takes some that are due, and sends each or puts it off. Says how many were taken.
    ///
    /// # Errors
    /// [`RoundError`]; what was taken and not done is due again after a while.
    pub async fn round(&self, now: Micros) -> Result<usize, RoundError> {
        let taken = self.notices.take(LEASE, TAKEN_MAX, now).await?;
        for waiting in &taken {
            self.deliver(waiting, now).await?;
        }
        Ok(taken.len())
    }

    async fn deliver(&self, waiting: &Waiting, now: Micros) -> Result<(), RoundError> {
        let link = match self.draw(waiting, now).await? {
            Link::Unneeded => None,
            Link::Drawn(token) => Some(token),
            Link::Nobody => {
                self.counted.nobody.fetch_add(1, Ordering::Relaxed);
                return Ok(self.notices.done(waiting).await?);
            }
        };
        let letter = match Letter::write(&self.from, waiting, link.as_ref()) {
            Ok(letter) => letter,
            Err(error) => return self.give_up(waiting, &error).await,
        };
        match self.transport.send(&letter).await {
            Ok(()) => {
                self.counted.sent.fetch_add(1, Ordering::Relaxed);
                Ok(self.notices.done(waiting).await?)
            }
            Err(error) => {
                if let Some(token) = &link {
                    self.links.withdraw(waiting.tenant, token).await?;
                }
                match error.is_permanent() || now.since(waiting.since) >= GIVEN_UP_AFTER {
                    true => self.give_up(waiting, &error).await,
                    false => self.put_off(waiting, &error, now).await,
                }
            }
        }
    }

    async fn draw(&self, waiting: &Waiting, now: Micros) -> Result<Link, RoundError> {
        let drawn = match &waiting.notice {
            Notice::FactorAdded { .. }
            | Notice::FactorRemoved { .. }
            | Notice::FactorsRemoved
            | Notice::RecoveryCodesDrawn
            | Notice::PasswordChanged
            | Notice::NewDevice { .. } => return Ok(Link::Unneeded),
            Notice::ResetAsked { origin } => {
                self.links.draw_reset(waiting.tenant, &waiting.recipient, origin, now).await?
            }
            Notice::RegistrationAsked { origin } => {
                match self.links.draw_registration(waiting.tenant, &waiting.recipient, origin, now).await? {
                    Some(Answer::Verify(token)) => Some(token),
                    Some(Answer::HasAccount) => return Ok(Link::Unneeded),
                    None => None,
                }
            }
            Notice::Invited { invitation, origin } => {
                self.links.draw_invitation(waiting.tenant, *invitation, origin, now).await?
            }
        };
        Ok(drawn.map_or(Link::Nobody, Link::Drawn))
    }

    async fn put_off(&self, waiting: &Waiting, error: &SendError, now: Micros) -> Result<(), RoundError> {
        self.counted.retried.fetch_add(1, Ordering::Relaxed);
        let doublings = waiting.tries.saturating_sub(1).min(16);
        let delay = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
        tracing::warn!(
            error = error as &dyn std::error::Error,
            cedargate.notice.id = %waiting.id,
            cedargate.notice.tries = waiting.tries,
            "a notice could not be sent and is tried again"
        );
        Ok(self.notices.put_off(waiting, now.after(delay)).await?)
    }

    async fn give_up(
        &self,
        waiting: &Waiting,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<(), RoundError> {
        self.counted.given_up.fetch_add(1, Ordering::Relaxed);
        tracing::error!(error = error as &dyn std::error::Error, cedargate.notice.id = %waiting.id, "a notice was given up");
        Ok(self.notices.done(waiting).await?)
    }
}
