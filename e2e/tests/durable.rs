//! No entry of an answered request is lost, and the log can prove it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cedargate_e2e::http::Connection;
use cedargate_e2e::{World, WorldOptions};
use cedargate_model::EventBody;

#[test]
fn sigkill_under_load_loses_no_entry_of_an_answer() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    let answered = Mutex::new(BTreeSet::new());
    let stop = AtomicBool::new(false);

    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (world, clerk, answered, stop) = (&world, &clerk, &answered, &stop);
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(world.address()) else { return };
                let methods = ["GET", "POST", "GET"];
                for turn in 0.. {
                    let method = methods[(worker + turn) % methods.len()];
                    // A refusal now and then: they are decisions too.
                    let target = if turn % 5 == 0 { "/nowhere" } else { "/echo/a" };
                    let request = format!(
                        "{method} {target} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Length: 0\r\n\r\n",
                        clerk.host, clerk.cookie
                    );
                    if stop.load(Ordering::Relaxed) || connection.send(request.as_bytes()).is_err() {
                        return;
                    }
                    // What was read whole or in part has been answered; a head alone is an answer's first octet.
                    let Ok(answer) = connection.answer(method) else { return };
                    let id = answer
                        .header("cedargate-request")
                        .map(str::to_owned)
                        .unwrap_or_else(|| answer.field("request"));
                    answered.lock().unwrap().insert(id);
                    if answer.header("connection") == Some("close") {
                        match Connection::open(world.address()) {
                            Ok(next) => connection = next,
                            Err(_) => return,
                        }
                    }
                }
            });
        }
        while answered.lock().unwrap().len() < 500 {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.kill_gateway().unwrap();
        stop.store(true, Ordering::Relaxed);
    });

    let audit = world.audit().display().to_string();
    world.cedargate(&["audit", "verify", &audit]).unwrap();
    let recorded: BTreeSet<String> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Decision(decision) => Some(decision.request.to_string()),
            _ => None,
        })
        .collect();
    let answered = answered.into_inner().unwrap();
    let lost: Vec<_> = answered.difference(&recorded).collect();
    assert!(answered.len() >= 500);
    assert!(lost.is_empty(), "{} of {} answers have no entry: {lost:?}", lost.len(), answered.len());

    world.restart_gateway().unwrap();
    assert_eq!(world.get(&clerk, "/echo/a").status, 200, "sessions outlive the process");
    world.cedargate(&["audit", "verify", &audit]).unwrap();
}

#[test]
fn a_live_log_verifies_and_an_altered_one_does_not() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    for _ in 0..20 {
        assert_eq!(world.get(&clerk, "/echo/a").status, 200);
    }
    let audit = world.audit();
    world.cedargate(&["audit", "verify", &audit.display().to_string()]).unwrap();

    let copy = world.path("altered");
    std::fs::create_dir(&copy).unwrap();
    let mut altered = 0;
    for entry in std::fs::read_dir(&audit).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_file()) {
        let mut octets = std::fs::read(entry.path()).unwrap();
        if let Some(at) =
            octets.windows(12).position(|window| window == b"/echo/a\",\"ro" || window == b"\"/echo/a\",\"r")
        {
            octets[at + 7] ^= 1;
            altered += 1;
        }
        std::fs::write(copy.join(entry.file_name()), octets).unwrap();
    }
    assert_eq!(altered, 1, "one octet of one entry");
    let error = world.cedargate(&["audit", "verify", &copy.display().to_string()]).unwrap_err().to_string();
    assert!(error.contains("exit status: 1"), "{error}");
}
