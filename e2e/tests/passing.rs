//! What passes through: streams, tunnels and large bodies both ways, and a real service with its rules.

use std::time::{Duration, Instant};

use cedargate_e2e::http::Connection;
use cedargate_e2e::{Person, World, WorldOptions};
use cedargate_model::{OutcomeEnd, RefusalCode};

#[test]
fn a_websocket_carries_octets_both_ways() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let mut socket = Connection::open(world.address()).unwrap();
    let ask = format!(
        "GET /echo/live/a HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        clerk.host, clerk.cookie
    );
    socket.send(ask.as_bytes()).unwrap();
    let switched = socket.answer("GET").unwrap();
    assert_eq!(switched.status, 101, "{switched:?}\n{}", world.logs());
    for message in [&b"one"[..], b"two", &[0xFF; 10_000]] {
        socket.send(message).unwrap();
        assert_eq!(socket.exactly(message.len()).unwrap(), message);
    }
    // Longer than the route's timeout for an answer, which is not about tunnels.
    std::thread::sleep(Duration::from_millis(2_500));
    socket.send(b"still here").unwrap();
    assert_eq!(socket.exactly(10).unwrap(), b"still here");
    assert_eq!(world.decision(&switched).action.as_deref(), Some("Echo::Action::\"Live\""));
}

/// What lets a request through keeps it open: a tunnel and a download go with their session, and with the policy that permitted them.
#[test]
fn what_is_open_ends_with_its_session_and_with_what_permitted_it() {
    let config = "[policies]\nreload_interval_ms = 100";
    let world = World::start(&WorldOptions { config, ..WorldOptions::default() }).unwrap();
    let [clerk, elsewhere] = [world.sign_in("clerk", "acme"), world.sign_in("clerk", "acme")];
    let viewer = world.sign_in("viewer", "acme");
    let open = |person: &Person, target: &str, headers: &str| {
        let mut connection = Connection::open(world.address()).unwrap();
        let (host, cookie) = (&person.host, &person.cookie);
        let ask = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{headers}\r\n");
        connection.send(ask.as_bytes()).unwrap();
        connection
    };
    let tunnel = |person: &Person| {
        let mut socket = open(person, "/echo/live/a", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
        let switched = socket.answer("GET").unwrap();
        assert_eq!(switched.status, 101, "{switched:?}\n{}", world.logs());
        socket.send(b"one").unwrap();
        assert_eq!(socket.exactly(3).unwrap(), b"one");
        (socket, world.decision(&switched))
    };
    let ((mut socket, ended), (mut spared, refused)) = (tunnel(&clerk), tunnel(&viewer));
    let mut download = open(&clerk, "/echo/stream?chunks=1000&bytes=10&ms=100", "");
    download.until(b"\r\n\r\n").unwrap();

    let begun = Instant::now();
    assert_eq!(world.post(&elsewhere, "/auth/account/sessions/end-others", "{}").status, 204);
    assert!(socket.is_closed_by_peer());
    assert!(download.until(b"0\r\n\r\n").is_err(), "it would have gone on");
    // Far beyond what it takes, and far below what the download or the patience of a connection takes.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}\n{}", begun.elapsed(), world.logs());
    spared.send(b"still here").unwrap();
    assert_eq!(spared.exactly(10).unwrap(), b"still here");

    let matrix = world.path("policies/echo/matrix.txt");
    let original = std::fs::read_to_string(&matrix).unwrap();
    let live = original.lines().find(|line| line.starts_with("Live ")).unwrap();
    let begun = Instant::now();
    std::fs::write(&matrix, original.replace(live, &live.replacen("allow    allow", "-        allow", 1))).unwrap();
    assert!(spared.is_closed_by_peer());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}\n{}", begun.elapsed(), world.logs());
    for (decision, code) in [(&ended, RefusalCode::SigninRequired), (&refused, RefusalCode::Forbidden)] {
        let codes: Vec<_> = world.amendments(decision).into_iter().map(|amendment| amendment.code).collect();
        assert_eq!(codes, [code], "{}", world.logs());
        let outcome = world.outcome(decision).unwrap();
        assert_eq!((outcome.status, outcome.end), (Some(101), OutcomeEnd::Cut));
    }
}

#[test]
fn an_upgrade_from_another_origin_is_refused() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let headers = [
        ("Cookie", &*clerk.cookie),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Origin", "https://evil.example"),
    ];
    let mut octets = format!("GET /echo/live/a HTTP/1.1\r\nHost: {}\r\n", clerk.host);
    for (name, value) in headers {
        octets.push_str(&format!("{name}: {value}\r\n"));
    }
    let answer = world.send("GET", format!("{octets}\r\n").as_bytes());
    assert_eq!((answer.status, answer.code()), (403, "cross_origin".to_owned()));
}

#[test]
fn an_answer_streams_as_it_comes() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let mut connection = Connection::open(world.address()).unwrap();
    let ask = "GET /echo/stream?chunks=4&bytes=10&ms=300 HTTP/1.1";
    let ask = format!("{ask}\r\nHost: {}\r\nCookie: {}\r\n\r\n", clerk.host, clerk.cookie);
    connection.send(ask.as_bytes()).unwrap();
    let begun = Instant::now();
    let head = connection.until(b"\r\n\r\n").map(|_| begun.elapsed()).unwrap();
    // Four chunks with a pause before each: the last chunk's end comes at least three pauses after the head.
    connection.until(b"0\r\n\r\n").unwrap();
    assert!(head < begun.elapsed() / 2, "the head came after {head:?} of {:?}", begun.elapsed());
}

#[test]
fn large_bodies_pass_whole_and_attacks_in_them_do_not() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let attack = br#"{"id": "1' UNION SELECT password FROM users--", "more": ""#;
    let padded = |start: &[u8], length: usize| {
        let mut body = start.to_vec();
        body.resize(length - 2, b'x');
        body.extend_from_slice(b"\"}");
        body
    };
    let headers = [("Cookie", &*clerk.cookie), ("Content-Type", "application/json")];
    for (route, length) in [("held", 200_000), ("large", 3_000_000)] {
        let target = format!("/echo/{route}/a");
        let whole = world.ask("acme", "POST", &target, &headers, &padded(br#"{"more": ""#, length));
        assert_eq!(whole.status, 200, "{route}: {whole:?}");
        assert_eq!(whole.json()["body_bytes"], length, "{route}");
        let refused = world.ask("acme", "POST", &target, &headers, &padded(attack, length));
        assert_eq!((refused.status, refused.code()), (403, "attack_detected".to_owned()), "{route}");
        assert_eq!(world.amendments(&world.decision(&refused)).len(), 1, "{route}");
    }
    let over = world.ask("acme", "POST", "/echo/held/a", &headers, &padded(br#"{"more": ""#, 300_000));
    assert_eq!((over.status, over.code()), (413, "body_too_large".to_owned()));
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let mut connection = Connection::open(world.address()).unwrap();
    let head = format!(
        "POST /echo/a HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        clerk.host, clerk.cookie
    );
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.answer("POST").unwrap().status, 100);
    connection.send(b"hello").unwrap();
    let answer = connection.answer("POST").unwrap();
    assert_eq!((answer.status, answer.json()["body_bytes"].as_u64()), (200, Some(5)), "{answer:?}");
}

#[test]
fn a_chunked_body_arrives_as_it_was_sent() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let request = format!(
        "POST /echo/a HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
        clerk.host, clerk.cookie
    );
    let answer = world.send("POST", request.as_bytes());
    assert_eq!((answer.status, answer.json()["body_bytes"].as_u64()), (200, Some(13)), "{answer:?}");
}

#[test]
fn the_inventory_keeps_its_rules_behind_the_gateway() {
    let world = World::shared();
    let (manager, clerk, viewer) =
        (world.sign_in("manager", "acme"), world.sign_in("clerk", "acme"), world.sign_in("viewer", "acme"));
    let globex = world.sign_in("clerk", "globex");

    let sku = format!("S-{}", Instant::now().elapsed().as_nanos() + u128::from(std::process::id()));
    let item = world.post(&manager, "/inventory/items", &format!(r#"{{"sku":"{sku}","name":"Bolts","unit":"piece"}}"#));
    assert_eq!(item.status, 201, "{item:?}\n{}", world.logs());
    let id = item.field("id");
    let page = format!("/inventory/items/{id}");
    assert_eq!(world.get(&viewer, &page).status, 200);
    assert_eq!(world.get(&globex, &page).status, 404, "another tenant's item does not exist");

    let lot = world.post(&clerk, &format!("{page}/lots"), r#"{"code":"L-1","expires_on":"2030-01-31"}"#);
    assert_eq!(lot.status, 201, "{lot:?}");
    let movement = |quantity: i64| {
        let body = format!(r#"{{"lot":"{}","quantity":{quantity},"reason":"count"}}"#, lot.field("id"));
        world.post(&clerk, &format!("{page}/movements"), &body).status
    };
    assert_eq!(movement(10), 201);
    assert_eq!(movement(-11), 409);
    assert_eq!(movement(-10), 201);

    assert_eq!(world.post(&viewer, "/inventory/items", "{}").status, 403);
    let recall = world.post(&manager, &format!("/inventory/lots/{}/recall", lot.field("id")), r#"{"reason":"x"}"#);
    assert_eq!((recall.status, recall.code()), (401, "step_up_required".to_owned()));
}

#[test]
fn the_bare_host_lists_the_tenants() {
    let world = World::shared();
    let bare = format!(
        "GET / HTTP/1.1\r\nHost: localhost:{}\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
        world.address().port()
    );
    let page = world.send("GET", bare.as_bytes());
    assert_eq!(page.status, 200, "{page:?}");
    for tenant in ["acme", "globex"] {
        assert!(page.text().contains(&world.host(tenant)), "{}", page.text());
    }
}

#[test]
fn a_sign_in_leads_back_and_only_within_the_host() {
    let world = World::shared();
    let form = |return_to: &str| {
        let body =
            format!("email=clerk%40acme.example&password={}&return_to={return_to}", world.password().replace(' ', "+"));
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html")];
        world.ask("acme", "POST", "/auth/login", &headers, body.as_bytes())
    };
    let back = form("%2Fecho%2Fa%3Fpage%3D2");
    assert_eq!((back.status, back.header("location")), (303, Some("/echo/a?page=2")), "{back:?}");
    for elsewhere in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "evil.example"] {
        let answer = form(elsewhere);
        let location = answer.header("location").unwrap_or_default();
        assert!(location.starts_with('/') && !location.contains("evil"), "{elsewhere} led to {location}");
    }
}

#[test]
fn a_sign_in_with_a_dead_cookie_leaves_the_new_one() {
    let world = World::shared();
    let dead = format!("cedargate={}", "A".repeat(43));
    let body = format!("{{\"email\": \"clerk@acme.example\", \"password\": \"{}\"}}", world.password());
    let headers = [("Cookie", &*dead), ("Content-Type", "application/json")];
    let answer = world.ask("acme", "POST", "/auth/login", &headers, body.as_bytes());
    let cookies: Vec<_> = answer.all("set-cookie").collect();
    assert_eq!((answer.status, cookies.len()), (200, 1), "{answer:?}");
    assert!(!cookies[0].contains("Max-Age=0"), "of two, browsers keep the last: {cookies:?}");
}

#[test]
fn a_backend_that_cannot_be_connected_to_is_passed_over_for_every_method() {
    // Bound and not accepting: connections to it are refused once it is closed.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::start(&WorldOptions { echo_beside: Some(dead.to_string()), ..WorldOptions::default() }).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    for _ in 0..10 {
        assert_eq!(world.get(&clerk, "/echo/a").status, 200);
        assert_eq!(world.post(&clerk, "/echo/a", "{}").status, 200);
    }
}

#[test]
fn a_rotated_key_is_taken_up_and_services_go_on_believing() {
    let world =
        World::start(&WorldOptions { config: "[policies]\nreload_interval_ms = 100", ..WorldOptions::default() })
            .unwrap();
    let clerk = world.sign_in("clerk", "acme");
    // The identity assertion's first part is its header, which names the key.
    let key = || {
        let echoed = world.get(&clerk, "/echo/a").text();
        let token = echoed.split_once("\"cedargate-identity\",\"").unwrap().1;
        token.split('.').next().unwrap().to_owned()
    };
    let before = key();
    assert_eq!(world.get(&clerk, "/inventory/items").status, 200);
    world.cedargate(&["keys", "rotate", "identity"]).unwrap();
    let rotated = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(world.get(&clerk, "/inventory/items").status, 200, "{}", world.logs());
        key() != before
    });
    assert!(rotated, "{}", world.logs());
    assert_eq!(world.get(&clerk, "/inventory/items").status, 200);
    let published = world.ask("acme", "GET", "/.well-known/cedargate/jwks.json", &[], b"");
    assert_eq!(published.json()["keys"].as_array().map(Vec::len), Some(2), "{published:?}");
}
