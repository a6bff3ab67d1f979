//! Who is heard, and how much of whom.

mod house;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use cedargate_ingest::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use house::{House, STALLED, event};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[tokio::test]
async fn nobody_is_heard_without_a_credential_that_counts() {
    let house = House::new();
    let line = event(house.allow().await).to_string();
    let bearer = |credential: &str| format!("Bearer {credential}");
    assert_eq!(house.send(&[NDJSON], line.clone()).await.code(), (401, "credential_missing"));
    let good = bearer(&house.inventory);
    let twice = [("authorization", &*good), ("authorization", &*good), NDJSON];
    assert_eq!(house.send(&twice, line.clone()).await.code(), (401, "credential_missing"));
    for wrong in [
        String::new(),
        "Bearer ".to_owned(),
        house.inventory.clone(),
        good.to_uppercase(),
        bearer(&house.inventory.replace("cgs_", "cgs-")),
        bearer(&format!("{}0", house.inventory)),
        bearer(&format!("cgs_{}_{}", "0".repeat(16), "0".repeat(64))),
        // The name of one and the secret of another.
        bearer(&format!("{}{}", &house.inventory[..21], &house.orders[21..])),
    ] {
        let said = house.send(&[("authorization", &*wrong), NDJSON], line.clone()).await;
        assert_eq!(said.code(), (401, "credential_invalid"), "{wrong}");
        assert!(!said.body.to_string().contains("cgs_0"));
    }
    assert_eq!(house.recorded(), []);
}

#[tokio::test]
async fn a_withdrawn_credential_is_no_longer_heard() {
    let house = House::new();
    let line = event(house.allow().await);
    assert_eq!(house.tell(&house.inventory, std::slice::from_ref(&line)).await.status, 200);
    let fresh = house.dir.path().join("fresh");
    std::fs::write(&fresh, cedargate_ingest::CredentialBook::default().to_text().unwrap()).unwrap();
    std::fs::rename(fresh, house.dir.path().join("book.json")).unwrap();
    assert_eq!(house.tell(&house.inventory, &[line]).await.code(), (401, "credential_invalid"));
}

#[tokio::test]
async fn a_book_that_cannot_be_read_is_said_and_nobody_is_heard() {
    let house = House::new();
    let line = event(house.allow().await);
    std::fs::write(house.dir.path().join("book.json"), "{").unwrap();
    let said = house.tell(&house.inventory, &[line]).await;
    assert_eq!(said.code(), (503, "credentials_unavailable"));
    assert_eq!(said.headers.get("retry-after").unwrap(), "1");
}

#[tokio::test]
async fn a_batch_has_a_kind_and_bounds() {
    let house = House::new();
    let line = event(house.allow().await);
    let bearer = format!("Bearer {}", house.inventory);
    let auth = ("authorization", &*bearer);
    assert_eq!(house.send(&[auth], line.to_string()).await.code(), (415, "type_unknown"));
    let json = ("content-type", "application/json");
    assert_eq!(house.send(&[auth, json], line.to_string()).await.code(), (415, "type_unknown"));
    assert_eq!(house.send(&[auth, NDJSON], "\n \n").await.code(), (400, "batch_empty"));
    let many: Vec<Value> = std::iter::repeat_n(line.clone(), BATCH_EVENTS_MAX + 1).collect();
    assert_eq!(house.tell(&house.inventory, &many).await.code(), (413, "batch_too_large"));
    let announced = (BATCH_BYTES_MAX + 1).to_string();
    let said = house.send(&[auth, NDJSON, ("content-length", &announced)], Body::empty()).await;
    assert_eq!(said.code(), (413, "batch_too_large"));
    assert_eq!(house.send(&[auth, NDJSON], vec![b'x'; BATCH_BYTES_MAX + 1]).await.code(), (413, "batch_too_large"));
    let long = format!("{line}{}\n{}", " ".repeat(20_000), event(house.allow().await));
    let said = house.send(&[auth, NDJSON], long).await;
    assert_eq!((said.outcome(0).1, said.outcome(1).0), ("event_malformed".to_owned(), "accepted".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_trickles_in_is_not_waited_for() {
    let house = House::new();
    let bearer = format!("Bearer {}", house.inventory);
    // Its end never comes.
    let silent =
        Full::new(Bytes::from("{")).with_trailers(std::future::pending::<Option<Result<HeaderMap, Infallible>>>());
    let said = house.send(&[("authorization", &*bearer), NDJSON], Body::new(silent)).await;
    assert_eq!(said.code(), (408, "batch_too_slow"));
}

/// A batch that was hung up on still holds its turn and its room; nobody else waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_whose_batch_takes_long_is_busy_and_holds_up_no_other() {
    let house = Arc::new(House::new());
    let mut stalled = event(house.allow().await);
    stalled["tenant"] = serde_json::json!(STALLED.0);
    let teller = Arc::clone(&house);
    let telling = tokio::spawn(async move { teller.tell(&teller.inventory, &[stalled]).await });
    house.stall.begun.notified().await;
    telling.abort();
    assert!(telling.await.unwrap_err().is_cancelled());

    let next = [event(house.allow().await)];
    let said = tokio::time::timeout(Duration::from_secs(10), house.tell(&house.inventory, &next)).await.unwrap();
    assert_eq!(said.code(), (503, "busy"));
    assert_eq!(said.headers.get("retry-after").unwrap(), "1");
    let decision = house.decide("acme", "orders", cedargate_model::Verdict::Allow).await;
    let others = [event(decision)];
    let said = tokio::time::timeout(Duration::from_secs(10), house.tell(&house.orders, &others)).await.unwrap();
    assert_eq!(said.outcome(0).0, "accepted", "{said:?}");

    house.stall.end();
    let mut said = house.tell(&house.inventory, &next).await;
    while said.status == 503 {
        tokio::task::yield_now().await;
        said = house.tell(&house.inventory, &next).await;
    }
    assert_eq!(said.outcome(0).0, "accepted", "{said:?}");
}

#[tokio::test]
async fn a_service_that_says_too_much_is_told_how_long_to_wait() {
    let house = House::with_rate(10);
    let decision = house.allow().await;
    let batch: Vec<_> = (0..150).map(|_| event(decision)).collect();
    assert_eq!(house.tell(&house.inventory, &batch).await.status, 200);
    let said = house.tell(&house.inventory, &batch).await;
    assert_eq!(said.code(), (429, "rate_exceeded"));
    assert_eq!(said.headers.get("retry-after").unwrap(), "6");
    house.pass(6);
    assert_eq!(house.tell(&house.inventory, &batch).await.status, 200);
}
