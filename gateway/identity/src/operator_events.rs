//! What operators did with the store, on its way into the record.
//!
//! The record belongs to the gateways: a command has no part in it. So it leaves its event in the store, in the transaction that does the
//! thing, and a gateway takes it from there.

use cedargate_migrations::{Pool, StoreError, SystemTx, TenantTx};
use cedargate_model::{
    AccountAct, AccountEvent, By, ConnectionName, Event, EventBody, EventId, Micros, PrincipalId, TenantName,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::{EntropyError, uuid_at};

/// How many are taken at a time.
const TAKEN_MAX: i64 = 100;

/// Why an operator's act was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Events that wait in a store for a gateway to record them.
#[derive(Clone, Debug)]
pub struct OperatorEvents {
    pool: Pool,
}

/// Events that were taken. Until they are given up, no other gateway takes them; dropped, they wait again.
#[must_use = "what is not given up is taken again"]
pub struct Taken {
    tx: SystemTx,
    events: Vec<Event>,
}

impl OperatorEvents {
    /// The events in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Takes some of those that wait, if any do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(&self) -> Result<Option<Taken>, StoreError> {
        const WAIT: &str = "
SELECT id
FROM operator_events
LIMIT 1";
        const TAKE: &str = "
DELETE FROM operator_events
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id
    FROM operator_events
    ORDER BY id
    LIMIT $1
)
RETURNING id, event";
        // Most of the time there is nothing, and nobody needs to wait for this.
        let mut tx = self.pool.read_system().await?;
        if tx.query(WAIT).fetch_optional::<(Uuid,)>().await?.is_none() {
            return Ok(None);
        }
        drop(tx);
        let mut tx = self.pool.begin_system().await?;
        let mut rows: Vec<EventRow> = tx.query(TAKE).bind(TAKEN_MAX).fetch_all().await?;
        rows.sort_by_key(|row| row.id);
        let events = rows.into_iter().map(EventRow::into_event).collect::<Result<_, _>>()?;
        Ok(Some(Taken { tx, events }))
    }
}

impl Taken {
    /// What is to be recorded, the oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// They are durable in the record, and wait no more. Where this fails they are recorded again, under the same id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_up(self) -> Result<(), StoreError> {
        self.tx.commit().await
    }
}

/// Leaves an event of an account for the record, in the transaction that does what it says.
pub(crate) async fn leave(
    tx: &mut TenantTx,
    principal: PrincipalId,
    connection: Option<&ConnectionName>,
    act: AccountAct,
    now: Micros,
) -> Result<(), OperatorError> {
    let done = AccountEvent {
        decision: None,
        principal,
        session: None,
        client: None,
        by: By::Operator,
        connection: connection.cloned(),
        act,
    };
    leave_event(tx, EventBody::Account(Box::new(done)), now).await
}

/// Leaves any event for the record, in the transaction that does what it says.
pub(crate) async fn leave_event(tx: &mut TenantTx, body: EventBody, now: Micros) -> Result<(), OperatorError> {
    const TENANT: &str = "
SELECT name
FROM tenants
WHERE id = $1";
    const LEAVE: &str = "
INSERT INTO operator_events (tenant_id, id, event)
VALUES ($1, $2, $3)";
    let (name,): (String,) = tx.query(TENANT).fetch_one().await?;
    let id = tx.tenant().0.to_string();
    let impossible = |column| StoreError::Impossible { table: "tenants", column, id };
    let event = Event {
        id: EventId(uuid_at(now)?),
        at: now,
        tenant: Some(TenantName::parse(&name).map_err(|_| impossible("name"))?),
        body,
    };
    let text = event_text(&event)?;
    tx.query(LEAVE).bind(event.id.0).bind(text).execute().await?;
    Ok(())
}

fn event_text(event: &Event) -> Result<String, StoreError> {
    // Plain types of ours: only a defect could keep one from being written.
    serde_json::to_string(event).map_err(|_| impossible_event(event.id.0))
}

fn impossible_event(id: Uuid) -> StoreError {
    StoreError::Impossible { table: "operator_events", column: "event", id: id.hyphenated().to_string() }
}

#[derive(FromRow)]
struct EventRow {
    id: Uuid,
    event: String,
}

impl EventRow {
    fn into_event(self) -> Result<Event, StoreError> {
        serde_json::from_str(&self.event).map_err(|_| impossible_event(self.id))
    }
}
