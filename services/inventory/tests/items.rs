//! Items: what is refused, what is kept, what the outbox says.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_assertion::DECISION_HEADER;
use cedargate_kit::testing::{outbox, tenant};
use cedargate_migrations::testing::each_engine;
use common::{item, last_entry, lot, people, rows, service};
use serde_json::{Value, json};

#[each_engine]
async fn a_new_item_with_wrong_fields_is_refused_naming_all_of_them() {
    let service = service().await;
    let (ann, _) = people(&service);
    for (body, fields) in [
        (json!({}), vec!["sku", "name", "unit"]),
        (json!({"sku": "", "name": "", "unit": ""}), vec!["sku", "name", "unit"]),
        (json!({"sku": "a b", "name": "x", "unit": "kg"}), vec!["sku"]),
        (json!({"sku": "a", "name": " x", "unit": "a unit that is long"}), vec!["name", "unit"]),
        (json!({"sku": "a", "name": "x\ny", "unit": "kg"}), vec!["name"]),
        (json!({"sku": "a", "name": null, "unit": "kg"}), vec!["name"]),
        (json!({"sku": 7, "name": "x", "unit": "kg"}), vec!["sku"]),
        (json!({"sku": "a", "name": "x", "unit": "kg", "tenant_id": "globex"}), vec!["tenant_id"]),
    ] {
        let answer = ann.post("/inventory/items", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (422, "fields_invalid"), "{body}");
        assert_eq!(answer.fields(), fields, "{body}");
    }
    assert_eq!(rows(&service).await, [0; 4]);
}

#[each_engine]
async fn a_created_item_is_there_with_its_entry() {
    let service = service().await;
    let (ann, _) = people(&service);
    let body = json!({"sku": "SAL-500", "name": "Saline, 500 ml", "unit": "bottle"});
    let created = ann.post("/inventory/items", body).await;
    assert_eq!(created.status, 201);
    let id = created.json["id"].as_str().unwrap();
    assert_eq!(created.headers["location"], format!("/inventory/items/{id}"));
    assert_eq!(ann.get(&format!("/inventory/items/{id}")).await.json, created.json);

    let entry = last_entry(&service).await;
    assert_eq!(entry.action, "CreateItem");
    assert_eq!(entry.resource, format!("Inventory::Item::\"{id}\""));
    assert_eq!(entry.detail, r#"{"sku":"SAL-500"}"#);
    assert_eq!(entry.tenant_id, tenant(1, "acme").id.0);
    assert_eq!(entry.decision_id.to_string(), ann.header(DECISION_HEADER));
    assert_eq!(entry.principal_id.unwrap().as_u128(), 101);
    assert_eq!(entry.session_id.unwrap().as_u128(), 201);
    assert_eq!(entry.recorded_at, created.json["created_at"].as_i64().unwrap());
    assert_eq!(entry.id.get_version_num(), 7);
}

#[each_engine]
async fn an_anonymous_callers_change_has_no_principal() {
    let service = service().await;
    item(&service.anonymous(&tenant(1, "acme")), "A").await;
    let entry = last_entry(&service).await;
    assert_eq!((entry.principal_id, entry.session_id), (None, None));
}

#[each_engine]
async fn a_sku_is_taken_once_per_tenant() {
    let service = service().await;
    let (ann, bob) = people(&service);
    let first = item(&ann, "A").await;
    let second = item(&ann, "B").await;
    let before = rows(&service).await;

    let body = json!({"sku": "A", "name": "x", "unit": "kg"});
    let answer = ann.post("/inventory/items", body).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (409, "sku_taken", vec!["sku"]));
    let answer = ann.patch(&format!("/inventory/items/{second}"), json!({"sku": "A"})).await;
    assert_eq!((answer.status, answer.code()), (409, "sku_taken"));
    assert_eq!(rows(&service).await, before);

    let kept = ann.patch(&format!("/inventory/items/{first}"), json!({"sku": "A"})).await;
    assert_eq!(kept.status, 200, "its own SKU is free for it");
    item(&bob, "A").await;
}

#[each_engine]
async fn a_change_touches_what_it_names_and_nothing_else() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    let path = format!("/inventory/items/{id}");
    let before = ann.get(&path).await.json;
    service.clock().set(cedargate_model::Micros(before["created_at"].as_i64().unwrap() + 7));

    let changed = ann.patch(&path, json!({"name": "Renamed"})).await;
    assert_eq!(changed.status, 200);
    let mut expected = before.clone();
    expected["name"] = "Renamed".into();
    expected["version"] = json!(2);
    expected["updated_at"] = json!(before["created_at"].as_i64().unwrap() + 7);
    assert_eq!(changed.json, expected);
    assert_eq!(ann.get(&path).await.json, expected);
    let entry = last_entry(&service).await;
    assert_eq!((entry.action.as_str(), entry.detail.as_str()), ("UpdateItem", r#"{"changed":["name"]}"#));
}

#[each_engine]
async fn a_change_of_nothing_is_refused() {
    let service = service().await;
    let (ann, _) = people(&service);
    let path = format!("/inventory/items/{}", item(&ann, "A").await);
    let answer = ann.patch(&path, json!({})).await;
    assert_eq!((answer.status, answer.code()), (422, "fields_invalid"));
    assert_eq!(ann.patch(&path, json!({"unit": ""})).await.fields(), ["unit"]);
    assert_eq!(ann.patch(&path, json!({"id": "x"})).await.fields(), ["id"]);
}

#[each_engine]
async fn an_item_with_lots_is_not_deleted() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = item(&ann, "A").await;
    lot(&ann, &id, "L").await;
    let before = rows(&service).await;
    let answer = ann.delete(&format!("/inventory/items/{id}")).await;
    assert_eq!((answer.status, answer.code()), (409, "item_in_use"));
    assert_eq!(rows(&service).await, before);
}

#[each_engine]
async fn a_deleted_item_is_gone_with_its_entry_left() {
    let service = service().await;
    let (ann, _) = people(&service);
    let path = format!("/inventory/items/{}", item(&ann, "A").await);
    let answer = ann.delete(&path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(ann.get(&path).await.code(), "not_found");
    assert_eq!(ann.delete(&path).await.code(), "not_found");
    assert_eq!(ann.patch(&path, json!({"name": "x"})).await.code(), "not_found");
    let actions: Vec<_> = outbox(service.pool()).await.into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, ["CreateItem", "DeleteItem"], "what was refused leaves nothing");
}

#[each_engine]
async fn a_list_is_walked_page_by_page() {
    let service = service().await;
    let (ann, _) = people(&service);
    let mut created = Vec::new();
    for number in 0..7 {
        created.push(item(&ann, &format!("S{number}")).await);
    }
    let (mut seen, mut target) = (Vec::new(), "/inventory/items?limit=3".to_owned());
    loop {
        let page = ann.get(&target).await.json;
        let ids = page["items"].as_array().unwrap().iter().map(|item| common::text(&item["id"]));
        seen.extend(ids);
        match &page["next"] {
            Value::String(cursor) => target = format!("/inventory/items?limit=3&cursor={cursor}"),
            other => {
                assert!(other.is_null());
                break;
            }
        }
    }
    assert_eq!(seen, created, "in the order of creation, each once");
}
