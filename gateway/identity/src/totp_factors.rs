//! Authenticator apps in the store. Their secrets come here sealed and leave it sealed.

use std::time::Duration;

use cedargate_migrations::{StoreError, SystemTx};
use cedargate_model::{FactorId, Micros, PrincipalId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::factor::FACTORS_MAX;
use crate::random::{EntropyError, uuid_at};
use crate::{DrawCodesError, FactorName, Factors, Holder, HolderError, Ready, RecoveryCode, Shown, recovery};

/// How long an enrolment may take: fetching the phone, reading the QR code, typing the first code.
const ENROLMENT_MAX: Duration = Duration::from_secs(30 * 60);

/// How many enrolments one round prunes.
const PRUNE_MAX: i64 = 1_000;

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

/// An app that counts from now on.
#[derive(Debug)]
pub struct Enrolled {
    /// The account's new recovery codes, for this once; none where it has some already.
    pub recovery_codes: Vec<RecoveryCode>,
}

/// Why no factor can be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The account has as many as it may have.
    #[error("the account has {FACTORS_MAX} factors, and that is the most")]
    TooMany,
    /// The session may not.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// No id or no recovery code could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the factor could not be stored")]
    Store(#[from] StoreError),
}

impl From<DrawCodesError> for EnrolError {
    fn from(error: DrawCodesError) -> Self {
        match error {
            DrawCodesError::Holder(error) => Self::Holder(error),
            DrawCodesError::Entropy(error) => Self::Entropy(error),
            DrawCodesError::Store(error) => Self::Store(error),
        }
    }
}

impl Factors {
    /// Draws the id of a factor that is about to be enrolled: its secret is sealed for it.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw_id(&self, now: Micros) -> Result<FactorId, EntropyError> {
        uuid_at(now).map(FactorId)
    }

    /// Begins an enrolment, which is its session's: an earlier one of the same session is gone, and this one goes with the session.
    ///
    /// # Security
    /// The caller has judged what it says was `shown`, in this request.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn begin_totp(
        &self,
        holder: Holder,
        new: &SealedTotp,
        shown: Shown,
        now: Micros,
    ) -> Result<(), EnrolError> {
        const PUT: &str = "
INSERT INTO totp_enrolments (tenant_id, session_id, id, name, sealed_secret, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, session_id) DO UPDATE
SET id = excluded.id, name = excluded.name, sealed_secret = excluded.sealed_secret, created_at = excluded.created_at";
        let mut tx = self.pool.tenant(holder.tenant).begin().await?;
        let checked = holder.check(&mut tx, now).await?;
        checked.may_enrol(shown, now)?;
        if checked.factors.len() >= FACTORS_MAX {
            return Err(EnrolError::TooMany);
        }
        tx.query(PUT)
            .bind(holder.session.0)
            .bind(new.id.0)
            .bind(new.name.as_str())
            .bind(new.sealed_secret.as_str())
            .bind(now.0)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The session's enrolment with this id, if it was begun lately and is not finished. No other session sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_totp(
        &self,
        holder: Holder,
        factor: FactorId,
        now: Micros,
    ) -> Result<Option<SealedTotp>, StoreError> {
        const PENDING: &str = "
SELECT e.id AS id, e.name AS name, e.sealed_secret AS sealed_secret
FROM totp_enrolments AS e
JOIN sessions AS s ON s.tenant_id = e.tenant_id AND s.id = e.session_id
WHERE e.tenant_id = $1
  AND e.session_id = $2
  AND e.id = $3
  AND e.created_at > $4
  AND s.account_id = $5
  AND s.expires_at > $6";
        let mut tx = self.pool.tenant(holder.tenant).read().await?;
        let row: Option<TotpRow> = tx
            .query(PENDING)
            .bind(holder.session.0)
            .bind(factor.0)
            .bind(begun_since(now).0)
            .bind(holder.account.0)
            .bind(now.0)
            .fetch_optional()
            .await?;
        row.map(TotpRow::into_sealed).transpose()
    }

    /// Finishes an enrolment with the time step of the code that proved it: that code counts as used. With the first factor come
    /// new recovery codes. None where it is no longer open; of two at once, one finishes it.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn confirm_totp(
        &self,
        holder: Holder,
        factor: FactorId,
        step: i64,
        now: Micros,
    ) -> Result<Option<Ready<Enrolled>>, EnrolError> {
        const TAKE: &str = "
DELETE FROM totp_enrolments
WHERE tenant_id = $1
  AND session_id = $2
  AND id = $3
  AND created_at > $4
RETURNING id, name, sealed_secret";
        const INSERT: &str = "
INSERT INTO totp_factors (tenant_id, id, account_id, name, sealed_secret, last_step, created_at, confirmed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        let mut tx = self.pool.tenant(holder.tenant).begin().await?;
        // That it may be the first one was shown when it was begun, in this session: else there would be none of it.
        let checked = holder.check(&mut tx, now).await?;
        if checked.factors.len() >= FACTORS_MAX {
            return Err(EnrolError::TooMany);
        }
        let taken = tx.query(TAKE).bind(holder.session.0).bind(factor.0).bind(begun_since(now).0);
        let Some(row) = taken.fetch_optional::<TotpRow>().await? else { return Ok(None) };
        tx.query(INSERT)
            .bind(row.id)
            .bind(holder.account.0)
            .bind(row.name)
            .bind(row.sealed_secret)
            .bind(step)
            .bind(now.0)
            .execute()
            .await?;
        let is_first = checked.factors.is_empty();
        let recovery_codes = match is_first || recovery::count(&mut tx, holder.account).await? == 0 {
            true => recovery::draw_in(&mut tx, holder.account, now).await?,
            false => Vec::new(),
        };
        Ok(Some(Ready::new(tx, Enrolled { recovery_codes })))
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

    /// Spends the time step of a code that is right, once that is committed, and forgets the wrong ones before it. None where it does
    /// not count: of all who show codes of one step, or of an earlier one, to any gateway, the first alone may (RFC 6238 §5.2).
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
    ) -> Result<Option<Ready<()>>, StoreError> {
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
        Ok((moved == 1).then(|| Ready::new(tx, ())))
    }
}

/// Deletes enrolments that took too long, of all tenants.
pub(crate) async fn prune_enrolments(tx: &mut SystemTx, now: Micros) -> Result<(), StoreError> {
    const PRUNE: &str = "
DELETE FROM totp_enrolments
WHERE (tenant_id, session_id) IN (
    SELECT tenant_id, session_id
    FROM totp_enrolments
    WHERE created_at <= $1
    LIMIT $2
)";
    tx.query(PRUNE).bind(begun_since(now).0).bind(PRUNE_MAX).execute().await.map(drop)
}

fn begun_since(now: Micros) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(ENROLMENT_MAX.as_micros()).unwrap_or(i64::MAX)))
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
