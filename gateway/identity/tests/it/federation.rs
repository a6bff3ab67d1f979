//! People of identity providers: who they are, how they arrive, and how their sessions end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cedargate_identity::{
    ATTEMPT_TTL, AccountState, Arrival, ArriveError, Attempt, Device, Ending, Federation, Identities, Identity, Issuer,
    LinkError, PresentedToken, SessionSettings, Sessions, SignIn, SigninAttempts, SpendAttemptError, Subject,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{AuthnMethod, AuthnStrength, ConnectionName, Micros, PrincipalId, TenantId};
use uuid::Uuid;

use crate::house::{House, NOW, role};

fn connection(name: &str) -> ConnectionName {
    ConnectionName::parse(name).unwrap()
}

fn identity(name: &str, issuer: &str, subject: &str) -> Identity {
    Identity {
        connection: connection(name),
        issuer: Issuer::parse(issuer).unwrap(),
        subject: Subject::parse(subject).unwrap(),
    }
}

fn ada() -> Identity {
    identity("okta", "https://idp.example", "00u1")
}

fn arrival(identity: Identity, roles: &[&str]) -> Arrival {
    let roles = roles.iter().map(|name| role(name)).collect();
    Arrival { identity, display: Some("ada@example.com".to_owned()), roles, admit: true }
}

fn sign_in(tenant: TenantId, principal: PrincipalId) -> SignIn {
    let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Fed] };
    SignIn { tenant, principal, strength, replaces: None, device: Device::default() }
}

fn federation(identity: Identity, provider_session: Option<&str>) -> Federation {
    let provider_session = provider_session.map(|text| Subject::parse(text).unwrap());
    Federation { identity, provider_session, id_token: Some("e30.e30.c2ln".to_owned()) }
}

fn attempt() -> Attempt {
    Attempt {
        connection: connection("okta"),
        return_to: "/inventory/items?after=a".to_owned(),
        level: Some(2),
        max_age_seconds: Some(300),
        person: Some(PrincipalId(Uuid::from_u128(7))),
    }
}

#[each_engine]
async fn an_address_links_nobody_to_an_account() {
    let house = House::new().await;
    let local = house.account("ada@example.com", &["manager"]).await;
    let identities = Identities::new(house.pool.clone());
    let arrived = identities.arrive(house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
    assert_ne!(arrived.id, local);
    assert_eq!(arrived.display.as_deref(), Some("ada@example.com"));
    assert!(arrived.email.as_str().ends_with("@federated.invalid"), "{}", arrived.email);
    assert_eq!(arrived.password, None);
    assert_eq!(house.find("ada@example.com").await.roles, [role("manager")]);
}

#[each_engine]
async fn connection_issuer_and_subject_together_are_the_person() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let first = identities.arrive(house.acme, &arrival(ada(), &[]), NOW).await.unwrap();
    for other in [
        identity("entra", "https://idp.example", "00u1"),
        identity("okta", "https://idp.example/", "00u1"),
        identity("okta", "https://idp.example", "00U1"),
    ] {
        assert_eq!(identities.find(house.acme, &other).await.unwrap(), None);
        assert_ne!(identities.arrive(house.acme, &arrival(other, &[]), NOW).await.unwrap().id, first.id);
    }
    assert_eq!(identities.find(house.globex, &ada()).await.unwrap(), None);
    assert_eq!(identities.arrive(house.acme, &arrival(ada(), &[]), NOW).await.unwrap(), first);
    assert_eq!(identities.of_account(house.acme, first.id).await.unwrap(), [ada()]);
    assert_eq!(identities.of_account(house.globex, first.id).await.unwrap(), []);
}

#[each_engine]
async fn who_is_not_admitted_leaves_nothing_behind() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let unknown = Arrival { admit: false, ..arrival(ada(), &["clerk"]) };
    let refused = identities.arrive(house.acme, &unknown, NOW).await;
    assert!(matches!(refused, Err(ArriveError::NotAdmitted)));
    let reserved = identities.arrive(house.acme, &arrival(ada(), &["member"]), NOW).await;
    assert!(matches!(reserved, Err(ArriveError::Roles(_))));
    assert_eq!(identities.find(house.acme, &ada()).await.unwrap(), None);
    assert_eq!(house.accounts.list(house.acme, None).await.unwrap(), []);
}

#[each_engine]
async fn a_disabled_account_stays_out_whatever_the_provider_says() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let account = identities.arrive(house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
    house.accounts.disable(house.acme, account.id, NOW).await.unwrap();
    let refused = identities.arrive(house.acme, &arrival(ada(), &["admin"]), NOW).await;
    assert!(matches!(refused, Err(ArriveError::AccountDisabled(id)) if id == account.id));
    let kept = identities.find(house.acme, &ada()).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.roles), (AccountState::Disabled { at: NOW }, vec![role("clerk")]));
}

#[each_engine]
async fn roles_are_what_the_provider_says_now() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let first = identities.arrive(house.acme, &arrival(ada(), &["clerk", "viewer"]), NOW).await.unwrap();
    let again = identities.arrive(house.acme, &arrival(ada(), &["viewer", "clerk"]), NOW).await.unwrap();
    assert_eq!(again.version, first.version, "nothing changed");
    let changed = identities.arrive(house.acme, &arrival(ada(), &["manager"]), NOW).await.unwrap();
    assert_eq!(changed.roles, [role("manager")]);
    assert!(changed.version > first.version);
    let gone = identities.arrive(house.acme, &arrival(ada(), &[]), NOW).await.unwrap();
    assert_eq!(gone.roles, []);
    assert_eq!(house.accounts.find(house.acme, gone.id).await.unwrap(), Some(gone));
}

#[each_engine]
async fn an_operator_links_an_identity_once() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let local = house.account("ada@example.com", &["manager"]).await;
    identities.link(house.acme, local, &ada(), NOW).await.unwrap();
    let known = Arrival { admit: false, ..arrival(ada(), &["clerk"]) };
    let arrived = identities.arrive(house.acme, &known, NOW).await.unwrap();
    assert_eq!((arrived.id, arrived.roles), (local, vec![role("clerk")]));

    let eve = house.account("eve@example.com", &[]).await;
    let refused = identities.link(house.acme, eve, &ada(), NOW).await;
    assert!(matches!(refused, Err(LinkError::Taken(owner)) if owner == local));
    let nobody = PrincipalId(Uuid::from_u128(9));
    let refused = identities.link(house.acme, nobody, &identity("okta", "https://a", "b"), NOW).await;
    assert!(matches!(refused, Err(LinkError::AccountUnknown(_))));
    let refused = identities.link(house.globex, local, &identity("okta", "https://a", "b"), NOW).await;
    assert!(matches!(refused, Err(LinkError::AccountUnknown(_))), "an account of another tenant");
}

#[each_engine]
async fn an_attempt_comes_back_once_and_as_it_was_begun() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let begun = attempts.begin(house.acme, &attempt(), NOW).await.unwrap();
    let okta = attempt().connection;
    let spend = |tenant| attempts.spend(tenant, &okta, &begun.state, Some(&begun.browser), NOW);
    assert!(matches!(spend(house.globex).await, Err(SpendAttemptError::Unknown)), "another tenant");
    assert_eq!(spend(house.acme).await.unwrap(), attempt());
    assert!(matches!(spend(house.acme).await, Err(SpendAttemptError::Spent)));
}

#[each_engine]
async fn an_attempt_is_spent_by_a_wrong_answer_too() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let okta = attempt().connection;
    for wrong in 0..4 {
        let begun = attempts.begin(house.acme, &attempt(), NOW).await.unwrap();
        let other = attempts.begin(house.acme, &attempt(), NOW).await.unwrap();
        let late = NOW.after(ATTEMPT_TTL);
        let refused = match wrong {
            0 => attempts.spend(house.acme, &okta, &begun.state, None, NOW).await,
            1 => attempts.spend(house.acme, &okta, &begun.state, Some(&other.browser), NOW).await,
            2 => attempts.spend(house.acme, &connection("entra"), &begun.state, Some(&begun.browser), NOW).await,
            _ => attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), late).await,
        };
        match (wrong, refused) {
            (0 | 1, Err(SpendAttemptError::BrowserDiffers))
            | (2, Err(SpendAttemptError::ConnectionDiffers))
            | (3, Err(SpendAttemptError::Expired)) => {}
            (wrong, refused) => panic!("{wrong}: {refused:?}"),
        }
        let again = attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), NOW).await;
        assert!(matches!(again, Err(SpendAttemptError::Spent)), "{wrong}");
    }
}

#[each_engine]
async fn attempts_that_are_long_over_are_forgotten() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let begun = attempts.begin(house.acme, &attempt(), NOW).await.unwrap();
    let later = NOW.after(ATTEMPT_TTL * 2);
    let _ = attempts.begin(house.acme, &attempt(), later).await.unwrap();
    let okta = attempt().connection;
    let refused = attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), later).await;
    assert!(matches!(refused, Err(SpendAttemptError::Unknown)));
}

#[each_engine]
async fn a_logout_token_is_taken_once_until_it_is_over() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let until = NOW.after(Duration::from_secs(120));
    let take = |tenant, name: &'static str, jti: &'static str, now| {
        let attempts = &attempts;
        async move { attempts.take_logout_token(tenant, &connection(name), jti, until, now).await.unwrap() }
    };
    assert!(take(house.acme, "okta", "a", NOW).await);
    assert!(!take(house.acme, "okta", "a", NOW).await);
    assert!(take(house.acme, "okta", "b", NOW).await);
    assert!(take(house.acme, "entra", "a", NOW).await);
    assert!(take(house.globex, "okta", "a", NOW).await);
    assert!(take(house.acme, "okta", "a", until).await, "what is over needs no memory");
}

#[each_engine]
async fn a_session_knows_its_provider_and_when_the_person_was_there() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = identities.arrive(house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
    let from = federation(ada(), Some("s1"));
    let hour_ago = Micros(NOW.0 - 3_600_000_000);
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &from, hour_ago, NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, hour_ago);
    assert_eq!(begun.principal.display, "ada@example.com");
    assert!(sessions.federation(house.acme, begun.principal.session).await.unwrap() == Some(from.clone()));
    assert!(sessions.federation(house.globex, begun.principal.session).await.unwrap().is_none());
    let ahead = NOW.after(Duration::from_secs(60));
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &from, ahead, NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, NOW, "nobody has proved anything in the future");
    let long = Federation { id_token: Some("a".repeat(20_000)), ..from };
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &long, NOW, NOW).await.unwrap();
    let kept = sessions.federation(house.acme, begun.principal.session).await.unwrap().unwrap();
    assert_eq!(kept.id_token, None);
}

#[each_engine]
async fn a_provider_ends_the_sessions_that_it_means_and_no_others() {
    let house = House::new().await;
    let settings = SessionSettings { staleness_max: Duration::ZERO, ..SessionSettings::default() };
    let sessions = Sessions::new(house.pool.clone(), settings);
    let elsewhere = Sessions::new(house.another_process().await, settings);
    let identities = Identities::new(house.pool.clone());
    let account = identities.arrive(house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let (okta, issuer) = (ada().connection, ada().issuer);
    let mut begun = Vec::new();
    for from in [Some("s1"), Some("s1"), Some("s2"), None] {
        let from = federation(ada(), from);
        begun.push(sessions.create_federated(sign_in(house.acme, account), &from, NOW, NOW).await.unwrap());
    }
    let local = sessions.create(sign_in(house.acme, account), NOW).await.unwrap();
    let tokens: Vec<_> = begun.iter().chain([&local]).map(|begun| begun.token.expose()).collect();
    let alive = async || {
        let mut alive = Vec::new();
        for token in &tokens {
            let token = PresentedToken::parse(token).unwrap();
            let here = sessions.find(house.acme, &token, NOW).await.unwrap().is_some();
            assert_eq!(here, elsewhere.find(house.acme, &token, NOW).await.unwrap().is_some());
            alive.push(here);
        }
        alive
    };
    let of = |session: &str, subject: Option<&str>| Ending::ProviderSession {
        session: Subject::parse(session).unwrap(),
        subject: subject.map(|subject| Subject::parse(subject).unwrap()),
    };
    assert_eq!(alive().await, [true; 5]);
    for (name, by, ending) in [
        ("entra", "https://idp.example", of("s1", None)),
        ("okta", "https://other.example", of("s1", None)),
        ("okta", "https://idp.example", of("s1", Some("00u2"))),
        ("okta", "https://idp.example", of("s3", None)),
    ] {
        let by = Issuer::parse(by).unwrap();
        let ended = sessions.end_federated(house.acme, &connection(name), &by, &ending).await.unwrap();
        assert_eq!(ended, [], "{name} {by} {ending:?}");
    }
    assert_eq!(sessions.end_federated(house.globex, &okta, &issuer, &of("s1", None)).await.unwrap(), []);
    assert_eq!(alive().await, [true; 5]);

    let ended = sessions.end_federated(house.acme, &okta, &issuer, &of("s1", Some("00u1"))).await.unwrap();
    assert_eq!(ended.len(), 3, "one of which the provider did not say which session it was, is any of the person's");
    assert!(ended.iter().all(|ended| ended.principal == account));
    assert_eq!(alive().await, [false, false, true, false, true]);

    let subject = Ending::Subject(ada().subject);
    assert_eq!(sessions.end_federated(house.acme, &okta, &issuer, &subject).await.unwrap().len(), 1);
    assert_eq!(alive().await, [false, false, false, false, true], "a sign-in without the provider is not its to end");
}

#[each_engine]
async fn a_provider_still_ends_a_session_that_its_person_has_stepped_up() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = identities.arrive(house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let from = federation(ada(), Some("s1"));
    let begun = sessions.create_federated(sign_in(house.acme, account), &from, NOW, NOW).await.unwrap();
    let proven = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
    let stronger = sessions.step_up(house.acme, begun.principal.session, proven, NOW).await.unwrap();
    assert_eq!(stronger.principal.strength.methods, [AuthnMethod::Otp, AuthnMethod::Fed]);
    assert!(sessions.federation(house.acme, stronger.principal.session).await.unwrap() == Some(from));
    let subject = Ending::Subject(ada().subject);
    let ended = sessions.end_federated(house.acme, &ada().connection, &ada().issuer, &subject).await.unwrap();
    assert_eq!(ended.iter().map(|ended| ended.session).collect::<Vec<_>>(), [stronger.principal.session]);
}
