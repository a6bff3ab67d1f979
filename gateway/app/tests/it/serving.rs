//! `cedargate serve`, from start to end.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::house::{House, request};

fn admin(house: &House, path: &str) -> (u16, String) {
    request(house.admin_port, "GET", "localhost", path, "", "")
}

#[test]
fn the_gateway_serves_records_and_ends_in_order() {
    let house = House::new();
    house.furnish();
    house.append("cedargate.toml", "[telemetry]\naccess_log = true\n");
    let mut serving = house.serve();

    let (status, ready) = admin(&house, "/readyz");
    assert_eq!(status, 200, "{ready}");
    assert_eq!(admin(&house, "/healthz").0, 200);
    assert_eq!(admin(&house, "/elsewhere").0, 404);
    assert!(house.run(&["health"]).expect(0).out.contains("ok      store"));
    assert_eq!(house.run(&["health", "--ready", "--json"]).expect(0).json()["ok"], true);

    let host = format!("acme.localhost:{}", house.port);
    let (status, refused) = request(house.port, "GET", &host, "/inventory/items", "", "");
    assert_eq!(status, 401, "{refused}");
    let login = r#"{"email":"jo@acme.example","password":"correct horse battery"}"#;
    let json = "Content-Type: application/json\r\n";
    let (status, signed_in) = request(house.port, "POST", &host, "/auth/login", json, login);
    assert_eq!(status, 200, "{signed_in}");
    let line = serving.wait_for("forwarded");
    assert_eq!(line["cedargate.tenant"], "acme");
    assert!(line["cedargate.request.id"].is_string() && line["trace_id"].is_string(), "{line}");

    let metrics = admin(&house, "/metrics").1;
    for metric in [
        r#"cedargate_refusals_total{code="signin_required"} 1"#,
        r#"cache_misses_total{cache="sessions"} 0"#,
        "audit_chain_broken_total 0",
        "policy_reload_failures_total 0",
    ] {
        assert!(metrics.lines().any(|line| line.trim() == metric), "{metric} is missing from\n{metrics}");
    }

    // Live: proved while it is being written.
    let pem = house.run(&["keys", "export-public", "audit"]).expect(0).out;
    house.write("audit.pem", &pem);
    house.run(&["audit", "verify", "--public-key", "audit.pem"]).expect(0);
    for (name, mode) in [("var/control.sock", 0o600), ("var/jwks.json", 0o644), ("var/keys/audit.sealed", 0o600)] {
        assert_eq!(fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }

    assert_eq!(serving.end(), Some(0));
    let silent = house.run(&["health"]).expect(3).err;
    assert!(silent.contains(&format!("127.0.0.1:{}/healthz", house.admin_port)), "{silent}");
    let proof = house.run(&["audit", "verify", "var/audit", "--public-key", "audit.pem", "--json"]).expect(0).json();
    assert_eq!(proof["report"]["entries_after_last_head"], 1, "the closing head covers all but the closing entry");
    let shown = house.run(&["audit", "show", "--tenant", "acme", "--json"]).expect(0).out;
    let entries: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.iter().any(|entry| entry["event"]["code"] == "signin_required"), "{shown}");
    assert!(entries.iter().any(|entry| entry["event"]["result"] == "succeeded"), "{shown}");

    // What one answer named is proved with the public key alone, the tenant's part and the whole with no more.
    house.run(&["audit", "seal"]).expect(0);
    let refused = entries.iter().find(|entry| entry["event"]["code"] == "signin_required").unwrap();
    let (id, decision) = (refused["event"]["id"].as_str().unwrap(), &refused["event"]["decision"]);
    assert_eq!(decision, id, "`Cedargate-Decision` of an answer is its event's id");
    house.write("proof.json", &house.run(&["audit", "prove", id]).expect(0).out);
    let verify = |what: &[&str], code| {
        house.run(&[&["audit", "verify", "--json", "--public-key", "audit.pem"][..], what].concat()).expect(code).json()
    };
    let proof = verify(&["--receipt", "proof.json"], 0);
    assert_eq!(proof["proved"]["event"]["event"]["decision"], id, "{proof}");
    assert_eq!(proof["proved"]["event"]["origin"], "gateway-1/audit/tenants/acme");
    let kept = fs::read_to_string(house.path("var/audit-archive/checkpoint")).unwrap();
    house.write("kept", &kept);
    assert_eq!(verify(&["var/audit-archive", "--since", "kept"], 0)["report"]["extends"], 1);
    house.run(&["audit", "export", "--tenant", "acme", "export"]).expect(0);
    assert_eq!(verify(&["export", "--export-of", "acme"], 0)["report"]["export_of"], "acme");
    assert_eq!(verify(&["export"], 1)["break"]["what"], "entry_missing", "it is not the whole archive");
    house.write(
        "proof.json",
        &fs::read_to_string(house.path("proof.json")).unwrap().replace("signin_required", "signin_recommended"),
    );
    assert_eq!(verify(&["--receipt", "proof.json"], 1)["break"]["what"], "proof_invalid");
    house.run(&["audit", "verify", "--receipt", "proof.json"]).expect(2);
}

#[test]
fn a_log_is_proved_across_a_rotation_of_its_key() {
    let house = House::new();
    house.furnish();
    assert_eq!(house.serve().end(), Some(0));
    house.write("former.pem", &house.run(&["keys", "export-public", "audit"]).expect(0).out);
    house.run(&["keys", "rotate", "audit"]).expect(0);
    house.write("current.pem", &house.run(&["keys", "export-public", "audit"]).expect(0).out);
    house.write("all.pem", &house.run(&["keys", "export-public", "audit", "--all"]).expect(0).out);
    let verify = |keys: &[&str], code| {
        let keys: Vec<_> = keys.iter().flat_map(|key| ["--public-key", key]).collect();
        house.run(&[&["audit", "verify", "var/audit", "--json"][..], &keys].concat()).expect(code).json()
    };
    // The new key has signed nothing yet.
    assert_eq!(verify(&["current.pem"], 1)["break"]["what"], "not_trusted");
    verify(&["all.pem"], 0);

    assert_eq!(house.serve().end(), Some(0));
    assert_eq!(verify(&["former.pem"], 1)["break"]["what"], "not_trusted");
    // How many a run signs is its own affair: what operators did beside it may be recorded, too.
    assert!(verify(&["current.pem"], 0)["report"]["heads_of_other_keys"].as_u64().unwrap() >= 1);
    for keys in [&["all.pem"][..], &["former.pem", "current.pem"]] {
        let report = verify(keys, 0);
        assert_eq!(report["report"]["heads_of_other_keys"], 0);
        let heads: Vec<_> = report["report"]["heads_by_key"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["heads"].as_u64().unwrap())
            .collect();
        assert!(heads.len() == 2 && heads.iter().all(|heads| *heads >= 1), "{report}");
    }
}

#[test]
fn a_broken_policy_leaves_what_is_live_and_a_mended_one_is_taken_up() {
    let house = House::new();
    house.furnish();
    let mut serving = house.serve();
    let host = format!("acme.localhost:{}", house.port);
    let asks = || request(house.port, "GET", &host, "/inventory/items", "", "").0;
    assert_eq!(asks(), 401);

    house.write("policies/inventory/extra.cedar", "permit (principal, action, resource) when { principal.nose };\n");
    let line = serving.wait_for("the tenant's policies have mistakes: what was live for it stays");
    assert!(line["problems"].as_str().unwrap().contains("inventory/extra.cedar:1:"), "{line}");
    assert_eq!(asks(), 401, "still decided by the former snapshot");
    assert_eq!(admin(&house, "/readyz").0, 200);
    assert!(admin(&house, "/metrics").1.contains("policy_reload_failures_total 1"));

    let forbid = "@id(\"inventory/closed\")\n@description(\"Closed.\")\nforbid (principal, action, resource);\n";
    house.write("policies/inventory/extra.cedar", forbid);
    serving.wait_for("tenants and policies are taken up");
    let globex = format!("globex.localhost:{}", house.port);
    assert_eq!(request(house.port, "GET", &globex, "/", "", "").0, 404);
    house.run(&["tenant", "create", "globex"]).expect(0);
    // The file before may have been read twice: half written, and whole.
    let answered = (0..2).any(|_| {
        serving.wait_for("tenants and policies are taken up");
        request(house.port, "GET", &globex, "/", "", "").0 == 401
    });
    assert!(answered, "a new tenant is answered for");

    serving.signal("HUP");
    serving.wait_for("SIGHUP: reading policies, tenants, keys and certificates anew");
    serving.wait_for("tenants and policies are taken up");
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn the_limit_of_open_files_is_raised_and_told() {
    let house = House::new();
    house.furnish();
    let mut serving = house.begin_with_open_files(256);
    let line = serving.wait_for("the limit of open files");
    assert_eq!(line["cedargate.open_files.before"], 256);
    let max = line["cedargate.open_files.max"].as_u64();
    assert!(max.is_none_or(|max| max > 256), "{line}");
    serving.wait_for("listening");
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn damage_found_at_start_is_counted_once_and_told_at_every_proof() {
    let house = House::new();
    house.furnish();
    house.append("cedargate.toml", "[audit]\nverify_interval_seconds = 1\n");
    assert_eq!(house.serve().end(), Some(0));
    house.write("var/audit/audit-000001-000001.jsonl", "");
    let mut serving = house.serve_from("the audit log was damaged while the gateway was down");
    serving.wait_for("listening");
    for _ in 0..2 {
        serving.wait_for("the audit log is broken");
    }
    let metrics = admin(&house, "/metrics").1;
    assert!(metrics.lines().any(|line| line.trim() == "audit_chain_broken_total 1"), "{metrics}");
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let house = House::new();
    house.furnish();
    let _taken = TcpListener::bind(("127.0.0.1", house.port)).unwrap();
    let said = house.run(&["serve"]).expect(3);
    let wanted = format!("cannot listen on 127.0.0.1:{} (`listen.listener`)", house.port);
    assert!(said.err.contains(&wanted), "{}", said.err);
    assert!(!house.path("var/audit").exists(), "the record is not opened for nothing");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told() {
    let house = House::new();
    house.furnish();
    house.append(
        "cedargate.toml",
        "[[listen.listener]]\naddress = \"127.0.0.1:0\"\ntls_certificate = \"c\"\ntls_key = \"k\"\n",
    );
    let said = house.run(&["serve"]).expect(2);
    assert!(said.err.contains("the file `c` of a certificate cannot be read"), "{}", said.err);
    house.write("c", "garbage");
    house.write("k", "garbage");
    assert!(house.run(&["serve"]).expect(2).err.contains("the file `c` holds no certificate as PEM"));
    let checked = house.run(&["config", "check", "--json"]).expect(2).json();
    assert_eq!(checked["ok"], false);
}

#[test]
fn dangerous_options_are_told_at_start() {
    let house = House::new();
    house.furnish();
    house.append("cedargate.toml", "[danger]\nrecording_off = true\n");
    let mut child = house.serve_from("starting");
    let line = child.wait_for("`danger.recording_off` is on: not for production");
    assert_eq!(line["level"], "WARN");
    child.wait_for("listening");
    assert_eq!(child.end(), Some(0));
    assert!(!house.path("var/audit").exists());
}
