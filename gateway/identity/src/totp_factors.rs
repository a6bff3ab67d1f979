//! Authenticator apps in the store. Their secrets come here sealed and leave it sealed.

use std::time::Duration;

use cedargate_migrations::StoreError;
use cedargate_model::{FactorId, Micros, PrincipalId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::factor::FACTORS_MAX;
use crate::factors::list;
use crate::random::{EntropyError, uuid_at};
use crate::{FactorName, Factors};

/// How long an enrolment may take: fetching the phone, reading the QR code, typing the first code.
const ENROLMENT_MAX: Duration = Duration::from_secs(30 * 60);

/// An authenticator app's secret as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTotp {
    /// Which factor's.
    pub id: FactorId,
    /// What its person calls it.
    pub name: FactorName,
    /// The secret, sealed.
    pub sealed_secret: String,
}

/// Why no factor can be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The account has as many as it may have.
    #[error("the account has {FACTORS_MAX} factors, and that is the most")]
    TooMany,
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the factor could not be stored")]
    Store(#[from] StoreError),
}

impl Factors {
    /// Draws the id of a factor that is about to be enrolled: its secret is sealed for it.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw_id(&self, now: Micros) -> Result<FactorId, EntropyError> {
        uuid_at(now).map(FactorId)
    }

    /// Begins an enrolment. An earlier one that was not finished is gone.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn begin_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        new: &SealedTotp,
        now: Micros,
    ) -> Result<(), EnrolError> {
        const FORGET: &str = "
DELETE FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND confirmed_at IS NULL";
        const INSERT: &str = "
INSERT INTO totp_factors (tenant_id, id, account_id, name, sealed_secret, last_step, created_at)
VALUES ($1, $2, $3, $4, $5, 0, $6)";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        if list(&mut tx, account).await?.len() >= FACTORS_MAX {
            return Err(EnrolError::TooMany);
        }
        tx.query(FORGET).bind(account.0).execute().await?;
        tx.query(INSERT)
            .bind(new.id.0)
            .bind(account.0)
            .bind(new.name.as_str())
            .bind(new.sealed_secret.as_str())
            .bind(now.0)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The enrolment with this id, if it was begun lately and is not finished.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        now: Micros,
    ) -> Result<Option<SealedTotp>, StoreError> {
        const PENDING: &str = "
SELECT id, name, sealed_secret
FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NULL
  AND created_at > $4";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let row: Option<TotpRow> =
            tx.query(PENDING).bind(account.0).bind(factor.0).bind(begun_since(now)).fetch_optional().await?;
        row.map(TotpRow::into_sealed).transpose()
    }

    /// Finishes an enrolment with the time step of the code that proved it: that code counts as used. Says whether it was
    /// still open; of two at once, one finishes it.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not finished.
    pub async fn confirm_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        step: i64,
        now: Micros,
    ) -> Result<bool, StoreError> {
        const CONFIRM: &str = "
UPDATE totp_factors
SET confirmed_at = $5, last_step = $4
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NULL
  AND created_at > $6";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx
            .query(CONFIRM)
            .bind(account.0)
            .bind(factor.0)
            .bind(step)
            .bind(now.0)
            .bind(begun_since(now))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// The secrets of an account's authenticator apps, sealed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn totps(&self, tenant: TenantId, account: PrincipalId) -> Result<Vec<SealedTotp>, StoreError> {
        const TOTPS: &str = "
SELECT id, name, sealed_secret
FROM totp_factors
WHERE tenant_id = $1
  AND account_id = $2
  AND confirmed_at IS NOT NULL
ORDER BY confirmed_at, id
LIMIT 100";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<TotpRow> = tx.query(TOTPS).bind(account.0).fetch_all().await?;
        rows.into_iter().map(TotpRow::into_sealed).collect()
    }

    /// Spends the time step of a code that is right. Says whether it counts: of all who show codes of one step, or of an
    /// earlier one, to any gateway, the first alone is told so (RFC 6238 §5.2).
    ///
    /// # Errors
    /// [`StoreError`]; then it was not spent.
    pub async fn spend_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        step: i64,
        now: Micros,
    ) -> Result<bool, StoreError> {
        const SPEND: &str = "
UPDATE totp_factors
SET last_step = $4, last_used_at = $5
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND confirmed_at IS NOT NULL
  AND last_step < $4";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx.query(SPEND).bind(account.0).bind(factor.0).bind(step).bind(now.0).execute().await?;
        tx.commit().await?;
        Ok(moved == 1)
    }
}

fn begun_since(now: Micros) -> i64 {
    now.0.saturating_sub(i64::try_from(ENROLMENT_MAX.as_micros()).unwrap_or(i64::MAX))
}

#[derive(FromRow)]
struct TotpRow {
    id: Uuid,
    name: String,
    sealed_secret: String,
}

impl TotpRow {
    fn into_sealed(self) -> Result<SealedTotp, StoreError> {
        let impossible =
            |column| StoreError::Impossible { table: "totp_factors", column, id: self.id.hyphenated().to_string() };
        Ok(SealedTotp {
            id: FactorId(self.id),
            name: FactorName::parse(&self.name).map_err(|_| impossible("name"))?,
            sealed_secret: self.sealed_secret,
        })
    }
}
