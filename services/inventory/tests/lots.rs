//! Lots: their fields, their recall.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{item, last_entry, lot, movement, people, rows, service};
use serde_json::json;

#[each_engine]
async fn a_new_lot_with_wrong_fields_is_refused_naming_all_of_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    let lots = format!("/inventory/items/{}/lots", item(&ann, "A").await);
    for (body, fields) in [
        (json!({}), vec!["code", "expires_on"]),
        (json!({"code": "a/b", "expires_on": "2027-02-29"}), vec!["code", "expires_on"]),
        (json!({"code": "L", "expires_on": "31.01.2027"}), vec!["expires_on"]),
        (json!({"code": "L", "expires_on": "2027-01-31T00:00:00Z"}), vec!["expires_on"]),
        (json!({"code": "L", "expires_on": "2027-01-31", "quantity": 5}), vec!["quantity"]),
    ] {
        let answer = ann.post(&lots, body.clone()).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{body}");
    }
    assert_eq!(rows(&service).await, [1, 0, 0, 1]);
}

#[each_engine]
async fn a_new_lot_is_empty_active_and_has_its_entry() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let created =
        ann.post(&format!("/inventory/items/{id}/lots"), json!({"code": "L1", "expires_on": "2028-02-29"})).await;
    assert_eq!(created.status, 201);
    let lot = common::text(&created.json["id"]);
    assert_eq!(created.headers["location"], format!("/inventory/lots/{lot}"));
    let expected = json!({
        "id": lot, "item": id, "code": "L1", "expires_on": "2028-02-29", "quantity": 0, "version": 1,
        "created_at": created.json["created_at"], "state": "active",
    });
    assert_eq!(created.json, expected);
    assert_eq!(ann.get(&format!("/inventory/lots/{lot}")).await.json, expected);
    assert_eq!(ann.get(&format!("/inventory/items/{id}/lots")).await.json["items"], json!([expected]));
    let entry = last_entry(&service).await;
    assert_eq!((entry.action.as_str(), entry.resource), ("CreateLot", format!("Inventory::Lot::\"{lot}\"")));
}

#[each_engine]
async fn a_lots_code_is_taken_once_per_item() {
    let service = service().await;
    let (ann, _) = people(&service);
    let (a, b) = (item(&ann, "A").await, item(&ann, "B").await);
    lot(&ann, &a, "L").await;
    let body = json!({"code": "L", "expires_on": "2030-01-31"});
    let answer = ann.post(&format!("/inventory/items/{a}/lots"), body).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (409, "lot_code_taken", vec!["code"]));
    lot(&ann, &b, "L").await;
}

#[each_engine]
async fn an_unknown_items_lots_are_not_found() {
    let service = service().await;
    let (ann, _) = people(&service);
    let path = format!("/inventory/items/{}/lots", uuid::Uuid::from_u128(9));
    assert_eq!(ann.get(&path).await.code(), "not_found");
    let answer = ann.post(&path, json!({"code": "L", "expires_on": "2030-01-31"})).await;
    assert_eq!((answer.status, answer.code()), (404, "not_found"));
    assert_eq!(rows(&service).await, [0; 4]);
}

#[each_engine]
async fn a_recalled_lot_says_when_and_why_and_is_recalled_once() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = lot(&ann, &item(&ann, "A").await, "L").await;
    let recall = format!("/inventory/lots/{id}/recall");
    assert_eq!(ann.post(&recall, json!({})).await.fields(), ["reason"]);
    assert_eq!(ann.post(&recall, json!({"reason": " "})).await.fields(), ["reason"]);

    let recalled = ann.post(&recall, json!({"reason": "glass found"})).await;
    assert_eq!(recalled.status, 200);
    assert_eq!(recalled.json["state"], "recalled");
    assert_eq!(recalled.json["recall_reason"], "glass found");
    assert!(recalled.json["recalled_at"].is_i64());
    assert_eq!(ann.get(&format!("/inventory/lots/{id}")).await.json, recalled.json);
    let entry = last_entry(&service).await;
    assert_eq!(entry.action, "RecallLot");

    let before = rows(&service).await;
    let again = ann.post(&recall, json!({"reason": "again"})).await;
    assert_eq!((again.status, again.code()), (409, "lot_recalled"));
    assert_eq!(rows(&service).await, before);
    let unknown = format!("/inventory/lots/{}/recall", uuid::Uuid::from_u128(9));
    assert_eq!(ann.post(&unknown, json!({"reason": "x"})).await.code(), "not_found");
}

#[each_engine]
async fn nothing_of_a_recalled_lot_moves_out() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let lot = lot(&ann, &id, "L").await;
    let movements = format!("/inventory/items/{id}/movements");
    assert_eq!(ann.post(&movements, movement(&lot, 10)).await.status, 201);
    assert_eq!(ann.post(&format!("/inventory/lots/{lot}/recall"), json!({"reason": "x"})).await.status, 200);

    let before = rows(&service).await;
    let out = ann.post(&movements, movement(&lot, -1)).await;
    assert_eq!((out.status, out.code()), (409, "lot_recalled"));
    assert_eq!(rows(&service).await, before);
    let back = ann.post(&movements, movement(&lot, 2)).await;
    assert_eq!(back.status, 201, "what customers send back comes in");
    assert_eq!(ann.get(&format!("/inventory/lots/{lot}")).await.json["quantity"], 12);
}
