//! No change without its audit entry, and no entry without its change.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{customer, draft, line, order, people, rows, service, text};
use serde_json::json;

#[each_engine]
async fn a_change_whose_entry_fails_is_undone() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let unused = customer(&ann, "b@example.org").await;
    let new = text(&draft(&ann, &id, json!([line(5)])).await.json["id"]);
    let placed = order(&ann, &["place"]).await;
    let confirmed = order(&ann, &["place", "confirm"]).await;
    let shipped = order(&ann, &["place", "confirm", "ship"]).await;

    service.break_outbox().await;

    let before = rows(&service).await;
    let orders = ann.get("/orders/orders").await.text;
    let customers = ann.get("/orders/customers").await.text;
    let any = ann.clone().with("if-match", "*").with("idempotency-key", "k");
    let verb =
        async |id: &str, verb: &str| any.post(&format!("/orders/orders/{id}/{verb}"), json!({"reason": "x"})).await;
    let answers = [
        any.post("/orders/customers", json!({"name": "x", "email": "c@example.org"})).await,
        any.patch(&format!("/orders/customers/{id}"), json!({"name": "changed"})).await,
        any.delete(&format!("/orders/customers/{unused}")).await,
        any.post("/orders/orders", json!({"customer": id, "currency": "EUR", "lines": [line(5)]})).await,
        any.put(&format!("/orders/orders/{new}/lines"), json!({"lines": []})).await,
        verb(&new, "place").await,
        verb(&new, "cancel").await,
        verb(&placed, "confirm").await,
        verb(&placed, "confirm-large").await,
        verb(&confirmed, "ship").await,
        verb(&shipped, "deliver").await,
        verb(&shipped, "return").await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (500, "store_failed"), "{}", answer.text);
        assert!(!answer.text.contains("outbox"), "nothing of the inside: {}", answer.text);
    }
    assert_eq!(rows(&service).await, before);
    assert_eq!(ann.get("/orders/orders").await.text, orders);
    assert_eq!(ann.get("/orders/customers").await.text, customers);
    service.mend_outbox().await;
    // Keys were undone too, and the number that was taken: the next order has it.
    let answer = any.post("/orders/orders", json!({"customer": id, "currency": "EUR"})).await;
    assert_eq!((answer.status, answer.json["number"].as_i64()), (201, Some(5)));
}

#[each_engine]
async fn without_its_store_the_service_says_so_and_changes_nothing() {
    let service = service().await;
    let (ann, _) = people(&service);
    service.pool().close().await;
    let answer = ann.post("/orders/customers", json!({"name": "C", "email": "c@example.org"})).await;
    assert_eq!((answer.status, answer.code()), (503, "store_unavailable"));
    assert_eq!(ann.get("/orders/orders").await.code(), "store_unavailable");
}
