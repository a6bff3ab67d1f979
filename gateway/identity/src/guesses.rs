//! How often people who are signed in tried in vain to prove who they are, as all gateways of a store know it.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, ProofKind, TenantId};

use crate::Ready;

/// How many counts an account has at once: of each kind one that all unknown devices share, and those of devices that are known. More of
/// these count with the unknown ones.
const COUNTS_MAX: i64 = 12;

/// When a count is over to which nobody added. Far longer than the longest delay.
const OVER_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures of one account with one kind of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last_at: Micros,
}

/// A device on which the person proved a factor before, as its browser says by a sealed cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(pub [u8; 8]);

/// What is guessed at, and from where. Known devices have a count of their own: whoever has the password, and guesses at the rest, keeps
/// nobody waiting who is at a device of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessedAt {
    /// The kind of proof.
    pub kind: ProofKind,
    /// The device, where it is known; all others count together.
    pub device: Option<DeviceId>,
}

impl GuessedAt {
    /// From a device that nobody knows.
    pub fn from_anywhere(kind: ProofKind) -> Self {
        Self { kind, device: None }
    }

    fn text(self) -> String {
        match self.device {
            None => self.kind.as_str().to_owned(),
            Some(DeviceId(octets)) => format!("{}:{:016x}", self.kind.as_str(), u64::from_be_bytes(octets)),
        }
    }
}

/// The guesses that a store counts.
#[derive(Clone, Debug)]
pub struct ProofGuesses {
    pool: Pool,
}

impl ProofGuesses {
    /// The guesses in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Since when a device of this account's is known by what its browser keeps; none where there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn devices_since(&self, tenant: TenantId, account: PrincipalId) -> Result<Option<Micros>, StoreError> {
        const SINCE: &str = "
SELECT devices_since
FROM accounts
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found: Option<(i64,)> = tx.query(SINCE).bind(account.0).fetch_optional().await?;
        Ok(found.map(|(since,)| Micros(since)))
    }

    /// Lets `judge` say of what is known so far what is to be known from now on, or how long to wait: then nothing changes. One
    /// transaction, so that many attempts at once, at whichever gateways, are counted one by one.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was counted.
    pub async fn count(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        at: GuessedAt,
        now: Micros,
        judge: impl FnOnce(Option<Guesses>) -> Result<Guesses, Duration>,
    ) -> Result<Result<(), Duration>, StoreError> {
        const FIND: &str = "
SELECT failures, last_at
FROM proof_guesses
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = $3";
        const PUT: &str = "
INSERT INTO proof_guesses (tenant_id, account_id, kind, failures, last_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, account_id, kind) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let mut text = at.text();
        let mut known: Option<(i64, i64)> = tx.query(FIND).bind(account.0).bind(text.as_str()).fetch_optional().await?;
        if at.device.is_some() && known.is_none() && !may_count_apart(&mut tx, account, now).await? {
            // Whoever makes one device after the other known has no more guesses by that.
            text = GuessedAt::from_anywhere(at.kind).text();
            known = tx.query(FIND).bind(account.0).bind(text.as_str()).fetch_optional().await?;
        }
        let known = known.map(|(failures, last_at)| Guesses {
            count: u32::try_from(failures).unwrap_or(u32::MAX),
            last_at: Micros(last_at),
        });
        let counted = match judge(known) {
            Ok(counted) => counted,
            Err(retry_after) => return Ok(Err(retry_after)),
        };
        tx.query(PUT)
            .bind(account.0)
            .bind(text)
            .bind(i64::from(counted.count))
            .bind(counted.last_at.0)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// The person is who they say: their failures are forgotten.
    ///
    /// # Errors
    /// [`StoreError`]; they are then remembered.
    pub async fn forget(&self, tenant: TenantId, account: PrincipalId, at: GuessedAt) -> Result<(), StoreError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        forget(&mut tx, account, at).await?;
        tx.commit().await
    }

    /// The same, together with what shows it: both happen or neither does.
    ///
    /// # Errors
    /// [`StoreError`]; then the other does not happen either.
    pub async fn forget_with<T>(
        &self,
        shown: Ready<T>,
        account: PrincipalId,
        at: GuessedAt,
    ) -> Result<Ready<T>, StoreError> {
        let (mut tx, shown) = shown.into_parts();
        forget(&mut tx, account, at).await?;
        Ok(Ready::new(tx, shown))
    }

    /// We could not try one that was counted, so nobody failed.
    ///
    /// # Errors
    /// [`StoreError`]; it then counts.
    pub async fn uncount(&self, tenant: TenantId, account: PrincipalId, at: GuessedAt) -> Result<(), StoreError> {
        const UNCOUNT: &str = "
UPDATE proof_guesses
SET failures = failures - 1
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = $3
  AND failures > 1";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        if tx.query(UNCOUNT).bind(account.0).bind(at.text()).execute().await? == 0 {
            forget(&mut tx, account, at).await?;
        }
        tx.commit().await
    }
}

/// Whether one more device may have a count of its own. Counts that nobody added to for a day are over, and cleared.
async fn may_count_apart(tx: &mut TenantTx, account: PrincipalId, now: Micros) -> Result<bool, StoreError> {
    const CLEAR: &str = "
DELETE FROM proof_guesses
WHERE tenant_id = $1
  AND account_id = $2
  AND last_at <= $3";
    const COUNT: &str = "
SELECT COUNT(*)
FROM proof_guesses
WHERE tenant_id = $1
  AND account_id = $2";
    let over = now.0.saturating_sub(i64::try_from(OVER_AFTER.as_micros()).unwrap_or(i64::MAX));
    tx.query(CLEAR).bind(account.0).bind(over).execute().await?;
    let (counts,): (i64,) = tx.query(COUNT).bind(account.0).fetch_one().await?;
    Ok(counts < COUNTS_MAX)
}

/// No device of an account is known any more by what its browser keeps: whoever else had the account may have made some known.
pub(crate) async fn forget_devices(tx: &mut TenantTx, account: PrincipalId, now: Micros) -> Result<(), StoreError> {
    const SINCE: &str = "
UPDATE accounts
SET devices_since = $3
WHERE tenant_id = $1
  AND id = $2";
    tx.query(SINCE).bind(account.0).bind(now.0).execute().await.map(drop)
}

async fn forget(tx: &mut TenantTx, account: PrincipalId, at: GuessedAt) -> Result<(), StoreError> {
    const FORGET: &str = "
DELETE FROM proof_guesses
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = $3";
    tx.query(FORGET).bind(account.0).bind(at.text()).execute().await.map(drop)
}
