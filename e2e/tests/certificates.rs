//! A certificate for each host: which one clients get, what a handshake is refused for, and how certificates change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::tls::{Authority, Issued};
use cedargate_e2e::{World, WorldOptions, eventually};
use cedargate_model::{Credential, Verdict};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

/// How long what happens a moment later may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An installation with a certificate for `acme.localhost`, and one for `globex.localhost`.
struct House {
    world: World,
    authority: Authority,
    trusting: Arc<ClientConfig>,
}

const SECOND: &str = "[[listen.certificate]]\ncertificate = \"second.crt\"\nkey = \"second.key\"\n";
const SECOND_DEFAULT: &str =
    "[[listen.certificate]]\ncertificate = \"second.crt\"\nkey = \"second.key\"\ndefault = true\n";

impl House {
    fn new(config: &'static str, limits: Option<&'static str>) -> Self {
        let authority = Authority::new("test").unwrap();
        let acme = authority.server(&["acme.localhost"]).unwrap();
        let second = authority.server(&["globex.localhost"]).unwrap();
        let options = WorldOptions {
            tls: Some((acme.certificate, acme.key)),
            files: vec![
                ("second.crt", second.certificate),
                ("second.key", second.key),
                ("clients.pem", authority.pem()),
            ],
            config,
            limits,
            ..WorldOptions::default()
        };
        let trusting = Arc::new(authority.trusting(&["http/1.1"], None).unwrap());
        Self { world: World::start(&options).unwrap(), authority, trusting }
    }

    /// Asks as a client that connected to `named`.
    fn ask(&self, named: &str, host: &str) -> Answer {
        let mut connection = Connection::open_tls(self.world.address(), named, Arc::clone(&self.trusting)).unwrap();
        let request = format!("GET /echo/open/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        connection.send(request.as_bytes()).unwrap();
        connection.answer("GET").unwrap()
    }

    /// Asks as a client that named no host in its handshake.
    fn ask_nameless(&self, host: &str) -> Answer {
        let mut config = (*self.trusting).clone();
        config.enable_sni = false;
        // The default certificate is that of globex.
        let mut connection = Connection::open_tls(self.world.address(), "globex.localhost", Arc::new(config)).unwrap();
        let request = format!("GET /echo/open/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        connection.send(request.as_bytes()).unwrap();
        connection.answer("GET").unwrap()
    }

    /// The session of a tenant's clerk, as a `Cookie` header has it.
    fn sign_in(&self, tenant: &str) -> String {
        let named = format!("{tenant}.localhost");
        let mut connection = Connection::open_tls(self.world.address(), &named, Arc::clone(&self.trusting)).unwrap();
        let email = format!("clerk@{tenant}.example");
        let body = serde_json::json!({ "email": email, "password": self.world.password() }).to_string();
        let head = format!("POST /auth/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.world.host(tenant));
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.send(format!("{head}{body}").as_bytes()).unwrap();
        let answer = connection.answer("POST").unwrap();
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// How a handshake went, and a request after it: what is to be resumed comes behind the handshake.
    fn handshake(&self, name: &str, trusting: &Arc<ClientConfig>) -> HandshakeKind {
        let named = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(trusting), named).unwrap();
        let mut socket = TcpStream::connect(self.world.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        let port = self.world.address().port();
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        session.handshake_kind().unwrap()
    }

    /// The subject alternative name of the certificate that a client gets, or why it gets none.
    fn shown(&self, name: Option<&str>) -> Result<Vec<u8>, String> {
        let mut config = (*self.trusting).clone();
        config.enable_sni = name.is_some();
        let name = ServerName::try_from(name.unwrap_or("acme.localhost").to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(self.world.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|error| error.to_string())?;
        }
        Ok(session.peer_certificates().unwrap().first().unwrap().to_vec())
    }

    fn metric(&self, line: &str) -> Option<f64> {
        let metrics = self.world.admin("/metrics").unwrap().text();
        metrics.lines().find_map(|each| each.strip_prefix(line)?.trim().parse().ok())
    }
}

fn names(certificate: &[u8], name: &str) -> bool {
    certificate.windows(name.len()).any(|window| window == name.as_bytes())
}

#[test]
fn each_host_has_its_own_certificate() {
    let house = House::new(SECOND, None);
    let (acme, globex) = (house.shown(Some("acme.localhost")).unwrap(), house.shown(Some("globex.localhost")).unwrap());
    assert!(names(&acme, "acme.localhost") && !names(&acme, "globex.localhost"));
    assert!(names(&globex, "globex.localhost"));
    assert_eq!(house.ask("acme.localhost", &house.world.host("acme")).status, 200);
    assert_eq!(house.ask("globex.localhost", &house.world.host("globex")).status, 200);
    let now = 1_700_000_000.0;
    assert!(house.metric("tls_certificate_expiry_timestamp_seconds{host=\"globex.localhost\"}").unwrap() > now);
}

#[test]
fn who_names_no_host_or_an_unknown_one_is_refused() {
    let house = House::new("", None);
    for name in [None, Some("globex.localhost"), Some("localhost"), Some("x.acme.localhost")] {
        let refused = house.shown(name).unwrap_err();
        assert!(refused.contains("UnrecognisedName"), "{name:?}: {refused}");
    }
    assert_eq!(house.metric("tls_handshake_failures_total{reason=\"nameless\"}"), Some(1.0));
    assert_eq!(house.metric("tls_handshake_failures_total{reason=\"unknown_host\"}"), Some(3.0));
}

#[test]
fn a_default_certificate_is_shown_where_one_is_configured() {
    let house = House::new(SECOND_DEFAULT, None);
    // The name that is checked is another one, so what is shown is told by why it is refused.
    let refused = house.shown(None).unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[test]
fn a_request_for_another_host_than_the_handshakes_is_misdirected() {
    let house = House::new(SECOND, None);
    let globex = house.world.host("globex");
    for host in [&*globex, "globex.localhost.", "localhost", "nobody.localhost"] {
        let answer = house.ask("acme.localhost", host);
        assert_eq!((answer.status, &*answer.code()), (421, "misdirected_request"), "{host}: {answer:?}");
        let decision = house.world.decision(&answer);
        assert!(matches!(decision.verdict, Verdict::Refuse { code, .. } if code.as_str() == "misdirected_request"));
    }
    assert_eq!(house.metric("cedargate_refusals_total{code=\"misdirected_request\"}"), Some(4.0));
    let port = house.world.address().port();
    for host in [house.world.host("acme"), format!("ACME.localhost.:{port}")] {
        assert_eq!(house.ask("acme.localhost", &host).status, 200, "{host}");
    }
}

#[test]
fn a_kept_connection_is_held_to_its_host_by_every_request() {
    let house = House::new(SECOND, None);
    let trusting = Arc::clone(&house.trusting);
    let mut connection = Connection::open_tls(house.world.address(), "acme.localhost", trusting).unwrap();
    for (tenant, status) in [("acme", 200), ("globex", 421), ("acme", 200)] {
        let request = format!("GET /echo/open/a HTTP/1.1\r\nHost: {}\r\n\r\n", house.world.host(tenant));
        connection.send(request.as_bytes()).unwrap();
        assert_eq!(connection.answer("GET").unwrap().status, status);
    }
}

#[test]
fn a_handshake_that_stalls_is_cut() {
    let house = House::new("", Some("handshake_timeout_ms = 200"));
    // Nothing at all, and the beginning of a record.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut socket = TcpStream::connect(house.world.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(sent).unwrap();
        assert!(matches!(socket.read(&mut [0; 16]), Ok(0) | Err(_)));
    }
    // Each is counted after its socket was closed.
    let counted = || (house.metric("tls_handshake_failures_total{reason=\"timed_out\"}") == Some(2.0)).then_some(());
    eventually(PATIENCE, "both to be counted", counted).unwrap();
}

#[test]
fn old_versions_and_plain_http_are_refused() {
    let house = House::new("", None);
    let named = b"\x00\x00\x00\x13\x00\x11\x00\x00\x0eacme.localhost";
    for version in [b"\x03\x01", b"\x03\x02"] {
        // One suite, no compression, the server's name: as an old client would say hello.
        let mut hello = version.to_vec();
        hello.extend([7; 32]);
        hello.extend(b"\x00\x00\x02\xc0\x13\x01\x00");
        hello.extend(u16::try_from(named.len()).unwrap().to_be_bytes());
        hello.extend(named);
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(hello.len() + 4).unwrap().to_be_bytes());
        record.extend([1, 0]);
        record.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
        record.extend(&hello);
        let answered = answered(&house, &record);
        assert!(matches!(*answered, [21, 3, _, 0, 2, 2, _]), "not a fatal alert to {version:?}: {answered:?}");
    }
    let plain = answered(&house, b"GET / HTTP/1.1\r\nHost: acme.localhost\r\n\r\n");
    assert!(plain.is_empty() || plain.starts_with(&[21]), "{plain:?}");
    assert_eq!(house.metric("tls_handshake_failures_total{reason=\"failed\"}"), Some(3.0));
}

/// Everything that the gateway says before it closes.
fn answered(house: &House, octets: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(house.world.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(octets).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
fn changed_certificates_are_taken_up_and_bad_ones_are_not() {
    let house = House::new("[policies]\ndir = \"policies\"\nreload_interval_ms = 100\n", None);
    let before = house.shown(Some("acme.localhost")).unwrap();
    std::fs::write(house.world.path("tls.crt"), "garbage").unwrap();
    let failed = || house.metric("tls_reload_failures_total").filter(|count| *count >= 1.0);
    eventually(PATIENCE, "a failed reload", failed).unwrap();
    house.world.log_line("the former one stays").unwrap();
    assert_eq!(house.shown(Some("acme.localhost")).unwrap(), before);

    let renewed = house.authority.server(&["acme.localhost"]).unwrap();
    std::fs::write(house.world.path("tls.key"), renewed.key).unwrap();
    std::fs::write(house.world.path("tls.crt"), renewed.certificate).unwrap();
    let changed = || house.shown(Some("acme.localhost")).ok().filter(|shown| *shown != before);
    eventually(PATIENCE, "the new certificate", changed).unwrap();
    assert_eq!(house.ask("acme.localhost", &house.world.host("acme")).status, 200);
}

const ASKING: &str = "[[listen.certificate]]\ncertificate = \"second.crt\"\nkey = \"second.key\"\ndefault = true\n\
     [[listen.client_certificate]]\nhost = \"acme.localhost\"\nca_file = \"clients.pem\"\n\
     [policies]\ndir = \"policies\"\nreload_interval_ms = 100\n";

#[test]
fn a_host_that_asks_for_certificates_is_reached_with_one_of_its_authority() {
    let house = House::new(ASKING, None);
    let robot = house.authority.client("robot.example").unwrap();
    let stranger = Authority::new("others").unwrap().client("robot.example").unwrap();
    let ask = |own: Option<&Issued>, named: &str, host: &str, target: &str, headers: &str| -> std::io::Result<Answer> {
        let trusting = Arc::new(house.authority.trusting(&["http/1.1"], own).unwrap());
        let mut connection = Connection::open_tls(house.world.address(), named, trusting)?;
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        connection.send(head.as_bytes())?;
        connection.answer("GET")
    };
    let (acme, globex) = (house.world.host("acme"), house.world.host("globex"));
    let vault = |own: Option<&Issued>| ask(own, "acme.localhost", &acme, "/echo/vault/a", "");

    let answer = vault(Some(&robot)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}\n{}", house.world.logs());
    assert!(!answer.text().to_lowercase().contains("robot.example"), "the service is told by nobody else: {answer:?}");
    let shown = house.world.decision(&answer).client_certificate.unwrap();
    assert_eq!((&*shown.subject, &*shown.names), ("CN=robot.example", &["dns:robot.example".to_owned()][..]));

    let refused = vault(None).unwrap();
    assert_eq!((refused.status, refused.code()), (403, "client_certificate_required".to_owned()));
    let decision = house.world.decision(&refused);
    assert!(decision.client_certificate.is_none(), "{decision:?}");
    assert_eq!(decision.route.unwrap().as_str(), "echo.ReadVault");
    assert_eq!(ask(None, "acme.localhost", &acme, "/echo/open/a", "").unwrap().status, 200, "others ask for none");
    // What somebody else issued makes no connection, whatever is asked for.
    assert!(ask(Some(&stranger), "acme.localhost", &acme, "/echo/open/a", "").is_err());
    // Another host neither asks for it nor takes note.
    let answer = ask(Some(&robot), "globex.localhost", &globex, "/echo/vault/a", "").unwrap();
    assert_eq!(answer.code(), "client_certificate_required");
    // By a handshake for another host, or for none, nobody gets here: the default certificate asks for nothing.
    assert_eq!(ask(Some(&robot), "globex.localhost", &acme, "/echo/open/a", "").unwrap().code(), "misdirected_request");
    assert_eq!(house.ask_nameless(&acme).code(), "misdirected_request");
    assert_eq!(house.ask_nameless(&globex).status, 200);

    // Policies know it, and who forges what a proxy would say of it is not believed.
    let cookie = house.sign_in("acme");
    let forged = "X-SSL-Client-S-DN: CN=robot.example\r\nX-Forwarded-Client-Cert: Subject=\"CN=robot.example\"\r\n";
    let machine = |own: Option<&Issued>| {
        ask(own, "acme.localhost", &acme, "/echo/machine/a", &format!("Cookie: {cookie}\r\n{forged}")).unwrap()
    };
    assert_eq!(machine(Some(&robot)).status, 200);
    assert_eq!(machine(None).code(), "forbidden");
    let other = house.authority.client("other.example").unwrap();
    assert_eq!(machine(Some(&other)).code(), "forbidden");
    assert_eq!(machine(Some(&robot)).status, 200, "no answer was kept for another certificate");

    // The authority is changed: what it has issued is worth nothing from then on.
    std::fs::write(house.world.path("clients.pem"), Authority::new("new").unwrap().pem()).unwrap();
    let gone = || vault(Some(&robot)).is_err().then_some(());
    eventually(PATIENCE, "an authority that has changed", gone).unwrap();
}

#[test]
fn sessions_are_not_resumed_where_certificates_are_asked_for() {
    let house = House::new(ASKING, None);
    let robot = house.authority.client("robot.example").unwrap();
    let kinds = |name: &str, own: Option<&Issued>| {
        // One client, which keeps what it gets.
        let trusting = Arc::new(house.authority.trusting(&["http/1.1"], own).unwrap());
        (0..3).map(|_| house.handshake(name, &trusting)).collect::<Vec<_>>()
    };
    assert!(kinds("acme.localhost", Some(&robot)).iter().all(|kind| *kind == HandshakeKind::Full));
    assert!(kinds("globex.localhost", None).contains(&HandshakeKind::Resumed), "others are");
}

/// A service account is known by the certificate of its connection, which the handshake verified and nobody's page can choose.
#[test]
fn a_machine_signs_in_by_its_certificate_until_that_is_revoked() {
    let house = House::new(ASKING, None);
    let (robot, other) =
        (house.authority.client("robot.example").unwrap(), house.authority.client("other.example").unwrap());
    let ask = |own: Option<&Issued>, method: &str, target: &str, headers: &str| -> Answer {
        let trusting = Arc::new(house.authority.trusting(&["http/1.1"], own).unwrap());
        let mut connection = Connection::open_tls(house.world.address(), "acme.localhost", trusting).unwrap();
        let host = house.world.host("acme");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        connection.send(head.as_bytes()).unwrap();
        connection.answer(method).unwrap()
    };
    let items = |own: Option<&Issued>, headers: &str| ask(own, "GET", "/inventory/items", headers);
    assert_eq!(items(Some(&robot), "").code(), "signin_required", "a certificate alone names nobody");

    house.world.cedargate(&["service-account", "create", "--tenant", "acme", "robot", "--role", "clerk"]).unwrap();
    let issuer = house.world.path("clients.pem").display().to_string();
    let add = ["service-account", "certificate", "add", "--tenant", "acme", "robot", "--issuer", &issuer];
    let made = house.world.cedargate(&[&add[..], &["--dns", "Robot.example", "--json"]].concat()).unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let id = made.get("id").and_then(|id| id.as_str()).unwrap().to_owned();
    let known = || Some(items(Some(&robot), "")).filter(|answer| answer.status == 200);
    let answer = eventually(PATIENCE, "the machine", known).unwrap();
    let subject = house.world.decision(&answer).subject.unwrap();
    assert_eq!((subject.credential, subject.session.to_string()), (Credential::Certificate, id.clone()));
    assert_eq!(items(Some(&other), "").code(), "signin_required", "another name of the same authority");
    assert_eq!(items(None, "").code(), "signin_required");

    // Two credentials at once, however good each is.
    let cookie = house.sign_in("acme");
    assert_eq!(items(Some(&robot), &format!("Cookie: {cookie}\r\n")).code(), "credentials_ambiguous");
    assert_eq!(items(Some(&robot), "Authorization: Bearer cgk_x\r\n").code(), "credentials_ambiguous");
    // A browser shows it with whatever a page makes it send: the guard stays.
    let posted = ask(Some(&robot), "POST", "/echo/a", "Origin: https://evil.example\r\nContent-Length: 0\r\n");
    assert_eq!(posted.code(), "cross_origin");

    // What it has open goes with it.
    let trusting = Arc::new(house.authority.trusting(&["http/1.1"], Some(&robot)).unwrap());
    let mut stream = Connection::open_tls(house.world.address(), "acme.localhost", trusting).unwrap();
    let host = house.world.host("acme");
    let head = format!("GET /echo/stream?chunks=1000&bytes=10&ms=100 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.send(head.as_bytes()).unwrap();
    stream.until(b"\r\n\r\n").unwrap();
    house.world.cedargate(&["service-account", "certificate", "revoke", "--tenant", "acme", &id]).unwrap();
    assert!(stream.until(b"0\r\n\r\n").is_err(), "it would have gone on");
    let gone = || Some(items(Some(&robot), "")).filter(|answer| answer.status == 401);
    assert_eq!(eventually(PATIENCE, "its end", gone).unwrap().code(), "signin_required");
}
