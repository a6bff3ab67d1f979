//! Nothing of one tenant is visible to another, by any operation, even where ids are guessed or the same.

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
use common::{customer, draft, line, people, rows, service, text};
use serde_json::{Value, json};

/// Every operation of the document, with acme's ids in path and body.
async fn every_operation(person: &TestClient, customer: &str, order: &str) -> Vec<(String, Answer)> {
    let document: Value = serde_json::from_str(&cedargate_orders::openapi()).unwrap();
    let person = person.clone().with("if-match", "*");
    let mut answers = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let id = if path.starts_with("/orders/customers/") { customer } else { order };
        let target = path.replace("{id}", id);
        for (method, operation) in operations.as_object().unwrap() {
            let name = text(&operation["operationId"]);
            let body = match name.as_str() {
                "CreateCustomer" => json!({"name": "x", "email": "mine@example.org"}),
                "UpdateCustomer" => json!({"name": "taken over"}),
                "CreateOrder" => json!({"customer": customer, "currency": "EUR"}),
                "ReplaceLines" => json!({"lines": []}),
                _ => json!({"reason": "not mine"}),
            };
            let answer = match method.as_str() {
                "get" => person.get(&target).await,
                "post" => person.post(&target, body).await,
                "put" => person.put(&target, body).await,
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
    let acmes = customer(&ann, "acme@example.org").await;
    let order = text(&draft(&ann, &acmes, json!([line(5)])).await.json["id"]);
    let theirs = customer(&bob, "globex@example.org").await;

    let before = everything_of(&ann, &acmes, &order).await;
    let [customers, orders, lines, entries] = rows(&service).await;
    let answers = every_operation(&bob, &acmes, &order).await;
    assert_eq!(answers.len(), 16);
    for (operation, answer) in &answers {
        assert!(!answer.text.contains("acme") && !answer.text.contains(&order), "{operation}: {}", answer.text);
        match operation.as_str() {
            "ListCustomers" => {
                assert_eq!(answer.status, 200);
                let ids: Vec<_> = answer.json["items"].as_array().unwrap().iter().map(|c| text(&c["id"])).collect();
                assert!(ids.contains(&theirs) && !ids.contains(&acmes));
            }
            "ListOrders" => assert_eq!(answer.json, json!({"items": [], "next": null})),
            "CreateCustomer" => assert_eq!(answer.status, 201),
            "CreateOrder" => assert_eq!((answer.status, answer.code()), (422, "customer_unknown")),
            _ => assert_eq!((answer.status, answer.code()), (404, "not_found"), "{operation}"),
        }
    }
    assert_eq!(everything_of(&ann, &acmes, &order).await, before);
    assert_eq!(rows(&service).await, [customers + 1, orders, lines, entries + 1], "their own customer, nothing else");

    // What does not exist and what is another tenant's look the same.
    let guess = bob.get(&format!("/orders/orders/{}", uuid::Uuid::from_u128(5))).await;
    let known = bob.get(&format!("/orders/orders/{order}")).await;
    assert_eq!((guess.status, guess.text), (known.status, known.text));
}

async fn everything_of(person: &TestClient, customer: &str, order: &str) -> Vec<String> {
    let mut all = Vec::new();
    for target in [
        "/orders/customers".to_owned(),
        format!("/orders/customers/{customer}"),
        "/orders/orders".to_owned(),
        format!("/orders/orders/{order}"),
    ] {
        let answer = person.get(&target).await;
        assert_eq!(answer.status, 200, "{target}");
        all.push(answer.text);
    }
    all
}

const CUSTOMER: &str = "
INSERT INTO customers (tenant_id, id, name, email, version, created_at, updated_at)
VALUES ($1, $2, 'globex', 'a@example.org', 1, 1, 1)";

const ORDER: &str = "
INSERT INTO orders (
    tenant_id, id, number, customer_id, currency, state, net_minor, tax_minor, total_minor, version, created_at, updated_at
)
VALUES ($1, $2, 1, $3, 'EUR', 'draft', 5, 0, 5, 1, 1, 1)";

const LINE: &str = "
INSERT INTO order_lines (
    tenant_id, order_id, position, sku, description, quantity, unit_price_minor, tax_rate_bp, net_minor, tax_minor,
    total_minor
)
VALUES ($1, $2, 1, 'A', 'globex', 1, 5, 0, 5, 0, 5)";

/// Ids are random, and still: were they the same, each tenant would have its own.
#[each_engine]
async fn two_tenants_with_the_same_ids_have_their_own_rows() {
    let service = service().await;
    let (ann, bob) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let order = text(&draft(&ann, &id, json!([line(5)])).await.json["id"]);
    let ids = [&id, &order].map(|id| id.parse::<uuid::Uuid>().unwrap());
    let globex = cedargate_kit::testing::tenant(2, "globex").id;
    let mut tx = service.pool().tenant(globex).begin().await.unwrap();
    tx.query(CUSTOMER).bind(ids[0]).execute().await.unwrap();
    tx.query(ORDER).bind(ids[1]).bind(ids[0]).execute().await.unwrap();
    tx.query(LINE).bind(ids[1]).execute().await.unwrap();
    tx.commit().await.unwrap();

    let path = format!("/orders/orders/{order}");
    let before = ann.get(&path).await.text;
    let bobs = bob.clone().with("if-match", "*");
    assert_eq!(bobs.put(&format!("{path}/lines"), json!({"lines": [line(7), line(8)]})).await.json["total_minor"], 15);
    assert_eq!(bobs.post(&format!("{path}/place"), json!({})).await.json["state"], "placed");
    assert_eq!(bobs.patch(&format!("/orders/customers/{id}"), json!({"name": "theirs"})).await.status, 200);
    assert_eq!(ann.get(&path).await.text, before);
    assert_eq!(ann.get(&format!("/orders/customers/{id}")).await.json["name"], "A customer");
    let entries = outbox(service.pool()).await;
    let of_globex = entries.iter().filter(|entry| entry.tenant_id.as_u128() == 2).count();
    assert_eq!((entries.len(), of_globex), (5, 3), "every entry stands under the tenant of its change");
}

#[each_engine]
async fn another_tenants_cursor_opens_nothing() {
    let service = service().await;
    let (ann, bob) = people(&service);
    for person in [&ann, &bob] {
        let id = customer(person, "a@example.org").await;
        for _ in 0..2 {
            draft(person, &id, json!([])).await;
        }
    }
    let cursor = text(&ann.get("/orders/orders?limit=1").await.json["next"]);
    assert_eq!(ann.get(&format!("/orders/orders?cursor={cursor}")).await.status, 200);
    let answer = bob.get(&format!("/orders/orders?cursor={cursor}")).await;
    assert_eq!((answer.status, answer.fields()), (400, vec!["cursor"]));
}

/// A key of one is nothing to another: not of another person, not of another tenant.
#[each_engine]
async fn a_key_answers_nobody_else() {
    let service = service().await;
    let (ann, bob) = people(&service);
    let (mine, theirs) = (customer(&ann, "a@example.org").await, customer(&bob, "a@example.org").await);
    let cid = service.person_number(&cedargate_kit::testing::tenant(1, "acme"), 1);
    let mut numbers = Vec::new();
    for (person, customer) in [(&ann, &mine), (&bob, &theirs), (&cid, &mine), (&ann, &mine)] {
        let body = json!({"customer": customer, "currency": "EUR"});
        let answer = person.clone().with("idempotency-key", "k").post("/orders/orders", body).await;
        numbers.push((answer.json["number"].as_i64().unwrap(), answer.header("idempotency-replayed") == "true"));
    }
    assert_eq!(numbers, [(1, false), (1, false), (2, false), (1, true)]);
}

#[each_engine]
async fn the_schema_keeps_the_houses_laws() {
    let service = service().await;
    assert_eq!(broken_laws(service.pool(), &["cursor_secret"]).await.unwrap(), Vec::<String>::new());
}
