//! One act for one key, however often, however parallel and through whichever process it is sent.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::{Engine, each_engine};
use std::sync::Arc;

use axum::body::Body;
use cedargate_kit::idempotency::KEPT_MICROS;
use cedargate_kit::testing::{Answer, Server, TestClient, TestService, outbox, status, tenant};
use cedargate_kit::{BODY_BYTES_MAX, REPLAYED_HEADER};
use cedargate_model::{Clock as _, Micros};
use common::{count, notes, people};
use http::Method;
use serde_json::json;

const KEY: &str = "idempotency-key";
const NOTES: &str = "SELECT count(*) FROM notes";
const KEPT: &str = "SELECT count(*) FROM idempotency_keys";

async fn add(client: &TestClient, title: &str) -> Answer {
    client.post("/notes", json!({"title": title})).await
}

/// Everything but the mark.
fn same(first: &Answer, second: &Answer) -> bool {
    let names = ["location", "etag", "content-type", "cache-control"];
    first.status == second.status
        && first.text == second.text
        && names.iter().all(|name| first.header(name) == second.header(name))
}

#[each_engine]
async fn a_key_that_is_none_is_refused() {
    let service = notes().await;
    let (ann, _) = people(&service);
    for key in ["", "\"\"", "a b", "\"open", &"a".repeat(129)] {
        let answer = add(&ann.clone().with(KEY, key), "A").await;
        assert_eq!((answer.status, answer.code()), (400, "idempotency_key_invalid"), "{key}");
    }
    let answer = add(&ann.with(KEY, "one").with(KEY, "two"), "A").await;
    assert_eq!(answer.code(), "idempotency_key_invalid", "two keys");
    let answer = add(&service.anonymous(&tenant(1, "acme")).with(KEY, "one"), "A").await;
    assert_eq!((answer.status, answer.code()), (400, "idempotency_key_anonymous"));
    assert_eq!((count(&service, NOTES).await, count(&service, KEPT).await), (0, 0));
}

#[each_engine]
async fn a_request_that_is_sent_again_is_answered_again_and_not_done_again() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let ann = ann.with(KEY, "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    let first = add(&ann, "A").await;
    assert_eq!((first.status, first.header("etag"), first.header(REPLAYED_HEADER)), (201, "\"1\"", ""));
    let second = add(&ann, "A").await;
    assert!(same(&first, &second), "{first:?} {second:?}");
    assert_eq!(second.header(REPLAYED_HEADER), "true");
    // The same key, written bare.
    let third = add(&ann.without(KEY).with(KEY, "8e03978e-40d5-43dd-bc93-6894a57f9324"), "A").await;
    assert!(same(&first, &third));
    assert_eq!(count(&service, NOTES).await, 1);
    assert_eq!(outbox(service.pool()).await.len(), 1, "one act, one entry");
}

#[each_engine]
async fn another_request_under_the_same_key_is_refused() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let ann = ann.with(KEY, "k");
    assert_eq!(add(&ann, "A").await.status, 201);
    for (target, body) in
        [("/notes", r#"{"title": "B"}"#), ("/notes", r#"{"title":"A" }"#), ("/notes?x=1", r#"{"title":"A"}"#)]
    {
        let answer = ann.send(Method::POST, target, "application/json", body.into()).await;
        assert_eq!((answer.status, answer.code()), (422, "idempotency_key_reused"), "{target} {body}");
    }
    assert_eq!(count(&service, NOTES).await, 1);
}

/// A replay is of the request, its precondition included: not of whatever has the same body.
#[each_engine]
async fn the_precondition_is_part_of_the_request() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let note = add(&ann, "A").await.header("location").to_owned();
    let keyed = ann.clone().with(KEY, "k");
    let star = async |tag: &str| keyed.clone().with("if-match", tag).put(&note, json!({})).await;
    let first = star("\"1\"").await;
    assert_eq!((first.status, first.header("etag")), (200, "\"2\""));
    let again = star("\"1\"").await;
    assert!(same(&first, &again) && again.header(REPLAYED_HEADER) == "true", "not 412: it was done");
    assert_eq!(star("\"2\"").await.code(), "idempotency_key_reused");
    assert_eq!(ann.get(&note).await.json["stars"], 1);
}

/// Of another person, of another tenant, of another operation: a key is none of theirs.
#[each_engine]
async fn a_key_is_its_principals_for_one_operation_of_one_tenant() {
    let service = notes().await;
    let (ann, bob) = people(&service);
    let cid = service.person_number(&tenant(1, "acme"), 1);
    let first = add(&ann.clone().with(KEY, "k"), "A").await;
    let theirs = add(&bob.clone().with(KEY, "k"), "A").await;
    assert_eq!((theirs.status, theirs.header(REPLAYED_HEADER)), (201, ""));
    assert_ne!(first.json["id"], theirs.json["id"]);
    let other = add(&cid.with(KEY, "k"), "B").await;
    assert_eq!((other.status, other.header(REPLAYED_HEADER)), (201, ""));
    let elsewhere = ann.with(KEY, "k").post("/other", json!({"title": "C"})).await;
    assert_eq!((elsewhere.status, elsewhere.header(REPLAYED_HEADER)), (201, ""));
}

/// What was refused changed nothing: the key may try again, with a better request too.
#[each_engine]
async fn a_refusal_is_not_kept() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let ann = ann.with(KEY, "k");
    assert_eq!(add(&ann, " A").await.status, 422);
    let long = format!("{{\"title\":\"{}\"}}", "a".repeat(BODY_BYTES_MAX));
    let answer = ann.send(Method::POST, "/notes", "application/json", Body::from(long)).await;
    assert_eq!(answer.code(), "body_too_large");
    assert_eq!(count(&service, KEPT).await, 0);
    assert_eq!(add(&ann, "A").await.status, 201);
}

#[each_engine]
async fn a_key_says_nothing_on_a_read() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let ann = ann.with(KEY, "k");
    assert_eq!(ann.get("/notes").await.json["items"], json!([]));
    assert_eq!(add(&ann, "A").await.status, 201);
    assert_eq!(ann.get("/notes").await.json["items"].as_array().unwrap().len(), 1);
}

#[each_engine]
async fn an_answer_is_kept_for_a_day_and_then_pruned() {
    let service = notes().await;
    let began = service.clock().now();
    let asks = |at: i64| {
        service.clock().set(Micros(began.0 + at));
        service.person(&tenant(1, "acme"))
    };
    let ann = asks(0);
    for number in 0..5 {
        add(&ann.clone().with(KEY, &format!("k{number}")), &format!("{number}")).await;
    }
    let replayed = add(&asks(KEPT_MICROS - 1).with(KEY, "k0"), "0").await;
    assert_eq!(replayed.header(REPLAYED_HEADER), "true");
    let fresh = add(&asks(KEPT_MICROS).with(KEY, "k0"), "a new one").await;
    assert_eq!((fresh.status, fresh.header(REPLAYED_HEADER)), (201, ""));
    assert_eq!(count(&service, KEPT).await, 1, "what expired is gone with the next change");
}

#[each_engine]
async fn an_act_whose_answer_cannot_be_kept_is_undone() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let broken = match Engine::current() {
        Engine::Sqlite => "CREATE TRIGGER x BEFORE UPDATE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'full'); END",
        Engine::Postgres => "ALTER TABLE idempotency_keys ADD CONSTRAINT no_answers CHECK (status IS NULL)",
    };
    service.operator().await.run(broken).await;
    assert_eq!(add(&ann.with(KEY, "k"), "A").await.code(), "store_failed");
    assert_eq!((count(&service, NOTES).await, count(&service, KEPT).await), (0, 0));
    assert_eq!(outbox(service.pool()).await, []);
}

/// Sixteen at once, through one process or through two: one act. Who is not answered with it is told to come again.
async fn parallel(one: &TestService, other: &TestService) {
    const CLIENTS: usize = 16;
    let (ann, _) = people(one);
    let ann = ann.with(KEY, "k");
    let servers = [Server::start(one.app()).await, Server::start(other.app()).await];
    let ready = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    let clients = (0..CLIENTS).map(|number| {
        let (ready, ann, server) = (Arc::clone(&ready), ann.clone(), servers[number % 2].clone());
        tokio::spawn(async move {
            ready.wait().await;
            server.post(&ann, "/notes", r#"{"title":"A"}"#).await
        })
    });
    let mut acted = 0;
    for client in clients.collect::<Vec<_>>() {
        let answer = client.await.unwrap();
        let is_replayed = answer.contains("idempotency-replayed: true");
        match status(&answer) {
            201 => acted += usize::from(!is_replayed),
            409 => assert!(answer.contains("idempotency_key_in_flight"), "{answer}"),
            other => assert_eq!(other, 201, "{answer}"),
        }
    }
    assert_eq!(acted, 1);
    assert_eq!(count(one, NOTES).await, 1);
    assert_eq!(outbox(one.pool()).await.len(), 1);
    let after = ann.post("/notes", json!({"title": "A"})).await;
    assert_eq!((after.status, after.header(REPLAYED_HEADER)), (201, "true"));
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_requests_with_one_key_act_once() {
    let service = notes().await;
    parallel(&service, &service).await;
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_requests_through_two_processes_act_once() {
    let service = notes().await;
    let beside = service.beside(&common::NOTES).await;
    parallel(&service, &beside).await;
}

/// Whoever hangs up while the act is under way, and whoever asks a process that knows nothing of it, finds it done once.
#[each_engine]
async fn an_answer_that_was_lost_is_given_by_another_process() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let first = add(&ann.with(KEY, "k"), "A").await;
    drop(first);
    let beside = service.beside(&common::NOTES).await;
    let (ann, _) = people(&beside);
    let again = add(&ann.with(KEY, "k"), "A").await;
    assert_eq!((again.status, again.header(REPLAYED_HEADER)), (201, "true"));
    assert_eq!(count(&service, NOTES).await, 1);
}
