//! Signing out, here and at the provider.

use super::*;

#[tokio::test]
async fn an_id_token_is_kept_sealed() {
    let sso = Sso::new().await;
    let person = sso.person(&sso.sign_in().await).await;
    let kept = sso.house.sessions.federation(sso.house.acme.id, person.session).await.unwrap().unwrap();
    let sealed = kept.id_token.unwrap().0;
    let name = format!("id_token {} okta {} 00u1|", sso.house.acme.id, sso.provider.issuer());
    assert!(sealed.starts_with(&name), "for this person alone: {sealed}");
}

#[tokio::test]
async fn a_logout_token_that_could_not_be_recorded_counts_when_it_comes_again() {
    let sso = Sso::new().await;
    let cookie = sso.sign_in().await.cookie_value().unwrap();
    let token = sso.provider.sign("logout+jwt", &sso.logout_claims());
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(sso.provider_logout(&token).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(sso.house.knows(&cookie).await);
    sso.house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(sso.provider_logout(&token).await.status, StatusCode::OK);
    assert!(!sso.house.knows(&cookie).await);
}

#[tokio::test]
async fn signing_out_goes_on_to_the_provider_that_signed_in() {
    let sso = Sso::new().await;
    let cookie = sso.sign_in().await.cookie_value().unwrap();
    let page = sso.house.at(&sso.house.acme).browser().with_cookie(&cookie).post("/auth/logout").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!sso.house.knows(&cookie).await);
    let href = page.body.split("url=").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let sent = Sent::of(&href);
    assert!(href.starts_with(&format!("{}/end?", sso.provider.issuer())), "{href}");
    assert_eq!(sent.get("client_id"), "cedar gate");
    assert_eq!(sent.get("post_logout_redirect_uri"), "http://acme.localhost:8080/auth/login");
    assert_eq!(sent.get("id_token_hint").split('.').count(), 3);

    // Whoever signed in here signs out here alone.
    let local = sso.house.sign_ada_in().await;
    let answer = sso.house.at(&sso.house.acme).browser().with_cookie(&local).post("/auth/logout").await;
    assert_eq!(answer.header("location"), Some("/auth/login"));
}

#[tokio::test]
async fn a_provider_ends_the_sessions_that_came_from_it() {
    let sso = Sso::new().await;
    let local = sso.house.sign_ada_in().await;
    let [first, second] = [sso.sign_in().await, sso.sign_in().await].map(|answer| answer.cookie_value().unwrap());
    sso.provider.conduct().claims = json!({ "sid": "s2" });
    let third = sso.sign_in().await.cookie_value().unwrap();
    sso.house.recorder.take();

    let token = sso.provider.sign("logout+jwt", &sso.logout_claims());
    let answer = sso.provider_logout(&token).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, Some("no-store")));
    for (cookie, lives) in [(&first, false), (&second, false), (&third, true), (&local, true)] {
        assert_eq!(sso.house.knows(cookie).await, lives);
    }
    let events = sso.house.recorder.take();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.result == SigninResult::EndedByProvider && event.session.is_some()));

    let again = sso.provider_logout(&token).await;
    assert_eq!((again.status, again.json()), (StatusCode::BAD_REQUEST, json!({ "error": "invalid_request" })));
    let event = sso.event();
    assert_eq!((event.result, event.reason), (SigninResult::EndingRefused, Some(SigninReason::LogoutReplayed)));

    let mut by_subject = sso.logout_claims();
    merge(&mut by_subject, &json!({ "sid": null, "jti": "j2" }));
    assert_eq!(sso.provider_logout(&sso.provider.sign("JWT", &by_subject)).await.status, StatusCode::OK);
    assert!(!sso.house.knows(&third).await && sso.house.knows(&local).await);
    sso.house.recorder.take();
    merge(&mut by_subject, &json!({ "jti": "j3" }));
    assert_eq!(sso.provider_logout(&sso.provider.sign("JWT", &by_subject)).await.status, StatusCode::OK);
    let event = sso.event();
    assert_eq!((event.result, event.session), (SigninResult::EndedByProvider, None), "believed, and nobody was there");
}

#[tokio::test]
async fn a_logout_token_that_is_none_ends_nothing_and_has_its_own_reason() {
    let sso = Sso::new().await;
    let cookie = sso.sign_in().await.cookie_value().unwrap();
    sso.house.recorder.take();
    let now = sso.seconds();
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let as_is = json!({});
    for (typ, signed, head, claims, reason) in [
        ("logout+jwt", Signed::Properly, &as_is, json!({ "iss": "https://evil.example" }), SigninReason::TokenIssuer),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "aud": "another" }), SigninReason::TokenAudience),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "aud": ["cedar gate", "x"] }), SigninReason::TokenAudience),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "nonce": "n" }), SigninReason::LogoutNonce),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "events": null }), SigninReason::LogoutEvent),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "events": [event] }), SigninReason::LogoutEvent),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "events": { event: true } }), SigninReason::LogoutEvent),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "jti": null }), SigninReason::LogoutReplayed),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "sid": null, "sub": null }), SigninReason::LogoutSubject),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "sid": 7 }), SigninReason::LogoutSubject),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "iat": now + 61 }), SigninReason::TokenFuture),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "exp": now - 61 }), SigninReason::TokenExpired),
        (
            "logout+jwt",
            Signed::Properly,
            &as_is,
            json!({ "iat": now - 400, "exp": now + 900 }),
            SigninReason::TokenExpired,
        ),
        ("logout+jwt", Signed::Properly, &as_is, json!({ "iat": null }), SigninReason::TokenMalformed),
        ("logout+jwt", Signed::Not, &as_is, json!({}), SigninReason::TokenAlgorithm),
        ("logout+jwt", Signed::ByPublicKey, &as_is, json!({}), SigninReason::TokenAlgorithm),
        ("logout+jwt", Signed::ByAnother, &as_is, json!({}), SigninReason::TokenSignature),
        ("logout+jwt", Signed::Properly, &json!({ "kid": "x" }), json!({}), SigninReason::TokenKeyUnknown),
        ("logout+jwt", Signed::Properly, &json!({ "jku": "x" }), json!({}), SigninReason::TokenHeader),
        ("at+jwt", Signed::Properly, &as_is, json!({}), SigninReason::TokenType),
    ] {
        let mut all = sso.logout_claims();
        merge(&mut all, &claims);
        {
            let mut conduct = sso.provider.conduct();
            (conduct.signed, conduct.header) = (signed, head.clone());
        }
        let answer = sso.provider_logout(&sso.provider.sign(typ, &all)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{reason} {claims}");
        let event = sso.event();
        assert_eq!((event.result, event.reason), (SigninResult::EndingRefused, Some(reason)), "{claims}");
    }
    for body in ["", "a.b.c"] {
        assert_eq!(sso.provider_logout(body).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(sso.event().reason, Some(SigninReason::TokenMalformed));
    }
    let answer =
        sso.house.at(&sso.house.acme).post_form("/auth/sso/unknown/backchannel-logout", "logout_token=a").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(sso.house.knows(&cookie).await);
}
