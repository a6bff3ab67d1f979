//! Where factors are kept: the list that people see, and what becomes of it.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{FactorId, Micros, PrincipalId, ProofKind, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::session_cache::Key;
use crate::{Factor, FactorName, session_rows};

/// A factor that was removed, and the sessions that ended with it.
#[derive(Debug)]
#[must_use = "tell `Sessions::forget_ended`, or what is in memory goes on until it is stale"]
pub struct Removed {
    /// Of which kind it was.
    pub kind: ProofKind,
    /// The sessions.
    pub ended: Vec<SessionId>,
    pub(crate) keys: Vec<Key>,
}

/// The factors and recovery codes of a store.
#[derive(Clone, Debug)]
pub struct Factors {
    pub(crate) pool: Pool,
}

impl Factors {
    /// The factors in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// An account's factors that were shown to work, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, tenant: TenantId, account: PrincipalId) -> Result<Vec<Factor>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        list(&mut tx, account).await
    }

    /// One of an account's factors.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
    ) -> Result<Option<Factor>, StoreError> {
        let factors = self.list(tenant, account).await?;
        Ok(factors.into_iter().find(|known| known.id == factor))
    }

    /// Gives a factor another name. Says whether the account has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rename(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        name: &FactorName,
    ) -> Result<bool, StoreError> {
        const RENAME: &str = "
UPDATE totp_factors
SET name = $4
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NOT NULL";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx.query(RENAME).bind(account.0).bind(factor.0).bind(name.as_str()).execute().await?;
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// Removes a factor, and the recovery codes with the last one. The account's sessions other than `keep` end in the same
    /// transaction: whoever else has the factor is out.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was removed.
    pub async fn remove(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        keep: SessionId,
    ) -> Result<Option<Removed>, StoreError> {
        const REMOVE: &str = "
DELETE FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NOT NULL";
        const END_OTHERS: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
  AND id <> $3
RETURNING id, token_hash";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let removed = tx.query(REMOVE).bind(account.0).bind(factor.0).execute().await?;
        if removed == 0 {
            return Ok(None);
        }
        if list(&mut tx, account).await?.is_empty() {
            delete_codes(&mut tx, account).await?;
        }
        let ended: Vec<(Uuid, Vec<u8>)> = tx.query(END_OTHERS).bind(account.0).bind(keep.0).fetch_all().await?;
        let (ended, keys) = session_rows::ended_of(tenant, ended)?;
        tx.commit().await?;
        Ok(Some(Removed { kind: ProofKind::Totp, ended, keys }))
    }

    /// Removes all factors and recovery codes of an account and ends its sessions: the way out for whoever lost them. Says
    /// how many factors there were.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was removed.
    pub async fn remove_all(&self, tenant: TenantId, account: PrincipalId) -> Result<usize, StoreError> {
        const REMOVE: &str = "
DELETE FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2";
        const END: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let count = list(&mut tx, account).await?.len();
        tx.query(REMOVE).bind(account.0).execute().await?;
        delete_codes(&mut tx, account).await?;
        tx.query(END).bind(account.0).execute().await?;
        tx.commit().await?;
        Ok(count)
    }
}

pub(crate) async fn list(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<Factor>, StoreError> {
    // Enrolling is bounded, so this is.
    const LIST: &str = "
SELECT id, name, confirmed_at, last_used_at
FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND confirmed_at IS NOT NULL
ORDER BY confirmed_at, id
LIMIT 100";
    let rows: Vec<FactorRow> = tx.query(LIST).bind(account.0).fetch_all().await?;
    rows.into_iter().map(|row| row.into_factor(ProofKind::Totp)).collect()
}

pub(crate) async fn delete_codes(tx: &mut TenantTx, account: PrincipalId) -> Result<(), StoreError> {
    const DELETE: &str = "
DELETE FROM recovery_codes
WHERE tenant_id = $1
  AND account_id = $2";
    tx.query(DELETE).bind(account.0).execute().await.map(drop)
}

#[derive(FromRow)]
struct FactorRow {
    id: Uuid,
    name: String,
    confirmed_at: i64,
    last_used_at: Option<i64>,
}

impl FactorRow {
    fn into_factor(self, kind: ProofKind) -> Result<Factor, StoreError> {
        let impossible =
            |column| StoreError::Impossible { table: "totp_factors", column, id: self.id.hyphenated().to_string() };
        Ok(Factor {
            id: FactorId(self.id),
            kind,
            name: FactorName::parse(&self.name).map_err(|_| impossible("name"))?,
            added_at: Micros(self.confirmed_at),
            last_used_at: self.last_used_at.map(Micros),
        })
    }
}
