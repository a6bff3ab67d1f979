//! Connections of clients who say nothing: they must not take from the gateway what it needs for everything else.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use cedargate_e2e::http::Connection;
use cedargate_e2e::{World, WorldOptions};
use rustix::process::{Resource, Rlimit, setrlimit};

/// How many files the gateway may open: room for 64 clients.
const FILES: u64 = 448;

/// More clients than there is room for, fewer than the gateway has files.
const CROWD: usize = 200;

/// How long the gateway may take to notice that clients have gone.
const PATIENCE: Duration = Duration::from_secs(20);

// The only test of its binary: the limit is the process's, and what it starts inherits it.
#[test]
fn a_silent_crowd_shuts_out_neither_operators_nor_those_inside() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) }).unwrap();
    let world = World::start(&WorldOptions::default()).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    let ask = format!("GET /echo/a HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", clerk.host, clerk.cookie);
    let mut inside = Connection::open(world.address()).unwrap();
    inside.send(ask.as_bytes()).unwrap();
    assert_eq!(inside.answer("GET").unwrap().status, 200);

    let crowd: Vec<_> = (0..CROWD).map(|_| TcpStream::connect(world.address()).unwrap()).collect();
    let mut late = Connection::open(world.address()).unwrap();
    assert!(late.is_closed_by_peer(), "there is no room");
    inside.send(ask.as_bytes()).unwrap();
    assert_eq!(inside.answer("GET").unwrap().status, 200);
    assert_eq!(world.admin("/readyz").unwrap().status, 200);
    let metrics = world.admin("/metrics").unwrap().text();
    let turned_away = metrics.lines().find_map(|line| line.strip_prefix("connections_turned_away_total "));
    assert!(turned_away.is_some_and(|count| count.parse::<usize>().is_ok_and(|n| n > CROWD / 2)), "{turned_away:?}");

    drop(crowd);
    let begun = Instant::now();
    loop {
        let mut next = Connection::open(world.address()).unwrap();
        if next.send(ask.as_bytes()).and_then(|()| next.answer("GET")).is_ok_and(|answer| answer.status == 200) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", world.logs());
    }
}
