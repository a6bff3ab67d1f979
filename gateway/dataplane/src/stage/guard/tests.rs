use std::net::IpAddr;

use cedargate_model::{NormalizedPath, RequestId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const OWN: &str = "http://acme.localhost:8080";
const APP: &str = "https://app.example.com";

fn canonical(method: &str) -> Canonical {
    Canonical {
        request: RequestId(Uuid::nil()),
        method: method.parse().unwrap(),
        scheme: Scheme::Http,
        host: Host::parse("acme.localhost:8080").unwrap(),
        path: NormalizedPath::parse("/inventory/items").unwrap(),
        query: None,
        client: IpAddr::from([127, 0, 0, 1]),
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).fold(
        HeaderMap::new(),
        |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        },
    )
}

/// Asks with a route that allows no other origin.
fn asks(method: &str, fields: &[(&'static str, &str)]) -> Result<Passage, RefusalCode> {
    asks_with(method, fields, &[], false)
}

fn asks_with(
    method: &str,
    fields: &[(&'static str, &str)],
    origins: &[&str],
    credentials: bool,
) -> Result<Passage, RefusalCode> {
    let origins: Vec<_> = origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect();
    let headers = headers(fields);
    let upgrade = headers.contains_key(header::UPGRADE);
    check(
        &canonical(method),
        upgrade,
        &headers,
        &CorsRule { origins: &origins, credentials, is_shown_unasked: false, any_site: false },
    )
    .map_err(|r| r.code)
}

/// A form of an identity provider's page, with the browser's word for where it comes from.
#[test]
fn any_site_may_post_where_that_is_the_routes_purpose() {
    let rule = CorsRule { origins: &[], credentials: false, is_shown_unasked: false, any_site: true };
    let judge = |method: &str, upgrade, fields: &[(&'static str, &str)]| {
        check(&canonical(method), upgrade, &headers(fields), &rule).map_err(|refusal| refusal.code)
    };
    let theirs = [("origin", APP), ("sec-fetch-site", "cross-site")];
    assert_eq!(judge("POST", false, &theirs), plain());
    assert_eq!(judge("POST", false, &[("origin", "null")]), plain());
    assert_eq!(judge("POST", true, &theirs), refused());
    let preflight = [theirs[0], theirs[1], ("access-control-request-method", "POST")];
    assert_eq!(judge("OPTIONS", false, &preflight), refused());
}

/// The browser adds it as it adds cookies, and a policy may permit whoever shows it, known or not.
#[test]
fn an_allowed_origin_may_not_act_with_a_certificate_that_the_browser_shows() {
    let origins = [Origin::parse(APP).unwrap()];
    let judge = |is_shown_unasked, method: &str| {
        let rule = CorsRule { origins: &origins, credentials: false, is_shown_unasked, any_site: false };
        check(&canonical(method), false, &headers(&[("origin", APP)]), &rule).map_err(|refusal| refusal.code)
    };
    assert!(judge(false, "POST").is_ok());
    assert_eq!(judge(true, "POST"), refused());
    assert!(judge(true, "GET").is_ok());
}

fn refused() -> Result<Passage, RefusalCode> {
    Err(RefusalCode::CrossOrigin)
}

fn plain() -> Result<Passage, RefusalCode> {
    Ok(Passage::Go(Vec::new()))
}

#[test]
fn unsafe_requests_from_elsewhere_are_refused() {
    let elsewhere: &[&[(&str, &str)]] = &[
        &[("origin", "http://evil.example")],
        &[("origin", "https://acme.localhost:8080")],
        &[("origin", "http://acme.localhost")],
        &[("origin", "http://acme.localhost:80801")],
        &[("origin", "http://globex.localhost:8080")],
        &[("origin", "http://acme.localhost.evil.example:8080")],
        &[("origin", "http://evil.example/http://acme.localhost:8080")],
        &[("origin", "http://acme.localhost:8080@evil.example")],
        &[("origin", "http://acme.localhost:8080/")],
        &[("origin", "acme.localhost:8080")],
        &[("origin", "chrome-extension://acme.localhost:8080")],
        &[("origin", "")],
        &[("origin", "null")],
        &[("origin", "NULL")],
        &[("origin", OWN), ("origin", "http://evil.example")],
        &[("origin", OWN), ("origin", OWN)],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", OWN)],
        &[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")],
        &[("sec-fetch-site", "none"), ("origin", "http://evil.example")],
        &[("sec-fetch-site", "none"), ("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        &[("referer", "http://evil.example/http://acme.localhost:8080/")],
        &[("referer", "http://acme.localhost:8080@evil.example/")],
        &[("referer", "http://acme.localhost:8080.evil.example/")],
        &[("referer", "about:blank")],
        &[("referer", "")],
    ];
    for fields in elsewhere {
        for method in ["POST", "PUT", "PATCH", "DELETE", "MERGE"] {
            assert_eq!(asks(method, fields), refused(), "{method} {fields:?}");
        }
        let websocket = [*fields, &[("upgrade", "websocket")]].concat();
        assert_eq!(asks("GET", &websocket), refused(), "websocket {fields:?}");
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(asks(method, fields), plain(), "{method} {fields:?}: links may be followed");
        }
    }
}

#[test]
fn unsafe_requests_of_our_own_pages_and_of_programs_pass() {
    let own: &[&[(&str, &str)]] = &[
        &[],
        &[("cookie", "cedargate=abc")],
        &[("origin", OWN)],
        &[("origin", "http://ACME.localhost:8080")],
        &[("origin", OWN), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        &[("referer", "http://acme.localhost:8080/inventory?x=http://evil.example")],
        &[("referer", "http://acme.localhost:8080")],
        &[("sec-fetch-site", "same-origin"), ("referer", "http://evil.example/")],
    ];
    for fields in own {
        assert_eq!(asks("POST", fields), plain(), "{fields:?}");
        assert_eq!(asks("GET", &[*fields, &[("upgrade", "websocket")]].concat()), plain(), "{fields:?}");
    }
}

#[test]
fn a_default_port_is_the_same_origin_written_or_not() {
    let mut canonical = canonical("POST");
    canonical.scheme = Scheme::Https;
    for (host, origin, same) in [
        ("acme.example.com", "https://acme.example.com", true),
        ("acme.example.com:443", "https://acme.example.com", true),
        ("acme.example.com", "http://acme.example.com", false),
        ("acme.example.com", "http://acme.example.com:443", false),
        ("acme.example.com", "https://acme.example.com:8443", false),
    ] {
        canonical.host = Host::parse(host).unwrap();
        assert_eq!(is_own(&canonical, origin.as_bytes()), same, "{host} {origin}");
    }
}

#[test]
fn a_missing_trusted_proxy_is_hinted_at() {
    let headers = headers(&[("origin", "https://acme.localhost:8080")]);
    let refusal = check(
        &canonical("POST"),
        false,
        &headers,
        &CorsRule { origins: &[], credentials: false, is_shown_unasked: false, any_site: false },
    );
    assert!(refusal.unwrap_err().detail.contains("trusted"));
}

#[test]
fn preflights_of_origins_that_may_not_call_are_refused() {
    for origin in ["http://evil.example", "null", "https://app.example.com.evil.example", "HTTPS://app.example.com"] {
        let fields = [("origin", origin), ("access-control-request-method", "PATCH")];
        assert_eq!(asks_with("OPTIONS", &fields, &[APP], true), refused(), "{origin}");
    }
}

#[test]
fn a_preflight_is_answered_here() {
    let fields = [
        ("origin", APP),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "content-type,X-Forwarded-For, cedargate_identity, bad name, if-match"),
    ];
    let Ok(Passage::Preflight(answer)) = asks_with("OPTIONS", &fields, &[APP], false) else { panic!("not answered") };
    let told: Vec<_> = answer.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            "access-control-allow-origin: https://app.example.com",
            "vary: origin, access-control-request-method, access-control-request-headers",
            "access-control-allow-methods: PATCH",
            "access-control-allow-headers: content-type, if-match",
            "access-control-max-age: 600",
        ]
    );
}

#[test]
fn what_is_no_preflight_is_not_answered_as_one() {
    assert_eq!(asks("OPTIONS", &[("origin", "http://evil.example")]), plain());
    assert_eq!(asks("OPTIONS", &[("access-control-request-method", "PATCH")]), plain());
    let fields = [("origin", "http://evil.example"), ("access-control-request-method", "PATCH")];
    assert_eq!(asks("POST", &fields), refused());
}

#[test]
fn routing_goes_by_what_a_preflight_asks_for() {
    let preflight = headers(&[("origin", APP), ("access-control-request-method", "PATCH")]);
    assert_eq!(asked_method(&Method::OPTIONS, &preflight), Method::PATCH);
    assert_eq!(asked_method(&Method::GET, &preflight), Method::GET);
    assert_eq!(asked_method(&Method::OPTIONS, &headers(&[("origin", APP)])), Method::OPTIONS);
    let odd = headers(&[("origin", APP), ("access-control-request-method", "MERGE")]);
    assert_eq!(asked_method(&Method::OPTIONS, &odd), Method::OPTIONS);
}

#[test]
fn an_allowed_origin_acts_with_a_session_only_where_that_is_configured() {
    let anonymous = [("origin", APP), ("sec-fetch-site", "cross-site")];
    let signed_in = [("origin", APP), ("cookie", "a=b; __Host-cedargate=abc")];
    assert!(asks_with("POST", &anonymous, &[APP], false).is_ok());
    assert_eq!(asks_with("POST", &signed_in, &[APP], false), refused());
    assert!(asks_with("POST", &signed_in, &[APP], true).is_ok());
    assert_eq!(asks_with("POST", &signed_in, &[], true), refused());
}

#[test]
fn answers_to_other_origins_carry_exactly_what_they_may_read() {
    let told = |fields: &[(&'static str, &str)], credentials| match asks_with("GET", fields, &[APP], credentials) {
        Ok(Passage::Go(answer)) => answer.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect(),
        other => panic!("{other:?}"),
    };
    let vary: Vec<String> = vec!["vary: origin".into()];
    assert_eq!(told(&[], false), vary, "a cache must know that it depends on the origin");
    assert_eq!(told(&[("origin", "http://evil.example")], true), vary);
    let allowed: Vec<String> = told(&[("origin", APP)], false);
    assert_eq!(allowed[1], format!("access-control-allow-origin: {APP}"));
    assert!(!allowed.iter().any(|line| line.contains("credentials")));
    assert!(told(&[("origin", APP)], true).contains(&"access-control-allow-credentials: true".into()));
}

proptest! {
    #[test]
    fn no_origin_but_our_own_passes_for_our_own(origin in "(https?://)?[a-z.:@/0-9]{0,12}(acme\\.localhost)?(:8080)?[a-z.:@/?#]{0,4}") {
        let own = is_own(&canonical("POST"), origin.as_bytes());
        prop_assert_eq!(own, ["http://acme.localhost:8080", "http://acme.localhost.:8080"].contains(&origin.as_str()));
    }

    #[test]
    fn arbitrary_headers_never_panic(origin: Vec<u8>, referer: Vec<u8>, site: Vec<u8>) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("origin", origin), ("referer", referer), ("sec-fetch-site", site)] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(name, value);
            }
        }
        let _ = check(&canonical("POST"), false, &headers, &CorsRule { origins: &[], credentials: false, is_shown_unasked: false, any_site: false });
    }
}

#[test]
fn a_certificate_is_guarded_as_a_cookie_is() {
    let origins = [Origin::parse("https://partner.example").unwrap()];
    let mut headers = HeaderMap::new();
    headers.insert(header::ORIGIN, HeaderValue::from_static("https://partner.example"));
    let posted = |is_shown_unasked| {
        let rule = CorsRule { origins: &origins, credentials: false, is_shown_unasked, any_site: false };
        check(&canonical("POST"), false, &headers, &rule).is_ok()
    };
    assert!(posted(false), "a page that may call, as nobody");
    assert!(!posted(true), "and not as whoever's certificate the browser shows");
}
