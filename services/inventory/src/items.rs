//! Items: what a tenant keeps in stock.

mod rows;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, JsonBody, Page, PageParams, PageRequest, Problem, ProblemBody, ProblemKind, ResourceId, Tenant,
};
use cedargate_migrations::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields;
pub(crate) use rows::{exists, insert};

/// Another item of the tenant has this SKU.
const SKU_TAKEN: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "sku_taken", "Another item has this SKU already.");

/// The item has lots, and with them a history.
const ITEM_IN_USE: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "item_in_use", "The item has lots and cannot be deleted.");

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Item {
    /// The item's id.
    pub(crate) id: Uuid,
    /// The tenant's own name for it, unique among its items.
    pub(crate) sku: String,
    /// What people call it.
    pub(crate) name: String,
    /// What its quantities count.
    pub(crate) unit: String,
    /// When it was created, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) created_at: i64,
    /// When it was last changed, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) updated_at: i64,
}

/// A new item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    /// 1 to 64 of letters, digits, `.`, `_` and `-`.
    #[schema(required, nullable = false)]
    sku: Option<String>,
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    name: Option<String>,
    /// 1 to 16 characters, for example `kg`.
    #[schema(required, nullable = false)]
    unit: Option<String>,
}

/// What to change of an item; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemChanges {
    /// 1 to 64 of letters, digits, `.`, `_` and `-`.
    #[schema(nullable = false)]
    sku: Option<String>,
    /// One line of 1 to 200 characters.
    #[schema(nullable = false)]
    name: Option<String>,
    /// 1 to 16 characters, for example `kg`.
    #[schema(nullable = false)]
    unit: Option<String>,
}

/// Lists the tenant's items.
#[utoipa::path(
    get,
    path = "/inventory/items",
    operation_id = "ListItems",
    params(PageParams),
    responses((status = 200, description = "A page of the list.", body = Page<Item>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(tenant: Tenant, page: PageRequest) -> Result<Json<Page<Item>>, Problem> {
    let rows = rows::page(&mut tenant.read().await?, &page).await?;
    Ok(Json(page.page(rows, |item| item.id, |item| item)))
}

/// Creates an item.
#[utoipa::path(
    post,
    path = "/inventory/items",
    operation_id = "CreateItem",
    request_body = NewItem,
    responses((status = 201, description = "Created.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(tenant: Tenant, JsonBody(new): JsonBody<NewItem>) -> Result<impl IntoResponse, Problem> {
    let mut fields = Fields::default();
    let sku = fields.required("sku", new.sku, fields::code);
    let name = fields.required("name", new.name, fields::line);
    let unit = fields.required("unit", new.unit, fields::unit);
    let (sku, name, unit) = fields.finish((sku, name, unit))?;

    let mut change = tenant.begin().await?;
    let (id, now) = (change.new_id(), change.now().0);
    let item = Item { id, sku, name, unit, created_at: now, updated_at: now };
    insert(change.tx(), &item).await.map_err(sku_taken)?;
    change.commit(act("CreateItem", id, json!({"sku": item.sku}))).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/inventory/items/{id}"))], Json(item)))
}

/// Returns an item.
#[utoipa::path(
    get,
    path = "/inventory/items/{id}",
    operation_id = "GetItem",
    params(("id" = Uuid, Path, description = "The item's id.")),
    responses((status = 200, description = "As it is now.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId) -> Result<Json<Item>, Problem> {
    let item = rows::find(&mut tenant.read().await?, id.0).await?;
    Ok(Json(item.ok_or(NOT_FOUND)?))
}

/// Changes an item.
#[utoipa::path(
    patch,
    path = "/inventory/items/{id}",
    operation_id = "UpdateItem",
    params(("id" = Uuid, Path, description = "The item's id.")),
    request_body = ItemChanges,
    responses((status = 200, description = "As it is now.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn update(
    tenant: Tenant,
    id: ResourceId,
    JsonBody(changes): JsonBody<ItemChanges>,
) -> Result<Json<Item>, Problem> {
    let changes = changes.checked()?;
    let detail = json!({"changed": changes.names()});

    let mut change = tenant.begin().await?;
    let now = change.now();
    let item = rows::update(change.tx(), id.0, changes, now).await.map_err(sku_taken)?.ok_or(NOT_FOUND)?;
    change.commit(act("UpdateItem", id.0, detail)).await?;
    Ok(Json(item))
}

/// Deletes an item that has no lots.
#[utoipa::path(
    delete,
    path = "/inventory/items/{id}",
    operation_id = "DeleteItem",
    params(("id" = Uuid, Path, description = "The item's id.")),
    responses((status = 204, description = "Deleted."), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn delete(tenant: Tenant, id: ResourceId) -> Result<StatusCode, Problem> {
    let mut change = tenant.begin().await?;
    let item = rows::find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    if !rows::delete(change.tx(), id.0).await? {
        return Err(ITEM_IN_USE.into());
    }
    change.commit(act("DeleteItem", id.0, json!({"sku": item.sku}))).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl ItemChanges {
    fn checked(self) -> Result<Self, Problem> {
        let mut fields = Fields::default();
        if self.names().is_empty() {
            fields.refuse("name", "give at least one of `sku`, `name` and `unit`");
        }
        let sku = fields.optional("sku", self.sku, fields::code);
        let name = fields.optional("name", self.name, fields::line);
        let unit = fields.optional("unit", self.unit, fields::unit);
        let (sku, name, unit) = fields.finish((sku, name, unit))?;
        Ok(Self { sku, name, unit })
    }

    /// The names of the fields that change.
    fn names(&self) -> Vec<&'static str> {
        let given = [("sku", &self.sku), ("name", &self.name), ("unit", &self.unit)];
        given.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
    }
}

fn act(action: &'static str, id: Uuid, detail: serde_json::Value) -> Act {
    Act { action, resource: format!("Inventory::Item::\"{id}\""), detail }
}

/// The one conflict that items have is their SKU's.
fn sku_taken(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(_) => Problem::new(SKU_TAKEN).field("sku", "choose another one"),
        other => other.into(),
    }
}
