//! WebAuthn ceremonies of people who are signed in: what an authenticator was asked, until it answers, once. Those of people who sign in
//! are kept by their browsers.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::{EntropyError, uuid_at};

/// How long somebody may take to fetch and touch an authenticator (WebAuthn §15.1: five minutes are recommended).
pub const CEREMONY_TTL: Duration = Duration::from_secs(5 * 60);

/// How many one session may have under way: a window, a second one, and some that were broken off.
const OF_SESSION_MAX: i64 = 8;

/// How many over ones a new ceremony clears away.
const PRUNE_MAX: i64 = 1_000;

/// What a ceremony is for. An answer to one is none to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CeremonyPurpose {
    /// Adding a credential.
    Enrolment,
    /// Proving again who one is.
    StepUp,
}

impl CeremonyPurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::StepUp => "step_up",
        }
    }
}

/// A ceremony that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewCeremony<'n> {
    /// Its id: for the browser to bring back, and what the state is sealed for.
    pub id: Uuid,
    /// What for.
    pub purpose: CeremonyPurpose,
    /// Whose: it ends with that session.
    pub session: SessionId,
    /// What the answer is held against, sealed.
    pub sealed_state: &'n str,
}

/// A ceremony that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentCeremony {
    /// What the answer is held against, sealed.
    pub sealed_state: String,
}

/// Why no ceremony begins.
#[derive(Debug, thiserror::Error)]
pub enum BeginCeremonyError {
    /// The session is over.
    #[error("the session `{0}` is over")]
    SessionGone(SessionId),
    /// The store failed.
    #[error("the ceremony could not be stored")]
    Store(#[from] StoreError),
}

/// Why an answer belongs to no ceremony.
#[derive(Debug, thiserror::Error)]
pub enum SpendCeremonyError {
    /// There is none of this id, for this purpose and of this session.
    #[error("there is no such ceremony")]
    Unknown,
    /// It was answered already.
    #[error("the ceremony was answered already")]
    Spent,
    /// It took longer than [`CEREMONY_TTL`].
    #[error("the ceremony took too long")]
    Expired,
    /// The store failed.
    #[error("the ceremony could not be read")]
    Store(#[from] StoreError),
}

/// The ceremonies under way in a store.
#[derive(Clone, Debug)]
pub struct WebauthnCeremonies {
    pool: Pool,
}

impl WebauthnCeremonies {
    /// The ceremonies in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Draws the id of a ceremony that is about to begin: its state is sealed for it.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw_id(&self, now: Micros) -> Result<Uuid, EntropyError> {
        uuid_at(now)
    }

    /// Begins a ceremony.
    ///
    /// # Errors
    /// [`BeginCeremonyError`].
    pub async fn begin(&self, tenant: TenantId, new: NewCeremony<'_>, now: Micros) -> Result<(), BeginCeremonyError> {
        const LIVE: &str = "
SELECT id
FROM sessions
WHERE tenant_id = $1
  AND id = $2
  AND expires_at > $3";
        const INSERT: &str = "
INSERT INTO webauthn_ceremonies (tenant_id, id, purpose, session_id, sealed_state, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        prune(&mut tx, now).await?;
        let live: Option<(Uuid,)> = tx.query(LIVE).bind(new.session.0).bind(now.0).fetch_optional().await?;
        live.ok_or(BeginCeremonyError::SessionGone(new.session))?;
        forget_oldest(&mut tx, new.session).await?;
        tx.query(INSERT)
            .bind(new.id)
            .bind(new.purpose.as_str())
            .bind(new.session.0)
            .bind(new.sealed_state)
            .bind(now.after(CEREMONY_TTL).0)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes the ceremony that an answer belongs to. It is spent on first use, whatever comes of it; what is another session's
    /// is left alone, for its owner to answer.
    ///
    /// # Errors
    /// [`SpendCeremonyError`].
    pub async fn spend(
        &self,
        tenant: TenantId,
        id: Uuid,
        purpose: CeremonyPurpose,
        session: SessionId,
        now: Micros,
    ) -> Result<SpentCeremony, SpendCeremonyError> {
        const FIND: &str = "
SELECT session_id, sealed_state, expires_at
FROM webauthn_ceremonies
WHERE tenant_id = $1
  AND id = $2
  AND purpose = $3";
        const SPEND: &str = "
UPDATE webauthn_ceremonies
SET spent_at = $3
WHERE tenant_id = $1
  AND id = $2
  AND spent_at IS NULL";
        // Read before anybody has to wait for us: whoever invents ids takes no writer's turn.
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<CeremonyRow> = tx.query(FIND).bind(id).bind(purpose.as_str()).fetch_optional().await?;
        drop(tx);
        let row = found.ok_or(SpendCeremonyError::Unknown)?;
        if row.session_id != session.0 {
            return Err(SpendCeremonyError::Unknown);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let spent = tx.query(SPEND).bind(id).bind(now.0).execute().await?;
        tx.commit().await?;
        if spent == 0 {
            return Err(SpendCeremonyError::Spent);
        }
        if now.0 >= row.expires_at {
            return Err(SpendCeremonyError::Expired);
        }
        Ok(SpentCeremony { sealed_state: row.sealed_state })
    }
}

/// Clears away what is over. Spent ones stay until then, so that a second use is told from an unknown ceremony.
async fn prune(tx: &mut TenantTx, now: Micros) -> Result<(), StoreError> {
    const PRUNE: &str = "
DELETE FROM webauthn_ceremonies
WHERE tenant_id = $1
  AND id IN (
    SELECT id
    FROM webauthn_ceremonies
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
    // A while longer than they are good for: whoever is late is recorded as late.
    let over = Micros(now.0.saturating_sub(i64::try_from(CEREMONY_TTL.as_micros()).unwrap_or(i64::MAX)));
    tx.query(PRUNE).bind(over.0).bind(PRUNE_MAX).execute().await.map(drop)
}

/// Makes room for one more of a session.
async fn forget_oldest(tx: &mut TenantTx, session: SessionId) -> Result<(), StoreError> {
    const FORGET: &str = "
DELETE FROM webauthn_ceremonies
WHERE tenant_id = $1
  AND session_id = $2
  AND id NOT IN (
    SELECT id
    FROM webauthn_ceremonies
    WHERE tenant_id = $1
      AND session_id = $2
    ORDER BY expires_at DESC, id DESC
    LIMIT $3
  )";
    tx.query(FORGET).bind(session.0).bind(OF_SESSION_MAX - 1).execute().await.map(drop)
}

#[derive(FromRow)]
struct CeremonyRow {
    session_id: Uuid,
    sealed_state: String,
    expires_at: i64,
}
