//! What becomes of answers that no service should give: nothing in them reaches a browser, the log or the record that
//! must not.
#![expect(clippy::unwrap_used, reason = "a test without its world has failed")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use cedargate_e2e::backend::{Backend, Speaks};
use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::{Person, World, WorldOptions};

/// How long the gateway may take to find the service healthy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by the last segment of the path.
const ANSWERS: [(&str, &str); 5] = [
    ("plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "hints",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: cedargate=planted; Path=/\r\n\
         Cedargate-Request: planted\r\nClear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=0\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("switch", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\ntunnel"),
    ("other", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\ntunnel"),
    ("broken", "HTTP/1.1 200 OK\r\nSet-Cookie: sid=top-secret-value\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok"),
];

/// An installation whose echo service gives those answers, shared by the tests that run at the time.
fn world() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let world = Arc::new(World::start(&WorldOptions::default()).unwrap());
        world.stop_echo().unwrap();
        let socket = world.path("echo.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        *shared = Arc::downgrade(&world);
        world
    })
}

/// How often somebody asked for what is done and never answered.
static DONE: AtomicUsize = AtomicUsize::new(0);

fn answer(mut stream: UnixStream) {
    loop {
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut octet) {
                Ok(1) => head.push(octet[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default();
        if target.ends_with("/done") {
            DONE.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if let Some((_, answer)) = ANSWERS.iter().find(|(name, _)| target.ends_with(&format!("/{name}"))) {
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

/// Somebody who may ask, once the service is found healthy.
fn clerk(world: &World) -> Person {
    let clerk = world.sign_in("clerk", "acme");
    let begun = Instant::now();
    while world.get(&clerk, "/echo/plain").status != 200 {
        assert!(begun.elapsed() < PATIENCE, "{}", world.logs());
        thread::sleep(Duration::from_millis(20));
    }
    clerk
}

fn ask(world: &World, person: &Person, target: &str, version: &str, more: &str) -> Connection {
    let mut connection = Connection::open(world.address()).unwrap();
    let head =
        format!("GET {target} HTTP/{version}\r\nHost: {}\r\nCookie: {}\r\n{more}\r\n", person.host, person.cookie);
    connection.send(head.as_bytes()).unwrap();
    connection
}

fn is_failed(world: &World, answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()), "{answer:?}\n{}", world.logs());
    let amendments = world.amendments(&world.decision(answer));
    assert_eq!(amendments.len(), 1, "{amendments:?}");
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_a_failure() {
    let world = world();
    let clerk = clerk(&world);
    is_failed(&world, &ask(&world, &clerk, "/echo/switch", "1.1", "").answer("GET").unwrap());
    is_failed(&world, &ask(&world, &clerk, "/echo/live/switch", "1.1", "").answer("GET").unwrap());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    is_failed(&world, &ask(&world, &clerk, "/echo/live/other", "1.1", upgrade).answer("GET").unwrap());
    let switched = ask(&world, &clerk, "/echo/live/switch", "1.1", upgrade).answer("GET").unwrap();
    assert_eq!(switched.status, 101, "{switched:?}");
}

/// A service on this machine may have agreed before the gateway looked at it for the first time; this one agrees to all before it is
/// asked. The end of the request is not the tunnel's.
#[test]
fn a_tunnel_stays_open_however_early_the_service_agrees() {
    static EARLY: AtomicBool = AtomicBool::new(false);
    let world = World::start(&WorldOptions::default()).unwrap();
    world.stop_echo().unwrap();
    let socket = world.path("echo.sock");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                if !EARLY.load(Ordering::SeqCst) {
                    return answer(stream);
                }
                let agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                let (mut said, mut octet) = (stream.write_all(agreed), [0]);
                while said.is_ok() && matches!(stream.read(&mut octet), Ok(1)) {
                    if octet[0] == b'?' {
                        said = stream.write_all(b"heard");
                    }
                }
            });
        }
    });
    let clerk = clerk(&world);
    EARLY.store(true, Ordering::SeqCst);
    for _ in 0..1000 {
        let mut socket = ask(&world, &clerk, "/echo/live/a", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
        assert_eq!(socket.answer("GET").unwrap().status, 101, "{}", world.logs());
        socket.send(b"?").unwrap();
        assert_eq!(socket.exactly(5).unwrap(), b"heard");
    }
}

#[test]
fn an_interim_answer_carries_links_and_nothing_else() {
    let world = world();
    let clerk = clerk(&world);
    let mut connection = ask(&world, &clerk, "/echo/hints", "1.1", "Connection: close\r\n");
    let hints = connection.answer("GET").unwrap();
    assert_eq!(hints.status, 103, "{hints:?}");
    let fields: Vec<_> =
        hints.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
    assert_eq!(fields, [("link".to_owned(), "</a.css>; rel=preload")]);
    assert_eq!(connection.answer("GET").unwrap().status, 200);
    let old = ask(&world, &clerk, "/echo/hints", "1.0", "").answer("GET").unwrap();
    assert_eq!((old.status, old.text().as_str()), (200, "ok"), "HTTP/1.0 knows no interim answer");
}

#[test]
fn a_broken_answer_is_quoted_nowhere() {
    let world = world();
    let clerk = clerk(&world);
    let answer = ask(&world, &clerk, "/echo/broken", "1.1", "Connection: close\r\n").answer("GET").unwrap();
    is_failed(&world, &answer);
    let detail = world.amendments(&world.decision(&answer)).remove(0).detail;
    assert_eq!(detail, "Upstream InvalidHTTPHeader");
    let (_, log) = world.log_line("\"forwarded\"").unwrap();
    assert!(!log.contains("top-secret-value") && !world.logs().contains("top-secret-value"));
}

#[test]
fn an_act_on_a_kept_connection_that_breaks_is_not_done_twice() {
    let world = world();
    let (clerk, admin) = (clerk(&world), world.sign_in("admin", "acme"));
    for round in 1..=3 {
        // Leaves a connection to be used again.
        assert_eq!(world.get(&clerk, "/echo/plain").status, 200);
        let answer = world.ask("acme", "DELETE", "/echo/done", &[("Cookie", &*admin.cookie)], b"");
        is_failed(&world, &answer);
        assert_eq!(DONE.load(Ordering::SeqCst), round);
    }
}

#[test]
fn an_answer_whose_length_is_said_twice_is_refused_and_the_connection_said_to_end() {
    let backend = Backend::start(Speaks::Http1, None).unwrap();
    let instead_of_echo = Some(format!("addresses = [\"{}\"]", backend.address()));
    let world = World::start(&WorldOptions { instead_of_echo, ..WorldOptions::default() }).unwrap();
    let mut connection = Connection::open(world.address()).unwrap();
    let mut ask = |name: &str| {
        let head = format!("GET /echo/open/{name} HTTP/1.1\r\nHost: {}\r\n\r\n", world.host("acme"));
        connection.send(head.as_bytes()).unwrap();
        connection.answer("GET").unwrap()
    };
    let kept = ask("a");
    assert_eq!((kept.status, kept.header("connection")), (200, Some("keep-alive")), "{kept:?}");
    let refused = ask("doubled");
    assert_eq!((refused.status, refused.code()), (502, "upstream_failed".to_owned()), "{refused:?}");
    assert_eq!(refused.header("connection"), Some("close"), "what is closed is said to be");
    assert!(connection.until(b"\n").is_err());
}

#[test]
fn a_client_of_http_1_0_gets_a_stream_without_chunks() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    for kept in ["", "Connection: keep-alive\r\n"] {
        let mut connection = Connection::open(world.address()).unwrap();
        let ask = "GET /echo/stream?chunks=3&bytes=10&ms=1 HTTP/1.0";
        let ask = format!("{ask}\r\nHost: {}\r\nCookie: {}\r\n{kept}\r\n", clerk.host, clerk.cookie);
        connection.send(ask.as_bytes()).unwrap();
        let answer = connection.answer("GET").unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 30), "{answer:?}");
        assert_eq!(
            (answer.header("transfer-encoding"), answer.header("connection")),
            (None, Some("close")),
            "{answer:?}"
        );
    }
}
