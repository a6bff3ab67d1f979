//! The binary itself: it starts, serves on its socket beside a second process, seeds, and ends in order.

mod common;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

use cedargate_kit::testing::process::{Deployment, ask, head, json};
use cedargate_kit::testing::{status, tenant};

const BINARY: &str = env!("CARGO_BIN_EXE_cedargate-inventory");

fn deployment() -> Deployment {
    Deployment::new(BINARY, "inventory")
}

#[test]
fn a_wrong_command_line_says_what_to_write() {
    for (args, hint) in [
        (vec!["serve", "--listen", "0.0.0.0:80"], "this machine only"),
        (vec!["serve", "--identity-keys", "http://gateway.example/"], "this machine only"),
        (vec!["seed-demo", "--tenant-id", "acme"], "tenant-id"),
        (vec![], "serve"),
    ] {
        let output = Command::new(BINARY).args(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}

/// A store's URL may hold a password.
#[test]
fn a_store_that_is_none_is_refused_without_repeating_it() {
    let acme = tenant(1, "acme").id.to_string();
    let output = Command::new(BINARY)
        .args(["seed-demo", "--store", "mysql://u:secret@h/d", "--tenant-id", &acme])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("sqlite:PATH") && !said.contains("secret"), "{said}");
}

#[test]
fn a_store_that_cannot_be_opened_ends_the_start_with_its_cause() {
    let output = Command::new(BINARY)
        .args(["seed-demo", "--store", "sqlite:/nonexistent/inventory.db", "--tenant-id"])
        .arg(tenant(1, "acme").id.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("cannot be opened") && said.contains("/nonexistent/inventory.db"), "{said}");
}

#[test]
fn seeding_twice_changes_nothing() {
    let deployment = deployment();
    assert_eq!(deployment.seed(), "3 items added, 0 kept\n");
    assert_eq!(deployment.seed(), "0 items added, 3 kept\n");
}

#[test]
fn the_service_serves_seeds_and_ends_in_order() {
    let deployment = deployment();
    deployment.seed();
    let running = deployment.serve("inventory.sock");
    assert_eq!(status(&ask(running.socket(), "GET", "/readyz", "", "")), 200);
    assert_eq!(status(&ask(running.socket(), "GET", "/inventory/items", "", "")), 401);
    let headers = deployment.anonymous();
    let listed = ask(running.socket(), "GET", "/inventory/items?limit=2", &headers, "");
    assert!(listed.contains("GLV-M") && listed.contains("\"next\":\""), "{listed}");

    let line = running.wait_for(r#""http.response.status_code":200"#);
    assert!(
        line.contains(r#""http.route":"/inventory/items""#) && line.contains(r#""cedargate.tenant":"acme""#),
        "{line}"
    );
    let token = headers.split([' ', '\r']).nth(1).unwrap();
    assert!(!line.contains(token) && !line.contains("limit=2"), "neither assertion nor query is logged: {line}");

    let socket = running.socket().to_owned();
    assert!(running.end().success());
    assert!(!socket.exists(), "the socket goes with its process");
}

/// A request whose body is still on its way when the service is asked to stop.
#[test]
fn what_is_in_flight_is_finished_before_the_end() {
    let deployment = deployment();
    let running = deployment.serve("inventory.sock");
    let body = r#"{"sku": "A", "name": "A thing", "unit": "kg"}"#;
    let (first, second) = body.split_at(10);
    let mut stream = UnixStream::connect(running.socket()).unwrap();
    write!(
        stream,
        "POST /inventory/items HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\n{}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        deployment.anonymous(),
        body.len()
    )
    .unwrap();
    // The service asks for the body: from here on the request is in flight.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(String::from_utf8_lossy(&asked), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).unwrap();

    running.terminate();
    running.wait_for("service stops");
    stream.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 201, "{answer}");
    assert!(running.ended().success());
}

/// Two processes on one store, as during an upgrade: no lot goes below zero between them either.
#[test]
fn two_processes_share_a_store() {
    let deployment = deployment();
    let (one, two) = (deployment.serve("one.sock"), deployment.serve("two.sock"));
    let post = |socket: &std::path::Path, target: &str, body: String| {
        let answer = ask(socket, "POST", target, &deployment.anonymous(), &body);
        (status(&answer), json(&answer))
    };
    let (_, item) = post(one.socket(), "/inventory/items", r#"{"sku": "A", "name": "x", "unit": "kg"}"#.into());
    let item = common::text(&item["id"]);
    let lots = format!("/inventory/items/{item}/lots");
    let (_, lot) = post(two.socket(), &lots, r#"{"code": "L", "expires_on": "2030-01-31"}"#.into());
    let lot = common::text(&lot["id"]);
    let movements = format!("/inventory/items/{item}/movements");
    assert_eq!(post(one.socket(), &movements, common::movement(&lot, 5).to_string()).0, 201);

    let moved = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for number in 0..16 {
            let (socket, moved, post, movements, lot) =
                (if number % 2 == 0 { one.socket() } else { two.socket() }, &moved, &post, &movements, &lot);
            threads.spawn(move || {
                if post(socket, movements, common::movement(lot, -1).to_string()).0 == 201 {
                    moved.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(moved.into_inner(), 5);
    assert!(one.end().success() && two.end().success());
}

/// Killed between the act and its answer: the client, who learnt nothing, asks again and is told what was done.
#[test]
fn a_kill_between_act_and_answer_loses_neither() {
    let deployment = deployment();
    let running = deployment.serve("inventory.sock");
    let body = r#"{"sku": "A", "name": "A thing", "unit": "kg"}"#;
    let headers = format!("{}Idempotency-Key: \"k\"\r\n", deployment.person());
    let mut stream = UnixStream::connect(running.socket()).unwrap();
    write!(stream, "{}{body}", head("POST", "/inventory/items", &headers, body)).unwrap();
    // The line is written when the answer's head is ready, which nobody reads.
    running.wait_for(r#""http.response.status_code":201"#);
    running.kill();
    drop(stream);

    let running = deployment.serve("again.sock");
    let answer = ask(running.socket(), "POST", "/inventory/items", &headers, body);
    assert_eq!(status(&answer), 201, "{answer}");
    assert!(answer.contains("idempotency-replayed: true"), "{answer}");
    let listed = ask(running.socket(), "GET", "/inventory/items", &deployment.person(), "");
    assert_eq!(json(&listed)["items"], serde_json::json!([json(&answer)]));
    assert!(running.end().success());
}
