//! Movements: stock that comes in and goes out.

mod rows;

use axum::Json;
use axum::http::StatusCode;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, IdempotencyParams, JsonBody, ListRequest, Page, Problem, ProblemBody, ProblemKind, Reply, ResourceId,
    Tenant,
};
use cedargate_migrations::{StoreError, TenantTx};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::lots::{self, LOT_RECALLED, LotState};
use crate::{fields, items};
pub(crate) use rows::{MovementRow, insert};

/// What lists of movements can be asked for.
type ListParams = cedargate_kit::ListParams<MovementRow>;

/// The item has no such lot.
const LOT_UNKNOWN: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "lot_unknown", "The item has no such lot.");

/// Less is there than should move out.
const STOCK_INSUFFICIENT: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "stock_insufficient", "The lot does not hold that much.");

/// More would be there than a lot may hold.
const STOCK_TOO_LARGE: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "stock_too_large", "The lot cannot hold that much.");

/// One movement of stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Movement {
    /// The movement's id.
    pub(crate) id: Uuid,
    /// The item.
    pub(crate) item: Uuid,
    /// The lot of that item.
    pub(crate) lot: Uuid,
    /// How much, in the item's unit: above zero what came in, below zero what went out.
    pub(crate) quantity: i64,
    /// Why.
    pub(crate) reason: String,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) recorded_at: i64,
}

/// A movement to record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMovement {
    /// A lot of the item.
    #[schema(required, nullable = false, value_type = Uuid)]
    lot: Option<String>,
    /// Above zero for what comes in, below zero for what goes out; not 0.
    #[schema(required, nullable = false, minimum = -1_000_000_000, maximum = 1_000_000_000)]
    quantity: Option<i64>,
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    reason: Option<String>,
}

/// Lists an item's movements.
#[utoipa::path(
    get,
    path = "/inventory/items/{id}/movements",
    operation_id = "ListMovements",
    params(("id" = Uuid, Path, description = "The item's id."), ListParams),
    responses((status = 200, description = "A page of the list.", body = Page<Movement>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    tenant: Tenant,
    item: ResourceId,
    asked: ListRequest<MovementRow>,
) -> Result<Json<Page<Movement>>, Problem> {
    let mut tx = tenant.read().await?;
    if !items::exists(&mut tx, item.0).await? {
        return Err(NOT_FOUND.into());
    }
    let rows = asked.rows(&mut tx, &[item.0]).await?;
    asked.page(rows, Movement::from).await.map(Json)
}

/// Records a movement, if the lot allows it.
#[utoipa::path(
    post,
    path = "/inventory/items/{id}/movements",
    operation_id = "CreateMovement",
    params(("id" = Uuid, Path, description = "The item's id."), IdempotencyParams),
    request_body = NewMovement,
    responses((status = 201, description = "Created.", body = Movement), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(
    tenant: Tenant,
    item: ResourceId,
    JsonBody(new): JsonBody<NewMovement>,
) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let lot = fields.required("lot", new.lot, fields::id);
    let quantity = fields.required("quantity", new.quantity, fields::moved);
    let reason = fields.required("reason", new.reason, fields::line);
    let (lot, quantity, reason) = fields.finish((lot, quantity, reason))?;

    let mut change = tenant.begin().await?;
    let Some(held) = lots::shift(change.tx(), item.0, lot, quantity).await? else {
        return Err(why_not(change.tx(), item.0, lot, quantity).await?);
    };
    let (id, recorded_at) = (change.new_id(), change.now().0);
    let movement = Movement { id, item: item.0, lot, quantity, reason, recorded_at };
    insert(change.tx(), &movement).await?;
    let act = Act {
        action: "CreateMovement",
        resource: format!("Inventory::Item::\"{}\"", item.0),
        detail: json!({"movement": id, "lot": lot, "quantity": quantity, "held": held}),
    };
    let reply = Reply::created(&movement)?;
    change.commit(act, reply).await
}

/// Why the lot did not shift, as the same transaction sees it.
async fn why_not(tx: &mut TenantTx, item: Uuid, lot: Uuid, quantity: i64) -> Result<Problem, StoreError> {
    if !items::exists(tx, item).await? {
        return Ok(NOT_FOUND.into());
    }
    let Some(lot) = lots::find(tx, lot).await?.filter(|lot| lot.item == item) else {
        return Ok(Problem::new(LOT_UNKNOWN).field("lot", "use the id of one of this item's lots"));
    };
    Ok(match lot.state {
        LotState::Recalled { .. } if quantity < 0 => LOT_RECALLED.into(),
        LotState::Recalled { .. } | LotState::Active if quantity < 0 => {
            Problem::new(STOCK_INSUFFICIENT).field("quantity", format!("the lot holds {}", lot.quantity))
        }
        LotState::Recalled { .. } | LotState::Active => {
            Problem::new(STOCK_TOO_LARGE).field("quantity", format!("the lot holds {}", lot.quantity))
        }
    })
}
