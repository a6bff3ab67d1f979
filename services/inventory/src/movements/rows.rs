//! Movements in the store.

use cedargate_kit::{Filter, FilterKind, Listed, Sort, sorts};
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use uuid::Uuid;

use super::Movement;

impl Listed for MovementRow {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "lot", kind: FilterKind::Id, about: "Only those of this lot." },
        Filter { name: "recorded_at.gte", kind: FilterKind::Number, about: "Only from this microsecond on." },
        Filter { name: "recorded_at.lt", kind: FilterKind::Number, about: "Only before this microsecond." },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, item_id, lot_id, quantity, reason, recorded_at
FROM movements
WHERE tenant_id = $1
  AND item_id = $2
  AND ($3 IS NULL OR lot_id = $3)
  AND ($4 IS NULL OR recorded_at >= $4)
  AND ($5 IS NULL OR recorded_at < $5)",
        limit "$6";
        "recorded_at": "(recorded_at, id) > ($7, $8)" => "recorded_at, id",
            |movement| vec![movement.recorded_at.into(), movement.id.into()];
        "-recorded_at": "(recorded_at, id) < ($7, $8)" => "recorded_at DESC, id DESC",
            |movement| vec![movement.recorded_at.into(), movement.id.into()];
    };
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

/// A movement as the store holds it.
#[derive(FromRow)]
pub(crate) struct MovementRow {
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
