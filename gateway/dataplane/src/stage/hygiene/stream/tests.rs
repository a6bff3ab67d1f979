use http::{HeaderName, HeaderValue, Request};

use super::*;
use crate::stage::hygiene::screen;

const LIMITS: HeadLimits = HeadLimits { line_bytes_max: 128, head_bytes_max: 1_000, headers_max: 8 };

fn head(method: &str, uri: &str, fields: &[(&'static str, &[u8])]) -> RequestHeader {
    let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(()).unwrap();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value).unwrap();
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    request.into_parts().0.into()
}

fn verdict(method: &str, uri: &str, fields: &[(&'static str, &[u8])]) -> Result<(), RefusalCode> {
    screen_stream(&head(method, uri, fields), false, &LIMITS).map_err(|refusal| refusal.code)
}

const URI: &str = "https://acme.localhost/a?b";

#[test]
fn an_ordinary_head_passes() {
    assert_eq!(verdict("GET", URI, &[("te", b"trailers"), ("cookie", b"a=b"), ("cookie", b"c=d")]), Ok(()));
    assert_eq!(verdict("POST", URI, &[("content-length", b"5"), ("host", b"acme.localhost")]), Ok(()));
    assert_eq!(verdict("GET", "/a", &[("host", b"acme.localhost")]), Ok(()));
}

#[test]
fn what_a_head_of_http_1_may_not_have_neither_may_one_of_http_2() {
    use RefusalCode as Code;
    type Field<'a> = (&'static str, &'a [u8]);
    let cases: &[(&str, &str, &[Field<'_>], Code)] = &[
        ("CONNECT", URI, &[], Code::MethodInvalid),
        ("TRACE", URI, &[], Code::MethodInvalid),
        ("get", URI, &[], Code::MethodInvalid),
        ("G-T", URI, &[], Code::MethodInvalid),
        ("GET", URI, &[("content-length", b"+5")], Code::FramingAmbiguous),
        ("GET", URI, &[("content-length", b"05")], Code::FramingAmbiguous),
        ("GET", URI, &[("content-length", b"5, 5")], Code::FramingAmbiguous),
        ("POST", URI, &[("content-length", b"5"), ("content-length", b"5")], Code::FramingAmbiguous),
        ("GET", URI, &[("content-length", b"5")], Code::FramingAmbiguous),
        ("GET", URI, &[("content_length", b"5")], Code::HeaderInvalid),
        ("GET", URI, &[("transfer_encoding", b"chunked")], Code::HeaderInvalid),
        ("GET", URI, &[("host", b"globex.localhost")], Code::HostInvalid),
        ("GET", URI, &[("host", b"acme.localhost"), ("host", b"acme.localhost")], Code::HostInvalid),
        ("GET", "/a", &[], Code::HostInvalid),
        ("GET", "/a", &[("host", b"a, b")], Code::HostInvalid),
        ("GET", URI, &[("origin", b"a"), ("origin", b"b")], Code::HeaderInvalid),
        ("GET", URI, &[("expect", b"200-ok")], Code::HeaderInvalid),
    ];
    for (method, uri, fields, code) in cases {
        assert_eq!(verdict(method, uri, fields), Err(*code), "{method} {uri} {fields:?}");
        // The same as HTTP/1.1 has it: refused there, too.
        let mut raw = format!("{method} {} HTTP/1.1\r\n", uri.trim_start_matches("https://acme.localhost"));
        if uri.starts_with("https") && !fields.iter().any(|(name, _)| *name == "host") {
            raw.push_str("host: acme.localhost\r\n");
        }
        let disagrees = *code == Code::HostInvalid && uri.starts_with("https") && fields.len() == 1;
        for (name, value) in fields.iter() {
            raw.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value)));
        }
        // A body with GET is left to what the parser makes of it, and one `Host` has nobody to disagree with.
        let later = *code == Code::FramingAmbiguous && *method == "GET" && fields == &[("content-length", &b"5"[..])];
        if !disagrees && !later {
            assert!(screen((raw.clone() + "\r\n").as_bytes(), &LIMITS).is_err(), "{raw}");
        }
    }
}

#[test]
fn fields_of_the_connection_are_refused() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("accept", " spaced"),
        ("accept", "spaced\t"),
    ] {
        assert!(verdict("GET", URI, &[(name, value.as_bytes())]).is_err(), "{name}: {value}");
    }
}

#[test]
fn a_body_with_a_method_that_has_none_is_refused_announced_or_not() {
    for method in ["GET", "HEAD"] {
        let refused = screen_stream(&head(method, URI, &[]), true, &LIMITS).unwrap_err();
        assert_eq!(refused.code, RefusalCode::FramingAmbiguous);
    }
    assert!(screen_stream(&head("POST", URI, &[]), true, &LIMITS).is_ok());
}

#[test]
fn bounds_are_those_of_http_1() {
    let long = [b'x'; 130];
    assert_eq!(verdict("GET", &format!("https://a/{}", "x".repeat(127)), &[]), Err(RefusalCode::TargetTooLong));
    assert_eq!(verdict("GET", URI, &[("x-a", &long)]), Err(RefusalCode::HeadTooLarge));
    assert_eq!(verdict("GET", URI, &[("x-a", &b"1"[..]); 9]), Err(RefusalCode::HeadTooLarge));
    assert_eq!(verdict("GET", URI, &[("x-a", &long[..120]); 8]), Err(RefusalCode::HeadTooLarge));
    assert_eq!(verdict("GET", URI, &[("x-a", &long[..20]); 8]), Ok(()));
    // Pieces of a cookie are one field: in number, and in octets once they are joined.
    assert_eq!(verdict("GET", URI, &[("cookie", &b"a=1"[..]); 12]), Ok(()));
    assert_eq!(verdict("GET", URI, &[("cookie", &long[..40]); 3]), Err(RefusalCode::HeadTooLarge));
}
