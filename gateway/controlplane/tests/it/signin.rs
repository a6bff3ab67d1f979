//! Signing in and out, over a real store and with real cookies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::house::{Answer, DECISION, House, PASSWORD, REQUEST, credentials};
use cedargate_identity::{Notice, Notices};
use cedargate_model::{AccountAct, ProofKind, SigninResult};
use http::StatusCode;

const FORM: &str = "email=ada%40example.com&password=correct+horse+battery";

/// What everybody may see of an answer, except what they typed themselves.
fn seen(answer: &Answer, email: &str) -> (StatusCode, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "content-length");
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status, headers, answer.body.replace(email, "EMAIL"))
}

#[tokio::test]
async fn whatever_is_wrong_looks_and_costs_the_same() {
    let house = House::new().await;
    let off = cedargate_identity::NewAccount {
        email: cedargate_identity::Email::parse("off@example.com").unwrap(),
        roles: vec![],
        password: Some(
            house.local.hash(cedargate_idp_adapters::local::NewPassword::parse(PASSWORD).unwrap()).await.unwrap(),
        ),
    };
    let off = house.accounts.create(house.acme.id, off, cedargate_model::Micros(1)).await.unwrap();
    house.accounts.disable(house.acme.id, off.id, cedargate_model::Micros(2)).await.unwrap();

    let mut programs = Vec::new();
    let mut browsers = Vec::new();
    for (email, password) in
        [("ada@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("off@example.com", PASSWORD)]
    {
        let visitor = house.at(&house.acme);
        let before = house.local.verifications();
        let answer = visitor.post_json("/auth/login", &credentials(email, password)).await;
        programs.push(seen(&answer, email));
        let form = format!("email={email}&password={password}&return_to=/x");
        let answer = visitor.browser().post_form("/auth/login", &form).await;
        browsers.push(seen(&answer, email));
        assert_eq!(house.local.verifications() - before, 2, "{email}");
        for event in house.recorder.take() {
            assert_eq!((event.result, event.principal, event.session), (SigninResult::Failed, None, None));
        }
    }
    assert_eq!(programs.first().unwrap().0, StatusCode::UNAUTHORIZED);
    assert_eq!(browsers.first().unwrap().0, StatusCode::UNAUTHORIZED);
    assert!(programs.windows(2).all(|pair| pair[0] == pair[1]), "{programs:#?}");
    assert!(browsers.windows(2).all(|pair| pair[0] == pair[1]), "{browsers:#?}");
    assert_eq!(house.session_count().await, 0);
}

#[tokio::test]
async fn a_sign_in_records_how_and_which_sessions_end_with_it_and_ends_none_without_a_record() {
    let house = House::new().await;
    let first = house.sign_ada_in().await;
    let session = match house.recorder.take().as_slice() {
        [signin] => signin.session.unwrap(),
        other => panic!("{other:?}"),
    };
    let sign_in = async || {
        let visitor = house.at(&house.acme).with_cookie(&first);
        visitor.post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await
    };
    house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(sign_in().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(house.knows(&first).await && house.session_count().await == 1);
    house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(sign_in().await.status, StatusCode::OK);
    assert!(!house.knows(&first).await);
    match house.recorder.take().as_slice() {
        [signin] => {
            assert_eq!((signin.method, signin.factor), (Some(ProofKind::Password), None));
            assert_eq!(signin.ended, [session]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_ticks_the_box_is_remembered_where_their_tenant_lets_them() {
    let house = House::new().await;
    let page = house.at(&house.acme).browser().get("/auth/login").await;
    assert!(page.body.contains("name=\"remember\""), "{}", page.body);
    let elsewhere = house.at(&house.globex).browser().get("/auth/login").await;
    assert!(!elsewhere.body.contains("name=\"remember\""), "{}", elsewhere.body);
    for (ticked, kept) in [("", false), ("&remember=", false), ("&remember=1", true)] {
        let answer = house.at(&house.acme).browser().post_form("/auth/login", &format!("{FORM}{ticked}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let set = answer.header("set-cookie").unwrap();
        assert_eq!(set.contains("; Max-Age=2592000"), kept, "{ticked}: {set}");
        assert_eq!(set.contains("Max-Age"), kept, "{ticked}: {set}");
        let cookie = answer.cookie_value().unwrap();
        house.advance(Duration::from_secs(13 * 60 * 60));
        assert_eq!(house.knows(&cookie).await, kept, "{ticked}");
    }
}

#[tokio::test]
async fn a_sign_in_on_a_new_device_is_recorded_and_told_of_and_not_done_without_a_record() {
    let house = House::new().await;
    let _ = house.sign_in_unrecorded().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let visitor = || house.at(&house.acme);
    let refused = visitor().post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    house.recorder.broken.store(false, Ordering::SeqCst);
    let waiting = Notices::new(house.pool.clone());
    assert!(waiting.take(Duration::ZERO, 10, house.now()).await.unwrap().is_empty());
    house.recorder.take_all();
    let _ = house.sign_ada_in().await;
    assert_eq!(house.recorder.take_acts(), [AccountAct::NewDevice]);
    let told = waiting.take(Duration::ZERO, 10, house.now()).await.unwrap();
    let expected = Notice::NewDevice { address: "192.0.2.1".parse().ok() };
    assert_eq!(told.into_iter().map(|told| told.notice).collect::<Vec<_>>(), [expected]);
    let _ = house.sign_ada_in().await;
    assert_eq!(house.recorder.take_acts(), [], "it is known by then");
}

#[tokio::test]
async fn a_refusal_names_its_code_and_its_request_and_nothing_else() {
    let house = House::new().await;
    let answer = house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", "wrong")).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="cedargate""#));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "type": "urn:cedargate:refusal:signin_failed",
            "title": "Unauthorized",
            "status": 401,
            "detail": "The e-mail address or the password is not right.",
            "code": "signin_failed",
            "request": REQUEST,
        })
    );
    assert!(answer.cookie_value().is_none());
}

#[tokio::test]
async fn a_program_gets_a_session_and_what_it_is() {
    let house = House::new().await;
    let answer = house.at(&house.acme).post_json("/auth/login", &credentials(" Ada@Example.com", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "principal": house.ada.to_string(),
            "email": "ada@example.com",
            "tenant": "acme",
            "roles": ["clerk", "member"],
            "level": 1,
            "expires_in_seconds": 43_200,
        })
    );
    assert!(house.knows(&answer.cookie_value().unwrap()).await);
    let [event] = <[_; 1]>::try_from(house.recorder.take()).unwrap();
    assert_eq!((event.result, event.principal), (SigninResult::Succeeded, Some(house.ada)));
    assert_eq!(event.decision.to_string(), DECISION);
    assert_eq!(event.client.to_string(), "192.0.2.1");
    assert!(event.session.is_some());
}

#[tokio::test]
async fn a_browser_is_taken_back_to_where_it_was_going() {
    let house = House::new().await;
    let page = house.at(&house.acme).browser().get("/auth/login?return_to=/inventory/items%3Fafter%3Da%26n%3D1").await;
    assert!(page.body.contains(r#"name="return_to" value="/inventory/items?after=a&#38;n=1""#), "{}", page.body);
    let form = format!("{FORM}&return_to=%2Finventory%2Fitems%3Fafter%3Da%26n%3D1");
    let answer = house.at(&house.acme).browser().post_form("/auth/login", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), Some("/inventory/items?after=a&n=1"));
    assert!(house.knows(&answer.cookie_value().unwrap()).await);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let house = House::new().await;
    for elsewhere in [
        "//evil.example",
        "/%5Cevil.example",
        "/%255Cevil.example",
        "https:%2F%2Fevil.example",
        "%2F%09%2Fevil.example",
        "%2F%0D%0ASet-Cookie:%20a=b",
        "%5C%5Cevil.example",
        "javascript:alert(1)",
        "%2F%2F%2Fevil.example",
        "",
        "%2Fx%23y",
        "%2F%2e%2e%2F%2Fevil.example",
        "%EF%BB%BF//evil.example",
        "/auth/logout",
    ] {
        let form = format!("{FORM}&return_to={elsewhere}");
        let answer = house.at(&house.acme).browser().post_form("/auth/login", &form).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/")), "{elsewhere}");
        let page = house.at(&house.acme).browser().get(&format!("/auth/login?return_to={elsewhere}")).await;
        assert!(page.body.contains(r#"name="return_to" value="/""#), "{elsewhere}");
    }
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_connections() {
    let house = House::new().await;
    let plain = house.at(&house.acme).browser().post_form("/auth/login", FORM).await;
    let token = plain.cookie_value().unwrap();
    assert_eq!(token.len(), 43);
    assert_eq!(plain.header("set-cookie").unwrap(), format!("cedargate={token}; Path=/; HttpOnly; SameSite=Lax"));

    let tls = house.at(&house.acme).browser().https().post_form("/auth/login", FORM).await;
    let token = tls.cookie_value().unwrap();
    assert_eq!(
        tls.header("set-cookie").unwrap(),
        format!("__Host-cedargate={token}; Path=/; HttpOnly; SameSite=Lax; Secure")
    );
    assert_eq!(tls.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_new_sign_in_ends_the_session_before_it() {
    let house = House::new().await;
    let old = house.sign_ada_in().await;
    assert!(house.knows(&old).await);
    let visitor = house.at(&house.acme).with_cookie(&old);
    let again = visitor.post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    let new = again.cookie_value().unwrap();
    assert_ne!(old, new);
    assert!(!house.knows(&old).await && house.knows(&new).await);
    assert_eq!(house.session_count().await, 1);
}

#[tokio::test]
async fn a_failed_sign_in_leaves_the_session_before_it_alone() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let failing = house.at(&house.acme).with_cookie(&cookie);
    let failed = failing.post_json("/auth/login", &credentials("ada@example.com", "wrong")).await;
    assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
    assert!(house.knows(&cookie).await);
}

#[tokio::test]
async fn guessing_is_slowed_down_for_accounts_that_exist_and_that_do_not() {
    let house = House::new().await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            let failed = house.at(&house.acme).post_json("/auth/login", &credentials(email, "wrong")).await;
            assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
        }
        house.recorder.take();
        for (due, next) in [(1, 2), (2, 4)] {
            let before = house.local.verifications();
            // Even the right password is not tried.
            let delayed = house.at(&house.acme).post_json("/auth/login", &credentials(email, PASSWORD)).await;
            assert_eq!(delayed.status, StatusCode::TOO_MANY_REQUESTS, "{email}");
            assert_eq!(delayed.header("retry-after"), Some(&*format!("{due}")));
            assert_eq!(delayed.json()["code"], "signin_delayed");
            assert_eq!(house.local.verifications(), before);
            let event = house.recorder.take().pop().unwrap();
            assert_eq!((event.result, event.principal), (SigninResult::Delayed, None));

            house.advance(Duration::from_secs(due));
            let failed = house.at(&house.acme).post_json("/auth/login", &credentials(email, "wrong")).await;
            assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
            let form = format!("email={email}&password=x");
            let page = house.at(&house.acme).browser().post_form("/auth/login", &form).await;
            assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
            assert!(page.body.contains(&format!("possible in {next} seconds")), "{}", page.body);
            house.recorder.take();
        }
    }
    house.advance(Duration::from_secs(4));
    house.sign_ada_in().await;
}

#[tokio::test]
async fn without_a_record_nobody_is_signed_in_and_nobody_learns_anything() {
    let house = House::new().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    for (email, password) in [("ada@example.com", PASSWORD), ("ada@example.com", "wrong"), ("nobody@example.com", "x")]
    {
        let answer = house.at(&house.acme).post_json("/auth/login", &credentials(email, password)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{email}");
        assert_eq!(answer.json()["code"], "record_unavailable");
        assert!(answer.cookie_value().is_none());
        assert!(!answer.body.contains("disk"), "the inside is told");
    }
    assert_eq!(house.session_count().await, 0);
}

#[tokio::test]
async fn without_a_store_the_answer_is_503_and_no_failure_is_counted() {
    let house = House::new().await;
    house.pool.close().await;
    for _ in 0..10 {
        let answer = house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["code"], "session_store_unavailable");
    }
}

#[tokio::test]
async fn malformed_sign_ins_are_refused_without_quoting_them() {
    let house = House::new().await;
    let long = format!(r#"{{"email": "a@b", "password": "{}"}}"#, "s3cret".repeat(4_000));
    for (kind, body, status, code) in [
        ("application/json", r#"{"email": "a@b", "password": s3cret}"#, 400, "signin_malformed"),
        ("application/json", r#"{"email": "a@b", "password": 53}"#, 400, "signin_malformed"),
        ("application/json", r#"{"email": "a@b"}"#, 400, "signin_malformed"),
        ("application/json", r#"{"email": "a@b", "password": "s3cret", "s3cret": 1}"#, 400, "signin_malformed"),
        ("application/json", r#"{"email": "a@b", "password": "s3cret", "password": "x"}"#, 400, "signin_malformed"),
        ("application/json", "", 400, "signin_malformed"),
        ("application/json", &long, 413, "body_too_large"),
        ("application/x-www-form-urlencoded", "email=a%40b", 400, "signin_malformed"),
        ("application/x-www-form-urlencoded", "email=a&email=b&password=s3cret", 400, "signin_malformed"),
        ("text/plain", "s3cret", 415, "content_type_unsupported"),
        ("multipart/form-data; boundary=s3cret", "s3cret", 415, "content_type_unsupported"),
    ] {
        let answer = house.at(&house.acme).post_as("/auth/login", kind, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str().unwrap()), (status, code), "{body}");
        assert!(!answer.body.contains("s3cret"));
    }
    assert_eq!(house.local.verifications(), 0);
    let page = house.at(&house.acme).browser().post_form("/auth/login", "email=a").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::BAD_REQUEST, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn what_was_typed_comes_back_harmless_and_the_password_never() {
    let house = House::new().await;
    let form = "email=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=s3cret-s3cret&return_to=/x%3Fa%3D%27b";
    let page = house.at(&house.acme).browser().post_form("/auth/login", form).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(!page.body.contains("<script>") && !page.body.contains("s3cret"), "{}", page.body);
    assert!(page.body.contains("&#34;&#62;&#60;script&#62;"), "{}", page.body);
    assert!(page.body.contains("/x?a=&#39;b"));
}

#[tokio::test]
async fn an_account_of_one_tenant_does_not_open_another() {
    let house = House::new().await;
    let answer = house.at(&house.globex).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_signs_in_on_the_bare_host() {
    let house = House::new().await;
    let answer = house.at_directory().post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("route_unknown")));
    assert_eq!(house.at_directory().browser().get("/auth/login").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn signing_out_ends_the_session_in_the_store_and_in_the_browser() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take();
    let answer = house.at(&house.acme).browser().with_cookie(&cookie).post("/auth/logout").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/auth/login")));
    assert_eq!(answer.header("set-cookie"), Some("cedargate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    assert!(!house.knows(&cookie).await);
    assert_eq!(house.session_count().await, 0);
    let event = house.recorder.take().pop().unwrap();
    assert_eq!((event.result, event.principal), (SigninResult::SignedOut, Some(house.ada)));

    let cookie = house.sign_ada_in().await;
    let answer = house.at(&house.acme).https().with_cookie(&cookie).post("/auth/logout").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-cedargate=; "));
    assert!(!house.knows(&cookie).await);
}

#[tokio::test]
async fn signing_out_without_a_session_is_no_failure_and_no_event() {
    let house = House::new().await;
    let answer = house.at(&house.acme).browser().post("/auth/logout").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(house.recorder.take(), []);
}

#[tokio::test]
async fn a_sign_out_without_a_record_is_503_and_can_be_tried_again() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let answer = house.at(&house.acme).browser().with_cookie(&cookie).post("/auth/logout").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("set-cookie").is_none() && house.knows(&cookie).await, "what is not recorded is not done");
    house.recorder.broken.store(false, Ordering::SeqCst);
    let answer = house.at(&house.acme).browser().with_cookie(&cookie).post("/auth/logout").await;
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!house.knows(&cookie).await);
}

#[tokio::test]
async fn a_session_ends_by_disuse_and_by_age() {
    let house = House::new().await;
    let idle = house.sign_ada_in().await;
    house.advance(Duration::from_secs(59 * 60));
    let used = house.sign_ada_in().await;
    assert!(house.knows(&used).await);
    house.advance(Duration::from_secs(2 * 60));
    assert!(!house.knows(&idle).await, "an hour without use");
    for _ in 0..12 {
        assert!(house.knows(&used).await);
        house.advance(Duration::from_secs(59 * 60));
    }
    house.advance(Duration::from_secs(10 * 60));
    assert!(!house.knows(&used).await, "twelve hours in use");
}
