//! Over TLS, towards clients and towards services: what only TLS allows, and what it must carry.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cedargate_e2e::backend::{Backend, Speaks};
use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::tls::{Authority, Issued};
use cedargate_e2e::{World, WorldOptions, eventually};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

struct Client {
    world: World,
    trusted: Arc<ClientConfig>,
}

impl Client {
    fn new() -> Self {
        let issued = rcgen::generate_simple_self_signed(["acme.localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(issued.cert.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let trusted = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let tls = Some((issued.cert.pem(), issued.signing_key.serialize_pem()));
        Self { world: World::start(&WorldOptions { tls, ..WorldOptions::default() }).unwrap(), trusted }
    }

    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let mut connection =
            Connection::open_tls(self.world.address(), "acme.localhost", Arc::clone(&self.trusted)).unwrap();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.world.host("acme"));
        let length = body.len();
        connection.send(format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        connection.answer(method).unwrap()
    }
}

#[test]
fn a_session_over_tls_is_bound_to_host_and_tls() {
    let client = Client::new();
    let body = serde_json::json!({ "email": "clerk@acme.example", "password": client.world.password() }).to_string();
    let origin = format!("Content-Type: application/json\r\nOrigin: https://{}\r\n", client.world.host("acme"));
    let signed_in = client.ask("POST", "/auth/login", &origin, &body);
    assert_eq!(signed_in.status, 200, "{signed_in:?}\n{}", client.world.logs());
    let cookie = signed_in.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-cedargate="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} is not in {cookie}");
    }
    assert!(!cookie.contains("Domain"));

    let session = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let echoed = client.ask("GET", "/echo/a", &session, "");
    assert_eq!(echoed.status, 200, "{echoed:?}");
    assert!(echoed.text().contains(r#"["x-forwarded-proto","https"]"#), "{echoed:?}");
    assert!(!echoed.text().contains("__Host-cedargate"));
    let plain = session.replace("__Host-", "");
    assert_eq!(client.ask("GET", "/echo/a", &plain, "").status, 401, "the plain name is not a session over TLS");
}

#[test]
fn every_answer_over_tls_says_that_tls_is_required() {
    let client = Client::new();
    for (target, status) in [("/echo/open/a", 200), ("/nowhere", 404), ("/echo/a", 401), ("/echo/..", 400)] {
        let answer = client.ask("GET", target, "", "");
        assert_eq!(answer.status, status, "{answer:?}");
        let hsts = answer.header("strict-transport-security").unwrap_or_default();
        assert!(hsts.starts_with("max-age="), "{target}: {answer:?}");
    }
    let other_scheme = format!("Origin: http://{}\r\n", client.world.host("acme"));
    assert_eq!(client.ask("POST", "/auth/login", &other_scheme, "{}").code(), "cross_origin");
}

/// How long what happens a moment later may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The tables of a service with TLS that must be `backend.internal`.
fn service(backend: &Backend, protocol: &str, health: &str) -> Option<String> {
    let address = backend.address();
    Some(format!(
        "addresses = [\"{address}\"]\nprotocol = \"{protocol}\"\n{health}\n[upstreams.echo.tls]\nserver_name = \"backend.internal\"\n\
         ca_file = \"ca.pem\"\nclient_certificate = \"gateway.pem\"\nclient_key = \"gateway.key\""
    ))
}

#[test]
fn a_service_proves_its_name_and_gets_the_gateways_certificate() {
    let (ours, others) = (Authority::new("ours").unwrap(), Authority::new("others").unwrap());
    let serving = |authority: &Authority, issued: &Issued| authority.serving(issued, &["http/1.1"], true).unwrap();
    let right = ours.server(&["backend.internal"]).unwrap();
    let gateway = ours.client("gateway.internal").unwrap();
    let backend = Backend::start(Speaks::Http1, Some(serving(&ours, &right))).unwrap();
    let files = vec![
        ("ca.pem", ours.pem()),
        ("gateway.pem", gateway.certificate.clone()),
        ("gateway.key", gateway.key.clone()),
    ];
    // Health is asked once, at the start, and the service demands a certificate: it is healthy if it was shown one.
    let instead_of_echo = service(&backend, "http1", "health_path = \"/healthz\"\nhealth_interval_ms = 600_000");
    let config = "[policies]\ndir = \"policies\"\nreload_interval_ms = 100";
    let world = World::start(&WorldOptions { instead_of_echo, files, config, ..WorldOptions::default() }).unwrap();
    let ask = || world.ask("acme", "GET", "/echo/open/a", &[], b"");
    let shown = |answer: &Answer| BASE64_STANDARD.decode(answer.field("client")).unwrap();

    let answer = ask();
    assert_eq!((answer.status, answer.field("protocol")), (200, "HTTP/1.1".to_owned()), "{answer:?}\n{}", world.logs());
    assert_eq!(shown(&answer), gateway.der().unwrap());

    let bad = [
        ("NotValidForName", serving(&ours, &ours.server(&["other.internal"]).unwrap())),
        ("UnknownIssuer", ours.serving(&others.server(&["backend.internal"]).unwrap(), &["http/1.1"], true).unwrap()),
        ("Expired", serving(&ours, &ours.expired(&["backend.internal"]).unwrap())),
        ("InvalidPurpose", serving(&ours, &ours.client("backend.internal").unwrap())),
    ];
    for (wrong, tls) in bad {
        backend.show(tls);
        let answer = ask();
        assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()), "{wrong}: {answer:?}");
        let amendments = world.amendments(&world.decision(&answer));
        assert!(
            matches!(&*amendments, [amendment] if amendment.detail.contains("TLSHandshakeFailure")),
            "{amendments:?}"
        );
    }
    backend.show(serving(&ours, &right));
    assert_eq!(ask().status, 200);

    // The service moves to another authority, and so does the gateway, while it runs.
    let moved = others.client("gateway.internal").unwrap();
    backend.show(serving(&others, &others.server(&["backend.internal"]).unwrap()));
    assert_eq!(ask().code(), "upstream_failed");
    for (name, text) in
        [("ca.pem", others.pem()), ("gateway.pem", moved.certificate.clone()), ("gateway.key", moved.key.clone())]
    {
        std::fs::write(world.path(name), text).unwrap();
    }
    let answered = || Some(ask()).filter(|answer| answer.status == 200);
    let answer = eventually(PATIENCE, "an answer of the service that has moved", answered).unwrap();
    assert_eq!(shown(&answer), moved.der().unwrap());
    std::fs::write(world.path("ca.pem"), "garbage").unwrap();
    world.log_line("a service's TLS cannot be taken up").unwrap();
    assert_eq!(ask().status, 200);
}

#[test]
fn health_is_asked_with_the_same_tls_and_http_2_is_agreed_on() {
    let authority = Authority::new("ours").unwrap();
    let serving = |name: &str, protocols: &[&str]| {
        authority.serving(&authority.server(&[name]).unwrap(), protocols, true).unwrap()
    };
    let gateway = authority.client("gateway.internal").unwrap();
    let backend = Backend::start(Speaks::Http2, Some(serving("other.internal", &["h2"]))).unwrap();
    let files = vec![("ca.pem", authority.pem()), ("gateway.pem", gateway.certificate), ("gateway.key", gateway.key)];
    let instead_of_echo = service(&backend, "h2", "health_path = \"/healthz\"\nhealth_interval_ms = 100");
    let world = World::start(&WorldOptions { instead_of_echo, files, ..WorldOptions::default() }).unwrap();
    let ask = || world.ask("acme", "GET", "/echo/open/a", &[], b"");
    let refused = || Some(ask()).filter(|answer| answer.code() == "upstream_unavailable");
    eventually(PATIENCE, "a service that is not healthy", refused).unwrap();

    // Right name, and nothing agreed on: Pingora would go on in HTTP/1.1.
    backend.show(serving("backend.internal", &[]));
    assert!(!ask().text().contains("HTTP/"));

    backend.show(serving("backend.internal", &["h2"]));
    let answered = || Some(ask()).filter(|answer| answer.status == 200);
    let answer = eventually(PATIENCE, "a service that is healthy", answered).unwrap();
    assert_eq!(answer.field("protocol"), "HTTP/2");
    let clerk = world.sign_in("clerk", "acme");
    let line = world.post(&clerk, "/echo/a", "{\"a\":\"b\"}").field("line");
    assert!(line.contains(" 9 ") && line.contains("cedargate-identity: ") && !line.contains("cookie"), "{line}");
    assert!(line.starts_with(&format!("POST https://{}/echo/a", clerk.host)), "{line}");
}
