//! Passkeys, security keys and their ceremonies, on a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crate::house::{House, NOW};
use cedargate_identity::{
    AddCredentialError, BeginCeremonyError, BrowserSecret, CeremonyBinding, CeremonyPurpose, Device, FACTORS_MAX,
    FactorName, Factors, Holder, HolderError, NewCeremony, SealedCredential, SessionSettings, Sessions, SignIn,
    SpendCeremonyError, WebauthnCeremonies, WebauthnKind,
};
use cedargate_migrations::testing::{Engine, each_engine};
use cedargate_model::{AuthnMethod, AuthnStrength, FactorId, PrincipalId, ProofKind, SessionId};
use uuid::Uuid;

struct Setting {
    house: House,
    factors: Factors,
    ceremonies: WebauthnCeremonies,
    sessions: Sessions,
    ada: PrincipalId,
    session: SessionId,
}

impl Setting {
    async fn new() -> Self {
        let house = House::new().await;
        let ada = house.account("ada@example.com", &[]).await;
        let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
        let (factors, ceremonies) = (Factors::new(house.pool.clone()), WebauthnCeremonies::new(house.pool.clone()));
        let session = sign_in(&house, &sessions, ada, 2).await;
        Self { house, factors, ceremonies, sessions, ada, session }
    }

    fn holder(&self, session: SessionId) -> Holder {
        Holder { tenant: self.house.acme, account: self.ada, session }
    }

    fn credential(&self, octet: u8, kind: WebauthnKind) -> SealedCredential {
        SealedCredential {
            id: self.factors.draw_id(NOW).unwrap(),
            account: self.ada,
            kind,
            name: FactorName::parse("key").unwrap(),
            rp_id: "acme.localhost".to_owned(),
            credential_id: vec![octet; 16],
            sealed_key: "sealed".to_owned(),
            sign_count: 0,
        }
    }

    async fn add(&self, octet: u8, kind: WebauthnKind) -> FactorId {
        let new = self.credential(octet, kind);
        let added = self.factors.add_credential(self.holder(self.session), &new, NOW).await.unwrap();
        let _ = added.commit().await.unwrap();
        new.id
    }

    async fn begin(&self, binding: CeremonyBinding<'_>, purpose: CeremonyPurpose) -> Uuid {
        let id = self.ceremonies.draw_id(NOW).unwrap();
        let new = NewCeremony { id, purpose, binding, sealed_state: "sealed" };
        self.ceremonies.begin(self.house.acme, new, NOW).await.unwrap();
        id
    }

    async fn spend(&self, id: Uuid, session: SessionId) -> Result<String, SpendCeremonyError> {
        let purpose = CeremonyPurpose::StepUp;
        let spent = self.ceremonies.spend(self.house.acme, id, purpose, Some(session), None, NOW).await?;
        Ok(spent.sealed_state)
    }
}

async fn sign_in(house: &House, sessions: &Sessions, principal: PrincipalId, level: u8) -> SessionId {
    let strength = AuthnStrength { level, methods: vec![AuthnMethod::Pwd] };
    let sign_in = SignIn { tenant: house.acme, principal, strength, replaces: None, device: Device::default() };
    sessions.create(sign_in, NOW).await.unwrap().principal.session
}

#[each_engine]
async fn a_counter_only_grows_and_one_that_never_counted_may_stay() {
    let setting = Setting::new().await;
    let factor = setting.add(1, WebauthnKind::Passkey).await;
    let used = |count| setting.factors.use_credential(setting.house.acme, setting.ada, factor, count, NOW);
    assert!(used(0).await.unwrap() && used(0).await.unwrap());
    assert!(used(7).await.unwrap());
    for count in [7, 3, 0] {
        assert!(!used(count).await.unwrap(), "{count}");
    }
    assert!(used(u32::MAX).await.unwrap());
    for (tenant, account) in [(setting.house.globex, setting.ada), (setting.house.acme, PrincipalId(Uuid::nil()))] {
        assert!(!setting.factors.use_credential(tenant, account, factor, 9, NOW).await.unwrap());
    }
    assert!(setting.factors.find_credential(setting.house.globex, &[1; 16]).await.unwrap().is_none());
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_gateways_that_see_one_counter_or_one_answer_at_once_one_believes_it() {
    let setting = Setting::new().await;
    let factor = setting.add(1, WebauthnKind::Passkey).await;
    let ceremony = setting.begin(CeremonyBinding::Session(setting.session), CeremonyPurpose::StepUp).await;
    let mut using = Vec::new();
    for _ in 0..4 {
        let pool = setting.house.another_process().await;
        let (tenant, account, session) = (setting.house.acme, setting.ada, setting.session);
        using.push(tokio::spawn(async move {
            let purpose = CeremonyPurpose::StepUp;
            let ceremonies = WebauthnCeremonies::new(pool.clone());
            let spent = ceremonies.spend(tenant, ceremony, purpose, Some(session), None, NOW).await;
            let used = Factors::new(pool).use_credential(tenant, account, factor, 5, NOW).await.unwrap();
            (spent.is_ok(), used)
        }));
    }
    let (mut spent, mut used) = (0, 0);
    for one in using {
        let (this_spent, this_used) = one.await.unwrap();
        spent += usize::from(this_spent);
        used += usize::from(this_used);
    }
    assert_eq!((spent, used), (1, 1));
}

#[each_engine]
async fn a_session_keeps_few_ceremonies_and_takes_them_with_it() {
    let setting = Setting::new().await;
    let mut begun = Vec::new();
    for _ in 0..10 {
        begun.push(setting.begin(CeremonyBinding::Session(setting.session), CeremonyPurpose::StepUp).await);
    }
    let mut open = 0;
    for id in begun {
        open += usize::from(setting.spend(id, setting.session).await.is_ok());
    }
    assert_eq!(open, 8);
    let id = setting.begin(CeremonyBinding::Session(setting.session), CeremonyPurpose::StepUp).await;
    setting.sessions.end(setting.house.acme, setting.session).await.unwrap();
    assert!(matches!(setting.spend(id, setting.session).await, Err(SpendCeremonyError::Unknown)));
    let new = NewCeremony {
        id,
        purpose: CeremonyPurpose::StepUp,
        binding: CeremonyBinding::Session(setting.session),
        sealed_state: "sealed",
    };
    let refused = setting.ceremonies.begin(setting.house.acme, new, NOW).await;
    assert!(matches!(refused, Err(BeginCeremonyError::SessionGone(_))), "{refused:?}");
}

#[each_engine]
async fn a_browsers_ceremony_is_found_by_its_secret_alone() {
    let setting = Setting::new().await;
    let [own, other] = [BrowserSecret::draw().unwrap(), BrowserSecret::draw().unwrap()];
    let id = setting.begin(CeremonyBinding::Browser(&own), CeremonyPurpose::SignIn).await;
    let spend = |session, browser, at| {
        setting.ceremonies.spend(setting.house.acme, id, CeremonyPurpose::SignIn, session, browser, at)
    };
    assert!(matches!(spend(None, Some(&other), NOW).await, Err(SpendCeremonyError::BrowserDiffers)));
    assert!(matches!(spend(None, None, NOW).await, Err(SpendCeremonyError::BrowserDiffers)));
    assert!(matches!(spend(Some(setting.session), Some(&own), NOW).await, Err(SpendCeremonyError::Unknown)));
    assert!(matches!(setting.spend(id, setting.session).await, Err(SpendCeremonyError::Unknown)));
    assert!(spend(None, Some(&own), NOW).await.is_ok());
    assert!(matches!(spend(None, Some(&own), NOW).await, Err(SpendCeremonyError::Spent)));
    let late = NOW.after(Duration::from_secs(11 * 60));
    setting.begin(CeremonyBinding::Browser(&own), CeremonyPurpose::SignIn).await;
    let another = setting.ceremonies.draw_id(NOW).unwrap();
    let new = NewCeremony {
        id: another,
        purpose: CeremonyPurpose::SignIn,
        binding: CeremonyBinding::Browser(&own),
        sealed_state: "sealed",
    };
    setting.ceremonies.begin(setting.house.acme, new, late).await.unwrap();
    assert!(matches!(spend(None, Some(&own), late).await, Err(SpendCeremonyError::Unknown)), "cleared away");
}

#[each_engine]
async fn strangers_who_begin_many_end_the_oldest_of_strangers_alone() {
    let setting = Setting::new().await;
    let of_session = setting.begin(CeremonyBinding::Session(setting.session), CeremonyPurpose::StepUp).await;
    let browser = BrowserSecret::draw().unwrap();
    // As many as there may be, the oldest first in the row, and one row to spare.
    let many = match Engine::current() {
        Engine::Sqlite => {
            "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 20000)
             INSERT INTO webauthn_ceremonies (tenant_id, id, purpose, session_id, browser_hash, sealed_state, expires_at)
             SELECT t.id, randomblob(16), 'sign_in', NULL, randomblob(32), 'sealed', 1700000000000000 + n
             FROM counted CROSS JOIN tenants AS t WHERE t.name = 'acme'"
        }
        Engine::Postgres => {
            "INSERT INTO webauthn_ceremonies (tenant_id, id, purpose, session_id, browser_hash, sealed_state, expires_at)
             SELECT t.id, gen_random_uuid(), 'sign_in', NULL, decode(repeat('00', 32), 'hex'), 'sealed', 1700000000000000 + n
             FROM generate_series(1, 20000) AS n CROSS JOIN tenants AS t WHERE t.name = 'acme'"
        }
    };
    let mut operator = setting.house.store.operator().await;
    operator.run(many).await;
    let mine = setting.begin(CeremonyBinding::Browser(&browser), CeremonyPurpose::SignIn).await;
    let strangers = "SELECT COUNT(*) FROM webauthn_ceremonies WHERE session_id IS NULL";
    assert_eq!(operator.number(strangers).await, 20_000);
    assert_eq!(operator.number("SELECT MIN(expires_at) FROM webauthn_ceremonies").await, 1_700_000_000_000_002);
    let spent = setting.ceremonies.spend(setting.house.acme, mine, CeremonyPurpose::SignIn, None, Some(&browser), NOW);
    assert!(spent.await.is_ok());
    assert!(setting.spend(of_session, setting.session).await.is_ok());
}

#[each_engine]
async fn factors_of_all_kinds_are_one_list_with_one_bound() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let passkey = setting.add(1, WebauthnKind::Passkey).await;
    let key = setting.add(2, WebauthnKind::SecurityKey).await;
    let listed = setting.factors.list(acme, ada).await.unwrap();
    let kind = |id| listed.iter().find(|factor| factor.id == id).map(|factor| factor.kind);
    assert_eq!(listed.len(), 2);
    assert_eq!((kind(passkey), kind(key)), (Some(ProofKind::Passkey), Some(ProofKind::SecurityKey)));
    let other = setting.credential(2, WebauthnKind::Passkey);
    let known = setting.factors.add_credential(setting.holder(setting.session), &other, NOW).await;
    assert!(matches!(known, Err(AddCredentialError::Known)), "{known:?}");

    let weak = sign_in(&setting.house, &setting.sessions, ada, 1).await;
    let another = setting.credential(3, WebauthnKind::Passkey);
    let refused = setting.factors.add_credential(setting.holder(weak), &another, NOW).await;
    assert!(matches!(refused, Err(AddCredentialError::Holder(HolderError::TooWeak))), "{refused:?}");
    let nobody = setting.holder(SessionId(Uuid::nil()));
    let refused = setting.factors.add_credential(nobody, &another, NOW).await;
    assert!(matches!(refused, Err(AddCredentialError::Holder(HolderError::SessionOver))), "{refused:?}");
    for octet in 3..=u8::try_from(FACTORS_MAX).unwrap() {
        setting.add(octet, WebauthnKind::Passkey).await;
    }
    let one_more = setting.credential(200, WebauthnKind::Passkey);
    let refused = setting.factors.add_credential(setting.holder(setting.session), &one_more, NOW).await;
    assert!(matches!(refused, Err(AddCredentialError::TooMany)), "{refused:?}");
    assert_eq!(setting.factors.credentials(acme, ada, "acme.localhost").await.unwrap().len(), FACTORS_MAX);
    assert!(setting.factors.credentials(acme, ada, "www.acme.localhost").await.unwrap().is_empty());
}

#[each_engine]
async fn one_person_is_one_handle_in_one_tenant() {
    let setting = Setting::new().await;
    let bob = setting.house.account("bob@example.com", &[]).await;
    let of = |account| setting.factors.user_handle(setting.house.acme, account, NOW);
    let (ada, again, bob) = (of(setting.ada).await.unwrap(), of(setting.ada).await.unwrap(), of(bob).await.unwrap());
    assert_eq!(ada, again);
    assert_ne!(ada, bob);
    assert_eq!(format!("{ada:?}"), "UserHandle(..)");
}
