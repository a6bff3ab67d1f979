//! Ordinary exchanges that run before the first one from outside does.

use std::net::{IpAddr, Ipv4Addr};

use super::ast::EngineMode;
use super::rule_set::{RuleSet, Way};
use super::transaction::{RequestHead, Scratch, Setup};

/// What browsers call themselves: the states that patterns take over such a text are those of most first requests.
const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
];

/// What they send with a request.
const HEADERS: [(&str, &str); 11] = [
    ("Host", "www.example.org"),
    ("User-Agent", ""),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.9,fr;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://www.example.org/orders/2026-07?from=list#top"),
    ("Cookie", "session=UmFuZG9tIG9jdGV0cywgMzIgb2YgdGhlbSE; theme=light"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Content-Type", ""),
    ("Content-Length", "64"),
];

/// Methods, targets, content types and bodies. Between them they have the octets that values of forms and documents have.
const REQUESTS: [(&str, &str, &str, &str); 4] = [
    ("GET", "/", "", ""),
    ("GET", "/orders/17/lines.html?page=2&sort=-name&q=oat%20milk%201.5&from=2026-07-01T09:30:00Z", "", ""),
    (
        "POST",
        "/orders?page=2",
        "application/x-www-form-urlencoded",
        "name=Jos%C3%A9+O%27Neill&note=Back+door%2C+please+%28ring+twice%29%3B+thanks%21&count=3&mail=jo%40example.org",
    ),
    (
        "POST",
        "/orders",
        "application/json",
        r#"{"lines":[{"id":1,"sku":"A-00017","name":"Oat milk & co","price":"4.99","vegan":true,"note":"don't \"shake\"!"}],"by":"jo <jo@example.org>"}"#,
    ),
];

/// Runs them with each browser, so that what the first round has made is what the next ones find.
pub(super) fn run(rules: &RuleSet, tx: &[(&str, &str)]) {
    let mut scratch = rules.scratch();
    for browser in BROWSERS {
        for request in &REQUESTS {
            play(rules, &mut scratch, tx, browser, request);
        }
    }
}

fn play(
    rules: &RuleSet,
    scratch: &mut Scratch,
    tx: &[(&str, &str)],
    browser: &str,
    request: &(&str, &str, &str, &str),
) {
    let (method, target, content_type, body) = request;
    let has_body = !body.is_empty();
    let headers: Vec<(&str, &str)> = HEADERS
        .into_iter()
        .map(|(name, value)| match name {
            "User-Agent" => (name, browser),
            "Content-Type" => (name, *content_type),
            _ => (name, value),
        })
        .filter(|(name, value)| !value.is_empty() && (has_body || *name != "Content-Length"))
        .collect();
    let nobody = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    // Whatever these rules' mode is, a route's may be another.
    let setup = Setup { tx, ..Setup::of(EngineMode::DetectionOnly) };
    let mut transaction = rules.begin(scratch, Way::Compiled).set_up(setup);
    transaction.request_head(&RequestHead {
        client: nobody,
        server: nobody,
        method: method.as_bytes(),
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        id: "",
    });
    transaction.request_body(body.as_bytes());
    transaction.response_head(200, b"HTTP/1.1", &[("content-type", "text/html"), ("content-length", "15")]);
    transaction.response_body(b"<p>Welcome.</p>");
    drop(transaction.finish());
}
