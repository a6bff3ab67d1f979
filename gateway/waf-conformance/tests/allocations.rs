//! What a request that is like the ones before it allocates. One test in the program: others would be counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use cedargate_waf::seclang::{Disk, RequestHead, RuleSet, Scratch, Way};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A target, a content type, a body, and how many allocations there may be.
type Case = (&'static str, Option<(&'static str, &'static str)>, &'static str, usize);

/// Benign requests. What may remain: JSON's reader has a path and a stack, which grow with the document's depth;
/// libinjection, whose port is not ours, allocates for each word that it looks up, and it is run on every value with a
/// quote, a parenthesis or a word that SQL knows, so on what browsers call themselves.
const CASES: [Case; 3] = [
    ("/inventory/items?page=2&sort=-name&q=oat%20milk", None, "", 0),
    (
        "/inventory/items",
        Some(FORM),
        "name=Oat+milk%2C+1+l&note=Deliver+to+the+back+door%2C+please&count=3&unit=crate",
        0,
    ),
    ("/inventory/items", Some(JSON), r#"{"items":[{"id":1,"sku":"A-00001","name":"Oat milk","vegan":true}]}"#, 6),
];

#[test]
fn a_warm_request_allocates_nothing() {
    let Ok(data) = std::env::var("CEDARGATE_TEST_DATA") else {
        return println!("skipped: CEDARGATE_TEST_DATA is not set, so there are no rules");
    };
    let rules = stock_rules(&Path::new(&data).join("crs"));
    let mut scratch = rules.scratch();
    for (target, content_type, body, allowed) in CASES {
        let mut headers: Vec<(&str, &str)> = vec![
            ("Host", "acme.example"),
            ("User-Agent", "inventory-app/2.4"),
            ("Accept", "text/html,*/*;q=0.8"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Cookie", "session=b3BhcXVlLTI1Ni1iaXQtdmFsdWUtb2Ytb3Vycw; theme=dark"),
        ];
        let length = body.len().to_string();
        headers.extend(content_type);
        if content_type.is_some() {
            headers.push(("Content-Length", &length));
        }
        let method = if content_type.is_some() { "POST" } else { "GET" };
        let mut inspect = || inspect(&rules, &mut scratch, method, target, &headers, body);
        // The first ones make room, and the states of patterns that such texts need.
        (0..5).for_each(|_| inspect());
        let region = Region::new(ALLOCATOR);
        (0..10).for_each(|_| inspect());
        let stats = region.change();
        assert!(
            stats.allocations + stats.reallocations <= 10 * allowed,
            "{method} {target} {content_type:?}: {stats:?}"
        );
    }
}

/// The Core Rule Set as its setup file has it.
fn stock_rules(crs: &Path) -> RuleSet {
    let entries = std::fs::read_dir(crs.join("rules")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|of| of == "conf")).collect();
    paths.sort();
    paths.insert(0, crs.join("crs-setup.conf.example"));
    RuleSet::load(&Disk, &paths).unwrap()
}

fn inspect(
    rules: &RuleSet,
    scratch: &mut Scratch,
    method: &str,
    target: &str,
    headers: &Vec<(&str, &str)>,
    body: &str,
) {
    let mut transaction = rules.begin(scratch, Way::Compiled);
    transaction.request_head(&RequestHead {
        client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000),
        server: (IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
        method: method.as_bytes(),
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers,
        id: "one",
    });
    transaction.request_body(body.as_bytes());
    let report = transaction.finish();
    assert_eq!((report.limit, report.ids().next()), (None, None));
}
