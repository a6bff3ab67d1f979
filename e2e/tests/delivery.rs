//! What services did stands in the gateway's log: once, whatever dies in between, and nothing that they did not do.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cedargate_e2e::http::Answer;
use cedargate_e2e::{Person, World, WorldOptions};
use cedargate_model::{DecisionId, ServiceEvent};
use serde_json::{Value, json};
use uuid::Uuid;

fn create(world: &World, person: &Person, sku: &str) -> Answer {
    let item = json!({ "sku": sku, "name": "a thing", "unit": "kg" });
    world.post(person, "/inventory/items", &item.to_string())
}

fn credential(world: &World, service: &str) -> String {
    world.cedargate(&["service", "credential", "create", service]).unwrap().trim().to_owned()
}

fn tenant_id(world: &World, name: &str) -> Value {
    let listed: Value = serde_json::from_str(&world.cedargate(&["tenant", "list", "--json"]).unwrap()).unwrap();
    let tenants = listed["tenants"].as_array().unwrap();
    tenants.iter().find(|tenant| tenant["name"] == name).unwrap()["id"].clone()
}

fn event(tenant: &Value, decision: DecisionId) -> Value {
    json!({
        "event": Uuid::now_v7(), "tenant": tenant, "decision": decision, "action": "Read", "resource": "Echo::Thing",
        "done_at": 1_795_132_800_123_456_i64, "detail": { "n": 1 },
    })
}

/// How often each resource was said to have been created.
fn created(events: &[ServiceEvent]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event.action == "CreateItem") {
        *counts.entry(event.resource.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn a_write_is_shown_with_its_decision_its_outcome_and_what_the_service_did() {
    let world = World::shared();
    let manager = world.sign_in("manager", "acme");
    let answer = create(&world, &manager, "SHOWN");
    assert_eq!(answer.status, 201, "{answer:?}");
    let decision = world.decision(&answer);
    world.outcome(&decision).unwrap();
    let said = world.service_events(1).unwrap().into_iter().find(|event| event.decision == decision.decision);
    let said = match said {
        Some(said) => said,
        None => world.service_events(2).unwrap().into_iter().find(|e| e.decision == decision.decision).unwrap(),
    };
    assert_eq!((&*said.service, &*said.action), ("inventory", "CreateItem"));
    assert_eq!(said.resource, format!("Inventory::Item::\"{}\"", answer.field("id")));
    assert_eq!(said.principal, decision.subject.map(|subject| subject.principal));

    let shown = world.cedargate(&["audit", "show", "--decision", &decision.decision.to_string()]).unwrap();
    for word in [" allow ", " outcome ", " did "] {
        assert!(shown.contains(word), "{word} is missing from\n{shown}");
    }
    assert_eq!(world.get(&manager, "/inventory/items").status, 200);
    world.cedargate(&["audit", "verify"]).unwrap();
}

#[test]
fn every_acknowledged_write_has_exactly_one_event_though_the_gateway_is_killed() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let manager = world.sign_in("manager", "acme");
    let (written, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (world, manager, written, stop) = (&world, &manager, &written, &stop);
            scope.spawn(move || {
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let item = json!({ "sku": format!("W{writer}-{turn}"), "name": "x", "unit": "kg" }).to_string();
                    // While the gateway is down there is no answer, and then nothing was acknowledged.
                    let Some(answer) = try_post(world, manager, &item) else {
                        std::thread::sleep(Duration::from_millis(20));
                        continue;
                    };
                    // A refusal of the gateway's, while its service was not healthy yet, is no acknowledgement either.
                    if answer.status == 201 {
                        written.lock().unwrap().push(format!("Inventory::Item::\"{}\"", answer.field("id")));
                    }
                }
            });
        }
        for kills in 1..=3 {
            let begun = Instant::now();
            while written.lock().unwrap().len() < kills * 30 && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.kill_gateway().unwrap();
            world.restart_gateway().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let written = written.into_inner().unwrap();
    assert!(written.len() >= 90, "{} writes\n{}", written.len(), world.logs());
    let events = world.service_events(written.len()).unwrap();
    // What was committed and never acknowledged is in the log, too; so wait for those that were.
    let mut counts = created(&events);
    for _ in 0..200 {
        if written.iter().all(|item| counts.contains_key(item)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        counts = created(&world.service_events(0).unwrap());
    }
    for item in &written {
        assert_eq!(counts.get(item), Some(&1), "{item}\n{}", world.logs());
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    world.cedargate(&["audit", "verify"]).unwrap();
}

fn try_post(world: &World, person: &Person, json: &str) -> Option<Answer> {
    let mut connection = cedargate_e2e::http::Connection::open(world.address()).ok()?;
    let request = format!(
        "POST /inventory/items HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        person.host,
        person.cookie,
        json.len()
    );
    connection.send(request.as_bytes()).ok()?;
    connection.answer("POST").ok()
}

#[test]
fn a_service_that_dies_between_commit_and_delivery_delivers_when_it_is_back() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let manager = world.sign_in("manager", "acme");
    let good = std::fs::read_to_string(world.path("inventory.credential")).unwrap();
    // A credential that does not count: nothing is delivered, and nobody's request is held up by that.
    std::fs::write(world.path("inventory.credential"), format!("cgs_{}_{}", "0".repeat(16), "0".repeat(64))).unwrap();
    for number in 0..10 {
        assert_eq!(create(&world, &manager, &format!("D{number}")).status, 201);
    }
    world.log_line("service_credential_invalid").unwrap();
    assert_eq!(world.service_events(0).unwrap(), []);
    world.kill_inventory().unwrap();
    std::fs::write(world.path("inventory.credential"), good).unwrap();
    world.restart_inventory().unwrap();

    let events = world.service_events(10).unwrap();
    assert_eq!(created(&events).len(), 10);
    let in_order: Vec<_> = events.iter().map(|event| event.done_at).collect();
    assert!(in_order.is_sorted(), "oldest first");
    // One more write is the last in the log: nothing was delivered twice before it. The gateway takes a moment to see that the
    // service is back.
    let begun = Instant::now();
    let mut last = create(&world, &manager, "LAST");
    while last.status == 503 && begun.elapsed() < Duration::from_secs(20) {
        last = create(&world, &manager, "LAST");
    }
    assert_eq!(last.status, 201, "{last:?}");
    assert_eq!(world.service_events(11).unwrap().len(), 11);
}

#[test]
fn nothing_is_recorded_that_a_decision_does_not_cover() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let (acme, globex) = (world.sign_in("clerk", "acme"), world.sign_in("clerk", "globex"));
    let echo = credential(&world, "echo");
    let (acme_id, globex_id) = (tenant_id(&world, "acme"), tenant_id(&world, "globex"));
    let decided = |answer: Answer| world.decision(&answer).decision;
    let mine = decided(world.get(&acme, "/echo/a"));
    let theirs = decided(world.get(&globex, "/echo/a"));
    let elsewhere = decided(world.get(&acme, "/inventory/items"));
    let refused = decided(world.ask("acme", "GET", "/echo/a", &[], b""));

    let outcome = |event: &Value| {
        let answer = world.tell(&echo, &event.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = &answer.json()["results"][0];
        (result["result"].as_str().unwrap().to_owned(), result["code"].as_str().unwrap_or_default().to_owned())
    };
    let pair = |result: &str, code: &str| (result.to_owned(), code.to_owned());
    for (event, why) in [
        (event(&acme_id, theirs), "another tenant's decision"),
        (event(&globex_id, mine), "in the name of another tenant"),
        (event(&acme_id, elsewhere), "another service's decision"),
        (event(&acme_id, refused), "a refusal"),
    ] {
        assert_eq!(outcome(&event), pair("refused", "decision_unknown"), "{why}");
    }
    world.log_line("the decision is another tenant's").unwrap();

    let good = event(&acme_id, mine);
    assert_eq!(outcome(&good), pair("accepted", ""));
    assert_eq!(outcome(&good), pair("duplicate", ""));
    let mut other = good.clone();
    other["resource"] = json!("Echo::Other");
    assert_eq!(outcome(&other), pair("refused", "event_conflict"));
    world.kill_gateway().unwrap();
    world.restart_gateway().unwrap();
    assert_eq!(outcome(&good), pair("duplicate", ""), "known after a restart");
    assert_eq!(outcome(&other), pair("refused", "event_conflict"));

    let wrong = format!("cgs_{}_{}", "0".repeat(16), "0".repeat(64));
    assert_eq!(world.tell(&wrong, &good.to_string()).unwrap().status, 401);
    let large = "x".repeat(1024 * 1024 + 1);
    let mut connection = world.events_connection().unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {echo}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n",
        large.len()
    );
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.answer("POST").unwrap().status, 413, "said before any of it is read");
    assert_eq!(world.service_events(0).unwrap().len(), 1);
    world.cedargate(&["audit", "verify"]).unwrap();
}

#[test]
fn the_internal_listener_is_not_where_clients_are() {
    let world = World::shared();
    let answer = world.ask("acme", "POST", "/events", &[("Content-Type", "application/x-ndjson")], b"{}");
    assert!(matches!(answer.status, 401 | 404), "{answer:?}");
}

#[test]
fn senders_that_stall_hold_up_nobody() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let manager = world.sign_in("manager", "acme");
    let echo = credential(&world, "echo");
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {echo}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: 1000\r\n\r\n{{"
    );
    let mut stalled: Vec<_> = (0..40).map(|_| world.events_connection().unwrap()).collect();
    for connection in &mut stalled {
        connection.send(head.as_bytes()).unwrap();
    }
    assert_eq!(create(&world, &manager, "MEANWHILE").status, 201);
    assert_eq!(world.service_events(1).unwrap().len(), 1);
    // One batch of a service is read at a time, whichever of them came first; the others are told so.
    let mut answers: Vec<_> = stalled.iter_mut().map(|connection| connection.answer("POST").unwrap()).collect();
    answers.sort_by_key(|answer| answer.status);
    let (slow, busy) = answers.split_first().unwrap();
    assert_eq!((slow.status, &*slow.code()), (408, "batch_too_slow"));
    assert!(busy.iter().all(|answer| (answer.status, &*answer.code()) == (503, "busy")), "{busy:?}");
}
