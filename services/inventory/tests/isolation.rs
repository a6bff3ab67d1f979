//! Nothing of one tenant is visible to another, by any operation, even where ids are guessed.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_kit::testing::{Answer, TestClient, outbox};
use cedargate_migrations::laws::broken_laws;
use cedargate_migrations::testing::each_engine;
use common::{item, lot, movement, people, rows, service, text};
use serde_json::{Value, json};

/// Every operation of the document, with acme's ids in the path.
async fn every_operation(person: &TestClient, item: &str, lot: &str) -> Vec<(String, Answer)> {
    let document: Value = serde_json::from_str(&cedargate_inventory::openapi()).unwrap();
    let mut answers = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let id = if path.starts_with("/inventory/lots/") { lot } else { item };
        let target = path.replace("{id}", id);
        for (method, operation) in operations.as_object().unwrap() {
            let name = text(&operation["operationId"]);
            let body = match name.as_str() {
                "CreateItem" => json!({"sku": "MINE", "name": "x", "unit": "kg"}),
                "UpdateItem" => json!({"name": "taken over"}),
                "CreateLot" => json!({"code": "MINE", "expires_on": "2030-01-31"}),
                "RecallLot" => json!({"reason": "not mine"}),
                "CreateMovement" => movement(lot, -1),
                _ => Value::Null,
            };
            let answer = match method.as_str() {
                "get" => person.get(&target).await,
                "post" => person.post(&target, body).await,
                "patch" => person.patch(&target, body).await,
                "delete" => person.delete(&target).await,
                other => panic!("a method that this test does not know: {other}"),
            };
            answers.push((name, answer));
        }
    }
    answers
}

#[each_engine]
async fn a_person_of_globex_sees_and_changes_nothing_of_acmes() {
    let service = service().await;
    let (ann, bob) = people(&service);
    let id = item(&ann, "ACME-SKU").await;
    let acme_lot = lot(&ann, &id, "ACME-LOT").await;
    ann.post(&format!("/inventory/items/{id}/movements"), movement(&acme_lot, 5)).await;
    let theirs = item(&bob, "GLOBEX-SKU").await;

    let before = everything_of(&ann, &id, &acme_lot).await;
    let counted = rows(&service).await;
    let answers = every_operation(&bob, &id, &acme_lot).await;
    assert_eq!(answers.len(), 11);
    for (operation, answer) in &answers {
        assert!(!answer.text.contains("ACME") && !answer.text.contains(&id), "{operation}: {}", answer.text);
        match operation.as_str() {
            "ListItems" => {
                assert_eq!(answer.status, 200);
                let ids: Vec<_> = answer.json["items"].as_array().unwrap().iter().map(|i| text(&i["id"])).collect();
                assert_eq!(ids, std::slice::from_ref(&theirs));
            }
            "CreateItem" => assert_eq!(answer.status, 201),
            _ => assert_eq!((answer.status, answer.code()), (404, "not_found"), "{operation}"),
        }
    }
    assert_eq!(everything_of(&ann, &id, &acme_lot).await, before);
    let [items, lots, movements, entries] = counted;
    assert_eq!(rows(&service).await, [items + 1, lots, movements, entries + 1], "their own new item and nothing else");

    // What does not exist and what is another tenant's look the same.
    let guess = bob.get(&format!("/inventory/items/{}", uuid::Uuid::from_u128(5))).await;
    let known = bob.get(&format!("/inventory/items/{id}")).await;
    assert_eq!((guess.status, guess.text), (known.status, known.text));
}

async fn everything_of(person: &TestClient, item: &str, lot: &str) -> Vec<String> {
    let mut all = Vec::new();
    for target in [
        "/inventory/items".to_owned(),
        format!("/inventory/items/{item}"),
        format!("/inventory/items/{item}/lots"),
        format!("/inventory/items/{item}/movements"),
        format!("/inventory/lots/{lot}"),
    ] {
        let answer = person.get(&target).await;
        assert_eq!(answer.status, 200, "{target}");
        all.push(answer.text);
    }
    all
}

/// A cursor holds for one list of one tenant.
#[each_engine]
async fn another_tenants_cursor_opens_nothing() {
    let service = service().await;
    let (ann, bob) = people(&service);
    for number in 0..3 {
        item(&ann, &format!("A{number}")).await;
    }
    let cursor = text(&ann.get("/inventory/items?limit=1").await.json["next"]);
    let answer = bob.get(&format!("/inventory/items?cursor={cursor}")).await;
    assert_eq!((answer.status, answer.fields()), (400, vec!["cursor"]));
}

#[each_engine]
async fn a_lot_of_another_tenant_does_not_move_an_own_item() {
    let service = service().await;
    let (ann, bob) = people(&service);
    let acme_lot = lot(&ann, &item(&ann, "A").await, "L").await;
    let theirs = item(&bob, "B").await;
    let answer = bob.post(&format!("/inventory/items/{theirs}/movements"), movement(&acme_lot, 1)).await;
    assert_eq!((answer.status, answer.code()), (422, "lot_unknown"));
}

#[each_engine]
async fn every_entry_stands_under_the_tenant_of_its_change() {
    let service = service().await;
    let (ann, bob) = people(&service);
    item(&ann, "A").await;
    item(&bob, "B").await;
    let tenants: Vec<_> = outbox(service.pool()).await.iter().map(|entry| entry.tenant_id.as_u128()).collect();
    assert_eq!(tenants, [1, 2]);
}

#[each_engine]
async fn the_schema_keeps_the_houses_laws() {
    let service = service().await;
    assert_eq!(broken_laws(service.pool(), &["cursor_secret"]).await.unwrap(), Vec::<String>::new());
}
