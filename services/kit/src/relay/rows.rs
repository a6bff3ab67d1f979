//! The outbox as delivery sees it: of all tenants at once.

use cedargate_migrations::{Pool, StoreError};
use cedargate_model::Micros;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// An event that waits, and its line as the gateway takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) tenant: Uuid,
    pub(super) id: Uuid,
    pub(super) decision: Uuid,
    pub(super) line: String,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The gateway has it.
    Delivered,
    /// The gateway does not take it, and why.
    Refused(String),
}

/// The order of ids is the order of time, and within a tenant the order of its changes.
const WAITING: &str = "
SELECT
    tenant_id,
    id,
    decision_id,
    action,
    resource,
    detail,
    recorded_at
FROM audit_outbox
WHERE refused_at IS NULL
ORDER BY id
LIMIT $1";

/// The oldest events that wait, at most so many.
pub(super) async fn waiting(pool: &Pool, events_max: u32) -> Result<Vec<Waiting>, StoreError> {
    let mut tx = pool.read_system().await?;
    let rows: Vec<(Uuid, Uuid, Uuid, String, String, String, i64)> =
        tx.query(WAITING).bind(i64::from(events_max)).fetch_all().await?;
    rows.into_iter()
        .map(|(tenant, id, decision, action, resource, detail, done_at)| {
            let impossible = |_| StoreError::Impossible { table: "audit_outbox", column: "detail", id: id.to_string() };
            let detail: Box<RawValue> = serde_json::from_str(&detail).map_err(impossible)?;
            let line = Line { event: id, tenant, decision, action, resource, done_at, detail };
            let line = serde_json::to_string(&line).map_err(impossible)?;
            Ok(Waiting { tenant, id, decision, line })
        })
        .collect()
}

const DELIVERED: &str = "
DELETE FROM audit_outbox
WHERE tenant_id = $1
  AND id = $2";

const REFUSED: &str = "
UPDATE audit_outbox
SET refused_at = $3,
    refused_code = $4
WHERE tenant_id = $1
  AND id = $2";

/// The longest code that is kept.
const CODE_CHARACTERS_MAX: usize = 64;

/// Forgets what was delivered and puts aside what was refused, in one transaction.
pub(super) async fn settle(pool: &Pool, settled: &[(&Waiting, Settled)], now: Micros) -> Result<(), StoreError> {
    let mut tx = pool.begin_system().await?;
    for (event, settled) in settled {
        match settled {
            Settled::Delivered => tx.query(DELIVERED).bind(event.tenant).bind(event.id).execute().await?,
            Settled::Refused(code) => {
                let code: String = code.chars().take(CODE_CHARACTERS_MAX).collect();
                let code = if code.is_empty() { "unknown".to_owned() } else { code };
                tx.query(REFUSED).bind(event.tenant).bind(event.id).bind(now.0).bind(code).execute().await?
            }
        };
    }
    tx.commit().await
}

const UNPARK: &str = "
UPDATE audit_outbox
SET refused_at = NULL,
    refused_code = NULL
WHERE refused_at IS NOT NULL";

/// Lets everything that was put aside wait again; how many there were.
pub(super) async fn unpark(pool: &Pool) -> Result<u64, StoreError> {
    let mut tx = pool.begin_system().await?;
    let moved = tx.query(UNPARK).execute().await?;
    tx.commit().await?;
    Ok(moved)
}

#[derive(Serialize)]
struct Line {
    event: Uuid,
    tenant: Uuid,
    decision: Uuid,
    action: String,
    resource: String,
    done_at: i64,
    detail: Box<RawValue>,
}
