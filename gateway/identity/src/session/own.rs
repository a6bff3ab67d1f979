//! What people do with sessions of their own: prove again who they are, see where they are signed in, end it there.

use std::net::IpAddr;
use std::time::Duration;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{AuthnStrength, Micros, Principal, PrincipalId, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Begun, Sessions};
use crate::federated::{EndedRow, ended_of};
use crate::principal::methods_from_text;
use crate::random::{EntropyError, uuid_at};
use crate::session_cache::Key;
use crate::session_rows::{self as rows, NewRow};
use crate::{Agent, Device, EndedSessions, Ready, Removed, SessionToken, federated, kept_posts};

/// A session as its person is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// Its id. The token is nobody's to see.
    pub id: SessionId,
    /// When the person signed in.
    pub began_at: Micros,
    /// When it was last used, to about a minute.
    pub last_seen_at: Micros,
    /// When it is over at the latest.
    pub expires_at: Micros,
    /// How strongly the person proved who they are.
    pub strength: AuthnStrength,
    /// From where it was begun.
    pub device: Device,
}

/// A session that takes another's place.
#[derive(Debug)]
#[must_use = "tell `Sessions::take_up`, or the former one goes on in memory until it is stale"]
pub struct Replaced {
    begun: Begun,
    former: Key,
}

impl Replaced {
    /// Whose session it is, as it is from then on.
    pub fn principal(&self) -> &Principal {
        &self.begun.principal
    }
}

/// Why a session was not replaced by a stronger one.
#[derive(Debug, thiserror::Error)]
pub enum StepUpError {
    /// The session is over, or was replaced already.
    #[error("the session `{0}` is over")]
    SessionGone(SessionId),
    /// What was proved is weaker than what the session says already. Its age would then be that of a weaker proof.
    #[error("the session has level {has}, and only {proven} was proved")]
    TooWeak {
        /// The session's level.
        has: u8,
        /// The level of the proof.
        proven: u8,
    },
    /// No token could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the session could not be stored")]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Replaces a session by one of the same person with a fresh token, of the strength that was just proved: the level of
    /// the proof, and the methods of both. The former one ends in the same transaction; of two at once, one replaces it.
    ///
    /// The person, the beginning, the device and the end stay: proving who one is again does not make a session live longer.
    ///
    /// # Security
    /// The caller has checked that `proven` was proved by the person whose session it is.
    ///
    /// # Errors
    /// [`StepUpError`]; the former session then goes on.
    pub async fn step_up(
        &self,
        tenant: TenantId,
        session: SessionId,
        proven: AuthnStrength,
        now: Micros,
    ) -> Result<Ready<Replaced>, StepUpError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let replaced = step_up_in(&mut tx, session, proven, now).await?;
        Ok(Ready::new(tx, replaced))
    }

    /// The same, together with another change: both happen or neither does.
    ///
    /// # Errors
    /// [`StepUpError`]; then the other change does not happen either.
    pub async fn step_up_with<T>(
        &self,
        change: Ready<T>,
        session: SessionId,
        proven: AuthnStrength,
        now: Micros,
    ) -> Result<Ready<(T, Replaced)>, StepUpError> {
        let (mut tx, change) = change.into_parts();
        let replaced = step_up_in(&mut tx, session, proven, now).await?;
        Ok(Ready::new(tx, (change, replaced)))
    }

    /// Takes up a replacement that was committed: the former session is gone from memory, too.
    pub fn take_up(&self, replaced: Replaced) -> Begun {
        self.cache.forget([replaced.former]);
        self.cache.changed(replaced.former.tenant, replaced.begun.principal.id);
        replaced.begun
    }

    /// A person's live sessions, the one that was used last first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        tenant: TenantId,
        principal: PrincipalId,
        now: Micros,
    ) -> Result<Vec<OwnSession>, StoreError> {
        // An account has a bounded number of sessions.
        const LIST: &str = "
SELECT
    s.id, s.account_id, s.level, s.methods, s.authenticated_at, s.last_seen_at, s.expires_at, s.idle_seconds, s.remembered,
    d.began_at, d.address, d.agent
FROM sessions AS s
LEFT JOIN session_devices AS d ON d.tenant_id = s.tenant_id AND d.session_id = s.id
WHERE s.tenant_id = $1
  AND s.account_id = $2
  AND s.expires_at > $3
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT 100";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Vec<OwnRow> = tx.query(LIST).bind(principal.0).bind(now.0).fetch_all().await?;
        drop(tx);
        let mut formers = found.into_iter().map(OwnRow::into_former).collect::<Result<Vec<_>, _>>()?;
        formers.retain(|former| {
            let idle_timeout = former.idle_timeout.unwrap_or(self.settings.idle_timeout);
            !super::is_over(former.last_seen_at, former.expires_at, idle_timeout, now)
        });
        Ok(formers.into_iter().map(Former::into_own).collect())
    }

    /// Ends one of a person's sessions, once that is committed, whosoever else's id is given. None where it is not there.
    ///
    /// # Errors
    /// [`StoreError`]; the session then goes on.
    pub async fn end_own(
        &self,
        tenant: TenantId,
        principal: PrincipalId,
        session: SessionId,
    ) -> Result<Option<Ready<EndedSessions>>, StoreError> {
        const END: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
RETURNING id, account_id, token_hash";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let rows = tx.query(END).bind(principal.0).bind(session.0).fetch_all().await?;
        some_of(tx, rows)
    }

    /// Ends all of a person's sessions but one, once that is committed, and says which. None where there are no others.
    ///
    /// # Errors
    /// [`StoreError`]; the sessions then go on.
    pub async fn end_others(
        &self,
        tenant: TenantId,
        principal: PrincipalId,
        keep: SessionId,
    ) -> Result<Option<Ready<EndedSessions>>, StoreError> {
        const END: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
  AND id <> $3
RETURNING id, account_id, token_hash";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let rows = tx.query(END).bind(principal.0).bind(keep.0).fetch_all().await?;
        some_of(tx, rows)
    }

    /// Hears of sessions that ended with a factor: from memory they are gone at once.
    pub fn forget_ended(&self, removed: &Removed) {
        self.cache.forget(removed.keys.iter().copied());
    }
}

fn some_of(tx: TenantTx, rows: Vec<EndedRow>) -> Result<Option<Ready<EndedSessions>>, StoreError> {
    let ended = ended_of(tx.tenant(), rows)?;
    Ok((!ended.sessions.is_empty()).then(|| Ready::new(tx, ended)))
}

async fn step_up_in(
    tx: &mut TenantTx,
    session: SessionId,
    proven: AuthnStrength,
    now: Micros,
) -> Result<Replaced, StepUpError> {
    let token = SessionToken::draw()?;
    let former = find(tx, session).await?.filter(|former| now < former.expires_at);
    let former = former.ok_or(StepUpError::SessionGone(session))?;
    // INVARIANT (age of the level): a session is as old as a proof of its own level.
    if proven.level < former.strength.level {
        return Err(StepUpError::TooWeak { has: former.strength.level, proven: proven.level });
    }
    let methods = former.strength.methods.into_iter().chain(proven.methods).collect();
    let row = NewRow {
        id: SessionId(uuid_at(now)?),
        account: former.account,
        token: token.hash(),
        strength: AuthnStrength { level: proven.level, methods },
        authenticated_at: now,
        now,
        began_at: former.began_at,
        device: former.device,
        expires_at: former.expires_at,
        idle_timeout: former.idle_timeout,
        is_remembered: former.is_remembered,
    };
    rows::insert(tx, &row).await?;
    federated::carry_over(tx, session, row.id).await?;
    kept_posts::carry_over(tx, session, row.id, row.account).await?;
    // Of two at once, the one that deletes it has replaced it; the other's work is given up.
    let (ended, _) = rows::delete(tx, session).await?.ok_or(StepUpError::SessionGone(session))?;
    let loaded = rows::find_by_token(tx, row.token).await?;
    // Disabled meanwhile: nothing is written, and the session is dead as it is.
    let loaded = loaded.ok_or(StepUpError::SessionGone(session))?;
    let begun =
        Begun { token, principal: loaded.principal, expires_at: row.expires_at, is_remembered: row.is_remembered };
    Ok(Replaced { begun, former: Key::new(tx.tenant(), ended) })
}

async fn find(tx: &mut TenantTx, session: SessionId) -> Result<Option<Former>, StoreError> {
    const FIND: &str = "
SELECT
    s.id, s.account_id, s.level, s.methods, s.authenticated_at, s.last_seen_at, s.expires_at, s.idle_seconds, s.remembered,
    d.began_at, d.address, d.agent
FROM sessions AS s
LEFT JOIN session_devices AS d ON d.tenant_id = s.tenant_id AND d.session_id = s.id
WHERE s.tenant_id = $1
  AND s.id = $2";
    let row: Option<OwnRow> = tx.query(FIND).bind(session.0).fetch_optional().await?;
    row.map(OwnRow::into_former).transpose()
}

/// A whole row.
struct Former {
    id: SessionId,
    account: PrincipalId,
    strength: AuthnStrength,
    began_at: Micros,
    last_seen_at: Micros,
    expires_at: Micros,
    idle_timeout: Option<Duration>,
    is_remembered: bool,
    device: Device,
}

impl Former {
    fn into_own(self) -> OwnSession {
        let Self { id, strength, began_at, last_seen_at, expires_at, device, .. } = self;
        OwnSession { id, began_at, last_seen_at, expires_at, strength, device }
    }
}

#[derive(FromRow)]
struct OwnRow {
    id: Uuid,
    account_id: Uuid,
    level: i64,
    methods: String,
    authenticated_at: i64,
    began_at: Option<i64>,
    last_seen_at: i64,
    expires_at: i64,
    idle_seconds: Option<i64>,
    remembered: bool,
    address: Option<String>,
    agent: Option<String>,
}

impl OwnRow {
    fn into_former(self) -> Result<Former, StoreError> {
        let id = self.id;
        let impossible = |column| StoreError::Impossible { table: "sessions", column, id: id.hyphenated().to_string() };
        let address = self.address.map(|text| text.parse::<IpAddr>()).transpose().map_err(|_| impossible("address"))?;
        Ok(Former {
            id: SessionId(id),
            account: PrincipalId(self.account_id),
            strength: AuthnStrength {
                level: u8::try_from(self.level).map_err(|_| impossible("level"))?,
                methods: methods_from_text(&self.methods).ok_or_else(|| impossible("methods"))?,
            },
            // A session of before this was kept has proved who it is once.
            began_at: Micros(self.began_at.unwrap_or(self.authenticated_at)),
            last_seen_at: Micros(self.last_seen_at),
            expires_at: Micros(self.expires_at),
            idle_timeout: rows::idle_of(self.idle_seconds),
            is_remembered: self.remembered,
            device: Device { address, agent: self.agent.as_deref().and_then(Agent::of) },
        })
    }
}
