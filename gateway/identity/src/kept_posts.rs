//! Forms that were refused for a step-up, sealed, until whoever sent them has confirmed who they are.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, SystemTx, TenantTx};
use cedargate_model::{Micros, PrincipalId, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::Ready;
use crate::random::{EntropyError, uuid_at};

/// How long a form is kept: as long as somebody may take to find their phone, and to add a factor where they have none.
pub const KEPT_POST_TTL: Duration = Duration::from_secs(10 * 60);

/// How many one account may have at once: a window or two, and what was given up.
const OF_ACCOUNT_MAX: i64 = 4;

/// How many one tenant may have at once: some tens of megabytes.
const OF_TENANT_MAX: i64 = 1_000;

/// How many that are over a new one clears away.
const PRUNE_MAX: i64 = 100;

/// A form to keep.
#[derive(Clone, Copy, Debug)]
pub struct NewKeptPost<'n> {
    /// Its id, which it is sealed for.
    pub id: Uuid,
    /// Who sent it.
    pub account: PrincipalId,
    /// In which session.
    pub session: SessionId,
    /// The action that was refused.
    pub action: &'n str,
    /// What was sent, sealed.
    pub sealed: &'n str,
}

/// A form that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPost {
    /// The action that was refused.
    pub action: String,
    /// What was sent, sealed.
    pub sealed: String,
}

/// Why a form is not kept. Its sender has to be told before anything is lost.
#[derive(Debug, thiserror::Error)]
pub enum KeepPostError {
    /// The account, or the tenant, has as many as it may have.
    #[error("as many forms are kept as may be")]
    TooMany,
    /// The session is over.
    #[error("the session `{0}` is over")]
    SessionGone(SessionId),
    /// The store failed.
    #[error("the form could not be stored")]
    Store(#[from] StoreError),
}

/// The forms that a store keeps.
#[derive(Clone, Debug)]
pub struct KeptPosts {
    pool: Pool,
}

impl KeptPosts {
    /// Those in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// What a form is sealed under: nobody else's, and not for another action.
    pub fn sealed_name(tenant: TenantId, account: PrincipalId, id: Uuid, action: &str) -> String {
        format!("kept post/{}/{}/{id}/{action}", tenant.0, account.0)
    }

    /// Draws the id of a form that is about to be kept: it is sealed for it.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw_id(&self, now: Micros) -> Result<Uuid, EntropyError> {
        uuid_at(now)
    }

    /// Keeps a form for [`KEPT_POST_TTL`]. None gives way to it: what somebody was told is kept stays until then.
    ///
    /// # Errors
    /// [`KeepPostError`].
    pub async fn keep(&self, tenant: TenantId, new: NewKeptPost<'_>, now: Micros) -> Result<(), KeepPostError> {
        const LIVE: &str = "
SELECT id
FROM sessions
WHERE tenant_id = $1
  AND id = $2
  AND account_id = $3
  AND expires_at > $4";
        const OF_ACCOUNT: &str = "
SELECT COUNT(*)
FROM kept_posts
WHERE tenant_id = $1
  AND account_id = $2
  AND expires_at > $3";
        const OF_TENANT: &str = "
SELECT COUNT(*)
FROM kept_posts
WHERE tenant_id = $1
  AND expires_at > $2";
        const INSERT: &str = "
INSERT INTO kept_posts (tenant_id, id, account_id, session_id, action, sealed, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        prune(&mut tx, now).await?;
        let live: Option<(Uuid,)> =
            tx.query(LIVE).bind(new.session.0).bind(new.account.0).bind(now.0).fetch_optional().await?;
        live.ok_or(KeepPostError::SessionGone(new.session))?;
        let (of_account,): (i64,) = tx.query(OF_ACCOUNT).bind(new.account.0).bind(now.0).fetch_one().await?;
        let (of_tenant,): (i64,) = tx.query(OF_TENANT).bind(now.0).fetch_one().await?;
        if of_account >= OF_ACCOUNT_MAX || of_tenant >= OF_TENANT_MAX {
            return Err(KeepPostError::TooMany);
        }
        tx.query(INSERT)
            .bind(new.id)
            .bind(new.account.0)
            .bind(new.session.0)
            .bind(new.action)
            .bind(new.sealed)
            .bind(now.after(KEPT_POST_TTL).0)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// What is kept under this id for this session, to be shown to whoever sent it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        tenant: TenantId,
        id: Uuid,
        session: SessionId,
        now: Micros,
    ) -> Result<Option<KeptPost>, StoreError> {
        const FIND: &str = "
SELECT action, sealed
FROM kept_posts
WHERE tenant_id = $1
  AND id = $2
  AND session_id = $3
  AND expires_at > $4";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<Row> = tx.query(FIND).bind(id).bind(session.0).bind(now.0).fetch_optional().await?;
        Ok(found.map(Row::into_kept))
    }

    /// Takes it: of two that take it at once, one gets it, and after that there is nothing. Another session's is left alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(
        &self,
        tenant: TenantId,
        id: Uuid,
        session: SessionId,
        now: Micros,
    ) -> Result<Option<Ready<KeptPost>>, StoreError> {
        const TAKE: &str = "
DELETE FROM kept_posts
WHERE tenant_id = $1
  AND id = $2
  AND session_id = $3
  AND expires_at > $4
RETURNING action, sealed";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let taken: Option<Row> = tx.query(TAKE).bind(id).bind(session.0).bind(now.0).fetch_optional().await?;
        Ok(taken.map(|row| Ready::new(tx, row.into_kept())))
    }
}

/// Hands what a session keeps on to the one that takes its place, if it is of the same account: whoever signs in as somebody else gets
/// nothing of it.
pub(crate) async fn carry_over(
    tx: &mut TenantTx,
    from: SessionId,
    to: SessionId,
    account: PrincipalId,
) -> Result<(), StoreError> {
    const CARRY_OVER: &str = "
UPDATE kept_posts
SET session_id = $3
WHERE tenant_id = $1
  AND session_id = $2
  AND account_id = $4";
    tx.query(CARRY_OVER).bind(from.0).bind(to.0).bind(account.0).execute().await.map(drop)
}

/// Removes what nobody came back for, of every tenant.
pub(crate) async fn prune_all(tx: &mut SystemTx, now: Micros) -> Result<(), StoreError> {
    const PRUNE_ALL: &str = "
DELETE FROM kept_posts
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id
    FROM kept_posts
    WHERE expires_at <= $1
    LIMIT $2
)";
    tx.query(PRUNE_ALL).bind(now.0).bind(PRUNE_MAX).execute().await.map(drop)
}

async fn prune(tx: &mut TenantTx, now: Micros) -> Result<(), StoreError> {
    const PRUNE: &str = "
DELETE FROM kept_posts
WHERE tenant_id = $1
  AND id IN (
    SELECT id
    FROM kept_posts
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
    tx.query(PRUNE).bind(now.0).bind(PRUNE_MAX).execute().await.map(drop)
}

#[derive(FromRow)]
struct Row {
    action: String,
    sealed: String,
}

impl Row {
    fn into_kept(self) -> KeptPost {
        KeptPost { action: self.action, sealed: self.sealed }
    }
}
