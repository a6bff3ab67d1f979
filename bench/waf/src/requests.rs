//! The requests that are measured.

/// A request.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// Such as `HTTP/1.1`.
    pub(crate) protocol: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

const HEADERS: [(&str, &str); 12] = [
    ("Host", "acme.example"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://acme.example/inventory/items"),
    ("Cookie", "session=b3BhcXVlLTI1Ni1iaXQtdmFsdWUtb2Ytb3Vycw; theme=dark"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

/// Every case.
pub(crate) fn all() -> Vec<Request> {
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    vec![
        get("get", "page=2&sort=-name&q=oat%20milk"),
        get("sqli", "page=2&sort=-name&q=x%27%20OR%201%3D1%20UNION%20SELECT%20password%20FROM%20users--%20"),
        post("form-1k", form, form_of(12)),
        post("json-1k", json, json_of(6)),
        post("json-10k", json, json_of(78)),
        post("arguments-4000", form, (0..4000).map(|n| format!("a{n}=b{n}")).collect::<Vec<_>>().join("&")),
        post(
            "numbers-10000",
            json,
            format!("[{}]", (0..10_000).map(|n: u32| n.to_string()).collect::<Vec<_>>().join(",")),
        ),
        post("brackets-128k", form, format!("a={}", "(".repeat(128 << 10))),
        post("nested-500", json, format!("{}1{}", "[".repeat(500), "]".repeat(500))),
    ]
}

pub(crate) fn get(name: &str, query: &str) -> Request {
    Request {
        name: name.to_owned(),
        method: b"GET".to_vec(),
        target: format!("/inventory/items?{query}").into_bytes(),
        protocol: b"HTTP/1.1".to_vec(),
        headers: HEADERS.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        body: Vec::new(),
    }
}

pub(crate) fn post(name: &str, content_type: &str, body: String) -> Request {
    let mut request = get(name, "page=2");
    request.headers.push(("Content-Type".to_owned(), content_type.as_bytes().to_vec()));
    request.headers.push(("Content-Length".to_owned(), body.len().to_string().into_bytes()));
    Request { method: b"POST".to_vec(), body: body.into_bytes(), ..request }
}

/// Fields of a business form, some of them encoded.
fn form_of(rows: usize) -> String {
    let row = |n: usize| {
        format!("name{n}=Oat+milk%2C+1+l&note{n}=Deliver+to+the+back+door%2C+please&count{n}={n}&unit{n}=crate")
    };
    (0..rows).map(row).collect::<Vec<_>>().join("&")
}

/// Items of an order: ten values each.
fn json_of(items: usize) -> String {
    let item = |n: usize| {
        format!(
            r#"{{"id":{n},"sku":"A-{n:05}","name":"Oat milk {n}","count":{},"price":"{}.99","unit":"l","vegan":true,"note":"cold","at":"2026-07-{:02}","by":"jo"}}"#,
            n % 7,
            n % 90,
            n % 28 + 1
        )
    };
    format!(r#"{{"items":[{}]}}"#, (0..items).map(item).collect::<Vec<_>>().join(","))
}
