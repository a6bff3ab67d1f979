//! What may become of an order, and that of many who want it at once one has it.

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
use common::{customer, done, draft, last_entry, line, order, people, rows, service, text};
use serde_json::{Value, json};

const VERBS: [&str; 7] = ["place", "confirm", "confirm-large", "ship", "deliver", "cancel", "return"];

/// Every verb in every state: those of the table work, each other is refused naming those of the table.
#[each_engine]
async fn what_does_not_follow_is_refused_naming_what_would() {
    let service = service().await;
    let (ann, _) = people(&service);
    for (reached_by, state, allowed) in [
        (&[][..], "draft", &["place", "cancel"][..]),
        (&["place"], "placed", &["confirm", "confirm-large", "cancel"]),
        (&["place", "confirm"], "confirmed", &["ship", "cancel"]),
        (&["place", "confirm", "ship"], "shipped", &["deliver", "return"]),
        (&["place", "confirm", "ship", "deliver"], "delivered", &["return"]),
        (&["cancel"], "cancelled", &[]),
        (&["place", "confirm", "ship", "deliver", "return"], "returned", &[]),
    ] {
        for verb in VERBS {
            let id = order(&ann, reached_by).await;
            let before = ann.get(&format!("/orders/orders/{id}")).await;
            assert_eq!(before.json["state"], state);
            let entries = rows(&service).await;
            let answer = done(&ann, &id, verb).await;
            if allowed.contains(&verb) {
                assert_eq!(answer.status, 200, "{state} {verb}: {}", answer.text);
                assert_eq!(answer.json["version"], before.json["version"].as_i64().unwrap() + 1);
                continue;
            }
            assert_eq!((answer.status, answer.code()), (409, "transition_refused"), "{state} {verb}");
            let detail = text(&answer.json["errors"][0]["detail"]);
            assert!(detail.contains(&format!("`{state}`")), "{detail}");
            for other in VERBS {
                assert_eq!(detail.contains(&format!("`{other}`")), allowed.contains(&other), "{state}: {detail}");
            }
            assert_eq!(ann.get(&format!("/orders/orders/{id}")).await.text, before.text);
            assert_eq!(rows(&service).await, entries);
        }
    }
}

#[each_engine]
async fn a_transition_is_kept_with_its_entry() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = order(&ann, &["place"]).await;
    let entry = last_entry(&service).await;
    assert_eq!((entry.action.as_str(), entry.resource), ("PlaceOrder", format!("Orders::Order::\"{id}\"")));
    let detail: Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!(detail, json!({"number": 1, "total_minor": 1_000, "currency": "EUR", "from": "draft", "to": "placed"}));

    let cancelled = done(&ann, &id, "cancel").await;
    assert_eq!(
        (&cancelled.json["state"], &cancelled.json["reason"]),
        (&json!("cancelled"), &json!("as the test wants"))
    );
    let detail: Value = serde_json::from_str(&last_entry(&service).await.detail).unwrap();
    assert_eq!(detail["reason"], "as the test wants");
    assert_eq!(cancelled.json["lines"].as_array().unwrap().len(), 1);
}

#[each_engine]
async fn a_cancellation_and_a_return_say_why() {
    let service = service().await;
    let (ann, _) = people(&service);
    let draft = order(&ann, &[]).await;
    let shipped = order(&ann, &["place", "confirm", "ship"]).await;
    let any = ann.with("if-match", "*");
    for path in [format!("/orders/orders/{draft}/cancel"), format!("/orders/orders/{shipped}/return")] {
        assert_eq!(any.post(&path, json!({})).await.fields(), ["reason"]);
        assert_eq!(any.post(&path, json!({"reason": " "})).await.fields(), ["reason"]);
        assert_eq!(any.send(http::Method::POST, &path, "", "".into()).await.status, 415);
    }
}

#[each_engine]
async fn an_order_of_nothing_is_not_placed() {
    let service = service().await;
    let (ann, _) = people(&service);
    let customer = customer(&ann, "a@example.org").await;
    let id = text(&draft(&ann, &customer, json!([])).await.json["id"]);
    let answer = done(&ann, &id, "place").await;
    assert_eq!((answer.status, answer.code()), (409, "order_empty"));
}

/// Ten thousand whole units is the most, whatever the currency's minor unit.
#[each_engine]
async fn a_large_order_is_confirmed_by_its_own_operation_only() {
    let service = service().await;
    let (ann, _) = people(&service);
    let customer = customer(&ann, "a@example.org").await;
    for (currency, most) in [("EUR", 1_000_000), ("JPY", 10_000), ("KWD", 10_000_000)] {
        for (price, verb, status) in [
            (most, "confirm", 200),
            (most + 1, "confirm", 409),
            (most + 1, "confirm-large", 200),
            (1, "confirm-large", 200),
        ] {
            let body = json!({"customer": customer, "currency": currency, "lines": [line(price)]});
            let id = text(&ann.post("/orders/orders", body).await.json["id"]);
            done(&ann, &id, "place").await;
            let answer = done(&ann, &id, verb).await;
            assert_eq!(answer.status, status, "{currency} {price} {verb}");
            if status == 409 {
                assert_eq!(answer.code(), "order_large");
                assert_eq!(ann.get(&format!("/orders/orders/{id}")).await.json["state"], "placed");
            }
        }
    }
}

#[each_engine]
async fn a_transition_wants_to_know_what_was_seen() {
    let service = service().await;
    let (ann, _) = people(&service);
    let id = order(&ann, &[]).await;
    let path = format!("/orders/orders/{id}/place");
    assert_eq!(ann.post(&path, json!({})).await.code(), "precondition_required");
    let seen = ann.clone().with("if-match", "\"1\"");
    seen.put(&format!("/orders/orders/{id}/lines"), json!({"lines": [line(9_999)]})).await;
    let answer = seen.post(&path, json!({})).await;
    assert_eq!((answer.status, answer.code()), (412, "precondition_failed"), "nobody places what they have not seen");
    let placed = ann.with("if-match", "\"2\"").post(&path, json!({})).await;
    assert_eq!((placed.status, placed.header("etag")), (200, "\"3\""));
}

/// Sixteen clients on real sockets, through two processes on one store: each wants to do something else to what it saw.
#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_saw_the_same_one_does_something() {
    const CLIENTS: usize = 16;

    let service = service().await;
    let beside = service.beside(&cedargate_orders::SERVICE).await;
    let (ann, _) = people(&service);
    let servers = [Server::start(service.app()).await, Server::start(beside.app()).await];
    for tag in ["\"2\"", "*"] {
        let id = order(&ann, &["place"]).await;
        let entries = rows(&service).await[3];
        let ready = Arc::new(tokio::sync::Barrier::new(CLIENTS));
        let clients = (0..CLIENTS).map(|number| {
            let verb = if tag == "*" || number % 2 == 0 { "confirm" } else { "cancel" };
            let (ready, server) = (Arc::clone(&ready), servers[number / 2 % 2].clone());
            let (ann, target) = (ann.clone().with("if-match", tag), format!("/orders/orders/{id}/{verb}"));
            tokio::spawn(async move {
                ready.wait().await;
                status(&server.post(&ann, &target, r#"{"reason": "x"}"#).await)
            })
        });
        let mut statuses = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            statuses.push(client.await.unwrap());
        }
        let done = statuses.iter().filter(|status| **status == 200).count();
        let refused = statuses.iter().filter(|status| matches!(status, 409 | 412)).count();
        assert_eq!((done, refused), (1, CLIENTS - 1), "{tag}: {statuses:?}");
        assert_eq!(ann.get(&format!("/orders/orders/{id}")).await.json["version"], 3);
        assert_eq!(rows(&service).await[3], entries + 1, "one act, one entry");
    }
}

/// Numbers are given in the transaction that makes the order: none twice, none left out, also when some are refused.
#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_of_orders_made_at_once_have_no_gaps() {
    const CLIENTS: usize = 24;

    let service = service().await;
    let beside = service.beside(&cedargate_orders::SERVICE).await;
    let (ann, bob) = people(&service);
    let id = customer(&ann, "a@example.org").await;
    let servers = [Server::start(service.app()).await, Server::start(beside.app()).await];
    let ready = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    let clients = (0..CLIENTS).map(|number| {
        let (ready, ann, server) = (Arc::clone(&ready), ann.clone(), servers[number % 2].clone());
        // Every third is refused: its customer is another tenant's, which shows only inside the transaction.
        let customer = if number % 3 == 0 { uuid::Uuid::from_u128(7).to_string() } else { id.clone() };
        let body = json!({"customer": customer, "currency": "EUR", "lines": [line(1)]}).to_string();
        tokio::spawn(async move {
            ready.wait().await;
            status(&server.post(&ann, "/orders/orders", &body).await)
        })
    });
    let mut made = 0;
    for client in clients.collect::<Vec<_>>() {
        made += usize::from(client.await.unwrap() == 201);
    }
    assert_eq!(made, CLIENTS - CLIENTS / 3);
    let listed = ann.get("/orders/orders?sort=number&limit=200").await.json;
    let numbers: Vec<_> = listed["items"].as_array().unwrap().iter().map(|order| order["number"].as_i64()).collect();
    assert_eq!(numbers, (1..=16).map(Some).collect::<Vec<_>>());
    let theirs = customer(&bob, "a@example.org").await;
    assert_eq!(draft(&bob, &theirs, json!([])).await.json["number"], 1, "each tenant counts for itself");
    assert_eq!(outbox(service.pool()).await.iter().filter(|entry| entry.action == "CreateOrder").count(), made + 1);
}
