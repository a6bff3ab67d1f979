//! Second factors, stepping up, and what people do with their own account.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use cedargate_model::{AccountAct, Clock, ProofKind};
use http::StatusCode;
use serde_json::Value;
use totp_rs::{Algorithm, Builder, Secret};

use crate::house::{Answer, House, PASSWORD, Visitor, credentials};

/// What an app shows for this key now.
fn code(house: &House, key: &str) -> String {
    let secret = Secret::try_from_base32(key).unwrap();
    let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(house.clock.now().0).unwrap() / 1_000_000).to_string()
}

/// A code that no app shows now.
fn wrong(house: &House, key: &str) -> String {
    let now = code(house, key);
    (0..).map(|n| format!("{n:06}")).find(|code| *code != now).unwrap()
}

fn text(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap_or_else(|| panic!("{field} in {}", answer.body)).to_owned()
}

impl House {
    fn as_ada(&self, cookie: &str) -> Visitor<'_> {
        self.at(&self.acme).with_cookie(cookie)
    }

    /// Enrols an app for ada, as a program: its key, her recovery codes, and the cookie from then on.
    async fn enrol(&self, cookie: &str) -> (String, Vec<String>, String) {
        let ada = self.as_ada(cookie);
        let body = format!(r#"{{"name": "My phone", "password": "{PASSWORD}"}}"#);
        let begun = ada.post_json("/auth/account/totp", &body).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        let (id, key) = (text(&begun, "id"), text(&begun, "key"));
        let body = format!(r#"{{"code": "{}"}}"#, code(self, &key));
        let finished = ada.post_json(&format!("/auth/account/totp/{id}"), &body).await;
        assert_eq!(finished.status, StatusCode::OK, "{}", finished.body);
        let told = finished.json();
        let codes = told["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned());
        // Another step, so that the next code is a fresh one.
        let kept = (key, codes.collect(), finished.cookie_value().unwrap());
        self.advance(Duration::from_secs(60));
        kept
    }

    async fn step_up(&self, cookie: &str, field: &str, proof: &str) -> Answer {
        self.as_ada(cookie).post_json("/auth/step-up", &format!(r#"{{"{field}": "{proof}"}}"#)).await
    }
}

#[tokio::test]
async fn an_app_is_enrolled_with_a_picture_and_counts_from_its_first_code_on() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take_acts();
    let ada = house.as_ada(&cookie).browser();
    assert!(ada.get("/auth/account/totp").await.body.contains("Add an authenticator app"));
    let form = format!("name=My+phone&return_to=%2Finventory%2Fitems&password={}", PASSWORD.replace(' ', "+"));
    let begun = ada.post_form("/auth/account/totp", &form).await;
    let place = begun.header("location").unwrap().to_owned();
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    let page = ada.get(&place).await;
    assert!(
        page.body.contains("<svg class=\"qr\"")
            && page.body.contains("otpauth://totp/acme.localhost:ada@example.com?secret=")
    );
    let (_, rest) = page.body.split_once("?secret=").unwrap();
    let key = rest.split('&').next().unwrap().to_owned();
    let path = place.split('?').next().unwrap();

    let refused = ada.post_form(path, &format!("code={}", wrong(&house, &key))).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(
        refused.body.contains("That is not right") && refused.body.contains("<svg class=\"qr\""),
        "and may try again"
    );
    assert!(refused.cookie_value().is_none());
    assert!(house.second.store().list(house.acme.id, house.ada).await.unwrap().is_empty());

    let form = format!("code={}&return_to=%2Finventory%2Fitems", code(&house, &key));
    let finished = ada.post_form(path, &form).await;
    assert_eq!(finished.status, StatusCode::OK, "{}", finished.body);
    assert_eq!(finished.body.matches("<li>").count(), 10, "{}", finished.body);
    assert!(finished.body.contains("href=\"/inventory/items\""));
    let after = finished.cookie_value().unwrap();
    assert!(!house.knows(&cookie).await && house.knows(&after).await, "another session, which says so");
    let acts = house.recorder.take_acts();
    assert!(
        matches!(
            acts.as_slice(),
            [
                AccountAct::ProofFailed { method: ProofKind::Totp },
                AccountAct::FactorAdded { method: ProofKind::Totp, .. },
                AccountAct::RecoveryCodesDrawn { count: 10 },
                AccountAct::SteppedUp { level: 2, .. }
            ]
        ),
        "{acts:?}"
    );
    let shown = house.as_ada(&after).browser().get("/auth/account").await;
    assert!(shown.body.contains("My phone") && shown.body.contains("10 left") && shown.body.contains("level 2 of 3"));
    assert!(!shown.body.contains(&key), "the key is shown no more");
    assert_eq!(house.as_ada(&after).get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_code_steps_up_the_same_person_with_another_session_and_once() {
    let house = House::new().await;
    let (key, _, _) = house.enrol(&house.sign_ada_in().await).await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take_acts();
    let now = code(&house, &key);
    let answer = house.step_up(&cookie, "code", &now).await;
    assert_eq!((answer.status, &answer.json()["level"]), (StatusCode::OK, &Value::from(2)), "{}", answer.body);
    assert_eq!(answer.json()["principal"], house.ada.to_string());
    let after = answer.cookie_value().unwrap();
    assert!(!house.knows(&cookie).await && house.knows(&after).await);
    let acts = house.recorder.take_acts();
    assert!(matches!(
        acts.as_slice(),
        [AccountAct::SteppedUp { method: ProofKind::Totp, factor: Some(_), level: 2, .. }]
    ));

    let again = house.step_up(&house.sign_ada_in().await, "code", &now).await;
    assert_eq!(
        (again.status, text(&again, "code").as_str()),
        (StatusCode::UNAUTHORIZED, "proof_failed"),
        "used before"
    );
    assert!(again.cookie_value().is_none());
}

#[tokio::test]
async fn a_person_is_asked_for_what_they_have_and_taken_back() {
    let house = House::new().await;
    let first = house.sign_ada_in().await;
    let page = house.as_ada(&first).browser().get("/auth/step-up?level=2&return_to=/orders").await;
    assert!(page.body.contains("no second factor yet") && page.body.contains("/auth/account/totp?return_to=/orders"));
    let (key, codes, _) = house.enrol(&first).await;
    let cookie = house.sign_ada_in().await;
    let ada = house.as_ada(&cookie).browser();
    let page = ada.get("/auth/step-up?level=2&max_age=300&return_to=/orders%3Fa%3D1").await;
    assert!(page.body.contains("name=\"code\"") && !page.body.contains("name=\"password\""), "{}", page.body);
    let refused = ada.post_form("/auth/step-up", "code=000&level=2&return_to=%2Forders%3Fa%3D1").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.contains("That is not right") && refused.body.contains("value=\"/orders?a=1\""));
    let form = format!("code={}&level=2&return_to=%2Forders%3Fa%3D1", code(&house, &key));
    let answer = ada.post_form("/auth/step-up", &form).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/orders?a=1")));
    let elsewhere = format!("code={}&return_to=%2F%2Fevil.example", codes.first().unwrap());
    let cookie = answer.cookie_value().unwrap();
    let answer = house.as_ada(&cookie).browser().post_form("/auth/step-up", &elsewhere).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/")));
}

#[tokio::test]
async fn a_password_refreshes_a_sign_in_of_its_own_level_and_no_stronger_one() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.advance(Duration::from_secs(1_000));
    let page = house.as_ada(&cookie).browser().get("/auth/step-up?level=1&max_age=900&return_to=/x").await;
    assert!(page.body.contains("name=\"password\"") && !page.body.contains("name=\"code\""), "{}", page.body);
    let wrong = house.step_up(&cookie, "password", "not the password").await;
    assert_eq!((wrong.status, text(&wrong, "code").as_str()), (StatusCode::UNAUTHORIZED, "proof_failed"));
    let fresh = house.step_up(&cookie, "password", PASSWORD).await;
    assert_eq!((fresh.status, &fresh.json()["level"]), (StatusCode::OK, &Value::from(1)));
    let (_, _, strong) = house.enrol(&fresh.cookie_value().unwrap()).await;
    for password in [PASSWORD, "not the password"] {
        let weaker = house.step_up(&strong, "password", password).await;
        assert_eq!((weaker.status, text(&weaker, "code").as_str()), (StatusCode::FORBIDDEN, "proof_too_weak"));
    }
    assert!(house.knows(&strong).await);
    let page = house.as_ada(&strong).browser().get("/auth/step-up?level=1").await;
    assert!(!page.body.contains("name=\"password\""), "a stronger session is confirmed by what made it strong");
}

#[tokio::test]
async fn a_recovery_code_confirms_once() {
    let house = House::new().await;
    let (_, codes, _) = house.enrol(&house.sign_ada_in().await).await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take_acts();
    let code = codes.first().unwrap().to_uppercase();
    let answer = house.step_up(&cookie, "code", &code).await;
    assert_eq!((answer.status, &answer.json()["level"]), (StatusCode::OK, &Value::from(2)));
    let acts = house.recorder.take_acts();
    assert!(matches!(acts.as_slice(), [AccountAct::SteppedUp { method: ProofKind::RecoveryCode, factor: None, .. }]));
    let again = house.step_up(&house.sign_ada_in().await, "code", &code).await;
    assert_eq!(text(&again, "code"), "proof_failed");
    let shown = house.as_ada(&answer.cookie_value().unwrap()).get("/auth/account").await;
    assert_eq!(shown.json()["recovery_codes_left"], 9);
}

/// Wrong, used, of nobody and no code at all: the same answer, and nothing of it is kept.
#[tokio::test]
async fn every_wrong_code_looks_the_same_and_too_many_are_not_tried() {
    let house = House::new().await;
    let (key, codes, _) = house.enrol(&house.sign_ada_in().await).await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take_acts();
    let mut answers = Vec::new();
    for proof in [wrong(&house, &key), "abcd-efgh-jkmn-pqrs-tuvw-xyz2".to_owned(), "no code".to_owned()] {
        let answer = house.step_up(&cookie, "code", &proof).await;
        answers.push((answer.status, answer.body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    for _ in 0..3 {
        assert_eq!(house.step_up(&cookie, "code", &wrong(&house, &key)).await.status, StatusCode::UNAUTHORIZED);
    }
    let delayed = house.step_up(&cookie, "code", &code(&house, &key)).await;
    assert_eq!((delayed.status, text(&delayed, "code").as_str()), (StatusCode::TOO_MANY_REQUESTS, "proof_delayed"));
    assert_eq!(delayed.header("retry-after"), Some("1"));
    assert!(house.recorder.take_acts().contains(&AccountAct::ProofDelayed { method: ProofKind::Totp }));
    assert_eq!(
        house.step_up(&cookie, "code", codes.first().unwrap()).await.status,
        StatusCode::OK,
        "the other kind works"
    );
}

#[tokio::test]
async fn whoever_has_a_factor_proves_it_before_anything_about_factors_changes() {
    let house = House::new().await;
    let (_, _, strong) = house.enrol(&house.sign_ada_in().await).await;
    let weak = house.sign_ada_in().await;
    let account = house.as_ada(&strong).get("/auth/account").await;
    let factor = account.json()["factors"][0]["id"].as_str().unwrap().to_owned();
    house.recorder.take_acts();
    let thief = house.as_ada(&weak);
    for (path, body) in [
        ("/auth/account/totp".to_owned(), r#"{"name": "mine now"}"#),
        (format!("/auth/account/factors/{factor}/name"), r#"{"name": "mine now"}"#),
        (format!("/auth/account/factors/{factor}/remove"), "{}"),
        ("/auth/account/recovery-codes".to_owned(), "{}"),
    ] {
        let refused = thief.post_json(&path, body).await;
        assert_eq!(
            (refused.status, text(&refused, "code").as_str()),
            (StatusCode::UNAUTHORIZED, "step_up_required"),
            "{path}"
        );
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_user_authentication") && challenge.contains("aal2"), "{challenge}");
    }
    for path in [format!("/auth/account/factors/{factor}"), "/auth/account/recovery-codes".to_owned()] {
        let led = thief.clone().browser().get(&path).await;
        assert_eq!(led.header("location"), Some(format!("/auth/step-up?level=2&return_to={path}").as_str()));
    }
    assert_eq!(house.recorder.take_acts(), []);
    assert_eq!(house.second.store().list(house.acme.id, house.ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_removed_factor_is_gone_and_so_is_whoever_else_was_signed_in() {
    let house = House::new().await;
    let (key, _, own) = house.enrol(&house.sign_ada_in().await).await;
    let other = house.sign_ada_in().await;
    assert!(house.knows(&other).await);
    let ada = house.as_ada(&own);
    let account = ada.get("/auth/account").await.json();
    let factor = account["factors"][0]["id"].as_str().unwrap().to_owned();
    let page = ada.clone().browser().get(&format!("/auth/account/factors/{factor}")).await;
    assert!(page.body.contains("Remove My phone"));
    let odd = ada.clone().browser().post_form(&format!("/auth/account/factors/{factor}/name"), "name=+").await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    let renamed =
        ada.post_json(&format!("/auth/account/factors/{factor}/name"), r#"{"name": "Old <b>phone</b>"}"#).await;
    assert_eq!(renamed.status, StatusCode::NO_CONTENT);
    let shown = ada.clone().browser().get("/auth/account").await;
    assert!(shown.body.contains("Old &#60;b&#62;phone"), "{}", shown.body);
    house.recorder.take_acts();
    let removed = ada.clone().browser().post_form(&format!("/auth/account/factors/{factor}/remove"), "").await;
    assert_eq!((removed.status, removed.header("location")), (StatusCode::SEE_OTHER, Some("/auth/account")));
    assert!(house.knows(&own).await && !house.knows(&other).await);
    let acts = house.recorder.take_acts();
    assert!(
        matches!(acts.as_slice(), [AccountAct::FactorRemoved { .. }, AccountAct::SessionsEnded { ended }] if ended.len() == 1)
    );
    let again = house.step_up(&house.sign_ada_in().await, "code", &code(&house, &key)).await;
    assert_eq!(text(&again, "code"), "proof_failed");
    assert_eq!(
        ada.post_json(&format!("/auth/account/factors/{factor}/remove"), "{}").await.status,
        StatusCode::NOT_FOUND
    );
    let none = ada.post_json("/auth/account/recovery-codes", "{}").await;
    assert_eq!(text(&none, "code"), "factor_missing");
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let house = House::new().await;
    let [own, other, third] = [house.sign_ada_in().await, house.sign_ada_in().await, house.sign_ada_in().await];
    let ada = house.as_ada(&own);
    house.recorder.take_acts();
    let account = ada.get("/auth/account").await;
    assert_eq!(account.header("cache-control"), Some("no-store"));
    let sessions = account.json()["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 3);
    assert!(sessions.iter().all(|session| session["address"] == "192.0.2.1" && session["agent"] == "a test"));
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    for cookie in [&own, &other, &third] {
        assert!(!account.body.contains(cookie.as_str()), "no token is anybody's to see");
    }
    let one = sessions.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();
    assert_eq!(ada.post_json(&format!("/auth/account/sessions/{one}/end"), "{}").await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.session_count().await, 2);
    let answer = ada.clone().browser().post_form("/auth/account/sessions/end-others", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(house.knows(&own).await && !house.knows(&other).await && !house.knows(&third).await);
    let acts = house.recorder.take_acts();
    assert!(
        acts.len() == 2
            && acts.iter().all(|act| matches!(act, AccountAct::SessionsEnded { ended } if ended.len() == 1))
    );
}

#[tokio::test]
async fn nobody_reaches_anothers_session_or_factor() {
    let house = House::new().await;
    let (_, _, strong) = house.enrol(&house.sign_ada_in().await).await;
    let account = house.as_ada(&strong).get("/auth/account").await.json();
    let (factor, session) =
        (account["factors"][0]["id"].as_str().unwrap(), account["sessions"][0]["id"].as_str().unwrap());
    house.account("bob@example.com").await;
    let bob = house.at(&house.acme).post_json("/auth/login", &credentials("bob@example.com", PASSWORD)).await;
    let bob = house.at(&house.acme).with_cookie(&bob.cookie_value().unwrap());
    for path in ["", "/name", "/remove"] {
        let path = format!("/auth/account/factors/{factor}{path}");
        let answer = match path.ends_with(factor) {
            true => bob.get(&path).await,
            false => bob.post_json(&path, r#"{"name": "bob's"}"#).await,
        };
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(
        bob.post_json(&format!("/auth/account/sessions/{session}/end"), "{}").await.status,
        StatusCode::NO_CONTENT
    );
    assert!(
        house.knows(&strong).await,
        "ending another's session looks like ending one that is over, and does nothing"
    );
    let stranger = house.at(&house.acme).get("/auth/account").await;
    assert_eq!((stranger.status, text(&stranger, "code").as_str()), (StatusCode::UNAUTHORIZED, "signin_required"));
    assert_eq!(house.at_directory().get("/auth/account").await.status, StatusCode::NOT_FOUND);
}

/// A stolen cookie, however young, is not enough: the first factor would be the thief's.
#[tokio::test]
async fn a_cookie_alone_enrols_no_first_factor() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.recorder.take_acts();
    let (program, person) = (house.as_ada(&cookie), house.as_ada(&cookie).browser());
    let page = person.get("/auth/account/totp").await;
    assert!(page.body.contains("name=\"password\""), "{}", page.body);
    let refused = program.post_json("/auth/account/totp", r#"{"name": "mine"}"#).await;
    assert_eq!(
        (refused.status, text(&refused, "code").as_str()),
        (StatusCode::UNAUTHORIZED, "factor_unconfirmed"),
        "{}",
        refused.body
    );
    assert_eq!(house.recorder.take_acts(), []);
    let refused = program.post_json("/auth/account/totp", r#"{"name": "mine", "password": "a guess"}"#).await;
    assert_eq!((refused.status, text(&refused, "code").as_str()), (StatusCode::UNAUTHORIZED, "proof_failed"));
    let refused = person.post_form("/auth/account/totp", "name=mine&password=a+guess").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.contains("That is not right") && refused.body.contains("name=\"password\""));
    assert!(!refused.body.contains("a guess"));
    let failed = AccountAct::ProofFailed { method: ProofKind::Password };
    assert_eq!(house.recorder.take_acts(), [failed.clone(), failed]);
    for _ in 0..3 {
        program.post_json("/auth/account/totp", r#"{"password": "a guess"}"#).await;
    }
    let body = format!(r#"{{"password": "{PASSWORD}"}}"#);
    let delayed = program.post_json("/auth/account/totp", &body).await;
    assert_eq!((delayed.status, text(&delayed, "code").as_str()), (StatusCode::TOO_MANY_REQUESTS, "proof_delayed"));
    house.advance(Duration::from_secs(2));
    assert_eq!(program.post_json("/auth/account/totp", &body).await.status, StatusCode::OK);
    let (_, _, strong) = house.enrol(&house.sign_ada_in().await).await;
    let page = house.as_ada(&strong).browser().get("/auth/account/totp").await;
    assert!(!page.body.contains("name=\"password\""), "whoever has a factor has proved it");
    assert_eq!(house.as_ada(&strong).post_json("/auth/account/totp", "{}").await.status, StatusCode::OK);
}

/// The gateway let the request through, its body took its time, and meanwhile the session ended.
#[tokio::test]
async fn a_request_that_was_let_through_changes_nothing_once_its_session_is_over() {
    let house = House::new().await;
    let (_, _, strong) = house.enrol(&house.sign_ada_in().await).await;
    let ada = house.as_ada(&strong);
    let factor = ada.get("/auth/account").await.json()["factors"][0]["id"].as_str().unwrap().to_owned();
    let begun = ada.post_json("/auth/account/totp", "{}").await;
    let (pending, key) = (text(&begun, "id"), text(&begun, "key"));
    let mut stalled = Vec::new();
    for (path, body) in [
        ("/auth/account/totp".to_owned(), "{}".to_owned()),
        (format!("/auth/account/totp/{pending}"), format!(r#"{{"code": "{}"}}"#, code(&house, &key))),
        (format!("/auth/account/factors/{factor}/name"), r#"{"name": "mine"}"#.to_owned()),
        (format!("/auth/account/factors/{factor}/remove"), "{}".to_owned()),
        ("/auth/account/recovery-codes".to_owned(), "{}".to_owned()),
    ] {
        let request = ada.request("POST", &path).await.header("content-type", "application/json");
        stalled.push(request.body(axum::body::Body::from(body)).unwrap());
    }
    assert_eq!(ada.post("/auth/logout").await.status, StatusCode::NO_CONTENT);
    house.recorder.take_acts();
    for request in stalled {
        let path = request.uri().path().to_owned();
        let refused = ada.send(request).await;
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].contains(&refused.status),
            "{path}: {} {}",
            refused.status,
            refused.body
        );
        assert_eq!(refused.cookie_value(), None, "{path}");
    }
    let acts = house.recorder.take_acts();
    assert!(acts.iter().all(|act| matches!(act, AccountAct::ProofFailed { .. })), "{acts:?}");
    let known = house.second.store().list(house.acme.id, house.ada).await.unwrap();
    assert_eq!(known.iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["My phone"]);
}

#[tokio::test]
async fn without_a_record_no_factor_comes_or_goes_and_nobody_is_signed_out() {
    let house = House::new().await;
    let (own, other) = (house.sign_ada_in().await, house.sign_ada_in().await);
    let ada = house.as_ada(&own);
    let begun = ada.post_json("/auth/account/totp", &format!(r#"{{"password": "{PASSWORD}"}}"#)).await;
    let (id, key) = (text(&begun, "id"), text(&begun, "key"));
    let store = house.second.store();
    let left = async || store.recovery_codes_left(house.acme.id, house.ada).await.unwrap();
    let record = |works: bool| house.recorder.broken.store(!works, Ordering::SeqCst);
    record(false);
    let finish = format!("/auth/account/totp/{id}");
    let refused = ada.post_json(&finish, &format!(r#"{{"code": "{}"}}"#, code(&house, &key))).await;
    assert_eq!(text(&refused, "code"), "record_unavailable");
    assert_eq!((store.list(house.acme.id, house.ada).await.unwrap(), left().await), (vec![], 0));
    assert!(house.knows(&own).await && house.knows(&other).await);
    record(true);
    let finished = ada.post_json(&finish, &format!(r#"{{"code": "{}"}}"#, code(&house, &key))).await;
    assert_eq!(finished.status, StatusCode::OK, "the enrolment is still open: {}", finished.body);

    let strong = finished.cookie_value().unwrap();
    let ada = house.as_ada(&strong);
    record(false);
    for path in [format!("/auth/account/factors/{id}/remove"), "/auth/account/recovery-codes".to_owned()] {
        let refused = ada.post_json(&path, "{}").await;
        assert_eq!(text(&refused, "code"), "record_unavailable", "{path}");
    }
    assert_eq!(store.list(house.acme.id, house.ada).await.unwrap().len(), 1);
    assert!(house.knows(&strong).await && house.knows(&other).await);
    record(true);
    let first = finished.json()["recovery_codes"][0].as_str().unwrap().to_owned();
    let recovered = house.step_up(&house.sign_ada_in().await, "code", &first).await;
    assert_eq!(recovered.status, StatusCode::OK, "the codes that were shown count");
}

/// The timeline that this stops: a thief ends the owner's sessions while nothing can be recorded; a retry finds none, and nobody ever
/// learns of it.
#[tokio::test]
async fn without_a_record_no_session_ends() {
    let house = House::new().await;
    let (own, other) = (house.sign_ada_in().await, house.sign_ada_in().await);
    let session = house.recorder.take().last().unwrap().session.unwrap();
    for path in ["/auth/account/sessions/end-others".to_owned(), format!("/auth/account/sessions/{session}/end")] {
        house.recorder.broken.store(true, Ordering::SeqCst);
        let refused = house.as_ada(&own).post_json(&path, "{}").await;
        assert_eq!(text(&refused, "code"), "record_unavailable", "{path}");
        assert!(house.knows(&other).await, "{path}");
        house.recorder.broken.store(false, Ordering::SeqCst);
    }
    assert_eq!(house.as_ada(&own).post_json("/auth/account/sessions/end-others", "{}").await.status.as_u16(), 204);
    assert_eq!(house.recorder.take_acts(), [AccountAct::SessionsEnded { ended: vec![session] }]);
    assert!(!house.knows(&other).await && house.knows(&own).await);
}

#[tokio::test]
async fn guesses_at_the_sign_in_keep_nobody_from_confirming_who_they_are() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    for _ in 0..5 {
        house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", "a guess")).await;
    }
    let delayed = house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(delayed.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.step_up(&cookie, "password", PASSWORD).await.status, StatusCode::OK);
}

/// The timeline that this stops: a thief with the password shows wrong codes at the end of each delay, and the owner waits for ever.
#[tokio::test]
async fn whoever_guesses_with_the_password_keeps_nobody_waiting_at_a_device_of_theirs() {
    let house = House::new().await;
    let (key, codes, _) = house.enrol(&house.sign_ada_in().await).await;
    let recovered = house.step_up(&house.sign_ada_in().await, "code", &codes[0]).await;
    let device = recovered.cookie_named("cedargate-device").unwrap();
    let thief = house.sign_ada_in().await;
    for _ in 0..5 {
        house.step_up(&thief, "code", &wrong(&house, &key)).await;
    }
    let right = format!(r#"{{"code": "{}"}}"#, code(&house, &key));
    for cookie in ["theme=dark".to_owned(), format!("cedargate-device={}", "A".repeat(80))] {
        let visitor = house.as_ada(&thief).holding(&cookie);
        assert_eq!(visitor.post_json("/auth/step-up", &right).await.status, StatusCode::TOO_MANY_REQUESTS, "{cookie}");
    }
    let owner = house.sign_ada_in().await;
    let at_home = house.as_ada(&owner).holding(&format!("cedargate-device={device}"));
    let proved = at_home.post_json("/auth/step-up", &right).await;
    assert_eq!(proved.status, StatusCode::OK, "{}", proved.body);
    assert!(proved.cookie_named("cedargate-device").is_some(), "known for as long again");
}

#[tokio::test]
async fn without_a_record_nothing_is_stepped_up_or_enrolled() {
    let house = House::new().await;
    let (key, _, _) = house.enrol(&house.sign_ada_in().await).await;
    let cookie = house.sign_ada_in().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let refused = house.step_up(&cookie, "code", &code(&house, &key)).await;
    assert_eq!(
        (refused.status, text(&refused, "code").as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "record_unavailable")
    );
    assert!(refused.cookie_value().is_none());
    assert!(house.knows(&cookie).await, "and the session before goes on");
    house.recorder.broken.store(false, Ordering::SeqCst);
    let again = house.step_up(&cookie, "code", &code(&house, &key)).await;
    assert_eq!(again.status, StatusCode::OK, "the code is as good as before: {}", again.body);
    house.recorder.broken.store(true, Ordering::SeqCst);
    let failed = house.step_up(&house.sign_in_unrecorded().await, "code", "000000").await;
    assert_eq!(text(&failed, "code"), "record_unavailable", "nor does anybody learn that it was wrong");
}

#[tokio::test]
async fn a_body_with_no_proof_or_two_is_refused() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    for body in ["{}", r#"{"code": "123456", "password": "x"}"#, r#"{"code": 1}"#, "", "[]"] {
        let answer = house.as_ada(&cookie).post_json("/auth/step-up", body).await;
        assert_eq!(
            (answer.status, text(&answer, "code").as_str()),
            (StatusCode::BAD_REQUEST, "request_malformed"),
            "{body}"
        );
    }
    let answer = house.as_ada(&cookie).post_as("/auth/step-up", "text/plain", "code=1").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
