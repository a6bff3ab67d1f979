//! What is done to orders: one route and one Cedar action for each, one way through for all.

use axum::http::StatusCode;
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Fields, IdempotencyParams, IfMatch, IfMatchRequiredParams, JsonBody, Problem, ProblemBody, ProblemKind, Reply,
    ResourceId, Tenant, text,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Order, OrderHead, act, rows};
use crate::currency::Currency;
use crate::state::{State, Verb};

/// What is asked does not follow from where the order stands.
const TRANSITION_REFUSED: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "transition_refused", "That cannot be done to the order where it stands.");

/// An order of nothing.
const ORDER_EMPTY: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "order_empty", "An order without lines cannot be placed.");

/// What costs more needs another decision.
const ORDER_LARGE: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "order_large", "An order this large is confirmed by `confirm-large`.");

/// The most that `confirm` confirms, in whole units of the order's currency. What costs more is confirmed by an operation of
/// its own, for which policies can ask more: the gateway decides before it could know an amount.
const CONFIRM_MAJOR_MAX: i64 = 10_000;

/// Why something came of an order that was not meant to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    reason: Option<String>,
}

/// Places a draft that has lines.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/place",
    operation_id = "PlaceOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn place(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Place, None).await
}

/// Confirms a placed order of at most 10,000 whole units of its currency.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/confirm",
    operation_id = "ConfirmOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn confirm(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Confirm, None).await
}

/// Confirms a placed order, whatever it costs.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/confirm-large",
    operation_id = "ConfirmLargeOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn confirm_large(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::ConfirmLarge, None).await
}

/// Ships a confirmed order.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/ship",
    operation_id = "ShipOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn ship(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Ship, None).await
}

/// Notes that a shipped order has arrived.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/deliver",
    operation_id = "DeliverOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn deliver(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Deliver, None).await
}

/// Cancels an order that has not left yet.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/cancel",
    operation_id = "CancelOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    request_body = Reason,
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn cancel(
    tenant: Tenant,
    id: ResourceId,
    seen: IfMatch,
    JsonBody(why): JsonBody<Reason>,
) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Cancel, Some(why.checked()?)).await
}

/// Notes that a shipped or delivered order came back.
#[utoipa::path(
    post,
    path = "/orders/orders/{id}/return",
    operation_id = "ReturnOrder",
    params(("id" = Uuid, Path, description = "The order's id."), IdempotencyParams, IfMatchRequiredParams),
    request_body = Reason,
    responses((status = 200, description = "As it is now.", body = Order), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn take_back(
    tenant: Tenant,
    id: ResourceId,
    seen: IfMatch,
    JsonBody(why): JsonBody<Reason>,
) -> Result<Reply, Problem> {
    transition(tenant, id, seen, Verb::Return, Some(why.checked()?)).await
}

impl Reason {
    fn checked(self) -> Result<String, Problem> {
        let mut fields = Fields::default();
        let reason = fields.required("reason", self.reason, text::line);
        let (reason,) = fields.finish((reason,))?;
        Ok(reason)
    }
}

async fn transition(
    tenant: Tenant,
    id: ResourceId,
    seen: IfMatch,
    verb: Verb,
    reason: Option<String>,
) -> Result<Reply, Problem> {
    let mut change = tenant.begin().await?;
    let before = rows::find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    let matched = seen.admits(before.version)?;
    let state = before.state.after(verb).ok_or_else(|| refused(before.state))?;
    let lines = rows::lines(change.tx(), id.0).await?;
    match verb {
        Verb::Place if lines.is_empty() => return Err(ORDER_EMPTY.into()),
        Verb::Confirm if is_large(&before) => return Err(ORDER_LARGE.into()),
        Verb::Place | Verb::Confirm | Verb::ConfirmLarge => {}
        Verb::Ship | Verb::Deliver | Verb::Cancel | Verb::Return => {}
    }
    let now = change.now();
    // Whoever else saw the same version and was faster has taken it: then nothing is done here.
    let after = rows::set_state(change.tx(), id.0, matched, state, reason.as_deref(), now).await?;
    let head = after.ok_or(PRECONDITION_FAILED)?;
    let mut detail = json!({"from": before.state.name(), "to": state.name()});
    if let (Some(reason), Some(detail)) = (reason, detail.as_object_mut()) {
        detail.insert("reason".to_owned(), reason.into());
    }
    let act = act(verb.action(), &head, detail);
    let order = Order { head, lines };
    let reply = Reply::ok(&order)?.version(order.head.version);
    change.commit(act, reply).await
}

/// An unknown currency cannot be in the store; if it were, its orders would count as large.
fn is_large(order: &OrderHead) -> bool {
    let max = Currency::of(&order.currency).map_or(0, |currency| currency.minor(CONFIRM_MAJOR_MAX));
    order.amounts.total_minor > max
}

/// Says where the order stands and what could be done to it.
fn refused(state: State) -> Problem {
    let verbs: Vec<String> = state.verbs().map(|verb| format!("`{}`", verb.name())).collect();
    let allowed = if verbs.is_empty() { "nothing".to_owned() } else { verbs.join(", ") };
    Problem::new(TRANSITION_REFUSED)
        .field("state", format!("the order is `{}`; what can be done to it: {allowed}", state.name()))
}
