//! The committed document is the service's own, and names every operation that there is.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use cedargate_inventory::openapi;
use common::{people, service, text};
use http::Method;
use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/inventory/openapi.json");

#[test]
fn the_committed_document_is_current() {
    let current = openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(COMMITTED, &current).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(COMMITTED)).unwrap_or_default();
    assert!(
        committed == current,
        "policies/inventory/openapi.json is stale: UPDATE=1 cargo test -p cedargate-inventory"
    );
}

#[test]
fn the_operations_are_the_ones_that_policies_know() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let mut operations = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            operations.insert(text(&operation["operationId"]));
        }
    }
    let expected = [
        "CreateItem",
        "CreateLot",
        "CreateMovement",
        "DeleteItem",
        "GetItem",
        "GetLot",
        "ListItems",
        "ListLots",
        "ListMovements",
        "RecallLot",
        "UpdateItem",
    ];
    assert_eq!(operations, expected.map(ToOwned::to_owned).into());
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

#[test]
fn every_answer_of_the_document_is_described() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            assert!(operation["summary"].is_string(), "{operation}");
            for answer in operation["responses"].as_object().unwrap().values() {
                assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
            }
        }
    }
}
