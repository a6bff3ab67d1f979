//! The binary itself: it starts, serves, seeds, survives a kill, and ends in order.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on each engine"
)]

mod common;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use cedargate_kit::testing::process::{Deployment, ask, head, json};
use cedargate_kit::testing::status;
use common::text;

const BINARY: &str = env!("CARGO_BIN_EXE_cedargate-orders");

fn deployment() -> Deployment {
    Deployment::new(BINARY, "orders")
}

#[test]
fn a_wrong_command_line_says_what_to_write() {
    for (args, hint) in [
        (vec!["serve", "--listen", "0.0.0.0:80"], "this machine only"),
        (vec!["seed-demo", "--tenant-id", "acme"], "tenant-id"),
        (vec![], "serve"),
    ] {
        let output = Command::new(BINARY).args(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}

#[test]
fn seeding_again_adds_a_draft_only_where_none_is_left() {
    let deployment = deployment();
    assert_eq!(deployment.seed(), "2 customers and 4 orders added\n");
    assert_eq!(deployment.seed(), "0 customers and 0 orders added\n");
    let running = deployment.serve("orders.sock");
    let drafts = json(&ask(running.socket(), "GET", "/orders/orders?state=draft", &deployment.person(), ""));
    let place = format!("/orders/orders/{}/place", text(&drafts["items"][0]["id"]));
    let answer = ask(running.socket(), "POST", &place, &format!("{}If-Match: \"1\"\r\n", deployment.person()), "");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(running.end().success());
    assert_eq!(deployment.seed(), "0 customers and 1 orders added\n");
}

#[test]
fn the_service_serves_and_ends_in_order() {
    let deployment = deployment();
    deployment.seed();
    let running = deployment.serve("orders.sock");
    assert_eq!(status(&ask(running.socket(), "GET", "/readyz", "", "")), 200);
    assert_eq!(status(&ask(running.socket(), "GET", "/orders/orders", "", "")), 401);
    let listed = ask(running.socket(), "GET", "/orders/orders?sort=-total_minor&limit=1", &deployment.person(), "");
    assert_eq!(json(&listed)["items"][0]["total_minor"], 1_251_000, "{listed}");
    let socket = running.socket().to_owned();
    assert!(running.end().success());
    assert!(!socket.exists(), "the socket goes with its process");
}

/// Killed between the act and its answer: the order is placed once, and who asks again is told so.
#[test]
fn a_kill_between_act_and_answer_loses_neither() {
    let deployment = deployment();
    deployment.seed();
    let running = deployment.serve("orders.sock");
    let drafts = json(&ask(running.socket(), "GET", "/orders/orders?state=draft", &deployment.person(), ""));
    let target = format!("/orders/orders/{}/place", text(&drafts["items"][0]["id"]));
    let headers = format!("{}If-Match: \"1\"\r\nIdempotency-Key: \"k\"\r\n", deployment.person());
    let mut stream = UnixStream::connect(running.socket()).unwrap();
    stream.write_all(head("POST", &target, &headers, "").as_bytes()).unwrap();
    // The line is written when the answer's head is ready, which nobody reads.
    running.wait_for(r#""http.route":"/orders/orders/{id}/place""#);
    running.kill();
    drop(stream);

    let running = deployment.serve("again.sock");
    let answer = ask(running.socket(), "POST", &target, &headers, "");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("idempotency-replayed: true"), "{answer}");
    assert_eq!(json(&answer)["version"], 2);
    assert!(running.end().success());
}
