//! Over TLS: what only TLS allows, and what it must carry.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::{World, WorldOptions};
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
