//! Nobody overwrites what they have not seen, and nobody is sent what they have.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_migrations::testing::each_engine;
use common::{notes, people};
use serde_json::json;

#[each_engine]
async fn a_change_that_requires_a_precondition_is_refused_without() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let note = ann.post("/notes", json!({"title": "A"})).await.header("location").to_owned();
    let answer = ann.put(&note, json!({})).await;
    assert_eq!((answer.status, answer.code()), (428, "precondition_required"));
    let answer = ann.clone().with("if-match", "1").put(&note, json!({})).await;
    assert_eq!((answer.status, answer.code(), answer.fields()), (400, "precondition_malformed", vec!["if-match"]));
    let answer = ann.get(&note).await;
    assert_eq!(answer.json["stars"], 0, "nothing was changed");
    let answer = ann.patch(&note, json!({})).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""), "where it does not require one");
}

#[each_engine]
async fn a_change_of_another_state_than_the_one_seen_is_refused() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let note = ann.post("/notes", json!({"title": "A"})).await.header("location").to_owned();
    let seen = ann.get(&note).await.header("etag").to_owned();
    assert_eq!(ann.clone().with("if-match", &seen).put(&note, json!({})).await.status, 200);
    for stale in [&*seen, "\"3\"", "W/\"2\"", "\"x\", \"1\""] {
        for answer in [
            ann.clone().with("if-match", stale).put(&note, json!({})).await,
            ann.clone().with("if-match", stale).patch(&note, json!({})).await,
        ] {
            assert_eq!((answer.status, answer.code()), (412, "precondition_failed"), "{stale}");
        }
    }
    assert_eq!(ann.get(&note).await.json["stars"], 1);
    assert_eq!(ann.clone().with("if-match", "*").put(&note, json!({})).await.status, 200);
    assert_eq!(ann.clone().with("if-match", "\"1\"").with("if-match", "\"3\"").put(&note, json!({})).await.status, 200);
}

#[each_engine]
async fn what_does_not_exist_is_not_found_whatever_the_precondition() {
    let service = notes().await;
    let (ann, bob) = people(&service);
    let note = ann.post("/notes", json!({"title": "A"})).await.header("location").to_owned();
    for tag in ["*", "\"1\"", "\"9\""] {
        let answer = bob.clone().with("if-match", tag).put(&note, json!({})).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "another tenant's: {tag}");
    }
}

#[each_engine]
async fn what_the_client_has_is_not_sent_again() {
    let service = notes().await;
    let (ann, _) = people(&service);
    let note = ann.post("/notes", json!({"title": "A"})).await.header("location").to_owned();
    let seen = ann.get(&note).await.header("etag").to_owned();
    for tags in [&*seen, "*", &format!("W/{seen}"), &format!("\"0\", {seen}")] {
        let answer = ann.clone().with("if-none-match", tags).get(&note).await;
        assert_eq!((answer.status, answer.text.as_str(), answer.header("etag")), (304, "", &*seen), "{tags}");
        assert_eq!(answer.header("content-type"), "");
    }
    ann.clone().with("if-match", "*").put(&note, json!({})).await;
    let answer = ann.clone().with("if-none-match", &seen).get(&note).await;
    assert_eq!((answer.status, answer.json["stars"].as_i64()), (200, Some(1)));
    assert_eq!(ann.with("if-none-match", "x").get(&note).await.code(), "precondition_malformed");
}
