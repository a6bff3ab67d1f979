//! Header and path tricks by a signed-in person of low privilege, judged by what the service then really received.

use std::net::TcpStream;

use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::{Person, World};

/// What the echo service says it received: lower-case names with their values, in order.
fn received(answer: &Answer) -> Vec<(String, String)> {
    let echoed = answer.json();
    let headers = echoed.get("headers").and_then(|headers| headers.as_array()).cloned().unwrap_or_default();
    let text =
        |pair: &serde_json::Value, at: usize| pair.get(at).and_then(|t| t.as_str()).unwrap_or_default().to_owned();
    headers.iter().map(|pair| (text(pair, 0).to_ascii_lowercase(), text(pair, 1))).collect()
}

fn values(answer: &Answer, name: &str) -> Vec<String> {
    received(answer).into_iter().filter(|(n, _)| n == name).map(|(_, value)| value).collect()
}

fn raw(person: &Person, line: &str, more: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {}\r\nCookie: {}\r\n{more}\r\n", person.host, person.cookie).into_bytes()
}

#[test]
fn no_header_of_a_client_becomes_one_that_a_service_trusts() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let forged = [
        "Cedargate-Identity",
        "CEDARGATE-IDENTITY",
        "cedargate_identity",
        "Cedargate_Decision",
        "Cedargate-Request",
        "cedargate-anything",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Host",
        "X-Forwarded-User",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Real-IP",
        "X-Request-Id",
        "Remote-User",
        "X-Remote-User",
        "X-User-Id",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "Proxy",
        "traceparent",
        "X-Tenant-Id",
    ];
    for name in forged {
        let answer = world.ask("acme", "GET", "/echo/a", &[("Cookie", &viewer.cookie), (name, "forged")], b"");
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let passed: Vec<_> = received(&answer).into_iter().filter(|(_, value)| value.contains("forged")).collect();
        assert_eq!(passed, [], "{name}");
    }
}

#[test]
fn a_service_gets_exactly_one_of_each_header_that_it_trusts() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let answer = world.get(&viewer, "/echo/a");
    for name in [
        "cedargate-identity",
        "cedargate-decision",
        "cedargate-request",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "traceparent",
        "host",
    ] {
        assert_eq!(values(&answer, name).len(), 1, "{name}: {answer:?}");
    }
    assert_eq!(values(&answer, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&answer, "x-forwarded-host"), [world.host("acme")]);
    assert_eq!(values(&answer, "cedargate-decision"), [world.decision(&answer).decision.to_string()]);
}

#[test]
fn the_session_never_reaches_a_service_in_any_spelling() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let token = viewer.cookie.split_once('=').unwrap().1;
    for cookies in [
        format!("a=1; {}; b=2", viewer.cookie),
        format!("a=1;{};b=2", viewer.cookie),
        format!("a=1;   {}  ; b=2", viewer.cookie),
        format!("a=1; {}; b=2; __Host-cedargate={token}", viewer.cookie),
        format!("a=1; {}; b=2; Cedargate={token}", viewer.cookie),
    ] {
        let answer = world.ask("acme", "GET", "/echo/a", &[("Cookie", &cookies)], b"");
        assert_eq!(answer.status, 200, "{cookies}: {answer:?}");
        let told = values(&answer, "cookie").join("|");
        assert!(told.contains("a=1") && told.contains("b=2"), "{cookies} became {told}");
        assert!(!answer.text().contains(token), "{cookies}: {answer:?}");
    }
}

#[test]
fn connection_cannot_strip_what_the_gateway_adds() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    for named in ["cedargate-identity", "Cedargate-Decision", "x-forwarded-for", "host", "cookie", "content-length"] {
        let request = raw(&viewer, "GET /echo/a HTTP/1.1", &format!("Connection: close, {named}\r\n"));
        let answer = world.send("GET", &request);
        let stripped = answer.status == 200 && values(&answer, "cedargate-identity").len() != 1;
        assert!(!stripped, "{named}: {answer:?}");
        if answer.status != 200 {
            assert_eq!((answer.status, answer.code()), (400, "header_invalid".to_owned()), "{named}");
        }
    }
}

#[test]
fn no_path_trick_reaches_what_the_person_may_not() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    for target in [
        "/echo/a/../../inventory/items",
        "/echo/%2e%2e/a",
        "/echo/.%2E/a",
        "/echo/..;/a",
        "/echo//a",
        "//echo/a",
        "/echo\\a",
        "/echo/%5ca",
        "/echo/%2fa",
        "/echo/a%00",
        "/echo/a%0d%0aX: y",
        "/echo/%c0%ae%c0%ae/a",
        "/echo/%zz",
        "/echo/%",
        "/./echo/a",
        "/echo/a/.",
        "/echo/a/%2e",
    ] {
        let answer = world.send("GET", &raw(&viewer, &format!("GET {target} HTTP/1.1"), "Connection: close\r\n"));
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        assert!(["path_invalid", "request_unparsable"].contains(&&*answer.code()), "{target}: {answer:?}");
    }
    // What may not be written under its own name may not be written under another spelling of it.
    for target in ["/echo/a", "/echo/%61", "/%65cho/a", "/echo/a?x=/echo/open/b", "/echo/a;open"] {
        let answer = world.ask("acme", "POST", target, &[("Cookie", &viewer.cookie)], b"{}");
        assert_eq!((answer.status, answer.code()), (403, "forbidden".to_owned()), "{target}: {answer:?}");
    }
}

#[test]
fn the_service_gets_the_path_that_was_decided_on() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    for (sent, got) in [
        ("/echo/%61%2D", "/echo/a-"),
        ("/echo/caf%c3%a9", "/echo/caf%C3%A9"),
        ("/echo/a%3fb", "/echo/a%3Fb"),
        ("/echo/a?q=100%", "/echo/a?q=100%"),
        ("/echo/a?b=%41%2f&c=//", "/echo/a?b=%41%2f&c=//"),
    ] {
        let answer = world.get(&viewer, sent);
        assert_eq!(answer.status, 200, "{sent}: {answer:?}");
        assert_eq!(answer.json()["target"], got);
        let decided = world.decision(&answer).path;
        assert_eq!(decided, got.split('?').next().unwrap());
    }
}

#[test]
fn no_smuggled_request_reaches_the_service() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let inner = "GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = inner.len();
    for more in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer_Encoding: chunked\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Content-Length: 0, {length}\r\n\r\n{inner}"),
        format!("Content-Length: +{length}\r\n\r\n{inner}"),
        format!("Content-Length: {length}\nX: y\r\n\r\n{inner}"),
        format!("X: a\rb\r\n\r\n{inner}"),
        format!("X: a\r\n b\r\n\r\n{inner}"),
        format!("X: a\0b\r\n\r\n{inner}"),
        format!("Host: other\r\n\r\n{inner}"),
        format!("Upgrade: websocket\r\n\r\n{inner}"),
        format!("Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n{inner}"),
        format!("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5;a=\nb\r\nhello\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{inner}"),
    ] {
        let request = raw(&viewer, "POST /echo/a HTTP/1.1", &more);
        let answer = world.send("POST", &request);
        assert_eq!(answer.status, 400, "{}\n{answer:?}", request.escape_ascii());
    }
    let taken = world.events().into_iter().find(|event| format!("{event:?}").contains("/echo/smuggled"));
    assert_eq!(taken, None, "a smuggled request was taken for one");
}

#[test]
fn requests_in_a_row_on_one_connection_are_each_decided() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let mut connection = Connection::open(world.address()).unwrap();
    let get = raw(&viewer, "GET /echo/a HTTP/1.1", "");
    let post = raw(&viewer, "POST /echo/a HTTP/1.1", "Content-Length: 2\r\n");
    connection.send(&[&get[..], &post, b"{}", &get].concat()).unwrap();
    let statuses = ["GET", "POST", "GET"].map(|method| connection.answer(method).unwrap().status);
    assert_eq!(statuses, [200, 403, 200]);
}

#[test]
fn an_absolute_target_must_agree_with_the_host() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let same = format!("GET http://{}/echo/a HTTP/1.1", viewer.host);
    assert_eq!(world.send("GET", &raw(&viewer, &same, "Connection: close\r\n")).status, 200);
    let other = format!("GET http://{}/echo/a HTTP/1.1", world.host("globex"));
    let answer = world.send("GET", &raw(&viewer, &other, ""));
    assert_eq!((answer.status, answer.code()), (400, "host_invalid".to_owned()));
}

#[test]
fn a_port_that_is_not_ours_is_not_passed_on() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    for (host, status) in [("acme.localhost:99", 404), ("acme.localhost:0", 400), ("acme.localhost", 200)] {
        let person = Person { host: host.to_owned(), ..viewer.clone() };
        let answer = world.send("GET", &raw(&person, "GET /echo/a HTTP/1.1", "Connection: close\r\n"));
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

#[test]
fn an_oversized_head_is_refused_before_it_is_buffered() {
    let world = World::shared();
    let viewer = world.sign_in("viewer", "acme");
    let long = format!("GET /echo/{} HTTP/1.1", "a".repeat(9_000));
    assert_eq!(world.send("GET", &raw(&viewer, &long, "")).status, 414);
    let many = "X-Filler: 0123456789012345678901234567890123456789\r\n".repeat(800);
    assert_eq!(world.send("GET", &raw(&viewer, "GET /echo/a HTTP/1.1", &many)).status, 431);
}

#[test]
fn garbage_is_answered_and_recorded_and_harms_nobody() {
    let world = World::shared();
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let answer = world.send("GET", garbage);
        assert!((400..500).contains(&answer.status), "{answer:?}");
        let _ = world.decision(&answer);
    }
    drop(TcpStream::connect(world.address()).unwrap());
    assert_eq!(world.ask("acme", "GET", "/echo/open/a", &[], b"").status, 200);
}
