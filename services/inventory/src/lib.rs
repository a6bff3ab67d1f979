//! The inventory service: items, lots with expiry, stock movements.
//!
//! Always true of what stands here:
//! - no lot goes below zero, whoever moves what at the same time: one conditional statement decides, not a read before
//!   a write;
//! - nothing of a recalled lot moves out;
//! - movements are only ever added, so that a lot's quantity can be explained by them.
//!
//! ```
//! let document = cedargate_inventory::openapi();
//! assert!(document.contains(r#""operationId": "CreateMovement""#));
//! ```
//!
//! To add an operation: a handler in its noun's module with its `utoipa::path` (the operation's id is the Cedar
//! action), its line in [`routes`] and in the document's list, its statements in `rows.rs` beside it. Then
//! `UPDATE=1 cargo test -p cedargate-inventory` writes `policies/inventory/openapi.json`, and the policy tests ask for its
//! route and its row in the matrix.

mod demo;
mod fields;
mod items;
mod lots;
mod movements;
mod schema;

use axum::Router;
use axum::routing::{get, post};
use cedargate_kit::{Kit, Service};
use utoipa::OpenApi;

pub use demo::{Seeded, seed};
pub use schema::SCHEMA;

/// The service, ready to be served.
pub const SERVICE: Service = Service { name: "inventory", schema: &SCHEMA, routes };

/// Every operation of the service.
pub fn routes() -> Router<Kit> {
    Router::new()
        .route("/inventory/items", get(items::list).post(items::create))
        .route("/inventory/items/{id}", get(items::get).patch(items::update).delete(items::delete))
        .route("/inventory/items/{id}/lots", get(lots::list).post(lots::create))
        .route("/inventory/items/{id}/movements", get(movements::list).post(movements::create))
        .route("/inventory/lots/{id}", get(lots::get))
        .route("/inventory/lots/{id}/recall", post(lots::recall))
}

/// The service's OpenAPI document as JSON, as it is committed beside its policies.
pub fn openapi() -> String {
    // The document is made of literals: it serialises, or the drift test shows that it does not.
    Document::openapi().to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Inventory", description = "Items, lots with expiry, and stock movements of one tenant."),
    paths(
        items::list,
        items::create,
        items::get,
        items::update,
        items::delete,
        lots::list,
        lots::create,
        lots::get,
        lots::recall,
        movements::list,
        movements::create,
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
        assert_eq!(sorts_without_index::<items::ItemRow>(service.pool()).await, [""; 0]);
        assert_eq!(sorts_without_index::<lots::LotRow>(service.pool()).await, [""; 0]);
        assert_eq!(sorts_without_index::<movements::MovementRow>(service.pool()).await, [""; 0]);
    }
}
