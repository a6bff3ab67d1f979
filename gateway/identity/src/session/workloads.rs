//! Service accounts for which an issuer elsewhere vouches. Whether it does is judged by whoever asks here.

use std::sync::Arc;
use std::time::Duration;

use cedargate_migrations::TenantTx;
use cedargate_model::{AuthnStrength, Credential, Micros, Principal, PrincipalId, SessionId, TenantId, TenantName};

use super::programs::ProgramRefused;
use super::{FindProgramError, Sessions, earlier};
use crate::session_rows::Loaded;
use crate::{AccountState, ServiceAccountName, ServiceAccounts, StoreError};

/// How many spent assertions whose time is over one that is spent clears away.
const CLEARED_MAX: i64 = 1_000;

/// How long they are kept beyond it. Another gateway's clock may be behind, and an assertion that waits for its issuer's keys is judged
/// by when it came.
const SPENT_KEPT: Duration = Duration::from_secs(5 * 60);

impl Sessions {
    /// The service account of this name, as an issuer's word makes it known.
    ///
    /// # Errors
    /// [`FindProgramError`].
    pub async fn find_workload(
        &self,
        tenant: TenantId,
        name: &ServiceAccountName,
        now: Micros,
    ) -> Result<Arc<Principal>, FindProgramError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        let account = ServiceAccounts::find_by_name_in(&mut tx, name).await?.ok_or(ProgramRefused::Unknown)?;
        Ok(load(&mut tx, account.id, now).await?.principal)
    }

    /// Spends an assertion that counts once, known by a hash of its name, until its time is over. False where it was spent before.
    ///
    /// # Errors
    /// [`StoreError`]; then nobody may take it.
    pub async fn spend_assertion(
        &self,
        tenant: TenantId,
        assertion: &[u8; 32],
        until: Micros,
        now: Micros,
    ) -> Result<bool, StoreError> {
        const CLEAR: &str = "
DELETE FROM spent_assertions
WHERE tenant_id = $1
  AND assertion_hash IN (
    SELECT assertion_hash
    FROM spent_assertions
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
        const SPEND: &str = "
INSERT INTO spent_assertions (tenant_id, assertion_hash, expires_at)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, assertion_hash) DO NOTHING";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(CLEAR).bind(earlier(now, SPENT_KEPT).0).bind(CLEARED_MAX).execute().await?;
        let spent = tx.query(SPEND).bind(assertion.as_slice()).bind(until.0).execute().await?;
        tx.commit().await?;
        Ok(spent == 1)
    }
}

/// The service account itself, for what was issued for it alone.
pub(super) async fn load(tx: &mut TenantTx, account: PrincipalId, now: Micros) -> Result<Loaded, FindProgramError> {
    const TENANT: &str = "
SELECT name
FROM tenants
WHERE id = $1";
    let found = ServiceAccounts::find_in(tx, account).await?.ok_or(ProgramRefused::Unknown)?;
    if found.state != AccountState::Active {
        return Err(ProgramRefused::AccountDisabled.into());
    }
    let (name,): (String,) = tx.query(TENANT).fetch_one().await?;
    let id = tx.tenant().0;
    let impossible = |_| StoreError::Impossible { table: "tenants", column: "name", id: id.to_string() };
    let principal = Principal {
        id: account,
        tenant: tx.tenant(),
        tenant_name: TenantName::parse(&name).map_err(impossible)?,
        display: found.name.as_str().to_owned(),
        roles: found.roles,
        session: SessionId(account.0),
        credential: Credential::WorkloadToken,
        strength: AuthnStrength { level: 1, methods: Vec::new() },
        authenticated_at: now,
        version: found.version,
    };
    Ok(Loaded { principal: Arc::new(principal), last_seen_at: now, expires_at: Micros(i64::MAX), idle_timeout: None })
}
