//! What is true of every input.

use cedargate_waf::{Body, Inspected, Mode, Scope, Subject};
use proptest::prelude::*;

use crate::sender::{body, body_in, engine, query, scope};

const CONTENT_TYPES: [Option<&str>; 8] = [
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("multipart/form-data; boundary=b"),
    Some("text/plain"),
    Some("application/xml"),
    Some("application/octet-stream"),
    Some("nonsense;;="),
];

/// Texts made of what attacks are made of.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "'",
            "\"",
            "`",
            " OR ",
            "1=1",
            "-- ",
            "/*",
            "*/",
            "#",
            ";",
            "<",
            ">",
            "<script",
            "onerror=",
            "=",
            "(",
            ")",
            "{{",
            "}}",
            "${",
            "}",
            "../",
            "..\\",
            "%27",
            "%2527",
            "%u0027",
            "&#39;",
            "&lt;",
            "\\u0027",
            "\\x27",
            "\0",
            "\u{ff07}",
            " union ",
            " select ",
            "1",
            "a",
            "\r\n",
            "--b",
            ":",
            "[",
            "]",
            "{",
            ",",
            "/etc/passwd",
            "|",
            "&",
            "cat ",
            "$IFS",
            "q'",
            "0x",
            "@@",
            "\\",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9 ]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Everything that a log or an audit entry may be made from.
fn said(inspected: &Inspected) -> String {
    let places: Vec<_> = inspected.findings().iter().map(|finding| finding.place.to_string()).collect();
    format!("{inspected:?}\n{}\n{}", serde_json::to_string(inspected).unwrap(), places.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_body_panics(bytes: Vec<u8>, text in hostile(), kind in 0..CONTENT_TYPES.len(), complete: bool) {
        let _ = body_in(&scope(), CONTENT_TYPES[kind], &bytes, complete);
        let _ = body_in(&scope(), CONTENT_TYPES[kind], text.as_bytes(), complete);
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{text}\"\r\n\r\n{text}\r\n--b--");
        let _ = body_in(&scope(), Some("multipart/form-data; boundary=b"), part.as_bytes(), complete);
    }

    #[test]
    fn no_head_panics(target in hostile(), path in hostile(), query in hostile(), name in hostile(), value: Vec<u8>, cookie in hostile()) {
        let headers = [
            (name.as_str(), &*value),
            ("cookie", cookie.as_bytes()),
            ("Referer", path.as_bytes()),
            ("USER-AGENT", query.as_bytes()),
        ];
        let subject = Subject { method: "GET", target: &target, path: &path, query: Some(&query), headers: &headers, body: None };
        let _ = engine().inspect(&subject, &scope());
    }

    #[test]
    fn inspection_is_deterministic(text in hostile(), kind in 0..CONTENT_TYPES.len()) {
        let once = body_in(&scope(), CONTENT_TYPES[kind], text.as_bytes(), true);
        prop_assert_eq!(once, body_in(&scope(), CONTENT_TYPES[kind], text.as_bytes(), true));
    }

    #[test]
    fn head_and_body_together_are_head_and_body_apart(text in hostile()) {
        let query = crate::sender::encode(&text);
        let body = Body { content_type: Some("text/plain"), bytes: text.as_bytes(), complete: true };
        let subject = Subject { method: "POST", target: "/", path: "/", query: Some(&query), headers: &[("a", "b")], body: Some(body) };
        let apart = engine().inspect_head(&subject, &scope()).and(engine().inspect_body(&body, &scope()));
        prop_assert_eq!(engine().inspect(&subject, &scope()), apart);
    }

    /// The marker cannot stand in a rule's id or a place, so wherever it shows, a value leaked.
    #[test]
    fn no_value_is_ever_said(before in hostile(), after in hostile()) {
        let attack = format!("{before}Zq7Zq7{after}");
        let encoded = crate::sender::encode(&attack);
        let json = serde_json::json!({ "a": [attack], "b": { "c": attack } }).to_string();
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{attack}\r\n--b--\r\n");
        let file = format!("--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"{attack}\"\r\n\r\n{attack}\r\n--b--\r\n");
        for inspected in [
            query(&format!("a={encoded}")),
            query(&encoded),
            crate::sender::header("user-agent", &attack),
            crate::sender::header("referer", &attack),
            crate::sender::header("referer", &format!("https://a.example/?{encoded}={encoded}")),
            crate::sender::path(&format!("/{encoded}")),
            body("application/x-www-form-urlencoded", format!("a={encoded}").as_bytes()),
            body("application/x-www-form-urlencoded", encoded.as_bytes()),
            body("application/json", json.as_bytes()),
            body("application/json", attack.as_bytes()),
            body("application/json", &json.as_bytes()[..json.len() - 1]),
            body("text/plain", attack.as_bytes()),
            body("application/octet-stream", attack.as_bytes()),
            body("application/xml", attack.as_bytes()),
            body("multipart/form-data; boundary=b", part.as_bytes()),
            body("multipart/form-data; boundary=b", file.as_bytes()),
        ] {
            let said = said(&inspected);
            prop_assert!(!said.contains("Zq7"), "{}", said);
        }
    }

    #[test]
    fn exempt_fields_are_never_reported(password in hostile()) {
        let scope = Scope::new(Mode::Block).exempting(["password"]);
        let encoded = crate::sender::encode(&password);
        let json = serde_json::json!({ "email": "a@b.example", "password": password }).to_string();
        let form = format!("email=a%40b.example&password={encoded}&next=1");
        for (content_type, bytes) in [
            (Some("application/json"), &json),
            (Some("text/plain"), &json),
            (None, &json),
            (Some("application/x-www-form-urlencoded"), &form),
            (Some("text/plain"), &form),
            (None, &form),
        ] {
            for complete in [true, false] {
                prop_assert_eq!(body_in(&scope, content_type, bytes.as_bytes(), complete).rules().len(), 0);
            }
        }
        // Cut inside of the password.
        for len in json.find("password").unwrap()..json.len() {
            if json.is_char_boundary(len) {
                prop_assert_eq!(body_in(&scope, Some("application/json"), &json.as_bytes()[..len], false).rules().len(), 0);
            }
        }
    }

    /// The gate before libinjection's SQL tokenizer is sound: what it keeps from it would never be found.
    #[test]
    fn words_are_never_injections(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "or", "and", "union", "select", "not", "null", "like", "in", "is", "between", "mod", "div", "xor", "sleep", "user",
                    "exec", "waitfor", "delay", "x", "0x", "1e", "0b", "e", "n", "u", "q", "_utf8", "_", "having", "group", "by", "if",
                ]).prop_map(str::to_owned),
                "[0-9]{1,3}",
                "[A-Za-z0-9_]{1,5}",
            ],
            1..8,
        )
    ) {
        let word = pieces.concat();
        prop_assert!(!libinjectionrs::detect_sqli(word.as_bytes()).is_injection(), "{}", word);
    }

    /// The gate before its HTML tokenizer is sound too.
    #[test]
    fn without_less_and_equals_there_is_no_script(text in hostile(), bytes: Vec<u8>) {
        let strip = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !matches!(byte, b'<' | b'=')).collect::<Vec<_>>();
        prop_assert!(!libinjectionrs::detect_xss(&strip(text.as_bytes())).is_injection());
        prop_assert!(!libinjectionrs::detect_xss(&strip(&bytes)).is_injection());
    }
}
