//! What an operator sees: health, metrics, a clean shutdown, a bad policy that changes nothing, an explanation.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cedargate_e2e::http::Connection;
use cedargate_e2e::{ScimTester, World, WorldOptions};
use cedargate_model::EventBody;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn health_readiness_and_metrics_are_on_a_listener_of_their_own() {
    let world = World::shared();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.admin(path).unwrap().status, 200, "{path}");
        assert_eq!(world.ask("acme", "GET", path, &[], b"").status, 404, "{path} is not for clients");
    }
    let clerk = world.sign_in("clerk", "acme");
    for _ in 0..3 {
        assert_eq!(world.get(&clerk, "/echo/a").status, 200);
    }
    assert_eq!(world.get(&clerk, "/nowhere").status, 404);
    let metrics = world.admin("/metrics").unwrap().text();
    for name in [
        "cedargate_refusals_total{code=\"route_unknown\"}",
        "cedargate_requests_total{route=\"echo.Read\",status=\"2xx\"}",
        "rate_limit_rejections_total",
        "cache_hits_total{cache=\"decisions\"}",
        "cache_misses_total{cache=\"decisions\"}",
        "cache_hits_total{cache=\"sessions\"}",
        "audit_chain_broken_total 0",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
}

#[test]
fn a_shutdown_finishes_what_is_in_flight() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    let mut slow = Connection::open(world.address()).unwrap();
    let ask = format!("GET /echo/slow?ms=1500 HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", clerk.host, clerk.cookie);
    slow.send(ask.as_bytes()).unwrap();
    // Until the service has it: the decision is on disk by then.
    while !world.events().iter().any(|event| format!("{event:?}").contains("/echo/slow")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = Pid::from_raw(i32::try_from(world.gateway_id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let answer = slow.answer("GET").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let status = world.wait_for_gateway(Duration::from_secs(10)).unwrap();
    assert!(status.success(), "{status}\n{}", world.logs());
    world.cedargate(&["audit", "verify", &world.audit().display().to_string()]).unwrap();
}

#[test]
fn a_policy_change_takes_effect_and_a_bad_one_changes_nothing() {
    let world =
        World::start(&WorldOptions { config: "[policies]\nreload_interval_ms = 100", ..WorldOptions::default() })
            .unwrap();
    let viewer = world.sign_in("viewer", "acme");
    let matrix = world.path("policies/echo/matrix.txt");
    let original = std::fs::read_to_string(&matrix).unwrap();
    let status = || world.post(&viewer, "/echo/a", "{}").status;
    let becomes = |wanted: u16| {
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            status() == wanted
        })
    };
    assert_eq!(status(), 403);

    let write = original.lines().find(|line| line.starts_with("Write ")).unwrap();
    let permitted = write.replacen("-        allow", "allow    allow", 1);
    let permitted = original.replace(write, &permitted);
    assert_ne!(permitted, original);
    std::fs::write(&matrix, &permitted).unwrap();
    assert!(becomes(200), "{}", world.logs());

    std::fs::write(&matrix, permitted.replace("allow", "perhaps")).unwrap();
    let told = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !world.admin("/metrics").unwrap().text().contains("policy_reload_failures_total 0")
    });
    assert!(told, "a reload that fails must be counted\n{}", world.logs());
    assert_eq!(status(), 200, "the last good snapshot stays");

    std::fs::write(&matrix, &original).unwrap();
    assert!(becomes(403), "{}", world.logs());
}

#[test]
fn explain_says_what_serving_does() {
    let world = World::shared();
    let (clerk, viewer) = (world.sign_in("clerk", "acme"), world.sign_in("viewer", "acme"));
    for (person, role, method, target) in [
        (&clerk, "clerk", "GET", "/echo/a"),
        (&viewer, "viewer", "POST", "/echo/a"),
        (&clerk, "clerk", "GET", "/echo/a?id=1%27%20UNION%20SELECT%20password%20FROM%20users--"),
        (&viewer, "viewer", "GET", "/echo/strong/a"),
        (&viewer, "viewer", "GET", "/echo/../a"),
        (&clerk, "clerk", "DELETE", "/echo/open/a"),
    ] {
        let served = world.ask("acme", method, target, &[("Cookie", &person.cookie)], b"");
        let email = format!("{role}@acme.example");
        let arguments = ["explain", "--tenant", "acme", "--email", &email, "--json", method, target];
        let explained = match world.cedargate(&arguments) {
            Ok(text) => text,
            Err(error) => error.to_string(),
        };
        let code = if served.status == 200 { "null".to_owned() } else { format!("\"{}\"", served.code()) };
        assert!(
            explained.replace(' ', "").contains(&format!("\"refused_with\":{code}")),
            "{method} {target} as {role}: served {}, explained\n{explained}",
            served.status
        );
    }
}

#[test]
fn the_log_lines_carry_ids_and_no_secret() {
    let world =
        World::start(&WorldOptions { config: "[telemetry]\naccess_log = true", ..WorldOptions::default() }).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    let answer = world.get(&clerk, "/echo/a?secret=very-secret-query");
    let request = answer.header("cedargate-request").unwrap();
    let (line, log) = world.log_line(request).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = line.to_string();
    assert!(text.contains("acme") && text.contains("trace_id"), "{text}");
    let token = clerk.cookie.split_once('=').unwrap().1;
    for secret in [token, world.password(), "very-secret-query"] {
        assert!(!log.contains(secret), "a secret stands in the log");
    }
}

/// A connection whose provider tells of its people. Nobody signs in by it here.
const TELLING: &str = r#"
[[oidc]]
name = "test"
title = "Test IdP"
issuer = "http://127.0.0.1:9"
client_id = "cedargate"
client_secret_file = "test.secret"
scim_claim = "sub"

[[oidc.role]]
claim = "groups"
value = "warehouse"
role = "clerk"
"#;

#[test]
fn a_scim_client_that_nobody_here_wrote_finds_nothing_wrong() {
    let Some(tester) = ScimTester::find().unwrap() else {
        println!("skipped: python3-venv is missing");
        return;
    };
    let options = WorldOptions {
        config: "[connections]\ndir = \"connections\"\n",
        files: vec![("connections/acme.toml", TELLING.to_owned()), ("connections/test.secret", "unused".to_owned())],
        ..WorldOptions::default()
    };
    let world = World::start(&options).unwrap();
    let token = world.cedargate(&["scim", "token", "create", "--tenant", "acme", "test"]).unwrap();
    let (token, url) = (token.trim(), format!("http://{}/scim/v2", world.address()));
    let output = tester.test(&url, &world.host("acme"), token).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = said.lines().collect();
    let errors = lines.windows(2).filter(|pair| pair[0].starts_with("ERROR "));
    let unmeant: Vec<_> = errors.filter(|pair| !MEANT.iter().any(|(meant, _)| pair.concat().contains(meant))).collect();
    assert!(unmeant.is_empty(), "{unmeant:#?}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(lines.iter().filter(|line| line.starts_with("SUCCESS ")).count() > 100, "{said}");
}

/// What the client takes for an error, and why it is meant.
const MEANT: [(&str, &str); 4] = [
    ("random_url", "what no route leads to is refused before SCIM is asked, as everywhere"),
    ("search_with_attributes", "`/.search` is not there"),
    ("did not remove attribute 'active'", "nobody is let in by an omission"),
    ("unexpected value for 'members'", "what a member is called is said by the member"),
];

#[test]
fn a_replay_names_the_requests_that_a_proposed_set_would_refuse() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "globex");
    assert_eq!(world.post(&clerk, "/echo/replayed", "{}").status, 200);
    let decided = |method: &str| {
        let found = world.events().into_iter().find_map(|event| match event.body {
            EventBody::Decision(decision) if decision.path == "/echo/replayed" && decision.method == method => {
                Some(decision.decision.to_string())
            }
            _ => None,
        });
        found.unwrap()
    };
    let decision = decided("POST");
    let replay = |proposed: &std::path::Path| {
        let proposed = proposed.display().to_string();
        let asked = ["policy", "replay", "--tenant", "globex", "--days", "1", "--json", "--proposed", &proposed];
        world.cedargate(&asked).unwrap_or_else(|answer| answer.to_string())
    };
    let same = replay(&world.path("policies"));
    assert!(same.contains("\"changed\":0") && !same.contains("\"decisions\":0,"), "{same}");

    let proposed = tempfile::tempdir().unwrap();
    copy(&world.path("policies"), proposed.path());
    let matrix = proposed.path().join("echo/matrix.txt");
    let text = std::fs::read_to_string(&matrix).unwrap();
    let write = text.lines().find(|line| line.starts_with("Write ")).unwrap();
    std::fs::write(&matrix, text.replace(write, &write.replace("allow", "-    "))).unwrap();
    let stricter = replay(proposed.path());
    let named = format!("\"decision\":\"{decision}\"");
    assert!(stricter.contains(&named) && stricter.contains("\"was\":\"allow\",\"was_by\":[\"echo/"), "{stricter}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// A directory like the installation's policies, with one line of the echo service's matrix changed.
fn proposed(world: &World, action: &str, from: &str, to: &str) -> tempfile::TempDir {
    let proposed = tempfile::tempdir().unwrap();
    copy(&world.path("policies"), proposed.path());
    let matrix = proposed.path().join("echo/matrix.txt");
    let text = std::fs::read_to_string(&matrix).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{action} "))).unwrap();
    let changed = line.replacen(from, to, 1);
    assert_ne!(changed, line);
    std::fs::write(&matrix, text.replace(line, &changed)).unwrap();
    proposed
}

/// The commands of a change's life, each by somebody; what they say, whatever they end with.
fn change(world: &World, by: &str, arguments: &[&str]) -> String {
    let all = [&["policy", "change"], arguments, &["--tenant", "acme", "--by", by, "--json"]].concat();
    world.cedargate(&all).unwrap_or_else(|answer| answer.to_string())
}

fn opened(world: &World, proposed: &std::path::Path) -> String {
    let proposed = proposed.display().to_string();
    let said = change(world, "ann", &["open", "--proposed", &proposed, "--title", "viewers write"]);
    let (_, rest) = said.split_once("\"change\":\"").unwrap_or_else(|| panic!("{said}"));
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a_change_of_policies_is_stopped_at_each_step_until_it_passes() {
    let config = "[policies]\nshadow_percent = 100\n[tenants.acme]\n\
                  policy_steps = [\"check\", \"replay\", \"review\", \"shadow\"]";
    let world = World::start(&WorldOptions { config, ..WorldOptions::default() }).unwrap();
    let viewer = world.sign_in("viewer", "acme");
    let status = || world.post(&viewer, "/echo/a", "{}").status;
    let becomes = |wanted: u16| {
        (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(25));
            status() == wanted
        })
    };
    let refused = |by: &str, arguments: &[&str], reason: &str| {
        let said = change(&world, by, arguments);
        assert!(said.contains(reason), "{arguments:?}: {said}");
        assert_eq!(status(), 403, "{arguments:?}");
    };
    assert_eq!(status(), 403);

    // One that has a mistake is stopped by the check, with its place.
    let bad = proposed(&world, "Write", "-        allow", "perhaps  allow");
    let bad = opened(&world, bad.path());
    refused("ann", &["check", &bad], "echo/matrix.txt:5:");
    refused("ann", &["submit", &bad], "`check` did not pass");
    refused("ann", &["live", &bad], "`check` did not pass");
    assert!(change(&world, "ann", &["withdraw", &bad]).contains("withdrawn"));

    let good = proposed(&world, "Write", "-        allow", "allow    allow");
    let id = &*opened(&world, good.path());
    refused("ann", &["submit", id], "`check` was not made");
    assert!(change(&world, "ann", &["check", id]).contains("\"passed\":true"));
    refused("ann", &["submit", id], "`replay` was not made");
    let replayed = change(&world, "ann", &["replay", id]);
    assert!(replayed.contains("\"was\":\"deny\"") && replayed.contains("echo.Write"), "{replayed}");
    refused("bo", &["approve", id], "it is draft");
    assert!(change(&world, "ann", &["submit", id]).contains("submitted"));
    refused("ann", &["approve", id], "somebody else has to approve");
    refused("ann", &["shadow", id], "people have approved it");
    for by in ["bo", "cy"] {
        change(&world, by, &["approve", id]);
    }
    refused("bo", &["approve", id], "has approved it already");
    refused("ann", &["live", id], "it was not evaluated in the shadow");

    // In the shadow it answers nobody, and says what it would have.
    assert!(change(&world, "ann", &["shadow", id]).contains("in the shadow of the live set"));
    let differs = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(status(), 403, "the shadow answers nobody");
        !world.admin("/metrics").unwrap().text().contains("cedargate_policy_shadow_total{outcome=\"differs\"} 0")
    });
    assert!(differs, "{}", world.logs());
    let diverged = change(&world, "ann", &["diverged", id]);
    assert!(diverged.contains("\"shadow\":{") && diverged.contains("\"decided\":\"allow\""), "{diverged}");

    // Whatever happens to a gateway in the middle, it decides by what the store says.
    assert!(change(&world, "ann", &["live", id]).contains("\"done\":\"live\""));
    world.kill_gateway().unwrap();
    world.restart_gateway().unwrap();
    assert_eq!(status(), 200, "{}", world.logs());
    assert!(change(&world, "ann", &["back"]).contains("the policy directory decided"));
    assert!(change(&world, "ann", &["back", "--to-directory"]).contains("\"live\":null"));
    assert!(becomes(403), "{}", world.logs());
    refused("ann", &["live", id], "it is superseded");
    refused("ann", &["back", "--to-directory"], "nothing to go back to");

    let said = |act: &str| world.events().iter().any(|event| format!("{event:?}").contains(act));
    assert!((0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        said("Superseded") && said("WentLive") && said("somebody else has to approve")
    }));
}
