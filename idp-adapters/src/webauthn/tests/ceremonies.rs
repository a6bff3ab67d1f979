//! What is asked and answered, and what an answer is worth.

use super::*;

/// What the browser and the authenticator say of where they are is held against where we are.
#[each_engine]
async fn another_origin_rp_id_act_or_frame_is_refused() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let honest = Page::at(ACME);
    let globex = Page { rp_id: Some("globex.localhost".into()), ..Page::at(GLOBEX) };
    let holder = house.session(house.acme, house.ada).await;
    for (page, expected) in [
        (Page::at(GLOBEX), SigninReason::ClientDataOrigin),
        (globex, SigninReason::ClientDataOrigin),
        (Page::at("http://acme.localhost:8081"), SigninReason::ClientDataOrigin),
        (Page { rp_id: Some("globex.localhost".into()), ..honest.clone() }, SigninReason::RpIdMismatch),
        (Page { rp_id: Some("localhost".into()), ..honest.clone() }, SigninReason::RpIdMismatch),
        (Page { act: Some("webauthn.create"), ..honest.clone() }, SigninReason::ClientDataType),
        (Page { cross_origin: true, ..honest.clone() }, SigninReason::ClientDataCrossOrigin),
    ] {
        assert_eq!(reason(house.sign_in(&mut authenticator, &page).await), expected, "{page:?}");
        assert_eq!(reason(house.step_up(holder, &mut authenticator, &page).await), expected, "{page:?}");
        let strong = house.strong_session(house.acme, house.ada).await;
        let begun = house.begin_registration(strong, WebauthnKind::Passkey).await;
        let page = match page.act {
            Some(_) => Page { act: Some("webauthn.get"), ..page },
            None => page,
        };
        let answer = SoftAuthenticator::new().create(&page, &begun.options).await;
        assert_eq!(reason(house.finish_registration(strong, begun.id, &answer, NOW).await), expected, "{page:?}");
    }
    assert!(house.sign_in(&mut authenticator, &honest).await.is_ok());
    assert_eq!(house.factors.list(house.acme, house.ada).await.unwrap().len(), 1);
}

#[each_engine]
async fn acmes_passkey_is_nothing_at_globex() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let party = house.party("globex.localhost");
    let asking = asking(house.globex, &party, NOW);
    // As a browser would have it, and as whoever has the key itself could: for acme's RP ID, and for globex's.
    for (page, expected) in [
        (Page { rp_id: Some("acme.localhost".into()), ..Page::at(ACME) }, SigninReason::ClientDataOrigin),
        (Page { rp_id: Some("acme.localhost".into()), ..Page::at(GLOBEX) }, SigninReason::CredentialUnknown),
        (Page::at(GLOBEX), SigninReason::CredentialUnknown),
    ] {
        let (begun, browser) = house.webauthn.begin_sign_in(asking).unwrap();
        assert_eq!(begun.options["rpId"], "globex.localhost");
        let answer = authenticator.get(&page, &begun.options).await;
        let refused = house.webauthn.finish_sign_in(asking, Some(&browser), begun.id, &answer).await;
        assert_eq!(reason(refused), expected, "{page:?}");
    }
    // Nor does a ceremony of acme's continue at globex.
    let (begun, browser) = house.begin_sign_in();
    let answer = authenticator.get(&Page::at(GLOBEX), &begun.options).await;
    let refused = house.webauthn.finish_sign_in(asking, Some(&browser), begun.id, &answer).await;
    assert_eq!(reason(refused), SigninReason::BrowserMismatch);
    let gil = house.session(house.globex, house.gil).await;
    let none = house.webauthn.begin_step_up(asking, gil).await;
    assert_eq!(reason(none), SigninReason::CredentialUnknown);
}

#[each_engine]
async fn a_counter_that_does_not_grow_is_refused_and_names_its_person() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    authenticator.set_counter(10);
    assert!(house.sign_in(&mut authenticator, &Page::at(ACME)).await.is_ok());
    for counter in [10, 3, 0] {
        // It counts before it signs.
        authenticator.set_counter(counter);
        match house.sign_in(&mut authenticator, &Page::at(ACME)).await {
            Err(WebauthnError::Refused(refused)) => {
                assert_eq!((refused.reason, refused.person), (SigninReason::CounterRegressed, Some(house.ada)));
            }
            other => panic!("{other:?}"),
        }
    }
    authenticator.set_counter(11);
    assert!(house.sign_in(&mut authenticator, &Page::at(ACME)).await.is_ok());

    let mut synchronised = SoftAuthenticator::without_counter();
    let _ = house.register(&mut synchronised, WebauthnKind::Passkey).await;
    for _ in 0..3 {
        assert!(house.sign_in(&mut synchronised, &Page::at(ACME)).await.is_ok(), "none was ever there");
    }
}

/// The timeline that this stops: somebody behind the same address fails to sign in, over and over, and nobody there can prove who they are.
#[each_engine]
async fn whoever_fails_to_sign_in_keeps_nobody_from_a_step_up_or_at_another_tenant() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    for _ in 0..60 {
        // What asks for nothing here is nobody's failure.
        let made_up = house.finish_sign_in(None, Uuid::from_u128(1), "{}", NOW).await;
        assert_eq!(reason(made_up), SigninReason::BrowserMismatch);
    }
    for _ in 0..50 {
        let (begun, browser) = house.begin_sign_in();
        let garbled = house.finish_sign_in(Some(&browser), begun.id, "{}", NOW).await;
        assert_eq!(reason(garbled), SigninReason::CredentialMalformed);
    }
    let delayed = house.sign_in(&mut authenticator, &Page::at(ACME)).await;
    assert!(matches!(delayed, Err(WebauthnError::Delayed { .. })), "{delayed:?}");
    let holder = house.session(house.acme, house.ada).await;
    assert!(house.step_up(holder, &mut authenticator, &Page::at(ACME)).await.is_ok());
    let party = house.party("globex.localhost");
    let asking = asking(house.globex, &party, NOW);
    let (begun, browser) = house.webauthn.begin_sign_in(asking).unwrap();
    let garbled = house.webauthn.finish_sign_in(asking, Some(&browser), begun.id, "{}").await;
    assert!(matches!(garbled, Err(WebauthnError::Refused(_))), "{garbled:?}");
}

#[each_engine]
async fn an_answer_counts_once() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let answer = authenticator.create(&Page::at(ACME), &begun.options).await;
    assert!(house.finish_registration(holder, begun.id, &answer, NOW).await.is_ok());
    assert_eq!(reason(house.finish_registration(holder, begun.id, &answer, NOW).await), SigninReason::CeremonySpent);

    let (begun, browser) = house.begin_sign_in();
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    assert!(house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await.is_ok());
    let again = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(again), SigninReason::CeremonySpent);
    // Nor in a ceremony of its own: it is to another challenge.
    let (another, browser) = house.begin_sign_in();
    let replayed = house.finish_sign_in(Some(&browser), another.id, &answer, NOW).await;
    assert_eq!(reason(replayed), SigninReason::ChallengeMismatch);
    // A wrong answer writes nothing, so the ceremony is still good for the right one, once.
    let right = authenticator.get(&Page::at(ACME), &another.options).await;
    assert!(house.finish_sign_in(Some(&browser), another.id, &right, NOW).await.is_ok());
    let late = house.finish_sign_in(Some(&browser), another.id, &right, NOW).await;
    assert_eq!(reason(late), SigninReason::CeremonySpent);
}

#[each_engine]
async fn a_ceremony_is_one_sessions_or_one_browsers_for_one_purpose_and_not_for_long() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let (ada, bob) = (house.session(house.acme, house.ada).await, house.session(house.acme, house.bob).await);
    let another = house.session(house.acme, house.ada).await;

    let begun = house.begin_step_up(ada).await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    for other in [bob, another] {
        assert_eq!(reason(house.finish_step_up(other, begun.id, &answer).await), SigninReason::CeremonyUnknown);
    }
    let (stranger, browser) = house.begin_sign_in();
    let as_sign_in = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(as_sign_in), SigninReason::BrowserMismatch);
    let as_enrolment = house.finish_registration(ada, begun.id, &answer, NOW).await;
    assert_eq!(reason(as_enrolment), SigninReason::CeremonyUnknown);
    let proven = house.finish_step_up(ada, begun.id, &answer).await.unwrap();
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::Passkey, 2), "nobody else has spent it");

    let answer = authenticator.get(&Page::at(ACME), &stranger.options).await;
    let (_, elsewhere) = house.begin_sign_in();
    for browser in [None, Some(&elsewhere)] {
        let refused = house.finish_sign_in(browser, stranger.id, &answer, NOW).await;
        assert_eq!(reason(refused), SigninReason::BrowserMismatch);
    }
    let late = NOW.after(Duration::from_secs(5 * 60));
    let refused = house.finish_sign_in(Some(&browser), stranger.id, &answer, late).await;
    assert_eq!(reason(refused), SigninReason::CeremonyExpired);
}

#[each_engine]
async fn a_tampered_answer_is_refused_and_a_garbled_one_too() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let flip = |answer: &str, member: &str| {
        changed(answer, |answer| {
            let text = answer["response"][member].as_str().unwrap();
            let flipped = if text.starts_with('A') { 'B' } else { 'A' };
            answer["response"][member] = format!("{flipped}{}", text.get(1..).unwrap()).into();
        })
    };
    let long = "x".repeat(20_000);
    for (change, expected) in [
        ("signature", SigninReason::CredentialMalformed),
        ("authenticatorData", SigninReason::RpIdMismatch),
        ("clientDataJSON", SigninReason::CredentialMalformed),
    ] {
        let (begun, browser) = house.begin_sign_in();
        let answer = flip(&authenticator.get(&Page::at(ACME), &begun.options).await, change);
        assert_eq!(reason(house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await), expected, "{change}");
    }
    // A right signature, of another moment.
    let (first, _) = house.begin_sign_in();
    let other = authenticator.get(&Page::at(ACME), &first.options).await;
    let other: Value = serde_json::from_str(&other).unwrap();
    let (begun, browser) = house.begin_sign_in();
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    let answer = changed(&answer, |answer| answer["response"]["signature"] = other["response"]["signature"].clone());
    let refused = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::SignatureInvalid);
    for garbled in ["", "{}", "[]", "null", r#"{"type":"public-key"}"#, &long] {
        let (begun, browser) = house.begin_sign_in();
        let refused = house.finish_sign_in(Some(&browser), begun.id, garbled, NOW).await;
        assert_eq!(reason(refused), SigninReason::CredentialMalformed, "{garbled}");
    }
}

#[each_engine]
async fn who_is_a_providers_or_disabled_does_not_sign_in_by_a_passkey() {
    let house = House::new().await;
    let mut of_fay = SoftAuthenticator::new();
    let _ = house.register_of(house.fay, &mut of_fay, WebauthnKind::Passkey).await;
    assert_eq!(reason(house.sign_in(&mut of_fay, &Page::at(ACME)).await), SigninReason::AccountOfProvider);
    let fay = house.session(house.acme, house.fay).await;
    assert!(house.step_up(fay, &mut of_fay, &Page::at(ACME)).await.is_ok(), "as a second factor it serves");

    let mut of_bob = SoftAuthenticator::new();
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    let accounts = Accounts::new(house.pool.clone());
    accounts.disable(house.acme, house.bob, NOW).await.unwrap();
    assert_eq!(reason(house.sign_in(&mut of_bob, &Page::at(ACME)).await), SigninReason::AccountDisabled);
}

#[each_engine]
async fn one_address_does_not_fail_without_end() {
    let house = House::new().await;
    let mut delayed = false;
    for _ in 0..60 {
        let (begun, browser) = house.begin_sign_in();
        delayed |= matches!(
            house.finish_sign_in(Some(&browser), begun.id, "{}", NOW).await,
            Err(WebauthnError::Delayed { .. })
        );
    }
    assert!(delayed);
}
