//! Service accounts and their keys on a real store, with the clock in the test's hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::house::{House, NOW, role};
use cedargate_identity::{
    API_KEYS_MAX, AddCertificateError, ApiKey, ApiKeyName, CertificateRule, CreateApiKeyError,
    CreateServiceAccountError, FindProgramError, HeldCredential, KeyDigest, NewApiKey, PresentedSecret, ProgramRefused,
    SecretKind, ServiceAccount, ServiceAccountName, ServiceAccounts, SessionSettings, Sessions, ShownCertificate,
    StoreError,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{
    AccountAct, By, Credential, Event, EventBody, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Setting {
    house: House,
    accounts: ServiceAccounts,
    sessions: Sessions,
    account: ServiceAccount,
    key: ApiKey,
    shown: PresentedSecret,
}

/// A house with one service account, a clerk and viewer of acme, and a key of it that counts for a day.
async fn setting() -> Setting {
    let house = House::new().await;
    let accounts = ServiceAccounts::new(house.pool.clone());
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let name = ServiceAccountName::parse("sync").unwrap();
    let account = accounts.create(house.acme, name, vec![role("viewer"), role("clerk")], NOW).await.unwrap();
    let (key, shown) = make(&accounts, &account, None).await.unwrap();
    Setting { house, accounts, sessions, account, key, shown }
}

async fn make(
    accounts: &ServiceAccounts,
    account: &ServiceAccount,
    roles: Option<&[&str]>,
) -> Result<(ApiKey, PresentedSecret), CreateApiKeyError> {
    let roles = roles.map(|roles| roles.iter().map(|name| role(name)).collect());
    let new = NewApiKey { name: ApiKeyName::parse("a test").unwrap(), roles, lifetime: DAY };
    let (key, secret) = accounts.create_key(account.tenant, account.id, new, NOW).await?;
    Ok((key, PresentedSecret::parse(SecretKind::ApiKey, &secret.expose()).unwrap()))
}

async fn refused(sessions: &Sessions, tenant: TenantId, shown: &PresentedSecret, now: Micros) -> ProgramRefused {
    match sessions.find_api_key(tenant, shown, now).await {
        Err(FindProgramError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

fn names(principal: &Arc<Principal>) -> Vec<&str> {
    principal.roles.iter().map(RoleName::as_str).collect()
}

fn after_secs(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

#[each_engine]
async fn a_key_says_which_program_asks_and_that_it_is_no_person() {
    let Setting { house, sessions, account, key, shown, .. } = setting().await;
    let known = sessions.find_api_key(house.acme, &shown, after_secs(9)).await.unwrap();
    assert_eq!((known.id, known.tenant, known.display.as_str()), (account.id, house.acme, "sync"));
    assert_eq!(names(&known), ["clerk", "viewer"], "no member: what is for people is closed to it");
    assert_eq!((known.credential, known.session), (Credential::ApiKey, SessionId(key.id.0)));
    assert_eq!((known.strength.level, known.authenticated_at), (1, NOW), "asking again makes it no fresher");
}

#[each_engine]
async fn a_key_counts_at_its_own_tenant_until_its_time_is_over() {
    let Setting { house, sessions, shown, .. } = setting().await;
    assert_eq!(refused(&sessions, house.globex, &shown, NOW).await, ProgramRefused::Unknown);
    let last = Micros(NOW.after(DAY).0 - 1);
    assert!(sessions.find_api_key(house.acme, &shown, last).await.is_ok());
    assert_eq!(refused(&sessions, house.acme, &shown, NOW.after(DAY)).await, ProgramRefused::Expired, "from memory");
    let fresh = Sessions::new(house.pool.clone(), SessionSettings::default());
    assert_eq!(refused(&fresh, house.acme, &shown, NOW.after(DAY)).await, ProgramRefused::Expired, "from the store");
}

#[each_engine]
async fn a_session_s_token_is_no_key_and_a_key_no_session() {
    let Setting { house, sessions, shown, .. } = setting().await;
    let _ = sessions.find_api_key(house.acme, &shown, NOW).await.unwrap();
    let cookie = cedargate_identity::PresentedToken::parse(&"A".repeat(43)).unwrap();
    assert!(sessions.find(house.acme, &cookie, NOW).await.unwrap().is_none());
}

#[each_engine]
async fn a_narrowed_key_has_only_what_the_account_has_too() {
    let Setting { house, accounts, sessions, account, .. } = setting().await;
    let (narrow, shown) = make(&accounts, &account, Some(&["viewer", "viewer"])).await.unwrap();
    assert_eq!(narrow.roles, Some(vec![role("viewer")]));
    assert_eq!(names(&sessions.find_api_key(house.acme, &shown, NOW).await.unwrap()), ["viewer"]);
    accounts.set_roles(house.acme, account.id, vec![role("clerk")], NOW).await.unwrap();
    sessions.listen(NOW).await.unwrap();
    let left = sessions.find_api_key(house.acme, &shown, after_secs(1)).await.unwrap();
    assert_eq!(names(&left), Vec::<&str>::new(), "what the account lost, the key lost");

    let more = make(&accounts, &account, Some(&["admin"])).await;
    assert!(matches!(more, Err(CreateApiKeyError::RoleMissing(missing)) if missing == role("admin")));
    assert!(matches!(make(&accounts, &account, Some(&[])).await, Err(CreateApiKeyError::RolesEmpty)));
}

#[each_engine]
async fn what_ends_a_key_elsewhere_is_heard_of_without_asking_about_it() {
    let Setting { house, accounts, sessions, account, key, shown } = setting().await;
    let elsewhere = ServiceAccounts::new(house.another_process().await);
    sessions.listen(NOW).await.unwrap();
    let known = |at| sessions.find_api_key(house.acme, &shown, at);
    assert!(known(NOW).await.is_ok());
    sessions.listen(after_secs(60)).await.unwrap();
    let misses = sessions.stats().misses;
    assert!(known(after_secs(61)).await.is_ok());
    assert_eq!(sessions.stats().misses, misses, "nothing changed, so the store was not asked");

    elsewhere.disable(house.acme, account.id, after_secs(61)).await.unwrap();
    sessions.listen(after_secs(61)).await.unwrap();
    assert_eq!(refused(&sessions, house.acme, &shown, after_secs(62)).await, ProgramRefused::AccountDisabled);
    accounts.enable(house.acme, account.id, NOW).await.unwrap();
    sessions.listen(after_secs(62)).await.unwrap();
    assert!(known(after_secs(63)).await.is_ok());

    let revoked = elsewhere.revoke_key(house.acme, key.id, after_secs(63)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(after_secs(63)));
    sessions.listen(after_secs(63)).await.unwrap();
    assert_eq!(refused(&sessions, house.acme, &shown, after_secs(64)).await, ProgramRefused::Revoked);
    let again = accounts.revoke_key(house.acme, key.id, after_secs(70)).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(after_secs(63)), "the first time is kept");
    assert!(accounts.revoke_key(house.globex, key.id, NOW).await.unwrap().is_none(), "another tenant's");
}

#[each_engine]
async fn a_use_is_written_down_once_a_minute() {
    let Setting { house, accounts, sessions, account, shown, .. } = setting().await;
    let used = async |at| {
        let _ = sessions.find_api_key(house.acme, &shown, at).await.unwrap();
        let touched = sessions.maintain(at).await.unwrap().touched;
        (touched, accounts.keys(house.acme, account.id).await.unwrap().remove(0).last_used_at)
    };
    assert_eq!(used(after_secs(100)).await, (1, Some(after_secs(100))));
    assert_eq!(used(after_secs(130)).await, (0, Some(after_secs(100))));
    assert_eq!(used(after_secs(160)).await, (1, Some(after_secs(160))));
}

#[each_engine]
async fn without_a_store_nobody_is_known_by_a_key_once_memory_is_stale() {
    let Setting { house, sessions, shown, .. } = setting().await;
    assert!(sessions.find_api_key(house.acme, &shown, NOW).await.is_ok());
    house.pool.close().await;
    assert!(sessions.find_api_key(house.acme, &shown, after_secs(2)).await.is_ok());
    let failed = sessions.find_api_key(house.acme, &shown, after_secs(3)).await;
    assert!(matches!(failed, Err(FindProgramError::Store(StoreError::Unavailable(_)))));
}

#[each_engine]
async fn accounts_and_keys_are_made_within_bounds() {
    let Setting { house, accounts, account, key, .. } = setting().await;
    let again = accounts.create(house.acme, account.name.clone(), vec![], NOW).await;
    assert!(matches!(again, Err(CreateServiceAccountError::NameTaken(name)) if name == account.name));
    let reserved = ServiceAccountName::parse("other").unwrap();
    let reserved = accounts.create(house.acme, reserved, vec![role("member")], NOW).await;
    assert!(matches!(reserved, Err(CreateServiceAccountError::Roles(_))));
    let theirs = accounts.create(house.globex, account.name.clone(), vec![], NOW).await.unwrap();
    assert_eq!(accounts.list(house.globex, None).await.unwrap(), [theirs]);
    assert_eq!(accounts.list(house.acme, None).await.unwrap(), std::slice::from_ref(&account));
    assert_eq!(accounts.list(house.acme, Some(&account.name)).await.unwrap(), []);

    for _ in 1..API_KEYS_MAX {
        let _ = make(&accounts, &account, None).await.unwrap();
    }
    assert!(matches!(make(&accounts, &account, None).await, Err(CreateApiKeyError::TooMany)));
    let _ = accounts.revoke_key(house.acme, key.id, NOW).await.unwrap();
    let _ = make(&accounts, &account, None).await.unwrap();
    assert_eq!(accounts.keys(house.acme, account.id).await.unwrap().len(), API_KEYS_MAX + 1);

    for lifetime in [Duration::ZERO, Duration::from_secs(59), 367 * DAY] {
        let new = NewApiKey { name: ApiKeyName::parse("x").unwrap(), roles: None, lifetime };
        let refused = accounts.create_key(house.acme, account.id, new, NOW).await;
        assert!(matches!(refused, Err(CreateApiKeyError::LifetimeOutOfBounds)), "{lifetime:?}");
    }
    accounts.disable(house.acme, account.id, NOW).await.unwrap();
    assert!(matches!(make(&accounts, &account, None).await, Err(CreateApiKeyError::AccountUnusable(_))));
    assert_eq!(accounts.find_by_name(house.acme, &account.name).await.unwrap().unwrap().version, 2);
}

/// What waits for the record, oldest first.
async fn left(house: &House) -> Vec<AccountAct> {
    let mut tx = house.pool.read_system().await.unwrap();
    let rows: Vec<(String,)> =
        tx.query("SELECT event FROM operator_events ORDER BY id LIMIT 100").fetch_all().await.unwrap();
    let act = |(text,): (String,)| match serde_json::from_str::<Event>(&text).unwrap().body {
        EventBody::Account(done) => {
            assert_eq!(done.by, By::Operator);
            done.act
        }
        other => panic!("{other:?}"),
    };
    rows.into_iter().map(act).collect()
}

#[each_engine]
async fn what_operators_do_with_service_accounts_is_left_for_the_record() {
    let Setting { house, accounts, account, key, .. } = setting().await;
    let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    accounts.set_roles(house.acme, account.id, vec![role("clerk")], at(1)).await.unwrap();
    accounts.disable(house.acme, account.id, at(2)).await.unwrap();
    accounts.enable(house.acme, account.id, at(3)).await.unwrap();
    for seconds in [4, 5] {
        assert!(accounts.revoke_key(house.acme, key.id, at(seconds)).await.unwrap().is_some(), "once in the record");
    }
    assert!(accounts.set_roles(house.acme, PrincipalId(uuid::Uuid::nil()), vec![], at(6)).await.is_err());
    let left = left(&house).await;
    // Made in one instant, in whichever order.
    let made = AccountAct::AccountCreated { roles: vec![role("clerk"), role("viewer")] };
    let given = AccountAct::KeyCreated { key: key.id, roles: None, expires_at: NOW.after(DAY) };
    assert!(left.len() == 6 && left[..2].contains(&made) && left[..2].contains(&given), "{left:?}");
    assert_eq!(
        left[2..],
        [
            AccountAct::RolesChanged { roles: vec![role("clerk")] },
            AccountAct::AccountDisabled,
            AccountAct::AccountEnabled,
            AccountAct::KeyRevoked { key: key.id },
        ]
    );
}

/// A certificate that somebody with this key showed, signed by whoever has that one.
fn shown_certificate(key: u8, issuer: u8, uri: &str) -> ShownCertificate {
    ShownCertificate {
        fingerprint: [key; 32],
        key: KeyDigest([key; 32]),
        issuer: Some(KeyDigest([issuer; 32])),
        uris: vec![uri.to_owned()],
        dns: vec!["robot.example".to_owned()],
        not_after: NOW.after(DAY),
    }
}

#[each_engine]
async fn a_certificate_is_known_by_its_key_or_by_a_name_from_its_issuer() {
    const URI: &str = "spiffe://example/robot";
    let Setting { house, accounts, sessions, account, .. } = setting().await;
    let by_uri = CertificateRule::Uri { issuer: KeyDigest([9; 32]), value: URI.to_owned() };
    let id = accounts.add_certificate(house.acme, account.id, &by_uri, NOW).await.unwrap();
    let find = async |shown: &ShownCertificate, now: Micros| sessions.find_certificate(house.acme, shown, now).await;
    let robot = shown_certificate(1, 9, URI);
    let known = find(&robot, NOW).await.unwrap().unwrap();
    assert_eq!((known.id, known.session, known.credential), (account.id, id, Credential::Certificate));
    assert!(!known.credential.is_bearer() && !known.credential.is_of_person());
    for nobody in [shown_certificate(2, 8, URI), shown_certificate(3, 9, "spiffe://example/other")] {
        assert_eq!(find(&nobody, NOW).await.unwrap(), None, "of another authority, or another name");
    }
    assert_eq!(sessions.find_certificate(house.globex, &robot, NOW).await.unwrap(), None, "another tenant's");
    let last = NOW.after(DAY);
    let refused = |found| matches!(found, Err(FindProgramError::Refused(ProgramRefused::Expired)));
    assert!(refused(find(&robot, last).await), "from memory, too");

    let by_key = CertificateRule::Key(KeyDigest([4; 32]));
    accounts.add_certificate(house.acme, account.id, &by_key, NOW).await.unwrap();
    assert!(find(&shown_certificate(4, 7, "x:y"), NOW).await.unwrap().is_some(), "whoever issued it");
    let taken = accounts.add_certificate(house.acme, account.id, &by_key, NOW).await.unwrap_err();
    assert!(matches!(taken, AddCertificateError::Taken), "{taken}");
    let listed = accounts.certificates(house.acme, account.id).await.unwrap();
    assert_eq!(listed.iter().map(|one| &*one.kind).collect::<BTreeSet<_>>(), BTreeSet::from(["key", "uri"]));

    let name = ServiceAccountName::parse("other").unwrap();
    let other = accounts.create(house.acme, name, vec![], NOW).await.unwrap();
    let own = CertificateRule::Key(KeyDigest([5; 32]));
    accounts.add_certificate(house.acme, other.id, &own, NOW).await.unwrap();
    let both = find(&shown_certificate(5, 9, URI), NOW).await;
    assert!(matches!(both, Err(FindProgramError::Refused(ProgramRefused::Ambiguous))), "{both:?}");

    assert!(accounts.revoke_certificate(house.acme, id, NOW).await.unwrap());
    assert!(!accounts.revoke_certificate(house.acme, id, NOW).await.unwrap());
    sessions.listen(NOW).await.unwrap();
    assert_eq!(find(&robot, NOW).await.unwrap(), None);
    accounts.disable(house.acme, account.id, NOW).await.unwrap();
    sessions.listen(NOW).await.unwrap();
    let disabled = find(&shown_certificate(4, 7, "x:y"), NOW).await;
    assert!(matches!(disabled, Err(FindProgramError::Refused(ProgramRefused::AccountDisabled))), "{disabled:?}");
}

#[each_engine]
async fn whatever_a_certificate_says_is_looked_for_at_once_and_never_taken_for_something_else() {
    let Setting { house, accounts, sessions, account, .. } = setting().await;
    let issuer = KeyDigest([9; 32]);
    let by_dns = CertificateRule::Dns { issuer, value: "m31.example".to_owned() };
    accounts.add_certificate(house.acme, account.id, &by_dns, NOW).await.unwrap();
    let find = async |shown: ShownCertificate| sessions.find_certificate(house.acme, &shown, NOW).await.unwrap();
    let names = |letter: &str| (0..32).map(|n| format!("{letter}{n}.example")).collect::<Vec<_>>();
    let robot = shown_certificate(1, 9, "x:y");
    assert!(
        find(ShownCertificate { uris: vec![], dns: names("m"), ..robot.clone() }).await.is_some(),
        "the last of many"
    );
    let alike = ShownCertificate { fingerprint: [2; 32], uris: names("m"), dns: vec![], ..robot.clone() };
    assert_eq!(find(alike).await, None, "a URI that is written as the DNS name");
    let nameless = ShownCertificate { fingerprint: [3; 32], issuer: None, dns: names("m"), uris: vec![], ..robot };
    assert_eq!(find(nameless).await, None, "a name of whoever");
}

/// All pods may be known by one rule, and each has a certificate with an end of its own.
#[each_engine]
async fn what_certificates_of_one_rule_hold_open_is_told_apart() {
    const URI: &str = "spiffe://example/robot";
    let Setting { house, accounts, sessions, account, .. } = setting().await;
    let by_uri = CertificateRule::Uri { issuer: KeyDigest([9; 32]), value: URI.to_owned() };
    accounts.add_certificate(house.acme, account.id, &by_uri, NOW).await.unwrap();
    let held = |key, not_after| {
        let shown = ShownCertificate { not_after, ..shown_certificate(key, 9, URI) };
        HeldCredential::Certificate(Arc::new(shown))
    };
    let (short, long) = (held(1, NOW.after(Duration::from_secs(60))), held(2, NOW.after(DAY)));
    let whose = async |held: &HeldCredential, now| sessions.peek(house.acme, held, now).await.unwrap();
    let (one, two) = (whose(&short, NOW).await.unwrap(), whose(&long, NOW).await.unwrap());
    assert_eq!(one.session, two.session, "by their principals they are one");
    assert_ne!(short.held_key(house.acme), long.held_key(house.acme));
    assert_ne!(long.held_key(house.acme), long.held_key(house.globex));
    let later = NOW.after(Duration::from_secs(61));
    assert_eq!(whose(&short, later).await, None);
    assert!(whose(&long, later).await.is_some());
}

#[each_engine]
async fn an_assertion_that_counts_once_is_spent_once_for_each_tenant() {
    let Setting { house, sessions, .. } = setting().await;
    let until = NOW.after(DAY);
    let spend = async |tenant, at| sessions.spend_assertion(tenant, &[7; 32], until, at).await.unwrap();
    assert!(spend(house.acme, NOW).await);
    assert!(!spend(house.acme, NOW).await);
    assert!(spend(house.globex, NOW).await);
    let spend_another = async |at| sessions.spend_assertion(house.acme, &[8; 32], at, at).await.unwrap();
    let behind = Micros(until.0 - 1);
    assert!(spend_another(until).await, "what is over is cleared by what comes after");
    assert!(!spend(house.acme, behind).await, "a gateway whose clock is behind would take it once more");
    assert!(spend_another(until.after(DAY)).await);
    assert!(spend(house.acme, until.after(DAY)).await, "whoever judges it says by then that its time is over");
}
