//! Movements: no lot goes below zero, whoever moves what at the same time.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use std::sync::Arc;

use cedargate_kit::testing::{Server, outbox, status};
use common::{item, last_entry, lot, movement, people, rows, service, text};
use serde_json::json;

#[each_engine]
async fn a_movement_with_wrong_fields_is_refused_naming_all_of_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    let before = rows(&service).await;
    for (body, fields) in [
        (json!({}), vec!["lot", "quantity", "reason"]),
        (json!({"lot": "x", "quantity": 0, "reason": ""}), vec!["lot", "quantity", "reason"]),
        (json!({"lot": lot.to_uppercase(), "quantity": 1, "reason": "x"}), vec!["lot"]),
        (json!({"lot": lot, "quantity": 1.5, "reason": "x"}), vec!["quantity"]),
        (json!({"lot": lot, "quantity": "1", "reason": "x"}), vec!["quantity"]),
        (json!({"lot": lot, "quantity": 1_000_000_001, "reason": "x"}), vec!["quantity"]),
        (json!({"lot": lot, "quantity": i64::MIN, "reason": "x"}), vec!["quantity"]),
    ] {
        let answer = ann.post(&format!("/inventory/items/{id}/movements"), body.clone()).await;
        assert_eq!((answer.status, answer.code(), answer.fields()), (422, "fields_invalid", fields), "{body}");
    }
    assert_eq!(rows(&service).await, before);
}

#[each_engine]
async fn more_than_there_is_does_not_move_out() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    let movements = format!("/inventory/items/{id}/movements");
    assert_eq!(ann.post(&movements, movement(&lot, 5)).await.status, 201);
    let before = rows(&service).await;
    let answer = ann.post(&movements, movement(&lot, -6)).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (409, "stock_insufficient", vec!["quantity"]));
    assert_eq!(rows(&service).await, before);
    assert_eq!(ann.post(&movements, movement(&lot, -5)).await.status, 201);
    assert_eq!(ann.get(&format!("/inventory/lots/{lot}")).await.json["quantity"], 0);
}

#[each_engine]
async fn a_lot_has_a_limit_far_from_where_numbers_wrap() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    service.operator().await.run("UPDATE lots SET quantity = 999999999999").await;
    let movements = format!("/inventory/items/{id}/movements");
    let answer = ann.post(&movements, movement(&lot, 2)).await;
    assert_eq!((answer.status, answer.code()), (409, "stock_too_large"));
    assert_eq!(ann.post(&movements, movement(&lot, 1)).await.status, 201);
}

#[each_engine]
async fn a_lot_of_another_item_does_not_move() {
    let service = service().await;
    let (ann, _) = people(&service);
    let (a, b) = (item(&ann, "A").await, item(&ann, "B").await);
    let lot = lot(&ann, &a, "L").await;
    let before = rows(&service).await;
    let answer = ann.post(&format!("/inventory/items/{b}/movements"), movement(&lot, 1)).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (422, "lot_unknown", vec!["lot"]));
    let nowhere = format!("/inventory/items/{}/movements", uuid::Uuid::from_u128(9));
    assert_eq!(ann.post(&nowhere, movement(&lot, 1)).await.code(), "not_found");
    assert_eq!(ann.get(&nowhere).await.code(), "not_found");
    assert_eq!(rows(&service).await, before);
}

#[each_engine]
async fn a_movement_is_kept_with_its_entry() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    let movements = format!("/inventory/items/{id}/movements");
    let created = ann.post(&movements, movement(&lot, 5)).await;
    assert_eq!(created.status, 201);
    assert_eq!(ann.get(&movements).await.json, json!({"items": [created.json], "next": null}));
    let entry = last_entry(&service).await;
    assert_eq!(entry.action, "CreateMovement");
    assert_eq!(entry.resource, format!("Inventory::Item::\"{id}\""));
    let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
    let movement = text(&created.json["id"]);
    assert_eq!(detail, json!({"movement": movement, "lot": lot, "quantity": 5, "held": 5}));
}

/// A real server on a real socket over a real file, and forty clients who all want the last ten.
#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_exactly_as_many_move_out_as_there_is() {
    const HELD: i64 = 10;
    const CLIENTS: usize = 40;

    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    let movements = format!("/inventory/items/{id}/movements");
    assert_eq!(ann.post(&movements, movement(&lot, HELD)).await.status, 201);

    let server = Server::start(service.app()).await;
    let ready = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    let clients = (0..CLIENTS).map(|_| {
        let (ready, ann, server) = (Arc::clone(&ready), ann.clone(), server.clone());
        let (target, body) = (movements.clone(), movement(&lot, -1).to_string());
        tokio::spawn(async move {
            ready.wait().await;
            status(&server.post(&ann, &target, &body).await)
        })
    });
    let mut statuses = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        statuses.push(client.await.unwrap());
    }
    statuses.sort_unstable();
    let moved = statuses.iter().filter(|status| **status == 201).count();
    let refused = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!((moved, refused), (10, CLIENTS - 10), "{statuses:?}");

    assert_eq!(ann.get(&format!("/inventory/lots/{lot}")).await.json["quantity"], 0);
    let listed = ann.get(&format!("{movements}?limit=200")).await.json;
    let sum: i64 = listed["items"].as_array().unwrap().iter().map(|m| m["quantity"].as_i64().unwrap()).sum();
    assert_eq!(sum, 0, "the movements explain the lot");
    let entries = outbox(service.pool()).await;
    assert_eq!(entries.iter().filter(|entry| entry.action == "CreateMovement").count(), 11);
}
