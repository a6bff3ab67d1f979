//! People of identity providers: who they are, how they arrive, and how their sessions end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cedargate_identity::{
    ATTEMPT_TTL, Account, AccountState, Arrival, ArriveError, Begun, CreateSessionError, Device, Ending, Factors,
    Federation, Grounds, Holder, HolderError, Identities, Identity, Issuer, LinkError, LogoutRequested, LogoutTokenId,
    OneUse, OneUseOf, OperatorEvents, PresentedToken, SealedIdToken, SessionSettings, Sessions, SignIn, SpentAttempts,
    Subject, Vouched,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{
    AccountAct, AuthnMethod, AuthnStrength, By, ConnectionName, EventBody, Micros, PrincipalId, TenantId,
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

/// A word of the provider about a sign-in that was begun just now.
fn vouched(federation: &Federation, authenticated_at: Micros) -> Vouched<'_> {
    Vouched { federation, authenticated_at, anew: false, ends_by: None, begun_at: NOW }
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

fn sign_in(tenant: TenantId, principal: PrincipalId) -> SignIn {
    let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Fed] };
    SignIn { tenant, principal, strength, replaces: None, remember: false, device: Device::default() }
}

fn federation(identity: Identity, provider_session: Option<&str>) -> Federation {
    let provider_session = provider_session.map(|text| Subject::parse(text).unwrap());
    Federation { identity, provider_session, id_token: Some(SealedIdToken("sealed".to_owned())), name_id: None }
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

/// Whatever it rests on counts once, with the session, and nothing else of it happens where it counted before.
#[each_engine]
async fn what_a_sign_in_rests_on_counts_once_and_with_its_session() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let elsewhere = Sessions::new(house.another_process().await, SessionSettings::default());
    let (spent, ada) = (SpentAttempts::new(house.pool.clone()), house.account("ada@example.com", &[]).await);
    let attempt = OneUse::of_attempt("drawn", NOW.after(ATTEMPT_TTL));
    let message = OneUse::of_saml_message(&connection("okta"), "drawn", NOW.after(ATTEMPT_TTL));
    let other = OneUse::of_saml_message(&connection("entra"), "drawn", NOW.after(ATTEMPT_TTL));
    let begin = async |sessions: &Sessions, once: &[&OneUse]| {
        let grounds = Grounds { once: once.iter().map(|once| (*once).clone()).collect(), ..Grounds::default() };
        sessions.begin(sign_in(house.acme, ada), &grounds, NOW).await
    };
    drop(begin(&sessions, &[&attempt, &message]).await.unwrap());
    assert!(!spent.is_spent(house.acme, &attempt).await.unwrap(), "what was not recorded did not happen");
    let begun = begin(&sessions, &[&attempt, &message]).await.unwrap().commit().await.unwrap();
    sessions.take_up_begun(begun);
    assert!(spent.is_spent(house.acme, &attempt).await.unwrap());
    assert!(!spent.is_spent(house.globex, &attempt).await.unwrap());
    let again = begin(&elsewhere, &[&attempt]).await;
    assert!(matches!(again, Err(CreateSessionError::UsedBefore(OneUseOf::Attempt))), "{again:?}");
    let again = begin(&elsewhere, &[&other, &message]).await;
    assert!(matches!(again, Err(CreateSessionError::UsedBefore(OneUseOf::SamlMessage(_)))), "{again:?}");
    assert_eq!(sessions.list(house.acme, ada, NOW).await.unwrap().len(), 1);
    let begun = begin(&elsewhere, &[&other]).await.unwrap().commit().await.unwrap();
    elsewhere.take_up_begun(begun);
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_gateways_that_one_answer_comes_to_at_once_one_begins_a_session() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &[]).await;
    let mut beginning = Vec::new();
    for _ in 0..4 {
        let sessions = Sessions::new(house.another_process().await, SessionSettings::default());
        let sign_in = sign_in(house.acme, ada);
        beginning.push(tokio::spawn(async move {
            let once = vec![OneUse::of_attempt("drawn", NOW.after(ATTEMPT_TTL))];
            let begun = sessions.begin(sign_in, &Grounds { once, ..Grounds::default() }, NOW).await;
            match begun {
                Ok(begun) => begun.commit().await.is_ok(),
                Err(_) => false,
            }
        }));
    }
    let mut begun = 0;
    for one in beginning {
        begun += usize::from(one.await.unwrap());
    }
    assert_eq!(begun, 1);
}

/// A session begins by no word from before what ended the person's others.
#[each_engine]
async fn a_sign_in_on_its_way_does_not_outlive_what_ends_sessions() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let (okta, issuer) = (ada().connection, ada().issuer);
    let (said, unsaid) = (federation(ada(), Some("s1")), federation(ada(), None));
    let bob = federation(identity("okta", "https://idp.example", "00u2"), Some("s2"));
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    let begin = async |from: &Federation, begun_at: Micros| {
        let arrived = identities.arrive(house.acme, &arrival(from.identity.clone(), &["clerk"]), NOW).await.unwrap();
        let sign_in = sign_in(house.acme, arrived.change().account.id);
        let vouched = Vouched { begun_at, ..vouched(from, NOW) };
        match sessions.begin_federated(arrived, sign_in, vouched, &Grounds::default(), NOW).await {
            Ok(begun) => {
                drop(begun);
                true
            }
            Err(CreateSessionError::EndedMeanwhile) => false,
            Err(error) => panic!("{error:?}"),
        }
    };
    let of_session =
        |name: &str| Ending::ProviderSession { session: Subject::parse(name).unwrap(), subject: Some(ada().subject) };
    assert!(begin(&said, NOW).await);
    sessions.end_federated(house.acme, &okta, &issuer, &of_session("s1"), at(10)).await.unwrap();
    assert_eq!((begin(&said, at(9)).await, begin(&unsaid, at(9)).await), (false, false));
    assert_eq!((begin(&said, at(11)).await, begin(&bob, NOW).await), (true, true), "begun since, and somebody else's");
    assert!(begin(&federation(ada(), Some("s9")), NOW).await, "another session at the provider");

    identities.depart(house.acme, &ada(), at(20)).await.unwrap();
    let account = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap().id;
    assert!(begin(&said, at(11)).await, "there was nothing to take");
    let departed = identities.depart(house.acme, &ada(), at(20)).await.unwrap().unwrap().commit().await.unwrap();
    assert_eq!(departed.account, account);
    assert_eq!((begin(&said, at(19)).await, begin(&said, at(21)).await), (false, true));

    sessions
        .end_connection(house.acme, &okta, Some(&Issuer::parse("https://other.example").unwrap()), at(30))
        .await
        .unwrap();
    assert!(begin(&bob, at(25)).await, "another issuer's");
    sessions.end_connection(house.acme, &okta, Some(&issuer), at(30)).await.unwrap();
    assert_eq!((begin(&bob, at(25)).await, begin(&bob, at(31)).await), (false, true));
    sessions.end_connection(house.acme, &okta, None, at(40)).await.unwrap();
    assert_eq!((begin(&bob, at(35)).await, begin(&bob, at(41)).await), (false, true));
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
        sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap()
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
        sessions.create_federated(sign_in(house.acme, account), vouched(&from, at), NOW).await
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
    assert!(sessions.create_federated(sign_in(house.acme, account), vouched(&elsewhere, NOW), NOW).await.is_ok());
}

#[each_engine]
async fn whoever_is_let_in_no_more_loses_roles_and_sessions() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    assert!(identities.depart(house.acme, &ada(), NOW).await.unwrap().is_none(), "nobody has such an account");
    let account = arrive(&identities, house.acme, &arrival(ada(), &["clerk"]), NOW).await.unwrap().id;
    let from = federation(ada(), None);
    let begun = sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap();
    let local = sessions.create(sign_in(house.acme, account), NOW).await.unwrap();
    assert!(identities.depart(house.globex, &ada(), NOW).await.unwrap().is_none());
    drop(identities.depart(house.acme, &ada(), NOW).await.unwrap().unwrap());
    assert_eq!(sessions.list(house.acme, account, NOW).await.unwrap().len(), 2, "not before it is recorded");

    let departed = identities.depart(house.acme, &ada(), NOW).await.unwrap().unwrap().commit().await.unwrap();
    assert!(departed.account == account && departed.roles_taken);
    assert_eq!(sessions.forget_federated(departed.ended).len(), 2);
    for token in [&begun.token, &local.token] {
        let token = PresentedToken::parse(&token.expose()).unwrap();
        assert!(sessions.find(house.acme, &token, NOW).await.unwrap().is_none());
    }
    assert_eq!(house.accounts.find(house.acme, account).await.unwrap().unwrap().roles, []);
    assert!(identities.depart(house.acme, &ada(), NOW).await.unwrap().is_none(), "nothing is left to take");
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
        let _ = sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap();
    }
    let _ = sessions.create(sign_in(house.acme, okta), NOW).await.unwrap();
    let count = async |account| sessions.list(house.acme, account, NOW).await.unwrap().len();

    assert!(identities.unlink(house.globex, &ada(), NOW).await.unwrap().is_none());
    let (account, ended) = identities.unlink(house.acme, &ada(), NOW).await.unwrap().unwrap();
    assert_eq!((account.id, ended, count(okta).await), (okta, 1, 1), "what did not come from there goes on");
    assert!(identities.unlink(house.acme, &ada(), NOW).await.unwrap().is_none());
    assert_eq!(identities.find(house.acme, &ada()).await.unwrap(), None);

    let idp = Issuer::parse("https://idp.example").unwrap();
    let other_idp = Issuer::parse("https://other.example").unwrap();
    let end = async |tenant, issuer| {
        sessions.end_connection(tenant, &connection("entra"), Some(issuer), NOW).await.unwrap().len()
    };
    assert_eq!((end(house.globex, &idp).await, end(house.acme, &other_idp).await, count(other).await), (0, 0, 2));
    assert_eq!((end(house.acme, &idp).await, count(other).await), (2, 0));

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
    let plain = sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap();
    let refused = factors.may_enrol(holder(&plain), NOW).await;
    assert!(matches!(refused, Err(HolderError::Unconfirmed)), "{refused:?}");
    let anew = sessions
        .create_federated(sign_in(house.acme, account), Vouched { anew: true, ..vouched(&from, NOW) }, NOW)
        .await
        .unwrap();
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
    let begun =
        sessions.create_federated(sign_in(house.acme, account.id), vouched(&from, hour_ago), NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, hour_ago);
    assert_eq!(begun.principal.display, "ada@example.com");
    assert!(sessions.federation(house.acme, begun.principal.session).await.unwrap() == Some(from.clone()));
    assert!(sessions.federation(house.globex, begun.principal.session).await.unwrap().is_none());
    let ahead = NOW.after(Duration::from_secs(60));
    let begun = sessions.create_federated(sign_in(house.acme, account.id), vouched(&from, ahead), NOW).await.unwrap();
    assert_eq!(begun.principal.authenticated_at, NOW, "nobody has proved anything in the future");
    let long = Federation { id_token: Some(SealedIdToken("a".repeat(33_000))), ..from };
    let begun = sessions.create_federated(sign_in(house.acme, account.id), vouched(&long, NOW), NOW).await.unwrap();
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
        begun.push(sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap());
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
        let ended = sessions.end_federated(house.acme, &connection(name), &by, &ending, NOW).await.unwrap();
        assert_eq!(ended, [], "{name} {by} {ending:?}");
    }
    assert_eq!(sessions.end_federated(house.globex, &okta, &issuer, &of("s1", None), NOW).await.unwrap(), []);
    assert_eq!(alive().await, [true; 5]);

    let ended = sessions.end_federated(house.acme, &okta, &issuer, &of("s1", Some("00u1")), NOW).await.unwrap();
    assert_eq!(ended.len(), 3, "one of which the provider did not say which session it was, is any of the person's");
    assert!(ended.iter().all(|ended| ended.principal == account));
    assert_eq!(alive().await, [false, false, true, false, true]);

    let subject = Ending::Subject(ada().subject);
    assert_eq!(sessions.end_federated(house.acme, &okta, &issuer, &subject, NOW).await.unwrap().len(), 1);
    assert_eq!(alive().await, [false, false, false, false, true], "a sign-in without the provider is not its to end");
}

#[each_engine]
async fn a_provider_still_ends_a_session_that_its_person_has_stepped_up() {
    let house = House::new().await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let identities = Identities::new(house.pool.clone());
    let account = arrive(&identities, house.acme, &arrival(ada(), &[]), NOW).await.unwrap().id;
    let from = federation(ada(), Some("s1"));
    let begun = sessions.create_federated(sign_in(house.acme, account), vouched(&from, NOW), NOW).await.unwrap();
    let proven = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
    let stronger = sessions.step_up(house.acme, begun.principal.session, proven, NOW).await.unwrap();
    let stronger = sessions.take_up(stronger.commit().await.unwrap());
    assert_eq!(stronger.principal.strength.methods, [AuthnMethod::Otp, AuthnMethod::Fed]);
    assert!(sessions.federation(house.acme, stronger.principal.session).await.unwrap() == Some(from));
    let subject = Ending::Subject(ada().subject);
    let ended = sessions.end_federated(house.acme, &ada().connection, &ada().issuer, &subject, NOW).await.unwrap();
    assert_eq!(ended.iter().map(|ended| ended.session).collect::<Vec<_>>(), [stronger.principal.session]);
}
