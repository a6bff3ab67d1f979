//! Customers: what is refused, what is kept, what the outbox says.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{customer, draft, last_entry, line, people, rows, service};
use serde_json::json;

#[each_engine]
async fn a_new_customer_with_wrong_fields_is_refused_naming_all_of_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    for (body, fields) in [
        (json!({}), vec!["name", "email"]),
        (json!({"name": " A", "email": "a"}), vec!["name", "email"]),
        (json!({"name": "A", "email": "a@b@c"}), vec!["email"]),
        (json!({"name": "A", "email": "a@b", "tenant_id": "x"}), vec!["tenant_id"]),
        (json!({"name": "A", "email": "a@b", "version": 7}), vec!["version"]),
    ] {
        let answer = ann.post("/orders/customers", body.clone()).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{body}");
    }
    assert_eq!(rows(&service).await, [0; 4]);
}

#[each_engine]
async fn a_customer_is_kept_and_their_address_stays_out_of_the_audit_log() {
    let service = service().await;
    let (ann, _) = people(&service);
    let created = ann.post("/orders/customers", json!({"name": "Bea", "email": "Bea@Example.org"})).await;
    assert_eq!((created.status, created.header("etag")), (201, "\"1\""));
    assert_eq!(created.json["email"], "bea@example.org");
    let path = created.header("location").to_owned();
    assert_eq!(ann.get(&path).await.json, created.json);
    let entry = last_entry(&service).await;
    assert_eq!(entry.action, "CreateCustomer");
    assert!(!entry.detail.contains("Bea") && !entry.detail.contains("bea"), "{}", entry.detail);

    let changed = ann.clone().with("if-match", "\"1\"").patch(&path, json!({"name": "Beatrix"})).await;
    assert_eq!((changed.status, changed.header("etag"), changed.json["version"].as_i64()), (200, "\"2\"", Some(2)));
    assert_eq!(last_entry(&service).await.detail, r#"{"changed":["name"]}"#);
}

#[each_engine]
async fn an_address_is_taken_once_per_tenant_whatever_its_capitals() {
    let service = service().await;
    let (ann, bob) = people(&service);
    customer(&ann, "a@example.org").await;
    let answer = ann.post("/orders/customers", json!({"name": "B", "email": "A@EXAMPLE.ORG"})).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (409, "email_taken", vec!["email"]));
    let other = customer(&ann, "b@example.org").await;
    let any = ann.clone().with("if-match", "*");
    let answer = any.patch(&format!("/orders/customers/{other}"), json!({"email": "a@example.org"})).await;
    assert_eq!(answer.code(), "email_taken");
    customer(&bob, "a@example.org").await;
}

#[each_engine]
async fn a_change_wants_to_know_what_was_seen() {
    let service = service().await;
    let (ann, _) = people(&service);
    let path = format!("/orders/customers/{}", customer(&ann, "a@example.org").await);
    let before = rows(&service).await;
    for (person, status) in [(ann.clone(), 428), (ann.clone().with("if-match", "\"2\""), 412)] {
        assert_eq!(person.patch(&path, json!({"name": "x"})).await.status, status);
        assert_eq!(person.delete(&path).await.status, status);
    }
    assert_eq!(ann.patch(&path, json!({})).await.status, 428, "before the body is looked at");
    assert_eq!(rows(&service).await, before);
    let seen = ann.with("if-match", "\"1\"");
    assert_eq!(seen.patch(&path, json!({})).await.fields(), ["name"]);
    assert_eq!(seen.delete(&path).await.status, 204);
    assert_eq!(seen.get(&path).await.status, 404);
}

#[each_engine]
async fn a_customer_with_orders_is_not_deleted() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    draft(&ann, &id, json!([line(1)])).await;
    let before = rows(&service).await;
    let answer = ann.with("if-match", "*").delete(&format!("/orders/customers/{id}")).await;
    assert_eq!((answer.status, answer.code()), (409, "customer_in_use"));
    assert_eq!(rows(&service).await, before);
}
