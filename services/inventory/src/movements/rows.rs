//! Movements in the store.

use cedargate_kit::PageRequest;
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use uuid::Uuid;

use super::Movement;

const PAGE: &str = "
SELECT id, item_id, lot_id, quantity, reason, recorded_at
FROM movements
WHERE tenant_id = $1
  AND item_id = $2
  AND id > $3
ORDER BY id
LIMIT $4";

/// The rows of a page of an item's movements, and one more if there is a next one.
pub(crate) async fn page(tx: &mut TenantTx, item: Uuid, page: &PageRequest) -> Result<Vec<Movement>, StoreError> {
    let rows: Vec<MovementRow> = tx.query(PAGE).bind(item).bind(page.after()).bind(page.rows()).fetch_all().await?;
    Ok(rows.into_iter().map(Movement::from).collect())
}

const INSERT: &str = "
INSERT INTO movements (tenant_id, id, item_id, lot_id, quantity, reason, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Adds a movement. Its lot must have been shifted in the same transaction.
pub(crate) async fn insert(tx: &mut TenantTx, movement: &Movement) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(movement.id)
        .bind(movement.item)
        .bind(movement.lot)
        .bind(movement.quantity)
        .bind(movement.reason.as_str())
        .bind(movement.recorded_at)
        .execute()
        .await
        .map(drop)
}

#[derive(FromRow)]
struct MovementRow {
    id: Uuid,
    item_id: Uuid,
    lot_id: Uuid,
    quantity: i64,
    reason: String,
    recorded_at: i64,
}

impl From<MovementRow> for Movement {
    fn from(row: MovementRow) -> Self {
        let MovementRow { id, item_id, lot_id, quantity, reason, recorded_at } = row;
        Self { id, item: item_id, lot: lot_id, quantity, reason, recorded_at }
    }
}
