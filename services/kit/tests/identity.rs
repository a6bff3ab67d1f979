//! Nobody is served without a verified identity, and keys follow the gateway's.

use axum::routing::{get, post};
use axum::{Json, Router};
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, Issuer, SigningKeys};
use cedargate_kit::testing::{ISSUER, TestService, tenant};
use cedargate_kit::{Caller, JsonBody, Kit, Service, Tenant};
use cedargate_migrations::MigrationSet;
use cedargate_model::{Clock as _, Micros};
use serde_json::{Value, json};
use uuid::Uuid;

const EMPTY: MigrationSet = MigrationSet { name: "probe", migrations: &[] };
const PROBE: Service = Service { name: "probe", schema: &EMPTY, routes };

fn routes() -> Router<Kit> {
    Router::new()
        .route("/who", get(async |Caller(identity): Caller| identity.tenant.name.to_string()))
        .route("/unasked", get(async || "this handler never asked who it is from"))
        .route("/body", post(async |_: Tenant, JsonBody(body): JsonBody<Value>| Json(body)))
}

#[tokio::test]
async fn a_request_without_an_assertion_is_refused_everywhere() {
    let service = TestService::start(&PROBE).await;
    for path in ["/who", "/unasked", "/nowhere", "/", "/healthz/x"] {
        let answer = service.stranger().get(path).await;
        assert_eq!((answer.status, answer.code()), (401, "identity_missing"), "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["www-authenticate"], "Cedargate-Identity");
    }
    let answer = service.stranger().post("/body", json!("never read")).await;
    assert_eq!((answer.status, answer.code()), (401, "identity_missing"));
}

#[tokio::test]
async fn a_verified_person_and_an_anonymous_caller_are_served() {
    let service = TestService::start(&PROBE).await;
    let served = service.person(&tenant(1, "acme")).get("/who").await;
    assert_eq!(served.text, "acme");
    assert_eq!(served.headers["cache-control"], "no-store", "an answer belongs to the one who asked");
    assert_eq!(service.anonymous(&tenant(2, "globex")).get("/who").await.text, "globex");
}

#[tokio::test]
async fn an_assertion_that_is_not_acceptable_is_refused_without_saying_why() {
    let service = TestService::start(&PROBE).await;
    let acme = tenant(1, "acme");
    let now = service.clock().now();
    let other_audience = service.issuer().issue(&cedargate_model::Caller::Anonymous, &acme, "inventory", now).unwrap();
    let stranger_key = Issuer::new(ISSUER, SigningKeys::from_seed(&[9; 32]));
    let stranger_key = stranger_key.issue(&cedargate_model::Caller::Anonymous, &acme, "probe", now).unwrap();
    let other_issuer = Issuer::new("https://elsewhere.example", service.issuer().keys().clone());
    let other_issuer = other_issuer.issue(&cedargate_model::Caller::Anonymous, &acme, "probe", now).unwrap();
    let mut answers = Vec::new();
    for token in ["", "x", "a.b.c", &other_audience.token, &stranger_key.token, &other_issuer.token] {
        let client = service.stranger().with(IDENTITY_HEADER, token).with(DECISION_HEADER, &Uuid::now_v7().to_string());
        let answer = client.get("/who").await;
        assert_eq!((answer.status, answer.code()), (401, "identity_invalid"), "{token}");
        answers.push(answer.text);
    }
    let told = json!({
        "type": "urn:cedargate:problem:identity_invalid",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The identity assertion is not accepted.",
        "code": "identity_invalid",
    });
    assert_eq!(serde_json::from_str::<Value>(&answers[0]).unwrap(), told);
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answer does not tell what was wrong");
}

#[tokio::test]
async fn an_expired_assertion_is_refused() {
    let service = TestService::start(&PROBE).await;
    let ann = service.person(&tenant(1, "acme"));
    service.clock().set(Micros(service.clock().now().0 + 600_000_000));
    assert_eq!(ann.get("/who").await.code(), "identity_invalid");
}

#[tokio::test]
async fn two_assertions_or_two_decisions_are_refused() {
    let service = TestService::start(&PROBE).await;
    let (ann, bob) = (service.person(&tenant(1, "acme")), service.person(&tenant(2, "globex")));
    let both = ann.clone().with(IDENTITY_HEADER, bob.header(IDENTITY_HEADER));
    assert_eq!(both.get("/who").await.code(), "identity_invalid");
    let both = ann.clone().with(DECISION_HEADER, bob.header(DECISION_HEADER));
    assert_eq!(both.get("/who").await.code(), "identity_invalid");
}

#[tokio::test]
async fn an_assertion_without_a_decision_is_refused() {
    let service = TestService::start(&PROBE).await;
    let ann = service.person(&tenant(1, "acme")).without(DECISION_HEADER);
    assert_eq!(ann.get("/who").await.code(), "decision_missing");
    assert_eq!(ann.with(DECISION_HEADER, "planted").get("/who").await.code(), "decision_missing");
}

#[tokio::test]
async fn who_asks_is_known_before_what_they_ask() {
    let service = TestService::start(&PROBE).await;
    assert_eq!(service.stranger().get("/nowhere").await.status, 401);
    let ann = service.person(&tenant(1, "acme"));
    let answer = ann.get("/nowhere").await;
    assert_eq!((answer.status, answer.code()), (404, "not_found"));
    let answer = ann.delete("/who").await;
    assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_rotated_key_is_found_when_it_is_first_seen() {
    let service = TestService::start(&PROBE).await;
    let acme = tenant(1, "acme");
    assert_eq!(service.person(&acme).get("/who").await.status, 200);

    let rotated = service.issuer().keys().succeeded_by(SigningKeys::from_seed(&[8; 32]));
    service.publish(&rotated);
    let token =
        Issuer::new(ISSUER, rotated).issue(&cedargate_model::Caller::Anonymous, &acme, "probe", service.clock().now());
    let client = service.anonymous(&acme).without(IDENTITY_HEADER).with(IDENTITY_HEADER, &token.unwrap().token);
    assert_eq!(client.get("/who").await.status, 200);
    assert_eq!(service.person(&acme).get("/who").await.status, 200, "the older key still counts");
}

#[tokio::test]
async fn health_is_open_and_says_nothing_of_the_inside() {
    let service = TestService::start(&PROBE).await;
    assert_eq!(service.stranger().get("/healthz").await.text, "ok\n");
    let ready = service.stranger().get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json),
        (200, json!({"ready": true, "store": true, "keys": true, "delivery": "off"}))
    );
}

#[tokio::test]
async fn without_its_store_a_service_is_not_ready() {
    let service = TestService::start(&PROBE).await;
    service.pool().close().await;
    let ready = service.stranger().get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json),
        (503, json!({"ready": false, "store": false, "keys": true, "delivery": "off"}))
    );
    assert_eq!(service.stranger().get("/healthz").await.status, 200);
}
