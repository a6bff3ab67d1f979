//! Sessions: begun at sign-in, looked up at every request, ended by sign-out, time or an operator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedargate_migrations::{Pool, StoreError};
use cedargate_model::{AuthnStrength, Clock, Micros, Principal, PrincipalId, SessionId, TenantId, TenantName};
use tokio::sync::Mutex;

use crate::kept_posts::prune_all as prune_kept_posts;
use crate::random::EntropyError;
use crate::session_cache::{Hot, Key, SessionCache};
use crate::session_changes::{CHANGES_MAX, Heard, Known, Mark, gone_on};
use crate::session_rows as rows;
use crate::totp_factors::prune_enrolments;
use crate::{Device, EndedSessions, OneUseOf, PresentedToken, SESSIONS_MAX, SessionLimits, SessionToken};

mod assertions;
mod begin;
mod certificates;
mod grants;
mod held;
mod own;
mod programs;
mod scim_tokens;
mod tokens;
mod workloads;

pub use assertions::ShownAssertion;
pub use begin::{Beginning, Grounds};
pub use certificates::ShownCertificate;
pub use grants::{ExchangeError, Family, FamilyStanding, Granted, RefreshError};
pub use held::{HeldCredential, HeldKey, HeldToken};
pub use own::{OwnSession, Replaced, StepUpError};
pub use programs::{FindProgramError, ProgramRefused};
pub use tokens::ShownToken;

/// How long sessions live, and how much of them is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session that nobody used for this long is over. Kept to about [`TOUCH_EVERY`].
    pub idle_timeout: Duration,
    /// A session is over this long after its sign-in, used or not.
    pub absolute_timeout: Duration,
    /// How old what an answer from memory rests on may be: the reading of the session, or the last word of the store that
    /// nothing changed since.
    pub staleness_max: Duration,
    /// How many sessions are kept in memory; one takes about 700 octets.
    pub cached_max: u64,
}

impl Default for SessionSettings {
    /// NIST SP 800-63B-4 §2.2.3 asks at most 24 hours overall and 1 hour of inactivity at AAL2; we keep to that from the
    /// start and end the day's session within one working day.
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60 * 60),
            absolute_timeout: Duration::from_secs(12 * 60 * 60),
            staleness_max: Duration::from_secs(3),
            cached_max: 100_000,
        }
    }
}

/// How often a session in use is written down as such.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// How often [`Sessions::run_maintenance`] writes what was used and deletes what is over.
const MAINTAIN_EVERY: Duration = Duration::from_secs(10);

/// How often [`Sessions::run_listening`] asks the store at most, and at least where answers may be old enough: what ends on
/// one gateway is over on the others within about the second of these.
const LISTEN_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// Somebody has proved who they are: what a session is made from.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The tenant.
    pub tenant: TenantId,
    /// Who.
    pub principal: PrincipalId,
    /// How strongly.
    pub strength: AuthnStrength,
    /// The session that the client already had here when it signed in. It ends: one browser, one session.
    pub replaces: Option<SessionId>,
    /// From where, as the person is shown it.
    pub device: Device,
    /// Whether the person wants this browser to remember them; their tenant may say no.
    pub remember: bool,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// The cookie's secret. It exists nowhere else.
    pub token: SessionToken,
    /// Who is signed in now.
    pub principal: Arc<Principal>,
    /// When it is over at the latest.
    pub expires_at: Micros,
    /// Whether it outlives the browser's own session.
    pub is_remembered: bool,
}

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub enum CreateSessionError {
    /// The account is gone, disabled, or another one than was judged.
    #[error("the account `{0}` may not sign in")]
    AccountUnusable(PrincipalId),
    /// The provider signed the person out after it signed them in.
    #[error("the provider has ended what this session would come from")]
    EndedByProvider,
    /// What counts once has counted before.
    #[error("it was used before")]
    UsedBefore(OneUseOf),
    /// What the provider said ended, or was taken back, while the sign-in was on its way.
    #[error("sessions of this person, or of this connection, were ended meanwhile")]
    EndedMeanwhile,
    /// The credential that signed was removed meanwhile.
    #[error("the credential was removed")]
    CredentialGone,
    /// The signature counter is one that was seen before.
    #[error("the credential's signature counter did not grow")]
    CounterRegressed,
    /// No token could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the session could not be stored")]
    Store(#[from] StoreError),
}

/// What the session cache did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Lookups answered from memory.
    pub hits: u64,
    /// Lookups that asked the store.
    pub misses: u64,
    /// Sessions in memory now, about.
    pub entries: u64,
}

/// What one round of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Sessions written down as used.
    pub touched: u64,
    /// Sessions deleted because their time was over.
    pub pruned: u64,
}

/// The sessions of a store, with a cache in front.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: Pool,
    settings: SessionSettings,
    /// Of tenants that say something of their own.
    limits: Arc<BTreeMap<TenantName, SessionLimits>>,
    cache: Arc<SessionCache>,
    /// Up to where everything was heard; none at first, and after an answer that failed.
    known: Arc<Mutex<Option<Known>>>,
}

impl Sessions {
    /// The sessions in this store. Clones share one cache.
    pub fn new(pool: Pool, settings: SessionSettings) -> Self {
        let cache = Arc::new(SessionCache::new(settings.cached_max));
        Self { pool, settings, limits: Arc::default(), cache, known: Arc::default() }
    }

    /// The same, with what tenants say of their own sessions.
    #[must_use]
    pub fn with_limits(self, limits: BTreeMap<TenantName, SessionLimits>) -> Self {
        Self { limits: Arc::new(limits), ..self }
    }

    /// What holds for sessions of this tenant that begin now.
    pub fn limits_of(&self, tenant: &TenantName) -> SessionLimits {
        self.limits.get(tenant).copied().unwrap_or(SessionLimits {
            idle_timeout: self.settings.idle_timeout,
            absolute_timeout: self.settings.absolute_timeout,
            remembered: None,
            sessions_max: SESSIONS_MAX,
        })
    }

    /// Whose session this token is, if it is a live one of this tenant.
    ///
    /// # Errors
    /// [`StoreError`] where the store had to be asked and did not answer: then nobody can be known.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find(
        &self,
        tenant: TenantId,
        token: &PresentedToken,
        now: Micros,
    ) -> Result<Option<Arc<Principal>>, StoreError> {
        let key = Key::new(tenant, token.hash());
        if let Some(hot) = self.cache.fresh(&key, now, &self.settings) {
            if now >= hot.expires_at {
                return Ok(None);
            }
            self.cache.touch(&key, &hot, now, TOUCH_EVERY);
            return Ok(Some(hot.principal.clone()));
        }

        // On the heap: what a lookup in the store holds while it waits is many times what any other request has to carry.
        Box::pin(self.load(key, now)).await
    }

    async fn load(&self, key: Key, now: Micros) -> Result<Option<Arc<Principal>>, StoreError> {
        let Some(hot) = self.read(key, now).await? else { return Ok(None) };
        self.cache.touch(&key, &hot, now, TOUCH_EVERY);
        Ok(Some(hot.principal.clone()))
    }

    async fn read(&self, key: Key, now: Micros) -> Result<Option<Arc<Hot>>, StoreError> {
        let reading = self.cache.begin_load();
        let mut tx = self.pool.tenant(key.tenant).read().await?;
        let loaded = rows::find_by_token(&mut tx, key.token).await?;
        drop(tx);
        let Some(mut loaded) = loaded else {
            self.cache.remove(&key);
            return Ok(None);
        };
        // What was used here a moment ago may not have been written down yet.
        loaded.last_seen_at = loaded.last_seen_at.max(self.cache.touched_at(&key).unwrap_or(loaded.last_seen_at));
        let idle_timeout = loaded.idle_timeout.unwrap_or(self.settings.idle_timeout);
        if is_over(loaded.last_seen_at, loaded.expires_at, idle_timeout, now) {
            self.cache.remove(&key);
            return Ok(None);
        }
        Ok(Some(self.cache.insert(key, loaded, now, reading)))
    }

    /// Ends one session. Says whether it was still there.
    ///
    /// # Errors
    /// [`StoreError`]; the session then goes on.
    pub async fn end(&self, tenant: TenantId, session: SessionId) -> Result<bool, StoreError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let ended = rows::delete(&mut tx, session).await?;
        tx.commit().await?;
        if let Some((hash, account)) = ended {
            self.cache.forget([Key::new(tenant, hash)]);
            self.cache.changed(tenant, account);
        }
        Ok(ended.is_some())
    }

    /// Ends all of a principal's sessions and says how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; the sessions then go on.
    pub async fn end_all(&self, tenant: TenantId, principal: PrincipalId) -> Result<usize, StoreError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let ended = rows::delete_of_account(&mut tx, principal).await?;
        tx.commit().await?;
        let count = ended.len();
        self.cache.forget(ended.into_iter().map(|hash| Key::new(tenant, hash)));
        self.cache.changed(tenant, principal);
        Ok(count)
    }

    /// Writes down which sessions were used and deletes those whose time is over, of all tenants.
    ///
    /// # Errors
    /// [`StoreError`]; what was used is then written next time.
    pub async fn maintain(&self, now: Micros) -> Result<Maintained, StoreError> {
        let touches = self.cache.take_touches();
        match self.write_maintenance(&touches, now).await {
            Ok(maintained) => Ok(maintained),
            Err(error) => {
                self.cache.return_touches(touches);
                Err(error)
            }
        }
    }

    async fn write_maintenance(&self, touches: &[(Key, Micros)], now: Micros) -> Result<Maintained, StoreError> {
        let mut tx = self.pool.begin_system().await?;
        let mut maintained = Maintained::default();
        for (key, at) in touches {
            let touched = rows::touch(&mut tx, key, *at).await?;
            // No session's, so it may be a key's.
            maintained.touched += if touched > 0 { touched } else { programs::touch(&mut tx, key, *at).await? };
            if touched == 0 {
                scim_tokens::touch(&mut tx, key, *at).await?;
            }
        }
        maintained.pruned = rows::prune(&mut tx, now, self.settings.idle_timeout).await?;
        prune_enrolments(&mut tx, now).await?;
        prune_kept_posts(&mut tx, now).await?;
        tx.commit().await?;
        Ok(maintained)
    }

    /// Maintains for ever. Drop the future to stop it, and call [`Sessions::maintain`] once more at the end.
    pub async fn run_maintenance(&self, clock: &dyn Clock) {
        let mut ticks = tokio::time::interval(MAINTAIN_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.maintain(clock.now()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "sessions could not be maintained");
            }
        }
    }

    /// Asks the store what has changed since it was asked before, here or through another gateway. Sessions in memory
    /// that are not of the accounts concerned are then as good as read at `now`.
    ///
    /// # Errors
    /// [`StoreError`]; what is in memory gets older then, until nobody is known without the store.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: everything is read again.
    pub async fn listen(&self, now: Micros) -> Result<(), StoreError> {
        let mut known = self.known.lock().await;
        let former = known.take();
        let mut tx = self.pool.read_system().await?;
        let server = tx.server().await?;
        let generations = rows::generations(&mut tx).await?;
        if generations.len() >= rows::GENERATIONS_MAX {
            // Nothing is heard of so many: an answer is as old as its reading.
            return Ok(());
        }
        let former = former.filter(|former| former.server == server).map(|former| former.generations);
        let mut heard = Heard::Unknown;
        if let Some(gone_on) = gone_on(former.as_ref(), &generations) {
            let mut marks = Vec::new();
            for (tenant, from) in gone_on {
                let changed = rows::changed_since(&mut tx, tenant, from, CHANGES_MAX + 1 - marks.len()).await?;
                marks.extend(changed.into_iter().map(|account| Mark::of(tenant, account)));
                if marks.len() > CHANGES_MAX {
                    break;
                }
            }
            if marks.len() <= CHANGES_MAX {
                heard = Heard::Accounts(marks);
            }
        }
        drop(tx);
        self.cache.changes.hear(&heard, now);
        *known = Some(Known { server, generations });
        Ok(())
    }

    /// Listens for ever, several times within the staleness bound. Drop the future to stop it.
    pub async fn run_listening(&self, clock: &dyn Clock) {
        if self.settings.staleness_max.is_zero() {
            // Nothing in memory is ever used.
            return;
        }
        let every = (self.settings.staleness_max / 6).clamp(LISTEN_EVERY.0, LISTEN_EVERY.1);
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hears = true;
        loop {
            ticks.tick().await;
            let heard = self.listen(clock.now()).await;
            // Once for an outage: this comes round several times a second.
            match &heard {
                Ok(()) if !hears => tracing::info!("changes to sessions are heard of again"),
                Err(error) if hears => {
                    tracing::warn!(error = error as &dyn std::error::Error, "changes to sessions are not heard of");
                }
                Ok(()) | Err(_) => {}
            }
            hears = heard.is_ok();
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Forgets sessions that were ended in the store just now.
    pub(crate) fn forget(&self, ended: &EndedSessions) {
        self.cache.forget(ended.keys.iter().copied());
        for (key, session) in ended.keys.iter().zip(&ended.sessions) {
            self.cache.changed(key.tenant, session.principal);
        }
    }

    /// Has everything in memory read again: what it was let in by counts no more, and whose that was nobody can say.
    pub fn read_all_again(&self) {
        self.cache.changes.mark_all();
    }

    /// What the cache did since the start.
    pub fn stats(&self) -> SessionStats {
        self.cache.stats()
    }
}

/// Whether a session's time has come, by disuse or by age.
fn is_over(last_seen_at: Micros, expires_at: Micros, idle_timeout: Duration, now: Micros) -> bool {
    now >= expires_at || now >= last_seen_at.after(idle_timeout)
}

fn earlier(now: Micros, duration: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
}
