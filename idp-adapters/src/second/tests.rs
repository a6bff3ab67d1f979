use std::time::Duration;

use cedargate_identity::{Accounts, Email, NewAccount, Tenants};
use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
use cedargate_model::TenantName;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

const NOW: Micros = Micros(1_700_000_000_000_000);

/// Keeps secrets as they are, under their names.
struct Drawer;

impl Vault for Drawer {
    fn seal(&self, name: &str, secret: &str) -> Result<String, VaultError> {
        Ok(format!("{name}|{secret}"))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        let secret = sealed.strip_prefix(&format!("{name}|")).ok_or_else(|| VaultError("another name".into()))?;
        Ok(Zeroizing::new(secret.to_owned()))
    }
}

struct House {
    second: SecondFactors,
    pool: Pool,
    acme: TenantId,
    ada: PrincipalId,
    bob: PrincipalId,
    _directory: TempDir,
}

impl House {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let pool = Pool::open(&StoreUrl::sqlite(directory.path().join("gateway.db"))).await.unwrap();
        let _ = pool.migrate(&GATEWAY, NOW).await.unwrap();
        let acme = Tenants::new(pool.clone()).create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        let accounts = Accounts::new(pool.clone());
        let mut people = Vec::new();
        for email in ["ada@example.com", "bob@example.com"] {
            let new = NewAccount { email: Email::parse(email).unwrap(), roles: vec![], password: None };
            people.push(accounts.create(acme, new, NOW).await.unwrap().id);
        }
        let [ada, bob] = <[PrincipalId; 2]>::try_from(people).unwrap();
        let second = SecondFactors::new(Factors::new(pool.clone()), Arc::new(Drawer));
        Self { second, pool, acme, ada, bob, _directory: directory }
    }

    async fn begin(&self) -> (FactorId, TotpKey) {
        let name = FactorName::parse("phone").unwrap();
        let factor = self.second.begin(self.acme, self.ada, name, NOW).await.unwrap();
        let enrolment = self.second.enrolment(self.acme, self.ada, factor, NOW).await.unwrap().unwrap();
        (factor, enrolment.key)
    }

    async fn enrol(&self) -> (FactorId, TotpKey) {
        let (factor, key) = self.begin().await;
        let code = PresentedCode::new(&key.code_at(NOW));
        let _ = self.second.finish(self.acme, self.ada, factor, &code, home(), NOW).await.unwrap();
        (factor, key)
    }

    async fn prove(&self, account: PrincipalId, code: &str, at: Micros) -> Result<Proven, SignInError> {
        self.second.prove(self.acme, account, &PresentedCode::new(code), home(), at).await
    }
}

fn home() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}

fn later(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

fn failed(result: &Result<Proven, SignInError>) -> bool {
    matches!(result, Err(SignInError::Failed))
}

/// Six digits that are none of the codes of the moment.
fn wrong(key: &TotpKey, at: Micros) -> String {
    let near = [-30, 0, 30].map(|seconds| key.code_at(Micros(at.0 + seconds * 1_000_000)));
    let mut codes = (0..).map(|n| format!("{n:06}"));
    codes.find(|code| !near.contains(code)).unwrap()
}

#[tokio::test]
async fn a_code_proves_its_person_once() {
    let house = House::new().await;
    let (factor, key) = house.enrol().await;
    assert!(failed(&house.prove(house.ada, &key.code_at(NOW), NOW).await), "spent by the enrolment");
    let code = key.code_at(later(60));
    assert!(failed(&house.prove(house.bob, &code, later(60)).await), "another person's");
    let proven = house.prove(house.ada, &format!("{} {}", &code[..3], &code[3..]), later(60)).await.unwrap();
    assert_eq!((proven.kind, proven.factor, proven.strength.level), (ProofKind::Totp, Some(factor), 2));
    assert_eq!(proven.strength.methods, [AuthnMethod::Otp]);
    assert!(failed(&house.prove(house.ada, &code, later(60)).await), "once");
    assert!(failed(&house.prove(house.ada, &key.code_at(later(30)), later(60)).await), "nor one from before it");
}

#[tokio::test]
async fn an_app_that_was_not_shown_to_work_proves_nothing() {
    let house = House::new().await;
    let (factor, key) = house.begin().await;
    assert!(failed(&house.prove(house.ada, &key.code_at(NOW), NOW).await));
    let wrong = PresentedCode::new(&wrong(&key, NOW));
    let right = PresentedCode::new(&key.code_at(NOW));
    let (acme, ada) = (house.acme, house.ada);
    assert!(failed(&house.second.finish(acme, ada, factor, &wrong, home(), NOW).await));
    assert!(failed(&house.second.finish(acme, house.bob, factor, &right, home(), NOW).await), "another person");
    assert!(house.second.enrolment(acme, house.bob, factor, NOW).await.unwrap().is_none());
    assert!(house.second.finish(acme, ada, factor, &right, home(), NOW).await.is_ok());
    assert!(house.second.enrolment(acme, ada, factor, NOW).await.unwrap().is_none(), "the key is shown no more");
}

#[tokio::test]
async fn who_guesses_at_one_kind_of_code_waits_and_the_other_kind_still_works() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let codes = house.second.store().draw_recovery_codes(house.acme, house.ada, NOW).await.unwrap();
    let at = later(120);
    for _ in 0..5 {
        assert!(failed(&house.prove(house.ada, &wrong(&key, at), at).await));
    }
    let delayed = house.prove(house.ada, &key.code_at(at), at).await;
    assert!(matches!(delayed, Err(SignInError::Delayed { .. })), "not even the right one is tried: {delayed:?}");
    let recovered = house.prove(house.ada, &codes.first().unwrap().expose(), at).await.unwrap();
    assert_eq!((recovered.kind, recovered.strength.level), (ProofKind::RecoveryCode, 2));
    assert!(failed(&house.prove(house.ada, &codes.first().unwrap().expose(), at).await), "once");
    assert!(house.prove(house.ada, &key.code_at(later(121)), later(121)).await.is_ok(), "after the delay");
}

#[tokio::test]
async fn what_looks_like_no_code_fails_and_counts() {
    let house = House::new().await;
    for code in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
        assert!(failed(&house.prove(house.ada, code, NOW).await), "{code}");
    }
    assert!(matches!(house.prove(house.ada, "", NOW).await, Err(SignInError::Delayed { .. })));
}

#[tokio::test]
async fn a_store_that_is_away_is_nobodys_failure() {
    let house = House::new().await;
    house.enrol().await;
    house.pool.close().await;
    for _ in 0..10 {
        assert!(matches!(house.prove(house.ada, "123456", NOW).await, Err(SignInError::Store(_))));
    }
}

#[tokio::test]
async fn a_secret_of_another_row_does_not_open() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let steal = "UPDATE totp_factors SET account_id = $2, last_step = 0 WHERE tenant_id = $1";
    tx.query(steal).bind(house.bob.0).execute().await.unwrap();
    tx.commit().await.unwrap();
    let stolen = house.prove(house.bob, &key.code_at(later(60)), later(60)).await;
    assert!(matches!(stolen, Err(SignInError::Broken(_))), "{stolen:?}");
}

#[test]
fn nothing_shows_a_code() {
    assert_eq!(format!("{:?}", PresentedCode::new("123456")), "PresentedCode(..)");
}
