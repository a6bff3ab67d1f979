//! Who waits, and whom that spares.

use super::*;

#[tokio::test]
async fn an_address_that_fails_too_often_waits_and_its_neighbours_with_good_credentials_do_not() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    for _ in 0..30 {
        assert_eq!(ask(&house, &[]).await.status, StatusCode::BAD_REQUEST);
    }
    let _ = house.recorder.take_tokens();
    let guess = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", "hunter2")];
    let waits = ask(&house, &guess).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waits.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(refusal(&house), (Some(GrantType::ClientCredentials), TokenReason::RateExceeded));
    assert_eq!(ask(&house, &guess).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.recorder.take_tokens(), [], "one of a flood stands in the record, beside each decision");

    assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK, "the same address, a good key");
    let exchange = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let exchanged = ask(&house, &exchange).await;
    assert_eq!(exchanged.status, StatusCode::OK, "a good session");
    assert_eq!(refresh(&house, &text(&exchanged, "refresh_token")).await.status, StatusCode::OK);

    assert_eq!(ask(&house, &guess).await.status, StatusCode::TOO_MANY_REQUESTS);
    house.advance(Duration::from_secs(61));
    assert_eq!(ask(&house, &guess).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_good_key_may_not_have_is_no_failure_of_its_address() {
    let house = House::new().await;
    let Program { account, id, key } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    for more in [("scope", "admin"), ("audience", "inventory")].iter().cycle().take(40) {
        assert_eq!(ask(&house, &[&pairs[..], &[*more]].concat()).await.status, StatusCode::BAD_REQUEST);
    }
    let refused = house.recorder.take_tokens();
    let whose = |event: &cedargate_model::TokenEvent| {
        event.principal == Some(account) && event.api_key.is_some_and(|key| key.to_string() == id)
    };
    assert!(refused.len() == 40 && refused.iter().all(whose), "the record says whose key it was");
    assert_eq!(ask(&house, &[]).await.status, StatusCode::BAD_REQUEST, "others behind the address are not silenced");
    for _ in 40..120 {
        assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK);
    }
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::TOO_MANY_REQUESTS, "each counts for the client itself");
}
