//! Cedar's own integration corpus against what stands between a request and Cedar's answer: the index.
//!
//! The corpus is data for tests that does not ship with the product. Where `CEDARGATE_TEST_DATA` is unset the test says
//! that it is skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use cedar_policy::{Context, Entities, EntityUid, PolicySet, Request, Schema};
use serde_json::Value;

use crate::index::ActionPolicies;

/// Cases are named by hashes; those that begin with these digits are an eighth of them.
const SAMPLE: [&str; 2] = ["corpus-tests/3*", "corpus-tests/b*"];

#[test]
fn the_index_answers_cedars_corpus_as_cedar_does() {
    let Some(data) = std::env::var_os("CEDARGATE_TEST_DATA") else {
        return println!(
            "skipped: Cedar's corpus; set CEDARGATE_TEST_DATA to the directory that holds `vectors/cedar`"
        );
    };
    let archive = Path::new(&data).join("vectors/cedar/corpus-tests.tar.gz");
    let directory = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(directory.path()).arg("--wildcards").args(SAMPLE);
    assert!(tar.status().unwrap().success(), "the corpus cannot be unpacked");

    let mut requests = 0;
    for entry in fs::read_dir(directory.path().join("corpus-tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".json") && !name.ends_with(".entities.json") {
            requests += check(&path);
        }
    }
    println!("{requests} requests of Cedar's corpus answered");
    assert!(requests > 5_000, "only {requests} requests");
}

/// Checks the requests of one case and counts them.
fn check(case: &Path) -> usize {
    let text = |extension: &str| fs::read_to_string(case.with_extension(extension)).unwrap();
    let test: Value = serde_json::from_str(&text("json")).unwrap();
    let policies: PolicySet = text("cedar").parse().unwrap();
    let (schema, _) = Schema::from_cedarschema_str(&text("cedarschema")).unwrap();
    let entities = Entities::from_json_str(&text("entities.json"), Some(&schema)).unwrap();
    let requests = test["requests"].as_array().unwrap();
    for request in requests {
        check_request(case, request, &policies, &schema, &entities);
    }
    requests.len()
}

fn check_request(case: &Path, asked: &Value, policies: &PolicySet, schema: &Schema, entities: &Entities) {
    let uid = |name: &str| EntityUid::from_json(asked[name].clone()).unwrap();
    let (principal, action, resource) = (uid("principal"), uid("action"), uid("resource"));
    let ancestors =
        |uid: &EntityUid| -> BTreeSet<EntityUid> { entities.ancestors(uid).into_iter().flatten().cloned().collect() };
    let context = Context::from_json_value(asked["context"].clone(), Some((schema, &action))).unwrap();
    let validated = asked["validateRequest"].as_bool().unwrap().then_some(schema);
    let request = Request::new(principal.clone(), action.clone(), resource, context, validated).unwrap();

    let index = ActionPolicies::select(policies.policies(), &action, &ancestors(&action), None).unwrap();
    let above = ancestors(&principal);
    let answer = index.is_authorized(&request, std::iter::once(&principal).chain(&above), entities);

    let shown = format!("{}: {}", case.display(), asked["description"]);
    let names = |key: &str| -> BTreeSet<&str> {
        asked[key].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
    };
    assert_eq!(answer.permitted, asked["decision"] == "allow", "{shown}");
    let reasons: BTreeSet<&str> = answer.determined_by.iter().map(AsRef::as_ref).collect();
    assert_eq!(reasons, names("reason"), "{shown}");
    let erred = names("errors");
    assert_eq!(answer.errors.len(), erred.len(), "{shown}");
    for id in erred {
        assert!(answer.errors.iter().any(|error| error.contains(&format!("`{id}`"))), "{shown}: {id}");
    }
}
