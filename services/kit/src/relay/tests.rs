//! Delivery to a gateway whose every answer the test gives.

use std::path::PathBuf;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use cedargate_migrations::StoreUrl;
use cedargate_model::{Micros, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::OUTBOX;

/// A batch that arrived, and the way to answer it.
struct Asked {
    credential: String,
    events: Vec<Value>,
    answer: oneshot::Sender<Response>,
}

struct House {
    dir: TempDir,
    pool: Pool,
    delivery: Arc<Delivery>,
    asked: mpsc::Receiver<Asked>,
}

async fn hear(State(asked): State<mpsc::Sender<Asked>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let credential = parts.headers["authorization"].to_str().unwrap().to_owned();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let events =
        String::from_utf8(body.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (answer, answered) = oneshot::channel();
    asked.send(Asked { credential, events, answer }).await.unwrap();
    answered.await.unwrap_or_else(|_| http::StatusCode::BAD_GATEWAY.into_response())
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::open(&StoreUrl::sqlite(dir.path().join("service.db"))).await.unwrap();
        let _migrated = pool.migrate(&OUTBOX, Micros(1)).await.unwrap();
        std::fs::write(dir.path().join("credential"), "cgs_1\n").unwrap();
        let (send, asked) = mpsc::channel(1);
        let listener = UnixListener::bind(dir.path().join("events.sock")).unwrap();
        tokio::spawn(async move {
            let _served = axum::serve(listener, Router::new().route("/events", post(hear)).with_state(send)).await;
        });
        Self { dir, pool, delivery: Arc::default(), asked }
    }

    /// Starts delivery.
    fn deliver(&self) -> (watch::Sender<bool>, JoinHandle<()>) {
        self.deliver_to(self.dir.path().join("events.sock"))
    }

    fn deliver_to(&self, socket: PathBuf) -> (watch::Sender<bool>, JoinHandle<()>) {
        let destination =
            Destination { place: Place::Unix(socket), credential_file: self.dir.path().join("credential") };
        let relay = Relay::new(self.pool.clone(), Arc::new(SystemClock), &destination, Arc::clone(&self.delivery));
        let (stop, stopped) = watch::channel(false);
        (stop, tokio::spawn(relay.unwrap().run(stopped)))
    }

    /// What a service does, numbered: a tenant's event that is durable.
    async fn act(&self, tenant: u128, number: u128) {
        const INSERT: &str = "
INSERT INTO audit_outbox (tenant_id, id, decision_id, action, resource, detail, recorded_at)
VALUES ($1, $2, $3, 'Do', 'Thing', '{\"n\":1}', 7)";
        let mut tx = self.pool.begin_system().await.unwrap();
        let insert = tx.query(INSERT).bind(Uuid::from_u128(tenant)).bind(Uuid::from_u128(number));
        insert.bind(Uuid::from_u128(99)).execute().await.unwrap();
        tx.commit().await.unwrap();
        self.delivery.wake();
    }

    /// The next batch.
    async fn asked(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }

    /// What stands in the outbox: the event and the code with which it was refused.
    async fn outbox(&self) -> Vec<(u128, Option<String>)> {
        let mut tx = self.pool.read_system().await.unwrap();
        let rows: Vec<(Uuid, Option<String>)> =
            tx.query("SELECT id, refused_code FROM audit_outbox ORDER BY id").fetch_all().await.unwrap();
        rows.into_iter().map(|(id, code)| (id.as_u128(), code)).collect()
    }
}

impl Asked {
    fn numbers(&self) -> Vec<u128> {
        let number = |event: &Value| event["event"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128();
        self.events.iter().map(number).collect()
    }

    /// Answers each event with `of(its number)`.
    fn say(self, of: impl Fn(u128) -> Value) {
        let results = self.numbers().into_iter().zip(&self.events).map(|(number, event)| {
            let mut result = of(number);
            result["event"] = event["event"].clone();
            result
        });
        let results: Vec<_> = results.collect();
        self.answer.send(axum::Json(json!({ "results": results })).into_response()).unwrap();
    }

    fn accept(self) {
        self.say(|_| json!({ "result": "accepted" }));
    }
}

#[tokio::test]
async fn events_go_oldest_first_and_are_forgotten_only_once_the_gateway_has_them() {
    let mut house = House::new().await;
    for number in [3, 1, 2] {
        house.act(number % 2 + 1, number).await;
    }
    let _delivering = house.deliver();
    let asked = house.asked().await;
    assert_eq!((asked.numbers(), &*asked.credential), (vec![1, 2, 3], "Bearer cgs_1"));
    assert_eq!(
        asked.events[0],
        json!({
            "event": Uuid::from_u128(1), "tenant": Uuid::from_u128(2), "decision": Uuid::from_u128(99), "action": "Do",
            "resource": "Thing", "done_at": 7, "detail": { "n": 1 },
        })
    );
    assert_eq!(house.outbox().await.len(), 3, "nothing is forgotten before the answer");
    asked.say(|number| json!({ "result": if number == 2 { "duplicate" } else { "accepted" } }));
    house.act(1, 4).await;
    let asked = house.asked().await;
    assert_eq!(asked.numbers(), [4], "what the gateway has is not said again");
    assert_eq!(house.outbox().await.len(), 1);
    asked.accept();
}

#[tokio::test]
async fn an_event_that_is_refused_is_put_aside_with_its_code_until_the_next_start() {
    let mut house = House::new().await;
    for number in 1..=3 {
        house.act(1, number).await;
    }
    let (stop, running) = house.deliver();
    house.asked().await.say(|number| match number {
        2 => json!({ "result": "refused", "code": "decision_unknown", "detail": "x" }),
        _ => json!({ "result": "accepted" }),
    });
    house.act(1, 4).await;
    let asked = house.asked().await;
    assert_eq!(asked.numbers(), [4], "the rest goes on");
    assert_eq!(house.outbox().await[0], (2, Some("decision_unknown".to_owned())));
    asked.accept();
    stop.send_replace(true);
    running.await.unwrap();

    let _delivering = house.deliver();
    let asked = house.asked().await;
    assert_eq!(asked.numbers(), [2], "somebody may have mended it");
    asked.accept();
}

#[tokio::test]
async fn what_is_to_be_said_later_keeps_its_place() {
    let mut house = House::new().await;
    for number in 1..=3 {
        house.act(1, number).await;
    }
    let _delivering = house.deliver();
    house.asked().await.say(|number| match number {
        1 => json!({ "result": "accepted" }),
        _ => json!({ "result": "later", "code": "decision_pending" }),
    });
    let asked = house.asked().await;
    assert_eq!(asked.numbers(), [2, 3]);
    assert_eq!(house.delivery.state(), DeliveryState::Failing);
    asked.accept();
}

#[tokio::test]
async fn whatever_is_no_clear_answer_leaves_everything_waiting() {
    let mut house = House::new().await;
    house.act(1, 1).await;
    let _delivering = house.deliver();
    let other = json!({ "results": [{ "event": Uuid::from_u128(9), "result": "accepted" }] });
    let answers = [
        (http::StatusCode::SERVICE_UNAVAILABLE, "{\"code\":\"record_unavailable\"}".to_owned()),
        (http::StatusCode::OK, "{\"results\":[]}".to_owned()),
        (http::StatusCode::OK, other.to_string()),
        (http::StatusCode::NO_CONTENT, String::new()),
    ];
    for answer in answers {
        let asked = house.asked().await;
        assert_eq!(asked.numbers(), [1]);
        asked.answer.send(answer.into_response()).unwrap();
    }
    // The gateway took it, and died before it could say so.
    drop(house.asked().await.answer);
    assert_eq!(house.asked().await.numbers(), [1]);
}

#[tokio::test]
async fn a_credential_is_changed_without_a_restart() {
    let mut house = House::new().await;
    house.act(1, 1).await;
    let _delivering = house.deliver();
    let asked = house.asked().await;
    std::fs::write(house.dir.path().join("credential"), "cgs_2").unwrap();
    asked.answer.send(http::StatusCode::UNAUTHORIZED.into_response()).unwrap();
    let asked = house.asked().await;
    assert_eq!(asked.credential, "Bearer cgs_2");
    asked.accept();
}

#[tokio::test]
async fn without_a_gateway_events_wait_and_are_delivered_once_it_is_there() {
    let mut house = House::new().await;
    let late = house.dir.path().join("late.sock");
    let (_stop, _running) = house.deliver_to(late.clone());
    house.act(1, 1).await;
    while house.delivery.state() != DeliveryState::Failing {
        tokio::task::yield_now().await;
    }
    std::os::unix::fs::symlink(house.dir.path().join("events.sock"), late).unwrap();
    let asked = house.asked().await;
    assert_eq!(asked.numbers(), [1]);
    asked.accept();
}

#[tokio::test]
async fn a_backlog_goes_in_batches() {
    let mut house = House::new().await;
    for number in 1..=300 {
        house.act(1, number).await;
    }
    let _delivering = house.deliver();
    let mut delivered = Vec::new();
    for most in [256, 44] {
        let asked = house.asked().await;
        assert_eq!(asked.events.len(), most);
        delivered.extend(asked.numbers());
        asked.accept();
    }
    assert!(delivered.into_iter().eq(1..=300));
}

#[tokio::test]
async fn delivery_ends_when_told_to_even_where_nobody_answers() {
    let house = House::new().await;
    house.act(1, 1).await;
    let (stop, running) = house.deliver_to(house.dir.path().join("nobody.sock"));
    while house.delivery.state() != DeliveryState::Failing {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(house.outbox().await, [(1, None)]);
}

#[test]
fn waits_double_and_end_at_a_bound() {
    for (failures, least_ms, most_ms) in [(0, 100, 200), (1, 200, 400), (5, 3_200, 6_400), (20, 15_000, 30_000)] {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            let wait = backoff(failures, random).as_millis();
            assert!((least_ms..=most_ms).contains(&wait), "{failures}: {wait} ms");
        }
    }
}

#[test]
fn a_batch_has_no_more_octets_than_the_gateway_takes() {
    let event = Waiting { tenant: Uuid::nil(), id: Uuid::nil(), decision: Uuid::nil(), line: "x".repeat(10_000) };
    let batch = fitting(vec![event; 200]);
    assert_eq!(batch.len(), 99);
}
