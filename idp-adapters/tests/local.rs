//! Local accounts on a real store, with the clock in the test's hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::{Accounts, Email, NewAccount, Passkeys, PasswordHash, Tenants};
use cedargate_idp_adapters::local::{
    Credentials, HashParameters, HashingLimits, LocalAccounts, LocalSettings, NewPassword, PresentedPassword,
};
use cedargate_idp_adapters::{Authenticated, Client, SignInAdapter, SignInError};
use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
use cedargate_model::{AuthnMethod, Micros, PrincipalId, TenantId, TenantName};
use tempfile::TempDir;

const NOW: Micros = Micros(1_700_000_000_000_000);
const PASSWORD: &str = "correct horse battery";
const CHEAP: HashParameters = HashParameters { memory_kib: 64, passes: 1, lanes: 1 };

struct House {
    local: LocalAccounts,
    accounts: Accounts,
    pool: Pool,
    acme: TenantId,
    ada: PrincipalId,
    _directory: TempDir,
}

async fn house(settings: LocalSettings) -> House {
    let directory = TempDir::new().unwrap();
    let pool = Pool::open(&StoreUrl::sqlite(directory.path().join("gateway.db"))).await.unwrap();
    let _ = pool.migrate(&GATEWAY, NOW).await.unwrap();
    let acme = Tenants::new(pool.clone()).create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
    let accounts = Accounts::new(pool.clone());
    let local = LocalAccounts::new(accounts.clone(), settings).unwrap();
    let ada = account(&accounts, acme, "ada@example.com", Some(hashed(PASSWORD, CHEAP).await)).await;
    House { local, accounts, pool, acme, ada, _directory: directory }
}

async fn account(accounts: &Accounts, tenant: TenantId, email: &str, password: Option<PasswordHash>) -> PrincipalId {
    let new = NewAccount { email: Email::parse(email).unwrap(), roles: vec![], password };
    accounts.create(tenant, new, NOW).await.unwrap().id
}

fn cheap() -> LocalSettings {
    LocalSettings { parameters: CHEAP, ..LocalSettings::default() }
}

/// A hash made with other parameters than the house's own.
async fn hashed(password: &str, parameters: HashParameters) -> PasswordHash {
    let directory = TempDir::new().unwrap();
    let pool = Pool::open(&StoreUrl::sqlite(directory.path().join("x.db"))).await.unwrap();
    let settings = LocalSettings { parameters, ..LocalSettings::default() };
    LocalAccounts::new(Accounts::new(pool), settings)
        .unwrap()
        .hash(NewPassword::parse(password).unwrap())
        .await
        .unwrap()
}

impl House {
    async fn try_in(&self, email: &str, password: &str, now: Micros) -> Result<Authenticated, SignInError> {
        let credentials = Credentials::new(email, PresentedPassword::new(password.to_owned()));
        self.local.sign_in(self.acme, credentials, IpAddr::from([192, 0, 2, 1]), now).await
    }

    async fn stored_hash(&self) -> PasswordHash {
        let email = Email::parse("ada@example.com").unwrap();
        self.accounts.find_by_email(self.acme, &email).await.unwrap().unwrap().password.unwrap()
    }
}

#[tokio::test]
async fn whatever_is_wrong_costs_one_hash_and_says_the_same() {
    let house = house(cheap()).await;
    account(&house.accounts, house.acme, "passwordless@example.com", None).await;
    let off = account(&house.accounts, house.acme, "off@example.com", Some(hashed(PASSWORD, CHEAP).await)).await;
    house.accounts.disable(house.acme, off, NOW).await.unwrap();
    let long = "a".repeat(5_000);
    for (email, password) in [
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("ada@example.com", "Correct horse battery"),
        ("ada@example.com", long.as_str()),
        ("nobody@example.com", PASSWORD),
        ("passwordless@example.com", ""),
        ("off@example.com", PASSWORD),
        ("no address at all", PASSWORD),
        ("", ""),
    ] {
        let before = house.local.verifications();
        let refused = house.try_in(email, password, NOW).await.unwrap_err();
        assert!(matches!(refused, SignInError::Failed), "{email}: {refused:?}");
        assert_eq!(house.local.verifications() - before, 1, "{email}");
    }
}

#[tokio::test]
async fn the_right_password_is_aal1_by_password() {
    let house = house(cheap()).await;
    let authenticated = house.try_in(" ADA@example.com ", PASSWORD, NOW).await.unwrap();
    assert_eq!(authenticated.principal, house.ada);
    assert_eq!((authenticated.strength.level, authenticated.strength.methods), (1, vec![AuthnMethod::Pwd]));
}

#[tokio::test]
async fn an_account_is_its_tenants_alone() {
    let house = house(cheap()).await;
    let globex = Tenants::new(house.pool.clone()).create(TenantName::parse("globex").unwrap(), NOW).await.unwrap().id;
    let credentials = Credentials::new("ada@example.com", PresentedPassword::new(PASSWORD.to_owned()));
    let refused = house.local.sign_in(globex, credentials, IpAddr::from([192, 0, 2, 1]), NOW).await;
    assert!(matches!(refused, Err(SignInError::Failed)));
}

#[tokio::test]
async fn while_delayed_nothing_is_tried_for_known_and_unknown_accounts_alike() {
    let house = house(cheap()).await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            assert!(matches!(house.try_in(email, "wrong", NOW).await, Err(SignInError::Failed)));
        }
        let before = house.local.verifications();
        for password in ["wrong", PASSWORD] {
            let refused = house.try_in(email, password, NOW).await;
            assert!(matches!(refused, Err(SignInError::Delayed { retry_after }) if retry_after.as_secs() == 1));
        }
        assert_eq!(house.local.verifications(), before, "{email}");
    }
    let later = NOW.after(Duration::from_secs(1));
    assert!(house.try_in("ada@example.com", PASSWORD, later).await.is_ok());
    assert!(matches!(house.try_in("ada@example.com", "wrong", later).await, Err(SignInError::Failed)), "cleared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_guesses_at_once_do_not_outrun_the_count() {
    let house = std::sync::Arc::new(house(cheap()).await);
    let guesses: Vec<_> = (0..60)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move { house.try_in("ada@example.com", "wrong", NOW).await })
        })
        .collect();
    let mut failed = 0;
    for guess in guesses {
        failed += usize::from(matches!(guess.await.unwrap(), Err(SignInError::Failed)));
    }
    assert_eq!(failed, 5);
    assert_eq!(house.local.verifications(), 5);
}

#[tokio::test]
async fn a_hash_with_other_parameters_is_replaced_once_the_password_is_known() {
    let dearer = HashParameters { memory_kib: 128, passes: 1, lanes: 1 };
    let house = house(LocalSettings { parameters: dearer, ..LocalSettings::default() }).await;
    let old = house.stored_hash().await;
    house.try_in("ada@example.com", "wrong", NOW).await.unwrap_err();
    assert_eq!(house.stored_hash().await, old);
    let _ = house.try_in("ada@example.com", PASSWORD, NOW).await.unwrap();
    let new = house.stored_hash().await;
    assert_ne!(new, old);
    assert!(new.expose().contains("m=128,"));
    let _ = house.try_in("ada@example.com", PASSWORD, NOW).await.unwrap();
    assert_eq!(house.stored_hash().await, new);
}

#[tokio::test]
async fn too_many_at_once_is_busy_and_nobodys_failure() {
    let limits = HashingLimits { running_max: 0, waiting_max: 0, wait_max: Duration::ZERO };
    let house = house(LocalSettings { limits, ..cheap() }).await;
    for _ in 0..20 {
        assert!(matches!(house.try_in("ada@example.com", PASSWORD, NOW).await, Err(SignInError::Busy)));
    }
    assert_eq!(house.local.verifications(), 0);
}

#[tokio::test]
async fn who_waits_too_long_for_a_turn_is_told_so() {
    let limits = HashingLimits { running_max: 0, waiting_max: 10, wait_max: Duration::ZERO };
    let house = house(LocalSettings { limits, ..cheap() }).await;
    assert!(matches!(house.try_in("ada@example.com", PASSWORD, NOW).await, Err(SignInError::Busy)));
}

#[tokio::test]
async fn a_malformed_hash_or_a_silent_store_is_our_failure_and_not_the_persons() {
    let house = house(cheap()).await;
    let malformed = PasswordHash::parse("$argon2id$nonsense".to_owned()).unwrap();
    house.accounts.set_password(house.acme, house.ada, &malformed, Passkeys::Kept, NOW).await.unwrap();
    for _ in 0..20 {
        assert!(matches!(house.try_in("ada@example.com", PASSWORD, NOW).await, Err(SignInError::Broken(_))));
    }
    house.pool.close().await;
    for _ in 0..20 {
        assert!(matches!(house.try_in("ada@example.com", PASSWORD, NOW).await, Err(SignInError::Store(_))));
    }
}

#[tokio::test]
async fn the_defaults_are_owasps() {
    let hash = hashed(PASSWORD, HashParameters::default()).await;
    assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
}

/// Who guesses from outside keeps nobody who is signed in from confirming who they are, and the other way round.
#[tokio::test]
async fn guesses_at_the_door_keep_nobody_from_confirming_who_they_are() {
    let house = house(cheap()).await;
    let client = IpAddr::from([192, 0, 2, 1]);
    let credentials = |text: &str| Credentials::new("ada@example.com", PresentedPassword::new(text.to_owned()));
    for _ in 0..5 {
        let guessed = house.local.sign_in(house.acme, credentials("wrong"), client, NOW).await;
        assert!(matches!(guessed, Err(SignInError::Failed)));
    }
    let delayed = house.local.sign_in(house.acme, credentials(PASSWORD), client, NOW).await;
    assert!(matches!(delayed, Err(SignInError::Delayed { .. })));
    let confirm = |account, text: &str| {
        house.local.confirm(house.acme, account, PresentedPassword::new(text.to_owned()), Client::at(client), NOW)
    };
    assert_eq!(confirm(house.ada, PASSWORD).await.unwrap().principal, house.ada);

    let nobody = PrincipalId(house.acme.0);
    for _ in 0..5 {
        assert!(matches!(confirm(house.ada, "wrong").await, Err(SignInError::Failed)));
    }
    assert!(matches!(confirm(house.ada, PASSWORD).await, Err(SignInError::Delayed { .. })), "those count, too");
    let unknown = confirm(nobody, PASSWORD).await;
    assert!(matches!(unknown, Err(SignInError::Store(_) | SignInError::Failed)), "{unknown:?}");
}
