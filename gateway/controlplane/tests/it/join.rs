//! Invitations, forgotten passwords, wishes for an account and consents, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;

use cedargate_identity::{
    Answer, Device, Email, LinkOrigin, NewAccount, Notice, Notices, PresentedLink, SignIn, Waiting,
};
use cedargate_idp_adapters::local::NewPassword;
use cedargate_model::{
    AccountAct, AdmissionAct, AuthnMethod, AuthnStrength, ConsentDocument, Host, LinkPurpose, LinkReason, Scheme,
};
use http::StatusCode;

use crate::house::{House, PASSWORD, credentials};

const NEW_PASSWORD: &str = "another horse entirely";

/// What waits to be mailed, with nothing sent.
async fn waiting(house: &House) -> Vec<Waiting> {
    Notices::new(house.pool.clone()).take(std::time::Duration::ZERO, 100, house.now()).await.unwrap()
}

fn origin() -> LinkOrigin {
    LinkOrigin::new(Scheme::Http, Host::parse("acme.localhost:8080").unwrap())
}

async fn reset_token(house: &House) -> String {
    let ada = Email::parse("ada@example.com").unwrap();
    let token = house.links.draw_reset(house.acme.id, &ada, &origin(), house.now()).await.unwrap().unwrap();
    token.expose().to_string()
}

#[tokio::test]
async fn asking_is_answered_and_recorded_alike_whether_or_not_there_is_an_account() {
    let house = House::new().await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com", "no address"] {
        let asked = format!("email={}", email.replace(' ', "+"));
        let answer = house.at(&house.acme).browser().post_form("/auth/forgot", &asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let acts = house.recorder.take_admissions();
        let [asked] = acts.try_into().unwrap();
        assert_eq!((asked.purpose, &asked.act, asked.principal), (LinkPurpose::Reset, &AdmissionAct::Asked, None));
        answers.push(answer.body);
    }
    assert!(answers.iter().all(|body| *body == answers[0]), "{answers:?}");
    let noted: Vec<_> =
        waiting(&house).await.into_iter().map(|noted| (noted.recipient.to_string(), noted.notice)).collect();
    let noted_for = |email: &str| (email.to_owned(), Notice::ResetAsked { origin: origin() });
    assert_eq!(noted, [noted_for("ada@example.com"), noted_for("nobody@example.com")]);
    let json = house.at(&house.acme).post_json("/auth/forgot", r#"{"email": "x@example.com"}"#).await;
    assert_eq!((json.status, json.body.as_str()), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_asked() {
    let house = House::new().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let answer = house.at(&house.acme).post_json("/auth/forgot", r#"{"email": "ada@example.com"}"#).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(waiting(&house).await.is_empty());
    let token = reset_token(&house).await;
    let set = format!(r#"{{"token": "{token}", "password": "{NEW_PASSWORD}"}}"#);
    let answer = house.at(&house.acme).post_json("/auth/reset", &set).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    house.recorder.broken.store(false, Ordering::SeqCst);
    house.sign_ada_in().await;
}

#[tokio::test]
async fn whoever_keeps_asking_has_to_wait_and_the_record_says_so() {
    let house = House::new().await;
    let ask = || async { house.at(&house.acme).browser().post_form("/auth/forgot", "email=ada@example.com").await };
    assert_eq!((ask().await.status, ask().await.status), (StatusCode::OK, StatusCode::OK));
    let delayed = ask().await;
    assert_eq!((delayed.status, delayed.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    assert!(delayed.body.contains("asked too often"), "{}", delayed.body);
    assert_eq!(house.recorder.take_admissions().pop().unwrap().act, AdmissionAct::Delayed);
    assert_eq!(waiting(&house).await.len(), 2);
}

#[tokio::test]
async fn opening_a_link_changes_nothing_and_sending_its_form_sets_the_password_once() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let token = reset_token(&house).await;
    house.recorder.take_admissions();
    let browser = house.at(&house.acme).browser();
    for _ in 0..3 {
        let page = browser.get(&format!("/auth/reset?token={token}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("ada@example.com") && page.body.contains(&token), "{}", page.body);
        assert_eq!(
            (page.header("referrer-policy"), page.header("cache-control")),
            (Some("no-referrer"), Some("no-store"))
        );
        assert!(!page.body.contains("http://") && !page.body.contains("<script"), "nothing is loaded: {}", page.body);
    }
    assert!(house.recorder.take_admissions().is_empty() && house.knows(&cookie).await);

    let form =
        |password: &str, again: &str| format!("token={token}&password={password}&again={again}").replace(' ', "+");
    for (password, again, said) in [
        ("fourteen chars", "fourteen chars", "too short"),
        (NEW_PASSWORD, "another horse", "not the same"),
        ("ada@example.com ada", "ada@example.com ada", "your e-mail address"),
    ] {
        let page = browser.post_form("/auth/reset", &form(password, again)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert!(page.body.contains(said) && !page.body.contains(password), "{}", page.body);
    }
    let done = browser.post_form("/auth/reset", &form(NEW_PASSWORD, NEW_PASSWORD)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert!(done.body.contains("Your password is set") && done.cookie_value().is_none(), "nobody is signed in by it");
    let [used] = house.recorder.take_admissions().try_into().unwrap();
    assert_eq!((used.act, used.principal), (AdmissionAct::Used, Some(house.ada)));
    assert!(!house.knows(&cookie).await, "signed out everywhere");

    let again = browser.post_form("/auth/reset", &form(PASSWORD, PASSWORD)).await;
    assert_eq!(again.status, StatusCode::GONE);
    let [refused] = house.recorder.take_admissions().try_into().unwrap();
    assert_eq!((refused.act, refused.principal), (AdmissionAct::Refused { reason: LinkReason::Unknown }, None));
    let former = house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(former.status, StatusCode::UNAUTHORIZED);
    let new = house.at(&house.acme).post_json("/auth/login", &credentials("ada@example.com", NEW_PASSWORD)).await;
    assert_eq!((new.status, new.json()["level"].as_u64()), (StatusCode::OK, Some(1)), "no stronger than a password");
}

#[tokio::test]
async fn a_link_of_another_tenant_or_none_is_the_same_nothing() {
    let house = House::new().await;
    let token = reset_token(&house).await;
    let mut pages = Vec::new();
    for (site, token) in
        [(&house.globex, token.as_str()), (&house.acme, &"0".repeat(64)), (&house.acme, "x"), (&house.acme, "")]
    {
        let page = house.at(site).browser().get(&format!("/auth/reset?token={token}")).await;
        assert_eq!(page.status, StatusCode::GONE);
        pages.push(page.body);
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    assert_eq!(house.at_directory().get("/auth/forgot").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_is_invited_chooses_a_password_and_signs_in() {
    let house = House::new().await;
    let email = Email::parse("new@example.com").unwrap();
    let clerk = cedargate_model::RoleName::parse("clerk").unwrap();
    let now = house.now();
    let invited = house.links.invite_by_operator(house.acme.id, email, vec![clerk], &origin(), now).await.unwrap();
    let token = house.links.draw_invitation(house.acme.id, invited.id, &origin(), now).await.unwrap().unwrap();
    let token = token.expose().to_string();
    let page = house.at(&house.acme).browser().get(&format!("/auth/invitation?token={token}")).await;
    assert!(page.body.contains("new@example.com"), "{}", page.body);
    assert_eq!(
        house.at(&house.acme).browser().get(&format!("/auth/reset?token={token}")).await.status,
        StatusCode::GONE
    );
    let set = format!(r#"{{"token": "{token}", "password": "{NEW_PASSWORD}"}}"#);
    let taken = house.at(&house.acme).post_json("/auth/invitation", &set).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT, "{}", taken.body);
    let [used] = house.recorder.take_admissions().try_into().unwrap();
    assert_eq!((used.purpose, used.act, used.subject), (LinkPurpose::Invitation, AdmissionAct::Used, Some(invited.id)));
    assert_eq!(house.at(&house.acme).post_json("/auth/invitation", &set).await.status, StatusCode::GONE);
    let signed_in = house.at(&house.acme).post_json("/auth/login", &credentials("new@example.com", NEW_PASSWORD)).await;
    assert_eq!(signed_in.json()["roles"], serde_json::json!(["clerk", "member"]));
}

async fn account_with_factor_session(house: &House, level: u8) -> String {
    let globex = &house.globex;
    let password = house.local.hash(NewPassword::parse(PASSWORD).unwrap()).await.unwrap();
    let email = Email::parse(&format!("boss{level}@example.com")).unwrap();
    let new = NewAccount { email, roles: vec![], password: Some(password) };
    let boss = house.accounts.create(globex.id, new, house.now()).await.unwrap().id;
    let strength = AuthnStrength { level, methods: vec![AuthnMethod::Pwd] };
    let device = Device::default();
    let sign_in = SignIn { tenant: globex.id, principal: boss, strength, replaces: None, remember: false, device };
    house.sessions.create(sign_in, house.now()).await.unwrap().token.expose().to_string()
}

fn globex_origin() -> LinkOrigin {
    LinkOrigin::new(Scheme::Http, Host::parse("globex.localhost:8080").unwrap())
}

#[tokio::test]
async fn nobody_asks_for_an_account_where_the_tenant_offers_none() {
    let house = House::new().await;
    let acme = house.at(&house.acme).browser();
    assert_eq!(acme.get("/auth/register").await.status, StatusCode::NOT_FOUND);
    assert_eq!(acme.post_form("/auth/register", "email=new@example.com").await.status, StatusCode::NOT_FOUND);
    assert!(waiting(&house).await.is_empty() && house.recorder.take_admissions().is_empty());
}

#[tokio::test]
async fn a_wish_is_verified_then_approved_with_offered_roles_and_then_there_is_an_account() {
    let house = House::new().await;
    let globex = house.at(&house.globex).browser();
    assert_eq!(globex.get("/auth/register").await.status, StatusCode::OK);
    let asked = globex.post_form("/auth/register", "email=new@example.com").await;
    let known = globex.post_form("/auth/register", "email=boss1@example.com").await;
    assert_eq!((asked.status, &asked.body), (StatusCode::OK, &known.body), "the same for everybody");
    assert_eq!(waiting(&house).await.len(), 2);
    assert!(house.recorder.take_admissions().iter().all(|done| done.act == AdmissionAct::Asked));

    let boss = account_with_factor_session(&house, 1).await;
    let admin = house.at(&house.globex).with_cookie(&boss);
    let new = Email::parse("new@example.com").unwrap();
    let drawn = house.links.draw_registration(house.globex.id, &new, &globex_origin(), house.now()).await.unwrap();
    let Some(Answer::Verify(token)) = drawn else { panic!("{drawn:?}") };
    let known = Email::parse("boss1@example.com").unwrap();
    let known = house.links.draw_registration(house.globex.id, &known, &globex_origin(), house.now()).await.unwrap();
    assert!(matches!(known, Some(Answer::HasAccount)), "and no wish of theirs");
    assert_eq!(admin.get("/auth/admin/registrations").await.json()["registrations"], serde_json::json!([]));

    let token = token.expose().to_string();
    let page = globex.get(&format!("/auth/registration?token={token}")).await;
    assert!(page.body.contains("new@example.com"), "{}", page.body);
    let verified = globex.post_form("/auth/registration", &format!("token={token}")).await;
    assert_eq!(verified.status, StatusCode::OK, "{}", verified.body);
    assert_eq!(globex.post_form("/auth/registration", &format!("token={token}")).await.status, StatusCode::GONE);
    let list = admin.get("/auth/admin/registrations").await.json();
    assert_eq!(list["registrations"][0]["email"], "new@example.com");
    assert_eq!(list["roles"], serde_json::json!(["viewer", "manager"]));
    let path = format!("/auth/admin/registrations/{}", list["registrations"][0]["id"].as_str().unwrap());

    house.recorder.take_admissions();
    let refused = admin.post_json(&path, r#"{"decision": "approve", "roles": "admin"}"#).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("role_not_offered"))
    );
    let elsewhere = house.at(&house.acme).post_json(&path, r#"{"decision": "approve"}"#).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "another tenant's");
    house.recorder.broken.store(true, Ordering::SeqCst);
    let approve = r#"{"decision": "approve", "roles": "viewer manager"}"#;
    assert_eq!(admin.post_json(&path, approve).await.status, StatusCode::SERVICE_UNAVAILABLE);
    house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(admin.post_json(&path, approve).await.status, StatusCode::NO_CONTENT);
    let [approved] = house.recorder.take_admissions().try_into().unwrap();
    assert!(matches!(approved.act, AdmissionAct::Approved { roles } if roles.len() == 2));
    assert_eq!(admin.post_json(&path, approve).await.status, StatusCode::NOT_FOUND, "decided");
    assert!(house.accounts.find_by_email(house.globex.id, &new).await.unwrap().is_none(), "not before it is taken");

    let invited = waiting(&house).await.into_iter().find_map(|waiting| match waiting.notice {
        Notice::Invited { invitation, .. } => Some(invitation),
        _ => None,
    });
    let invited = invited.unwrap();
    let link =
        house.links.draw_invitation(house.globex.id, invited, &globex_origin(), house.now()).await.unwrap().unwrap();
    let set = format!(r#"{{"token": "{}", "password": "{NEW_PASSWORD}"}}"#, *link.expose());
    assert_eq!(house.at(&house.globex).post_json("/auth/invitation", &set).await.status, StatusCode::NO_CONTENT);
    let account = house.accounts.find_by_email(house.globex.id, &new).await.unwrap().unwrap();
    let names: Vec<_> = account.roles.iter().map(|role| role.as_str()).collect();
    assert_eq!(names, ["viewer"], "a manager has a second factor first");
}

#[tokio::test]
async fn whoever_is_turned_down_is_gone_and_not_written_to() {
    let house = House::new().await;
    let new = Email::parse("new@example.com").unwrap();
    let (globex, now) = (house.globex.id, house.now());
    let Some(Answer::Verify(token)) = house.links.draw_registration(globex, &new, &globex_origin(), now).await.unwrap()
    else {
        panic!("no link");
    };
    let presented = PresentedLink::parse(LinkPurpose::Registration, &token.expose()).unwrap();
    let wish =
        house.links.verify(globex, &presented, globex_origin().host(), now).await.unwrap().commit().await.unwrap();
    let path = format!("/auth/admin/registrations/{wish}");
    let denied = house.at(&house.globex).post_json(&path, r#"{"decision": "deny"}"#).await;
    assert_eq!(denied.status, StatusCode::NO_CONTENT);
    assert_eq!(house.recorder.take_admissions().pop().unwrap().act, AdmissionAct::Denied);
    assert!(house.links.registrations(globex).await.unwrap().is_empty() && waiting(&house).await.is_empty());
}

#[tokio::test]
async fn whoever_signs_in_is_led_to_what_they_have_not_agreed_to_and_on_from_there() {
    let house = House::new().await;
    account_with_factor_session(&house, 1).await;
    let globex = house.at(&house.globex).browser();
    let form = format!("email=boss1@example.com&password={}&return_to=/inventory/items", PASSWORD.replace(' ', "+"));
    let signed_in = globex.post_form("/auth/login", &form).await;
    assert_eq!(signed_in.header("location"), Some("/auth/consent?return_to=/inventory/items"), "{}", signed_in.body);
    let boss = house.at(&house.globex).browser().with_cookie(&signed_in.cookie_value().unwrap());
    assert_eq!(boss.get("/").await.header("location"), Some("/auth/consent"));
    let page = boss.get("/auth/consent?return_to=/inventory/items").await;
    assert!(page.body.contains("https://globex.example/terms") && page.body.contains("2026-11"), "{}", page.body);
    let other = boss.post_form("/auth/consent", "documents=terms%3D2026-10").await;
    assert_eq!(
        other.header("location"),
        Some("/auth/consent?return_to=/"),
        "nobody agrees to what they were not shown"
    );
    house.recorder.take_acts();
    let agreed = boss.post_form("/auth/consent", "documents=terms%3D2026-11&return_to=/inventory/items").await;
    assert_eq!(agreed.header("location"), Some("/inventory/items"), "{}", agreed.body);
    let version = "2026-11".to_owned();
    assert_eq!(house.recorder.take_acts(), [AccountAct::ConsentGiven { document: ConsentDocument::Terms, version }]);
    assert_eq!(boss.get("/").await.status, StatusCode::OK);
    let again = globex.post_form("/auth/login", &form).await;
    assert_eq!(again.header("location"), Some("/inventory/items"));
}
