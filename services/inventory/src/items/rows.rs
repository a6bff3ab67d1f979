//! Items in the store.

use cedargate_kit::PageRequest;
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Item, ItemChanges};

const PAGE: &str = "
SELECT id, sku, name, unit, created_at, updated_at
FROM items
WHERE tenant_id = $1
  AND id > $2
ORDER BY id
LIMIT $3";

/// The rows of a page, and one more if there is a next one.
pub(crate) async fn page(tx: &mut TenantTx, page: &PageRequest) -> Result<Vec<Item>, StoreError> {
    let rows: Vec<ItemRow> = tx.query(PAGE).bind(page.after()).bind(page.rows()).fetch_all().await?;
    Ok(rows.into_iter().map(Item::from).collect())
}

const FIND: &str = "
SELECT id, sku, name, unit, created_at, updated_at
FROM items
WHERE tenant_id = $1
  AND id = $2";

/// The item of that id.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Item>, StoreError> {
    let row: Option<ItemRow> = tx.query(FIND).bind(id).fetch_optional().await?;
    Ok(row.map(Item::from))
}

/// Whether there is an item of that id.
pub(crate) async fn exists(tx: &mut TenantTx, id: Uuid) -> Result<bool, StoreError> {
    Ok(find(tx, id).await?.is_some())
}

const INSERT: &str = "
INSERT INTO items (tenant_id, id, sku, name, unit, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Adds an item. `Conflict` if its SKU is taken.
pub(crate) async fn insert(tx: &mut TenantTx, item: &Item) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(item.id)
        .bind(item.sku.as_str())
        .bind(item.name.as_str())
        .bind(item.unit.as_str())
        .bind(item.created_at)
        .bind(item.updated_at)
        .execute()
        .await
        .map(drop)
}

const UPDATE: &str = "
UPDATE items
SET sku = coalesce($3, sku),
    name = coalesce($4, name),
    unit = coalesce($5, unit),
    updated_at = $6
WHERE tenant_id = $1
  AND id = $2
RETURNING id, sku, name, unit, created_at, updated_at";

/// Changes an item; none if there is no such item. `Conflict` if the new SKU is taken.
pub(crate) async fn update(
    tx: &mut TenantTx,
    id: Uuid,
    changes: ItemChanges,
    now: Micros,
) -> Result<Option<Item>, StoreError> {
    let row: Option<ItemRow> = tx
        .query(UPDATE)
        .bind(id)
        .bind(changes.sku)
        .bind(changes.name)
        .bind(changes.unit)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(Item::from))
}

const DELETE: &str = "
DELETE FROM items
WHERE tenant_id = $1
  AND id = $2
  AND NOT EXISTS (
    SELECT 1
    FROM lots
    WHERE tenant_id = $1
      AND item_id = $2
  )";

/// Deletes an item that has no lots, and says whether it did.
pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<bool, StoreError> {
    Ok(tx.query(DELETE).bind(id).execute().await? == 1)
}

#[derive(FromRow)]
struct ItemRow {
    id: Uuid,
    sku: String,
    name: String,
    unit: String,
    created_at: i64,
    updated_at: i64,
}

impl From<ItemRow> for Item {
    fn from(row: ItemRow) -> Self {
        let ItemRow { id, sku, name, unit, created_at, updated_at } = row;
        Self { id, sku, name, unit, created_at, updated_at }
    }
}
