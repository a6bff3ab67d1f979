//! Passkeys, security keys and their ceremonies, on a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crate::house::{House, NOW};
use cedargate_identity::{
    AddCredentialError, BeginCeremonyError, CeremonyPurpose, CreateSessionError, Device, FACTORS_MAX, FactorName,
    Factors, Grounds, Holder, HolderError, NewCeremony, SealedCredential, SessionSettings, Sessions, SignIn,
    SpendCeremonyError, UseCredentialError, UsedCredential, WebauthnCeremonies, WebauthnKind,
};
use cedargate_migrations::testing::each_engine;
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

    async fn begin(&self, session: SessionId, purpose: CeremonyPurpose) -> Uuid {
        let id = self.ceremonies.draw_id(NOW).unwrap();
        let new = NewCeremony { id, purpose, session, sealed_state: "sealed" };
        self.ceremonies.begin(self.house.acme, new, NOW).await.unwrap();
        id
    }

    async fn spend(&self, id: Uuid, session: SessionId) -> Result<String, SpendCeremonyError> {
        let purpose = CeremonyPurpose::StepUp;
        let spent = self.ceremonies.spend(self.house.acme, id, purpose, session, NOW).await?;
        Ok(spent.sealed_state)
    }
}

async fn sign_in(house: &House, sessions: &Sessions, principal: PrincipalId, level: u8) -> SessionId {
    let strength = AuthnStrength { level, methods: vec![AuthnMethod::Pwd] };
    let sign_in =
        SignIn { tenant: house.acme, principal, strength, replaces: None, remember: false, device: Device::default() };
    sessions.create(sign_in, NOW).await.unwrap().principal.session
}

#[each_engine]
async fn a_counter_only_grows_and_one_that_never_counted_may_stay() {
    let setting = Setting::new().await;
    let factor = setting.add(1, WebauthnKind::Passkey).await;
    let using = async |tenant, account, sign_count| {
        let used = UsedCredential { factor, sign_count };
        match setting.factors.use_credential(tenant, account, used, NOW).await {
            Ok(used) => {
                used.commit().await.unwrap();
                Ok(())
            }
            Err(error) => Err(error),
        }
    };
    let (acme, ada) = (setting.house.acme, setting.ada);
    for count in [0, 0, 7] {
        using(acme, ada, count).await.unwrap();
    }
    for count in [7, 3, 0] {
        assert!(matches!(using(acme, ada, count).await, Err(UseCredentialError::Regressed)), "{count}");
    }
    using(acme, ada, u32::MAX).await.unwrap();
    for (tenant, account) in [(setting.house.globex, ada), (acme, PrincipalId(Uuid::nil()))] {
        assert!(matches!(using(tenant, account, 9).await, Err(UseCredentialError::Gone)));
    }
    assert!(setting.factors.find_credential(setting.house.globex, &[1; 16]).await.unwrap().is_none());
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_gateways_that_see_one_counter_or_one_answer_at_once_one_believes_it() {
    let setting = Setting::new().await;
    let factor = setting.add(1, WebauthnKind::Passkey).await;
    let ceremony = setting.begin(setting.session, CeremonyPurpose::StepUp).await;
    let mut using = Vec::new();
    for _ in 0..4 {
        let pool = setting.house.another_process().await;
        let (tenant, account, session) = (setting.house.acme, setting.ada, setting.session);
        using.push(tokio::spawn(async move {
            let purpose = CeremonyPurpose::StepUp;
            let ceremonies = WebauthnCeremonies::new(pool.clone());
            let spent = ceremonies.spend(tenant, ceremony, purpose, session, NOW).await;
            let used = UsedCredential { factor, sign_count: 5 };
            let used = match Factors::new(pool).use_credential(tenant, account, used, NOW).await {
                Ok(used) => used.commit().await.is_ok(),
                Err(_) => false,
            };
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
        begun.push(setting.begin(setting.session, CeremonyPurpose::StepUp).await);
    }
    let mut open = 0;
    for id in begun {
        open += usize::from(setting.spend(id, setting.session).await.is_ok());
    }
    assert_eq!(open, 8);
    let id = setting.begin(setting.session, CeremonyPurpose::StepUp).await;
    setting.sessions.end(setting.house.acme, setting.session).await.unwrap();
    assert!(matches!(setting.spend(id, setting.session).await, Err(SpendCeremonyError::Unknown)));
    let new = NewCeremony { id, purpose: CeremonyPurpose::StepUp, session: setting.session, sealed_state: "sealed" };
    let refused = setting.ceremonies.begin(setting.house.acme, new, NOW).await;
    assert!(matches!(refused, Err(BeginCeremonyError::SessionGone(_))), "{refused:?}");
}

#[each_engine]
async fn ceremonies_that_are_long_over_are_forgotten() {
    let setting = Setting::new().await;
    let id = setting.begin(setting.session, CeremonyPurpose::StepUp).await;
    let spend = |at| setting.ceremonies.spend(setting.house.acme, id, CeremonyPurpose::StepUp, setting.session, at);
    let late = NOW.after(Duration::from_secs(11 * 60));
    let another = setting.ceremonies.draw_id(NOW).unwrap();
    let new =
        NewCeremony { id: another, purpose: CeremonyPurpose::StepUp, session: setting.session, sealed_state: "sealed" };
    setting.ceremonies.begin(setting.house.acme, new, late).await.unwrap();
    assert!(matches!(spend(late).await, Err(SpendCeremonyError::Unknown)), "cleared away");
}

/// The timeline that this stops: the key is removed, or another password set, while its owner's sign-in is on its way, and every session ends.
#[each_engine]
async fn a_sign_in_by_a_passkey_does_not_outlive_it() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let factor = setting.add(1, WebauthnKind::Passkey).await;
    let begin = async |sign_count| {
        let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Pwd] };
        let sign_in = SignIn {
            tenant: acme,
            principal: ada,
            strength,
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let grounds = Grounds { credential: Some(UsedCredential { factor, sign_count }), ..Grounds::default() };
        match setting.sessions.begin(sign_in, &grounds, NOW).await {
            Ok(begun) => Ok(setting.sessions.take_up_begun(begun.commit().await.unwrap())),
            Err(error) => Err(error),
        }
    };
    assert!(begin(5).await.is_ok());
    assert!(matches!(begin(5).await, Err(CreateSessionError::CounterRegressed)));
    let removed = setting.factors.remove(setting.holder(setting.session), factor, NOW).await.unwrap().unwrap();
    let _ = removed.commit().await.unwrap();
    assert!(matches!(begin(6).await, Err(CreateSessionError::CredentialGone)), "no alarm that there is a copy");
    assert_eq!(setting.sessions.list(acme, ada, NOW).await.unwrap().len(), 1, "the one that removed it");
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
