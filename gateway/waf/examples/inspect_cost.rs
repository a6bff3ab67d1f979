//! Prints what one inspection costs, by kind of request: nanoseconds, best of several rounds.
//!
//! `cargo run --release -p cedargate-waf --example inspect_cost`, or with a case's name and a count to run that alone,
//! as under a profiler: `inspect_cost get 1000`.
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use cedargate_waf::{Body, Engine, Mode, Scope, Settings, Subject};

const HEADERS: [(&str, &str); 12] = [
    ("host", "acme.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://acme.example/inventory/items"),
    ("cookie", "__Host-cedargate=b3BhcXVlLTI1Ni1iaXQtdmFsdWUtb2Ytb3Vycw; theme=dark"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("upgrade-insecure-requests", "1"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(Settings { own_cookies: vec!["__Host-cedargate".into()], ..Settings::default() })?;
    let scope = Scope::new(Mode::Block);
    let (form, json_small, json_large) = (form(), json(6), json(63));
    let hostile = "<a onx=".repeat(1 << 14);
    let post = |content_type, bytes| Some(Body { content_type: Some(content_type), bytes, complete: true });
    let cases: [(&str, &str, Option<Body<'_>>); 6] = [
        ("get", "page=2&sort=-name&q=oat%20milk", None),
        ("form", "", post("application/x-www-form-urlencoded", form.as_bytes())),
        ("json-1k", "", post("application/json", json_small.as_bytes())),
        ("json-10k", "", post("application/json", json_large.as_bytes())),
        ("sqli", "page=2&sort=-name&q=x%27%20OR%201%3D1%20--%20", None),
        ("hostile-112k", "", post("text/plain", hostile.as_bytes())),
    ];
    let wanted = std::env::args().nth(1);
    let fixed: Option<u32> = std::env::args().nth(2).map(|count| count.parse()).transpose()?;
    for (name, query, body) in cases {
        if wanted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let target = format!("/inventory/items?{query}");
        let query = (!query.is_empty()).then_some(query);
        let subject =
            Subject { method: "GET", target: &target, path: "/inventory/items", query, headers: &HEADERS, body };
        let count = fixed.unwrap_or(if name.starts_with("hostile") { 5 } else { 5_000 });
        let mut best = f64::INFINITY;
        for _ in 0..if fixed.is_some() { 1 } else { 9 } {
            let start = Instant::now();
            for _ in 0..count {
                let _ = black_box(engine.inspect(black_box(&subject), black_box(&scope)));
            }
            best = best.min(start.elapsed().as_secs_f64() / f64::from(count));
        }
        let (bytes, score) = (body.map_or(0, |body| body.bytes.len()), engine.inspect(&subject, &scope).score());
        println!("{name:<14} {:>12.0} ns  body {bytes:>6} bytes  score {score}", best * 1e9);
    }
    Ok(())
}

fn form() -> String {
    let mut form = String::from("title=Oat+milk%2C+organic&sku=OAT-1L&quantity=24&price=1.95&available=true&");
    while form.len() < 900 {
        form.push_str(
            "note=Deliver+to+the+back+door%2C+between+8+and+10+or+after+14%3A00.&supplier=O%27Brien+%26+Sons&",
        );
    }
    form.push_str("next=%2Finventory%2Fitems");
    form
}

fn json(lines: u32) -> String {
    let line = |number| {
        format!(
            concat!(
                r#"{{"id":"0190b8e4-7c1a-7d7e-a1b2-{:012}","sku":"M8x40-{}","description":"Bolt M8 x 40, zinc","#,
                r#""quantity":{},"unit":"pcs","active":true,"price":"0.08"}}"#
            ),
            number, number, number
        )
    };
    let lines: Vec<String> = (0..lines).map(line).collect();
    format!(r#"{{"customer":"O'Brien & Sons","placed":"2024-05-01T08:30:00Z","lines":[{}]}}"#, lines.join(","))
}
