//! Services say what they did, from the credential to the line that an auditor reads.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::house::{House, request};

/// Hands one event over on the socket: status and answer.
fn tell(house: &House, credential: &str, event: &Value) -> (u16, Value) {
    let mut stream = UnixStream::connect(house.path("var/events.sock")).unwrap();
    let body = event.to_string();
    let request = format!(
        "POST /events HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAuthorization: Bearer {credential}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Whoever shows no good credential is answered before all of it was read.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

fn create(house: &House, service: &str) -> (String, String) {
    let made = house.run(&["service", "credential", "create", service, "--json"]).expect(0).json();
    (made["id"].as_str().unwrap().to_owned(), made["credential"].as_str().unwrap().to_owned())
}

#[test]
fn what_a_service_did_is_shown_beside_its_decision() {
    let house = House::new();
    house.furnish();
    let serving = house.serve();
    let mode = std::fs::metadata(house.path("var/events.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    // Nobody stands behind the route: it is allowed, recorded, and then there is nobody to ask.
    let host = format!("acme.localhost:{}", house.port);
    let login = r#"{"email":"jo@acme.example","password":"correct horse battery"}"#;
    let (_, signed_in) = request(house.port, "POST", &host, "/auth/login", "Content-Type: application/json\r\n", login);
    let is_cookie = |line: &&str| line.get(..12).is_some_and(|name| name.eq_ignore_ascii_case("set-cookie: "));
    let cookie = signed_in.lines().find(is_cookie).and_then(|line| line[12..].split(';').next()).unwrap();
    request(house.port, "GET", &host, "/inventory/items", &format!("Cookie: {cookie}\r\n"), "");
    let shown = house.run(&["audit", "show", "--tenant", "acme", "--json"]).expect(0).out;
    let mut entries = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take());
    let decision = entries.find(|event| event["service"] == "inventory" && event["verdict"] == "allow").unwrap();

    let tenants = house.run(&["tenant", "list", "--json"]).expect(0).json();
    let event = json!({
        "event": "019aa0c6-0000-7000-8000-000000000001", "tenant": tenants["tenants"][0]["id"],
        "decision": decision["decision"], "action": "ListItems", "resource": "Inventory::Catalog::\"items\"",
        "done_at": 1_795_132_800_123_456_i64, "detail": { "count": 3 },
    });
    let (_, credential) = create(&house, "inventory");
    let results = |(status, answer): (u16, Value)| (status, answer["results"][0]["result"].clone());
    assert_eq!(results(tell(&house, &credential, &event)), (200, json!("accepted")));
    assert_eq!(results(tell(&house, &credential, &event)), (200, json!("duplicate")));
    let (_, others) = create(&house, "orders");
    assert_eq!(results(tell(&house, &others, &event)), (200, json!("refused")));

    let shown = house.run(&["audit", "show", "--decision", decision["decision"].as_str().unwrap()]).expect(0).out;
    let did = shown.lines().find(|line| line.contains(" did ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(did.ends_with("inventory ListItems Inventory::Catalog::\"items\" {\"count\":3}"), "{did}");
    assert!(shown.lines().any(|line| line.contains(" allow ")), "{shown}");
    let (_, metrics) = request(house.admin_port, "GET", "localhost", "/metrics", "", "");
    for (result, count) in [("accepted", 1), ("duplicate", 1), ("decision_unknown", 1), ("event_conflict", 0)] {
        let line = format!("cedargate_service_events_total{{result=\"{result}\"}} {count}");
        assert!(metrics.lines().any(|l| l.trim() == line), "{line} is missing from\n{metrics}");
    }
    house.run(&["audit", "verify"]).expect(0);
    assert_eq!(serving.end(), Some(0));
    house.run(&["audit", "verify"]).expect(0);
}

#[test]
fn credentials_are_shown_once_changed_without_a_gap_and_withdrawn_at_once() {
    let house = House::new();
    house.furnish();
    let serving = house.serve();
    let heard = |credential: &str| tell(&house, credential, &json!({})).0;
    let ((first_id, first), (_, second)) = (create(&house, "inventory"), create(&house, "inventory"));
    assert_eq!((heard(&first), heard(&second)), (200, 200));
    let said = house.run(&["service", "credential", "create", "inventory"]).expect(2);
    assert!(
        said.err.contains("withdraw the one that is no longer used") && said.err.contains(&first_id),
        "{}",
        said.err
    );

    house.run(&["service", "credential", "withdraw", &first_id]).expect(0);
    assert_eq!((heard(&first), heard(&second)), (401, 200));
    house.run(&["service", "credential", "withdraw", &first_id]).expect(2);
    house.run(&["service", "credential", "create", "gateway"]).expect(2);

    let listed = house.run(&["service", "credential", "list"]).expect(0).out;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let file = house.path("var/service-credentials.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = second.rsplit('_').next().unwrap();
    assert!(!listed.contains(secret) && !std::fs::read_to_string(file).unwrap().contains(secret));
    assert_eq!(serving.end(), Some(0));
}
