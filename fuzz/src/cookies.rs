//! `Cookie` headers: none of ours gets to a service, and nothing of anybody else's is changed.

use cedargate_dataplane::fuzzing;
use http::header::{COOKIE, HeaderMap, HeaderValue};

const NAME: &str = "__Host-cedargate";

/// One `Cookie` header on each line.
pub fn cookies(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|octet| *octet == b'\n').take(8) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(COOKIE, value);
        one_header(line);
    }
    let named = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|octet| *octet == b';'));
    let named = named.filter(|pair| {
        let name = pair.split(|octet| *octet == b'=').next().unwrap_or_default();
        trim(name) == NAME.as_bytes()
    });
    let expected = named.count();
    match fuzzing::session_cookie(&headers, NAME) {
        Ok(None) => assert_eq!(expected, 0, "a session was overlooked"),
        Ok(Some(value)) => {
            assert_eq!(expected, 1, "one of several sessions was chosen");
            assert!(value.is_ascii() && !value.contains(';'));
        }
        Err(_) => assert!(expected > 1, "one session was taken for several"),
    }
}

fn one_header(sent: &[u8]) {
    let Some(left) = fuzzing::strip_cookies(sent) else {
        assert!(sent.to_ascii_lowercase().windows(9).any(|part| part == b"cedargate"), "others' cookies were dropped");
        return;
    };
    assert_eq!(fuzzing::strip_cookies(&left).as_deref(), Some(left.as_slice()), "stripping twice strips more");
    let mut sent_pairs = sent.split(|octet| *octet == b';');
    for pair in left.split(|octet| *octet == b';') {
        assert!(!is_ours_to_anybody(pair), "one of ours was left in: {:?}", String::from_utf8_lossy(&left));
        let kept = sent_pairs.by_ref().find(|sent| sent.trim_ascii_start() == pair.trim_ascii_start());
        assert!(kept.is_some(), "a cookie was changed: {:?}", String::from_utf8_lossy(&left));
    }
    for pair in sent.split(|octet| *octet == b';').filter(|pair| !pair.trim_ascii().is_empty()) {
        let dropped =
            !left.split(|octet| *octet == b';').any(|kept| kept.trim_ascii_start() == pair.trim_ascii_start());
        let mentions_us = pair.to_ascii_lowercase().windows(9).any(|part| part == b"cedargate");
        assert!(!dropped || mentions_us, "a cookie of others was dropped: {:?}", String::from_utf8_lossy(pair));
    }
}

/// By a careless server's reading: spaces and quotes off, names in any case, browsers' prefixes off.
fn is_ours_to_anybody(pair: &[u8]) -> bool {
    let name = pair.split(|octet| *octet == b'=').next().unwrap_or_default();
    let name = trim(name).strip_prefix(b"\"").unwrap_or(trim(name)).to_ascii_lowercase();
    let name = name.strip_prefix(b"__host-").or(name.strip_prefix(b"__secure-")).unwrap_or(&name);
    name == b"cedargate"
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
