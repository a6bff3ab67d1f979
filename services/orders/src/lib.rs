//! The orders service: customers, orders with lines, and what may become of them.
//!
//! Always true of what stands here:
//! - an order's amounts are what its lines add up to, computed here and never taken from a client;
//! - what may become of an order is one table, and of all who want to do something to one state of it one does;
//! - a tenant's orders are numbered 1, 2, 3 without gaps: an order is never deleted, and its number is given in the
//!   transaction that makes it.
//!
//! ```
//! let document = cedargate_orders::openapi();
//! assert!(document.contains(r#""operationId": "PlaceOrder""#));
//! ```
//!
//! To add an operation: a handler in its noun's module with its `utoipa::path` (the operation's id is the Cedar
//! action), its line in [`routes`] and in the document's list, its statements in `rows.rs` beside it. To add a state or a
//! verb: its line in the table of `state.rs`. Then `UPDATE=1 cargo test -p cedargate-orders` writes
//! `policies/orders/openapi.json`, and the policy tests ask for its route and its row in the matrix.

mod currency;
mod customers;
mod demo;
mod fields;
mod money;
mod orders;
mod schema;
mod state;

use axum::Router;
use axum::routing::{get, post, put};
use cedargate_kit::{Kit, Service};
use utoipa::OpenApi;

pub use demo::{Seeded, seed};
pub use schema::SCHEMA;

/// The service, ready to be served.
pub const SERVICE: Service = Service { name: "orders", schema: &SCHEMA, routes };

/// Every operation of the service.
pub fn routes() -> Router<Kit> {
    Router::new()
        .route("/orders/customers", get(customers::list).post(customers::create))
        .route("/orders/customers/{id}", get(customers::get).patch(customers::update).delete(customers::delete))
        .route("/orders/orders", get(orders::list).post(orders::create))
        .route("/orders/orders/{id}", get(orders::get))
        .route("/orders/orders/{id}/lines", put(orders::replace_lines))
        .route("/orders/orders/{id}/place", post(orders::place))
        .route("/orders/orders/{id}/confirm", post(orders::confirm))
        .route("/orders/orders/{id}/confirm-large", post(orders::confirm_large))
        .route("/orders/orders/{id}/ship", post(orders::ship))
        .route("/orders/orders/{id}/deliver", post(orders::deliver))
        .route("/orders/orders/{id}/cancel", post(orders::cancel))
        .route("/orders/orders/{id}/return", post(orders::take_back))
}

/// The service's OpenAPI document as JSON, as it is committed beside its policies.
pub fn openapi() -> String {
    // The document is made of literals: it serialises, or the drift test shows that it does not.
    Document::openapi().to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Orders", description = "Customers and their orders, of one tenant."),
    paths(
        customers::list,
        customers::create,
        customers::get,
        customers::update,
        customers::delete,
        orders::list,
        orders::create,
        orders::get,
        orders::replace_lines,
        orders::place,
        orders::confirm,
        orders::confirm_large,
        orders::ship,
        orders::deliver,
        orders::cancel,
        orders::take_back,
    )
)]
struct Document;

#[cfg(test)]
mod tests {
    use cedargate_kit::testing::{TestService, sorts_without_index};

    use super::*;

    #[tokio::test]
    async fn every_list_is_read_by_an_index_in_every_order() {
        let service = TestService::start(&SERVICE).await;
        assert_eq!(sorts_without_index::<customers::CustomerRow>(service.pool()).await, [""; 0]);
        assert_eq!(sorts_without_index::<orders::OrderRow>(service.pool()).await, [""; 0]);
    }
}
