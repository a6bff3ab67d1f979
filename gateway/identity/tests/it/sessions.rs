//! Sessions on a real store, with the clock in the test's hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::house::{House, NOW, hash, role};
use cedargate_identity::{
    Agent, CreateSessionError, Device, Email, Grounds, NewAccount, Notice, Notices, Passkeys, PresentedToken,
    SessionLimits, SessionSettings, Sessions, SignIn, StoreError,
};
use cedargate_migrations::testing::{Engine, each_engine};
use cedargate_model::{AuthnMethod, AuthnStrength, Micros, PrincipalId, RoleName, TenantId, TenantName};
use uuid::Uuid;

const SETTINGS: SessionSettings = SessionSettings {
    idle_timeout: Duration::from_secs(30 * 60),
    absolute_timeout: Duration::from_secs(8 * 60 * 60),
    staleness_max: Duration::from_secs(3),
    cached_max: 1_000,
};

fn sign_in(tenant: TenantId, principal: PrincipalId) -> SignIn {
    SignIn {
        tenant,
        principal,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        replaces: None,
        remember: false,
        device: Device::default(),
    }
}

fn after_secs(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

/// A house, one person signed in, and what their browser holds.
async fn signed_in() -> (House, Sessions, PrincipalId, PresentedToken) {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &["clerk"]).await;
    let sessions = Sessions::new(house.pool.clone(), SETTINGS);
    let token = begin(&sessions, house.acme, ada, NOW).await;
    (house, sessions, ada, token)
}

async fn begin(sessions: &Sessions, tenant: TenantId, who: PrincipalId, now: Micros) -> PresentedToken {
    let begun = sessions.create(sign_in(tenant, who), now).await.unwrap();
    PresentedToken::parse(&begun.token.expose()).unwrap()
}

async fn is_known(sessions: &Sessions, tenant: TenantId, token: &PresentedToken, now: Micros) -> bool {
    sessions.find(tenant, token, now).await.unwrap().is_some()
}

#[each_engine]
async fn a_tenants_limits_hold_for_its_own_sessions_and_for_no_others() {
    let (house, plain, ada, before) = signed_in().await;
    let eve = NewAccount { email: Email::parse("eve@example.com").unwrap(), roles: vec![], password: None };
    let eve = house.accounts.create(house.globex, eve, NOW).await.unwrap().id;
    let [minutes, hour, month] = [5, 60, 30 * 24 * 60].map(|minutes: u64| Duration::from_secs(minutes * 60));
    let limits =
        SessionLimits { idle_timeout: minutes, absolute_timeout: hour, remembered: Some(month), sessions_max: 3 };
    let sessions = plain.with_limits(BTreeMap::from([(TenantName::parse("acme").unwrap(), limits)]));
    let globex = begin(&sessions, house.globex, eve, NOW).await;
    let unused = begin(&sessions, house.acme, ada, NOW).await;
    let remembered = SignIn { remember: true, ..sign_in(house.acme, ada) };
    let begun = sessions.create(remembered, NOW).await.unwrap();
    assert_eq!((begun.is_remembered, begun.expires_at), (true, NOW.after(month)));
    let remembered = PresentedToken::parse(&begun.token.expose()).unwrap();
    // From memory and from the store alike, here and where other limits hold by now.
    let elsewhere = Sessions::new(house.another_process().await, SETTINGS);
    for sessions in [&sessions, &elsewhere] {
        assert!(!is_known(sessions, house.acme, &unused, after_secs(300)).await);
    }
    assert!(is_known(&sessions, house.acme, &before, after_secs(300)).await, "one of before lives as it was told");
    assert!(is_known(&sessions, house.globex, &globex, after_secs(1_799)).await);
    sessions.maintain(after_secs(3_600)).await.unwrap();
    assert!(is_known(&elsewhere, house.acme, &remembered, after_secs(7 * 24 * 3_600)).await, "nor is it cleared away");
    let rotated = sessions.step_up(house.acme, begun.principal.session, begun.principal.strength.clone(), NOW).await;
    let rotated = sessions.take_up(rotated.unwrap().commit().await.unwrap());
    assert_eq!((rotated.is_remembered, rotated.expires_at), (true, begun.expires_at), "as long as the former one");
    let used = begin(&sessions, house.acme, ada, NOW).await;
    for seconds in (0..3_600).step_by(240) {
        assert!(is_known(&sessions, house.acme, &used, after_secs(seconds)).await, "{seconds}");
    }
    assert!(!is_known(&sessions, house.acme, &used, after_secs(3_600)).await);
}

#[each_engine]
async fn one_session_more_than_a_tenant_allows_ends_the_oldest() {
    let (house, plain, ada, first) = signed_in().await;
    let limits = SessionLimits {
        idle_timeout: SETTINGS.idle_timeout,
        absolute_timeout: SETTINGS.absolute_timeout,
        remembered: None,
        sessions_max: 2,
    };
    let sessions = plain.with_limits(BTreeMap::from([(TenantName::parse("acme").unwrap(), limits)]));
    let second = begin(&sessions, house.acme, ada, after_secs(1)).await;
    assert!(is_known(&sessions, house.acme, &first, after_secs(1)).await);
    let remember = SignIn { remember: true, ..sign_in(house.acme, ada) };
    let ready = sessions.begin(remember, &Grounds::default(), after_secs(2)).await.unwrap();
    assert_eq!(ready.change().ended().len(), 1, "for the record");
    let third = sessions.take_up_begun(ready.commit().await.unwrap());
    assert!(!third.is_remembered, "where nobody is, whatever they ask");
    assert!(!is_known(&sessions, house.acme, &first, after_secs(2)).await, "at once, although it was in memory");
    assert!(is_known(&sessions, house.acme, &second, after_secs(2)).await);
}

#[each_engine]
async fn a_sign_in_from_another_place_is_noticed_once_and_the_first_of_all_is_none() {
    let (house, sessions, ada, _) = signed_in().await;
    let from = |address: &str, agent: &str| SignIn {
        device: Device { address: address.parse().ok(), agent: Agent::of(agent) },
        ..sign_in(house.acme, ada)
    };
    let fresh = house.account("bo@example.com", &[]).await;
    let first = SignIn { principal: fresh, ..from("192.0.2.1", "curl/8.1") };
    assert!(!sessions.begin(first, &Grounds::default(), NOW).await.unwrap().change().is_new_device());
    for (address, agent, is_new) in [
        ("192.0.2.1", "Firefox/131.0", true),
        ("198.51.100.9", "Firefox/132.0", false),
        ("2001:db8::1", "Firefox/132.0", true),
        ("192.0.2.1", "curl/8.1", true),
        ("192.0.2.1", "curl/8.2", false),
    ] {
        let ready = sessions.begin(from(address, agent), &Grounds::default(), NOW).await.unwrap();
        assert_eq!(ready.change().is_new_device(), is_new, "{address} {agent}");
        sessions.take_up_begun(ready.commit().await.unwrap());
    }
    let told = Notices::new(house.pool.clone()).take(Duration::ZERO, 100, NOW).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|waiting| waiting.notice).collect();
    let new = |address: &str| Notice::NewDevice { address: address.parse().ok() };
    assert_eq!(told.len(), 3);
    assert!([new("192.0.2.1"), new("2001:db8::1")].iter().all(|notice| told.contains(notice)), "{told:?}");
}

#[each_engine]
async fn an_unknown_token_is_nobodys() {
    let (house, sessions, ..) = signed_in().await;
    let unknown = PresentedToken::parse(&"A".repeat(43)).unwrap();
    assert!(!is_known(&sessions, house.acme, &unknown, NOW).await);
}

#[each_engine]
async fn a_token_of_one_tenant_is_unknown_to_another() {
    let (house, sessions, _, token) = signed_in().await;
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    assert!(!is_known(&sessions, house.globex, &token, NOW).await);
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
}

#[each_engine]
async fn a_session_says_who_signed_in_and_how() {
    let (house, sessions, ada, token) = signed_in().await;
    let principal = sessions.find(house.acme, &token, after_secs(1)).await.unwrap().unwrap();
    assert_eq!(principal.id, ada);
    assert_eq!((principal.tenant, principal.tenant_name.as_str()), (house.acme, "acme"));
    assert_eq!(principal.display, "ada@example.com");
    assert_eq!(principal.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(), ["clerk", "member"]);
    assert_eq!((principal.strength.level, principal.strength.methods.as_slice()), (1, [AuthnMethod::Pwd].as_slice()));
    assert_eq!((principal.authenticated_at, principal.version), (NOW, 1));
}

#[each_engine]
async fn a_second_lookup_does_not_ask_the_store() {
    let (house, sessions, _, token) = signed_in().await;
    let first = sessions.find(house.acme, &token, NOW).await.unwrap();
    house.pool.close().await;
    assert_eq!(sessions.find(house.acme, &token, after_secs(2)).await.unwrap(), first);
    assert_eq!((sessions.stats().hits, sessions.stats().misses), (1, 1));
}

#[each_engine]
async fn without_a_store_nobody_is_known_once_memory_is_stale() {
    let (house, sessions, _, token) = signed_in().await;
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    house.pool.close().await;
    let failed = sessions.find(house.acme, &token, after_secs(3)).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
}

#[each_engine]
async fn a_clock_that_was_set_back_does_not_keep_stale_answers() {
    let (house, sessions, _, token) = signed_in().await;
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    house.pool.close().await;
    sessions.find(house.acme, &token, Micros(NOW.0 - 1)).await.unwrap_err();
}

#[each_engine]
async fn what_another_process_changes_takes_effect_within_the_bound() {
    let (house, sessions, ada, token) = signed_in().await;
    let elsewhere = cedargate_identity::Accounts::new(house.another_process().await);
    assert!(is_known(&sessions, house.acme, &token, NOW).await);

    elsewhere.set_roles(house.acme, ada, vec![role("boss")], NOW).await.unwrap();
    let principal = sessions.find(house.acme, &token, after_secs(3)).await.unwrap().unwrap();
    assert_eq!(principal.roles, [role("boss"), role("member")]);
    assert_eq!(principal.version, 2);

    elsewhere.disable(house.acme, ada, NOW).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &token, after_secs(6)).await);
    elsewhere.enable(house.acme, ada, NOW).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &token, after_secs(9)).await, "disabling ended the session for good");
}

#[each_engine]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let (house, sessions, ada, token) = signed_in().await;
    house.accounts.set_password(house.acme, ada, &hash('n'), Passkeys::Kept, NOW).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &token, NOW).await);
}

#[each_engine]
async fn an_ended_session_is_unknown_at_once() {
    let (house, sessions, _, token) = signed_in().await;
    let principal = sessions.find(house.acme, &token, NOW).await.unwrap().unwrap();
    assert!(!sessions.end(house.globex, principal.session).await.unwrap(), "another tenant ended it");
    assert!(sessions.end(house.acme, principal.session).await.unwrap());
    assert!(!is_known(&sessions, house.acme, &token, NOW).await);
    assert!(!sessions.end(house.acme, principal.session).await.unwrap());
}

#[each_engine]
async fn ending_all_ends_all_of_one_person() {
    let (house, sessions, ada, first) = signed_in().await;
    let second = begin(&sessions, house.acme, ada, NOW).await;
    let bob = house.account("bob@example.com", &[]).await;
    let bobs = begin(&sessions, house.acme, bob, NOW).await;
    for token in [&first, &second, &bobs] {
        assert!(is_known(&sessions, house.acme, token, NOW).await);
    }
    assert_eq!(sessions.end_all(house.acme, ada).await.unwrap(), 2);
    assert!(!is_known(&sessions, house.acme, &first, NOW).await);
    assert!(!is_known(&sessions, house.acme, &second, NOW).await);
    assert!(is_known(&sessions, house.acme, &bobs, NOW).await);
}

#[each_engine]
async fn a_sign_in_ends_the_session_that_the_browser_had() {
    let (house, sessions, ada, old) = signed_in().await;
    let session = sessions.find(house.acme, &old, NOW).await.unwrap().unwrap().session;
    let again = SignIn { replaces: Some(session), ..sign_in(house.acme, ada) };
    let begun = sessions.create(again, NOW).await.unwrap();
    let new = PresentedToken::parse(&begun.token.expose()).unwrap();
    assert!(!is_known(&sessions, house.acme, &old, NOW).await);
    assert!(is_known(&sessions, house.acme, &new, NOW).await);
}

#[each_engine]
async fn another_tenants_session_is_not_ended_by_a_sign_in() {
    let (house, sessions, _, token) = signed_in().await;
    let email = cedargate_identity::Email::parse("eve@example.com").unwrap();
    let new = cedargate_identity::NewAccount { email, roles: vec![], password: None };
    let eve = house.accounts.create(house.globex, new, NOW).await.unwrap();
    let session = sessions.find(house.acme, &token, NOW).await.unwrap().unwrap().session;
    let again = SignIn { replaces: Some(session), ..sign_in(house.globex, eve.id) };
    sessions.create(again, NOW).await.unwrap();
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
}

#[each_engine]
async fn a_disabled_or_unknown_account_gets_no_session() {
    let (house, sessions, ada, _) = signed_in().await;
    house.accounts.disable(house.acme, ada, NOW).await.unwrap();
    for (tenant, who) in [(house.acme, ada), (house.globex, ada), (house.acme, PrincipalId(Uuid::from_u128(9)))] {
        let refused = sessions.create(sign_in(tenant, who), NOW).await;
        assert!(matches!(refused, Err(CreateSessionError::AccountUnusable(id)) if id == who), "{refused:?}");
    }
}

#[each_engine]
async fn a_session_ends_after_its_absolute_time_however_much_it_is_used() {
    let (house, sessions, _, token) = signed_in().await;
    for minute in 0..8 * 60 {
        assert!(is_known(&sessions, house.acme, &token, after_secs(minute * 60)).await, "minute {minute}");
    }
    assert!(is_known(&sessions, house.acme, &token, after_secs(8 * 3_600 - 1)).await);
    assert!(!is_known(&sessions, house.acme, &token, after_secs(8 * 3_600)).await, "from memory");
    assert!(!is_known(&sessions, house.acme, &token, after_secs(8 * 3_600 + 5)).await, "from the store");
}

#[each_engine]
async fn a_session_that_nobody_uses_ends() {
    let (house, sessions, _, token) = signed_in().await;
    assert!(is_known(&sessions, house.acme, &token, after_secs(30 * 60 - 1)).await);
    assert!(is_known(&sessions, house.acme, &token, after_secs(60 * 60 - 2)).await, "its use moved the limit");
    assert!(!is_known(&sessions, house.acme, &token, after_secs(90 * 60)).await);
}

#[each_engine]
async fn use_is_written_down_at_most_once_a_minute_and_seen_elsewhere() {
    let (house, sessions, _, token) = signed_in().await;
    for second in [1, 59, 60, 61, 100] {
        assert!(is_known(&sessions, house.acme, &token, after_secs(second)).await);
    }
    assert_eq!(sessions.maintain(after_secs(101)).await.unwrap().touched, 1);
    assert_eq!(sessions.maintain(after_secs(102)).await.unwrap().touched, 0);
    assert!(is_known(&sessions, house.acme, &token, after_secs(29 * 60)).await);
    assert_eq!(sessions.maintain(after_secs(29 * 60)).await.unwrap().touched, 1);
    let elsewhere = Sessions::new(house.another_process().await, SETTINGS);
    assert!(is_known(&elsewhere, house.acme, &token, after_secs(58 * 60)).await);
}

#[each_engine]
async fn what_is_over_is_deleted_and_nothing_else() {
    let (house, sessions, ada, idle) = signed_in().await;
    let used = begin(&sessions, house.acme, ada, after_secs(60)).await;
    assert!(is_known(&sessions, house.acme, &used, after_secs(20 * 60)).await);
    let pruned = sessions.maintain(after_secs(31 * 60)).await.unwrap();
    assert_eq!((pruned.touched, pruned.pruned), (1, 1));
    assert!(!is_known(&sessions, house.acme, &idle, after_secs(31 * 60)).await);
    assert!(is_known(&sessions, house.acme, &used, after_secs(31 * 60)).await);
}

#[each_engine]
async fn an_accounts_oldest_sessions_give_way() {
    let (house, sessions, ada, oldest) = signed_in().await;
    assert!(is_known(&sessions, house.acme, &oldest, NOW).await);
    let mut tokens = Vec::new();
    for n in 1..=100 {
        tokens.push(begin(&sessions, house.acme, ada, after_secs(n)).await);
    }
    assert!(!is_known(&sessions, house.acme, &oldest, after_secs(1)).await);
    for token in &tokens {
        assert!(is_known(&sessions, house.acme, token, after_secs(101)).await);
    }
}

/// The timeline of `SessionCache::insert`: a lookup that read the store before a sign-out must not outlive it.
#[each_engine(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_during_a_sign_out_does_not_bring_the_session_back() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &[]).await;
    let sessions = Sessions::new(house.pool.clone(), SETTINGS);
    for _ in 0..100 {
        let begun = sessions.create(sign_in(house.acme, ada), NOW).await.unwrap();
        let token = PresentedToken::parse(&begun.token.expose()).unwrap();
        let lookups: Vec<_> = (0..4)
            .map(|_| {
                let (sessions, token, acme) = (sessions.clone(), token.clone(), house.acme);
                tokio::spawn(async move { sessions.find(acme, &token, NOW).await.unwrap().is_some() })
            })
            .collect();
        assert!(sessions.end(house.acme, begun.principal.session).await.unwrap());
        for lookup in lookups {
            lookup.await.unwrap();
        }
        assert!(!is_known(&sessions, house.acme, &token, NOW).await);
    }
}

#[each_engine]
async fn the_store_never_holds_a_token() {
    let (house, sessions, ada, _) = signed_in().await;
    let begun = sessions.create(sign_in(house.acme, ada), NOW).await.unwrap();
    let mut tx = house.pool.read_system().await.unwrap();
    let hashes: Vec<(Vec<u8>,)> = tx.query("SELECT token_hash FROM sessions").fetch_all().await.unwrap();
    let cookie = begun.token.expose();
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|(hash,)| hash.len() == 32 && !cookie.as_bytes().windows(32).any(|w| w == hash)));
}

/// A second gateway on the same store.
async fn another_gateway(house: &House) -> Sessions {
    Sessions::new(house.another_process().await, SETTINGS)
}

#[each_engine]
async fn a_session_ended_at_one_gateway_is_unknown_to_another_that_listens() {
    let (house, one, ada, token) = signed_in().await;
    let two = another_gateway(&house).await;
    one.listen(NOW).await.unwrap();
    let principal = one.find(house.acme, &token, NOW).await.unwrap().unwrap();
    assert!(two.end(house.acme, principal.session).await.unwrap());
    one.listen(after_secs(1)).await.unwrap();
    assert!(!is_known(&one, house.acme, &token, after_secs(1)).await);

    // However it ended: all of one person's, by a sign-in in its place, by being one too many, by its time.
    for way in ["all", "replaced", "time", "too many"] {
        let token = begin(&one, house.acme, ada, after_secs(1)).await;
        let session = one.find(house.acme, &token, after_secs(1)).await.unwrap().unwrap().session;
        match way {
            "all" => assert_eq!(two.end_all(house.acme, ada).await.unwrap(), 1),
            "replaced" => {
                let again = SignIn { replaces: Some(session), ..sign_in(house.acme, ada) };
                two.create(again, after_secs(1)).await.unwrap();
            }
            "too many" => {
                for _ in 0..100 {
                    begin(&two, house.acme, ada, after_secs(2)).await;
                }
            }
            _ => assert!(two.maintain(after_secs(9 * 60 * 60)).await.unwrap().pruned > 0),
        }
        one.listen(after_secs(2)).await.unwrap();
        assert!(!is_known(&one, house.acme, &token, after_secs(2)).await, "{way}");
    }
}

#[each_engine]
async fn an_account_changed_elsewhere_is_another_one_to_a_gateway_that_listens() {
    let (house, sessions, ada, token) = signed_in().await;
    let elsewhere = cedargate_identity::Accounts::new(house.another_process().await);
    sessions.listen(NOW).await.unwrap();
    assert!(is_known(&sessions, house.acme, &token, NOW).await);

    elsewhere.set_roles(house.acme, ada, vec![role("boss")], NOW).await.unwrap();
    sessions.listen(NOW).await.unwrap();
    let principal = sessions.find(house.acme, &token, NOW).await.unwrap().unwrap();
    assert_eq!(principal.roles, [role("boss"), role("member")]);

    elsewhere.disable(house.acme, ada, NOW).await.unwrap();
    sessions.listen(NOW).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &token, NOW).await);

    elsewhere.enable(house.acme, ada, NOW).await.unwrap();
    let token = begin(&sessions, house.acme, ada, NOW).await;
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    elsewhere.set_password(house.acme, ada, &hash('n'), Passkeys::Kept, NOW).await.unwrap();
    sessions.listen(NOW).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &token, NOW).await);
}

#[each_engine]
async fn what_is_heard_to_be_unchanged_is_read_once() {
    let (house, sessions, ada, token) = signed_in().await;
    let bob = house.account("bob@example.com", &[]).await;
    sessions.listen(NOW).await.unwrap();
    for second in 0..30 {
        sessions.listen(after_secs(second)).await.unwrap();
        assert!(is_known(&sessions, house.acme, &token, after_secs(second)).await);
        // Beginning and using sessions change nothing for those who have one, and neither does what befalls others.
        begin(&sessions, house.acme, ada, after_secs(second)).await;
        let bobs = begin(&sessions, house.acme, bob, after_secs(second)).await;
        assert!(is_known(&sessions, house.acme, &bobs, after_secs(second)).await);
        sessions.maintain(after_secs(second)).await.unwrap();
        house.accounts.set_roles(house.acme, bob, vec![], NOW).await.unwrap();
        sessions.end_all(house.acme, bob).await.unwrap();
    }
    assert_eq!(sessions.stats().misses, 1 + 30);
}

#[each_engine]
async fn what_was_read_before_the_first_word_of_the_store_is_read_again() {
    let (house, sessions, _, token) = signed_in().await;
    for second in 0..10 {
        assert!(is_known(&sessions, house.acme, &token, after_secs(second)).await);
        sessions.listen(after_secs(second)).await.unwrap();
    }
    assert_eq!(sessions.stats().misses, 2);
}

#[each_engine]
async fn a_gateway_that_cannot_listen_knows_nobody_after_the_bound() {
    let (house, sessions, _, token) = signed_in().await;
    sessions.listen(NOW).await.unwrap();
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    sessions.listen(after_secs(10)).await.unwrap();
    house.pool.close().await;
    assert!(matches!(sessions.listen(after_secs(11)).await, Err(StoreError::Unavailable(_))));
    assert!(is_known(&sessions, house.acme, &token, after_secs(12)).await);
    let failed = sessions.find(house.acme, &token, after_secs(13)).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
}

#[each_engine]
async fn where_answers_may_not_be_old_listening_makes_none_young() {
    let (house, _, ada, _) = signed_in().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings { staleness_max: Duration::ZERO, ..SETTINGS });
    let token = begin(&sessions, house.acme, ada, NOW).await;
    sessions.listen(NOW).await.unwrap();
    assert!(is_known(&sessions, house.acme, &token, NOW).await);
    house.pool.close().await;
    sessions.find(house.acme, &token, NOW).await.unwrap_err();
}

#[each_engine]
async fn a_session_that_nobody_uses_ends_in_memory_too_unless_another_gateway_knows_of_its_use() {
    let (house, sessions, ada, idle) = signed_in().await;
    let used = begin(&sessions, house.acme, ada, NOW).await;
    let two = another_gateway(&house).await;
    sessions.listen(NOW).await.unwrap();
    for token in [&idle, &used] {
        assert!(is_known(&sessions, house.acme, token, NOW).await);
    }
    assert!(is_known(&two, house.acme, &used, after_secs(20 * 60)).await);
    assert_eq!(two.maintain(after_secs(20 * 60)).await.unwrap().touched, 1);
    sessions.listen(after_secs(31 * 60)).await.unwrap();
    assert!(!is_known(&sessions, house.acme, &idle, after_secs(31 * 60)).await);
    assert!(is_known(&sessions, house.acme, &used, after_secs(31 * 60)).await);
}

/// INVARIANT (heard after read) against a real store: whatever the order of a lookup, an ending elsewhere and hearing of it.
#[each_engine(flavor = "multi_thread", worker_threads = 2)]
async fn no_lookup_outlives_what_was_heard_to_have_ended() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &[]).await;
    let one = Sessions::new(house.pool.clone(), SETTINGS);
    let two = another_gateway(&house).await;
    one.listen(NOW).await.unwrap();
    for _ in 0..50 {
        let begun = two.create(sign_in(house.acme, ada), NOW).await.unwrap();
        let token = PresentedToken::parse(&begun.token.expose()).unwrap();
        let lookups: Vec<_> = (0..4)
            .map(|_| {
                let (one, token, acme) = (one.clone(), token.clone(), house.acme);
                tokio::spawn(async move {
                    let known = one.find(acme, &token, NOW).await.unwrap().is_some();
                    one.listen(NOW).await.unwrap();
                    known
                })
            })
            .collect();
        assert!(two.end(house.acme, begun.principal.session).await.unwrap());
        one.listen(NOW).await.unwrap();
        assert!(!is_known(&one, house.acme, &token, NOW).await, "heard of");
        for lookup in lookups {
            lookup.await.unwrap();
        }
        assert!(!is_known(&one, house.acme, &token, NOW).await);
    }
}

/// Every statement that changes what a lookup answers with, also one that no code of ours runs.
#[each_engine]
async fn no_change_goes_unnoted() {
    const CHANGES: [&str; 12] = [
        "UPDATE sessions SET level = 2 WHERE tenant_id = $1",
        "UPDATE sessions SET methods = 'otp' WHERE tenant_id = $1",
        "UPDATE sessions SET authenticated_at = authenticated_at - 1 WHERE tenant_id = $1",
        "UPDATE sessions SET expires_at = expires_at - 1 WHERE tenant_id = $1",
        "UPDATE accounts SET email = 'another@example.com' WHERE tenant_id = $1",
        "UPDATE accounts SET version = version + 1 WHERE tenant_id = $1",
        "UPDATE accounts SET disabled_at = 1 WHERE tenant_id = $1",
        "INSERT INTO account_roles (tenant_id, account_id, role) SELECT $1, id, 'boss' FROM accounts",
        "UPDATE account_roles SET role = 'guest' WHERE tenant_id = $1 AND role = 'boss'",
        "DELETE FROM account_roles WHERE tenant_id = $1",
        "DELETE FROM sessions WHERE tenant_id = $1 AND id = (SELECT id FROM sessions ORDER BY id LIMIT 1)",
        "DELETE FROM accounts WHERE tenant_id = $1",
    ];
    const QUIET: [&str; 2] = [
        "UPDATE sessions SET last_seen_at = last_seen_at + 1 WHERE tenant_id = $1",
        "UPDATE accounts SET password_hash = NULL WHERE tenant_id = $1",
    ];
    const NOTED: &str = "SELECT coalesce(max(generation), 0) FROM session_changes";
    let (house, sessions, ada, _) = signed_in().await;
    begin(&sessions, house.acme, ada, NOW).await;
    let mut operator = house.store.operator().await;
    for (sql, is_noted) in QUIET.map(|sql| (sql, false)).into_iter().chain(CHANGES.map(|sql| (sql, true))) {
        let before = operator.number(NOTED).await;
        let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
        assert!(tx.query(sql).execute().await.unwrap() > 0, "{sql}");
        tx.commit().await.unwrap();
        assert_eq!(before < operator.number(NOTED).await, is_noted, "{sql}");
    }
    let generation = operator.number("SELECT generation FROM session_generations").await;
    assert_eq!(operator.number(NOTED).await, generation);
    assert_eq!(operator.number("SELECT count(*) FROM sessions").await, 0, "they went with their account");
}

/// Statements of an operator's own, after which it cannot be said whose sessions changed.
#[each_engine]
async fn what_was_done_by_hand_takes_effect_too() {
    let by_hand = match Engine::current() {
        Engine::Sqlite => [
            "UPDATE tenants SET name = 'other' WHERE name = 'acme'",
            "PRAGMA foreign_keys = OFF; DELETE FROM accounts",
            "PRAGMA foreign_keys = OFF; DELETE FROM tenants",
        ]
        .as_slice(),
        Engine::Postgres => &[
            "UPDATE tenants SET name = 'other' WHERE name = 'acme'",
            "TRUNCATE sessions CASCADE",
            "TRUNCATE account_roles",
            "TRUNCATE accounts CASCADE",
        ],
    };
    for sql in by_hand {
        let (house, sessions, _, token) = signed_in().await;
        sessions.listen(NOW).await.unwrap();
        let before = sessions.find(house.acme, &token, NOW).await.unwrap();
        assert!(before.is_some());
        house.store.operator().await.run(sql).await;
        sessions.listen(NOW).await.unwrap();
        assert_ne!(sessions.find(house.acme, &token, NOW).await.unwrap(), before, "{sql}");
    }
}

/// A password that was right when it was judged, and was another one when the session was to begin.
#[each_engine]
async fn a_sign_in_under_way_does_not_outlive_a_new_password() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let ada = house.account("ada@example.com", &[]).await;
    let version = Some(house.find("ada@example.com").await.version);
    let judged = Grounds { version, ..Grounds::default() };
    let sign_in = || SignIn {
        tenant: house.acme,
        principal: ada,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        replaces: None,
        remember: false,
        device: Device::default(),
    };
    assert!(sessions.begin(sign_in(), &judged, NOW).await.is_ok());
    house.accounts.set_password(house.acme, ada, &hash('b'), Passkeys::Kept, NOW).await.unwrap();
    let late = sessions.begin(sign_in(), &judged, NOW).await;
    assert!(matches!(late, Err(CreateSessionError::AccountUnusable(account)) if account == ada), "{late:?}");
    assert_eq!(sessions.list(house.acme, ada, NOW).await.unwrap(), []);
}
