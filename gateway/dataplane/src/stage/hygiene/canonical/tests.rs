use http::HeaderValue;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const FRESH: RequestId = RequestId(Uuid::from_u128(1));
const V7: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("acme.localhost"));
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn from(peer: &str, method: &str, target: &str, headers: &HeaderMap) -> Result<Canonical, RefusalCode> {
    let peer = Peer { address: peer.parse().unwrap(), scheme: Scheme::Http };
    let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()]).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    canonicalise(&method, target.as_bytes(), headers, &peer, &trusted, FRESH).map_err(|refusal| refusal.code)
}

/// From a stranger.
fn plain(method: &str, target: &str, fields: &[(&'static str, &str)]) -> Result<Canonical, RefusalCode> {
    from("192.0.2.1", method, target, &headers(fields))
}

/// From a trusted proxy.
fn proxied(fields: &[(&'static str, &str)]) -> Result<Canonical, RefusalCode> {
    from("10.0.0.1", "GET", "/", &headers(fields))
}

#[test]
fn what_the_raw_screen_refuses_is_refused_of_a_parsed_request_too() {
    for (fields, code) in [
        (&[("content-length", "5"), ("transfer-encoding", "chunked")][..], RefusalCode::FramingAmbiguous),
        (&[("content-length", "5"), ("content-length", "5")], RefusalCode::FramingAmbiguous),
        (&[("content-length", "5, 5")], RefusalCode::FramingAmbiguous),
        (&[("transfer-encoding", "identity, chunked")], RefusalCode::FramingAmbiguous),
        (&[("host", "acme.localhost")], RefusalCode::HostInvalid),
        (&[("upgrade", "websocket")], RefusalCode::UpgradeInvalid),
        (&[("connection", "upgrade")], RefusalCode::UpgradeInvalid),
        (&[("connection", "cookie")], RefusalCode::HeaderInvalid),
        (&[("content_type", "a/b")], RefusalCode::HeaderInvalid),
        (&[("origin", "http://a"), ("origin", "http://b")], RefusalCode::HeaderInvalid),
    ] {
        assert_eq!(plain("POST", "/", fields), Err(code), "{fields:?}");
    }
    assert_eq!(from("192.0.2.1", "GET", "/", &HeaderMap::new()), Err(RefusalCode::HostInvalid));
}

#[test]
fn a_body_with_a_method_that_has_none_is_refused() {
    for method in ["GET", "HEAD"] {
        for field in [("content-length", "5"), ("transfer-encoding", "chunked")] {
            assert_eq!(plain(method, "/", &[field]), Err(RefusalCode::FramingAmbiguous), "{method} {field:?}");
        }
        assert!(plain(method, "/", &[("content-length", "0")]).is_ok());
    }
    assert!(plain("DELETE", "/", &[("content-length", "5")]).is_ok());
}

#[test]
fn methods_that_no_route_can_have_are_refused() {
    for method in ["CONNECT", "TRACE", "get", "Get", "GET1", "M-SEARCH", &"A".repeat(33)] {
        assert_eq!(plain(method, "/", &[]), Err(RefusalCode::MethodInvalid), "{method}");
    }
    assert!(plain("PROPFIND", "/", &[]).is_ok());
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_refused() {
    for target in [
        "/a/../b",
        "/a/%2e%2E/b",
        "//a",
        "/a//b",
        "/a\\b",
        "/a%5cb",
        "/a%2Fb",
        "/%00",
        "/%zz",
        "/a/./b",
        "/a/..;/b",
        "/%ff",
        "*",
        "a",
        "/a#b",
        "/a?b#c",
        "http://acme.localhost/../x",
    ] {
        assert_eq!(plain("GET", target, &[]), Err(RefusalCode::PathInvalid), "{target}");
    }
    assert_eq!(plain("GET", "http://globex.localhost/", &[]), Err(RefusalCode::HostInvalid));
}

#[test]
fn a_request_has_one_canonical_form() {
    let canonical = plain("GET", "/inventory/%69tems/caf%c3%a9?q=100%&r=%2e", &[]).unwrap();
    assert_eq!(canonical.target(), "/inventory/items/caf%C3%A9?q=100%&r=%2e");
    assert_eq!(canonical.host.to_string(), "acme.localhost");
    assert_eq!((canonical.request, canonical.scheme), (FRESH, Scheme::Http));
    assert_eq!(plain("GET", "http://acme.localhost/x", &[]).unwrap().target(), "/x");
}

#[test]
fn http_2_has_its_host_in_the_target() {
    let canonical = from("192.0.2.1", "GET", "https://acme.localhost/a?b", &HeaderMap::new()).unwrap();
    assert_eq!((canonical.host.to_string(), canonical.target()), ("acme.localhost".into(), "/a?b".into()));
}

#[test]
fn a_stranger_cannot_say_who_it_is() {
    let canonical = plain(
        "GET",
        "/",
        &[
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=198.51.100.7;proto=https"),
            ("cedargate-request", V7),
            ("x-request-id", V7),
            ("x-real-ip", "198.51.100.7"),
        ],
    );
    let canonical = canonical.unwrap();
    assert_eq!(canonical.client.to_string(), "192.0.2.1");
    assert_eq!((canonical.scheme, canonical.request), (Scheme::Http, FRESH));
    assert!(plain("GET", "/", &[("x-forwarded-for", "rubbish")]).is_ok(), "not read, so not judged");
}

#[test]
fn the_client_is_the_rightmost_address_that_is_no_proxy_of_ours() {
    for (values, client) in [
        (&["198.51.100.7"][..], "198.51.100.7"),
        (&["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (&["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        (&["203.0.113.9", "198.51.100.7", "10.1.1.1, fd00::1"], "198.51.100.7"),
        (&["rubbish, 198.51.100.7"], "198.51.100.7"),
        (&["198.51.100.7:4711"], "198.51.100.7"),
        (&["[2001:db8::1]:4711 , 10.0.0.2"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["::ffff:198.51.100.7"], "198.51.100.7"),
        (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (&[], "10.0.0.1"),
    ] {
        let fields: Vec<_> = values.iter().map(|value| ("x-forwarded-for", *value)).collect();
        assert_eq!(proxied(&fields).unwrap().client.to_string(), client, "{values:?}");
    }
}

#[test]
fn a_trusted_proxy_that_sends_rubbish_is_refused() {
    for (name, value) in [
        ("x-forwarded-for", ""),
        ("x-forwarded-for", "198.51.100.7,"),
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-for", "198.51.100"),
        ("x-forwarded-for", "rubbish, 10.0.0.2"),
        ("x-forwarded-for", "198.51.100.7\u{e9}"),
        ("x-forwarded-proto", ""),
        ("x-forwarded-proto", "wss"),
        ("x-forwarded-proto", "https, http"),
    ] {
        assert_eq!(proxied(&[(name, value)]), Err(RefusalCode::HeaderInvalid), "{name}: {value}");
    }
}

#[test]
fn scheme_and_id_are_taken_from_a_trusted_proxy() {
    let canonical = proxied(&[("x-forwarded-proto", "HTTPS"), ("cedargate-request", V7)]).unwrap();
    assert_eq!((canonical.scheme, canonical.request.to_string()), (Scheme::Https, V7.to_owned()));
    assert_eq!(proxied(&[("x-request-id", V7)]).unwrap().request.to_string(), V7);
    assert_eq!(proxied(&[("x-forwarded-proto", "https, https")]).unwrap().scheme, Scheme::Https);
    for other in ["", "4711", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(proxied(&[("x-request-id", other)]).unwrap().request, FRESH, "{other}");
    }
}

#[test]
fn a_dual_stack_listeners_peer_is_known_by_its_ipv4_address() {
    let canonical = from("::ffff:10.0.0.1", "GET", "/", &headers(&[("x-forwarded-for", "198.51.100.7")])).unwrap();
    assert_eq!(canonical.client.to_string(), "198.51.100.7");
    let canonical = from("::ffff:192.0.2.1", "GET", "/", &headers(&[])).unwrap();
    assert_eq!(canonical.client.to_string(), "192.0.2.1");
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic(
        target: Vec<u8>,
        fields in prop::collection::vec((prop::sample::select(vec![
            "host", "content-length", "transfer-encoding", "connection", "upgrade", "x-forwarded-for",
            "x-forwarded-proto", "x-request-id", "content_length", "expect",
        ]), "[ -~]{0,20}"), 0..6),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = Peer { address: "10.0.0.1".parse().unwrap(), scheme: Scheme::Http };
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        let _ = canonicalise(&Method::GET, &target, &headers, &peer, &trusted, FRESH);
    }

    #[test]
    fn canonical_targets_stay_as_they_are(target in "(/([a-zA-Z0-9.~;=|]|%[0-9a-fA-F]{2}){0,6}){1,4}(\\?[!$-;=?-~]{0,20})?") {
        if let Ok(once) = plain("GET", &target, &[]) {
            let twice = plain("GET", &once.target(), &[]);
            prop_assert_eq!(twice, Ok(once.clone()));
            prop_assert!(http::uri::PathAndQuery::try_from(once.target()).is_ok(), "it can go upstream");
        }
    }
}
