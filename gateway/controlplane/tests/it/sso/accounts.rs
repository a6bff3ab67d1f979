//! What becomes of accounts: who gets one, with which roles, and when both end.

use super::*;

#[tokio::test]
async fn roles_follow_the_groups_of_every_sign_in() {
    let sso = Sso::new().await;
    let first = sso.person(&sso.sign_in().await).await;
    sso.provider.conduct().claims = json!({ "groups": ["heads", "unheard-of"] });
    let second = sso.person(&sso.sign_in().await).await;
    assert_eq!((first.id, roles(&second)), (second.id, vec!["manager", "member"]));
    sso.provider.conduct().claims = json!({ "groups": null });
    let third = sso.person(&sso.sign_in().await).await;
    assert_eq!((third.id, roles(&third)), (first.id, vec!["member"]));
}

#[tokio::test]
async fn who_gets_an_account_is_the_connections_to_say() {
    let sso = Sso::with(|connection| connection.admission = Admission::Known).await;
    sso.assert_refused(&sso.sign_in().await, SigninReason::NotAdmitted);
    let identities = Identities::new(sso.house.pool.clone());
    let linked = identities.link(sso.house.acme.id, sso.house.ada, &sso.identity(), sso.house.clock.now()).await;
    linked.unwrap();
    let person = sso.person(&sso.sign_in().await).await;
    assert_eq!((person.id, &*person.display), (sso.house.ada, "ada@example.com"));
    sso.house.recorder.take();

    sso.connect(|connection| connection.admission = Admission::WithRole);
    sso.provider.conduct().claims = json!({ "groups": [] });
    sso.assert_refused(&sso.sign_in().await, SigninReason::RoleRequired);

    sso.connect(|connection| {
        let claim = ClaimPath::parse("hd").unwrap();
        connection.required = vec![ClaimMatch { claim, value: "acme.example".to_owned() }];
    });
    sso.assert_refused(&sso.sign_in().await, SigninReason::ClaimRequired);
    sso.provider.conduct().claims = json!({ "hd": "acme.example" });
    assert_eq!(sso.sign_in().await.status, StatusCode::SEE_OTHER);
    sso.house.recorder.take();

    sso.house.accounts.disable(sso.house.acme.id, sso.house.ada, sso.house.clock.now()).await.unwrap();
    sso.assert_refused(&sso.sign_in().await, SigninReason::AccountDisabled);
    assert_eq!(sso.account(sso.house.globex.id).await, None);
}

/// Who has no password is sent to the provider, there and then, before a first factor is theirs: a cookie may be stolen.
#[tokio::test]
async fn a_first_factor_of_a_person_of_a_provider_needs_a_new_sign_in_there() {
    let sso = Sso::new().await;
    sso.provider.conduct().claims = json!({ "auth_time": sso.seconds() });
    let first = sso.sign_in().await.cookie_value().unwrap();
    let at = |cookie: &str| sso.house.at(&sso.house.acme).with_cookie(cookie);
    let refused = at(&first).post_json("/auth/account/totp", r#"{"password": "x"}"#).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("factor_unconfirmed"))
    );
    let sent_on = at(&first).browser().get("/auth/account/totp?return_to=/orders").await;
    let there = sent_on.header("location").unwrap();
    assert_eq!(there, "/auth/sso/okta?max_age=0&return_to=/auth/account/totp?return_to%3D/orders");
    sso.house.recorder.take();
    let go = async |auth_time: Value| {
        let begun = at(&first).browser().get(there).await;
        let cookie = format!("{SIGNIN_COOKIE}={}", begun.cookie_named(SIGNIN_COOKIE).unwrap());
        let under = Under { sent: Sent::of(begun.header("location").unwrap()), cookie };
        assert_eq!((under.sent.get("max_age"), under.sent.get("prompt")), ("0", "login"));
        sso.provider.conduct().claims = json!({ "auth_time": auth_time });
        sso.callback(&under, &sso.query(&under)).await
    };
    let now = sso.seconds();
    for (auth_time, reason) in
        [(json!(null), SigninReason::AuthTimeMissing), (json!(now - 181), SigninReason::AuthTimeTooOld)]
    {
        sso.assert_refused(&go(auth_time).await, reason);
    }
    let back = go(json!(now - 5)).await;
    assert_eq!(back.header("location"), Some("/auth/account/totp?return_to=/orders"));
    let anew = back.cookie_value().unwrap();
    let page = at(&anew).browser().get("/auth/account/totp?return_to=/orders").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("name=\"password\""), "{}", page.body);
    assert_eq!(at(&anew).post_json("/auth/account/totp", "{}").await.status, StatusCode::OK);
    sso.house.advance(Duration::from_secs(300));
    assert_eq!(at(&anew).post_json("/auth/account/totp", "{}").await.json()["code"], "factor_unconfirmed");
}

#[tokio::test]
async fn what_a_provider_says_of_an_account_is_recorded() {
    let sso = Sso::new().await;
    let acts = async |groups: Value| {
        sso.provider.conduct().claims = json!({ "groups": groups });
        sso.house.recorder.take_acts();
        let _ = sso.sign_in().await;
        sso.house.recorder.take_acts()
    };
    let role = |name: &str| vec![RoleName::parse(name).unwrap()];
    assert_eq!(acts(json!(["warehouse"])).await, [AccountAct::AccountCreated { roles: role("clerk") }]);
    assert_eq!(acts(json!(["warehouse"])).await, []);
    assert_eq!(acts(json!(["heads"])).await, [AccountAct::RolesChanged { roles: role("manager") }]);
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(acts(json!(["warehouse"])).await, []);
    let account = sso.account(sso.house.acme.id).await.unwrap();
    assert_eq!(account.roles, role("manager"), "and not done where it cannot be");
}

/// Out of the last group that let them in, people are out of what it gave them, as soon as it is heard of.
#[tokio::test]
async fn whoever_is_let_in_no_more_loses_roles_and_sessions() {
    let sso = Sso::with(|connection| connection.admission = Admission::WithRole).await;
    let cookie = sso.sign_in().await.cookie_value().unwrap();
    assert!(sso.house.knows(&cookie).await);
    sso.provider.conduct().claims = json!({ "groups": [] });
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    let _ = sso.sign_in().await;
    assert!(sso.house.knows(&cookie).await, "not without a record");
    sso.house.recorder.broken.store(false, Ordering::SeqCst);
    sso.house.recorder.take();
    let refused = sso.sign_in().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(!sso.house.knows(&cookie).await, "at once, although it was in memory");
    let acts = sso.house.recorder.take_acts();
    assert!(
        matches!(
            acts.as_slice(),
            [AccountAct::RolesChanged { roles }, AccountAct::SessionsEnded { ended }] if roles.is_empty() && ended.len() == 1
        ),
        "{acts:?}"
    );
    assert_eq!(sso.account(sso.house.acme.id).await.unwrap().roles, []);
    sso.assert_refused(&sso.sign_in().await, SigninReason::RoleRequired);
}
