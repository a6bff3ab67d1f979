//! Links that are mailed: once, for one thing, at one host, for a while.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crate::house::{House, NOW, hash, role};
use cedargate_identity::{
    AccountLinkError, AccountLinks, Email, Enrolled, FactorName, Factors, Holder, InviteError, LinkOrigin, NewAccount,
    Notice, Notices, OperatorEvents, Passkeys, PresentedLink, RESET_TTL, Ready, SealedCredential, SessionSettings,
    Sessions, SignIn, WebauthnKind,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{
    AdmissionAct, AuthnMethod, AuthnStrength, EventBody, Host, LinkPurpose, LinkReason, Micros, PrincipalId, Scheme,
};

fn host() -> Host {
    Host::parse("acme.gateway.example").unwrap()
}

fn origin() -> LinkOrigin {
    LinkOrigin::new(Scheme::Https, host())
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn at(duration: Duration) -> Micros {
    NOW.after(duration)
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn reason<T: std::fmt::Debug>(result: Result<T, AccountLinkError>) -> LinkReason {
    match result {
        Err(AccountLinkError::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// ada, with a password, and a link to another one.
async fn with_reset(house: &House) -> (AccountLinks, PrincipalId, PresentedLink) {
    let new = NewAccount { email: email("ada@example.com"), roles: vec![role("clerk")], password: Some(hash('o')) };
    let ada = house.accounts.create(house.acme, new, NOW).await.unwrap().id;
    let links = AccountLinks::new(house.pool.clone());
    let token = links.draw_reset(house.acme, &email("ada@example.com"), &origin(), NOW).await.unwrap().unwrap();
    let presented = PresentedLink::parse(LinkPurpose::Reset, &token.expose()).unwrap();
    (links, ada, presented)
}

#[each_engine]
async fn a_reset_sets_the_password_ends_every_session_and_tells_the_person() {
    let house = House::new().await;
    let (links, ada, presented) = with_reset(&house).await;
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Pwd, AuthnMethod::Otp] };
    let sign_in = SignIn {
        tenant: house.acme,
        principal: ada,
        strength,
        replaces: None,
        remember: false,
        device: Default::default(),
    };
    let begun = sessions.create(sign_in, NOW).await.unwrap();
    let token = cedargate_identity::PresentedToken::parse(&begun.token.expose()).unwrap();
    assert!(sessions.find(house.acme, &token, NOW).await.unwrap().is_some());

    let looked = links.look(house.acme, &presented, &host(), NOW).await.unwrap();
    assert_eq!(looked.as_str(), "ada@example.com");
    let reset = links.reset(house.acme, &presented, &host(), &hash('n'), NOW).await.unwrap();
    assert_eq!(reset.change().ended, [begun.principal.session]);
    drop(reset);
    assert_eq!(house.find("ada@example.com").await.password, Some(hash('o')), "not recorded, so not done");

    let reset = links.reset(house.acme, &presented, &host(), &hash('n'), NOW).await.unwrap().commit().await.unwrap();
    sessions.forget_reset(&reset);
    assert_eq!(house.find("ada@example.com").await.password, Some(hash('n')));
    assert!(sessions.find(house.acme, &token, NOW).await.unwrap().is_none(), "signed out");
    let told = Notices::new(house.pool.clone()).take(Duration::ZERO, 5, NOW).await.unwrap();
    assert_eq!(told.iter().map(|told| &told.notice).collect::<Vec<_>>(), [&Notice::PasswordChanged]);

    let again = links.reset(house.acme, &presented, &host(), &hash('m'), NOW).await;
    assert_eq!(reason(again), LinkReason::Unknown, "once");
}

#[each_engine]
async fn a_link_is_nothing_later_elsewhere_for_another_tenant_or_purpose() {
    let house = House::new().await;
    let (links, _, presented) = with_reset(&house).await;
    let late = at(RESET_TTL);
    assert_eq!(reason(links.look(house.acme, &presented, &host(), late).await), LinkReason::Expired);
    assert_eq!(reason(links.reset(house.acme, &presented, &host(), &hash('n'), late).await), LinkReason::Expired);
    let elsewhere = Host::parse("acme.other.example").unwrap();
    assert_eq!(reason(links.look(house.acme, &presented, &elsewhere, NOW).await), LinkReason::Elsewhere);
    assert_eq!(reason(links.reset(house.globex, &presented, &host(), &hash('n'), NOW).await), LinkReason::Unknown);
    let token = links.draw_reset(house.acme, &email("ada@example.com"), &origin(), NOW).await.unwrap().unwrap();
    let other = PresentedLink::parse(LinkPurpose::Invitation, &token.expose()).unwrap();
    assert_eq!(reason(links.accept(house.acme, &other, &host(), &hash('n'), &[], NOW).await), LinkReason::Unknown);
    assert_eq!(house.find("ada@example.com").await.password, Some(hash('o')));
}

#[each_engine]
async fn of_several_links_the_first_use_ends_all_and_there_are_not_many() {
    let house = House::new().await;
    let (links, _, first) = with_reset(&house).await;
    let mut later = Vec::new();
    for _ in 0..10 {
        later.extend(links.draw_reset(house.acme, &email("ada@example.com"), &origin(), NOW).await.unwrap());
    }
    assert_eq!(later.len(), 4, "five at a time");
    let last = PresentedLink::parse(LinkPurpose::Reset, &later[3].expose()).unwrap();
    let done = links.reset(house.acme, &last, &host(), &hash('n'), NOW).await.unwrap().commit().await.unwrap();
    drop(done);
    assert_eq!(reason(links.look(house.acme, &first, &host(), NOW).await), LinkReason::Unknown);
    assert!(links.draw_reset(house.acme, &email("ada@example.com"), &origin(), NOW).await.unwrap().is_some());
}

#[each_engine]
async fn whoever_is_disabled_or_has_no_password_gets_no_link() {
    let house = House::new().await;
    let (links, ada, presented) = with_reset(&house).await;
    let bob = house.account("bob@example.com", &[]).await;
    assert!(links.draw_reset(house.acme, &email("bob@example.com"), &origin(), NOW).await.unwrap().is_none(), "{bob}");
    assert!(links.draw_reset(house.acme, &email("eve@example.com"), &origin(), NOW).await.unwrap().is_none());
    house.accounts.disable(house.acme, ada, NOW).await.unwrap();
    assert!(links.draw_reset(house.acme, &email("ada@example.com"), &origin(), NOW).await.unwrap().is_none());
    assert_eq!(reason(links.look(house.acme, &presented, &host(), NOW).await), LinkReason::Unknown);
    let refused = links.reset(house.acme, &presented, &host(), &hash('n'), NOW).await;
    assert_eq!(reason(refused), LinkReason::Unknown);
}

#[each_engine]
async fn an_invitation_makes_the_account_that_was_promised_once() {
    let house = House::new().await;
    let links = AccountLinks::new(house.pool.clone());
    let origin = origin();
    let invite = |roles| links.invite_by_operator(house.acme, email("new@example.com"), roles, &origin, NOW);
    let former = invite(vec![role("admin")]).await.unwrap();
    let former_token = links.draw_invitation(house.acme, former.id, &origin, NOW).await.unwrap().unwrap();
    let promised = invite(vec![role("clerk"), role("clerk")]).await.unwrap();
    assert!(links.draw_invitation(house.acme, former.id, &origin, NOW).await.unwrap().is_none(), "replaced");
    let former = PresentedLink::parse(LinkPurpose::Invitation, &former_token.expose()).unwrap();
    assert_eq!(reason(links.accept(house.acme, &former, &host(), &hash('n'), &[], NOW).await), LinkReason::Unknown);

    let token = links.draw_invitation(house.acme, promised.id, &origin, NOW).await.unwrap().unwrap();
    let presented = PresentedLink::parse(LinkPurpose::Invitation, &token.expose()).unwrap();
    assert_eq!(links.look(house.acme, &presented, &host(), NOW).await.unwrap().as_str(), "new@example.com");
    let taken = links.accept(house.acme, &presented, &host(), &hash('n'), &[], NOW).await.unwrap();
    taken.commit().await.unwrap();
    let account = house.find("new@example.com").await;
    assert_eq!((account.roles, account.password), (vec![role("clerk")], Some(hash('n'))));
    assert_eq!(reason(links.accept(house.acme, &presented, &host(), &hash('m'), &[], NOW).await), LinkReason::Unknown);
    let taken = invite(vec![]).await;
    assert!(matches!(taken, Err(InviteError::EmailTaken(_))), "{taken:?}");

    let recorded = OperatorEvents::new(house.pool.clone()).take(NOW).await.unwrap().unwrap();
    let admission = |body: &EventBody| match body {
        EventBody::Admission(done) => Some((done.purpose, done.act.clone())),
        _ => None,
    };
    let acts: Vec<_> = recorded.events().iter().filter_map(|event| admission(&event.body)).collect();
    let invited = |name| (LinkPurpose::Invitation, AdmissionAct::Invited { roles: vec![role(name)] });
    let sent = (LinkPurpose::Invitation, AdmissionAct::Sent);
    assert_eq!(acts.iter().filter(|act| **act == sent).count(), 2, "{acts:?}");
    assert!(acts.contains(&invited("admin")) && acts.contains(&invited("clerk")), "{acts:?}");
}

#[each_engine]
async fn after_a_reset_no_passkey_of_whoever_had_the_former_password_signs_in_alone() {
    let house = House::new().await;
    let (links, ada, presented) = with_reset(&house).await;
    let factors = Factors::new(house.pool.clone());
    let _ = passkey(&house, &factors, ada).await.commit().await.unwrap();
    let _ = links.reset(house.acme, &presented, &host(), &hash('n'), NOW).await.unwrap().commit().await.unwrap();
    let kept = factors.credentials(house.acme, ada, "acme.gateway.example").await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.kind).collect::<Vec<_>>(), [WebauthnKind::SecurityKey]);
}

#[each_engine]
async fn an_operators_word_on_roles_and_passwords_ends_what_was_promised_and_mailed() {
    let house = House::new().await;
    let links = AccountLinks::new(house.pool.clone());
    let roles = vec![role("admin"), role("clerk")];
    let invited = links.invite_by_operator(house.acme, email("new@example.com"), roles, &origin(), NOW).await.unwrap();
    let token = links.draw_invitation(house.acme, invited.id, &origin(), NOW).await.unwrap().unwrap();
    let presented = PresentedLink::parse(LinkPurpose::Invitation, &token.expose()).unwrap();
    let promised = [role("admin")];
    let made = links.accept(house.acme, &presented, &host(), &hash('n'), &promised, NOW).await.unwrap();
    let _ = made.commit().await.unwrap();
    let account = house.find("new@example.com").await;
    assert_eq!(account.roles, [role("clerk")]);

    let factors = Factors::new(house.pool.clone());
    let (kept, given) = passkey(&house, &factors, account.id).await.keep_promises(account.id).await.unwrap();
    assert_eq!(given, Some(vec![role("admin"), role("clerk")]));
    drop(kept);
    house.accounts.set_roles(house.acme, account.id, vec![role("clerk")], NOW).await.unwrap();
    let (kept, given) = passkey(&house, &factors, account.id).await.keep_promises(account.id).await.unwrap();
    assert_eq!(given, None, "the operator said what it has");
    drop(kept);

    let reset = links.draw_reset(house.acme, &email("new@example.com"), &origin(), NOW).await.unwrap().unwrap();
    let reset = PresentedLink::parse(LinkPurpose::Reset, &reset.expose()).unwrap();
    house.accounts.set_password(house.acme, account.id, &hash('o'), Passkeys::Removed, NOW).await.unwrap();
    assert_eq!(reason(links.look(house.acme, &reset, &host(), NOW).await), LinkReason::Unknown);
}

/// Whoever takes the last factor away has no more than a password, whatever the account was promised.
#[each_engine]
async fn what_a_factor_gave_goes_with_the_last_one_and_is_promised_again() {
    let house = House::new().await;
    let links = AccountLinks::new(house.pool.clone());
    let roles = vec![role("admin"), role("clerk")];
    let invited = links.invite_by_operator(house.acme, email("new@example.com"), roles, &origin(), NOW).await.unwrap();
    let token = links.draw_invitation(house.acme, invited.id, &origin(), NOW).await.unwrap().unwrap();
    let presented = PresentedLink::parse(LinkPurpose::Invitation, &token.expose()).unwrap();
    let made = links.accept(house.acme, &presented, &host(), &hash('n'), &[role("admin")], NOW).await.unwrap();
    let _ = made.commit().await.unwrap();
    let account = house.find("new@example.com").await.id;
    let factors = Factors::new(house.pool.clone());
    for _ in 0..2 {
        let (kept, given) = passkey(&house, &factors, account).await.keep_promises(account).await.unwrap();
        assert_eq!(given, Some(vec![role("admin"), role("clerk")]));
        kept.commit().await.unwrap();
        assert_eq!(house.find("new@example.com").await.roles, [role("admin"), role("clerk")]);
        factors.remove_all(house.acme, account, NOW).await.unwrap();
        assert_eq!(house.find("new@example.com").await.roles, [role("clerk")]);
    }
}

/// A passkey that the account is about to have.
async fn passkey(house: &House, factors: &Factors, account: PrincipalId) -> Ready<Enrolled> {
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Pwd] };
    let sign_in = SignIn {
        tenant: house.acme,
        principal: account,
        strength,
        replaces: None,
        remember: false,
        device: Default::default(),
    };
    let session = sessions.create(sign_in, NOW).await.unwrap().principal.session;
    let new = SealedCredential {
        id: factors.draw_id(NOW).unwrap(),
        account,
        kind: WebauthnKind::Passkey,
        name: FactorName::parse("key").unwrap(),
        rp_id: "acme.gateway.example".to_owned(),
        credential_id: vec![7; 16],
        sealed_key: "sealed".to_owned(),
        sign_count: 0,
    };
    let holder = Holder { tenant: house.acme, account, session };
    factors.add_credential(holder, &new, NOW).await.unwrap()
}
