//! Where factors are kept: the list that people see, and what becomes of it.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{AccountAct, FactorId, Micros, PrincipalId, ProofKind, RoleName, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::session_cache::Key;
use crate::{
    Factor, FactorName, Holder, HolderError, Notice, OperatorError, ProofGuesses, Ready, Shown, federated, guesses,
    notices, operator_events, promised_roles, session_rows, webauthn_credentials,
};

/// A factor that was removed, and the sessions that ended with it.
#[derive(Debug)]
#[must_use = "tell `Sessions::forget_ended`, or what is in memory goes on until it is stale"]
pub struct Removed {
    /// Of which kind it was.
    pub kind: ProofKind,
    /// The sessions.
    pub ended: Vec<SessionId>,
    /// The roles that the account has from now on, where it had some because of a factor, and has none any more.
    pub roles: Option<Vec<RoleName>>,
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

    /// The guesses at what these accounts prove, in the same store.
    pub fn guesses(&self) -> ProofGuesses {
        ProofGuesses::new(self.pool.clone())
    }

    /// An account's factors that were shown to work, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, tenant: TenantId, account: PrincipalId) -> Result<Vec<Factor>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        list(&mut tx, account).await
    }

    /// Whether this session may enrol a factor as it is, with nothing more shown: for pages, which ask for what is missing. Whatever
    /// then changes something asks again.
    ///
    /// # Errors
    /// [`HolderError`].
    pub async fn may_enrol(&self, holder: Holder, now: Micros) -> Result<(), HolderError> {
        let mut tx = self.pool.tenant(holder.tenant).read().await?;
        holder.check(&mut tx, now).await?.may_enrol(Shown::Nothing, now)
    }

    /// Whether this session may change factors at all.
    ///
    /// # Errors
    /// [`HolderError`].
    pub async fn may_change(&self, holder: Holder, now: Micros) -> Result<(), HolderError> {
        let mut tx = self.pool.tenant(holder.tenant).read().await?;
        holder.check(&mut tx, now).await.map(drop)
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

    /// Gives a factor another name. None where the account has no such factor.
    ///
    /// # Errors
    /// [`HolderError`].
    pub async fn rename(
        &self,
        holder: Holder,
        factor: FactorId,
        name: &FactorName,
        now: Micros,
    ) -> Result<Option<Ready<()>>, HolderError> {
        const RENAME: &str = "
UPDATE totp_factors
SET name = $4
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NOT NULL";
        let mut tx = self.pool.tenant(holder.tenant).begin().await?;
        let _checked = holder.check(&mut tx, now).await?;
        let query = tx.query(RENAME).bind(holder.account.0).bind(factor.0).bind(name.as_str());
        let mut moved = query.execute().await?;
        if moved == 0 {
            moved = webauthn_credentials::rename(&mut tx, holder.account, factor, name).await?;
        }
        Ok((moved == 1).then(|| Ready::new(tx, ())))
    }

    /// Removes a factor, and the recovery codes with the last one. The account's other sessions end in the same transaction:
    /// whoever else has the factor is out. None where the account has no such factor.
    ///
    /// # Errors
    /// [`HolderError`].
    pub async fn remove(
        &self,
        holder: Holder,
        factor: FactorId,
        now: Micros,
    ) -> Result<Option<Ready<Removed>>, HolderError> {
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
        let Holder { tenant, account, session } = holder;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let _checked = holder.check(&mut tx, now).await?;
        let kind = match tx.query(REMOVE).bind(account.0).bind(factor.0).execute().await? {
            0 => webauthn_credentials::remove(&mut tx, account, factor).await?,
            _ => Some(ProofKind::Totp),
        };
        let Some(kind) = kind else { return Ok(None) };
        guesses::forget_devices(&mut tx, account, now).await?;
        let mut roles = None;
        if list(&mut tx, account).await?.is_empty() {
            delete_codes(&mut tx, account).await?;
            roles = promised_roles::take_back(&mut tx, account).await?;
        }
        let ended: Vec<(Uuid, Vec<u8>)> = tx.query(END_OTHERS).bind(account.0).bind(session.0).fetch_all().await?;
        let (ended, keys) = session_rows::ended_of(tenant, ended)?;
        Ok(Some(Ready::new(tx, Removed { kind, ended, roles, keys })))
    }

    /// Removes all factors and recovery codes of an account, ends its sessions, and leaves word of it for the record: an operator's
    /// way out for whoever lost them. Says how many factors there were.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing was removed.
    pub async fn remove_all(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        now: Micros,
    ) -> Result<usize, OperatorError> {
        const REMOVE: &str = "
DELETE FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let count = list(&mut tx, account).await?.len();
        tx.query(REMOVE).bind(account.0).execute().await?;
        webauthn_credentials::remove_all(&mut tx, account).await?;
        guesses::forget_devices(&mut tx, account, now).await?;
        delete_codes(&mut tx, account).await?;
        let roles = promised_roles::take_back(&mut tx, account).await?;
        let ended = federated::end_account(&mut tx, account).await?;
        let act = AccountAct::FactorsRemoved { count: u32::try_from(count).unwrap_or(u32::MAX) };
        operator_events::leave(&mut tx, account, None, act, now).await?;
        if let Some(roles) = roles {
            operator_events::leave(&mut tx, account, None, AccountAct::RolesChanged { roles }, now).await?;
        }
        let ended: Vec<_> = ended.sessions.iter().map(|ended| ended.session).collect();
        if !ended.is_empty() {
            operator_events::leave(&mut tx, account, None, AccountAct::SessionsEnded { ended }, now).await?;
        }
        notices::leave_for(&mut tx, account, &Notice::FactorsRemoved, now).await?;
        tx.commit().await?;
        Ok(count)
    }
}

pub(crate) async fn list(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<Factor>, StoreError> {
    // Enrolling is bounded, so this is.
    const LIST: &str = "
SELECT id, 'totp' AS kind, name, confirmed_at AS added_at, last_used_at
FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND confirmed_at IS NOT NULL
UNION ALL
SELECT id, kind, name, added_at, last_used_at
FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY added_at, id
LIMIT 100";
    let rows: Vec<FactorRow> = tx.query(LIST).bind(account.0).fetch_all().await?;
    rows.into_iter().map(FactorRow::into_factor).collect()
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
    kind: String,
    name: String,
    added_at: i64,
    last_used_at: Option<i64>,
}

impl FactorRow {
    fn into_factor(self) -> Result<Factor, StoreError> {
        let impossible =
            |column| StoreError::Impossible { table: "factors", column, id: self.id.hyphenated().to_string() };
        Ok(Factor {
            id: FactorId(self.id),
            kind: match self.kind.as_str() {
                "totp" => ProofKind::Totp,
                other => webauthn_credentials::kind_of(other).ok_or_else(|| impossible("kind"))?.proof(),
            },
            name: FactorName::parse(&self.name).map_err(|_| impossible("name"))?,
            added_at: Micros(self.added_at),
            last_used_at: self.last_used_at.map(Micros),
        })
    }
}
