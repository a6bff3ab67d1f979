//! Lots in the store.

use cedargate_kit::{Filter, FilterKind, Listed, Matched, Sort, Version, sorts};
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Lot, LotState};

impl Listed for LotRow {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "state", kind: FilterKind::OneOf(&["active", "recalled"]), about: "Only those in this state." },
        Filter {
            name: "expires_on.lt",
            kind: FilterKind::Text(10),
            about: "Only what expires before this day, YYYY-MM-DD.",
        },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, item_id, code, expires_on, quantity, version, created_at, recalled_at, recall_reason
FROM lots
WHERE tenant_id = $1
  AND item_id = $2
  AND ($3 IS NULL OR CASE WHEN recalled_at IS NULL THEN 'active' ELSE 'recalled' END = $3)
  AND ($4 IS NULL OR expires_on < $4)",
        limit "$5";
        "created_at": "(created_at, id) > ($6, $7)" => "created_at, id",
            |lot| vec![lot.created_at.into(), lot.id.into()];
        "-created_at": "(created_at, id) < ($6, $7)" => "created_at DESC, id DESC",
            |lot| vec![lot.created_at.into(), lot.id.into()];
        "expires_on": "(expires_on, id) > ($6, $7)" => "expires_on, id",
            |lot| vec![lot.expires_on.as_str().into(), lot.id.into()];
        "-expires_on": "(expires_on, id) < ($6, $7)" => "expires_on DESC, id DESC",
            |lot| vec![lot.expires_on.as_str().into(), lot.id.into()];
    };
}

const FIND: &str = "
SELECT id, item_id, code, expires_on, quantity, version, created_at, recalled_at, recall_reason
FROM lots
WHERE tenant_id = $1
  AND id = $2";

/// The lot of that id.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Lot>, StoreError> {
    let row: Option<LotRow> = tx.query(FIND).bind(id).fetch_optional().await?;
    row.map(Lot::try_from).transpose()
}

const INSERT: &str = "
INSERT INTO lots (tenant_id, id, item_id, code, expires_on, quantity, version, created_at)
VALUES ($1, $2, $3, $4, $5, 0, $6, $7)";

/// Adds an empty lot. `Conflict` if its code is taken.
pub(crate) async fn insert(tx: &mut TenantTx, lot: &Lot) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(lot.id)
        .bind(lot.item)
        .bind(lot.code.as_str())
        .bind(lot.expires_on.as_str())
        .bind(lot.version.0)
        .bind(lot.created_at)
        .execute()
        .await
        .map(drop)
}

const RECALL: &str = "
UPDATE lots
SET recalled_at = $3,
    recall_reason = $4,
    version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND ($5 IS NULL OR version = $5)
  AND recalled_at IS NULL
RETURNING id, item_id, code, expires_on, quantity, version, created_at, recalled_at, recall_reason";

/// Recalls an active lot; none if it is not there in the version that was seen, or was recalled before.
pub(crate) async fn recall(
    tx: &mut TenantTx,
    id: Uuid,
    seen: Option<Matched>,
    reason: &str,
    now: Micros,
) -> Result<Option<Lot>, StoreError> {
    let query = tx.query(RECALL).bind(id).bind(now.0).bind(reason).bind(seen.map(Matched::version));
    let row: Option<LotRow> = query.fetch_optional().await?;
    row.map(Lot::try_from).transpose()
}

/// The most that a lot may hold: far from where sums of integers wrap.
pub(crate) const HELD_MAX: i64 = 1_000_000_000_000;

const SHIFT: &str = "
UPDATE lots
SET quantity = quantity + $4,
    version = version + 1
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

/// A lot as the store holds it.
#[derive(FromRow)]
pub(crate) struct LotRow {
    id: Uuid,
    item_id: Uuid,
    code: String,
    expires_on: String,
    quantity: i64,
    version: i64,
    created_at: i64,
    recalled_at: Option<i64>,
    recall_reason: Option<String>,
}

impl TryFrom<LotRow> for Lot {
    type Error = StoreError;

    fn try_from(row: LotRow) -> Result<Self, StoreError> {
        let LotRow { id, item_id, code, expires_on, quantity, version, created_at, recalled_at, recall_reason } = row;
        let state = match (recalled_at, recall_reason) {
            (None, None) => LotState::Active,
            (Some(recalled_at), Some(recall_reason)) => LotState::Recalled { recalled_at, recall_reason },
            (None, Some(_)) | (Some(_), None) => {
                return Err(StoreError::Impossible { table: "lots", column: "recall_reason", id: id.to_string() });
            }
        };
        Ok(Self { id, item: item_id, code, expires_on, quantity, version: Version(version), created_at, state })
    }
}
