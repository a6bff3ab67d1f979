use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::{Accounts, Device, DeviceId, Email, NewAccount, SessionSettings, Sessions, SignIn, Tenants};
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
    /// A session of ada's with a second factor.
    own: Holder,
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
        let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
        let sign_in = SignIn {
            tenant: acme,
            principal: ada,
            strength,
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let sessions = Sessions::new(pool.clone(), SessionSettings::default());
        let session = sessions.create(sign_in, NOW).await.unwrap().principal.session;
        let own = Holder { tenant: acme, account: ada, session };
        Self { second, pool, acme, ada, bob, own, _directory: directory }
    }

    async fn begin(&self) -> (FactorId, TotpKey) {
        let name = FactorName::parse("phone").unwrap();
        let factor = self.second.begin(self.own, name, Shown::Password, NOW).await.unwrap();
        let enrolment = self.second.enrolment(self.own, factor, NOW).await.unwrap().unwrap();
        (factor, enrolment.key)
    }

    async fn enrol(&self) -> (FactorId, TotpKey) {
        let (factor, key) = self.begin().await;
        let code = PresentedCode::new(&key.code_at(NOW));
        let (enrolled, _) = self.second.finish(self.own, factor, &code, home(), NOW).await.unwrap();
        enrolled.commit().await.unwrap();
        (factor, key)
    }

    async fn prove(&self, account: PrincipalId, code: &str, at: Micros) -> Result<Proven, SignInError> {
        let (proven, spent) = self.second.prove(self.acme, account, &PresentedCode::new(code), home(), at).await?;
        spent.commit().await?;
        Ok(proven)
    }
}

fn home() -> Client {
    Client::at(IpAddr::from([192, 0, 2, 1]))
}

fn later(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

fn failed<T>(result: &Result<T, SignInError>) -> bool {
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
    let other = Holder { account: house.bob, ..house.own };
    let finish = async |holder, code| house.second.finish(holder, factor, code, home(), NOW).await;
    let failed = |finished| matches!(finished, Err(FinishError::Proof(SignInError::Failed)));
    assert!(failed(finish(house.own, &wrong).await));
    assert!(failed(finish(other, &right).await), "another person");
    assert!(house.second.enrolment(other, factor, NOW).await.unwrap().is_none());
    drop(finish(house.own, &right).await.unwrap());
    let (enrolled, _) = finish(house.own, &right).await.unwrap();
    assert_eq!(enrolled.commit().await.unwrap().recovery_codes.len(), 10);
    assert!(house.second.enrolment(house.own, factor, NOW).await.unwrap().is_none(), "the key is shown no more");
}

/// Several gateways on one store are one door: a guess at one counts at all.
#[tokio::test]
async fn guesses_at_one_gateway_count_at_the_others() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let elsewhere = SecondFactors::new(Factors::new(house.pool.clone()), Arc::new(Drawer));
    let at = later(120);
    for n in 0..5 {
        let gateway = if n % 2 == 0 { &house.second } else { &elsewhere };
        let guess = PresentedCode::new(&wrong(&key, at));
        assert!(failed(&gateway.prove(house.acme, house.ada, &guess, home(), at).await));
    }
    let right = PresentedCode::new(&key.code_at(at));
    for gateway in [&house.second, &elsewhere] {
        let delayed = gateway.prove(house.acme, house.ada, &right, home(), at).await;
        assert!(matches!(delayed, Err(SignInError::Delayed { .. })), "{delayed:?}");
    }
    let at = later(121);
    let right = PresentedCode::new(&key.code_at(at));
    let (_, spent) = elsewhere.prove(house.acme, house.ada, &right, home(), at).await.unwrap();
    spent.commit().await.unwrap();
    assert!(failed(&house.prove(house.ada, &wrong(&key, at), at).await), "and what was right forgets them at all");
}

#[tokio::test]
async fn who_guesses_at_one_kind_of_code_waits_and_the_other_kind_still_works() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let codes = house.second.store().draw_recovery_codes(house.own, NOW).await.unwrap().unwrap();
    let codes = codes.commit().await.unwrap();
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

/// The timeline that this stops: a code is spent, and what comes of it cannot be recorded; the person has one code less, and no session.
#[tokio::test]
async fn a_code_that_nothing_came_of_is_as_good_as_before() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let codes = house.second.store().draw_recovery_codes(house.own, NOW).await.unwrap().unwrap();
    let code = codes.commit().await.unwrap().first().unwrap().expose();
    let at = later(60);
    for code in [key.code_at(at), code.to_string()] {
        let code = PresentedCode::new(&code);
        drop(house.second.prove(house.acme, house.ada, &code, home(), at).await.unwrap());
        let (_, spent) = house.second.prove(house.acme, house.ada, &code, home(), at).await.unwrap();
        spent.commit().await.unwrap();
        assert!(failed(&house.second.prove(house.acme, house.ada, &code, home(), at).await), "once");
    }
}

/// The key of an enrolment is known to whoever began it: its codes are no guesses, and forget none.
#[tokio::test]
async fn a_code_of_an_enrolment_forgets_no_guesses_at_the_accounts_factors() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let at = later(60);
    let (factor, own_key) = house.begin().await;
    for _ in 0..4 {
        assert!(failed(&house.prove(house.ada, &wrong(&key, at), at).await));
    }
    let right = PresentedCode::new(&own_key.code_at(at));
    let (enrolled, _) = house.second.finish(house.own, factor, &right, home(), at).await.unwrap();
    enrolled.commit().await.unwrap();
    assert!(failed(&house.prove(house.ada, &wrong(&key, at), at).await));
    let delayed = house.prove(house.ada, &key.code_at(at), at).await;
    assert!(matches!(delayed, Err(SignInError::Delayed { .. })), "{delayed:?}");
}

/// The timeline that this stops: somebody has the password, and shows wrong codes at the end of each delay; the owner, at a device of theirs,
/// is never let in.
#[tokio::test]
async fn whoever_guesses_elsewhere_keeps_nobody_waiting_at_a_device_of_theirs() {
    let house = House::new().await;
    let (_, key) = house.enrol().await;
    let at = later(120);
    for _ in 0..5 {
        assert!(failed(&house.prove(house.ada, &wrong(&key, at), at).await));
    }
    let known = Client { device: Some(DeviceId([1; 8])), ..home() };
    let prove = async |code: &str, client| {
        let code = PresentedCode::new(code);
        let (proven, spent) = house.second.prove(house.acme, house.ada, &code, client, at).await?;
        spent.commit().await?;
        Ok::<_, SignInError>(proven)
    };
    for _ in 0..4 {
        assert!(failed(&prove(&wrong(&key, at), known).await));
    }
    assert!(prove(&key.code_at(at), known).await.is_ok());
    let delayed = house.prove(house.ada, &key.code_at(at), at).await;
    assert!(matches!(delayed, Err(SignInError::Delayed { .. })), "elsewhere they wait: {delayed:?}");
    for _ in 0..5 {
        assert!(failed(&prove(&wrong(&key, at), known).await));
    }
    let delayed = prove(&wrong(&key, at), known).await;
    assert!(matches!(delayed, Err(SignInError::Delayed { .. })), "nor is a device a way around: {delayed:?}");
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
