//! Lots in the store.

use cedargate_kit::PageRequest;
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Lot, LotState};

const PAGE: &str = "
SELECT id, item_id, code, expires_on, quantity, created_at, recalled_at, recall_reason
FROM lots
WHERE tenant_id = $1
  AND item_id = $2
  AND id > $3
ORDER BY id
LIMIT $4";

/// The rows of a page of an item's lots, and one more if there is a next one.
pub(crate) async fn page(tx: &mut TenantTx, item: Uuid, page: &PageRequest) -> Result<Vec<Lot>, StoreError> {
    let rows: Vec<LotRow> = tx.query(PAGE).bind(item).bind(page.after()).bind(page.rows()).fetch_all().await?;
    rows.into_iter().map(Lot::try_from).collect()
}

const FIND: &str = "
SELECT id, item_id, code, expires_on, quantity, created_at, recalled_at, recall_reason
FROM lots
WHERE tenant_id = $1
  AND id = $2";

/// The lot of that id.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Lot>, StoreError> {
    let row: Option<LotRow> = tx.query(FIND).bind(id).fetch_optional().await?;
    row.map(Lot::try_from).transpose()
}

const INSERT: &str = "
INSERT INTO lots (tenant_id, id, item_id, code, expires_on, quantity, created_at)
VALUES ($1, $2, $3, $4, $5, 0, $6)";

/// Adds an empty lot. `Conflict` if its code is taken.
pub(crate) async fn insert(tx: &mut TenantTx, lot: &Lot) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(lot.id)
        .bind(lot.item)
        .bind(lot.code.as_str())
        .bind(lot.expires_on.as_str())
        .bind(lot.created_at)
        .execute()
        .await
        .map(drop)
}

const RECALL: &str = "
UPDATE lots
SET recalled_at = $3,
    recall_reason = $4
WHERE tenant_id = $1
  AND id = $2
  AND recalled_at IS NULL
RETURNING id, item_id, code, expires_on, quantity, created_at, recalled_at, recall_reason";

/// Recalls an active lot; none if there is no such lot, or it was recalled before.
pub(crate) async fn recall(tx: &mut TenantTx, id: Uuid, reason: &str, now: Micros) -> Result<Option<Lot>, StoreError> {
    let row: Option<LotRow> = tx.query(RECALL).bind(id).bind(now.0).bind(reason).fetch_optional().await?;
    row.map(Lot::try_from).transpose()
}

/// The most that a lot may hold: far from where sums of integers wrap.
pub(crate) const HELD_MAX: i64 = 1_000_000_000_000;

const SHIFT: &str = "
UPDATE lots
SET quantity = quantity + $4
WHERE tenant_id = $1
  AND item_id = $2
  AND id = $3
  AND quantity + $4 >= 0
  AND quantity + $4 <= $5
  AND (recalled_at IS NULL OR $4 > 0)
RETURNING quantity";

/// Adds `quantity`, which may be below zero, to what the lot holds, and returns what it then holds.
///
/// None if the lot is not this item's, holds too little, would hold too much, or is recalled and something should move
/// out. Condition and change are one statement: of two movements that would together empty the lot twice, the second
/// sees what the first left, on every engine and at every isolation level.
pub(crate) async fn shift(tx: &mut TenantTx, item: Uuid, lot: Uuid, quantity: i64) -> Result<Option<i64>, StoreError> {
    let held: Option<(i64,)> =
        tx.query(SHIFT).bind(item).bind(lot).bind(quantity).bind(HELD_MAX).fetch_optional().await?;
    Ok(held.map(|(quantity,)| quantity))
}

#[derive(FromRow)]
struct LotRow {
    id: Uuid,
    item_id: Uuid,
    code: String,
    expires_on: String,
    quantity: i64,
    created_at: i64,
    recalled_at: Option<i64>,
    recall_reason: Option<String>,
}

impl TryFrom<LotRow> for Lot {
    type Error = StoreError;

    fn try_from(row: LotRow) -> Result<Self, StoreError> {
        let LotRow { id, item_id, code, expires_on, quantity, created_at, recalled_at, recall_reason } = row;
        let state = match (recalled_at, recall_reason) {
            (None, None) => LotState::Active,
            (Some(recalled_at), Some(recall_reason)) => LotState::Recalled { recalled_at, recall_reason },
            (None, Some(_)) | (Some(_), None) => {
                return Err(StoreError::Impossible { table: "lots", column: "recall_reason", id: id.to_string() });
            }
        };
        Ok(Self { id, item: item_id, code, expires_on, quantity, created_at, state })
    }
}
