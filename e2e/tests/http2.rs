//! HTTP/2 from clients, frame by frame: every stream walks the whole way, and nothing passes that HTTP/1.1 would not let.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cedargate_e2e::h2::{END_HEADERS, END_STREAM, Ended, Frames, encode, kind};
use cedargate_e2e::http::Connection;
use cedargate_e2e::tls::Authority;
use cedargate_e2e::{World, WorldOptions, eventually};
use rustls::ClientConfig;

const PATIENCE: Duration = Duration::from_secs(20);
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

struct House {
    world: World,
    trusting: Arc<ClientConfig>,
}

type Field<'a> = (&'a [u8], &'a [u8]);

impl House {
    fn new(limits: Option<&'static str>) -> Self {
        let authority = Authority::new("test").unwrap();
        let issued = authority.server(&["acme.localhost", "globex.localhost"]).unwrap();
        let tls = Some((issued.certificate, issued.key));
        let world = World::start(&WorldOptions { tls, limits, ..WorldOptions::default() }).unwrap();
        Self { world, trusting: Arc::new(authority.trusting(&["h2"], None).unwrap()) }
    }

    fn frames(&self) -> Frames {
        Frames::open(self.world.address(), "acme.localhost", Arc::clone(&self.trusting)).unwrap()
    }

    /// The pseudo-headers of a request to acme.
    fn asks<'a>(&'a self, host: &'a str, method: &'a str, path: &'a str) -> Vec<Field<'a>> {
        vec![
            (&b":method"[..], method.as_bytes()),
            (&b":scheme"[..], &b"https"[..]),
            (&b":authority"[..], host.as_bytes()),
            (&b":path"[..], path.as_bytes()),
        ]
    }

    /// The session of acme's clerk, as a `cookie` field has it.
    fn sign_in(&self) -> String {
        let mut config = (*self.trusting).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut connection = Connection::open_tls(self.world.address(), "acme.localhost", Arc::new(config)).unwrap();
        let body = serde_json::json!({ "email": "clerk@acme.example", "password": self.world.password() }).to_string();
        let head = format!("POST /auth/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.world.host("acme"));
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.send(format!("{head}{body}").as_bytes()).unwrap();
        let answer = connection.answer("POST").unwrap();
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    fn refusals(&self) -> f64 {
        let metrics = self.world.admin("/metrics").unwrap().text();
        let counts = metrics.lines().filter_map(|line| line.strip_prefix("cedargate_refusals_total{"));
        counts.filter_map(|line| line.split(' ').nth(1)?.parse::<f64>().ok()).sum()
    }

    fn refused_with(&self, code: &str) -> Option<f64> {
        let line = format!("cedargate_refusals_total{{code=\"{code}\"}} ");
        let metrics = self.world.admin("/metrics").unwrap().text();
        metrics.lines().find_map(|each| each.strip_prefix(&line)?.parse().ok())
    }
}

#[test]
fn every_stream_is_a_request_of_its_own() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut frames = house.frames();
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a?b=c"), true).unwrap();
    let answered = frames.ended(1);
    assert!(answered.is_ok(), "{answered:?}\n{}", house.world.logs());
    assert!(matches!(&answered, Ended::Answered(_, body) if body.contains("/echo/open/a?b=c")), "{answered:?}");
    for (stream, path, code) in [(3, "/nowhere", "route_unknown"), (5, "/echo/a", "signin_required")] {
        frames.head(stream, &house.asks(&host, "GET", path), true).unwrap();
        assert_eq!(frames.ended(stream).code(), code, "{path}");
        assert!(house.world.events().iter().any(|event| format!("{event:?}").contains(path)), "{path} is on record");
    }
}

#[test]
fn a_stream_ends_with_its_session_and_the_connection_goes_on() {
    let house = House::new(None);
    let (host, cookie) = (house.world.host("acme"), house.sign_in());
    let mut frames = house.frames();
    let mut fields = house.asks(&host, "GET", "/echo/stream?chunks=1000&bytes=10&ms=100");
    fields.push((b"cookie", cookie.as_bytes()));
    frames.head(1, &fields, true).unwrap();
    while frames.read().unwrap().kind != kind::DATA {}
    frames.head(3, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(3).is_ok());

    let origin = format!("https://{host}");
    let mut fields = house.asks(&host, "POST", "/auth/logout");
    fields.extend([(&b"cookie"[..], cookie.as_bytes()), (&b"origin"[..], origin.as_bytes())]);
    fields.push((b"content-length", b"0"));
    let mut elsewhere = house.frames();
    elsewhere.head(1, &fields, true).unwrap();
    let signed_out = elsewhere.ended(1);
    assert!(!matches!(signed_out, Ended::Gone(_)), "{signed_out:?}");
    let ended = frames.ended(1);
    assert!(matches!(ended, Ended::Reset(_)), "{ended:?}\n{}", house.world.logs());
    frames.head(5, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(5).is_ok(), "the others go on");
}

#[test]
fn a_shared_connection_is_held_to_its_host() {
    let house = House::new(None);
    let (acme, globex) = (house.world.host("acme"), house.world.host("globex"));
    let mut frames = house.frames();
    for (stream, host, code) in [(1, &acme, ""), (3, &globex, "misdirected_request"), (5, &acme, "")] {
        frames.head(stream, &house.asks(host, "GET", "/echo/open/a"), true).unwrap();
        let ended = frames.ended(stream);
        assert_eq!((ended.code().as_str(), ended.is_ok()), (code, code.is_empty()), "{host}");
    }
}

#[test]
fn cookies_in_pieces_are_one_for_the_session_and_for_the_service() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut frames = house.frames();
    let body = serde_json::json!({ "email": "clerk@acme.example", "password": house.world.password() }).to_string();
    let origin = format!("https://{host}");
    let mut fields = house.asks(&host, "POST", "/auth/login");
    fields.extend([(&b"content-type"[..], &b"application/json"[..]), (&b"origin"[..], origin.as_bytes())]);
    frames.head(1, &fields, false).unwrap();
    frames.send(kind::DATA, END_STREAM, 1, body.as_bytes()).unwrap();
    assert!(frames.ended(1).is_ok());

    // Two session cookies in two pieces are two, and pieces of others come to the service as one field.
    let mut fields = house.asks(&host, "GET", "/echo/open/a");
    fields.extend([(&b"cookie"[..], &b"a=1"[..]), (&b"cookie"[..], &b"b=2"[..])]);
    frames.head(3, &fields, true).unwrap();
    let Ended::Answered(true, echoed) = frames.ended(3) else { unreachable!("no answer\n{}", house.world.logs()) };
    assert!(echoed.contains(r#"["cookie","a=1; b=2"]"#), "{echoed}");
    let mut fields = house.asks(&host, "GET", "/echo/open/a");
    fields.extend([(&b"cookie"[..], &b"__Host-cedargate=a"[..]), (&b"cookie"[..], &b"__Host-cedargate=b"[..])]);
    frames.head(5, &fields, true).unwrap();
    assert_eq!(frames.ended(5).code(), "cookie_ambiguous");
}

#[test]
fn malformed_streams_reach_nobody_and_are_counted() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let plain = house.asks(&host, "GET", "/echo/open/smuggled");
    let with = |name: &'static [u8], value: &'static [u8]| {
        let mut fields = plain.clone();
        fields.push((name, value));
        fields
    };
    let without = |name: &[u8]| plain.iter().copied().filter(|(each, _)| *each != name).collect::<Vec<_>>();
    let cases: Vec<(&str, Vec<Field<'_>>)> = vec![
        ("CR LF in a value", with(b"x", b"a\r\nHost: b")),
        ("LF in a value", with(b"x", b"a\nb")),
        ("NUL in a value", with(b"x", b"a\0b")),
        ("CR LF in a name", with(b"x\r\ny", b"a")),
        ("a colon in a name", with(b"x:y", b"a")),
        ("a space in a name", with(b"x y", b"a")),
        ("an upper-case name", with(b"X-Y", b"a")),
        ("an empty name", with(b"", b"a")),
        ("connection", with(b"connection", b"close")),
        ("transfer-encoding", with(b"transfer-encoding", b"chunked")),
        ("upgrade", with(b"upgrade", b"websocket")),
        ("te", with(b"te", b"gzip")),
        ("another host", with(b"host", b"globex.localhost")),
        ("a pseudo-header behind fields", with(b":path", b"/echo/open/b")),
        ("an unknown pseudo-header", with(b":x", b"y")),
        ("a status", with(b":status", b"200")),
        ("an extended CONNECT", with(b":protocol", b"websocket")),
        ("content-length that is none", with(b"content-length", b"+1")),
        ("two content-lengths", with(b"content-length", b"0, 0")),
        ("a known name with an underscore", with(b"content_length", b"0")),
        ("no method", without(b":method")),
        ("no scheme", without(b":scheme")),
        ("no path", without(b":path")),
        ("no authority", without(b":authority")),
        ("CONNECT", house.asks(&host, "CONNECT", "/echo/open/smuggled")),
        ("TRACE", house.asks(&host, "TRACE", "/echo/open/smuggled")),
        ("a space in the method", house.asks(&host, "GET /x HTTP/1.1\r\nx:", "/echo/open/smuggled")),
        ("CR LF in the path", house.asks(&host, "GET", "/echo/open/smuggled HTTP/1.1\r\nx: y")),
        ("a space in the path", house.asks(&host, "GET", "/echo/open/smuggled x")),
        ("an absolute path", house.asks(&host, "GET", "https://globex.localhost/echo/open/smuggled")),
        ("an asterisk", house.asks(&host, "OPTIONS", "*")),
        ("an empty path", house.asks(&host, "GET", "")),
        ("user information", house.asks("u@acme.localhost", "GET", "/echo/open/smuggled")),
        ("two hosts", house.asks("acme.localhost, globex.localhost", "GET", "/echo/open/smuggled")),
    ];
    for (name, fields) in &cases {
        let before = house.refusals();
        let mut frames = house.frames();
        frames.head(1, fields, true).unwrap();
        let ended = frames.ended(1);
        assert!(!ended.is_ok(), "{name}: {ended:?}");
        let counted = || (house.refusals() > before).then_some(());
        eventually(PATIENCE, "a refusal that is counted", counted).unwrap();
    }
    assert!(!house.world.logs().contains("\"forwarded\""), "{}", house.world.logs());
    let mut frames = house.frames();
    let mut fields = house.asks(&host, "POST", "/auth/login");
    fields.push((b"content-length", b"5"));
    frames.head(1, &fields, false).unwrap();
    frames.send(kind::DATA, END_STREAM, 1, b"123456").unwrap();
    assert!(!frames.ended(1).is_ok(), "DATA and content-length must agree");
    let mut frames = house.frames();
    frames.head(1, &house.asks(&host, "GET", "/echo/open/smuggled"), false).unwrap();
    assert_eq!(frames.ended(1).code(), "framing_ambiguous", "GET has no body");
}

#[test]
fn floods_end_the_connection_and_are_recorded() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let head = encode(&house.asks(&host, "GET", "/echo/open/a"));
    type Flood<'a> = Box<dyn Fn(&mut Frames, u32) -> std::io::Result<()> + 'a>;
    let floods: Vec<(&str, Flood<'_>)> = vec![
        ("PING", Box::new(|frames, _| frames.send(kind::PING, 0, 0, &[0; 8]))),
        ("SETTINGS", Box::new(|frames, _| frames.send(kind::SETTINGS, 0, 0, b""))),
        (
            "rapid reset",
            Box::new(|frames, n| {
                frames.send(kind::HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &head)?;
                frames.send(kind::RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes())
            }),
        ),
        (
            "CONTINUATION",
            Box::new(|frames, n| match n {
                0 => frames.send(kind::HEADERS, END_STREAM, 1, &head),
                _ => frames.send(kind::CONTINUATION, 0, 1, b""),
            }),
        ),
        (
            "empty DATA",
            Box::new(|frames, n| match n {
                0 => frames.send(kind::HEADERS, END_HEADERS, 1, &encode(&house.asks(&host, "POST", "/echo/a"))),
                _ => frames.send(kind::DATA, 0, 1, b""),
            }),
        ),
    ];
    for (name, flood) in &floods {
        let before = house.refusals();
        let mut frames = house.frames();
        for n in 0..20_000 {
            if flood(&mut frames, n).is_err() {
                break;
            }
        }
        let ended = frames.ended(u32::MAX);
        assert!(matches!(ended, Ended::Gone(Some(ENHANCE_YOUR_CALM) | None)), "{name}: {ended:?}");
        let counted = || (house.refusals() > before).then_some(());
        eventually(PATIENCE, "a flood that is counted", counted).unwrap();
    }
    assert!(house.refused_with("connection_abused").unwrap() >= 3.0);
    let mut frames = house.frames();
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(1).is_ok(), "others are served on");
}

#[test]
fn heads_that_the_walk_refuses_end_the_connection() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut frames = house.frames();
    let ended = (0..100).map(|n| {
        frames.head(2 * n + 1, &house.asks(&host, "GET", "/a/%2e%2e/b"), true).ok()?;
        match frames.ended(2 * n + 1) {
            Ended::Answered(false, _) => None,
            ended => Some(ended),
        }
    });
    let ended: Vec<_> = ended.collect();
    let answered = ended.iter().take_while(|ended| ended.is_none()).count();
    assert!((32..70).contains(&answered), "{answered} were answered: {ended:?}");
}

#[test]
fn who_was_told_to_go_and_goes_on_is_refused() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut frames = house.frames();
    frames.head(1, &house.asks(&host, "POST", "/echo/open/a"), false).unwrap();
    for n in 1..=33 {
        frames.head(2 * n + 1, &house.asks(&host, "GET", "/a/%2e%2e/b"), true).unwrap();
    }
    // PING is never answered, so that the library goes on taking streams.
    let mut last = 67;
    let reset = || {
        last += 2;
        frames.head(last, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
        loop {
            let frame = frames.read().unwrap();
            match frame.kind {
                kind::RST_STREAM if frame.stream == last => return Some(frame.payload),
                kind::DATA if frame.stream == last && frame.flags & END_STREAM != 0 => return None,
                _ => {}
            }
        }
    };
    assert_eq!(eventually(PATIENCE, "a stream that is refused", reset).unwrap(), REFUSED_STREAM.to_be_bytes());
}

#[test]
fn heads_that_trickle_and_connections_that_rest_are_ended() {
    let house = House::new(Some("head_timeout_ms = 300\nidle_timeout_ms = 300"));
    let host = house.world.host("acme");
    let mut frames = house.frames();
    // Settings are agreed on first: nothing may stand between the frames of a head.
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(1).is_ok());
    frames.send(kind::HEADERS, END_STREAM, 3, &encode(&house.asks(&host, "GET", "/echo/open/a"))).unwrap();
    assert!(matches!(frames.ended(3), Ended::Gone(_)));
    assert_eq!(house.refused_with("head_timeout"), Some(1.0));
    let mut frames = house.frames();
    assert_eq!(frames.ended(1), Ended::Gone(Some(0)), "nothing was asked");
    let mut frames = house.frames();
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(1).is_ok());
    assert_eq!(frames.ended(3), Ended::Gone(Some(0)), "nothing more was asked");
}

#[test]
fn an_attack_in_a_body_is_found_before_the_service_gets_it() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut frames = house.frames();
    let mut fields = house.asks(&host, "POST", "/echo/a");
    fields.push((b"content-type", b"application/x-www-form-urlencoded"));
    frames.head(1, &fields, false).unwrap();
    frames.send(kind::DATA, 0, 1, b"q=1%27%20UNION%20SELECT").unwrap();
    frames.send(kind::DATA, END_STREAM, 1, b"%20password%20FROM%20users--").unwrap();
    assert_eq!(frames.ended(1).code(), "attack_detected");
}

#[test]
fn without_tls_http_2_is_refused() {
    let world = World::shared();
    let mut frames = Frames::begin(Connection::open(world.address()).unwrap()).unwrap();
    assert!(matches!(frames.ended(1), Ended::Gone(None)));
}

#[test]
fn an_address_has_so_many_connections() {
    let house = House::new(Some("address_connections_max = 3"));
    let host = house.world.host("acme");
    let mut open: Vec<_> = (0..3).map(|_| house.frames()).collect();
    for frames in &mut open {
        frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
        assert!(frames.ended(1).is_ok());
    }
    let counted = || {
        let metrics = house.world.admin("/metrics").unwrap().text();
        let count = metrics.lines().find_map(|line| line.strip_prefix("connections_over_address_limit_total "));
        count.unwrap().parse::<u32>().unwrap()
    };
    // Those that look whether the gateway has come up may be too many already.
    let before = counted();
    let refused = Frames::open(house.world.address(), "acme.localhost", Arc::clone(&house.trusting));
    assert!(refused.is_err() || matches!(refused.unwrap().ended(1), Ended::Gone(None)));
    assert_eq!(counted(), before + 1);
    open.clear();
    let served = || {
        let mut frames = Frames::open(house.world.address(), "acme.localhost", Arc::clone(&house.trusting)).ok()?;
        frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).ok()?;
        frames.ended(1).is_ok().then_some(())
    };
    eventually(PATIENCE, "a place that is free again", served).unwrap();
}

#[test]
fn a_stream_over_the_bound_is_refused_and_the_others_go_on() {
    let house = House::new(Some("streams_max = 4"));
    let host = house.world.host("acme");
    let mut frames = house.frames();
    // Settings are agreed on first: the bound holds from then on.
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(1).is_ok());
    for stream in [3, 5, 7, 9, 11] {
        frames.head(stream, &house.asks(&host, "POST", "/echo/a"), false).unwrap();
    }
    assert_eq!(frames.ended(11), Ended::Reset(REFUSED_STREAM), "four are under way");
    frames.send(kind::DATA, END_STREAM, 9, b"{}").unwrap();
    assert_eq!(frames.ended(9).code(), "signin_required");
    frames.head(13, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(13).is_ok(), "there is room again");
}

#[test]
fn a_large_body_is_held_back_and_inspected_while_it_passes() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let cookie = house.sign_in();
    let mut frames = house.frames();
    // Settings are agreed on first: only then is the window as large as this takes.
    frames.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    assert!(frames.ended(1).is_ok());
    let length = 100_000.to_string();
    let mut send = |stream: u32, body: &[u8]| {
        let mut fields = house.asks(&host, "POST", "/echo/held/a");
        fields.extend([
            (&b"content-type"[..], &b"application/x-www-form-urlencoded"[..]),
            (b"cookie", cookie.as_bytes()),
        ]);
        fields.push((b"content-length", length.as_bytes()));
        frames.head(stream, &fields, false).unwrap();
        for piece in body.chunks(10_000) {
            frames.send(kind::DATA, 0, stream, piece).unwrap();
        }
        frames.send(kind::DATA, END_STREAM, stream, b"").unwrap();
        frames.ended(stream)
    };
    let harmless = send(3, &[b'a'; 100_000]);
    assert!(harmless.is_ok(), "{harmless:?}\n{}", house.world.logs());
    let mut attack = vec![b'a'; 100_000];
    let text = b"&q=1'+UNION+SELECT+password+FROM+users--&";
    attack[60_000..60_000 + text.len()].copy_from_slice(text);
    assert_eq!(send(5, &attack).code(), "attack_detected");
    assert!(!house.world.logs().contains("UNION"), "the service has seen nothing of it");
}

#[test]
fn a_client_that_gives_no_window_holds_up_nobody_else() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let mut stalled = house.frames();
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent on any stream.
    stalled.send(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).unwrap();
    stalled.head(1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
    let head = loop {
        let frame = stalled.read().unwrap();
        if frame.kind == kind::HEADERS {
            break frame;
        }
    };
    assert_eq!(head.stream, 1);
    let mut frames = house.frames();
    for n in 0..5 {
        frames.head(2 * n + 1, &house.asks(&host, "GET", "/echo/open/a"), true).unwrap();
        assert!(frames.ended(2 * n + 1).is_ok());
    }
    stalled.send(kind::WINDOW_UPDATE, 0, 1, &100_000_u32.to_be_bytes()).unwrap();
    assert!(matches!(stalled.ended(1), Ended::Answered(_, body) if body.contains("/echo/open/a")));
}

#[test]
fn with_prior_knowledge_http_2_needs_no_tls_where_a_listener_says_so() {
    let listener = cedargate_e2e::free_address().unwrap();
    let config = format!("[[listen.listener]]\naddress = \"{listener}\"\nhttp2_prior_knowledge = true\n");
    let world = World::start(&WorldOptions { listen_more: config, ..WorldOptions::default() }).unwrap();
    let host = world.host("acme");
    let fields: Vec<Field<'_>> = vec![
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", host.as_bytes()),
        (b":path", b"/echo/open/a"),
    ];
    let mut frames = Frames::begin(Connection::open(listener).unwrap()).unwrap();
    frames.head(1, &fields, true).unwrap();
    assert!(frames.ended(1).is_ok(), "{}", world.logs());
    // HTTP/1.1 on the same listener, also where it begins alike.
    for (method, status) in [("GET", 200), ("PUT", 405)] {
        let head = format!("{method} /echo/open/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(cedargate_e2e::http::exchange(listener, method, head.as_bytes()).unwrap().status, status);
    }
    let mut frames = Frames::begin(Connection::open(world.address()).unwrap()).unwrap();
    assert!(matches!(frames.ended(1), Ended::Gone(None)), "another listener does not say so");
}

#[test]
fn at_shutdown_clients_are_told_and_what_is_under_way_is_finished() {
    let house = House::new(None);
    let host = house.world.host("acme");
    let cookie = house.sign_in();
    let mut frames = house.frames();
    let mut fields = house.asks(&host, "POST", "/echo/large/a");
    fields.extend([(&b"content-type"[..], &b"text/plain"[..]), (b"cookie", cookie.as_bytes())]);
    frames.head(1, &fields, false).unwrap();
    frames.send(kind::DATA, 0, 1, b"begun, ").unwrap();
    frames.send(kind::PING, 0, 0, &[7; 8]).unwrap();
    // Once this is answered, the stream has been taken.
    while frames.read().unwrap().kind != kind::PING {}
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(house.world.gateway_id()).unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let goaway = loop {
        let frame = frames.read().unwrap();
        if frame.kind == kind::GOAWAY {
            break frame;
        }
    };
    assert_eq!(goaway.payload.get(4..8), Some(&[0; 4][..]), "no error");
    frames.send(kind::DATA, END_STREAM, 1, b"and ended").unwrap();
    let ended = frames.ended(1);
    assert!(ended.is_ok(), "{ended:?}\n{}", house.world.logs());
    assert!(house.world.wait_for_gateway(PATIENCE).unwrap().success());
}
