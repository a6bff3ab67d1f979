//! What the tests of this service share.
#![allow(dead_code, reason = "each test file uses its own part")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use cedargate_inventory::SERVICE;
use cedargate_kit::testing::{OutboxRow, TestClient, TestService, outbox, tenant};
use serde_json::{Value, json};

pub(crate) async fn service() -> TestService {
    TestService::start(&SERVICE).await
}

/// A person of acme and one of globex.
pub(crate) fn people(service: &TestService) -> (TestClient, TestClient) {
    (service.person(&tenant(1, "acme")), service.person(&tenant(2, "globex")))
}

pub(crate) async fn item(person: &TestClient, sku: &str) -> String {
    let created = person.post("/inventory/items", json!({"sku": sku, "name": "A thing", "unit": "kg"})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    text(&created.json["id"])
}

pub(crate) async fn lot(person: &TestClient, item: &str, code: &str) -> String {
    let body = json!({"code": code, "expires_on": "2030-01-31"});
    let created = person.post(&format!("/inventory/items/{item}/lots"), body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    text(&created.json["id"])
}

pub(crate) fn movement(lot: &str, quantity: i64) -> Value {
    json!({"lot": lot, "quantity": quantity, "reason": "counted"})
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The last thing in the outbox.
pub(crate) async fn last_entry(service: &TestService) -> OutboxRow {
    outbox(service.pool()).await.pop().unwrap()
}

/// How many rows all tables hold together: what must not have changed after a refusal.
pub(crate) async fn rows(service: &TestService) -> [i64; 4] {
    let count = async |sql| service.operator().await.number(sql).await;
    [
        count("SELECT count(*) FROM items").await,
        count("SELECT count(*) FROM lots").await,
        count("SELECT count(*) FROM movements").await,
        count("SELECT count(*) FROM audit_outbox").await,
    ]
}
