//! People of identity providers: who they are, how they arrive, and how their sessions end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::{
    ATTEMPT_TTL, Account, AccountState, Arrival, ArriveError, Attempt, Begun, CreateSessionError, Device, Ending,
    Factors, Federation, Holder, HolderError, Identities, Identity, Issuer, LinkError, LogoutRequested, LogoutTokenId,
    OperatorEvents, PresentedToken, SealedIdToken, SessionSettings, Sessions, SignIn, SigninAttempts,
    SpendAttemptError, Subject,
};
use cedargate_migrations::testing::{Engine, each_engine};
use cedargate_model::{
    AccountAct, AuthnMethod, AuthnStrength, By, ConnectionName, EventBody, Micros, PrincipalId, SessionId, TenantId,
};
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
    Arrival { identity, display: Some("ada@example.com".to_owned()), roles, admit: true, name_id_format: None }
}

/// Somebody arrives, and what that does is done.
async fn arrive(
    identities: &Identities,
    tenant: TenantId,
    arrival: &Arrival,
    now: Micros,
) -> Result<Account, ArriveError> {
    let arrived = identities.arrive(tenant, arrival, now).await?;
    Ok(arrived.commit().await?.account)
}

fn client() -> IpAddr {
    IpAddr::from([192, 0, 2, 7])
}

fn sign_in(tenant: TenantId, principal: PrincipalId) -> SignIn {
    let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Fed] };
    SignIn { tenant, principal, strength, replaces: None, device: Device::default() }
}

fn federation(identity: Identity, provider_session: Option<&str>) -> Federation {
    let provider_session = provider_session.map(|text| Subject::parse(text).unwrap());
    Federation { identity, provider_session, id_token: Some(SealedIdToken("sealed".to_owned())), name_id: None }
}

fn attempt() -> Attempt {
    Attempt {
        connection: connection("okta"),
        return_to: "/inventory/items?after=a".to_owned(),
        level: Some(2),
        max_age_seconds: Some(300),
        person: Some(PrincipalId(Uuid::from_u128(7))),
        session: Some(SessionId(Uuid::from_u128(8))),
    }
}

#[each_engine]
async fn an_address_links_nobody_to_an_account() {
    let house = House::new().await;
    let local = house.account("ada@example.com", &["manager"]).await;
    let identities = Identities::new(house.pool.clone());
    let arrived = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
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
    let first = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap();
    for other in [
        identity("entra", "https://idp.example", "00u1"),
        identity("okta", "https://idp.example/", "00u1"),
        identity("okta", "https://idp.example", "00U1"),
    ] {
        assert_eq!(identities.find(house.acme, &other).await.unwrap(), None);
        assert_ne!(arrive(&identities, house.acme, &arrival(other, &[]), NOW).await.unwrap().id, first.id);
    }
    assert_eq!(identities.find(house.globex, &ada()).await.unwrap(), None);
    assert_eq!(arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap(), first);
    assert_eq!(identities.of_account(house.acme, first.id).await.unwrap(), [ada()]);
    assert_eq!(identities.of_account(house.globex, first.id).await.unwrap(), []);
}

#[each_engine]
async fn who_is_not_admitted_leaves_nothing_behind() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let unknown = Arrival { admit: false, ..arrival(ada(), &["clerk"]) };
    let refused = arrive(&identities, house.acme, &unknown, NOW).await;
    assert!(matches!(refused, Err(ArriveError::NotAdmitted)));
    let reserved = arrive(&identities, house.acme, &arrival(ada(), &["member"]), NOW).await;
    assert!(matches!(reserved, Err(ArriveError::Roles(_))));
    assert_eq!(identities.find(house.acme, &ada()).await.unwrap(), None);
    assert_eq!(house.accounts.list(house.acme, None).await.unwrap(), []);
}

#[each_engine]
async fn a_disabled_account_stays_out_whatever_the_provider_says() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
    house.accounts.disable(house.acme, account.id, NOW).await.unwrap();
    let refused = arrive(&identities, house.acme, &arrival(ada(), &["admin"]), NOW).await;
    assert!(matches!(refused, Err(ArriveError::AccountDisabled(id)) if id == account.id));
    let kept = identities.find(house.acme, &ada()).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.roles), (AccountState::Disabled { at: NOW }, vec![role("clerk")]));
}

#[each_engine]
async fn roles_are_what_the_provider_says_now() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let first = arrive(&identities, house.acme, &arrival(ada(), &["clerk", "viewer"]), NOW).await.unwrap();
    let again = arrive(&identities, house.acme, &arrival(ada(), &["viewer", "clerk"]), NOW).await.unwrap();
    assert_eq!(again.version, first.version, "nothing changed");
    let changed = arrive(&identities, house.acme, &arrival(ada(), &["manager"]), NOW).await.unwrap();
    assert_eq!(changed.roles, [role("manager")]);
    assert!(changed.version > first.version);
    let gone = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap();
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
    let arrived = arrive(&identities, house.acme, &known, NOW).await.unwrap();
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
    let begun = attempts.begin(house.acme, &attempt(), client(), NOW).await.unwrap();
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
        let begun = attempts.begin(house.acme, &attempt(), client(), NOW).await.unwrap();
        let other = attempts.begin(house.acme, &attempt(), client(), NOW).await.unwrap();
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
    let begun = attempts.begin(house.acme, &attempt(), client(), NOW).await.unwrap();
    let later = NOW.after(ATTEMPT_TTL * 2);
    let _ = attempts.begin(house.acme, &attempt(), client(), later).await.unwrap();
    let okta = attempt().connection;
    let refused = attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), later).await;
    assert!(matches!(refused, Err(SpendAttemptError::Unknown)));
}

/// A stranger's many leave everybody else's alone, and what is spent or over takes nobody's place.
#[each_engine]
async fn of_too_many_attempts_the_oldest_of_their_own_network_give_way() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let okta = attempt().connection;
    let elsewhere = IpAddr::from([192, 0, 2, 9]);
    let theirs = attempts.begin(house.acme, &attempt(), elsewhere, NOW).await.unwrap();
    let first = attempts.begin(house.acme, &attempt(), client(), NOW).await.unwrap();
    let later = NOW.after(Duration::from_secs(1));
    fill(&house, &client().to_string(), 1_999, later, None).await;
    let second = attempts.begin(house.acme, &attempt(), client(), later).await.unwrap();
    for (begun, kept) in [(&theirs, true), (&second, true), (&first, false)] {
        let spent = attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), later).await;
        assert!(spent.is_ok() == kept || matches!(spent, Err(SpendAttemptError::Unknown)), "{spent:?}");
        assert_eq!(spent.is_ok(), kept);
    }
    assert_eq!(under_way(&house, later).await, 1_999, "two were spent, one gave way");
}

#[each_engine]
async fn a_tenant_with_as_many_attempts_as_it_may_have_still_lets_people_sign_in() {
    let house = House::new().await;
    let attempts = SigninAttempts::new(house.pool.clone());
    let okta = attempt().connection;
    for number in 0..10 {
        fill(&house, &format!("198.51.100.{number}"), 1_000, NOW, None).await;
    }
    fill(&house, "203.0.113.1", 1_000, NOW, Some(NOW)).await;
    assert_eq!(under_way(&house, NOW).await, 10_000);
    for round in 1..3 {
        let later = NOW.after(Duration::from_secs(round));
        let begun = attempts.begin(house.acme, &attempt(), client(), later).await.unwrap();
        assert_eq!(under_way(&house, later).await, 10_000, "the oldest one gave way");
        attempts.spend(house.acme, &okta, &begun.state, Some(&begun.browser), later).await.unwrap();
    }
}

/// Attempts as a flood would leave them.
async fn fill(house: &House, network: &str, count: i64, at: Micros, spent_at: Option<Micros>) {
    const SQLITE: &str = "
WITH RECURSIVE numbers (number) AS (
    SELECT 1
    UNION ALL
    SELECT number + 1
    FROM numbers
    WHERE number < $2
)
INSERT INTO signin_attempts
    (tenant_id, state_hash, browser_hash, connection, return_to, expires_at, spent_at, network)
SELECT $1, randomblob(32), randomblob(32), 'okta', '/', $3, $4, $5
FROM numbers";
    const POSTGRES: &str = "
INSERT INTO signin_attempts
    (tenant_id, state_hash, browser_hash, connection, return_to, expires_at, spent_at, network)
SELECT $1, sha256(uuid_send(gen_random_uuid())), sha256(uuid_send(gen_random_uuid())), 'okta', '/', $3, $4, $5
FROM generate_series(1, $2)";
    let sql = match Engine::current() {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let fill = tx.query(sql).bind(count).bind(at.after(ATTEMPT_TTL).0);
    fill.bind(spent_at.map(|at| at.0)).bind(network).execute().await.unwrap();
    tx.commit().await.unwrap();
}

async fn under_way(house: &House, now: Micros) -> i64 {
    let mut tx = house.pool.tenant(house.acme).read().await.unwrap();
    let count =
        tx.query("SELECT COUNT(*) FROM signin_attempts WHERE tenant_id = $1 AND spent_at IS NULL AND expires_at > $2");
    count.bind(now.0).fetch_one::<(i64,)>().await.unwrap().0
}

#[each_engine]
async fn a_logout_token_counts_once_until_it_is_over_and_with_what_it_ends() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let until = NOW.after(Duration::from_secs(120));
    let subject = Ending::Subject(ada().subject);
    let begin = async || {
        let from = federation(ada(), None);
        sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap()
    };
    let take = async |tenant, name, jti, now| {
        let token = LogoutTokenId { jti, remember_until: until };
        let (name, issuer) = (connection(name), ada().issuer);
        let ready = sessions.end_by_logout_token(tenant, &name, &issuer, &subject, token, now).await.unwrap();
        match ready {
            None => None,
            Some(ready) => Some(sessions.forget_federated(ready.commit().await.unwrap()).len()),
        }
    };
    let begun = begin().await;
    let token = LogoutTokenId { jti: "a", remember_until: until };
    let (okta, issuer) = (connection("okta"), ada().issuer);
    let unrecorded = sessions.end_by_logout_token(house.acme, &okta, &issuer, &subject, token, NOW).await;
    drop(unrecorded.unwrap().unwrap());
    let presented = PresentedToken::parse(&begun.token.expose()).unwrap();
    assert!(sessions.find(house.acme, &presented, NOW).await.unwrap().is_some(), "nothing was done");

    assert_eq!(take(house.acme, "okta", "a", NOW).await, Some(1), "so the token may come again, and does its work");
    assert!(sessions.find(house.acme, &presented, NOW).await.unwrap().is_none());
    let _ = begin().await;
    assert_eq!(take(house.acme, "okta", "a", NOW).await, None, "a replay ends nothing");
    assert_eq!(sessions.list(house.acme, account, NOW).await.unwrap().len(), 1);
    assert_eq!(take(house.acme, "entra", "a", NOW).await, Some(0));
    assert_eq!(take(house.globex, "okta", "a", NOW).await, Some(0));
    assert_eq!(take(house.acme, "okta", "b", NOW).await, Some(1));
    assert_eq!(take(house.acme, "okta", "a", until).await, Some(0), "what is over needs no memory");
}

#[each_engine]
async fn a_name_that_arrives_in_another_format_than_at_first_is_somebody_elses() {
    let house = House::new().await;
    let identities = Identities::new(house.pool.clone());
    let named =
        |format: Option<&str>| Arrival { name_id_format: format.map(str::to_owned), ..arrival(ada(), &["clerk"]) };
    // Who arrived before formats were kept has one from now on.
    let account = arrive(&identities, house.acme, &named(None), NOW).await.unwrap().id;
    for _ in 0..2 {
        assert_eq!(arrive(&identities, house.acme, &named(Some("urn:persistent")), NOW).await.unwrap().id, account);
    }
    let refused = arrive(&identities, house.acme, &named(Some("urn:email")), NOW).await;
    assert!(matches!(refused, Err(ArriveError::FormatDiffers(id)) if id == account), "{refused:?}");
    assert_eq!(identities.find(house.acme, &ada()).await.unwrap().unwrap().roles, [role("clerk")]);
    assert!(arrive(&identities, house.globex, &named(Some("urn:email")), NOW).await.is_ok());
}

#[each_engine]
async fn a_logout_request_ends_all_that_it_names_or_nothing() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let (okta, issuer) = (connection("okta"), ada().issuer);
    let until = NOW.after(Duration::from_secs(600));
    let endings = ["one", "two"].map(|session| Ending::ProviderSession {
        session: Subject::parse(session).unwrap(),
        subject: Some(ada().subject),
    });
    let begin = async |session, at| {
        let from = Federation { name_id: Some("{}".to_owned()), ..federation(ada(), session) };
        sessions.create_federated(sign_in(house.acme, account), &from, at, None, NOW).await
    };
    for session in ["one", "two", "three"] {
        begin(Some(session), NOW).await.unwrap();
    }
    let left = async || sessions.list(house.acme, account, NOW).await.unwrap().len();
    let request = |id| LogoutRequested {
        id,
        issued_at: NOW.after(Duration::from_secs(5)),
        remember_until: until,
        endings: &endings,
    };
    let ask = async |id| sessions.end_by_logout_request(house.acme, &okta, &issuer, request(id), NOW).await.unwrap();
    let unrecorded = ask("a").await.unwrap();
    assert_eq!(unrecorded.change().sessions.len(), 2);
    drop(unrecorded);
    assert_eq!(left().await, 3, "nothing was done");
    assert_eq!(ask("a").await.unwrap().commit().await.unwrap().sessions.len(), 2, "so it may come again");
    assert_eq!(left().await, 1);
    assert!(ask("a").await.is_none());

    // An answer from before that, which somebody held back, begins no session; one from afterwards does.
    let after = NOW.after(Duration::from_secs(5));
    for (session, at, begins) in
        [(Some("one"), NOW, false), (None, NOW, false), (Some("three"), NOW, true), (Some("two"), after, true)]
    {
        let begun = begin(session, at).await;
        assert_eq!(begun.is_ok(), begins, "{session:?} {at:?}");
        assert!(begins || matches!(begun, Err(CreateSessionError::EndedByProvider)));
    }
    let other = Federation { name_id: Some("{}".to_owned()), ..federation(ada(), Some("one")) };
    let elsewhere = Federation { identity: Identity { connection: connection("entra"), ..ada() }, ..other };
    assert!(sessions.create_federated(sign_in(house.acme, account), &elsewhere, NOW, None, NOW).await.is_ok());
}

#[each_engine]
async fn whoever_is_let_in_no_more_loses_roles_and_sessions() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    assert!(identities.depart(house.acme, &ada()).await.unwrap().is_none(), "nobody has such an account");
    let account = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap().id;
    let from = federation(ada(), None);
    let begun = sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap();
    let local = sessions.create(sign_in(house.acme, account), NOW).await.unwrap();
    assert!(identities.depart(house.globex, &ada()).await.unwrap().is_none());
    drop(identities.depart(house.acme, &ada()).await.unwrap().unwrap());
    assert_eq!(sessions.list(house.acme, account, NOW).await.unwrap().len(), 2, "not before it is recorded");

    let departed = identities.depart(house.acme, &ada()).await.unwrap().unwrap().commit().await.unwrap();
    assert!(departed.account == account && departed.roles_taken);
    assert_eq!(sessions.forget_federated(departed.ended).len(), 2);
    for token in [&begun.token, &local.token] {
        let token = PresentedToken::parse(&token.expose()).unwrap();
        assert!(sessions.find(house.acme, &token, NOW).await.unwrap().is_none());
    }
    assert_eq!(house.accounts.find(house.acme, account).await.unwrap().unwrap().roles, []);
    assert!(identities.depart(house.acme, &ada()).await.unwrap().is_none(), "nothing is left to take");
}

#[each_engine]
async fn an_operator_unlinks_a_person_and_ends_what_came_by_a_connection() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    house.forget_operator_events().await;
    let waiting = OperatorEvents::new(house.pool.clone());
    let okta = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap().id;
    let entra = identity("entra", "https://idp.example", "00u1");
    let other = arrive(&identities, house.acme, &arrival(entra.clone(), &[]), NOW).await.unwrap().id;
    for (account, from) in [(okta, ada()), (other, entra.clone()), (other, entra.clone())] {
        let from = federation(from, None);
        let _ = sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap();
    }
    let _ = sessions.create(sign_in(house.acme, okta), NOW).await.unwrap();
    let count = async |account| sessions.list(house.acme, account, NOW).await.unwrap().len();

    assert!(identities.unlink(house.globex, &ada(), NOW).await.unwrap().is_none());
    let (account, ended) = identities.unlink(house.acme, &ada(), NOW).await.unwrap().unwrap();
    assert_eq!((account.id, ended, count(okta).await), (okta, 1, 1), "what did not come from there goes on");
    assert!(identities.unlink(house.acme, &ada(), NOW).await.unwrap().is_none());
    assert_eq!(identities.find(house.acme, &ada()).await.unwrap(), None);

    let kept = [connection("okta"), connection("entra")];
    assert_eq!(sessions.end_of_removed(house.acme, &kept, NOW).await.unwrap(), []);
    assert_eq!(sessions.end_of_removed(house.globex, &[], NOW).await.unwrap(), []);
    assert_eq!(count(other).await, 2);
    let removed = sessions.end_of_removed(house.acme, &[connection("okta")], NOW).await.unwrap();
    assert_eq!((removed, count(other).await), (vec![connection("entra")], 0));

    let taken = waiting.take(NOW).await.unwrap().unwrap();
    let mut acts = Vec::new();
    for event in taken.events() {
        let EventBody::Account(done) = &event.body else { panic!("{event:?}") };
        assert_eq!(done.by, By::Operator);
        let ended = match &done.act {
            AccountAct::SessionsEnded { ended } => ended.len(),
            AccountAct::IdentityUnlinked | AccountAct::IdentityLinked => 0,
            act => panic!("{act:?}"),
        };
        acts.push((done.principal, done.connection.clone().unwrap().to_string(), ended));
    }
    acts.sort();
    let mut expected = [(okta, "okta".to_owned(), 0), (okta, "okta".to_owned(), 1), (other, "entra".to_owned(), 2)];
    expected.sort();
    assert_eq!(acts, expected);
    waiting.give_up(&taken).await.unwrap();
}

#[each_engine]
async fn only_whoever_was_asked_to_prove_it_anew_enrols_a_first_factor_without_a_password() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let factors = Factors::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let from = federation(ada(), None);
    let holder = |begun: &Begun| Holder { tenant: house.acme, account, session: begun.principal.session };
    let plain = sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap();
    let refused = factors.may_enrol(holder(&plain), NOW).await;
    assert!(matches!(refused, Err(HolderError::Unconfirmed)), "{refused:?}");
    let anew = sessions.create_proved_anew(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap();
    factors.may_enrol(holder(&anew), NOW.after(Duration::from_secs(300))).await.unwrap();
    let refused = factors.may_enrol(holder(&anew), NOW.after(Duration::from_secs(301))).await;
    assert!(matches!(refused, Err(HolderError::Unconfirmed)), "{refused:?}");
}

#[each_engine]
async fn a_session_knows_its_provider_and_when_the_person_was_there() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap();
    let from = federation(ada(), Some("s1"));
    let hour_ago = Micros(NOW.0 - 3_600_000_000);
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &from, hour_ago, None, NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, hour_ago);
    assert_eq!(begun.principal.display, "ada@example.com");
    assert!(sessions.federation(house.acme, begun.principal.session).await.unwrap() == Some(from.clone()));
    assert!(sessions.federation(house.globex, begun.principal.session).await.unwrap().is_none());
    let ahead = NOW.after(Duration::from_secs(60));
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &from, ahead, None, NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, NOW, "nobody has proved anything in the future");
    let long = Federation { id_token: Some(SealedIdToken("a".repeat(33_000))), ..from };
    let begun = sessions.create_federated(sign_in(house.acme, account.id), &long, NOW, None, NOW).await.unwrap();
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
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let (okta, issuer) = (ada().connection, ada().issuer);
    let mut begun = Vec::new();
    for from in [Some("s1"), Some("s1"), Some("s2"), None] {
        let from = federation(ada(), from);
        begun.push(sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap());
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
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let from = federation(ada(), Some("s1"));
    let begun = sessions.create_federated(sign_in(house.acme, account), &from, NOW, None, NOW).await.unwrap();
    let proven = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
    let stronger = sessions.step_up(house.acme, begun.principal.session, proven, NOW).await.unwrap();
    let stronger = sessions.take_up(stronger.commit().await.unwrap());
    assert_eq!(stronger.principal.strength.methods, [AuthnMethod::Otp, AuthnMethod::Fed]);
    assert!(sessions.federation(house.acme, stronger.principal.session).await.unwrap() == Some(from));
    let subject = Ending::Subject(ada().subject);
    let ended = sessions.end_federated(house.acme, &ada().connection, &ada().issuer, &subject).await.unwrap();
    assert_eq!(ended.iter().map(|ended| ended.session).collect::<Vec<_>>(), [stronger.principal.session]);
}
