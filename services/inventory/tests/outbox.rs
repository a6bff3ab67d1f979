//! No change without its audit entry, and no entry without its change.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{item, lot, movement, people, rows, service};
use serde_json::json;

#[each_engine]
async fn a_change_whose_entry_fails_is_undone() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let empty = item(&ann, "B").await;
    let lot = lot(&ann, &id, "L").await;
    ann.post(&format!("/inventory/items/{id}/movements"), movement(&lot, 5)).await;
    let (item_before, lot_before) =
        (ann.get(&format!("/inventory/items/{id}")).await.json, ann.get(&format!("/inventory/lots/{lot}")).await.json);

    service.break_outbox().await;

    let before = rows(&service).await;
    let answers = [
        ann.post("/inventory/items", json!({"sku": "C", "name": "x", "unit": "kg"})).await,
        ann.patch(&format!("/inventory/items/{id}"), json!({"name": "changed"})).await,
        ann.delete(&format!("/inventory/items/{empty}")).await,
        ann.post(&format!("/inventory/items/{id}/lots"), json!({"code": "M", "expires_on": "2030-01-31"})).await,
        ann.post(&format!("/inventory/lots/{lot}/recall"), json!({"reason": "x"})).await,
        ann.post(&format!("/inventory/items/{id}/movements"), movement(&lot, -1)).await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (500, "store_failed"), "{}", answer.text);
        assert!(!answer.text.contains("outbox"), "nothing of the inside: {}", answer.text);
    }
    assert_eq!(rows(&service).await, before);
    assert_eq!(ann.get(&format!("/inventory/items/{id}")).await.json, item_before);
    assert_eq!(ann.get(&format!("/inventory/lots/{lot}")).await.json, lot_before);
}

#[each_engine]
async fn without_its_store_the_service_says_so_and_changes_nothing() {
    let service = service().await;
    let (ann, _) = people(&service);
    service.pool().close().await;
    let answer = ann.post("/inventory/items", json!({"sku": "C", "name": "x", "unit": "kg"})).await;
    assert_eq!((answer.status, answer.code()), (503, "store_unavailable"));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(ann.get("/inventory/items").await.code(), "store_unavailable");
}
