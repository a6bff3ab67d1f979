//! The committed document is the service's own, and names every operation that there is.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use cedargate_orders::openapi;
use common::{people, service, text};
use http::Method;
use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/orders/openapi.json");

#[test]
fn the_committed_document_is_current() {
    let current = openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(COMMITTED, &current).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(COMMITTED)).unwrap_or_default();
    assert!(committed == current, "policies/orders/openapi.json is stale: UPDATE=1 cargo test -p cedargate-orders");
}

fn operations(document: &Value) -> Vec<&Value> {
    let paths = document["paths"].as_object().unwrap().values();
    paths.flat_map(|path| path.as_object().unwrap().values()).collect()
}

#[test]
fn the_operations_are_the_ones_that_policies_know() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let known: BTreeSet<_> = operations(&document).into_iter().map(|one| text(&one["operationId"])).collect();
    let expected = [
        "CancelOrder",
        "ConfirmLargeOrder",
        "ConfirmOrder",
        "CreateCustomer",
        "CreateOrder",
        "DeleteCustomer",
        "DeliverOrder",
        "GetCustomer",
        "GetOrder",
        "ListCustomers",
        "ListOrders",
        "PlaceOrder",
        "ReplaceLines",
        "ReturnOrder",
        "ShipOrder",
        "UpdateCustomer",
    ];
    assert_eq!(known, expected.map(ToOwned::to_owned).into());
}

/// Every documented operation is routed, and no other method of its path is.
#[tokio::test]
async fn the_document_and_the_routes_agree() {
    let service = service().await;
    let (ann, _) = people(&service);
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let target = path.replace("{id}", &uuid::Uuid::from_u128(9).to_string());
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let answer = ann.send(method.clone(), &target, "", "".into()).await;
            let documented = operations.get(method.as_str().to_ascii_lowercase()).is_some();
            assert_eq!(answer.status != 405, documented, "{method} {path}: {}", answer.status);
        }
    }
}

/// Every change can be sent with a key, and every change of something that exists wants to know what was seen.
#[test]
fn the_document_names_the_header_fields() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let of = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name);
            let is_change = method != "get";
            assert_eq!(of("Idempotency-Key").is_some(), is_change, "{method} {path}");
            let required = of("If-Match").is_some_and(|parameter| parameter["required"] == true);
            assert_eq!(required, is_change && path.contains("{id}"), "{method} {path}");
            assert_eq!(of("If-None-Match").is_some(), !is_change && path.contains("{id}"), "{method} {path}");
            assert_eq!(of("sort").is_some(), !is_change && !path.contains("{id}"), "{method} {path}");
        }
    }
}

#[test]
fn every_answer_of_the_document_is_described() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    for operation in operations(&document) {
        assert!(operation["summary"].is_string(), "{operation}");
        for answer in operation["responses"].as_object().unwrap().values() {
            assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
        }
    }
}
