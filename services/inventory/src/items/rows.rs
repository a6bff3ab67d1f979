//! Items in the store.

use cedargate_kit::{Filter, FilterKind, Listed, Matched, Sort, Version, sorts};
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Item, ItemChanges};

impl Listed for ItemRow {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "sku", kind: FilterKind::Text(64), about: "The one with this SKU." },
        Filter { name: "unit", kind: FilterKind::Text(16), about: "Only what is counted in this unit." },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, sku, name, unit, version, created_at, updated_at
FROM items
WHERE tenant_id = $1
  AND ($2 IS NULL OR sku = $2)
  AND ($3 IS NULL OR unit = $3)",
        limit "$4";
        "created_at": "(created_at, id) > ($5, $6)" => "created_at, id",
            |item| vec![item.created_at.into(), item.id.into()];
        "-created_at": "(created_at, id) < ($5, $6)" => "created_at DESC, id DESC",
            |item| vec![item.created_at.into(), item.id.into()];
        "sku": "sku > $5" => "sku", |item| vec![item.sku.as_str().into()];
        "-sku": "sku < $5" => "sku DESC", |item| vec![item.sku.as_str().into()];
        "name": "(name, id) > ($5, $6)" => "name, id", |item| vec![item.name.as_str().into(), item.id.into()];
        "-name": "(name, id) < ($5, $6)" => "name DESC, id DESC",
            |item| vec![item.name.as_str().into(), item.id.into()];
    };
}

const FIND: &str = "
SELECT id, sku, name, unit, version, created_at, updated_at
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
INSERT INTO items (tenant_id, id, sku, name, unit, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Adds an item. `Conflict` if its SKU is taken.
pub(crate) async fn insert(tx: &mut TenantTx, item: &Item) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(item.id)
        .bind(item.sku.as_str())
        .bind(item.name.as_str())
        .bind(item.unit.as_str())
        .bind(item.version.0)
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
    updated_at = $6,
    version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND ($7 IS NULL OR version = $7)
RETURNING id, sku, name, unit, version, created_at, updated_at";

/// Changes an item; none if it is not there in the version that was seen. `Conflict` if the new SKU is taken.
pub(crate) async fn update(
    tx: &mut TenantTx,
    id: Uuid,
    seen: Option<Matched>,
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
        .bind(seen.map(Matched::version))
        .fetch_optional()
        .await?;
    Ok(row.map(Item::from))
}

const DELETE: &str = "
DELETE FROM items
WHERE tenant_id = $1
  AND id = $2
  AND ($3 IS NULL OR version = $3)
  AND NOT EXISTS (
    SELECT 1
    FROM lots
    WHERE tenant_id = $1
      AND item_id = $2
  )";

/// Deletes an item in the version that was seen, if it has no lots, and says whether it did.
pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid, seen: Option<Matched>) -> Result<bool, StoreError> {
    Ok(tx.query(DELETE).bind(id).bind(seen.map(Matched::version)).execute().await? == 1)
}

const HAS_LOTS: &str = "
SELECT id
FROM lots
WHERE tenant_id = $1
  AND item_id = $2
LIMIT 1";

/// Whether an item has lots.
pub(crate) async fn has_lots(tx: &mut TenantTx, id: Uuid) -> Result<bool, StoreError> {
    Ok(tx.query(HAS_LOTS).bind(id).fetch_optional::<(Uuid,)>().await?.is_some())
}

/// An item as the store holds it.
#[derive(FromRow)]
pub(crate) struct ItemRow {
    id: Uuid,
    sku: String,
    name: String,
    unit: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<ItemRow> for Item {
    fn from(row: ItemRow) -> Self {
        let ItemRow { id, sku, name, unit, version, created_at, updated_at } = row;
        Self { id, sku, name, unit, version: Version(version), created_at, updated_at }
    }
}
