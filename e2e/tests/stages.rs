//! For each stage of the walk, one request that it lets pass and one that it ends, each with its audit entry.

use std::io::ErrorKind;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_e2e::http::{Answer, Connection};
use cedargate_e2e::{World, WorldOptions, eventually};
use cedargate_model::{
    AdmissionAct, Credential, Decision, EventBody, OutcomeEnd, RefusalCode, Stage, TokenAct, Verdict,
};

/// The answer was a refusal of this stage, said so to the client, and stands so in the log.
#[track_caller]
fn assert_refused(world: &World, answer: &Answer, stage: Stage, code: RefusalCode) -> Decision {
    assert_eq!((answer.status, answer.code()), (code.status(), code.as_str().to_owned()), "{answer:?}");
    let decision = world.decision(answer);
    let recorded = match &decision.verdict {
        Verdict::Refuse { stage, code, .. } => Some((*stage, *code)),
        Verdict::Allow | Verdict::Preflight => None,
    };
    assert_eq!(recorded, Some((stage, code)));
    decision
}

/// The answer was the service's, and its decision stands in the log as allowed.
#[track_caller]
fn assert_allowed(world: &World, answer: &Answer) -> Decision {
    assert!((200..300).contains(&answer.status), "{answer:?}\n{}", world.logs());
    let decision = world.decision(answer);
    assert_eq!(decision.verdict, Verdict::Allow);
    decision
}

#[test]
fn accept_takes_a_prompt_head_and_ends_a_slow_one() {
    let world = World::start(&WorldOptions {
        limits: Some("head_timeout_ms = 500\nidle_timeout_ms = 60000"),
        ..WorldOptions::default()
    })
    .unwrap();
    assert_allowed(&world, &world.ask("acme", "GET", "/echo/open/a", &[], b""));

    let mut slow = Connection::open(world.address()).unwrap();
    slow.send(b"GET /echo/open/a HTTP/1.1\r\nHost: acme.localhost\r\n").unwrap();
    let answer = slow.answer("GET").unwrap();
    assert_refused(&world, &answer, Stage::Accept, RefusalCode::HeadTimeout);
    assert!(slow.is_closed_by_peer());
}

#[test]
fn hygiene_takes_one_unambiguous_request_and_ends_two_in_one() {
    let world = World::shared();
    let decision = assert_allowed(&world, &world.ask("acme", "GET", "/echo/open/%61?q=100%", &[], b""));
    assert_eq!(decision.path, "/echo/open/a", "recorded in canonical form and without its query");

    let both = format!(
        "POST /echo/a HTTP/1.1\r\nHost: {}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        world.host("acme")
    );
    assert_refused(&world, &world.send("POST", both.as_bytes()), Stage::Hygiene, RefusalCode::FramingAmbiguous);
    let traversal = world.ask("acme", "GET", "/echo/../inventory/items", &[], b"");
    assert_refused(&world, &traversal, Stage::Hygiene, RefusalCode::PathInvalid);
}

#[test]
fn route_finds_a_host_and_a_path_and_ends_what_it_does_not_know() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let decision = assert_allowed(&world, &world.get(&clerk, "/echo/sound-7"));
    assert_eq!(decision.action.as_deref(), Some("Echo::Action::\"Read\""));
    assert_eq!(decision.resource.as_deref(), Some("Echo::Sound::\"sound-7\""));

    let nobody = world.ask("nobody", "GET", "/", &[], b"");
    assert_refused(&world, &nobody, Stage::Route, RefusalCode::HostUnknown);
    let nowhere = world.get(&clerk, "/nowhere");
    assert_refused(&world, &nowhere, Stage::Route, RefusalCode::RouteUnknown);
    let method = world.ask("acme", "DELETE", "/echo/open/a", &[("Cookie", &clerk.cookie)], b"");
    assert_refused(&world, &method, Stage::Route, RefusalCode::MethodNotAllowed);
    assert_eq!(method.header("allow"), Some("GET, HEAD"));
}

#[test]
fn limit_holds_an_address_to_its_rate() {
    let world = World::start(&WorldOptions {
        limits: Some("address_requests = 3\naddress_window_seconds = 3600"),
        ..WorldOptions::default()
    })
    .unwrap();
    for left in [2, 1, 0] {
        let answer = world.ask("acme", "GET", "/echo/open/a", &[], b"");
        assert_allowed(&world, &answer);
        let standing = format!("\"address\";r={left};");
        assert!(answer.all("ratelimit").any(|field| field.starts_with(&standing)), "{answer:?}");
        assert!(answer.all("ratelimit-policy").any(|field| field == "\"address\";q=3;w=3600"), "{answer:?}");
    }
    let over = world.ask("acme", "GET", "/echo/open/a", &[], b"");
    assert_refused(&world, &over, Stage::Limit, RefusalCode::AddressRateLimited);
    assert!(over.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    let metrics = world.admin("/metrics").unwrap().text();
    assert!(metrics.contains("rate_limit_rejections_total{limit=\"address\"} 1"), "{metrics}");
}

#[test]
fn authenticate_knows_a_session_and_ends_bad_credentials() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let decision = assert_allowed(&world, &world.get(&clerk, "/echo/a"));
    assert_eq!(decision.subject.map(|subject| subject.level), Some(1));

    let two = [("Cookie", &*clerk.cookie), ("Cookie", "cedargate=planted")];
    let ambiguous = world.ask("acme", "GET", "/echo/a", &two, b"");
    assert_refused(&world, &ambiguous, Stage::Authenticate, RefusalCode::CookieAmbiguous);

    let bearer = world.ask("acme", "GET", "/echo/open/a", &[("Authorization", "Bearer x")], b"");
    assert_refused(&world, &bearer, Stage::Authenticate, RefusalCode::CredentialsInvalid);
}

/// A service account of acme with a key: the key's id, and the header that shows it.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn program(world: &World, name: &str, more: &[&str]) -> (String, String) {
    world.cedargate(&["service-account", "create", "--tenant", "acme", name, "--role", "clerk"]).unwrap();
    let create = ["api-key", "create", "--tenant", "acme", name, "--name", "a test", "--json"];
    let made = world.cedargate(&[&create, more].concat()).unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let text = |name: &str| made.get(name).and_then(|value| value.as_str()).unwrap();
    (text("id").to_owned(), format!("Bearer {}", text("key")))
}

#[test]
fn authenticate_knows_a_program_by_its_key_until_that_is_revoked() {
    let world = World::shared();
    let (id, bearer) = program(&world, "walker", &[]);
    let with = |method: &str, target: &str, more: &[(&str, &str)]| {
        world.ask("acme", method, target, &[&[("Authorization", &*bearer)], more].concat(), b"")
    };
    let items = with("GET", "/inventory/items", &[]);
    let subject = assert_allowed(&world, &items).subject.unwrap();
    assert_eq!((subject.credential, subject.session.to_string()), (Credential::ApiKey, id.clone()));

    // The service is told who asks and never how to ask in their place.
    let heard = with("POST", "/echo/a", &[("Origin", "https://evil.example")]);
    assert_allowed(&world, &heard);
    assert!(!heard.text().contains(bearer.trim_start_matches("Bearer ")), "{heard:?}");

    let forbidden = with("DELETE", "/inventory/items/01900000-0000-7000-8000-000000000001", &[]);
    assert_refused(&world, &forbidden, Stage::Authorize, RefusalCode::Forbidden);
    assert!(forbidden.header("www-authenticate").unwrap().contains("insufficient_scope"), "{forbidden:?}");
    for (method, target) in [("GET", "/"), ("GET", "/auth/account"), ("POST", "/auth/account/totp")] {
        assert_refused(&world, &with(method, target, &[]), Stage::Authorize, RefusalCode::Forbidden);
    }
    // At a websocket's handshake too, and a program may say what origin it likes: no browser made it.
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Origin", "https://evil.example")];
    let mut socket = Connection::open(world.address()).unwrap();
    let lines: String = upgrade
        .iter()
        .chain(&[("Authorization", &*bearer)])
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    socket
        .send(format!("GET /echo/live/a HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", world.host("acme")).as_bytes())
        .unwrap();
    let switched = socket.answer("GET").unwrap();
    assert_eq!(switched.status, 101, "{switched:?}\n{}", world.logs());
    socket.send(b"one").unwrap();
    assert_eq!(socket.exactly(3).unwrap(), b"one");
    assert_eq!(world.decision(&switched).subject.map(|subject| subject.credential), Some(Credential::ApiKey));

    let clerk = world.sign_in("clerk", "acme");
    let cookie = ("Cookie", &*clerk.cookie);
    let both = with("GET", "/inventory/items", &[cookie]);
    assert_refused(&world, &both, Stage::Authenticate, RefusalCode::CredentialsAmbiguous);
    let abroad = world.ask("globex", "GET", "/inventory/items", &[("Authorization", &bearer)], b"");
    assert_refused(&world, &abroad, Stage::Authenticate, RefusalCode::CredentialsInvalid);

    let (_, narrowed) = program(&world, "reader", &["--role", "clerk"]);
    assert_allowed(&world, &world.ask("acme", "GET", "/inventory/items", &[("Authorization", &narrowed)], b""));

    world.cedargate(&["api-key", "revoke", "--tenant", "acme", &id]).unwrap();
    let ended = eventually(Duration::from_secs(20), "the key's end", || {
        Some(with("GET", "/inventory/items", &[])).filter(|answer| answer.status == 401)
    });
    let ended = ended.unwrap();
    let refused = assert_refused(&world, &ended, Stage::Authenticate, RefusalCode::CredentialsInvalid);
    let Verdict::Refuse { detail, .. } = refused.verdict else { panic!("{refused:?}") };
    assert_eq!(detail, format!("api_key_revoked {id}"));
    assert_eq!(ended.header("www-authenticate"), Some("Bearer realm=\"cedargate\", error=\"invalid_token\""));
    assert!(socket.is_closed_by_peer(), "what it had opened goes with it");
}

/// Posts a form as nobody.
fn post_form(world: &World, target: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    world.ask("acme", "POST", target, &[&[kind], headers].concat(), form.as_bytes())
}

#[test]
fn a_program_walks_from_its_key_to_tokens_and_back_to_nobody() {
    let world = World::shared();
    let items = |token: &str| {
        world.ask("acme", "GET", "/inventory/items", &[("Authorization", &format!("Bearer {token}"))], b"")
    };
    let ended = |token: &str| {
        let patience = Duration::from_secs(20);
        let answer = eventually(patience, "a token's end", || Some(items(token)).filter(|answer| answer.status == 401));
        assert_refused(&world, &answer.unwrap(), Stage::Authenticate, RefusalCode::CredentialsInvalid);
    };
    let (id, bearer) = program(&world, "token-walker", &[]);
    let key = bearer.trim_start_matches("Bearer ");

    // For a key, with the client's authentication in the header: it reaches the endpoint, and is nobody's credential elsewhere.
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
    let asked = post_form(&world, "/auth/token", &[("Authorization", &basic)], "grant_type=client_credentials");
    assert_eq!(asked.status, 200, "{asked:?}\n{}", world.logs());
    let by_key = asked.field("access_token");
    let subject = assert_allowed(&world, &items(&by_key)).subject.unwrap();
    assert_eq!(subject.credential, Credential::KeyToken);
    let elsewhere = world.ask("acme", "GET", "/inventory/items", &[("Authorization", &basic)], b"");
    assert_refused(&world, &elsewhere, Stage::Authenticate, RefusalCode::CredentialsInvalid);

    // Another key signs from now on, and nobody is signed out.
    world.cedargate(&["keys", "rotate", "token"]).unwrap();
    let patience = Duration::from_secs(20);
    let taken = || {
        world.events().into_iter().find(|event| matches!(&event.body, EventBody::Key(key) if key.purpose == "token"))
    };
    let taken = eventually(patience, "the new key", taken).unwrap();
    assert_allowed(&world, &items(&by_key));

    // One that is withdrawn signs for nobody, and what it opened is cut: somebody may have written tokens of his own with it.
    let EventBody::Key(taken) = taken.body else { panic!("{taken:?}") };
    let open = |token: &str| {
        let mut stream = Connection::open(world.address()).unwrap();
        let ask = format!("Host: {}\r\nAuthorization: Bearer {token}\r\n\r\n", world.host("acme"));
        stream.send(format!("GET /echo/stream?chunks=1000&bytes=10&ms=100 HTTP/1.1\r\n{ask}").as_bytes()).unwrap();
        stream.until(b"\r\n\r\n").unwrap();
        stream
    };
    let mut stream = open(&by_key);
    world.cedargate(&["keys", "withdraw", "token", &taken.former]).unwrap();
    assert!(stream.until(b"0\r\n\r\n").is_err(), "it would have gone on");
    ended(&by_key);
    let ask = || post_form(&world, "/auth/token", &[("Authorization", &basic)], "grant_type=client_credentials");
    let by_key = ask().field("access_token");

    // For a person's session, by a program that signed in for them.
    let clerk = world.sign_in("clerk", "acme");
    let session = clerk.cookie.split_once('=').unwrap().1;
    let exchange = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={session}\
         &subject_token_type=urn:cedargate:params:oauth:token-type:session"
    );
    let first = post_form(&world, "/auth/token", &[], &exchange);
    assert_eq!(first.status, 200, "{first:?}");
    let stolen = first.field("refresh_token");
    let refresh = |token: &str| post_form(&world, "/auth/refresh", &[], &format!("refresh_token={token}"));
    let second = refresh(&stolen);
    let (live, next) = (second.field("access_token"), second.field("refresh_token"));
    assert_allowed(&world, &items(&live));
    let again = refresh(&stolen);
    assert_eq!((again.status, again.field("error")), (400, "invalid_grant".to_owned()));
    ended(&live);
    assert_eq!(refresh(&next).status, 400, "the whole family has ended");
    let acts: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Token(done) => Some(done.act),
            _ => None,
        })
        .collect();
    assert!(acts.contains(&TokenAct::Reused), "{acts:?}");

    // What is revoked is over within a second or so, and so is what a revoked key got.
    let mine = ask().field("access_token");
    assert_allowed(&world, &items(&mine));
    assert_eq!(post_form(&world, "/auth/revoke", &[], &format!("token={mine}")).status, 200);
    ended(&mine);
    assert_allowed(&world, &items(&by_key));
    let mut stream = open(&by_key);
    world.cedargate(&["api-key", "revoke", "--tenant", "acme", &id]).unwrap();
    ended(&by_key);
    assert!(stream.until(b"0\r\n\r\n").is_err(), "it would have gone on");
}

#[test]
fn a_dead_session_counts_as_none_and_is_cleared() {
    let world = World::shared();
    let stale = world.ask("acme", "GET", "/echo/open/a", &[("Cookie", "cedargate=c2Vzc2lvbg")], b"");
    let decision = assert_allowed(&world, &stale);
    assert_eq!(decision.subject, None);
    assert!(stale.all("set-cookie").any(|cookie| cookie.starts_with("cedargate=;") && cookie.contains("Max-Age=0")));

    let clerk = world.sign_in("clerk", "acme");
    let out = world.ask("acme", "POST", "/auth/logout", &[("Cookie", &clerk.cookie)], b"");
    assert_eq!(out.status, 204, "{out:?}");
    assert_refused(&world, &world.get(&clerk, "/echo/a"), Stage::Authorize, RefusalCode::SigninRequired);
}

#[test]
fn a_session_of_another_tenant_is_unknown() {
    let world = World::shared();
    let globex = world.sign_in("clerk", "globex");
    assert_allowed(&world, &world.get(&globex, "/echo/a"));
    let abroad = world.ask("acme", "GET", "/echo/a", &[("Cookie", &globex.cookie)], b"");
    let decision = assert_refused(&world, &abroad, Stage::Authorize, RefusalCode::SigninRequired);
    assert_eq!(decision.subject, None);
}

#[test]
fn quota_holds_a_person_to_a_rate() {
    let world = World::start(&WorldOptions {
        limits: Some("principal_requests = 2\nprincipal_window_seconds = 3600\naddress_requests = 1000"),
        ..WorldOptions::default()
    })
    .unwrap();
    let (clerk, viewer) = (world.sign_in("clerk", "acme"), world.sign_in("viewer", "acme"));
    assert_allowed(&world, &world.get(&clerk, "/echo/a"));
    assert_allowed(&world, &world.get(&clerk, "/echo/a"));
    assert_refused(&world, &world.get(&clerk, "/echo/a"), Stage::Quota, RefusalCode::QuotaExceeded);
    assert_allowed(&world, &world.get(&viewer, "/echo/a"));
}

#[test]
fn quota_of_a_tenant_cannot_be_used_up_by_strangers() {
    let world = World::start(&WorldOptions {
        limits: Some("tenant_requests = 3\ntenant_window_seconds = 3600"),
        ..WorldOptions::default()
    })
    .unwrap();
    // Signing in is a stranger's request, the first of three.
    let clerk = world.sign_in("clerk", "acme");
    let stranger = || world.ask("acme", "GET", "/echo/open/a", &[], b"");
    assert_allowed(&world, &stranger());
    assert_allowed(&world, &stranger());
    assert_refused(&world, &stranger(), Stage::Quota, RefusalCode::QuotaExceeded);
    for _ in 0..3 {
        assert_allowed(&world, &world.get(&clerk, "/echo/a"));
    }
    assert_refused(&world, &world.get(&clerk, "/echo/a"), Stage::Quota, RefusalCode::QuotaExceeded);
}

#[test]
fn guard_takes_the_same_origin_and_ends_another() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let own = format!("http://{}", world.host("acme"));
    let post = |origin: &str, site: &str| {
        let headers = [("Cookie", &*clerk.cookie), ("Origin", origin), ("Sec-Fetch-Site", site)];
        world.ask("acme", "POST", "/echo/a", &headers, b"{}")
    };
    assert_allowed(&world, &post(&own, "same-origin"));
    let sibling = format!("http://{}", world.host("globex"));
    for (origin, site) in [("https://evil.example", "cross-site"), (&*sibling, "same-site"), ("null", "cross-site")] {
        assert_refused(&world, &post(origin, site), Stage::Guard, RefusalCode::CrossOrigin);
    }
    let sign_in = world.ask("acme", "POST", "/auth/login", &[("Origin", "https://evil.example")], b"{}");
    assert_refused(&world, &sign_in, Stage::Guard, RefusalCode::CrossOrigin);
}

#[test]
fn a_preflight_is_answered_here_and_recorded() {
    let world = World::shared();
    let preflight = |origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        world.ask("acme", "OPTIONS", "/echo/shared/a", &headers, b"")
    };
    let allowed = preflight("https://app.example.com");
    assert_eq!(allowed.status, 204, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(world.decision(&allowed).verdict, Verdict::Preflight);
    let refused = preflight("https://evil.example");
    assert_refused(&world, &refused, Stage::Guard, RefusalCode::CrossOrigin);
}

#[test]
fn inspect_takes_prose_and_ends_attacks_in_head_and_body() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let prose = r#"{"note": "O'Brien's order: select the blue ones & drop by at 5 -- thanks"}"#;
    assert_allowed(&world, &world.post(&clerk, "/echo/a", prose));

    let attack = "1' UNION SELECT password FROM users--";
    let query = world.get(&clerk, "/echo/a?id=1%27%20UNION%20SELECT%20password%20FROM%20users--");
    let decision = assert_refused(&world, &query, Stage::Inspect, RefusalCode::AttackDetected);
    let found = decision.inspection;
    let body = serde_json::json!({ "id": attack }).to_string();
    let body = world.post(&clerk, "/echo/a", &body);
    assert_refused(&world, &body, Stage::Inspect, RefusalCode::AttackDetected);
    let found = found.unwrap();
    assert!(found.score >= 5 && found.rules.iter().any(|rule| rule.starts_with("sqli/")), "{found:?}");

    let password = serde_json::json!({ "password": attack }).to_string();
    assert_allowed(&world, &world.post(&clerk, "/echo/a", &password));

    let log = std::fs::read_dir(world.audit()).unwrap().filter_map(Result::ok);
    for file in log.filter(|entry| entry.path().is_file()) {
        let text = String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned();
        assert!(!text.contains("UNION SELECT"), "a matched value stands in {}", file.path().display());
    }
}

#[test]
fn a_body_that_cannot_be_inspected_is_refused() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let zipped = [("Cookie", &*clerk.cookie), ("Content-Encoding", "gzip")];
    let zipped = world.ask("acme", "POST", "/echo/a", &zipped, b"\x1f\x8b");
    assert_refused(&world, &zipped, Stage::Inspect, RefusalCode::BodyEncodingUnsupported);
    let large = world.ask("acme", "POST", "/echo/a", &[("Cookie", &clerk.cookie)], &vec![b'x'; 65_537]);
    assert_refused(&world, &large, Stage::Inspect, RefusalCode::BodyTooLarge);
    let fits = world.ask("acme", "POST", "/echo/a", &[("Cookie", &clerk.cookie)], &vec![b'x'; 65_536]);
    assert_allowed(&world, &fits);
    assert_eq!(fits.json()["body_bytes"], 65_536);
}

#[test]
fn a_score_is_for_cedar_to_decide_on() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    assert_allowed(&world, &world.post(&clerk, "/echo/scored/a", r#"{"id": "7"}"#));
    let attack = world.post(&clerk, "/echo/scored/a", r#"{"id": "1' UNION SELECT password FROM users--"}"#);
    let decision = assert_refused(&world, &attack, Stage::Authorize, RefusalCode::Forbidden);
    assert!(decision.inspection.is_some_and(|inspection| inspection.score >= 5));
}

#[test]
fn a_score_is_never_decided_on_without_the_whole_body() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let attack = r#"{"id": "1' UNION SELECT password FROM users--", "more": ""#;
    let padded = format!("{attack}{}\"}}", "x".repeat(70_000));
    let refused = world.post(&clerk, "/echo/scored/a", &padded);
    assert_refused(&world, &refused, Stage::Inspect, RefusalCode::BodyTooLarge);

    let (host, cookie, length) = (&clerk.host, &clerk.cookie, attack.len() + 2);
    let chunked = format!(
        "POST /echo/scored/a HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{attack}\"}}\r\n0\r\n\r\n"
    );
    let refused = world.send("POST", chunked.as_bytes());
    assert_refused(&world, &refused, Stage::Authorize, RefusalCode::Forbidden);
}

/// A rule set that finds one word, counts as the Core Rule Set does, and answers as routes ask it to.
const RULES: &str = r#"
SecRule ARGS|REQUEST_BODY "@rx (?i)wicked" "id:1001,phase:2,pass,capture,msg:'a wicked word',tag:'attack-word',severity:'CRITICAL',setvar:tx.anomaly_score=+5"
SecRule TX:anomaly_score "@ge %{tx.inbound_anomaly_score_threshold}" "id:1900,phase:2,deny,status:403,msg:'over the threshold'"
SecResponseBodyMimeType application/json
SecRule RESPONSE_BODY "@contains leaky" "id:1002,phase:4,deny,status:502,msg:'a leak'"
"#;

/// The same, which knows another word.
fn rules_that_know(word: &str) -> String {
    RULES.replace("wicked", word)
}

#[test]
fn a_rule_set_inspects_where_it_is_named_and_is_swapped_in_whole() {
    let read_open = "action = \"ReadOpen\"\nresource = { type = \"Sound\", id = \"{name}\" }\n";
    let routes = include_str!("../policies/echo/routes.toml");
    assert!(routes.contains(read_open));
    let routes = routes.replace(read_open, &format!("{read_open}inspection = {{ responses = true }}\n"));
    let world = World::start(&WorldOptions {
        config: "[policies]\nreload_interval_ms = 100\n[inspection]\nrules = \"words\"\nshadow = \"next\"\nshadow_percent = 100\n\
                 [inspection.tenants.globex]\nthreshold = 100\n",
        files: vec![
            ("policies/waf/words/main.conf", RULES.to_owned()),
            ("policies/waf/next/main.conf", rules_that_know("other")),
            ("policies/echo/routes.toml", routes),
        ],
        ..WorldOptions::default()
    })
    .unwrap();
    let clerk = world.sign_in("clerk", "acme");
    assert_allowed(&world, &world.post(&clerk, "/echo/a", r#"{"id": "1' UNION SELECT password FROM users--"}"#));

    let wicked = world.post(&clerk, "/echo/a", r#"{"text": "so wicked"}"#);
    let found = assert_refused(&world, &wicked, Stage::Inspect, RefusalCode::AttackDetected).inspection.unwrap();
    assert_eq!((found.score, found.rules.iter().map(|id| &**id).collect::<Vec<_>>()), (5, vec!["1001", "1900"]));
    assert_eq!(found.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["attack-word"]);
    let place = &found.places[0];
    assert_eq!((&*place.rule, &*place.variable, place.offset), ("1001", "ARGS:json.text", Some(3)));
    assert_allowed(&world, &world.post(&world.sign_in("clerk", "globex"), "/echo/a", r#"{"text": "so wicked"}"#));
    assert_allowed(&world, &world.post(&clerk, "/echo/a", r#"{"password": "so wicked"}"#));

    let malformed = world.post(&clerk, "/echo/a", r#"{"text": "good", }"#);
    let decision = assert_refused(&world, &malformed, Stage::Inspect, RefusalCode::BodyMalformed);
    assert_eq!(decision.inspection.unwrap().limit.as_deref(), Some("waf_body_malformed"));
    let deep = "[".repeat(600) + &"]".repeat(600);
    assert_refused(&world, &world.post(&clerk, "/echo/a", &deep), Stage::Inspect, RefusalCode::InspectionLimit);

    // For Cedar to decide on; and beside the proxy's threads, before any of it reaches the service.
    let scored = world.post(&clerk, "/echo/scored/a", r#"{"text": "wicked"}"#);
    assert_refused(&world, &scored, Stage::Authorize, RefusalCode::Forbidden);
    let long = format!(r#"{{"a": "{}", "text": "wicked"}}"#, "x".repeat(20_000));
    let decision =
        assert_refused(&world, &world.post(&clerk, "/echo/a", &long), Stage::Inspect, RefusalCode::AttackDetected);
    assert_eq!(decision.inspection.unwrap().score, 5);
    let held = format!(r#"{{"a": "{}", "text": "wicked"}}"#, "x".repeat(100_000));
    let held = world.post(&clerk, "/echo/held/a", &held);
    assert_eq!((held.status, held.code()), (403, "attack_detected".to_owned()), "{held:?}");
    let outcome = world.outcome(&world.decision(&held)).unwrap();
    assert_eq!(outcome.inspection.unwrap().places[0].variable, "ARGS:json.text", "found after the decision");

    // Answers, on the one route that asks for it.
    let in_part = [("Accept-Encoding", "gzip"), ("Range", "bytes=0-1")];
    let whole = world.ask("acme", "GET", "/echo/open/a", &in_part, b"");
    assert_allowed(&world, &whole);
    let asked = whole.json()["headers"].to_string().to_ascii_lowercase();
    assert!(!asked.contains("\"range\"") && asked.contains(r#"["accept-encoding","identity"]"#), "{asked}");
    // Its head may have gone before its body was there: then it is cut, else refused.
    let mut leaky = Connection::open(world.address()).unwrap();
    let host = world.host("acme");
    leaky.send(format!("GET /echo/open/leaky HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let told = leaky.answer("GET").map(|answer| answer.text()).unwrap_or_default();
    assert!(!told.contains("leaky"), "{told}");
    let is_withheld = |body: &EventBody| matches!(body, EventBody::Amendment(amendment) if amendment.code == RefusalCode::ResponseWithheld);
    let amended = || world.events().iter().any(|event| is_withheld(&event.body)).then_some(());
    eventually(Duration::from_secs(20), "the amendment", amended).unwrap();
    assert_eq!(world.get(&clerk, "/echo/leaky").status, 200);

    let counted = |metric: &str| {
        let text = world.admin("/metrics").unwrap().text();
        let value = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok());
        value.unwrap_or_default()
    };
    let patience = Duration::from_secs(20);
    let looser = || (counted("cedargate_waf_shadow_total{outcome=\"looser\"}") > 0.0).then_some(());
    eventually(patience, "what the shadow says", looser).unwrap();

    let main = world.path("policies/waf/words/main.conf");
    std::fs::write(&main, rules_that_know("naughty")).unwrap();
    let naughty =
        || Some(world.post(&clerk, "/echo/a", r#"{"text": "naughty"}"#)).filter(|answer| answer.status == 403);
    assert_refused(
        &world,
        &eventually(patience, "the new rules", naughty).unwrap(),
        Stage::Inspect,
        RefusalCode::AttackDetected,
    );
    assert_allowed(&world, &world.post(&clerk, "/echo/a", r#"{"text": "so wicked"}"#));

    std::fs::write(&main, format!("{}\nSecRule ARGS \"@rx (\" \"id:7\"", rules_that_know("wicked"))).unwrap();
    let failed = || (counted("cedargate_waf_reloads_total{result=\"failed\"}") > 0.0).then_some(());
    eventually(patience, "the news of a mistake", failed).unwrap();
    let (line, _) = world.log_line("a rule set has mistakes").unwrap();
    assert!(line.contains("main.conf:7: rule 7"), "{line}");
    let naughty = world.post(&clerk, "/echo/a", r#"{"text": "naughty"}"#);
    assert_refused(&world, &naughty, Stage::Inspect, RefusalCode::AttackDetected);

    // A file that was cut short has no mistake, and finds nothing.
    let before = counted("cedargate_waf_reloads_total{result=\"failed\"}");
    std::fs::write(&main, "").unwrap();
    let failed = || (counted("cedargate_waf_reloads_total{result=\"failed\"}") > before).then_some(());
    eventually(patience, "the news of an empty file", failed).unwrap();
    let naughty = world.post(&clerk, "/echo/a", r#"{"text": "naughty"}"#);
    assert_refused(&world, &naughty, Stage::Inspect, RefusalCode::AttackDetected);

    let proposed = world.cedargate(&["waf", "exclude", "--tenant", "acme", "--route", "echo.Write"]).unwrap();
    assert!(proposed.contains("ctl:ruleRemoveTargetById=1001;ARGS:json.text"), "{proposed}");
    assert!(!proposed.contains("globex") && !proposed.contains("so wicked"), "{proposed}");
    std::fs::write(&main, format!("{proposed}\n{}", rules_that_know("wicked"))).unwrap();
    let excluded =
        || Some(world.post(&clerk, "/echo/a", r#"{"text": "wicked naughty"}"#)).filter(|answer| answer.status == 200);
    eventually(patience, "the exclusion", excluded).unwrap();
    let elsewhere = world.post(&clerk, "/echo/a", r#"{"title": "wicked"}"#);
    assert_refused(&world, &elsewhere, Stage::Inspect, RefusalCode::AttackDetected);
}

#[test]
fn authorize_names_its_policies_and_ends_what_nobody_permits() {
    let world = World::shared();
    let (viewer, clerk) = (world.sign_in("viewer", "acme"), world.sign_in("clerk", "acme"));
    let allowed = assert_allowed(&world, &world.post(&clerk, "/echo/a", "{}"));
    let policies: Vec<_> = allowed.determined_by.iter().map(|id| id.as_str()).collect();
    assert_eq!(policies, ["echo/matrix/clerk/Write"]);
    assert!(allowed.snapshot.is_some());

    let denied = world.post(&viewer, "/echo/a", "{}");
    let decision = assert_refused(&world, &denied, Stage::Authorize, RefusalCode::Forbidden);
    assert_eq!(denied.json()["decision"], decision.decision.to_string());
}

#[test]
fn an_anonymous_program_gets_a_challenge_and_a_browser_the_sign_in_page() {
    let world = World::shared();
    let program = world.ask("acme", "GET", "/echo/a", &[], b"");
    assert_refused(&world, &program, Stage::Authorize, RefusalCode::SigninRequired);
    assert!(program.header("www-authenticate").is_some());

    let browser = [("Accept", "text/html,application/xhtml+xml;q=0.9"), ("Sec-Fetch-Mode", "navigate")];
    let browser = world.ask("acme", "GET", "/echo/a?page=2", &browser, b"");
    assert_eq!(browser.status, 303, "{browser:?}");
    let location = browser.header("location").unwrap();
    assert_eq!(location, "/auth/login?return_to=/echo/a%3Fpage%3D2");
}

#[test]
fn a_stronger_sign_in_is_asked_for_where_it_would_be_permitted() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let answer = world.get(&clerk, "/echo/strong/a");
    assert_refused(&world, &answer, Stage::Authorize, RefusalCode::StepUpRequired);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    let manager = world.sign_in("manager", "acme");
    let never = world.get(&manager, "/echo/strong/a");
    assert_refused(&world, &never, Stage::Authorize, RefusalCode::Forbidden);
}

#[test]
fn record_refuses_what_it_cannot_write_and_recovers() {
    let world = World::start(&WorldOptions {
        config: "[audit]\nsegment_bytes = 65536\nhead_interval_ms = 100",
        ..WorldOptions::default()
    })
    .unwrap();
    assert_allowed(&world, &world.ask("acme", "GET", "/echo/open/a", &[], b""));

    // The disk goes away under the log: the open segment still takes entries, the next one cannot be made.
    let (there, away) = (world.audit(), world.path("away"));
    std::fs::rename(&there, &away).unwrap();
    std::fs::write(&there, b"not a directory").unwrap();
    let refused = (0..2_000)
        .map(|_| world.ask("acme", "GET", "/echo/open/a", &[], b""))
        .find(|answer| answer.status != 200)
        .expect("a log that cannot be written must refuse");
    assert_eq!((refused.status, refused.code()), (503, "record_unavailable".to_owned()));
    assert_eq!(world.admin("/readyz").unwrap().status, 503);
    let said = world.cedargate(&["health", "--ready"]).unwrap_err().to_string();
    assert!(said.contains("FAILED  spool"), "{said}");

    std::fs::remove_file(&there).unwrap();
    std::fs::rename(&away, &there).unwrap();
    let recovered = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        world.ask("acme", "GET", "/echo/open/a", &[], b"").status == 200
    });
    assert!(recovered, "{}", world.logs());
    world.cedargate(&["audit", "verify", &there.display().to_string()]).unwrap();
}

#[test]
fn forward_reaches_a_service_and_ends_when_it_does_not_answer() {
    let world = World::start(&WorldOptions::default()).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    let answer = world.get(&clerk, "/echo/a");
    let outcome = world.outcome(&assert_allowed(&world, &answer)).unwrap();
    assert_eq!((outcome.status, outcome.end), (Some(200), OutcomeEnd::Complete));

    for (target, code) in
        [("/echo/silent", RefusalCode::UpstreamFailed), ("/echo/slow?ms=10000", RefusalCode::UpstreamTimeout)]
    {
        let broken = world.get(&clerk, target);
        assert_eq!((broken.status, broken.code()), (code.status(), code.as_str().to_owned()), "{broken:?}");
        let decision = world.decision(&broken);
        assert_eq!(decision.verdict, Verdict::Allow, "it was allowed, then overtaken");
        assert!(world.amendments(&decision).iter().any(|amendment| amendment.code == code));
    }

    world.stop_echo().unwrap();
    let gone = world.get(&clerk, "/echo/a");
    assert!(matches!(gone.status, 502 | 503), "{gone:?}");
    let cut = world.decision(&gone);
    assert_eq!(world.amendments(&cut).len(), 1);
}

#[test]
fn a_service_that_breaks_off_is_an_outcome_and_never_looks_whole() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let mut connection = Connection::open(world.address()).unwrap();
    let request = format!("GET /echo/cut HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", clerk.host, clerk.cookie);
    connection.send(request.as_bytes()).unwrap();
    assert_eq!(connection.answer("GET").unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn respond_keeps_what_is_stricter_and_drops_what_is_not_the_services_to_say() {
    let world = World::shared();
    let clerk = world.sign_in("clerk", "acme");
    let plain = world.get(&clerk, "/echo/a");
    assert_allowed(&world, &plain);
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "SAMEORIGIN")] {
        assert_eq!(plain.header(name), Some(value), "{plain:?}");
    }
    assert!(plain.header("content-security-policy").is_some());
    assert!(plain.header("referrer-policy").is_some());

    let hostile = world.get(&clerk, "/echo/hostile");
    assert_allowed(&world, &hostile);
    assert_eq!(hostile.header("content-security-policy"), Some("default-src 'self' https://own.example"));
    assert_eq!(hostile.all("set-cookie").collect::<Vec<_>>(), ["echo=own; Path=/"]);
    assert!(!hostile.headers.iter().any(|(_, value)| value.contains("planted")), "{hostile:?}");
}

#[test]
fn a_refusal_tells_nothing_of_the_inside() {
    let world = World::shared();
    let page = world.ask("acme", "GET", "/nowhere", &[("Accept", "text/html")], b"");
    assert_eq!(page.status, 404);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("route_unknown"), "{page:?}");
    for inside in ["echo.sock", "Pingora", "pingora", "matrix", "policy", "rust"] {
        assert!(!page.text().contains(inside), "{inside}");
    }
    assert_eq!(page.header("server"), None);
}

/// The whole way of an invitation: an operator's command, a mail as a file, a page, an account. The token that is in the mail stands nowhere
/// else: not in the record, and in no log.
#[test]
fn whoever_is_invited_comes_in_and_the_links_token_is_written_down_nowhere() {
    let world = World::shared();
    let invite = ["user", "invite", "--tenant", "acme", "invited@acme.example", "--role", "viewer"];
    world.cedargate(&invite).unwrap();
    let mailed = || {
        let entries = std::fs::read_dir(world.path("state/outbox")).ok()?;
        let mails = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        mails.into_iter().find(|mail| mail.contains("To: invited@acme.example"))
    };
    let mail = eventually(Duration::from_secs(60), "the invitation's mail", mailed).unwrap();
    let mail = mail.replace("=\r\n", "");
    let token = mail.split_once("/auth/invitation?token").unwrap().1.trim_start_matches("=3D").trim_start_matches('=');
    let token: String = token.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(token.len(), 64, "{mail}");

    let page = world.ask("acme", "GET", &format!("/auth/invitation?token={token}"), &[("Accept", "text/html")], b"");
    assert_allowed(&world, &page);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let body = format!(r#"{{"token": "{token}", "password": "{}"}}"#, world.password());
    let json = [("Content-Type", "application/json")];
    let taken = world.ask("acme", "POST", "/auth/invitation", &json, body.as_bytes());
    assert_eq!(taken.status, 204, "{taken:?}");
    let again = world.ask("acme", "POST", "/auth/invitation", &json, body.as_bytes());
    assert_eq!((again.status, again.code()), (410, "link_refused".to_owned()));
    let invited = world.sign_in("invited", "acme");
    assert_eq!(world.get(&invited, "/").status, 200);

    let recorded = |body: &EventBody| matches!(body, EventBody::Admission(done) if done.act == AdmissionAct::Used);
    let events = world.events();
    assert!(events.iter().any(|event| recorded(&event.body)));
    let written = events.iter().map(|event| format!("{event:?}")).collect::<String>() + &world.logs();
    assert!(!written.contains(&token), "the token was written down");
}
