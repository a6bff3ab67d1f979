//! Lots: what came in together and expires together.

mod rows;

use axum::Json;
use axum::http::StatusCode;
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, IdempotencyParams, IfMatch, IfMatchParams, IfNoneMatch, IfNoneMatchParams, JsonBody, ListRequest,
    Page, Problem, ProblemBody, ProblemKind, Reply, ResourceId, Tenant, Version,
};
use cedargate_migrations::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{fields, items};
pub(crate) use rows::{LotRow, find, insert, shift};

/// What lists of lots can be asked for.
type ListParams = cedargate_kit::ListParams<LotRow>;

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
    /// How often it was changed, by movements too, and one; its `ETag` says the same.
    pub(crate) version: Version,
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
    params(("id" = Uuid, Path, description = "The item's id."), ListParams),
    responses((status = 200, description = "A page of the list.", body = Page<Lot>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    tenant: Tenant,
    item: ResourceId,
    asked: ListRequest<LotRow>,
) -> Result<Json<Page<Lot>>, Problem> {
    let mut tx = tenant.read().await?;
    if !items::exists(&mut tx, item.0).await? {
        return Err(NOT_FOUND.into());
    }
    let rows = asked.rows(&mut tx, &[item.0]).await?;
    let page = asked.page(rows, Lot::try_from).await?;
    let items = page.items.into_iter().collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: page.next }))
}

/// Creates a lot of an item.
#[utoipa::path(
    post,
    path = "/inventory/items/{id}/lots",
    operation_id = "CreateLot",
    params(("id" = Uuid, Path, description = "The item's id."), IdempotencyParams),
    request_body = NewLot,
    responses((status = 201, description = "Created.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(
    tenant: Tenant,
    item: ResourceId,
    JsonBody(new): JsonBody<NewLot>,
) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let code = fields.required("code", new.code, fields::code);
    let expires_on = fields.required("expires_on", new.expires_on, fields::day);
    let (code, expires_on) = fields.finish((code, expires_on))?;

    let mut change = tenant.begin().await?;
    if !items::exists(change.tx(), item.0).await? {
        return Err(NOT_FOUND.into());
    }
    let (id, created_at) = (change.new_id(), change.now().0);
    let (version, state) = (Version::FIRST, LotState::Active);
    let lot = Lot { id, item: item.0, code, expires_on, quantity: 0, version, created_at, state };
    insert(change.tx(), &lot).await.map_err(|error| match error {
        StoreError::Conflict(_) => Problem::new(LOT_CODE_TAKEN).field("code", "choose another one"),
        other => other.into(),
    })?;
    let reply = Reply::created(&lot)?.location(format!("/inventory/lots/{id}")).version(lot.version);
    change.commit(act("CreateLot", id, json!({"item": item.0, "code": lot.code})), reply).await
}

/// Returns a lot.
#[utoipa::path(
    get,
    path = "/inventory/lots/{id}",
    operation_id = "GetLot",
    params(("id" = Uuid, Path, description = "The lot's id."), IfNoneMatchParams),
    responses((status = 200, description = "As it is now.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId, seen: IfNoneMatch) -> Result<Reply, Problem> {
    let lot = find(&mut tenant.read().await?, id.0).await?.ok_or(NOT_FOUND)?;
    Ok(Reply::ok(&lot)?.version(lot.version).unless(&seen))
}

/// Recalls a lot: from then on nothing of it moves out.
#[utoipa::path(
    post,
    path = "/inventory/lots/{id}/recall",
    operation_id = "RecallLot",
    params(("id" = Uuid, Path, description = "The lot's id."), IdempotencyParams, IfMatchParams),
    request_body = Recall,
    responses((status = 200, description = "As it is now.", body = Lot), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn recall(
    tenant: Tenant,
    id: ResourceId,
    seen: Option<IfMatch>,
    JsonBody(recall): JsonBody<Recall>,
) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let reason = fields.required("reason", recall.reason, fields::line);
    let (reason,) = fields.finish((reason,))?;

    let mut change = tenant.begin().await?;
    let lot = find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    let matched = seen.map(|seen| seen.admits(lot.version)).transpose()?;
    let now = change.now();
    let Some(lot) = rows::recall(change.tx(), id.0, matched, &reason, now).await? else {
        let is_recalled = find(change.tx(), id.0).await?.is_some_and(|lot| lot.state != LotState::Active);
        return Err(if is_recalled { LOT_RECALLED.into() } else { PRECONDITION_FAILED.into() });
    };
    let reply = Reply::ok(&lot)?.version(lot.version);
    change.commit(act("RecallLot", id.0, json!({"reason": reason, "quantity": lot.quantity})), reply).await
}

fn act(action: &'static str, id: Uuid, detail: serde_json::Value) -> Act {
    Act { action, resource: format!("Inventory::Lot::\"{id}\""), detail }
}
