//! Passkeys and security keys, by an authenticator in software and a browser that may lie.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use cedargate_idp_adapters::webauthn::testing::{Page, SoftAuthenticator};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{AccountAct, FactorId, ProofKind, SigninReason, SigninResult};
use http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Answer, House, PASSWORD, Visitor, credentials};

const ACME: &str = "http://acme.localhost:8080";
const GLOBEX: &str = "http://globex.localhost:8080";
const NOBODY: &str = "01900000-0000-7000-8000-00000000dead";

impl House {
    fn ada_by<'h>(&'h self, cookie: &str) -> Visitor<'h> {
        self.at(&self.acme).with_cookie(cookie)
    }

    /// Adds one in the session of this cookie, and returns the answer.
    async fn add(&self, cookie: &str, kind: &str, authenticator: &mut SoftAuthenticator) -> Answer {
        let (begun, options) = self.begin_adding(cookie, kind).await;
        let answer = authenticator.create(&Page::at(ACME), &options).await;
        self.ada_by(cookie).post_json(&format!("/auth/account/passkey/{begun}"), &credential(&answer)).await
    }

    async fn begin_adding(&self, cookie: &str, kind: &str) -> (String, Value) {
        let body = json!({ "kind": kind, "name": "My key", "password": PASSWORD }).to_string();
        told(&self.ada_by(cookie).post_json("/auth/account/passkey", &body).await)
    }

    /// Asks to sign in by a passkey: the ceremony, its options, and the browser's cookie.
    async fn begin_sign_in(&self) -> (String, Value, String) {
        let begun = self.at(&self.acme).post_json("/auth/login/passkey", "{}").await;
        let cookie = begun.cookie_named("cedargate-signin").unwrap();
        let (ceremony, options) = told(&begun);
        (ceremony, options, format!("cedargate-signin={cookie}"))
    }

    async fn sign_in_by(&self, authenticator: &mut SoftAuthenticator, page: &Page) -> Answer {
        let (ceremony, options, browser) = self.begin_sign_in().await;
        let answer = authenticator.get(page, &options).await;
        self.finish_sign_in(&ceremony, &answer, &browser).await
    }

    async fn finish_sign_in(&self, ceremony: &str, answer: &str, browser: &str) -> Answer {
        let visitor = self.at(&self.acme).holding(browser);
        visitor.post_json(&format!("/auth/login/passkey/{ceremony}"), &credential(answer)).await
    }

    async fn confirm_by(&self, cookie: &str, authenticator: &mut SoftAuthenticator, page: &Page) -> Answer {
        let (ceremony, options) = told(&self.ada_by(cookie).post_json("/auth/step-up/passkey", "{}").await);
        let answer = authenticator.get(page, &options).await;
        self.ada_by(cookie).post_json(&format!("/auth/step-up/passkey/{ceremony}"), &credential(&answer)).await
    }

    fn reason(&self) -> SigninReason {
        match self.recorder.take().as_slice() {
            [signin] => {
                assert_eq!(signin.result, SigninResult::Failed);
                signin.reason.unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn act_reason(&self) -> SigninReason {
        match self.recorder.take_acts().as_slice() {
            [AccountAct::ProofRefused { reason, .. }] => *reason,
            other => panic!("{other:?}"),
        }
    }
}

fn told(begun: &Answer) -> (String, Value) {
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
    assert_eq!(begun.header("cache-control"), Some("no-store"));
    let told = begun.json();
    (told["ceremony"].as_str().unwrap().to_owned(), told["options"].clone())
}

fn credential(answer: &str) -> String {
    json!({ "credential": answer }).to_string()
}

fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

#[each_engine]
async fn a_passkey_is_added_with_recovery_codes_and_signs_in_without_a_password() {
    let house = House::new().await;
    let weak = house.sign_ada_in().await;
    house.recorder.take();
    let mut authenticator = SoftAuthenticator::new();
    let added = house.add(&weak, "passkey", &mut authenticator).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.body);
    assert_eq!(added.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let strong = added.cookie_value().unwrap();
    assert!(house.knows(&strong).await && !house.knows(&weak).await, "the session is another one, and says so");
    let acts = house.recorder.take_acts();
    assert!(
        matches!(
            acts.as_slice(),
            [
                AccountAct::FactorAdded { method: ProofKind::Passkey, .. },
                AccountAct::RecoveryCodesDrawn { count: 10 },
                AccountAct::SteppedUp { method: ProofKind::Passkey, level: 2, .. }
            ]
        ),
        "{acts:?}"
    );
    let account = house.ada_by(&strong).get("/auth/account").await.json();
    assert_eq!((&account["factors"][0]["kind"], &account["factors"][0]["name"]), (&json!("passkey"), &json!("My key")));

    let signed_in = house.sign_in_by(&mut authenticator, &Page::at(ACME)).await;
    assert_eq!((signed_in.status, &signed_in.json()["level"]), (StatusCode::OK, &json!(2)), "{}", signed_in.body);
    assert!(house.knows(&signed_in.cookie_named("cedargate").unwrap()).await);
    assert_eq!(signed_in.cookie_named("cedargate-signin").as_deref(), Some(""), "spent");
    let events = house.recorder.take();
    let factor = account["factors"][0]["id"].as_str().unwrap().parse().ok().map(FactorId);
    assert!(matches!(events.as_slice(), [signin] if signin.result == SigninResult::Succeeded
        && signin.principal == Some(house.ada) && signin.method == Some(ProofKind::Passkey) && signin.factor == factor));
}

/// Whatever is wrong, whoever sent it sees one answer, and the record has the reason.
#[each_engine]
async fn every_wrong_answer_looks_the_same_and_has_its_own_reason() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let strong = house.add(&house.sign_ada_in().await, "passkey", &mut authenticator).await.cookie_value().unwrap();
    let mut touched = SoftAuthenticator::new();
    touched.verify(false);
    let strong = house.add(&strong, "security_key", &mut touched).await.cookie_value().unwrap();
    let mut unknown = SoftAuthenticator::new();
    let (_, options) = house.begin_adding(&strong, "passkey").await;
    unknown.create(&Page::at(ACME), &options).await;
    house.recorder.take_acts();

    let honest = Page::at(ACME);
    let mut answers = Vec::new();
    for (page, expected) in [
        (Page::at(GLOBEX), SigninReason::ClientDataOrigin),
        (Page::at("https://acme.localhost:8080"), SigninReason::ClientDataOrigin),
        (Page::at("http://acme.localhost"), SigninReason::ClientDataOrigin),
        (Page::at("http://localhost:8080"), SigninReason::ClientDataOrigin),
        (Page { rp_id: Some("localhost".into()), ..honest.clone() }, SigninReason::RpIdMismatch),
        (Page { cross_origin: true, ..honest.clone() }, SigninReason::ClientDataCrossOrigin),
        (Page { act: Some("webauthn.create"), ..honest.clone() }, SigninReason::ClientDataType),
    ] {
        answers.push(house.sign_in_by(&mut authenticator, &page).await);
        assert_eq!(house.reason(), expected, "{page:?}");
    }
    authenticator.verify(false);
    answers.push(house.sign_in_by(&mut authenticator, &honest).await);
    assert_eq!(house.reason(), SigninReason::UserNotVerified);
    authenticator.verify(true);
    answers.push(house.sign_in_by(&mut touched, &honest).await);
    assert_eq!(house.reason(), SigninReason::CredentialNotPasswordless);
    answers.push(house.sign_in_by(&mut unknown, &honest).await);
    assert_eq!(house.reason(), SigninReason::CredentialUnknown);

    let (ceremony, options, browser) = house.begin_sign_in().await;
    let right = authenticator.get(&honest, &options).await;
    let other = house.begin_sign_in().await.2;
    for browser in [other.as_str(), "cedargate-signin=x", "x=y"] {
        answers.push(house.finish_sign_in(&ceremony, &right, browser).await);
        assert_eq!(house.reason(), SigninReason::BrowserMismatch);
    }
    for nobodys in [NOBODY, "x"] {
        answers.push(house.finish_sign_in(nobodys, &right, &browser).await);
        assert_eq!(house.reason(), SigninReason::BrowserMismatch);
    }
    assert_eq!(house.finish_sign_in(&ceremony, &right, &browser).await.status, StatusCode::OK);
    house.recorder.take();
    answers.push(house.finish_sign_in(&ceremony, &right, &browser).await);
    assert_eq!(house.reason(), SigninReason::CeremonySpent);
    let (another, _, browser) = house.begin_sign_in().await;
    answers.push(house.finish_sign_in(&another, &right, &browser).await);
    assert_eq!(house.reason(), SigninReason::ChallengeMismatch);

    authenticator.set_counter(0);
    answers.push(house.sign_in_by(&mut authenticator, &honest).await);
    match house.recorder.take().as_slice() {
        [signin] => assert_eq!(
            (signin.reason, signin.principal, signin.method, signin.factor.is_some()),
            (Some(SigninReason::CounterRegressed), Some(house.ada), Some(ProofKind::Passkey), true),
            "a copy is somebody's to look after"
        ),
        other => panic!("{other:?}"),
    }
    let (late, options, browser) = house.begin_sign_in().await;
    authenticator.set_counter(90);
    let right = authenticator.get(&honest, &options).await;
    house.advance(Duration::from_secs(300));
    answers.push(house.finish_sign_in(&late, &right, &browser).await);
    assert_eq!(house.reason(), SigninReason::CeremonyExpired);
    let (garbled, _, browser) = house.begin_sign_in().await;
    answers.push(house.finish_sign_in(&garbled, "{}", &browser).await);
    assert_eq!(house.reason(), SigninReason::CredentialMalformed);

    for answer in &answers {
        assert_eq!((answer.status, code(answer).as_str()), (StatusCode::UNAUTHORIZED, "passkey_failed"));
        assert_eq!(answer.body, answers[0].body);
        assert!(answer.cookie_named("cedargate").is_none());
    }
}

#[each_engine]
async fn acmes_passkey_opens_nothing_at_globex() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    house.add(&house.sign_ada_in().await, "passkey", &mut authenticator).await;
    house.recorder.take_acts();
    let globex = house.at(&house.globex);
    for (page, expected) in [
        (Page { rp_id: Some("acme.localhost".into()), ..Page::at(ACME) }, SigninReason::ClientDataOrigin),
        (Page::at(GLOBEX), SigninReason::CredentialUnknown),
    ] {
        let begun = globex.post_json("/auth/login/passkey", "{}").await;
        let browser = format!("cedargate-signin={}", begun.cookie_named("cedargate-signin").unwrap());
        let (ceremony, options) = told(&begun);
        assert_eq!(options["rpId"], "globex.localhost");
        let answer = authenticator.get(&page, &options).await;
        let visitor = globex.clone().holding(&browser);
        let refused = visitor.post_json(&format!("/auth/login/passkey/{ceremony}"), &credential(&answer)).await;
        assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::UNAUTHORIZED, "passkey_failed"));
        assert_eq!(house.reason(), expected);
    }
    assert_eq!(house.at_directory().post_json("/auth/login/passkey", "{}").await.status, StatusCode::NOT_FOUND);
}

/// Host and port come from the configuration: a request that says another port changes nothing of what is believed.
#[each_engine]
async fn the_port_of_a_request_is_not_the_origins() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    house.add(&house.sign_ada_in().await, "passkey", &mut authenticator).await;
    house.recorder.take_acts();
    let (ceremony, options, browser) = house.begin_sign_in().await;
    let answer = authenticator.get(&Page::at("http://acme.localhost:9999"), &options).await;
    let visitor = house.at(&house.acme).holding(&browser);
    let path = format!("/auth/login/passkey/{ceremony}");
    let mut request = visitor
        .request("POST", &path)
        .await
        .header("content-type", "application/json")
        .body(axum::body::Body::from(credential(&answer)))
        .unwrap();
    request.headers_mut().insert("x-forwarded-host", "acme.localhost:9999".parse().unwrap());
    let refused = visitor.send(request).await;
    assert_eq!(code(&refused), "passkey_failed");
    assert_eq!(house.reason(), SigninReason::ClientDataOrigin);
}

#[each_engine]
async fn a_security_key_confirms_beside_a_password_and_is_its_persons_own() {
    let house = House::new().await;
    let mut key = SoftAuthenticator::new();
    key.verify(false);
    house.add(&house.sign_ada_in().await, "security_key", &mut key).await;
    let weak = house.sign_ada_in().await;
    house.recorder.take_acts();
    let confirmed = house.confirm_by(&weak, &mut key, &Page::at(ACME)).await;
    assert_eq!((confirmed.status, &confirmed.json()["level"]), (StatusCode::OK, &json!(2)), "{}", confirmed.body);
    let acts = house.recorder.take_acts();
    assert!(matches!(
        acts.as_slice(),
        [AccountAct::SteppedUp { method: ProofKind::SecurityKey, factor: Some(_), level: 2, .. }]
    ));
    assert!(!house.knows(&weak).await);

    // Bob's session, with an account and a key of his own, and ada's key.
    house.account("bob@example.com").await;
    let bob = house.at(&house.acme).post_json("/auth/login", &credentials("bob@example.com", PASSWORD)).await;
    let bob = bob.cookie_value().unwrap();
    let mut of_bob = SoftAuthenticator::new();
    let bob = house.add(&bob, "passkey", &mut of_bob).await.cookie_value().unwrap();
    house.recorder.take_acts();
    let refused = house.confirm_by(&bob, &mut key, &Page::at(ACME)).await;
    assert_eq!(code(&refused), "passkey_failed");
    assert_eq!(house.act_reason(), SigninReason::CredentialOfAnother);
    // And ada's ceremony is not bob's to answer.
    let ada = house.sign_ada_in().await;
    let (ceremony, options) = told(&house.ada_by(&ada).post_json("/auth/step-up/passkey", "{}").await);
    let answer = key.get(&Page::at(ACME), &options).await;
    house.recorder.take_acts();
    let refused =
        house.ada_by(&bob).post_json(&format!("/auth/step-up/passkey/{ceremony}"), &credential(&answer)).await;
    assert_eq!(code(&refused), "passkey_failed");
    assert_eq!(house.act_reason(), SigninReason::CeremonyUnknown);
}

#[each_engine]
async fn whoever_has_a_factor_proves_it_before_another_is_added() {
    let house = House::new().await;
    let mut first = SoftAuthenticator::new();
    house.add(&house.sign_ada_in().await, "passkey", &mut first).await;
    let thief = house.sign_ada_in().await;
    house.recorder.take_acts();
    let refused = house.ada_by(&thief).post_json("/auth/account/passkey", r#"{"kind": "passkey"}"#).await;
    assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::UNAUTHORIZED, "step_up_required"));
    let led = house.ada_by(&thief).browser().get("/auth/account/passkey").await;
    assert_eq!(led.header("location"), Some("/auth/step-up?level=2&return_to=/auth/account/passkey"));
    assert_eq!(house.recorder.take_acts(), []);
    for odd in ["{}", r#"{"kind": "otp"}"#, r#"{"kind": 1}"#, "[]"] {
        let refused = house.ada_by(&thief).post_json("/auth/account/passkey", odd).await;
        assert_ne!(refused.status, StatusCode::OK, "{odd}");
    }
    // Nor does a cookie alone add a first one, nor a wrong password.
    house.account("bob@example.com").await;
    let bob = house.at(&house.acme).post_json("/auth/login", &credentials("bob@example.com", PASSWORD)).await;
    let bob = house.ada_by(&bob.cookie_value().unwrap());
    let bare = bob.post_json("/auth/account/passkey", r#"{"kind": "passkey"}"#).await;
    assert_eq!(code(&bare), "factor_unconfirmed");
    let wrong = bob.post_json("/auth/account/passkey", r#"{"kind": "passkey", "password": "wrong"}"#).await;
    assert_eq!(code(&wrong), "proof_failed");
    let stranger = house.at(&house.acme).post_json("/auth/account/passkey", r#"{"kind": "passkey"}"#).await;
    assert_eq!(code(&stranger), "signin_required");
}

#[each_engine]
async fn a_removed_passkey_ends_other_sessions_and_signs_nobody_in() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let own = house.add(&house.sign_ada_in().await, "passkey", &mut authenticator).await.cookie_value().unwrap();
    let other = house.sign_in_by(&mut authenticator, &Page::at(ACME)).await.cookie_named("cedargate").unwrap();
    let ada = house.ada_by(&own);
    let factor = ada.get("/auth/account").await.json()["factors"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/auth/account/factors/{factor}");
    let renamed = ada.post_json(&format!("{path}/name"), r#"{"name": "Old phone"}"#).await;
    assert_eq!(renamed.status, StatusCode::NO_CONTENT);
    let page = ada.clone().browser().get(&path).await;
    assert!(page.body.contains("Remove Old phone") && page.body.contains("Passkey, added"), "{}", page.body);
    house.recorder.take_acts();
    assert_eq!(ada.post_json(&format!("{path}/remove"), "{}").await.status, StatusCode::NO_CONTENT);
    assert!(house.knows(&own).await && !house.knows(&other).await);
    let acts = house.recorder.take_acts();
    assert!(matches!(acts.first(), Some(AccountAct::FactorRemoved { method: ProofKind::Passkey, .. })), "{acts:?}");
    let refused = house.sign_in_by(&mut authenticator, &Page::at(ACME)).await;
    assert_eq!(code(&refused), "passkey_failed");
    assert_eq!(house.reason(), SigninReason::CredentialUnknown);
}

#[each_engine]
async fn without_a_record_nobody_signs_in_and_nothing_is_added() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let own = house.add(&house.sign_ada_in().await, "passkey", &mut authenticator).await.cookie_value().unwrap();
    let (ceremony, options, browser) = house.begin_sign_in().await;
    let answer = authenticator.get(&Page::at(ACME), &options).await;
    let (adding, options) = house.begin_adding(&own, "passkey").await;
    let added = SoftAuthenticator::new().create(&Page::at(ACME), &options).await;
    let sessions = house.session_count().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let refused = house.finish_sign_in(&ceremony, &answer, &browser).await;
    assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::SERVICE_UNAVAILABLE, "record_unavailable"));
    assert!(refused.cookie_named("cedargate").is_none());
    assert_eq!(house.session_count().await, sessions);
    let wrong = house.finish_sign_in(&ceremony, &answer, &browser).await;
    assert_eq!(code(&wrong), "record_unavailable", "nor does anybody learn that it was wrong");
    let path = format!("/auth/account/passkey/{adding}");
    let refused = house.ada_by(&own).post_json(&path, &credential(&added)).await;
    assert_eq!(code(&refused), "record_unavailable");
    assert_eq!(house.second.store().list(house.acme.id, house.ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn pages_offer_what_the_account_has_and_say_what_was_wrong() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let weak = house.sign_ada_in().await;
    let page = house.ada_by(&weak).browser();
    assert!(!page.get("/auth/step-up?level=2").await.body.contains("/auth/step-up/passkey"), "there is none to use");
    let signin = house.at(&house.acme).browser().get("/auth/login").await;
    assert!(signin.body.contains("Sign in with a passkey") && signin.body.contains("data-with-passkeys hidden"));
    house.add(&weak, "passkey", &mut authenticator).await;
    let weak = house.sign_ada_in().await;
    let page = house.ada_by(&weak).browser();
    let shown = page.get("/auth/step-up?level=2&return_to=/x").await;
    assert!(shown.body.contains("/auth/step-up/passkey") && shown.body.contains("One of your recovery codes"));

    // As the browser sends it: a form, which leads on, or back to the page.
    let (ceremony, options) = told(&house.ada_by(&weak).post_json("/auth/step-up/passkey", "{}").await);
    let answer = authenticator.get(&Page::at(ACME), &options).await;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("credential", &answer)
        .append_pair("level", "2")
        .append_pair("return_to", "/inventory/items")
        .finish();
    let path = format!("/auth/step-up/passkey/{ceremony}");
    let onward = page.post_form(&path, &form).await;
    assert_eq!((onward.status, onward.header("location")), (StatusCode::SEE_OTHER, Some("/inventory/items")));
    let weak = house.sign_ada_in().await;
    let again = house.ada_by(&weak).browser().post_form(&path, &form).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.body.contains("could not be used here") && again.body.contains("/inventory/items"));
    let signin = house.at(&house.acme).browser().post_form(&format!("/auth/login/passkey/{NOBODY}"), &form).await;
    assert_eq!(signin.status, StatusCode::UNAUTHORIZED);
    assert!(signin.body.contains("could not be used here") && !signin.body.contains("webauthn"));
}
