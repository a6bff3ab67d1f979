//! Orders and their lines in the store.

use cedargate_kit::{Filter, FilterKind, Listed, Matched, Sort, Version, sorts};
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Line, OrderHead};
use crate::money::Amounts;
use crate::state::State;

/// An order as the store holds it, without its lines.
#[derive(FromRow)]
pub(crate) struct OrderRow {
    id: Uuid,
    number: i64,
    customer_id: Uuid,
    currency: String,
    state: String,
    reason: Option<String>,
    net_minor: i64,
    tax_minor: i64,
    total_minor: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl Listed for OrderRow {
    const FILTERS: &'static [Filter] = &[
        Filter { name: "state", kind: FilterKind::OneOf(State::NAMES), about: "Only those in this state." },
        Filter { name: "customer", kind: FilterKind::Id, about: "Only this customer's." },
        Filter { name: "currency", kind: FilterKind::Text(3), about: "Only those in this currency." },
        Filter { name: "created_at.gte", kind: FilterKind::Number, about: "Only from this microsecond on." },
        Filter { name: "created_at.lt", kind: FilterKind::Number, about: "Only before this microsecond." },
        Filter { name: "total_minor.gte", kind: FilterKind::Number, about: "Only those that cost as much." },
        Filter { name: "total_minor.lt", kind: FilterKind::Number, about: "Only those that cost less." },
    ];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, number, customer_id, currency, state, reason, net_minor, tax_minor, total_minor, version, created_at,
    updated_at
FROM orders
WHERE tenant_id = $1
  AND ($2 IS NULL OR state = $2)
  AND ($3 IS NULL OR customer_id = $3)
  AND ($4 IS NULL OR currency = $4)
  AND ($5 IS NULL OR created_at >= $5)
  AND ($6 IS NULL OR created_at < $6)
  AND ($7 IS NULL OR total_minor >= $7)
  AND ($8 IS NULL OR total_minor < $8)",
        limit "$9";
        "number": "number > $10" => "number", |order| vec![order.number.into()];
        "-number": "number < $10" => "number DESC", |order| vec![order.number.into()];
        "created_at": "(created_at, id) > ($10, $11)" => "created_at, id",
            |order| vec![order.created_at.into(), order.id.into()];
        "-created_at": "(created_at, id) < ($10, $11)" => "created_at DESC, id DESC",
            |order| vec![order.created_at.into(), order.id.into()];
        "total_minor": "(total_minor, id) > ($10, $11)" => "total_minor, id",
            |order| vec![order.total_minor.into(), order.id.into()];
        "-total_minor": "(total_minor, id) < ($10, $11)" => "total_minor DESC, id DESC",
            |order| vec![order.total_minor.into(), order.id.into()];
        // Amounts compare within a currency only. The first condition is what the index is searched by.
        "currency,-total_minor":
            "currency >= $10 AND (currency > $10 OR (total_minor, id) < ($11, $12))"
            => "currency, total_minor DESC, id DESC",
            |order| vec![order.currency.as_str().into(), order.total_minor.into(), order.id.into()];
    };
}

const FIND: &str = "
SELECT id, number, customer_id, currency, state, reason, net_minor, tax_minor, total_minor, version, created_at,
    updated_at
FROM orders
WHERE tenant_id = $1
  AND id = $2";

/// The order of that id.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<OrderHead>, StoreError> {
    let row: Option<OrderRow> = tx.query(FIND).bind(id).fetch_optional().await?;
    row.map(OrderHead::try_from).transpose()
}

const ANY_DRAFT: &str = "
SELECT id
FROM orders
WHERE tenant_id = $1
  AND state = 'draft'
LIMIT 1";

/// Some draft of the tenant.
pub(crate) async fn any_draft(tx: &mut TenantTx) -> Result<Option<Uuid>, StoreError> {
    Ok(tx.query(ANY_DRAFT).fetch_optional::<(Uuid,)>().await?.map(|(id,)| id))
}

const NEXT_NUMBER: &str = "
INSERT INTO order_numbers (tenant_id, last_number)
VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE
SET last_number = order_numbers.last_number + 1
RETURNING last_number";

/// The tenant's next number. Whoever comes second waits until the first has committed or given up, so that none is given
/// twice and none is left out: one tenant's orders are made one after another, which is the price.
pub(crate) async fn next_number(tx: &mut TenantTx) -> Result<i64, StoreError> {
    let (number,) = tx.query(NEXT_NUMBER).fetch_one::<(i64,)>().await?;
    Ok(number)
}

const INSERT: &str = "
INSERT INTO orders (
    tenant_id,
    id,
    number,
    customer_id,
    currency,
    state,
    reason,
    net_minor,
    tax_minor,
    total_minor,
    version,
    created_at,
    updated_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// Adds an order, without its lines.
pub(crate) async fn insert(tx: &mut TenantTx, order: &OrderHead) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(order.id)
        .bind(order.number)
        .bind(order.customer)
        .bind(order.currency.as_str())
        .bind(order.state.name())
        .bind(order.reason.as_deref())
        .bind(order.amounts.net_minor)
        .bind(order.amounts.tax_minor)
        .bind(order.amounts.total_minor)
        .bind(order.version.0)
        .bind(order.created_at)
        .bind(order.updated_at)
        .execute()
        .await
        .map(drop)
}

const SET_AMOUNTS: &str = "
UPDATE orders
SET net_minor = $4,
    tax_minor = $5,
    total_minor = $6,
    updated_at = $7,
    version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND version = $3
RETURNING id, number, customer_id, currency, state, reason, net_minor, tax_minor, total_minor, version, created_at,
    updated_at";

/// Sets what an order costs; none if it is not there in the version that was seen.
pub(crate) async fn set_amounts(
    tx: &mut TenantTx,
    id: Uuid,
    seen: Matched,
    amounts: Amounts,
    now: Micros,
) -> Result<Option<OrderHead>, StoreError> {
    let Amounts { net_minor, tax_minor, total_minor } = amounts;
    let query = tx.query(SET_AMOUNTS).bind(id).bind(seen.version());
    let query = query.bind(net_minor).bind(tax_minor).bind(total_minor).bind(now.0);
    let row: Option<OrderRow> = query.fetch_optional().await?;
    row.map(OrderHead::try_from).transpose()
}

const SET_STATE: &str = "
UPDATE orders
SET state = $4,
    reason = $5,
    updated_at = $6,
    version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND version = $3
RETURNING id, number, customer_id, currency, state, reason, net_minor, tax_minor, total_minor, version, created_at,
    updated_at";

/// Takes an order to a state; none if it is not there in the version that was seen: of two who saw the same, one does it.
pub(crate) async fn set_state(
    tx: &mut TenantTx,
    id: Uuid,
    seen: Matched,
    state: State,
    reason: Option<&str>,
    now: Micros,
) -> Result<Option<OrderHead>, StoreError> {
    let query = tx.query(SET_STATE).bind(id).bind(seen.version()).bind(state.name()).bind(reason).bind(now.0);
    let row: Option<OrderRow> = query.fetch_optional().await?;
    row.map(OrderHead::try_from).transpose()
}

type LineRow = (String, String, i64, i64, i64, i64, i64, i64);

const LINES: &str = "
SELECT sku, description, quantity, unit_price_minor, tax_rate_bp, net_minor, tax_minor, total_minor
FROM order_lines
WHERE tenant_id = $1
  AND order_id = $2
ORDER BY position
LIMIT 200";

/// An order's lines, in their order.
pub(crate) async fn lines(tx: &mut TenantTx, order: Uuid) -> Result<Vec<Line>, StoreError> {
    let rows: Vec<LineRow> = tx.query(LINES).bind(order).fetch_all().await?;
    let line = |(sku, description, quantity, unit_price_minor, tax_rate_bp, net_minor, tax_minor, total_minor)| Line {
        sku,
        description,
        quantity,
        unit_price_minor,
        tax_rate_bp,
        amounts: Amounts { net_minor, tax_minor, total_minor },
    };
    Ok(rows.into_iter().map(line).collect())
}

const INSERT_LINE: &str = "
INSERT INTO order_lines (
    tenant_id,
    order_id,
    position,
    sku,
    description,
    quantity,
    unit_price_minor,
    tax_rate_bp,
    net_minor,
    tax_minor,
    total_minor
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Adds the lines of an order that has none.
pub(crate) async fn insert_lines(tx: &mut TenantTx, order: Uuid, lines: &[Line]) -> Result<(), StoreError> {
    for (position, line) in (1_i64..).zip(lines) {
        tx.query(INSERT_LINE)
            .bind(order)
            .bind(position)
            .bind(line.sku.as_str())
            .bind(line.description.as_str())
            .bind(line.quantity)
            .bind(line.unit_price_minor)
            .bind(line.tax_rate_bp)
            .bind(line.amounts.net_minor)
            .bind(line.amounts.tax_minor)
            .bind(line.amounts.total_minor)
            .execute()
            .await?;
    }
    Ok(())
}

const DELETE_LINES: &str = "
DELETE FROM order_lines
WHERE tenant_id = $1
  AND order_id = $2";

/// Deletes an order's lines, for others to take their place.
pub(crate) async fn delete_lines(tx: &mut TenantTx, order: Uuid) -> Result<(), StoreError> {
    tx.query(DELETE_LINES).bind(order).execute().await.map(drop)
}

impl TryFrom<OrderRow> for OrderHead {
    type Error = StoreError;

    fn try_from(row: OrderRow) -> Result<Self, StoreError> {
        let impossible = || StoreError::Impossible { table: "orders", column: "state", id: row.id.to_string() };
        let state = State::parse(&row.state).ok_or_else(impossible)?;
        let OrderRow { id, number, customer_id: customer, currency, state: _, reason, .. } = row;
        let OrderRow { net_minor, tax_minor, total_minor, version, created_at, updated_at, .. } = row;
        let (amounts, version) = (Amounts { net_minor, tax_minor, total_minor }, Version(version));
        Ok(Self { id, number, customer, currency, state, reason, amounts, version, created_at, updated_at })
    }
}
