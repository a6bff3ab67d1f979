//! Tokens that are ended by whoever holds them.

use std::sync::Arc;

use cedargate_assertion::SigningKeys;

use super::*;

#[tokio::test]
async fn a_token_that_is_revoked_here_is_over_here_at_once() {
    let house = House::new().await;
    let now = house.clock.now();
    let recalled = |text: &str| house.sessions.recall_token(house.acme.id, ShownToken::of(text), now).is_some();
    let revoke =
        async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await.status;
    let tokens = async || {
        let answer = exchanged(&house, &[]).await;
        let (access, next) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
        known(&house, &access).await.unwrap();
        assert!(recalled(&access), "in memory");
        (access, next)
    };
    // Once: nothing of what follows is heard of.
    house.sessions.listen(now).await.unwrap();

    let (access, _) = tokens().await;
    assert_eq!(revoke(&access).await, StatusCode::OK);
    assert!(!recalled(&access), "the token itself");

    let (access, next) = tokens().await;
    assert_eq!(revoke(&next).await, StatusCode::OK);
    assert!(!recalled(&access), "its family");

    let (access, next) = tokens().await;
    assert_eq!(refresh(&house, &next).await.status, StatusCode::OK);
    assert_eq!(refresh(&house, &next).await.status, StatusCode::BAD_REQUEST);
    assert!(!recalled(&access), "its family, by reuse");

    let (access, _) = tokens().await;
    assert!(house.sessions.end_all(house.acme.id, house.ada).await.unwrap() > 0);
    assert!(!recalled(&access), "its person's sessions");

    let (access, _) = tokens().await;
    let session = house.sessions.list(house.acme.id, house.ada, now).await.unwrap().remove(0).id;
    assert!(house.sessions.end(house.acme.id, session).await.unwrap());
    assert!(!recalled(&access), "its session");
}

#[tokio::test]
async fn whoever_holds_a_token_may_end_it() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let (access, next) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let _ = house.recorder.take_tokens();
    let revoke =
        async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await.status;
    for worthless in ["x", "a.b.c", "cgr_x", &"A".repeat(3_000)] {
        assert_eq!(revoke(worthless).await, StatusCode::OK, "{worthless:.40}");
    }
    assert_eq!(house.recorder.take_tokens(), []);
    assert!(known(&house, &access).await.is_ok());

    assert_eq!(revoke(&access).await, StatusCode::OK);
    let [revoked] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!(revoked.act, TokenAct::Revoked { token: read(&house, &access).unwrap().id });
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &access).await.unwrap_err().contains("revoked"));

    let other = refresh(&house, &next).await;
    let _ = house.recorder.take_tokens();
    assert_eq!(revoke(&text(&other, "refresh_token")).await, StatusCode::OK);
    assert_eq!(house.recorder.take_tokens()[0].act, TokenAct::GrantRevoked);
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &text(&other, "access_token")).await.unwrap_err().contains("unknown"));
    let nothing = house.at(&house.acme).post_form("/auth/revoke", "").await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn revoking_in_vain_is_counted_and_revoking_a_key_is_not_claimed() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let token = text(&ask(&house, &pairs).await, "access_token");
    let _ = house.recorder.take_tokens();
    let revoke = async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await;
    let unsupported = revoke(&key).await;
    assert_eq!(
        (unsupported.status, unsupported.json()),
        (StatusCode::BAD_REQUEST, json!({ "error": "unsupported_token_type" }))
    );
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK, "the key counts on");
    for _ in 1..30 {
        assert_eq!(revoke("cgr_x").await.status, StatusCode::OK);
    }
    let waits = revoke("cgr_x").await;
    assert_eq!((waits.status, waits.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("61")));
    assert_eq!(revoke(&token).await.status, StatusCode::OK, "what counts can be ended from anywhere");
    assert!(known(&house, &token).await.unwrap_err().contains("revoked"));
    for _ in 1..120 {
        assert_eq!(revoke(&token).await.status, StatusCode::OK);
    }
    assert_eq!(revoke(&token).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_revocation_that_could_not_be_recorded_is_recorded_at_the_next_try() {
    let house = House::new().await;
    let token = text(&exchanged(&house, &[]).await, "refresh_token");
    let _ = house.recorder.take_tokens();
    let revoke = async || house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", &token)])).await.status;
    house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(revoke().await, StatusCode::SERVICE_UNAVAILABLE);
    house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(refresh(&house, &token).await.status, StatusCode::BAD_REQUEST, "it is over all the same");
    let _ = house.recorder.take_tokens();
    assert_eq!(revoke().await, StatusCode::OK);
    assert_eq!(
        house.recorder.take_tokens().iter().map(|event| &event.act).collect::<Vec<_>>(),
        [&TokenAct::GrantRevoked]
    );
    assert_eq!(revoke().await, StatusCode::OK);
    assert_eq!(house.recorder.take_tokens(), [], "once is enough");
}

#[tokio::test]
async fn a_token_of_a_key_that_another_gateway_has_rotated_to_is_ended_all_the_same() {
    let house = House::new().await;
    let here = house.tokens.load().keys().clone();
    let rotated = here.succeeded_at(SigningKeys::generate().unwrap(), house.clock.now());
    house.tokens.store(Arc::new(house.tokens.load().with_keys(rotated.clone())));
    let Program { id, key, .. } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let token = text(&ask(&house, &pairs).await, "access_token");
    house.tokens.store(Arc::new(house.tokens.load().with_keys(here)));
    *house.ring.rotated.lock().unwrap() = Some(rotated);
    let _ = house.recorder.take_tokens();
    let answer = house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", &token)])).await;
    assert_eq!(answer.status, StatusCode::OK);
    let [revoked] = &*house.recorder.take_tokens() else { panic!("what is answered as ended was not") };
    assert!(matches!(revoked.act, TokenAct::Revoked { .. }));
    assert!(known(&house, &token).await.unwrap_err().contains("revoked"));
}
