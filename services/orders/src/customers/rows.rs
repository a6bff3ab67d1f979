//! Customers in the store.

use cedargate_kit::{Filter, FilterKind, Listed, Matched, Sort, Version, sorts};
use cedargate_migrations::{FromRow, StoreError, TenantTx};
use cedargate_model::Micros;
use uuid::Uuid;

use super::{Customer, CustomerChanges};

/// A customer as the store holds it.
#[derive(FromRow)]
pub(crate) struct CustomerRow {
    id: Uuid,
    name: String,
    email: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl Listed for CustomerRow {
    const FILTERS: &'static [Filter] =
        &[Filter { name: "email", kind: FilterKind::Text(254), about: "The one with this address, in small letters." }];
    const SORTS: &'static [Sort<Self>] = sorts! {
        "SELECT id, name, email, version, created_at, updated_at
FROM customers
WHERE tenant_id = $1
  AND ($2 IS NULL OR email = $2)",
        limit "$3";
        "created_at": "(created_at, id) > ($4, $5)" => "created_at, id",
            |customer| vec![customer.created_at.into(), customer.id.into()];
        "-created_at": "(created_at, id) < ($4, $5)" => "created_at DESC, id DESC",
            |customer| vec![customer.created_at.into(), customer.id.into()];
        "name": "(name, id) > ($4, $5)" => "name, id",
            |customer| vec![customer.name.as_str().into(), customer.id.into()];
        "-name": "(name, id) < ($4, $5)" => "name DESC, id DESC",
            |customer| vec![customer.name.as_str().into(), customer.id.into()];
    };
}

const FIND: &str = "
SELECT id, name, email, version, created_at, updated_at
FROM customers
WHERE tenant_id = $1
  AND id = $2";

/// The customer of that id.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Customer>, StoreError> {
    let row: Option<CustomerRow> = tx.query(FIND).bind(id).fetch_optional().await?;
    Ok(row.map(Customer::from))
}

/// Whether there is a customer of that id.
pub(crate) async fn exists(tx: &mut TenantTx, id: Uuid) -> Result<bool, StoreError> {
    Ok(find(tx, id).await?.is_some())
}

const INSERT: &str = "
INSERT INTO customers (tenant_id, id, name, email, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Adds a customer. `Conflict` if the address is taken.
pub(crate) async fn insert(tx: &mut TenantTx, customer: &Customer) -> Result<(), StoreError> {
    tx.query(INSERT)
        .bind(customer.id)
        .bind(customer.name.as_str())
        .bind(customer.email.as_str())
        .bind(customer.version.0)
        .bind(customer.created_at)
        .bind(customer.updated_at)
        .execute()
        .await
        .map(drop)
}

const UPDATE: &str = "
UPDATE customers
SET name = coalesce($4, name),
    email = coalesce($5, email),
    updated_at = $6,
    version = version + 1
WHERE tenant_id = $1
  AND id = $2
  AND version = $3
RETURNING id, name, email, version, created_at, updated_at";

/// Changes a customer; none if it is not there in the version that was seen. `Conflict` if the address is taken.
pub(crate) async fn update(
    tx: &mut TenantTx,
    id: Uuid,
    seen: Matched,
    changes: CustomerChanges,
    now: Micros,
) -> Result<Option<Customer>, StoreError> {
    let query = tx.query(UPDATE).bind(id).bind(seen.version()).bind(changes.name).bind(changes.email);
    let row: Option<CustomerRow> = query.bind(now.0).fetch_optional().await?;
    Ok(row.map(Customer::from))
}

const HAS_ORDERS: &str = "
SELECT id
FROM orders
WHERE tenant_id = $1
  AND customer_id = $2
LIMIT 1";

/// Whether a customer has orders.
pub(crate) async fn has_orders(tx: &mut TenantTx, id: Uuid) -> Result<bool, StoreError> {
    Ok(tx.query(HAS_ORDERS).bind(id).fetch_optional::<(Uuid,)>().await?.is_some())
}

const DELETE: &str = "
DELETE FROM customers
WHERE tenant_id = $1
  AND id = $2
  AND version = $3";

/// Deletes a customer in the version that was seen, and says whether it did. Who has orders, the schema keeps.
pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid, seen: Matched) -> Result<bool, StoreError> {
    Ok(tx.query(DELETE).bind(id).bind(seen.version()).execute().await? == 1)
}

impl From<CustomerRow> for Customer {
    fn from(row: CustomerRow) -> Self {
        let CustomerRow { id, name, email, version, created_at, updated_at } = row;
        Self { id, name, email, version: Version(version), created_at, updated_at }
    }
}
