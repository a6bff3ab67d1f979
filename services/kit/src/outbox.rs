//! The audit outbox: what was changed, written in the transaction of the change. `relay` delivers from here.

use cedargate_assertion::{AssertedSubject, Identity};
use cedargate_migrations::{Migration, MigrationSet, StoreError, TenantTx};
use cedargate_model::{DecisionId, Micros};
use uuid::Uuid;

/// The outbox's own schema, in every service's store.
pub const OUTBOX: MigrationSet = MigrationSet {
    name: "kit",
    migrations: &[
        Migration {
            version: 1,
            name: "audit_outbox",
            sqlite: include_str!("../migrations/sqlite/0001_audit_outbox.sql"),
            postgres: include_str!("../migrations/postgres/0001_audit_outbox.sql"),
        },
        Migration {
            version: 2,
            name: "outbox_refused",
            sqlite: include_str!("../migrations/sqlite/0002_outbox_refused.sql"),
            postgres: include_str!("../migrations/postgres/0002_outbox_refused.sql"),
        },
    ],
};

/// What was done. Holds no secret and nothing that the tenant would not want in an audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The Cedar action's name, which is the operation's id: `UpdateItem`.
    pub action: &'static str,
    /// The Cedar resource: `Inventory::Item::"0190…"`.
    pub resource: String,
    /// A small JSON object of facts, at most 2,048 bytes as text.
    pub detail: serde_json::Value,
}

const INSERT: &str = "
INSERT INTO audit_outbox (
    tenant_id,
    id,
    decision_id,
    principal_id,
    session_id,
    action,
    resource,
    detail,
    recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(crate) async fn write(
    tx: &mut TenantTx,
    identity: &Identity,
    decision: DecisionId,
    act: Act,
    now: Micros,
) -> Result<(), StoreError> {
    let (principal, session) = match identity.subject {
        AssertedSubject::Anonymous => (None, None),
        AssertedSubject::Principal { id, session, .. } => (Some(id.0), Some(session.0)),
    };
    tx.query(INSERT)
        .bind(Uuid::now_v7())
        .bind(decision.0)
        .bind(principal)
        .bind(session)
        .bind(act.action)
        .bind(act.resource)
        .bind(act.detail.to_string())
        .bind(now.0)
        .execute()
        .await
        .map(drop)
}
