//! Items: what a tenant keeps in stock.

mod rows;

use axum::Json;
use axum::http::StatusCode;
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, IdempotencyParams, IfMatch, IfMatchParams, IfNoneMatch, IfNoneMatchParams, JsonBody, ListRequest,
    Matched, Page, Problem, ProblemBody, ProblemKind, Reply, ResourceId, Tenant, Version,
};
use cedargate_migrations::{StoreError, TenantTx};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields;
pub(crate) use rows::{ItemRow, exists, insert};

/// What lists of items can be asked for.
type ListParams = cedargate_kit::ListParams<ItemRow>;

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
    /// How often it was changed, and one; its `ETag` says the same.
    pub(crate) version: Version,
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
    params(ListParams),
    responses((status = 200, description = "A page of the list.", body = Page<Item>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(tenant: Tenant, asked: ListRequest<ItemRow>) -> Result<Json<Page<Item>>, Problem> {
    let rows = asked.rows(&mut tenant.read().await?, &[]).await?;
    asked.page(rows, Item::from).await.map(Json)
}

/// Creates an item.
#[utoipa::path(
    post,
    path = "/inventory/items",
    operation_id = "CreateItem",
    params(IdempotencyParams),
    request_body = NewItem,
    responses((status = 201, description = "Created.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(tenant: Tenant, JsonBody(new): JsonBody<NewItem>) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let sku = fields.required("sku", new.sku, fields::code);
    let name = fields.required("name", new.name, fields::line);
    let unit = fields.required("unit", new.unit, fields::unit);
    let (sku, name, unit) = fields.finish((sku, name, unit))?;

    let mut change = tenant.begin().await?;
    let (id, now) = (change.new_id(), change.now().0);
    let item = Item { id, sku, name, unit, version: Version::FIRST, created_at: now, updated_at: now };
    insert(change.tx(), &item).await.map_err(sku_taken)?;
    let reply = Reply::created(&item)?.location(format!("/inventory/items/{id}")).version(item.version);
    change.commit(act("CreateItem", id, json!({"sku": item.sku})), reply).await
}

/// Returns an item.
#[utoipa::path(
    get,
    path = "/inventory/items/{id}",
    operation_id = "GetItem",
    params(("id" = Uuid, Path, description = "The item's id."), IfNoneMatchParams),
    responses((status = 200, description = "As it is now.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId, seen: IfNoneMatch) -> Result<Reply, Problem> {
    let item = rows::find(&mut tenant.read().await?, id.0).await?.ok_or(NOT_FOUND)?;
    Ok(Reply::ok(&item)?.version(item.version).unless(&seen))
}

/// Changes an item.
#[utoipa::path(
    patch,
    path = "/inventory/items/{id}",
    operation_id = "UpdateItem",
    params(("id" = Uuid, Path, description = "The item's id."), IdempotencyParams, IfMatchParams),
    request_body = ItemChanges,
    responses((status = 200, description = "As it is now.", body = Item), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn update(
    tenant: Tenant,
    id: ResourceId,
    seen: Option<IfMatch>,
    JsonBody(changes): JsonBody<ItemChanges>,
) -> Result<Reply, Problem> {
    let changes = changes.checked()?;
    let detail = json!({"changed": changes.names()});

    let mut change = tenant.begin().await?;
    let (_, matched) = seen_item(change.tx(), id.0, seen).await?;
    let now = change.now();
    let item = rows::update(change.tx(), id.0, matched, changes, now).await.map_err(sku_taken)?;
    let item = item.ok_or(PRECONDITION_FAILED)?;
    let reply = Reply::ok(&item)?.version(item.version);
    change.commit(act("UpdateItem", id.0, detail), reply).await
}

/// Deletes an item that has no lots.
#[utoipa::path(
    delete,
    path = "/inventory/items/{id}",
    operation_id = "DeleteItem",
    params(("id" = Uuid, Path, description = "The item's id."), IdempotencyParams, IfMatchParams),
    responses((status = 204, description = "Deleted."), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn delete(tenant: Tenant, id: ResourceId, seen: Option<IfMatch>) -> Result<Reply, Problem> {
    let mut change = tenant.begin().await?;
    let (item, matched) = seen_item(change.tx(), id.0, seen).await?;
    if rows::has_lots(change.tx(), id.0).await? {
        return Err(ITEM_IN_USE.into());
    }
    if !rows::delete(change.tx(), id.0, matched).await? {
        return Err(PRECONDITION_FAILED.into());
    }
    change.commit(act("DeleteItem", id.0, json!({"sku": item.sku})), Reply::no_content()).await
}

/// The item that is about to change, and proof that it is the one that the client has seen, if it said which.
async fn seen_item(tx: &mut TenantTx, id: Uuid, seen: Option<IfMatch>) -> Result<(Item, Option<Matched>), Problem> {
    let item = rows::find(tx, id).await?.ok_or(NOT_FOUND)?;
    let matched = seen.map(|seen| seen.admits(item.version)).transpose()?;
    Ok((item, matched))
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
