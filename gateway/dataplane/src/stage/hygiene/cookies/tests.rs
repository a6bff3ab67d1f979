use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn cookies(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn looked_up(values: &[&str]) -> String {
    match session_cookie(&cookies(values), "cedargate") {
        CookieLookup::Absent => "absent".into(),
        CookieLookup::One(value) => format!("one {value}"),
        CookieLookup::Ambiguous => "ambiguous".into(),
    }
}

#[test]
fn two_of_the_name_are_ambiguous_however_they_are_spelled() {
    for values in [
        &["cedargate=a; cedargate=b"][..],
        &["cedargate=a; cedargate=a"],
        &["cedargate=a", "cedargate=b"],
        &["cedargate=a;cedargate=b"],
        &["cedargate=a; x=y; \t cedargate = b"],
        &["cedargate=a; cedargate"],
        &["x=\"; cedargate=a; \"; cedargate=b"],
        &["cedargate=; cedargate=a"],
    ] {
        assert_eq!(looked_up(values), "ambiguous", "{values:?}");
    }
}

#[test]
fn other_names_are_not_ours() {
    for values in [
        &[][..],
        &[""],
        &["Cedargate=a"],
        &["cedargatex=a; xcedargate=a"],
        &["__Host-cedargate=a"],
        &["x=cedargate"],
        &["=cedargate=a"],
        &["x=cedargate=a"],
        &["x=1, cedargate=a"],
    ] {
        assert_eq!(looked_up(values), "absent", "{values:?}");
    }
}

#[test]
fn one_is_found_in_any_header_at_any_place() {
    for (values, found) in [
        (&["cedargate=abc"][..], "one abc"),
        (&["a=b; cedargate=abc; c=d"], "one abc"),
        (&["a=b", "c=d;cedargate=abc"], "one abc"),
        (&[" cedargate = abc "], "one abc"),
        (&["cedargate=\"abc\""], "one abc"),
        (&["cedargate=a=b"], "one a=b"),
        (&["cedargate="], "one "),
        (&["cedargate"], "one "),
        (&["cedargate=caf\u{e9}"], "one "),
        (&["cedargate=abc; __Host-cedargate=x; Cedargate=y"], "one abc"),
    ] {
        assert_eq!(looked_up(values), found, "{values:?}");
    }
}

#[test]
fn no_spelling_of_ours_goes_upstream() {
    for ours in [
        "cedargate=abc",
        "__Host-cedargate=abc",
        "__Secure-cedargate=abc",
        "__Host-Http-cedargate=abc",
        "CEDARGATE=abc",
        "cedargate",
        " cedargate =abc",
        "\tcedargate=abc",
        "cedargate-admin=abc",
        "cedargate_x=abc",
        "=cedargate=abc",
        "\"cedargate\"=abc",
        "__host-CEDARGATE=abc",
        "cedargate\u{a0}=abc",
        "\u{2003}cedargate=abc",
    ] {
        assert_eq!(strip_gateway_cookie(ours.as_bytes()), Stripped::Nothing, "{ours}");
        let among = format!("a=1;{ours}; b=\"x; y\"");
        assert_eq!(strip_gateway_cookie(among.as_bytes()), Stripped::Rest(b"a=1; b=\"x; y\"".to_vec()), "{ours}");
        assert!(has_gateway_cookie(&cookies(&["a=1", &among])), "{ours}");
        assert!(sets_gateway_cookie(format!("{ours}; Path=/").as_bytes()), "{ours}");
    }
}

#[test]
fn the_cookies_of_services_stay_octet_for_octet() {
    for theirs in
        ["", "a=1", "a=1;b=2;", " a = 1 ;; b", "cedargates=1", "x=cedargate", "my-cedargate=1", "a=\"x;y\"; \u{e9}=1"]
    {
        assert_eq!(strip_gateway_cookie(theirs.as_bytes()), Stripped::Untouched, "{theirs}");
        assert!(!has_gateway_cookie(&cookies(&[theirs])), "{theirs}");
        assert!(!sets_gateway_cookie(theirs.as_bytes()), "{theirs}");
    }
    assert_eq!(strip_gateway_cookie(b"cedargate=x; a=1;b=2 ;c"), Stripped::Rest(b"a=1;b=2 ;c".to_vec()));
    assert_eq!(strip_gateway_cookie(b"a=1; cedargate=x"), Stripped::Rest(b"a=1".to_vec()));
}

#[test]
fn a_service_cannot_set_or_delete_ours() {
    for set_cookie in [
        "cedargate=; Max-Age=0",
        "cedargate",
        "cedargate;",
        "=cedargate",
        "=cedargate=x; Path=/",
        "==cedargate=x",
        " = cedargate = x",
        "__Host-cedargate=x; Secure; Path=/",
        "cedargate=x, a=b",
    ] {
        assert!(sets_gateway_cookie(set_cookie.as_bytes()), "{set_cookie}");
    }
    assert!(!sets_gateway_cookie(b"a=cedargate; Path=/cedargate"));
    assert!(!sets_gateway_cookie(b"a=1; cedargate=x"), "an attribute that no browser knows");
}

#[test]
fn a_cookie_for_more_than_this_host_is_seen() {
    let host = Host::parse("acme.localhost:8080").unwrap();
    for wide in [
        "a=1; Domain=localhost",
        "a=1;domain=.localhost",
        "a=1; DOMAIN = globex.localhost",
        "a=1; Domain=acme.localhost; Domain=localhost",
        "a=1; domain=\"acme.localhost\"",
    ] {
        assert!(spans_hosts(wide.as_bytes(), &host), "{wide}");
    }
    for narrow in [
        "a=1",
        "a=1; Domain=",
        "a=1; Domain",
        "a=1; Domain=ACME.localhost",
        "a=1; domain=.acme.localhost",
        "Domain=localhost",
    ] {
        assert!(!spans_hosts(narrow.as_bytes(), &host), "{narrow}");
    }
}

proptest! {
    #[test]
    fn what_is_stripped_holds_no_session(header in "([ab\\t \"]{0,3}(__Host-)?(cedargate|x)?[ =]{0,2}[a\"]{0,3};?){0,6}") {
        let rest = match strip_gateway_cookie(header.as_bytes()) {
            Stripped::Untouched => header.into_bytes(),
            Stripped::Rest(rest) => rest,
            Stripped::Nothing => Vec::new(),
        };
        let headers = cookies(&[std::str::from_utf8(&rest).unwrap()]);
        prop_assert_eq!(session_cookie(&headers, "cedargate"), CookieLookup::Absent);
        prop_assert_eq!(session_cookie(&headers, "__Host-cedargate"), CookieLookup::Absent);
        prop_assert!(!has_gateway_cookie(&headers));
    }

    #[test]
    fn arbitrary_octets_never_panic(octets: Vec<u8>) {
        let _ = strip_gateway_cookie(&octets);
        let _ = sets_gateway_cookie(&octets);
        let _ = spans_hosts(&octets, &Host::parse("a").unwrap());
    }
}
