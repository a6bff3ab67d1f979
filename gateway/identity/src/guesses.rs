//! How often people who are signed in tried in vain to prove who they are, as all gateways of a store know it.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{Micros, PrincipalId, ProofKind, TenantId};

use crate::Ready;

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
        let known: Option<(i64, i64)> = tx.query(FIND).bind(account.0).bind(at.text()).fetch_optional().await?;
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
            .bind(at.text())
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

async fn forget(tx: &mut TenantTx, account: PrincipalId, at: GuessedAt) -> Result<(), StoreError> {
    const FORGET: &str = "
DELETE FROM proof_guesses
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = $3";
    tx.query(FORGET).bind(account.0).bind(at.text()).execute().await.map(drop)
}
