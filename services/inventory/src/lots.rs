//! Lots: what came in together and expires together.

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

use crate::{fields, items};
pub(crate) use rows::{find, insert, shift};

/// Another lot of the item has this code.
const LOT_CODE_TAKEN: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "lot_code_taken", "Another lot of this item has this code already.");

/// The lot is recalled: nothing of it moves out, and it cannot be recalled again.
pub(crate) const LOT_RECALLED: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "lot_recalled", "The lot has been recalled.");

/// A lot of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lot {
    /// The lot's id.
    pub(crate) id: Uuid,
    /// The item that it is of.
    pub(crate) item: Uuid,
    /// What is printed on it, unique among the item's lots.
    pub(crate) code: String,
    /// The last day on which it may be used, as YYYY-MM-DD.
    #[schema(format = Date)]
    pub(crate) expires_on: String,
    /// How much of it is there, in the item's unit.
    #[schema(minimum = 0)]
    pub(crate) quantity: i64,
    /// When it was created, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) created_at: i64,
    /// Whether it may still be used.
    #[serde(flatten)]
    pub(crate) state: LotState,
}

/// A lot's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum LotState {
    /// In use.
    Active,
    /// Called back: nothing of it moves out.
    Recalled {
        /// When, in microseconds since 1970-01-01T00:00:00Z.
        recalled_at: i64,
        /// Why.
        recall_reason: String,
    },
}

/// A new lot, with nothing in it: stock comes in by a movement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLot {
    /// 1 to 64 of letters, digits, `.`, `_` and `-`.
    #[schema(required, nullable = false)]
    code: Option<String>,
    /// A day, as YYYY-MM-DD.
    #[schema(required, nullable = false, format = Date)]
    expires_on: Option<String>,
}

/// Why a lot is recalled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recall {
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    reason: Option<String>,
}

/// Lists an item's lots.
#[utoipa::path(
    get,
    path = "/inventory/items/{id}/lots",
    operation_id = "ListLots",
    params(("id" = Uuid, Path, description = "The item's id."), PageParams),
    responses((status = 200, description = "A page of the list.", body = Page<Lot>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(tenant: Tenant, item: ResourceId, page: PageRequest) -> Result<Json<Page<Lot>>, Problem> {
    let mut tx = tenant.read().await?;
    if !items::exists(&mut tx, item.0).await? {
        return Err(NOT_FOUND.into());
    }
    let rows = rows::page(&mut tx, item.0, &page).await?;
    Ok(Json(page.page(rows, |lot| lot.id, |lot| lot)))
}

/// Creates a lot of an item.
#[utoipa::path(
    post,
    path = "/inventory/items/{id}/lots",
    operation_id = "CreateLot",
    params(("id" = Uuid, Path, description = "The item's id.")),
    request_body = NewLot,
    responses((status = 201, description = "Created.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(
    tenant: Tenant,
    item: ResourceId,
    JsonBody(new): JsonBody<NewLot>,
) -> Result<impl IntoResponse, Problem> {
    let mut fields = Fields::default();
    let code = fields.required("code", new.code, fields::code);
    let expires_on = fields.required("expires_on", new.expires_on, fields::day);
    let (code, expires_on) = fields.finish((code, expires_on))?;

    let mut change = tenant.begin().await?;
    if !items::exists(change.tx(), item.0).await? {
        return Err(NOT_FOUND.into());
    }
    let (id, created_at) = (change.new_id(), change.now().0);
    let lot = Lot { id, item: item.0, code, expires_on, quantity: 0, created_at, state: LotState::Active };
    insert(change.tx(), &lot).await.map_err(|error| match error {
        StoreError::Conflict(_) => Problem::new(LOT_CODE_TAKEN).field("code", "choose another one"),
        other => other.into(),
    })?;
    change.commit(act("CreateLot", id, json!({"item": item.0, "code": lot.code}))).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/inventory/lots/{id}"))], Json(lot)))
}

/// Returns a lot.
#[utoipa::path(
    get,
    path = "/inventory/lots/{id}",
    operation_id = "GetLot",
    params(("id" = Uuid, Path, description = "The lot's id.")),
    responses((status = 200, description = "As it is now.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId) -> Result<Json<Lot>, Problem> {
    let lot = find(&mut tenant.read().await?, id.0).await?;
    Ok(Json(lot.ok_or(NOT_FOUND)?))
}

/// Recalls a lot: from then on nothing of it moves out.
#[utoipa::path(
    post,
    path = "/inventory/lots/{id}/recall",
    operation_id = "RecallLot",
    params(("id" = Uuid, Path, description = "The lot's id.")),
    request_body = Recall,
    responses((status = 200, description = "As it is now.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn recall(
    tenant: Tenant,
    id: ResourceId,
    JsonBody(recall): JsonBody<Recall>,
) -> Result<Json<Lot>, Problem> {
    let mut fields = Fields::default();
    let reason = fields.required("reason", recall.reason, fields::line);
    let (reason,) = fields.finish((reason,))?;

    let mut change = tenant.begin().await?;
    let now = change.now();
    let Some(lot) = rows::recall(change.tx(), id.0, &reason, now).await? else {
        let is_known = find(change.tx(), id.0).await?.is_some();
        return Err(if is_known { LOT_RECALLED.into() } else { NOT_FOUND.into() });
    };
    change.commit(act("RecallLot", id.0, json!({"reason": reason, "quantity": lot.quantity}))).await?;
    Ok(Json(lot))
}

fn act(action: &'static str, id: Uuid, detail: serde_json::Value) -> Act {
    Act { action, resource: format!("Inventory::Lot::\"{id}\""), detail }
}
