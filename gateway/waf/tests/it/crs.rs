//! How much of the OWASP Core Rule Set's regression corpus this engine catches, as a ratchet: floors and ceilings are
//! what was measured, less a little. The corpus is no part of this repository: it is read where
//! `CEDARGATE_TEST_DATA` says.

use std::collections::BTreeMap;
use std::path::Path;

use cedargate_waf::{Body, Subject, Threshold, Verdict};
use serde_yaml::Value;

use crate::sender::{engine, scope};

/// For each folder: the share of positive cases that must be caught, and of negative ones that may be blocked, in
/// percent. "Negative" says that one rule must not match, not that the request is harmless: many are attacks of
/// another kind, or of one that a higher paranoia level would catch.
const RATCHET: &[(&str, u32, u32)] = &[
    ("REQUEST-930-APPLICATION-ATTACK-LFI", 35, 18),
    ("REQUEST-932-APPLICATION-ATTACK-RCE", 27, 10),
    ("REQUEST-933-APPLICATION-ATTACK-PHP", 37, 18),
    ("REQUEST-934-APPLICATION-ATTACK-GENERIC", 38, 13),
    ("REQUEST-941-APPLICATION-ATTACK-XSS", 62, 15),
    ("REQUEST-942-APPLICATION-ATTACK-SQLI", 25, 10),
    ("REQUEST-944-APPLICATION-ATTACK-JAVA", 27, 36),
];

#[derive(Default)]
struct Tally {
    caught: u32,
    positive: u32,
    blocked: u32,
    negative: u32,
}

#[test]
fn the_regression_corpus_is_caught_as_before() {
    let Ok(data) = std::env::var("CEDARGATE_TEST_DATA") else {
        println!("skipped: CEDARGATE_TEST_DATA is not set");
        return;
    };
    let corpus = Path::new(&data).join("crs/regression");
    let mut failures = Vec::new();
    for &(folder, floor, ceiling) in RATCHET {
        let tally = run(&corpus.join(folder));
        let caught = 100 * tally.caught / tally.positive.max(1);
        let blocked = 100 * tally.blocked / tally.negative.max(1);
        println!(
            "{folder}: caught {}/{} ({caught}%), blocked {}/{} ({blocked}%)",
            tally.caught, tally.positive, tally.blocked, tally.negative
        );
        if tally.positive == 0 || caught < floor || blocked > ceiling {
            failures
                .push(format!("{folder}: caught {caught}% (floor {floor}), blocked {blocked}% (ceiling {ceiling})"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn run(folder: &Path) -> Tally {
    let mut tally = Tally::default();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let document: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for test in list(&document["tests"]) {
            for stage in list(&test["stages"]) {
                let log = &stage["output"]["log"];
                let positive = !list(&log["expect_ids"]).is_empty();
                if !positive && list(&log["no_expect_ids"]).is_empty() {
                    continue;
                }
                let Some(blocked) = blocks(&stage["input"]) else { continue };
                if positive {
                    tally.positive += 1;
                    tally.caught += u32::from(blocked);
                } else {
                    tally.negative += 1;
                    tally.blocked += u32::from(blocked);
                }
                // To see what is missed or blocked, one case a line.
                if std::env::var_os("CEDARGATE_WAF_EXPLAIN").is_some() && positive != blocked {
                    println!("{} {}: {:?}", text(&document["rule_id"]), text(&test["test_id"]), stage["input"]);
                }
            }
        }
    }
    tally
}

/// Whether the engine blocks this request; none where it is given as raw octets.
fn blocks(input: &Value) -> Option<bool> {
    if !input["encoded_request"].is_null() {
        return None;
    }
    let target = if input["uri"].is_null() { "/".to_owned() } else { text(&input["uri"]) };
    let target = target.split('#').next().unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let headers: BTreeMap<String, String> = match &input["headers"] {
        Value::Mapping(headers) => headers.iter().map(|(name, value)| (text(name), text(value))).collect(),
        _ => BTreeMap::new(),
    };
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    // As go-ftw does, which says that a body without a content type is a form.
    let content_type = content_type.map_or("application/x-www-form-urlencoded", |(_, value)| value);
    let data = text(&input["data"]);
    let body =
        (!data.is_empty()).then_some(Body { content_type: Some(content_type), bytes: data.as_bytes(), complete: true });
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let method = text(&input["method"]);
    let subject = Subject { method: &method, target, path, query, headers: &headers, body };
    Some(engine().inspect(&subject, &scope()).verdict(Threshold::default()) == Verdict::Block)
}

fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        _ => String::new(),
    }
}
