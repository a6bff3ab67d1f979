//! What operators did with the store, on its way into the record.
//!
//! The record belongs to the gateways: a command has no part in it. So it leaves its event in the store, in the transaction that does the
//! thing, and a gateway takes it from there.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{
    AccountAct, AccountEvent, By, ConnectionName, Event, EventBody, EventId, Micros, PrincipalId, TenantName,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::NoticeError;
use crate::random::{EntropyError, uuid_at};

/// How many are taken at a time.
const TAKEN_MAX: i64 = 100;

/// How long a gateway has to record what it took: far longer than the record is ever waited for.
const LEASE: Duration = Duration::from_secs(60);

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

impl From<NoticeError> for OperatorError {
    fn from(error: NoticeError) -> Self {
        match error {
            NoticeError::Entropy(error) => Self::Entropy(error),
            NoticeError::Store(error) => Self::Store(error),
        }
    }
}

/// Events that wait in a store for a gateway to record them.
#[derive(Clone, Debug)]
pub struct OperatorEvents {
    pool: Pool,
}

/// Events that were taken: for [`LEASE`] no other gateway takes them, and whoever records them gives them up. Where that does not
/// happen they wait again, and are recorded under the same id.
#[derive(Debug)]
#[must_use = "what is not given up is taken again"]
pub struct Taken {
    events: Vec<Event>,
    places: Vec<(Uuid, Uuid)>,
    unreadable: usize,
}

impl OperatorEvents {
    /// The events in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Takes some of those that wait, if any do. One that cannot be read, because a newer gateway has to, is set aside for it: nothing
    /// waits behind it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(&self, now: Micros) -> Result<Option<Taken>, StoreError> {
        const WAIT: &str = "
SELECT id
FROM operator_events
WHERE leased_until IS NULL
   OR leased_until <= $1
LIMIT 1";
        const TAKE: &str = "
UPDATE operator_events
SET leased_until = $2
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id
    FROM operator_events
    WHERE leased_until IS NULL
       OR leased_until <= $1
    ORDER BY id
    LIMIT $3
)
RETURNING tenant_id, id, event";
        // Most of the time there is nothing, and nobody needs to wait for this.
        let mut tx = self.pool.read_system().await?;
        if tx.query(WAIT).bind(now.0).fetch_optional::<(Uuid,)>().await?.is_none() {
            return Ok(None);
        }
        drop(tx);
        let mut tx = self.pool.begin_system().await?;
        let take = tx.query(TAKE).bind(now.0).bind(now.after(LEASE).0).bind(TAKEN_MAX);
        let mut rows: Vec<EventRow> = take.fetch_all().await?;
        // What is recorded takes its time, and nobody's sign-in waits for that.
        tx.commit().await?;
        rows.sort_by_key(|row| row.id);
        let mut taken = Taken { events: Vec::new(), places: Vec::new(), unreadable: 0 };
        for EventRow { tenant_id, id, event } in rows {
            match serde_json::from_str(&event) {
                Ok(event) => {
                    taken.events.push(event);
                    taken.places.push((tenant_id, id));
                }
                Err(_) => taken.unreadable += 1,
            }
        }
        Ok(Some(taken))
    }

    /// They are durable in the record, and wait no more.
    ///
    /// # Errors
    /// [`StoreError`]; then they are recorded again.
    pub async fn give_up(&self, taken: &Taken) -> Result<(), StoreError> {
        const GIVE_UP: &str = "
DELETE FROM operator_events
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.begin_system().await?;
        for (tenant, id) in &taken.places {
            tx.query(GIVE_UP).bind(*tenant).bind(*id).execute().await?;
        }
        tx.commit().await
    }
}

impl Taken {
    /// What is to be recorded, the oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many were set aside for a newer gateway.
    pub fn unreadable(&self) -> usize {
        self.unreadable
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
    leave_body(tx, EventBody::Account(Box::new(done)), now).await
}

/// Leaves an event of another kind, in the same way.
pub(crate) async fn leave_body(tx: &mut TenantTx, body: EventBody, now: Micros) -> Result<(), OperatorError> {
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
    let name = TenantName::parse(&name).map_err(|_| impossible("name"))?;
    let event = Event { id: EventId(uuid_at(now)?), at: now, tenant: Some(name), body };
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
    tenant_id: Uuid,
    id: Uuid,
    event: String,
}
