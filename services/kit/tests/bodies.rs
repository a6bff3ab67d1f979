//! A body that is not accepted is refused by name, whatever is wrong with it.

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use cedargate_kit::testing::{Answer, TestService, tenant};
use cedargate_kit::{BODY_BYTES_MAX, JsonBody, Kit, ResourceId, Service, Tenant};
use cedargate_migrations::MigrationSet;
use http::Method;
use serde::Deserialize;

const EMPTY: MigrationSet = MigrationSet { name: "probe", migrations: &[] };
const PROBE: Service = Service { name: "probe", schema: &EMPTY, routes };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[expect(dead_code, reason = "only whether it can be read matters here")]
    sku: Option<String>,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    quantity: i64,
}

fn routes() -> Router<Kit> {
    let order = async |_: Tenant, JsonBody(order): JsonBody<Order>| {
        order.lines.iter().map(|line| line.quantity).sum::<i64>().to_string()
    };
    let thing = async |_: Tenant, id: ResourceId| id.0.to_string();
    Router::new().route("/orders", post(order)).route("/orders/{id}", get(thing))
}

async fn send(content_type: &str, body: impl Into<Body>) -> Answer {
    let service = TestService::start(&PROBE).await;
    service.person(&tenant(1, "acme")).send(Method::POST, "/orders", content_type, body.into()).await
}

#[tokio::test]
async fn another_content_type_is_refused() {
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/json-patch+json"] {
        let answer = send(content_type, "{}").await;
        assert_eq!((answer.status, answer.code()), (415, "content_type_unsupported"), "{content_type}");
    }
    assert_eq!(send("Application/JSON; charset=utf-8", "{}").await.status, 200);
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    for body in ["", "{", "{} {}", "{\"sku\":\"\u{1}\"}", "nul", "[1,]", "[]", "[\"a\", []]", "7"] {
        let answer = send("application/json", body).await;
        assert_eq!((answer.status, answer.code()), (400, "body_malformed"), "{body}");
    }
    assert_eq!(send("application/json", vec![0xff, 0xfe]).await.code(), "body_malformed");
    let deep = "[".repeat(20_000);
    assert_eq!(send("application/json", deep).await.status / 100, 4);
}

#[tokio::test]
async fn a_wrong_field_is_named_by_its_path() {
    for (body, field) in [
        (r#"{"sku": 7}"#, "sku"),
        (r#"{"skuu": "a"}"#, "skuu"),
        (r#"{"sku": "a", "sku": "b"}"#, "body"),
        (r#"{"lines": [{"quantity": 1}, {"quantity": "2"}]}"#, "lines[1].quantity"),
        (r#"{"lines": [{"quantity": 1.5}]}"#, "lines[0].quantity"),
        (r#"{"lines": [{"quantity": 9223372036854775808}]}"#, "lines[0].quantity"),
        (r#"{"lines": [{}]}"#, "lines[0]"),
    ] {
        let answer = send("application/json", body).await;
        assert_eq!((answer.status, answer.code()), (422, "fields_invalid"), "{body}");
        assert_eq!(answer.fields(), [field], "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_overlong_body_is_refused() {
    let long = format!("{{\"sku\":\"{}\"}}", "a".repeat(BODY_BYTES_MAX));
    let answer = send("application/json", long).await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
}

/// The gateway decides about the text in the path; no other text may reach the same row.
#[tokio::test]
async fn an_id_in_another_spelling_names_nothing() {
    let service = TestService::start(&PROBE).await;
    let ann = service.person(&tenant(1, "acme"));
    let id = "01900a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b";
    assert_eq!(ann.get(&format!("/orders/{id}")).await.text, id);
    for other in [id.to_uppercase(), id.replace('-', ""), format!("%7B{id}%7D"), format!("urn:uuid:{id}"), "7".into()] {
        assert_eq!(ann.get(&format!("/orders/{other}")).await.code(), "not_found", "{other}");
    }
}
