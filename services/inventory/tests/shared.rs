//! What every service has from the kit, as this one's clients see it: keys, tags, filters and orders.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_kit::testing::{TestClient, outbox};
use cedargate_migrations::testing::each_engine;
use common::{item, lot, movement, people, rows, service, text};
use serde_json::json;

#[each_engine]
async fn every_change_can_be_sent_again() {
    let service = service().await;
    let (ann, _) = people(&service);
    let ann = ann.with("idempotency-key", "k");
    let body = json!({"sku": "A", "name": "A thing", "unit": "kg"});
    let created = ann.post("/inventory/items", body.clone()).await;
    let id = text(&created.json["id"]);
    let (path, lots) = (format!("/inventory/items/{id}"), format!("/inventory/items/{id}/lots"));
    let lot_body = json!({"code": "L", "expires_on": "2030-01-31"});
    let lot = text(&ann.post(&lots, lot_body.clone()).await.json["id"]);
    let movements = format!("{path}/movements");
    let recall = format!("/inventory/lots/{lot}/recall");
    ann.post(&movements, movement(&lot, 5)).await;
    ann.patch(&path, json!({"name": "Renamed"})).await;
    ann.post(&recall, json!({"reason": "x"})).await;
    let before = rows(&service).await;
    for (again, status) in [
        (ann.post("/inventory/items", body).await, 201),
        (ann.post(&lots, lot_body).await, 201),
        (ann.post(&movements, movement(&lot, 5)).await, 201),
        (ann.patch(&path, json!({"name": "Renamed"})).await, 200),
        (ann.post(&recall, json!({"reason": "x"})).await, 200),
    ] {
        assert_eq!((again.status, again.header("idempotency-replayed")), (status, "true"), "{}", again.text);
    }
    assert_eq!(rows(&service).await, before);
    let gone = text(
        &ann.clone()
            .without("idempotency-key")
            .post("/inventory/items", json!({"sku": "B", "name": "x", "unit": "kg"}))
            .await
            .json["id"],
    );
    for replayed in ["", "true"] {
        let answer = ann.delete(&format!("/inventory/items/{gone}")).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (204, replayed));
    }
    assert_eq!(outbox(service.pool()).await.len(), 7);
}

#[each_engine]
async fn a_change_of_what_somebody_else_changed_is_refused() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let path = format!("/inventory/items/{id}");
    let seen = ann.get(&path).await.header("etag").to_owned();
    assert_eq!(ann.clone().with("if-none-match", &seen).get(&path).await.status, 304);
    assert_eq!(ann.patch(&path, json!({"name": "Renamed"})).await.header("etag"), "\"2\"");
    let stale = ann.clone().with("if-match", &seen);
    assert_eq!(stale.patch(&path, json!({"name": "x"})).await.code(), "precondition_failed");
    assert_eq!(stale.delete(&path).await.code(), "precondition_failed");
    assert_eq!(ann.get(&path).await.json["name"], "Renamed");

    // A movement changes what the lot shows.
    let lot = lot(&ann, &id, "L").await;
    let path = format!("/inventory/lots/{lot}");
    let seen = ann.get(&path).await.header("etag").to_owned();
    ann.post(&format!("/inventory/items/{id}/movements"), movement(&lot, 1)).await;
    let recall = format!("{path}/recall");
    assert_eq!(ann.clone().with("if-match", &seen).post(&recall, json!({"reason": "x"})).await.status, 412);
    assert_eq!(
        ann.clone().with("if-match", "\"2\"").post(&recall, json!({"reason": "x"})).await.header("etag"),
        "\"3\""
    );
}

async fn listed(client: &TestClient, target: &str, field: &str) -> Vec<String> {
    let answer = client.get(target).await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.text);
    answer.json["items"].as_array().unwrap().iter().map(|thing| thing[field].to_string()).collect()
}

#[each_engine]
async fn lists_are_filtered_and_sorted() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "B").await;
    item(&ann, "A").await;
    ann.post("/inventory/items", json!({"sku": "C", "name": "x", "unit": "box"})).await;
    assert_eq!(listed(&ann, "/inventory/items?sort=-sku", "sku").await, [r#""C""#, r#""B""#, r#""A""#]);
    assert_eq!(listed(&ann, "/inventory/items?unit=kg&sort=sku", "sku").await, [r#""A""#, r#""B""#]);
    assert_eq!(listed(&ann, "/inventory/items?sku=C", "unit").await, [r#""box""#]);

    let lots = format!("/inventory/items/{id}/lots");
    for (code, day) in [("L1", "2031-01-01"), ("L2", "2030-01-01"), ("L3", "2032-01-01")] {
        ann.post(&lots, json!({"code": code, "expires_on": day})).await;
    }
    assert_eq!(listed(&ann, &format!("{lots}?sort=expires_on"), "code").await, [r#""L2""#, r#""L1""#, r#""L3""#]);
    assert_eq!(listed(&ann, &format!("{lots}?expires_on.lt=2031-01-01"), "code").await, [r#""L2""#]);
    let second = text(&ann.get(&format!("{lots}?sort=expires_on")).await.json["items"][0]["id"]);
    ann.post(&format!("/inventory/lots/{second}/recall"), json!({"reason": "x"})).await;
    assert_eq!(listed(&ann, &format!("{lots}?state=recalled"), "code").await, [r#""L2""#]);
    assert_eq!(listed(&ann, &format!("{lots}?state=active"), "code").await, [r#""L1""#, r#""L3""#]);

    let first = text(&ann.get(&format!("{lots}?sort=-expires_on")).await.json["items"][0]["id"]);
    let movements = format!("/inventory/items/{id}/movements");
    for quantity in [1, 2] {
        ann.post(&movements, movement(&first, quantity)).await;
    }
    assert_eq!(listed(&ann, &format!("{movements}?sort=-recorded_at&lot={first}"), "quantity").await, ["2", "1"]);
    assert_eq!(listed(&ann, &format!("{movements}?recorded_at.lt=5"), "quantity").await, [""; 0]);
    for (target, field) in [
        ("/inventory/items?sort=unit", "sort"),
        ("/inventory/items?unit.gte=kg", "unit.gte"),
        ("/inventory/items?state=x", "state"),
    ] {
        assert_eq!(ann.get(target).await.fields(), [field], "{target}");
    }
}
