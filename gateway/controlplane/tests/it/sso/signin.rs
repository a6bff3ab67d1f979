//! Signing in: what a provider may say, and what is believed.

use super::*;

#[tokio::test]
async fn a_person_signs_in_and_arrives_where_they_were_going() {
    let sso = Sso::new().await;
    let under = sso.begin("/auth/sso/okta?return_to=/inventory/items%3Fafter%3Da%26n%3D1").await;
    assert_eq!(under.sent.get("tenant"), "a", "the endpoint's own query stays");
    assert_eq!(under.sent.get("response_type"), "code");
    assert_eq!(under.sent.get("client_id"), "cedar gate");
    assert_eq!(under.sent.get("scope"), "openid email");
    assert_eq!(under.sent.get("redirect_uri"), "http://acme.localhost:8080/auth/sso/okta/callback");
    assert_eq!(under.sent.get("code_challenge_method"), "S256");
    assert_eq!(under.sent.get("max_age"), "604800", "so that the provider says when");
    for secret in ["state", "nonce", "code_challenge"] {
        assert_eq!(under.sent.get(secret).len(), 43, "{secret}");
    }
    assert!(sso.house.recorder.take().is_empty());

    let answer = sso.callback(&under, &sso.query(&under)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(answer.header("location"), Some("/inventory/items?after=a&n=1"));
    assert_eq!(answer.cookie_named(SIGNIN_COOKIE).as_deref(), Some(""), "its secret is spent");
    let person = sso.person(&answer).await;
    assert_eq!((&*person.display, roles(&person)), ("ada@example.com", vec!["clerk", "member"]));
    assert_eq!((person.strength.level, &*person.strength.methods), (1, &[AuthnMethod::Fed][..]));
    assert_eq!(person.authenticated_at.0, (sso.seconds() - 60) * 1_000_000, "when the provider says");
    assert_ne!(person.id, sso.house.ada, "the same address is nobody's proof");
    let portal = sso.house.at(&sso.house.acme).browser().with_cookie(&answer.cookie_value().unwrap()).get("/").await;
    assert!(portal.body.contains("ada@example.com") && !portal.body.contains("federated.invalid"), "{}", portal.body);
    let event = sso.event();
    assert_eq!((event.result, event.principal), (SigninResult::Succeeded, Some(person.id)));
    assert_eq!((event.session, event.reason), (Some(person.session), None));
    assert_eq!(event.connection.unwrap().as_str(), "okta");
}

#[tokio::test]
async fn the_signin_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_connections() {
    let sso = Sso::new().await;
    let plain = sso.house.at(&sso.house.acme).browser().get("/auth/sso/okta").await;
    let set = plain.header("set-cookie").unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=900"), "{set}");
    assert_eq!(plain.header("cache-control"), Some("no-store"));
    let tls = sso.house.at(&sso.house.acme).browser().https().get("/auth/sso/okta").await;
    let set = tls.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-cedargate-signin="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=900"), "{set}");
}

#[tokio::test]
async fn a_token_that_is_not_for_this_sign_in_is_refused_with_its_own_reason() {
    let sso = Sso::new().await;
    let now = sso.seconds();
    let ours = {
        let caller = Caller::Anonymous;
        let issued = sso.house.issuer.issue(&caller, &sso.house.acme, "gateway", sso.house.clock.now()).unwrap();
        issued.token.to_string()
    };
    let claim = |claims: Value| (Signed::Properly, json!({}), claims, None);
    let head = |head: Value| (Signed::Properly, head, json!({}), None);
    let signed = |signed: Signed| (signed, json!({}), json!({}), None);
    let whole = |token: &str| (Signed::Properly, json!({}), json!({}), Some(token.to_owned()));
    let mut pages = Vec::new();
    for ((signed, header, claims, token), reason) in [
        (claim(json!({ "nonce": "another" })), SigninReason::TokenNonce),
        (claim(json!({ "nonce": null })), SigninReason::TokenNonce),
        (signed(Signed::Not), SigninReason::TokenAlgorithm),
        (signed(Signed::ByPublicKey), SigninReason::TokenAlgorithm),
        (signed(Signed::ByAnother), SigninReason::TokenSignature),
        (head(json!({ "kid": "secret", "alg": "HS256" })), SigninReason::TokenAlgorithm),
        (head(json!({ "alg": "RS256" })), SigninReason::TokenKeyUnknown),
        (head(json!({ "kid": "../../etc/passwd" })), SigninReason::TokenKeyUnknown),
        (head(json!({ "kid": "' OR 1=1 --" })), SigninReason::TokenKeyUnknown),
        (head(json!({ "jku": "http://127.0.0.1:1/jwks" })), SigninReason::TokenHeader),
        (head(json!({ "x5u": "http://127.0.0.1:1/x" })), SigninReason::TokenHeader),
        (head(json!({ "jwk": { "kty": "OKP" } })), SigninReason::TokenHeader),
        (head(json!({ "crit": ["b64"], "b64": false })), SigninReason::TokenHeader),
        (head(json!({ "typ": "at+jwt" })), SigninReason::TokenType),
        (head(json!({ "typ": "logout+jwt" })), SigninReason::TokenType),
        (claim(json!({ "exp": now - 61 })), SigninReason::TokenExpired),
        (claim(json!({ "iat": now - 661 })), SigninReason::TokenExpired),
        (claim(json!({ "iat": now + 61 })), SigninReason::TokenFuture),
        (claim(json!({ "nbf": now + 61 })), SigninReason::TokenFuture),
        (claim(json!({ "auth_time": now + 61 })), SigninReason::TokenFuture),
        (claim(json!({ "iss": "https://evil.example" })), SigninReason::TokenIssuer),
        (claim(json!({ "iss": format!("{}/", sso.provider.issuer()) })), SigninReason::TokenIssuer),
        (claim(json!({ "aud": "another client" })), SigninReason::TokenAudience),
        (claim(json!({ "aud": ["cedar gate", "another client"] })), SigninReason::TokenAudience),
        (claim(json!({ "aud": [] })), SigninReason::TokenAudience),
        (claim(json!({ "azp": "another client" })), SigninReason::TokenParty),
        (claim(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })), SigninReason::TokenHash),
        (claim(json!({ "sub": "" })), SigninReason::SubjectInvalid),
        (claim(json!({ "sub": "a".repeat(256) })), SigninReason::SubjectInvalid),
        (claim(json!({ "sub": " 00u1" })), SigninReason::SubjectInvalid),
        (claim(json!({ "sub": null })), SigninReason::TokenMalformed),
        (claim(json!({ "exp": "soon" })), SigninReason::TokenMalformed),
        (claim(json!({ "exp": null })), SigninReason::TokenMalformed),
        (whole(""), SigninReason::TokenMalformed),
        (whole("not.a.token"), SigninReason::TokenMalformed),
        (whole("e30.e30.e30.e30.e30"), SigninReason::TokenMalformed),
        (whole(&ours), SigninReason::TokenType),
    ] {
        {
            let mut conduct = sso.provider.conduct();
            (conduct.signed, conduct.header, conduct.claims, conduct.id_token) = (signed, header, claims, token);
        }
        let answer = sso.sign_in().await;
        sso.assert_refused(&answer, reason);
        pages.push(answer.body);
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "a stranger can tell failures apart");
    assert_eq!(sso.house.session_count().await, 0);
    assert_eq!(sso.account(sso.house.acme.id).await, None);
}

#[tokio::test]
async fn a_clock_that_is_off_by_less_than_the_skew_keeps_nobody_out() {
    let sso = Sso::new().await;
    let now = sso.seconds();
    for claims in [json!({ "exp": now - 59 }), json!({ "iat": now + 59, "nbf": now + 59, "auth_time": now + 59 })] {
        sso.provider.conduct().claims = claims;
        assert_eq!(sso.sign_in().await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked_and_at_the_address_that_was_asked_for() {
    let sso = Sso::new().await;
    let query_of = |under: &Under| sso.query(under);

    let under = sso.begin("/auth/sso/okta").await;
    let query = query_of(&under);
    assert_eq!(sso.callback(&under, &query).await.status, StatusCode::SEE_OTHER);
    sso.house.recorder.take();
    sso.assert_refused(&sso.callback(&under, &query).await, SigninReason::StateSpent);

    // A code that was redeemed, under a fresh state.
    let again = sso.begin("/auth/sso/okta").await;
    let old_code = query.split('&').next().unwrap();
    let iss = query.rsplit('&').next().unwrap();
    let replayed = format!("{old_code}&state={}&{iss}", again.sent.get("state"));
    sso.assert_refused(&sso.callback(&again, &replayed).await, SigninReason::CodeRefused);

    // A code of somebody else's sign-in, planted: the verifier is not theirs.
    let [victim, attacker] = [sso.begin("/auth/sso/okta").await, sso.begin("/auth/sso/okta").await];
    let planted = sso.provider.code(&attacker.sent, sso.seconds());
    let planted = format!("code={planted}&state={}&{iss}", victim.sent.get("state"));
    sso.assert_refused(&sso.callback(&victim, &planted).await, SigninReason::CodeRefused);

    // Login CSRF: the attacker's whole answer in the victim's browser.
    let [victim, attacker] = [sso.begin("/auth/sso/okta").await, sso.begin("/auth/sso/okta").await];
    sso.assert_refused(&sso.callback(&victim, &query_of(&attacker)).await, SigninReason::BrowserMismatch);

    let without = Under { cookie: "theme=dark".to_owned(), ..sso.begin("/auth/sso/okta").await };
    sso.assert_refused(&sso.callback(&without, &query_of(&without)).await, SigninReason::BrowserMismatch);
    let mut twice = sso.begin("/auth/sso/okta").await;
    twice.cookie = format!("{0}; {0}", twice.cookie);
    sso.assert_refused(&sso.callback(&twice, &query_of(&twice)).await, SigninReason::BrowserMismatch);

    // Mix-up: what was asked of one connection is answered at another's address.
    let under = sso.begin("/auth/sso/entra").await;
    sso.assert_refused(&sso.callback(&under, &query_of(&under)).await, SigninReason::ConnectionMismatch);

    let under = sso.begin("/auth/sso/okta").await;
    let query = query_of(&under);
    sso.house.advance(Duration::from_secs(900));
    sso.assert_refused(&sso.callback(&under, &query).await, SigninReason::StateExpired);

    // Another tenant's host, where the state means nothing.
    let under = sso.begin("/auth/sso/okta").await;
    let target = format!("/auth/sso/okta/callback?{}", query_of(&under));
    let answer = sso.house.at(&sso.house.globex).browser().holding(&under.cookie).get(&target).await;
    sso.assert_refused(&answer, SigninReason::ConnectionUnknown);
}

#[tokio::test]
async fn an_answer_without_what_it_needs_never_reaches_the_token_endpoint() {
    let sso = Sso::new().await;
    let issuer = url::form_urlencoded::byte_serialize(sso.provider.issuer().as_bytes()).collect::<String>();
    for (query, reason) in [
        ("code=a&iss=ISSUER".to_owned(), SigninReason::StateUnknown),
        ("code=a&state=unheard-of&iss=ISSUER".to_owned(), SigninReason::BrowserMismatch),
        ("code=a&state=STATE&state=STATE&iss=ISSUER".to_owned(), SigninReason::StateUnknown),
        ("code=a&code=b&state=STATE&iss=ISSUER".to_owned(), SigninReason::StateUnknown),
        ("code=a&state=STATE&iss=https%3A%2F%2Fevil.example".to_owned(), SigninReason::IssuerMismatch),
        ("code=a&state=STATE&iss=ISSUER%2F".to_owned(), SigninReason::IssuerMismatch),
        ("code=a&state=STATE".to_owned(), SigninReason::IssuerMissing),
        ("error=access_denied&state=STATE&iss=ISSUER".to_owned(), SigninReason::ProviderRefused),
        ("error=access_denied&code=a&state=STATE&iss=ISSUER".to_owned(), SigninReason::ProviderRefused),
        ("state=STATE&iss=ISSUER".to_owned(), SigninReason::CodeMissing),
        ("code=&state=STATE&iss=ISSUER".to_owned(), SigninReason::CodeMissing),
        (String::new(), SigninReason::StateUnknown),
    ] {
        let under = sso.begin("/auth/sso/okta").await;
        let query = query.replace("STATE", under.sent.get("state")).replace("ISSUER", &issuer);
        sso.assert_refused(&sso.callback(&under, &query).await, reason);
    }
    assert!(!sso.provider.calls().contains(&"token"));
}

#[tokio::test]
async fn a_provider_that_promises_no_issuer_may_leave_it_out_and_still_not_name_another() {
    let sso = Sso::new().await;
    sso.provider.conduct().description = json!({ "authorization_response_iss_parameter_supported": null });
    for (iss, signs_in) in [("", true), ("&iss=https%3A%2F%2Fevil.example", false)] {
        let under = sso.begin("/auth/sso/okta").await;
        let code = sso.provider.code(&under.sent, sso.seconds());
        let answer = sso.callback(&under, &format!("code={code}&state={}{iss}", under.sent.get("state"))).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, signs_in, "{}", answer.body);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_afterwards() {
    let sso = Sso::new().await;
    for elsewhere in
        ["//evil.example", "https:%2F%2Fevil.example", "/%5Cevil.example", "javascript:alert(1)", "/auth/logout"]
    {
        let under = sso.begin(&format!("/auth/sso/okta?return_to={elsewhere}")).await;
        let answer = sso.callback(&under, &sso.query(&under)).await;
        assert_eq!(answer.header("location"), Some("/"), "{elsewhere}");
    }
}

#[tokio::test]
async fn a_new_session_begins_and_the_one_before_it_ends() {
    let sso = Sso::new().await;
    let old = sso.house.sign_ada_in().await;
    let under = sso.begin("/auth/sso/okta").await;
    let visitor = sso.house.at(&sso.house.acme).browser().with_cookie(&old).holding(&under.cookie);
    let answer = visitor.get(&format!("/auth/sso/okta/callback?{}", sso.query(&under))).await;
    let new = answer.cookie_value().unwrap();
    assert_ne!(new, old);
    assert!(!sso.house.knows(&old).await && sso.house.knows(&new).await);
}

#[tokio::test]
async fn a_rotated_key_needs_no_restart_and_unknown_ones_are_asked_for_now_and_then() {
    let sso = Sso::new().await;
    assert_eq!(sso.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(sso.provider.calls(), ["description", "keys", "token"]);
    sso.provider.rotate(2);
    assert_eq!(sso.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(sso.provider.calls(), ["token", "keys"]);
    sso.house.recorder.take();

    // Whoever sends tokens with made-up names does not make us call for each.
    sso.provider.conduct().header = json!({ "kid": "made up" });
    sso.assert_refused(&sso.sign_in().await, SigninReason::TokenKeyUnknown);
    sso.provider.rotate(3);
    sso.provider.conduct().header = json!({});
    sso.assert_refused(&sso.sign_in().await, SigninReason::TokenKeyUnknown);
    assert_eq!(sso.provider.calls(), ["token", "token"]);
    sso.house.advance(Duration::from_secs(30));
    assert_eq!(sso.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(sso.provider.calls(), ["token", "keys"]);
}

#[tokio::test]
async fn a_confirmation_is_as_strong_and_as_fresh_as_was_asked_and_by_the_same_person() {
    let sso = Sso::new().await;
    let first = sso.sign_in().await.cookie_value().unwrap();
    sso.house.recorder.take();
    let now = sso.seconds();
    let confirm = async |claims: Value| {
        let visitor = sso.house.at(&sso.house.acme).browser().with_cookie(&first);
        let answer = visitor.get("/auth/sso/okta?level=2&max_age=300&return_to=/orders").await;
        let cookie = answer.cookie_named(SIGNIN_COOKIE).unwrap();
        let under =
            Under { sent: Sent::of(answer.header("location").unwrap()), cookie: format!("{SIGNIN_COOKIE}={cookie}") };
        assert_eq!((under.sent.get("acr_values"), under.sent.get("max_age")), ("mfa phr", "300"));
        sso.provider.conduct().claims = claims;
        sso.callback(&under, &sso.query(&under)).await
    };
    for (claims, reason) in [
        (json!({ "acr": "mfa", "auth_time": null }), SigninReason::AuthTimeMissing),
        (json!({ "acr": "mfa", "auth_time": now - 361 }), SigninReason::AuthTimeTooOld),
        (json!({ "acr": "pwd" }), SigninReason::StrengthTooLow),
        (json!({ "acr": "unheard-of", "amr": ["mfa"] }), SigninReason::StrengthTooLow),
        (json!({ "acr": "mfa", "sub": "00u2" }), SigninReason::PersonDiffers),
    ] {
        sso.assert_refused(&confirm(claims).await, reason);
        assert!(sso.house.knows(&first).await, "{reason}: the session before stays");
    }
    let answer = confirm(json!({ "acr": "phr", "auth_time": now - 10 })).await;
    assert_eq!(answer.header("location"), Some("/orders"));
    let person = sso.person(&answer).await;
    assert_eq!((person.strength.level, person.authenticated_at.0), (3, (now - 10) * 1_000_000));
    assert_eq!(person.strength.methods, [AuthnMethod::Hwk, AuthnMethod::Fed]);
}

#[tokio::test]
async fn whoever_signs_in_again_proves_it_anew_and_may_be_somebody_else() {
    let sso = Sso::new().await;
    let local = sso.house.sign_ada_in().await;
    let page = sso.house.at(&sso.house.acme).browser().with_cookie(&local).get("/auth/login?return_to=/x").await;
    let target = "/auth/sso/okta?again=1&return_to=/x";
    assert!(page.body.contains(&target.replace('&', "&#38;")), "{}", page.body);
    sso.house.recorder.take();
    for (auth_time, refused) in [(-361, Some(SigninReason::AuthTimeTooOld)), (-1, None)] {
        let visitor = sso.house.at(&sso.house.acme).browser().with_cookie(&local);
        let begun = visitor.get(target).await;
        let cookie = format!("{SIGNIN_COOKIE}={}", begun.cookie_named(SIGNIN_COOKIE).unwrap());
        let under = Under { sent: Sent::of(begun.header("location").unwrap()), cookie };
        assert_eq!(under.sent.get("max_age"), "300");
        sso.provider.conduct().claims = json!({ "auth_time": sso.seconds() + auth_time });
        let answer = sso.callback(&under, &sso.query(&under)).await;
        match refused {
            Some(reason) => sso.assert_refused(&answer, reason),
            None => assert_eq!(answer.header("location"), Some("/x")),
        }
    }
}

/// Nothing is anybody's to fill: whoever begins sign-ins, or answers them wrongly, writes nothing and waits for no writer.
#[tokio::test]
async fn strangers_who_begin_sign_ins_and_answer_them_wrongly_write_nothing() {
    let sso = Sso::new().await;
    // Whoever writes of this tenant, or of any where the store is one file, waits for this.
    let turn = sso.house.pool.tenant(sso.house.acme.id).begin().await.unwrap();
    for _ in 0..3 {
        let under = sso.begin("/auth/sso/okta").await;
        let wrong = format!("code=made-up&{}", sso.query(&under).split_once('&').unwrap().1);
        sso.assert_refused(&sso.callback(&under, &wrong).await, SigninReason::CodeRefused);
        let begun = sso.house.at(&sso.house.acme).post_json("/auth/login/passkey", "{}").await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        let cookie = begun.cookie_named(SIGNIN_COOKIE).unwrap();
        let ceremony = begun.json()["ceremony"].as_str().unwrap().to_owned();
        let visitor = sso.house.at(&sso.house.acme).holding(&format!("{SIGNIN_COOKIE}={cookie}"));
        let refused = visitor.post_json(&format!("/auth/login/passkey/{ceremony}"), r#"{"credential": "{}"}"#).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.body);
        assert_eq!(sso.event().reason, Some(SigninReason::CredentialMalformed));
    }
    drop(turn);
}

/// The record goes first: where it fails there is no session, no account, and the answer has not counted.
#[tokio::test]
async fn what_cannot_be_recorded_begins_nothing_and_uses_nothing_up() {
    let sso = Sso::new().await;
    let old = sso.house.sign_ada_in().await;
    let under = sso.begin("/auth/sso/okta").await;
    let query = sso.query(&under);
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    let visitor = sso.house.at(&sso.house.acme).browser().with_cookie(&old).holding(&under.cookie);
    let answer = visitor.get(&format!("/auth/sso/okta/callback?{query}")).await;
    assert_eq!((answer.status, answer.cookie_value()), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert!(sso.house.knows(&old).await, "the session before goes on");
    assert_eq!((sso.house.session_count().await, sso.account(sso.house.acme.id).await), (1, None));
    sso.house.recorder.broken.store(false, Ordering::SeqCst);
    sso.house.recorder.take();
    // With a code of its own the same attempt is good still.
    let again = sso.callback(&under, &sso.query(&under)).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.body);
}

/// What a page loads is nobody's wish to sign in; a flood of it would crowd out those who have one.
#[tokio::test]
async fn only_a_navigation_begins_a_sign_in() {
    let sso = Sso::new().await;
    let (mode, dest) = ("sec-fetch-mode", "sec-fetch-dest");
    for (said, begins) in [
        (vec![], true),
        (vec![(mode, "navigate")], true),
        (vec![(mode, "navigate"), (dest, "document")], true),
        (vec![(mode, "no-cors")], false),
        (vec![(mode, "cors")], false),
        (vec![(mode, "navigate"), (mode, "no-cors")], false),
        (vec![(mode, "navigate"), (dest, "iframe")], false),
        (vec![(dest, "image")], false),
        (vec![(dest, "document"), (dest, "frame")], false),
    ] {
        let request = sso.house.at(&sso.house.acme).browser().request("GET", "/auth/sso/okta").await;
        let request = said.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = sso.house.at(&sso.house.acme).browser().send(request).await;
        let expected = if begins { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        assert_eq!((answer.status, answer.cookie_named(SIGNIN_COOKIE).is_some()), (expected, begins), "{said:?}");
    }
}

#[tokio::test]
async fn a_sign_in_of_unsaid_age_is_not_taken_for_a_fresh_one() {
    let sso = Sso::new().await;
    sso.provider.conduct().claims = json!({ "auth_time": null });
    let person = sso.person(&sso.sign_in().await).await;
    assert_eq!(person.authenticated_at.0, (sso.seconds() - 86_400) * 1_000_000);
}

#[tokio::test]
async fn userinfo_adds_claims_of_the_same_person_and_strengthens_nobody() {
    let sso = Sso::with(|connection| {
        let ConnectionKind::Oidc(settings) = &mut connection.kind else { unreachable!("made above") };
        settings.userinfo = true;
    })
    .await;
    sso.provider.conduct().claims = json!({ "groups": null });
    let more = json!({ "sub": "00u1", "groups": ["heads"], "acr": "phr", "email": "other@example.com" });
    sso.provider.conduct().userinfo = more;
    let person = sso.person(&sso.sign_in().await).await;
    assert_eq!((roles(&person), person.strength.level), (vec!["manager", "member"], 1));
    assert_eq!(person.display, "ada@example.com", "what the token says stands");
    sso.house.recorder.take();
    sso.provider.conduct().userinfo = json!({ "sub": "00u2", "groups": ["heads"] });
    sso.assert_refused(&sso.sign_in().await, SigninReason::UserinfoSubject);
}

#[tokio::test]
async fn a_provider_that_leads_elsewhere_is_not_followed() {
    let sso = Sso::new().await;
    let other = Provider::start().await;
    sso.provider.conduct().redirects_to = Some(format!("{}/token", other.issuer()));
    sso.assert_refused(&sso.sign_in().await, SigninReason::ProviderUnavailable);
    sso.provider.conduct().redirects_to = None;
    for description in [
        json!({ "issuer": "https://evil.example" }),
        json!({ "issuer": format!("{}/", sso.provider.issuer()) }),
        json!({ "token_endpoint": "https://evil.example/token" }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "jwks_uri": format!("{}/description", sso.provider.issuer()) }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "jwks_uri": null }),
    ] {
        sso.connect(|_| {});
        sso.provider.conduct().description = description.clone();
        let answer = sso.house.at(&sso.house.acme).browser().get("/auth/sso/okta").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{description}");
        assert_eq!(answer.header("location"), None);
        let event = sso.event();
        assert_eq!(event.reason, Some(SigninReason::ProviderUnavailable), "{description}");
    }
    assert_eq!(other.calls(), Vec::<&str>::new());
    // A failure is remembered for a moment, so that a provider that is down is not called by everybody who comes.
    sso.provider.calls();
    let _ = sso.house.at(&sso.house.acme).browser().get("/auth/sso/okta").await;
    assert_eq!(sso.provider.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn without_a_record_nobody_is_signed_in() {
    let sso = Sso::new().await;
    let under = sso.begin("/auth/sso/okta").await;
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    let answer = sso.callback(&under, &sso.query(&under)).await;
    assert_eq!((answer.status, answer.cookie_value()), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert_eq!(sso.house.session_count().await, 0);
}

#[tokio::test]
async fn the_page_offers_the_tenants_providers_and_leads_an_address_to_its_own() {
    let sso = Sso::new().await;
    let visitor = sso.house.at(&sso.house.acme).browser();
    let page = visitor.get("/auth/login?return_to=/inventory/items%3Fa%3Db").await;
    assert!(page.body.contains(r#"href="/auth/sso/okta?return_to=/inventory/items?a%3Db""#), "{}", page.body);
    assert!(page.body.contains("Continue with entra &#38; Co"), "{}", page.body);

    let page = visitor.post_form("/auth/sso", "email=Eve%40ENTRA.example&password=&return_to=/x").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(r#"content="0;url=/auth/sso/entra?return_to=/x""#), "{}", page.body);
    for nowhere in ["eve@elsewhere.example", "eve@sub.entra.example", "entra.example", "%22%3E%3Cscript%3E@x.example"] {
        let page = visitor.post_form("/auth/sso", &format!("email={nowhere}")).await;
        assert!(page.body.contains("no single sign-on for this address"), "{nowhere}");
        assert!(!page.body.contains("<script>"), "{nowhere}");
    }
    let other = sso.house.at(&sso.house.globex).browser().get("/auth/login").await;
    assert!(!other.body.contains("/auth/sso"), "another tenant's providers");
    let absent = sso.house.at(&sso.house.globex).browser().get("/auth/sso/okta").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(sso.house.at_directory().browser().get("/auth/sso/okta").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_still_signs_in_beside_single_sign_on() {
    let sso = Sso::new().await;
    let answer =
        sso.house.at(&sso.house.acme).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let event = sso.event();
    assert_eq!((event.connection, event.reason), (None, None));
}

/// What is pushed is not the browser's to read or change (RFC 9126), and a provider that offers it is not asked in the open instead.
#[tokio::test]
async fn what_is_asked_is_pushed_where_the_provider_offers_that() {
    let sso = Sso::new().await;
    let endpoint = format!("{}/par", sso.provider.issuer());
    sso.provider.conduct().description = json!({ "pushed_authorization_request_endpoint": endpoint });
    let visitor = sso.house.at(&sso.house.acme).browser();
    let answer = visitor.get("/auth/sso/okta").await;
    let sent = Sent::of(answer.header("location").unwrap());
    let mut names: Vec<_> = sent.parameters.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "request_uri", "tenant"]);
    assert_eq!((sent.get("client_id"), sent.get("request_uri")), ("cedar gate", "urn:pushed:1"));
    let pushed = Sent { parameters: sso.provider.conduct().pushed.clone() };
    for (name, value) in [("response_type", "code"), ("client_id", "cedar gate"), ("code_challenge_method", "S256")] {
        assert_eq!(pushed.get(name), value);
    }
    assert!(["state", "nonce", "code_challenge", "redirect_uri"].iter().all(|name| !pushed.get(name).is_empty()));
    assert!(!pushed.parameters.contains_key("client_secret"));

    sso.provider.conduct().push_status = StatusCode::BAD_REQUEST;
    let _ = sso.house.recorder.take();
    let answer = visitor.get("/auth/sso/okta").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SERVICE_UNAVAILABLE, None), "{}", answer.body);
    let [event] = <[_; 1]>::try_from(sso.house.recorder.take()).unwrap();
    assert_eq!((event.result, event.reason), (SigninResult::Failed, Some(SigninReason::ProviderUnavailable)));
}

/// Whoever has no key of the client's own has nothing to publish; the keys of one connection are nobody else's.
#[tokio::test]
async fn a_connection_publishes_the_keys_that_it_proves_itself_by() {
    let (pem, _) = key_and_certificate();
    let keys = ClientKeys::new(vec![ClientKey::parse(&pem).unwrap()]).unwrap();
    let published = keys.jwks();
    let sso = Sso::with(|connection| {
        let ConnectionKind::Oidc(settings) = &mut connection.kind else { return };
        if connection.name.as_str() == "okta" {
            let (keys, audience) = (keys.clone(), ProofAudience::Issuer);
            settings.authentication = ClientAuthentication::PrivateKeyJwt { keys, audience };
        }
    })
    .await;
    let visitor = sso.house.at(&sso.house.acme);
    let answer = visitor.get("/auth/sso/okta/jwks.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/jwk-set+json")));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap(), published);
    for path in ["/auth/sso/entra/jwks.json", "/auth/sso/nobody/jwks.json"] {
        assert_eq!(visitor.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
