//! What a credential is, and whose.

use super::*;

#[each_engine]
async fn a_passkey_is_asked_for_as_it_has_to_be_and_signs_in_alone() {
    let house = House::new().await;
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let asked = &begun.options;
    assert_eq!(asked["rp"]["id"], "acme.localhost");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(asked["authenticatorSelection"]["requireResidentKey"], true);
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["attestation"], "none");

    let mut authenticator = SoftAuthenticator::new();
    let answer = authenticator.create(&Page::at(ACME), asked).await;
    let proven = house.finish_registration(holder, begun.id, &answer, NOW).await.unwrap();
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::Passkey, 2));
    // This authenticator says that its keys may be copied.
    assert_eq!(proven.strength.methods, [AuthnMethod::Swk]);
    let kept = house.factors.credentials(house.acme, house.ada, "acme.localhost").await.unwrap();
    let sealed = kept.first().unwrap();
    let mut credential = house.webauthn.open(house.acme, sealed).unwrap();
    credential.backup_eligible = false;
    // And one that says that they may not is still a program's word for all we know.
    let proven = crate::webauthn::proven(sealed.kind, sealed.id, &credential);
    assert_eq!(proven.strength.methods, [AuthnMethod::Pop]);
    let handle = authenticator.user_handle().unwrap();
    assert_eq!(handle.len(), 32);
    assert!(!handle.windows(16).any(|octets| octets == house.ada.0.as_bytes()));

    let signed_in = house.sign_in(&mut authenticator, &Page::at(ACME)).await.unwrap();
    assert_eq!((signed_in.principal, signed_in.strength.level), (house.ada, 2));
    let listed = house.factors.list(house.acme, house.ada).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed.iter().all(|factor| factor.kind == ProofKind::Passkey && factor.last_used_at == Some(NOW)));

    let again = house.begin_registration(house.strong_session(house.acme, house.ada).await, WebauthnKind::Passkey);
    let again = again.await.options;
    assert_eq!(again["excludeCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(again["user"]["id"], asked["user"]["id"], "one person is one handle");
}

#[each_engine]
async fn nothing_of_an_attestation_is_kept() {
    let house = House::new().await;
    let _ = house.register(&mut SoftAuthenticator::new(), WebauthnKind::SecurityKey).await;
    let mut tx = house.pool.tenant(house.acme).read().await.unwrap();
    let kept = "SELECT sealed_key FROM webauthn_credentials WHERE tenant_id = $1";
    let (sealed,): (String,) = tx.query(kept).fetch_one().await.unwrap();
    assert!(sealed.contains(r#""attestation":{"data":"None","metadata":"None"}"#), "{sealed}");
}

#[each_engine]
async fn a_passkey_without_a_verified_person_is_none() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    authenticator.verify(false);
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let answer = authenticator.create(&Page::at(ACME), &begun.options).await;
    let refused = house.finish_registration(holder, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);

    authenticator.verify(true);
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    authenticator.verify(false);
    assert_eq!(reason(house.sign_in(&mut authenticator, &Page::at(ACME)).await), SigninReason::UserNotVerified);
    let refused = house.step_up(holder, &mut authenticator, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);
}

#[each_engine]
async fn a_touched_security_key_is_a_second_factor_and_signs_nobody_in() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    authenticator.verify(false);
    let proven = house.register(&mut authenticator, WebauthnKind::SecurityKey).await;
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::SecurityKey, 2));
    let holder = house.session(house.acme, house.ada).await;
    let proven = house.step_up(holder, &mut authenticator, &Page::at(ACME)).await.unwrap();
    assert_eq!(proven.kind, ProofKind::SecurityKey);
    let refused = house.sign_in(&mut authenticator, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::CredentialNotPasswordless);

    // One that has verified its person once has to from then on.
    let mut with_pin = SoftAuthenticator::new();
    let _ = house.register(&mut with_pin, WebauthnKind::SecurityKey).await;
    with_pin.verify(false);
    let refused = house.step_up(holder, &mut with_pin, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);
}

#[each_engine]
async fn a_credential_is_its_persons_and_nobody_elses() {
    let house = House::new().await;
    let (mut of_ada, mut of_bob) = (SoftAuthenticator::new(), SoftAuthenticator::new());
    let _ = house.register(&mut of_ada, WebauthnKind::Passkey).await;
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    assert_ne!(of_ada.user_handle(), of_bob.user_handle());
    let bob = house.session(house.acme, house.bob).await;
    let refused = house.step_up(bob, &mut of_ada, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::CredentialOfAnother);
    // An authenticator that says bob's handle with ada's key, and one that says none.
    for handle in [of_bob.user_handle(), None] {
        of_ada.set_user_handle(handle);
        let refused = house.sign_in(&mut of_ada, &Page::at(ACME)).await;
        assert_eq!(reason(refused), SigninReason::UserHandleMismatch);
    }
    let mut unknown = SoftAuthenticator::new();
    let begun = house.begin_registration(bob_strong(&house).await, WebauthnKind::Passkey).await;
    unknown.create(&Page::at(ACME), &begun.options).await;
    assert_eq!(reason(house.sign_in(&mut unknown, &Page::at(ACME)).await), SigninReason::CredentialUnknown);
}

async fn bob_strong(house: &House) -> Holder {
    house.strong_session(house.acme, house.bob).await
}

#[each_engine]
async fn a_credential_is_added_once_by_a_live_session_that_is_strong_enough() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    // Ada has a factor by now, and this session shows none: it does not begin, and what it began before does not end.
    let weak = house.session(house.acme, house.bob).await;
    let begun = house.begin_registration(weak, WebauthnKind::Passkey).await;
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let _ = house.register_of(house.bob, &mut SoftAuthenticator::new(), WebauthnKind::SecurityKey).await;
    let refused = house.finish_registration(weak, begun.id, &answer, NOW).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::TooWeak))), "{refused:?}");
    let begin = async |holder, confirmed| {
        let (party, name) = (house.party("acme.localhost"), FactorName::parse("key").unwrap());
        let registrant = Registrant { holder, confirmed, called: "ada@example.com" };
        let new = NewCredential { kind: WebauthnKind::Passkey, name: &name };
        house.webauthn.begin_registration(asking(house.acme, &party, NOW), registrant, new).await
    };
    let refused = begin(house.session(house.acme, house.ada).await, Shown::Password).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::TooWeak))), "{refused:?}");
    // A cookie alone enrols no first one.
    let refused = begin(house.session(house.acme, house.fay).await, Shown::Nothing).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::Unconfirmed))), "{refused:?}");
    // A session that ended takes its ceremonies with it, and begins none.
    let over = house.strong_session(house.acme, house.ada).await;
    let begun = house.begin_registration(over, WebauthnKind::Passkey).await;
    house.sessions.end(house.acme, over.session).await.unwrap();
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let refused = house.finish_registration(over, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::CeremonyUnknown);
    let party = house.party("acme.localhost");
    let refused = house.webauthn.begin_step_up(asking(house.acme, &party, NOW), over).await;
    assert!(matches!(refused, Err(WebauthnError::SessionGone)), "{refused:?}");
    // What the tenant knows is not added again, whoever brings it.
    let bob = bob_strong(&house).await;
    let known = authenticator.credential_id();
    let begun = house.begin_registration(bob, WebauthnKind::Passkey).await;
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let answer = changed(&answer, |answer| {
        use base64::Engine as _;
        answer["rawId"] = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&known).into();
    });
    let refused = house.finish_registration(bob, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::CredentialKnown);
}

#[each_engine]
async fn a_removed_credential_proves_nothing_even_where_it_was_asked_for() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let factor = house.register(&mut authenticator, WebauthnKind::Passkey).await.factor.unwrap();
    let holder = house.strong_session(house.acme, house.ada).await;
    let begun = house.begin_step_up(holder).await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    let removed = house.factors.remove(holder, factor, NOW).await.unwrap().unwrap();
    assert_eq!(removed.commit().await.unwrap().kind, ProofKind::Passkey);
    assert_eq!(reason(house.finish_step_up(holder, begun.id, &answer).await), SigninReason::CredentialUnknown);
}

#[each_engine]
async fn a_key_in_another_row_does_not_open() {
    let house = House::new().await;
    let (mut of_ada, mut of_bob) = (SoftAuthenticator::new(), SoftAuthenticator::new());
    let _ = house.register(&mut of_ada, WebauthnKind::Passkey).await;
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let steal = "
UPDATE webauthn_credentials
SET sealed_key = (SELECT sealed_key FROM webauthn_credentials WHERE tenant_id = $1 AND account_id = $2)
WHERE tenant_id = $1
  AND account_id = $3";
    tx.query(steal).bind(house.bob.0).bind(house.ada.0).execute().await.unwrap();
    tx.commit().await.unwrap();
    let stolen = house.sign_in(&mut of_ada, &Page::at(ACME)).await;
    assert_eq!(reason(stolen), SigninReason::CredentialUnreadable, "recorded and counted as any other");
}
