//! What the tests of this service share.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

use cedargate_kit::testing::{Answer, OutboxRow, TestClient, TestService, outbox, tenant};
use cedargate_orders::SERVICE;
use serde_json::{Value, json};

pub(crate) async fn service() -> TestService {
    TestService::start(&SERVICE).await
}

/// A person of acme and one of globex.
pub(crate) fn people(service: &TestService) -> (TestClient, TestClient) {
    (service.person(&tenant(1, "acme")), service.person(&tenant(2, "globex")))
}

pub(crate) async fn customer(person: &TestClient, email: &str) -> String {
    let created = person.post("/orders/customers", json!({"name": "A customer", "email": email})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    text(&created.json["id"])
}

/// A line of one piece, without tax.
pub(crate) fn line(unit_price_minor: i64) -> Value {
    json!({"sku": "A", "description": "A thing", "quantity": 1, "unit_price_minor": unit_price_minor, "tax_rate_bp": 0})
}

pub(crate) async fn draft(person: &TestClient, customer: &str, lines: Value) -> Answer {
    let created = person.post("/orders/orders", json!({"customer": customer, "currency": "EUR", "lines": lines})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    created
}

/// An order of a new customer that was taken through these verbs.
pub(crate) async fn order(person: &TestClient, verbs: &[&str]) -> String {
    let email = format!("{}@example.org", uuid::Uuid::now_v7().simple());
    let customer = customer(person, &email).await;
    let id = text(&draft(person, &customer, json!([line(1_000)])).await.json["id"]);
    for verb in verbs {
        let answer = done(person, &id, verb).await;
        assert_eq!(answer.status, 200, "{verb}: {}", answer.text);
    }
    id
}

/// Does something to an order, whatever version it is.
pub(crate) async fn done(person: &TestClient, id: &str, verb: &str) -> Answer {
    let any = person.clone().with("if-match", "*");
    any.post(&format!("/orders/orders/{id}/{verb}"), json!({"reason": "as the test wants"})).await
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
        count("SELECT count(*) FROM customers").await,
        count("SELECT count(*) FROM orders").await,
        count("SELECT count(*) FROM order_lines").await,
        count("SELECT count(*) FROM audit_outbox").await,
    ]
}
