//! Lists over a real store: filtered, sorted, walked, and closed to whoever forges a cursor.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use cedargate_kit::testing::{TestClient, sorts_without_index};
use cedargate_migrations::testing::each_engine;
use common::{Note, notes, people};
use serde_json::{Value, json};

async fn add(client: &TestClient, title: &str, stars: i64) {
    assert_eq!(client.post("/notes", json!({"title": title, "stars": stars})).await.status, 201);
}

/// The titles of all pages, and what `between` does after each.
async fn walk(client: &TestClient, query: &str, between: impl AsyncFn(usize)) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let answer = client.get(&format!("/notes?{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        seen.extend(answer.json["items"].as_array().unwrap().iter().map(|n| n["title"].as_str().unwrap().to_owned()));
        match &answer.json["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
        between(page).await;
    }
    seen
}

#[each_engine]
async fn a_walk_is_right_under_ties_and_while_rows_are_added() {
    let service = notes().await;
    let (ann, bob) = people(&service);
    for (title, stars) in [("a", 2), ("b", 1), ("c", 2), ("d", 2), ("e", 0), ("f", 1), ("g", 2)] {
        add(&ann, title, stars).await;
        add(&bob, &format!("globex {title}"), stars).await;
    }
    let nothing = async |_| {};
    assert_eq!(walk(&ann, "limit=2", nothing).await, ["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(walk(&ann, "limit=2&sort=stars", nothing).await, ["e", "b", "f", "a", "c", "d", "g"]);
    assert_eq!(walk(&ann, "limit=3&sort=-stars", nothing).await, ["g", "d", "c", "a", "f", "b", "e"]);
    assert_eq!(walk(&ann, "limit=3&sort=-title", nothing).await, ["g", "f", "e", "d", "c", "b", "a"]);
    assert_eq!(walk(&ann, "limit=1&sort=-stars&stars.gte=2", nothing).await, ["g", "d", "c", "a"]);
    assert_eq!(walk(&ann, "title=c&sort=stars", nothing).await, ["c"]);
    assert_eq!(walk(&ann, "stars.gte=3", nothing).await, [""; 0]);

    // Added behind the place they appear, added before it they do not: nothing is seen twice or lost.
    let meanwhile = async |page: usize| {
        add(&ann, &format!("top {page}"), 9).await;
        add(&ann, &format!("low {page}"), -1).await;
    };
    let seen = walk(&ann, "limit=3&sort=-stars", meanwhile).await;
    assert_eq!(seen[..7], ["g", "d", "c", "a", "f", "b", "e"]);
    assert!(seen[7..].iter().all(|title| title.starts_with("low ")), "{seen:?}");
}

#[each_engine]
async fn a_cursor_holds_for_its_own_list_only() {
    let service = notes().await;
    let (ann, bob) = people(&service);
    for title in ["a", "b", "c"] {
        add(&ann, title, 1).await;
        add(&bob, title, 1).await;
    }
    let next = ann.get("/notes?limit=1&sort=stars&stars.gte=1").await.json["next"].as_str().unwrap().to_owned();
    let own = format!("/notes?limit=2&sort=stars&stars.gte=1&cursor={next}");
    assert_eq!(ann.get(&own).await.json["items"].as_array().unwrap().len(), 2, "the limit may change");

    let mut forged = next.clone().into_bytes();
    let last = forged.len() - 2;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for (who, query) in [
        (&bob, format!("sort=stars&stars.gte=1&cursor={next}")),
        (&ann, format!("sort=-stars&stars.gte=1&cursor={next}")),
        (&ann, format!("sort=stars&stars.gte=0&cursor={next}")),
        (&ann, format!("sort=stars&cursor={next}")),
        (&ann, format!("cursor={next}")),
        (&ann, format!("sort=stars&stars.gte=1&cursor={forged}")),
        (&ann, format!("sort=stars&stars.gte=1&cursor={}", &next[..next.len() - 1])),
        (&ann, format!("sort=stars&stars.gte=1&cursor={next}A")),
        (&ann, "cursor=".to_owned()),
        (&ann, format!("cursor={}", "A".repeat(5_000))),
    ] {
        let answer = who.get(&format!("/notes?{query}")).await;
        assert_eq!((answer.status, answer.code(), answer.fields()), (400, "query_invalid", vec!["cursor"]), "{query}");
    }
}

/// During an upgrade two processes serve one store: what one began the other goes on with.
#[each_engine]
async fn a_walk_goes_on_in_another_process_on_the_same_store() {
    let service = notes().await;
    let (ann, _) = people(&service);
    for title in ["a", "b"] {
        add(&ann, title, 1).await;
    }
    let next = ann.get("/notes?limit=1").await.json["next"].as_str().unwrap().to_owned();
    let beside = service.beside(&common::NOTES).await;
    let answer = people(&beside).0.get(&format!("/notes?cursor={next}")).await;
    assert_eq!(answer.json["items"][0]["title"], "b");
    let elsewhere = notes().await;
    assert_eq!(people(&elsewhere).0.get(&format!("/notes?cursor={next}")).await.fields(), ["cursor"]);
}

#[each_engine]
async fn a_wrong_query_is_named() {
    let service = notes().await;
    let (ann, _) = people(&service);
    for (query, fields) in [
        ("limit=0", vec!["limit"]),
        ("limit=1&limit=2", vec!["limit"]),
        ("page=2", vec!["page"]),
        ("stars=1", vec!["stars"]),
        ("stars.like=1&sort=colour", vec!["stars.like", "sort"]),
        ("=&%FF", vec!["", "\u{fffd}"]),
    ] {
        let answer = ann.get(&format!("/notes?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, "query_invalid"), "{query}");
        assert_eq!(answer.fields(), fields, "{query}");
    }
}

#[tokio::test]
async fn every_order_is_read_by_an_index() {
    let service = notes().await;
    assert_eq!(sorts_without_index::<Note>(service.pool()).await, [""; 0]);
}
