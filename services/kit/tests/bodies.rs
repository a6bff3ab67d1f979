//! A body that is not accepted is refused by name, whatever is wrong with it.

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Json, Router};
use cedargate_kit::testing::{Answer, TestService, tenant};
use cedargate_kit::{BODY_BYTES_MAX, JsonBody, Kit, Page, PageRequest, ResourceId, Service, Tenant};
use cedargate_migrations::MigrationSet;
use http::Method;
use serde::Deserialize;
use uuid::Uuid;

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
    let list = async |_: Tenant, page: PageRequest| -> Json<Page<Uuid>> {
        Json(page.page(vec![Uuid::from_u128(1), Uuid::from_u128(2)], |id| *id, |id| id))
    };
    let thing = async |_: Tenant, id: ResourceId| id.0.to_string();
    Router::new().route("/orders", post(order).get(list)).route("/orders/{id}", get(thing))
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

#[tokio::test]
async fn a_wrong_query_is_named() {
    let service = TestService::start(&PROBE).await;
    let ann = service.person(&tenant(1, "acme"));
    for (query, fields) in [
        ("limit=0", vec!["limit"]),
        ("limit=x&cursor=x", vec!["limit", "cursor"]),
        ("limit=1&limit=2", vec!["query"]),
        ("page=2", vec!["query"]),
    ] {
        let answer = ann.get(&format!("/orders?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, "query_invalid"), "{query}");
        assert_eq!(answer.fields(), fields, "{query}");
    }
    let first = ann.get("/orders?limit=1").await;
    assert_eq!(first.json["items"][0], Uuid::from_u128(1).to_string());
    assert!(first.json["next"].is_string());
    assert!(ann.get("/orders").await.json["next"].is_null());
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
