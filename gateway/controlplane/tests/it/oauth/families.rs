//! Sessions exchanged for families of tokens, and refresh tokens that count once.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::*;

#[tokio::test]
async fn a_session_is_exchanged_for_tokens_that_end_with_it() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    let pairs = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let answer = ask(&house, &pairs).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(text(&answer, "issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(text(&answer, "scope"), "clerk");
    let token = text(&answer, "access_token");
    let principal = known(&house, &token).await.unwrap();
    assert_eq!((principal.id, principal.credential), (house.ada, Credential::SessionToken));
    assert_eq!(
        principal.roles,
        [RoleName::parse("clerk").unwrap()],
        "no member: what is for a browser is closed to it"
    );
    let TokenSource::Session(grant) = read(&house, &token).unwrap().source else { panic!() };
    let [issued] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!((issued.principal, issued.grant), (Some(house.ada), Some(grant)));
    assert_eq!(
        issued.session,
        house
            .sessions
            .list(house.acme.id, house.ada, house.clock.now())
            .await
            .unwrap()
            .first()
            .map(|session| session.id)
    );

    let next = text(&refresh(&house, &text(&answer, "refresh_token")).await, "refresh_token");
    let session = house.sessions.list(house.acme.id, house.ada, house.clock.now()).await.unwrap().remove(0).id;
    assert!(house.sessions.end(house.acme.id, session).await.unwrap());
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &token).await.unwrap_err().contains("unknown"));
    assert_eq!(refresh(&house, &next).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_cookie_that_a_browser_sends_along_is_no_session_to_exchange() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    let body = form(&[("grant_type", EXCHANGE), ("subject_token_type", SESSION)]);
    let answer = house.at(&house.acme).with_cookie(&cookie).post_form("/auth/token", &body).await;
    assert_eq!((answer.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::RequestMalformed));
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_ends_its_whole_family() {
    let house = House::new().await;
    let first = exchanged(&house, &[]).await;
    let stolen = text(&first, "refresh_token");
    let second = house.at(&house.acme).post_form("/auth/refresh", &form(&[("refresh_token", &stolen)])).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.body);
    let third = refresh(&house, &text(&second, "refresh_token")).await;
    let (live, next) = (text(&third, "access_token"), text(&third, "refresh_token"));
    assert!(known(&house, &live).await.is_ok());
    let other = exchanged(&house, &[]).await;
    let _ = house.recorder.take_tokens();

    let again = refresh(&house, &stolen).await;
    assert_eq!((again.status, again.json()), (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" })));
    let [reused] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!((&reused.act, reused.principal), (&TokenAct::Reused, Some(house.ada)));
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &live).await.is_err(), "the thief's and the owner's alike");
    assert_eq!(
        (refresh(&house, &next).await.status, refusal(&house).1),
        (StatusCode::BAD_REQUEST, TokenReason::RefreshUnknown)
    );
    assert!(known(&house, &text(&other, "access_token")).await.is_ok(), "another family is another matter");
}

#[tokio::test]
async fn a_family_stays_as_narrow_as_it_began() {
    let house = House::new().await;
    let wide = exchanged(&house, &[("scope", "manager")]).await;
    assert_eq!((wide.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::ScopeInvalid));
    let narrow = exchanged(&house, &[("scope", "clerk")]).await;
    let _ = house.recorder.take_tokens();
    let token = text(&narrow, "refresh_token");
    let wider = ask(&house, &[("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", "clerk")]).await;
    assert_eq!((wider.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::ScopeInvalid));
    let next = refresh(&house, &token).await;
    assert_eq!(text(&next, "scope"), "clerk");
    let roles = house
        .accounts
        .set_roles(house.acme.id, house.ada, vec![RoleName::parse("viewer").unwrap()], house.clock.now())
        .await;
    roles.unwrap();
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert_eq!(known(&house, &text(&next, "access_token")).await.unwrap().roles, [], "what the person lost, it lost");
}

#[tokio::test]
async fn a_family_does_not_widen_with_its_person() {
    let house = House::new().await;
    let first = exchanged(&house, &[]).await;
    assert_eq!(text(&first, "scope"), "clerk");
    let roles = |names: &[&str]| names.iter().map(|name| RoleName::parse(name).unwrap()).collect::<Vec<_>>();
    house.accounts.set_roles(house.acme.id, house.ada, roles(&["clerk", "manager"]), house.clock.now()).await.unwrap();
    let next = refresh(&house, &text(&first, "refresh_token")).await;
    assert_eq!(text(&next, "scope"), "clerk", "what the person was given since was not granted to the program");
    assert_eq!(known(&house, &text(&next, "access_token")).await.unwrap().roles, roles(&["clerk"]));

    house.accounts.set_roles(house.acme.id, house.ada, roles(&["manager"]), house.clock.now()).await.unwrap();
    let last = refresh(&house, &text(&next, "refresh_token")).await;
    assert_eq!((last.status, last.json()["scope"].clone()), (StatusCode::OK, json!("")), "told as it is by now");
    assert_eq!(known(&house, &text(&last, "access_token")).await.unwrap().roles, []);

    house.accounts.set_roles(house.acme.id, house.ada, vec![], house.clock.now()).await.unwrap();
    let none = exchanged(&house, &[]).await;
    assert_eq!((none.status, none.json()["scope"].clone()), (StatusCode::OK, json!("")));
    house.accounts.set_roles(house.acme.id, house.ada, roles(&["manager"]), house.clock.now()).await.unwrap();
    assert_eq!(known(&house, &text(&none, "access_token")).await.unwrap().roles, [], "of nothing comes nothing");
}

#[tokio::test]
async fn an_idle_session_keeps_no_program_going() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let _ = house.recorder.take_tokens();
    house.advance(Duration::from_secs(61 * 60));
    assert_eq!(refresh(&house, &text(&answer, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&house).1, TokenReason::RefreshExpired);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_issued() {
    let house = House::new().await;
    let cookie = house.sign_in_unrecorded().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let pairs = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let answer = ask(&house, &pairs).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.body.contains("cgr_"), "{}", answer.body);
    assert_eq!(families(&house).await, 0, "a family that nobody holds");
}

#[tokio::test]
async fn whoever_knows_no_refresh_token_takes_no_turn_of_a_writer() {
    let house = House::new().await;
    let token = text(&exchanged(&house, &[]).await, "refresh_token");
    let revoke = form(&[("token", &token)]);
    assert_eq!(house.at(&house.acme).post_form("/auth/revoke", &revoke).await.status, StatusCode::OK);
    let _ = house.recorder.take_tokens();
    let mut writer = house.pool.tenant(house.acme.id).begin().await.unwrap();
    // From here on the turn is this one's.
    let left = writer.query("SELECT COUNT(*) FROM token_grants WHERE tenant_id = $1").fetch_one::<(i64,)>().await;
    assert_eq!(left.unwrap(), (0,));
    // Well-formed, and of no family: behind the writer it would get no answer but that the store is busy.
    assert_eq!(refresh(&house, &token).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&house).1, TokenReason::RefreshUnknown);
    assert_eq!(house.at(&house.acme).post_form("/auth/revoke", &revoke).await.status, StatusCode::OK);
    drop(writer);
}

/// How many families of tokens there are.
async fn families(house: &House) -> i64 {
    let mut tx = house.pool.read_system().await.unwrap();
    tx.query("SELECT COUNT(*) FROM token_grants").fetch_one::<(i64,)>().await.unwrap().0
}

#[tokio::test]
async fn a_program_that_refreshes_without_end_waits_and_fills_nothing() {
    let house = House::new().await;
    let first = text(&exchanged(&house, &[]).await, "refresh_token");
    let mut last = first.clone();
    for _ in 0..120 {
        let next = refresh(&house, &last).await;
        assert_eq!(next.status, StatusCode::OK);
        last = text(&next, "refresh_token");
    }
    let _ = house.recorder.take_tokens();
    for n in 0..3 {
        let waits = refresh(&house, &last).await;
        assert_eq!((waits.status, waits.header("retry-after").is_some()), (StatusCode::TOO_MANY_REQUESTS, true));
        assert_eq!(house.recorder.take_tokens().len(), usize::from(n == 0), "the first of them is recorded");
    }
    assert_eq!(families(&house).await, 1);
    house.advance(Duration::from_secs(61));
    assert_eq!(refresh(&house, &last).await.status, StatusCode::OK, "nothing was spent by waiting");
    let _ = house.recorder.take_tokens();
    // The very first of a hundred and more is known for what it is.
    assert_eq!(refresh(&house, &first).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.recorder.take_tokens()[0].act, TokenAct::Reused);
    assert_eq!(families(&house).await, 0);
}

#[tokio::test]
async fn a_token_that_somebody_made_up_of_a_familys_name_ends_nothing() {
    let house = House::new().await;
    let first = text(&exchanged(&house, &[]).await, "refresh_token");
    let _ = house.recorder.take_tokens();
    // The family's id, other secrets, and a check that fits: ids are no secrets.
    let mut octets = URL_SAFE_NO_PAD.decode(&first[4..]).unwrap();
    octets[16..48].fill(7);
    let digest = Sha256::new().chain_update("cgr_").chain_update(&octets[..48]).finalize();
    octets[48..].copy_from_slice(&digest[..3]);
    let forged = format!("cgr_{}", URL_SAFE_NO_PAD.encode(&octets));
    assert_eq!(refresh(&house, &forged).await.status, StatusCode::BAD_REQUEST);
    let [refused] = &*house.recorder.take_tokens() else { panic!() };
    let reason = TokenReason::RefreshUnknown;
    assert_eq!(refused.act, TokenAct::Refused { by: Some(GrantType::RefreshToken), reason });
    assert_eq!((refused.principal, refused.grant), (None, None));
    assert_eq!(
        house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", &forged)])).await.status,
        StatusCode::OK
    );
    assert_eq!(refresh(&house, &first).await.status, StatusCode::OK, "the family goes on");
}

#[tokio::test]
async fn a_reuse_that_could_not_be_recorded_is_recorded_at_the_next_try() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let (live, stolen) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let next = text(&refresh(&house, &stolen).await, "refresh_token");
    let _ = house.recorder.take_tokens();
    house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(refresh(&house, &stolen).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(known(&house, &live).await.is_err(), "the family has ended whatever the record can take");
    house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(refresh(&house, &next).await.status, StatusCode::BAD_REQUEST);
    let [reused] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!((&reused.act, reused.principal), (&TokenAct::Reused, Some(house.ada)));
    assert!(reused.session.is_some(), "the family goes, the session stays in the record");
    assert_eq!(families(&house).await, 0);
}
