use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const SECRET: &str = "the operator's own words";

fn facts<'a>(method: &str, target: &'a str, fields: &[(&'static str, &str)]) -> RequestFacts<'a> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let (request, decision) = (RequestId(Uuid::from_u128(1)), DecisionId(Uuid::from_u128(2)));
    RequestFacts::new(&method.parse().unwrap(), Some(target), &headers, Scheme::Http, request, Some(decision))
}

fn browser<'a>(method: &str, target: &'a str) -> RequestFacts<'a> {
    facts(method, target, &[("accept", BROWSER)])
}

fn program<'a>(method: &str, target: &'a str) -> RequestFacts<'a> {
    facts(method, target, &[("accept", "*/*")])
}

fn refusal(code: RefusalCode, challenge: Challenge) -> Refusal {
    Refusal::new(code, SECRET).with(challenge)
}

fn sign_in() -> Refusal {
    refusal(RefusalCode::SigninRequired, Challenge::SignIn)
}

fn step_up(max_age_seconds: Option<u64>) -> Refusal {
    refusal(RefusalCode::StepUpRequired, Challenge::StepUp { level: 2, max_age_seconds })
}

fn told<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(this, _)| this == name).map(|(_, value)| value.to_str().unwrap())
}

fn body(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[test]
fn no_rendering_of_any_refusal_tells_the_operators_detail() {
    for code in RefusalCode::ALL {
        for facts in [browser("POST", "/a"), program("GET", "/a"), browser("GET", "/a")] {
            let answer = render(&refusal(*code, Challenge::None), &facts);
            assert_eq!(answer.status.as_u16(), code.status());
            assert!(!body(&answer).contains(SECRET));
            assert!(!answer.headers.iter().any(|(_, value)| value.to_str().unwrap().contains(SECRET)));
            assert!(body(&answer).contains(code.as_str()));
            assert_eq!(told(&answer, "cache-control"), Some("no-store"));
            assert_eq!(told(&answer, "vary"), Some("accept"));
            assert_eq!(told(&answer, "x-content-type-options"), Some("nosniff"));
            assert!(told(&answer, "content-security-policy").unwrap().starts_with("default-src 'none'"));
            assert_eq!(told(&answer, "www-authenticate").is_some(), code.status() == 401, "{code}");
        }
    }
}

#[test]
fn a_program_gets_problem_details() {
    let decision = DecisionId(Uuid::from_u128(7));
    let answer = render(&refusal(RefusalCode::Forbidden, Challenge::Decision(decision)), &program("DELETE", "/a"));
    assert_eq!(told(&answer, "content-type"), Some("application/problem+json"));
    assert_eq!(
        serde_json::from_slice::<Value>(&answer.body).unwrap(),
        json!({
            "type": "urn:cedargate:refusal:forbidden",
            "title": "Forbidden",
            "status": 403,
            "detail": "You are not permitted to do this.",
            "code": "forbidden",
            "request": "00000000-0000-0000-0000-000000000001",
            "decision": "00000000-0000-0000-0000-000000000007",
        })
    );
}

#[test]
fn a_person_gets_a_page_with_the_ids_to_quote() {
    let answer = render(&refusal(RefusalCode::Forbidden, Challenge::None), &browser("GET", "/a"));
    assert_eq!(
        (answer.status, told(&answer, "content-type")),
        (StatusCode::FORBIDDEN, Some("text/html; charset=utf-8"))
    );
    let page = body(&answer);
    for part in [
        "You are not permitted to do this.",
        "<p class=\"status\">403</p>",
        "forbidden",
        "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-000000000002",
        "href=\"/auth/assets/cedargate.css\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("style="), "the page's own policy forbids both");
}

#[test]
fn a_person_reads_a_refusal_in_their_language_and_a_program_in_english() {
    let persian = [("accept", BROWSER), ("accept-language", "am;q=0.5, fa-IR")];
    let answer = render(&refusal(RefusalCode::Forbidden, Challenge::None), &facts("GET", "/a", &persian));
    let page = body(&answer);
    assert!(page.contains("<html lang=\"fa\" dir=\"rtl\">") && page.contains("شما اجازهٔ این کار را ندارید."), "{page}");
    assert_eq!(told(&answer, "content-language"), Some("fa"));
    assert!(answer.headers.iter().any(|(name, value)| name == "vary" && value == "accept-language, cookie"));
    let chosen = [persian[0], persian[1], ("cookie", "cedargate-language=am")];
    let answer = render(&sign_in(), &facts("POST", "/a", &chosen));
    assert!(body(&answer).contains("<html lang=\"am\" dir=\"ltr\">") && body(&answer).contains("እባክዎ ይግቡ።"));

    let program = [("accept", "application/json"), ("accept-language", "fa")];
    let answer = render(&refusal(RefusalCode::Forbidden, Challenge::None), &facts("GET", "/a", &program));
    assert!(body(&answer).contains("You are not permitted to do this."));
    assert_eq!(told(&answer, "content-language"), None);
}

#[test]
fn an_unparsed_head_is_answered_without_a_decision() {
    let facts = RequestFacts::unparsed(RequestId(Uuid::from_u128(1)));
    let answer = render(&RefusalCode::RequestUnparsable.into(), &facts);
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.get("decision"), None);
    assert_eq!(problem["request"], "00000000-0000-0000-0000-000000000001");
}

#[test]
fn a_persons_navigation_is_led_to_sign_in_and_back() {
    let answer = render(&sign_in(), &browser("GET", "/inventory/items?q=a%20b&x=1"));
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let back = "/auth/login?return_to=/inventory/items%3Fq%3Da%2520b%26x%3D1";
    assert_eq!(told(&answer, "location"), Some(back));
    assert!(answer.body.is_empty());
    assert_eq!(told(&answer, "cache-control"), Some("no-store"));
    assert_eq!(told(&answer, "vary"), Some("accept"));

    let answer = render(&step_up(Some(300)), &browser("GET", "/a"));
    assert_eq!(told(&answer, "location"), Some("/auth/step-up?level=2&max_age=300&return_to=/a"));
    let answer = render(&step_up(None), &browser("GET", "/a"));
    assert_eq!(told(&answer, "location"), Some("/auth/step-up?level=2&return_to=/a"));
}

#[test]
fn nobody_but_a_navigation_is_led_away() {
    let led_away = |facts: &RequestFacts<'_>| told(&render(&sign_in(), facts), "location").is_some();
    assert!(!led_away(&program("GET", "/a")));
    assert!(!led_away(&browser("POST", "/a")));
    assert!(!led_away(&browser("HEAD", "/a")));
    for mode in ["cors", "no-cors", "same-origin", "websocket", ""] {
        assert!(!led_away(&facts("GET", "/a", &[("accept", BROWSER), ("sec-fetch-mode", mode)])), "{mode}");
    }
    assert!(led_away(&facts("GET", "/a", &[("accept", BROWSER), ("sec-fetch-mode", "navigate")])));
    let forbidden = refusal(RefusalCode::Forbidden, Challenge::None);
    assert_eq!(told(&render(&forbidden, &browser("GET", "/a")), "location"), None);
}

/// What a person sent is lost unless they hear in time that their browser still has it.
#[test]
fn whoever_sent_something_is_told_how_to_keep_it() {
    for refusal in [sign_in(), step_up(None)] {
        let sent = render(&refusal, &browser("POST", "/a"));
        assert!(body(&sent).contains("was not passed on") && body(&sent).contains("target=\"_blank\""));
        let asked = render(&refusal, &facts("GET", "/a", &[("accept", BROWSER), ("sec-fetch-mode", "cors")]));
        assert!(!body(&asked).contains("was not passed on") && !body(&asked).contains("_blank"));
    }
    let forbidden = render(&refusal(RefusalCode::Forbidden, Challenge::None), &browser("POST", "/a"));
    assert!(!body(&forbidden).contains("was not passed on"));
}

#[test]
fn whoever_hears_that_their_form_is_kept_is_led_to_it() {
    let mut facts = browser("POST", "/a?b");
    assert!(facts.can_hear_of_a_form(&step_up(None)) && !facts.can_hear_of_a_form(&sign_in()));
    assert!(!program("POST", "/a").can_hear_of_a_form(&step_up(None)));
    facts.kept(Some(Uuid::from_u128(9)));
    let page = render(&step_up(None), &facts);
    let href = "/auth/step-up?level=2&#38;return_to=/auth/account/kept/00000000-0000-0000-0000-000000000009";
    assert_eq!((page.status, told(&page, "location")), (StatusCode::UNAUTHORIZED, None));
    for part in [href, "It is kept here, sealed, for 10 minutes"] {
        assert!(body(&page).contains(part), "{part} in {}", body(&page));
    }
    assert!(!body(&page).contains("_blank") && !body(&page).contains("still has it"));
    facts.kept(None);
    assert!(body(&render(&step_up(None), &facts)).contains("still has it"));
}

#[test]
fn sign_in_never_leads_to_another_host_or_to_itself() {
    for target in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "http://evil.example/",
        "evil",
        "",
        "/a/..//evil.example",
        "/%2f/evil.example",
        "/a b",
        "/é",
        "/auth/login",
        "/auth/login?return_to=/a",
        "/%61uth/login",
        "*",
        "?a",
    ] {
        assert!(!may_return_to(target), "{target}");
        let answer = render(&sign_in(), &browser("GET", target));
        assert_eq!((answer.status, told(&answer, "location")), (StatusCode::UNAUTHORIZED, None), "{target}");
        assert!(body(&answer).contains("href=\"/auth/login\""), "{target}");
    }
    assert!(!may_return_to(&format!("/{}", "a".repeat(RETURN_TO_BYTES_MAX))));
    assert!(!may_return_to("/auth/accounting"));
    for target in ["/", "/auth/account", "/auth/account/totp"] {
        assert!(may_return_to(target), "{target}");
    }
}

#[test]
fn a_program_is_told_how_to_authenticate() {
    let answer = render(&sign_in(), &program("GET", "/a"));
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(told(&answer, "www-authenticate"), Some("Bearer realm=\"cedargate\""));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["sign_in"], "/auth/login");

    let answer = render(&refusal(RefusalCode::CredentialsInvalid, Challenge::None), &program("GET", "/a"));
    assert_eq!(told(&answer, "www-authenticate"), Some("Bearer realm=\"cedargate\", error=\"invalid_token\""));

    let answer = render(&step_up(Some(300)), &program("GET", "/a"));
    assert_eq!(
        told(&answer, "www-authenticate"),
        Some(concat!(
            "Bearer realm=\"cedargate\", error=\"insufficient_user_authentication\", ",
            "acr_values=\"aal2\", max_age=\"300\""
        ))
    );
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["step_up"], json!({"level": 2, "max_age": 300}));
}

#[test]
fn what_to_do_next_is_told_in_headers() {
    let allow = Challenge::Allow(vec![Method::GET, Method::HEAD, Method::POST]);
    let answer = render(&refusal(RefusalCode::MethodNotAllowed, allow), &program("PUT", "/a"));
    assert_eq!(told(&answer, "allow"), Some("GET, HEAD, POST"));
    let answer = render(&refusal(RefusalCode::QuotaExceeded, Challenge::RetryAfter(17)), &program("PUT", "/a"));
    assert_eq!(told(&answer, "retry-after"), Some("17"));
}

#[test]
fn a_preflights_answer_is_its_headers() {
    let headers = vec![(header::VARY, HeaderValue::from_static("origin"))];
    let answer = preflight(headers.clone());
    assert_eq!(answer, Answer { status: StatusCode::NO_CONTENT, headers, body: Bytes::new() });
}

proptest! {
    #[test]
    fn whatever_was_asked_for_the_way_back_stays_one_parameter_on_this_host(target in "[/\\\\%?&#=a-z.:@\"<>' ]{0,40}|/\\PC{0,20}") {
        let answer = render(&sign_in(), &browser("GET", &target));
        if let Some(location) = told(&answer, "location") {
            let back = location.strip_prefix("/auth/login?return_to=/").expect("one parameter, on this host");
            prop_assert!(back.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{}", back);
            prop_assert!(!back.starts_with('/'));
        }
    }
}
