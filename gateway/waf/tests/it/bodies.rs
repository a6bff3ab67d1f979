//! Bodies are judged as the service may read them, whatever they say they are.

use cedargate_waf::{Mode, Scope, Threshold, Verdict};

use crate::sender::{body, body_in, scope};

const ATTACK: &str = "' OR 1=1 -- ";

fn rules(content_type: &str, bytes: &[u8]) -> Vec<String> {
    body(content_type, bytes).rules().iter().map(|rule| rule.to_string()).collect()
}

#[test]
fn a_body_is_judged_whatever_it_says_it_is() {
    let json = format!("{{\"a\": \"{ATTACK}\"}}");
    let form = "a=%27+OR+1%3D1+--+";
    for (content_type, bytes) in [
        (Some("application/json"), &*json),
        (Some("APPLICATION/JSON ; charset=UTF-8"), &json),
        (Some("application/problem+json"), &json),
        (Some("text/plain"), &json),
        (Some("application/x-www-form-urlencoded"), &json),
        (Some("application/octet-stream"), &json),
        (Some("nonsense"), &json),
        (None, &json),
        (Some("application/x-www-form-urlencoded"), form),
        (Some("text/plain"), form),
        (None, form),
        (Some("text/plain"), ATTACK),
        (None, ATTACK),
    ] {
        let inspected = body_in(&scope(), content_type, bytes.as_bytes(), true);
        assert!(inspected.rules().iter().any(|rule| rule.starts_with("sqli/")), "{content_type:?} {bytes}");
    }
}

#[test]
fn malformed_json_is_a_finding_and_is_judged_all_the_same() {
    for malformed in ["{", "{\"a\":}", "[1,]", "{'a':1}", "{\"a\":1}x", "\u{feff}{}", "nope", "\"\u{1}\""] {
        let inspected = body("application/json", malformed.as_bytes());
        assert_eq!(rules("application/json", malformed.as_bytes()), ["body/malformed-json"], "{malformed}");
        assert_eq!(inspected.verdict(Threshold::default()), Verdict::Pass, "{malformed}");
    }
    for attack in [
        "{\"a\": \"' OR 1=1 -- \"",
        "{'a': '<script>alert(1)</script>'}",
        "a=%27+OR+1%3D1+--+".replace('+', " ").as_str(),
    ] {
        let inspected = body("application/json", attack.as_bytes());
        assert_eq!(inspected.verdict(Threshold::default()), Verdict::Block, "{attack}");
    }
    assert_eq!(rules("application/json", &[b'"', 0xFF, 0xFE, b'"']), ["body/malformed-json"]);
}

#[test]
fn a_prefix_is_judged_as_far_as_it_goes_and_is_not_malformed() {
    let json = format!("{{\"a\": \"{ATTACK}\", \"b\": \"and so on");
    for (content_type, attack, harmless) in [
        ("application/json", json.as_str(), "{\"a\": \"O'Br"),
        ("application/x-www-form-urlencoded", "a=%27+OR+1%3D1+--+&b=and", "a=O%2"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n' OR 1=1 -- ",
            "--b\r\nContent-Disp",
        ),
    ] {
        let inspect = |text: &str| body_in(&scope(), Some(content_type), text.as_bytes(), false);
        assert_eq!(inspect(attack).verdict(Threshold::default()), Verdict::Block, "{content_type}");
        assert_eq!(inspect(harmless).findings(), [], "{content_type}");
    }
}

#[test]
fn exempt_fields_are_left_alone_and_nothing_else_is() {
    let scope = Scope::new(Mode::Block).exempting(["password", "/user/secret"]);
    let blocked = |content_type: &str, bytes: String| {
        body_in(&scope, Some(content_type), bytes.as_bytes(), true).verdict(Threshold::default()) == Verdict::Block
    };
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    assert!(!blocked(form, format!("password={ATTACK}")));
    assert!(!blocked(form, format!("pass%77ord={ATTACK}&x=1")));
    assert!(blocked(form, format!("Password={ATTACK}")));
    assert!(blocked(form, format!("password=1&x={ATTACK}")));
    assert!(!blocked(json, format!("{{\"password\": \"{ATTACK}\"}}")));
    assert!(!blocked(json, format!("{{\"p\\u0061ssword\": \"{ATTACK}\"}}")));
    assert!(!blocked(json, format!("{{\"user\": {{\"secret\": \"{ATTACK}\"}}}}")));
    assert!(blocked(json, format!("{{\"user\": {{\"password\": \"{ATTACK}\"}}}}")));
    assert!(blocked(json, format!("{{\"secret\": \"{ATTACK}\"}}")));
    assert!(blocked(json, format!("{{\"password\": [\"{ATTACK}\"]}}")));
    assert!(blocked(json, format!("{{\"password\": {{\"x\": \"{ATTACK}\"}}}}")));
    assert!(blocked(json, format!("[{{\"password\": \"{ATTACK}\"}}]")));
    // Malformed: only the string that any parser would take for the value is exempt.
    assert!(!blocked(json, format!("{{\"password\": \"{ATTACK}\"")));
    assert!(blocked(json, format!("{{\"password\": \"x\" \"{ATTACK}\"")));
    assert!(!blocked("text/plain", format!("email=a@b.example&password={ATTACK}")));
    assert!(blocked("text/plain", format!("email={ATTACK}&password=x")));
    assert!(!blocked(
        "multipart/form-data; boundary=b",
        format!("--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n{ATTACK}\r\n--b--\r\n")
    ));
}

#[test]
fn what_cannot_be_read_is_a_finding() {
    assert_eq!(rules("multipart/form-data", b"--b--"), ["body/malformed-multipart"]);
    assert_eq!(rules("multipart/form-data; boundary=b", b"no boundary"), ["body/malformed-multipart"]);
    assert_eq!(rules("text/plain; charset=utf-16le", b"hello"), ["body/charset"]);
    assert_eq!(rules("application/json; charset=ibm037", b"{}"), ["body/charset"]);
    assert_eq!(rules("application/json, text/plain", b"{}"), ["body/content-type"]);
}

#[test]
fn uploads_are_searched_for_code_by_name_and_content() {
    let upload = |name: &str, content: &str| {
        rules(
            "multipart/form-data; boundary=b",
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{content}\r\n--b--\r\n"
            )
            .as_bytes(),
        )
    };
    assert_eq!(upload("a.txt", "' OR 1=1 -- "), [""; 0]);
    assert_eq!(upload("a.png", "\u{89}PNG\0\0<?php system('id');"), ["code/php-tag"]);
    assert_eq!(upload("../../var/www/x.php", "x"), ["traversal/dot-segments"]);
}

#[test]
fn duplicate_members_are_all_judged() {
    let twice = format!("{{\"a\": \"x\", \"a\": \"{ATTACK}\", \"a\": \"y\"}}");
    assert_eq!(body("application/json", twice.as_bytes()).score(), 5);
}
