//! gRPC passed through, with gRPC's own implementation at both ends; and what is not gRPC where it should be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cedargate_e2e::backend::{Backend, Speaks};
use cedargate_e2e::grpc::Peer;
use cedargate_e2e::h2::{END_STREAM, Ended, Frames, kind};
use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::tls::Authority;
use cedargate_e2e::{World, WorldOptions, eventually};
use cedargate_model::{EventBody, Outcome, OutcomeEnd};
use rustls::ClientConfig;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// An installation with TLS, whose echo service is another one that speaks HTTP/2 without.
struct House {
    world: World,
    authority: Authority,
}

impl House {
    fn new(service: std::net::SocketAddr, limits: Option<&'static str>) -> Self {
        let authority = Authority::new("test").unwrap();
        let issued = authority.server(&["acme.localhost"]).unwrap();
        let options = WorldOptions {
            tls: Some((issued.certificate, issued.key)),
            instead_of_echo: Some(format!("addresses = [\"{service}\"]\nprotocol = \"h2c\"\nhealth_interval_ms = 100")),
            files: vec![("ca.pem", authority.pem())],
            limits,
            ..WorldOptions::default()
        };
        Self { world: World::start(&options).unwrap(), authority }
    }

    fn trusting(&self, protocol: &str) -> Arc<ClientConfig> {
        Arc::new(self.authority.trusting(&[protocol], None).unwrap())
    }

    /// Over HTTP/1.1.
    fn post(&self, target: &str, headers: &str, body: &str) -> Answer {
        let trusting = self.trusting("http/1.1");
        let mut connection = Connection::open_tls(self.world.address(), "acme.localhost", trusting).unwrap();
        let head = format!("POST {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.world.host("acme"));
        let length = body.len();
        connection.send(format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        connection.answer("POST").unwrap()
    }

    fn cookie(&self, role: &str) -> String {
        let body = json!({ "email": format!("{role}@acme.example"), "password": self.world.password() }).to_string();
        let answer = self.post("/auth/login", "Content-Type: application/json\r\n", &body);
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    fn client(&self) -> Peer {
        Peer::calls(self.world.address(), &self.world.path("ca.pem"), "acme.localhost").unwrap()
    }
}

fn messages(told: &Value) -> Vec<&str> {
    told["messages"].as_array().unwrap().iter().map(|each| each.as_str().unwrap()).collect()
}

#[test]
fn every_kind_of_call_passes_and_refusals_are_statuses() {
    if !Peer::is_there() {
        println!("skipped: gRPC's own implementation is not here; install python3-grpcio");
        return;
    }
    let (service, address) = Peer::serve().unwrap();
    let house = House::new(address, None);
    let (clerk, viewer) = (house.cookie("clerk"), house.cookie("viewer"));
    let mut client = house.client();
    let mut call = |kind: &str, method: &str, sent: &[&str], metadata: &[(&str, &str)]| {
        let wanted = json!({ "kind": kind, "method": method, "messages": sent, "metadata": metadata });
        client.call(&wanted).unwrap()
    };
    let clerks = [("cookie", &*clerk)];

    let told = call("unary", "Unary", &["hello"], &clerks);
    assert_eq!(told["code"], 0, "{told}\n{}", house.world.logs());
    let heard: Value = serde_json::from_str(messages(&told)[0]).unwrap();
    assert_eq!(heard["heard"], "hello");
    assert!(heard["metadata"]["cedargate-identity"].is_string() && heard["metadata"]["cookie"].is_null(), "{heard}");
    assert_eq!(told["trailing"]["sound-trailer"], "heard");
    assert!(told["trailing"]["set-cookie"].is_null() && told["trailing"]["cedargate-identity"].is_null(), "{told}");
    let large = "x".repeat(500_000);
    assert_eq!(call("unary", "Unary", &[&large], &clerks)["code"], 0);
    assert_eq!(messages(&call("server", "ServerStream", &["5"], &clerks)), ["0", "1", "2", "3", "4"]);
    assert_eq!(messages(&call("client", "ClientStream", &["a", "bc", "def"], &clerks)), ["6"]);
    assert_eq!(messages(&call("client", "Early", &["a", "b"], &clerks)), ["enough"]);
    // Each message waits for the answer to the one before: nothing is held back.
    let spoken = call("bidi", "Bidi", &["one", "two", "three"], &clerks);
    assert_eq!(messages(&spoken), ["heard one", "heard two", "heard three"], "{spoken}");
    let failed = call("unary", "Fail", &["x"], &clerks);
    assert_eq!((&failed["code"], &failed["details"]), (&json!(5), &json!("no such sound: 100 % gräßlich")));

    let refused = |told: &Value, code: u16, name: &str| {
        assert_eq!(told["code"], code, "{told}");
        assert!(told["details"].as_str().unwrap().starts_with(&format!("{name}: ")), "{told}");
        let decision = told["trailing"]["cedargate-decision"].as_str().unwrap().to_owned();
        let decided = house.world.events().into_iter().any(|event| match event.body {
            EventBody::Decision(each) => each.decision.to_string() == decision,
            _ => false,
        });
        assert!(decided, "{name} is on record");
    };
    refused(&call("unary", "Unary", &["x"], &[]), 16, "signin_required");
    refused(&call("bidi", "Bidi", &["x"], &[]), 16, "signin_required");
    refused(&call("unary", "Unary", &["x"], &[("authorization", "Bearer x")]), 16, "credentials_invalid");
    refused(&call("unary", "Unary", &["x"], &[("cookie", &viewer)]), 7, "forbidden");
    let attack = format!("{clerk}; q=1' UNION SELECT password FROM users--");
    refused(&call("unary", "Unary", &["x"], &[("cookie", &attack)]), 7, "attack_detected");
    refused(&call("unary", "Hang", &["x"], &clerks), 14, "upstream_timeout");
    refused(&call("unary", "a/b", &["x"], &clerks), 12, "route_unknown");
    drop(service);
    let gone = || {
        Some(call("unary", "Unary", &["x"], &clerks))
            .filter(|told| told["details"].as_str().unwrap().starts_with("upstream_unavailable"))
    };
    refused(&eventually(PATIENCE, "a service that is gone", gone).unwrap(), 14, "upstream_unavailable");
}

#[test]
fn grpc_and_its_routes_stay_among_themselves() {
    let backend = Backend::start(Speaks::Http2, None).unwrap();
    let house = House::new(backend.address(), None);
    let cookie = format!("Cookie: {}\r\n", house.cookie("clerk"));
    let grpc = format!("{cookie}Content-Type: application/grpc\r\n");
    let json = format!("{cookie}Content-Type: application/json\r\n");
    assert_eq!(house.post("/echo.Sound/Unary", &grpc, "x").code(), "grpc_needs_http2");
    assert_eq!(house.post("/echo.Sound/Unary", &json, "{}").code(), "grpc_unexpected");
    assert_eq!(house.post("/echo/a", &grpc, "x").code(), "grpc_unexpected");
    let passed = house.post("/echo/a", &json, "{}");
    assert_eq!((passed.status, passed.field("protocol")), (200, "HTTP/2".to_owned()), "{passed:?}");
}

#[test]
fn a_client_that_keeps_its_half_of_a_stream_open_is_cut() {
    let backend = Backend::start(Speaks::Http2, None).unwrap();
    let house = House::new(backend.address(), Some("body_timeout_ms = 100"));
    let (host, cookie) = (house.world.host("acme"), house.cookie("clerk"));
    let mut frames = Frames::open(house.world.address(), "acme.localhost", house.trusting("h2")).unwrap();
    let fields: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", host.as_bytes()),
        (b":path", b"/echo.Sound/early"),
        (b"cookie", cookie.as_bytes()),
        (b"content-type", b"application/grpc"),
    ];
    frames.head(1, &fields, false).unwrap();
    assert!(frames.ended(1).is_ok(), "{}", house.world.logs());
    // Answered, and still nothing of the body has come.
    assert!(matches!(frames.ended(1), Ended::Reset(_)));
    let outcomes = || {
        let outcomes = house.world.events().into_iter().filter_map(|event| match event.body {
            EventBody::Outcome(outcome) => Some(outcome),
            _ => None,
        });
        // That of signing in is the first.
        outcomes.collect::<Vec<Outcome>>().get(1).cloned()
    };
    let outcome = eventually(PATIENCE, "an outcome", outcomes).unwrap();
    assert_eq!((outcome.status, outcome.end), (Some(200), OutcomeEnd::Complete));
    assert!(outcome.response_bytes > 0);

    // The stream was one of many: the connection serves on.
    frames.head(3, &fields, false).unwrap();
    frames.send(kind::DATA, END_STREAM, 3, b"x").unwrap();
    assert!(frames.ended(3).is_ok());
}

#[test]
fn a_call_that_is_open_ends_with_its_session() {
    if !Peer::is_there() {
        println!("skipped: gRPC's own implementation is not here; install python3-grpcio");
        return;
    }
    let (_service, address) = Peer::serve().unwrap();
    let house = House::new(address, None);
    let (host, cookie) = (house.world.host("acme"), house.cookie("clerk"));
    let mut frames = Frames::open(house.world.address(), "acme.localhost", house.trusting("h2")).unwrap();
    let fields: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", host.as_bytes()),
        (b":path", b"/echo.Sound/Bidi"),
        (b"cookie", cookie.as_bytes()),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ];
    frames.head(1, &fields, false).unwrap();
    frames.send(kind::DATA, 0, 1, b"\0\0\0\0\x03one").unwrap();
    while frames.read().unwrap().kind != kind::DATA {}
    // It says nothing more: neither side is waited for.
    assert_eq!(house.post("/auth/logout", &format!("Cookie: {cookie}\r\n"), "").status, 204);
    assert!(matches!(frames.ended(1), Ended::Reset(_)), "{}", house.world.logs());
    let cut = || {
        house.world.events().into_iter().find_map(|event| match event.body {
            EventBody::Outcome(outcome) if outcome.end == OutcomeEnd::Cut => Some(outcome),
            _ => None,
        })
    };
    let outcome = eventually(PATIENCE, "an outcome", cut).unwrap();
    let amended = |body: &EventBody| matches!(body, EventBody::Amendment(each) if each.decision == outcome.decision);
    assert!(house.world.events().iter().any(|event| amended(&event.body)));
}

#[test]
fn trailers_behind_a_requests_body_are_refused() {
    let backend = Backend::start(Speaks::Http2, None).unwrap();
    let house = House::new(backend.address(), None);
    let (host, cookie) = (house.world.host("acme"), house.cookie("clerk"));
    let mut frames = Frames::open(house.world.address(), "acme.localhost", house.trusting("h2")).unwrap();
    // Read beforehand, held back while it passes, and passed with only its beginning read.
    for (stream, path) in [(1, "/echo/a"), (3, "/echo/held/a"), (5, "/echo/large/a")] {
        let fields: Vec<(&[u8], &[u8])> = vec![
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", host.as_bytes()),
            (b":path", path.as_bytes()),
            (b"cookie", cookie.as_bytes()),
            (b"content-type", b"application/json"),
        ];
        frames.head(stream, &fields, false).unwrap();
        frames.send(kind::DATA, 0, stream, b"{}").unwrap();
        frames.head(stream, &[(b"x-behind", b"1")], true).unwrap();
        assert_eq!(frames.ended(stream).code(), "body_unreadable", "{path}");
    }
}
