//! Ways to hand a value to the engine.

use cedargate_waf::{Body, Engine, Inspected, Mode, Scope, Settings, Subject};

/// One engine for all tests: building it costs more than most of them.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: std::sync::LazyLock<Engine> = std::sync::LazyLock::new(|| {
        Engine::new(Settings { own_cookies: vec!["__Host-cedargate".into()], ..Settings::default() }).unwrap()
    });
    &ENGINE
}

pub(crate) fn scope() -> Scope {
    Scope::new(Mode::Block)
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    value.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// Inspects a GET with this raw query.
pub(crate) fn query(query: &str) -> Inspected {
    let target = format!("/items?{query}");
    let headers = plain_headers();
    let subject =
        Subject { method: "GET", target: &target, path: "/items", query: Some(query), headers: &headers, body: None };
    engine().inspect(&subject, &scope())
}

/// Inspects a GET of this canonical path.
pub(crate) fn path(path: &str) -> Inspected {
    let headers = plain_headers();
    let subject = Subject { method: "GET", target: path, path, query: None, headers: &headers, body: None };
    engine().inspect(&subject, &scope())
}

/// Inspects a GET with this header among others.
pub(crate) fn header(name: &str, value: &str) -> Inspected {
    let mut headers = plain_headers();
    headers.retain(|(known, _)| *known != name);
    headers.push((name, value));
    let subject = Subject { method: "GET", target: "/", path: "/", query: None, headers: &headers, body: None };
    engine().inspect(&subject, &scope())
}

/// Inspects a whole body.
pub(crate) fn body(content_type: &str, bytes: &[u8]) -> Inspected {
    body_in(&scope(), Some(content_type), bytes, true)
}

/// Inspects a body in a scope.
pub(crate) fn body_in(scope: &Scope, content_type: Option<&str>, bytes: &[u8], complete: bool) -> Inspected {
    engine().inspect_body(&Body { content_type, bytes, complete }, scope)
}

/// The value as each kind of caller sends it: in a query, a form, JSON and multipart.
pub(crate) fn everywhere(value: &str) -> [(&'static str, Inspected); 4] {
    let json = serde_json::json!({ "list": [1, { "field": value }] }).to_string();
    let multipart = format!("--b\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\n{value}\r\n--b--\r\n");
    [
        ("query", query(&format!("page=2&field={}", encode(value)))),
        ("form", body("application/x-www-form-urlencoded", format!("page=2&field={}", encode(value)).as_bytes())),
        ("json", body("application/json; charset=utf-8", json.as_bytes())),
        ("multipart", body("multipart/form-data; boundary=b", multipart.as_bytes())),
    ]
}

/// What a browser sends with everything.
pub(crate) fn plain_headers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("host", "acme.example"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://acme.example/inventory/items?page=2&sort=-name&q=oat%20milk"),
        (
            "cookie",
            "__Host-cedargate=' OR 1=1 -- <script>; theme=dark; _ga=GA1.2.1234567890.1700000000; tz=Europe%2FBerlin",
        ),
        ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
        ("sec-fetch-site", "same-origin"),
        ("if-none-match", "W/\"5f3-abc\""),
        ("authorization", "Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ]
}
