//! Orders: what a customer wants, line by line.

mod lines;
mod rows;
mod transitions;

use axum::Json;
use axum::http::StatusCode;
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, IdempotencyParams, IfMatch, IfMatchRequiredParams, IfNoneMatch, IfNoneMatchParams, JsonBody,
    ListRequest, Page, Problem, ProblemBody, ProblemKind, Reply, ResourceId, Tenant, Version, text,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::currency::Currency;
use crate::customers;
use crate::money::Amounts;
use crate::state::State;
pub(crate) use lines::{Line, NewLine};
pub(crate) use rows::{OrderRow, any_draft, insert, insert_lines, next_number};
pub(crate) use transitions::*;

/// The tenant has no such customer.
const CUSTOMER_UNKNOWN: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "customer_unknown", "There is no such customer.");

/// Lines change in drafts only: what was placed is what the customer wants.
const ORDER_NOT_DRAFT: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "order_not_draft", "Only a draft's lines can be changed.");

/// What lists of orders can be asked for.
type ListParams = cedargate_kit::ListParams<OrderRow>;

/// An order as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OrderHead {
    /// The order's id.
    pub(crate) id: Uuid,
    /// Its number: 1, 2, 3 and so on among the tenant's orders, without gaps.
    #[schema(minimum = 1)]
    pub(crate) number: i64,
    /// Whose it is.
    pub(crate) customer: Uuid,
    /// The ISO 4217 code of the currency of all its amounts.
    pub(crate) currency: String,
    /// Where it stands.
    pub(crate) state: State,
    /// Why it was cancelled or came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) reason: Option<String>,
    /// What it costs: the sums of its lines.
    #[serde(flatten)]
    pub(crate) amounts: Amounts,
    /// How often it was changed, and one; its `ETag` says the same.
    pub(crate) version: Version,
    /// When it was created, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) created_at: i64,
    /// When it was last changed, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) updated_at: i64,
}

/// An order with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Order {
    #[serde(flatten)]
    pub(crate) head: OrderHead,
    /// What it is made of.
    pub(crate) lines: Vec<Line>,
}

/// A new order, as a draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// Whose it is.
    #[schema(required, nullable = false, value_type = Uuid)]
    customer: Option<String>,
    /// An ISO 4217 code. It stays as it is.
    #[schema(required, nullable = false)]
    currency: Option<String>,
    /// What it is made of, at most 200; none where it is missing.
    #[schema(nullable = false, max_items = 200)]
    lines: Option<Vec<NewLine>>,
}

/// All lines of a draft, in place of those that it has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLines {
    /// What it is made of, at most 200.
    #[schema(required, nullable = false, max_items = 200)]
    lines: Option<Vec<NewLine>>,
}

/// Lists the tenant's orders, without their lines.
#[utoipa::path(
    get,
    path = "/orders/orders",
    operation_id = "ListOrders",
    params(ListParams),
    responses((status = 200, description = "A page of the list.", body = Page<OrderHead>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(tenant: Tenant, asked: ListRequest<OrderRow>) -> Result<Json<Page<OrderHead>>, Problem> {
    let rows = asked.rows(&mut tenant.read().await?, &[]).await?;
    let page = asked.page(rows, OrderHead::try_from).await?;
    let items = page.items.into_iter().collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: page.next }))
}

/// Creates an order, as a draft with the tenant's next number.
#[utoipa::path(
    post,
    path = "/orders/orders",
    operation_id = "CreateOrder",
    params(IdempotencyParams),
    request_body = NewOrder,
    responses((status = 201, description = "Created.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(tenant: Tenant, JsonBody(new): JsonBody<NewOrder>) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let customer = fields.required("customer", new.customer, text::id);
    let currency = fields.required("currency", new.currency, Currency::parse);
    let lines = lines::checked(&mut fields, new.lines.unwrap_or_default());
    let (customer, currency, (lines, amounts)) = fields.finish((customer, currency, lines))?;

    let mut change = tenant.begin().await?;
    if !customers::exists(change.tx(), customer).await? {
        return Err(Problem::new(CUSTOMER_UNKNOWN).field("customer", "use the id of one of the tenant's customers"));
    }
    let number = next_number(change.tx()).await?;
    let (id, now) = (change.new_id(), change.now().0);
    let head = OrderHead {
        id,
        number,
        customer,
        currency: currency.code.to_owned(),
        state: State::Draft,
        reason: None,
        amounts,
        version: Version::FIRST,
        created_at: now,
        updated_at: now,
    };
    insert(change.tx(), &head).await?;
    insert_lines(change.tx(), id, &lines).await?;
    let order = Order { head, lines };
    let reply = Reply::created(&order)?.location(format!("/orders/orders/{id}")).version(order.head.version);
    change.commit(act("CreateOrder", &order.head, json!({"lines": order.lines.len()})), reply).await
}

/// Returns an order.
#[utoipa::path(
    get,
    path = "/orders/orders/{id}",
    operation_id = "GetOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IfNoneMatchParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId, seen: IfNoneMatch) -> Result<Reply, Problem> {
    let mut tx = tenant.read().await?;
    let head = rows::find(&mut tx, id.0).await?.ok_or(NOT_FOUND)?;
    let order = Order { lines: rows::lines(&mut tx, id.0).await?, head };
    Ok(Reply::ok(&order)?.version(order.head.version).unless(&seen))
}

/// Replaces the lines of a draft.
#[utoipa::path(
    put,
    path = "/orders/orders/{id}/lines",
    operation_id = "ReplaceLines",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    request_body = NewLines,
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn replace_lines(
    tenant: Tenant,
    id: ResourceId,
    seen: IfMatch,
    JsonBody(new): JsonBody<NewLines>,
) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let given = fields.required("lines", new.lines, Ok::<_, &str>);
    let lines = given.and_then(|given| lines::checked(&mut fields, given));
    let ((lines, amounts),) = fields.finish((lines,))?;

    let mut change = tenant.begin().await?;
    let head = rows::find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    let matched = seen.admits(head.version)?;
    if head.state != State::Draft {
        return Err(Problem::new(ORDER_NOT_DRAFT).field("state", format!("the order is `{}`", head.state.name())));
    }
    let now = change.now();
    let head = rows::set_amounts(change.tx(), id.0, matched, amounts, now).await?.ok_or(PRECONDITION_FAILED)?;
    rows::delete_lines(change.tx(), id.0).await?;
    insert_lines(change.tx(), id.0, &lines).await?;
    let order = Order { head, lines };
    let reply = Reply::ok(&order)?.version(order.head.version);
    change.commit(act("ReplaceLines", &order.head, json!({"lines": order.lines.len()})), reply).await
}

/// What was done to an order, with what says which one it is and what it is worth.
fn act(action: &'static str, order: &OrderHead, mut detail: serde_json::Value) -> Act {
    let facts = [
        ("number", json!(order.number)),
        ("total_minor", json!(order.amounts.total_minor)),
        ("currency", json!(order.currency)),
    ];
    if let Some(detail) = detail.as_object_mut() {
        detail.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    }
    Act { action, resource: format!("Orders::Order::\"{}\"", order.id), detail }
}
