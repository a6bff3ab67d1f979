//! Kept answers in the store.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::Micros;
use http::StatusCode;

use super::{Attempt, Named};
use crate::{Reply, Version};

/// An answer that was given.
pub(super) struct Known {
    pub(super) fingerprint: [u8; 32],
    pub(super) reply: Reply,
}

const FIND: &str = "
SELECT fingerprint, status, location, version, body
FROM idempotency_keys
WHERE tenant_id = $1
  AND principal_id = $2
  AND operation = $3
  AND idempotency_key = $4
  AND expires_at > $5";

type KnownRow = (Vec<u8>, Option<i64>, Option<String>, Option<i64>, Option<Vec<u8>>);

/// The answer that this key was given and that has not expired.
pub(super) async fn find(tx: &mut TenantTx, attempt: &Attempt, now: Micros) -> Result<Option<Known>, StoreError> {
    let Named { principal, operation, key, fingerprint: _ } = &*attempt.0;
    let query = tx.query(FIND).bind(*principal).bind(operation.as_str()).bind(key.as_str()).bind(now.0);
    let row: Option<KnownRow> = query.fetch_optional().await?;
    let Some((fingerprint, status, location, version, body)) = row else { return Ok(None) };
    // A key is claimed and completed in one transaction: nobody sees it in between.
    let impossible = |column| StoreError::Impossible { table: "idempotency_keys", column, id: key.as_str().to_owned() };
    let status = status.and_then(|status| u16::try_from(status).ok()).and_then(|s| StatusCode::from_u16(s).ok());
    let status = status.ok_or_else(|| impossible("status"))?;
    let fingerprint = fingerprint.try_into().map_err(|_| impossible("fingerprint"))?;
    let body = body.unwrap_or_default().into();
    let reply = Reply { status, location, version: version.map(Version), body, is_replayed: true };
    Ok(Some(Known { fingerprint, reply }))
}

const FORGET: &str = "
DELETE FROM idempotency_keys
WHERE tenant_id = $1
  AND principal_id = $2
  AND operation = $3
  AND idempotency_key = $4
  AND expires_at <= $5";

/// More than one for each that is added, so that the table shrinks when less is asked for.
const PRUNE: &str = "
DELETE FROM idempotency_keys
WHERE tenant_id = $1
  AND (principal_id, operation, idempotency_key) IN (
    SELECT principal_id, operation, idempotency_key
    FROM idempotency_keys
    WHERE tenant_id = $1
      AND expires_at <= $2
    ORDER BY expires_at
    LIMIT 32
  )";

/// Deletes this key if it has expired, and some others that have.
pub(super) async fn forget_expired(tx: &mut TenantTx, attempt: &Attempt, now: Micros) -> Result<(), StoreError> {
    let Named { principal, operation, key, fingerprint: _ } = &*attempt.0;
    tx.query(FORGET).bind(*principal).bind(operation.as_str()).bind(key.as_str()).bind(now.0).execute().await?;
    tx.query(PRUNE).bind(now.0).execute().await?;
    Ok(())
}

const CLAIM: &str = "
INSERT INTO idempotency_keys (
    tenant_id,
    principal_id,
    operation,
    idempotency_key,
    fingerprint,
    created_at,
    expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, principal_id, operation, idempotency_key) DO NOTHING";

/// Takes the key, and says whether it was free. Waits for whoever is about to take it.
pub(super) async fn claim(
    tx: &mut TenantTx,
    attempt: &Attempt,
    now: Micros,
    expires_at: Micros,
) -> Result<bool, StoreError> {
    let Named { principal, operation, key, fingerprint } = &*attempt.0;
    let query = tx.query(CLAIM).bind(*principal).bind(operation.as_str()).bind(key.as_str());
    let claimed = query.bind(fingerprint.to_vec()).bind(now.0).bind(expires_at.0).execute().await?;
    Ok(claimed == 1)
}

const KEEP: &str = "
UPDATE idempotency_keys
SET status = $5,
    location = $6,
    version = $7,
    body = $8
WHERE tenant_id = $1
  AND principal_id = $2
  AND operation = $3
  AND idempotency_key = $4";

/// Completes a claimed key.
pub(super) async fn keep(tx: &mut TenantTx, attempt: &Attempt, reply: &Reply) -> Result<(), StoreError> {
    let Named { principal, operation, key, fingerprint: _ } = &*attempt.0;
    let query = tx.query(KEEP).bind(*principal).bind(operation.as_str()).bind(key.as_str());
    query
        .bind(i64::from(reply.status.as_u16()))
        .bind(reply.location.as_deref())
        .bind(reply.version.map(|version| version.0))
        .bind(reply.body.to_vec())
        .execute()
        .await
        .map(drop)
}
