//! Second factors and what people do with their own sessions, on a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crate::house::{House, NOW};
use cedargate_identity::{
    Agent, Begun, Device, EnrolError, FACTORS_MAX, FactorName, Factors, PresentedToken, RECOVERY_CODES, RecoveryCode,
    SealedTotp, SessionSettings, Sessions, SignIn, StepUpError,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{AuthnMethod, AuthnStrength, FactorId, Micros, PrincipalId, ProofKind, SessionId, TenantId};
use uuid::Uuid;

fn after_secs(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

fn strength(level: u8, methods: &[AuthnMethod]) -> AuthnStrength {
    AuthnStrength { level, methods: methods.to_vec() }
}

struct Setting {
    house: House,
    factors: Factors,
    sessions: Sessions,
    ada: PrincipalId,
}

impl Setting {
    async fn new() -> Self {
        let house = House::new().await;
        let ada = house.account("ada@example.com", &[]).await;
        let factors = Factors::new(house.pool.clone());
        let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
        Self { house, factors, sessions, ada }
    }

    async fn sign_in(&self, at: Micros) -> Begun {
        let device = Device { address: Some([192, 0, 2, 7].into()), agent: Agent::of("a browser") };
        let sign_in = SignIn {
            tenant: self.house.acme,
            principal: self.ada,
            strength: strength(1, &[AuthnMethod::Pwd]),
            replaces: None,
            device,
        };
        self.sessions.create(sign_in, at).await.unwrap()
    }

    async fn knows(&self, begun: &Begun, at: Micros) -> bool {
        let token = PresentedToken::parse(&begun.token.expose()).unwrap();
        self.sessions.find(self.house.acme, &token, at).await.unwrap().is_some()
    }

    /// An enrolment that was begun.
    async fn begin(&self, at: Micros) -> FactorId {
        let new = SealedTotp {
            id: self.factors.draw_id(at).unwrap(),
            name: FactorName::parse("phone").unwrap(),
            sealed_secret: "sealed".to_owned(),
        };
        self.factors.begin_totp(self.house.acme, self.ada, &new, at).await.unwrap();
        new.id
    }

    async fn enrol(&self, at: Micros) -> FactorId {
        let factor = self.begin(at).await;
        assert!(self.factors.confirm_totp(self.house.acme, self.ada, factor, 100, at).await.unwrap());
        factor
    }

    fn elsewhere(&self) -> [(TenantId, PrincipalId); 2] {
        [(self.house.globex, self.ada), (self.house.acme, PrincipalId(Uuid::from_u128(99)))]
    }
}

#[each_engine]
async fn a_step_is_spent_once_and_never_a_former_one() {
    let setting = Setting::new().await;
    let factor = setting.enrol(NOW).await;
    let spend = |step| setting.factors.spend_totp(setting.house.acme, setting.ada, factor, step, after_secs(60));
    assert!(!spend(100).await.unwrap(), "the code that finished the enrolment");
    assert!(spend(102).await.unwrap());
    for spent in [102, 101, 0] {
        assert!(!spend(spent).await.unwrap(), "{spent}");
    }
    for (tenant, account) in setting.elsewhere() {
        assert!(!setting.factors.spend_totp(tenant, account, factor, 200, NOW).await.unwrap());
    }
    let [known] = <[_; 1]>::try_from(setting.factors.list(setting.house.acme, setting.ada).await.unwrap()).unwrap();
    assert_eq!((known.id, known.kind, known.last_used_at), (factor, ProofKind::Totp, Some(after_secs(60))));
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn of_gateways_that_spend_one_step_at_once_one_does() {
    let setting = Setting::new().await;
    let factor = setting.enrol(NOW).await;
    let mut spending = Vec::new();
    for _ in 0..4 {
        let elsewhere = Factors::new(setting.house.another_process().await);
        let (tenant, account) = (setting.house.acme, setting.ada);
        spending
            .push(tokio::spawn(async move { elsewhere.spend_totp(tenant, account, factor, 101, NOW).await.unwrap() }));
    }
    let mut spent = 0;
    for one in spending {
        spent += usize::from(one.await.unwrap());
    }
    assert_eq!(spent, 1);
}

#[each_engine]
async fn an_enrolment_counts_once_it_is_finished_and_only_in_time() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let factor = setting.begin(NOW).await;
    assert!(setting.factors.list(acme, ada).await.unwrap().is_empty());
    assert!(setting.factors.totps(acme, ada).await.unwrap().is_empty());
    assert!(!setting.factors.spend_totp(acme, ada, factor, 101, NOW).await.unwrap());
    assert!(setting.factors.pending_totp(acme, ada, factor, after_secs(60)).await.unwrap().is_some());
    for (tenant, account) in setting.elsewhere() {
        assert_eq!(setting.factors.pending_totp(tenant, account, factor, NOW).await.unwrap(), None);
        assert!(!setting.factors.confirm_totp(tenant, account, factor, 100, NOW).await.unwrap());
    }
    let late = after_secs(30 * 60);
    assert_eq!(setting.factors.pending_totp(acme, ada, factor, late).await.unwrap(), None);
    assert!(!setting.factors.confirm_totp(acme, ada, factor, 100, late).await.unwrap());
    assert!(setting.factors.confirm_totp(acme, ada, factor, 100, NOW).await.unwrap());
    assert!(!setting.factors.confirm_totp(acme, ada, factor, 100, NOW).await.unwrap(), "it is finished");
    assert_eq!(setting.factors.pending_totp(acme, ada, factor, NOW).await.unwrap(), None);
}

#[each_engine]
async fn an_account_has_a_bounded_number_of_factors() {
    let setting = Setting::new().await;
    for _ in 0..FACTORS_MAX {
        setting.enrol(NOW).await;
    }
    let one_more = SealedTotp {
        id: setting.factors.draw_id(NOW).unwrap(),
        name: FactorName::parse("one more").unwrap(),
        sealed_secret: "sealed".to_owned(),
    };
    let refused = setting.factors.begin_totp(setting.house.acme, setting.ada, &one_more, NOW).await;
    assert!(matches!(refused, Err(EnrolError::TooMany)));
}

#[each_engine]
async fn a_recovery_code_counts_once_and_for_its_account_alone() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let codes = setting.factors.draw_recovery_codes(acme, ada, NOW).await.unwrap();
    assert_eq!(codes.len(), RECOVERY_CODES);
    let code = codes.first().unwrap();
    for (tenant, account) in setting.elsewhere() {
        assert!(!setting.factors.spend_recovery_code(tenant, account, code).await.unwrap());
    }
    assert!(setting.factors.spend_recovery_code(acme, ada, code).await.unwrap());
    assert!(!setting.factors.spend_recovery_code(acme, ada, code).await.unwrap());
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), RECOVERY_CODES - 1);

    let never_drawn = RecoveryCode::parse(&"a".repeat(24)).unwrap();
    assert!(!setting.factors.spend_recovery_code(acme, ada, &never_drawn).await.unwrap());
    let _ = setting.factors.draw_recovery_codes(acme, ada, NOW).await.unwrap();
    let former = codes.last().unwrap();
    assert!(!setting.factors.spend_recovery_code(acme, ada, former).await.unwrap(), "replaced by new ones");
}

#[each_engine]
async fn a_removed_factor_ends_every_other_session_and_the_last_one_takes_the_codes() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let [first, second] = [setting.enrol(NOW).await, setting.enrol(NOW).await];
    let _ = setting.factors.draw_recovery_codes(acme, ada, NOW).await.unwrap();
    let [own, other] = [setting.sign_in(NOW).await, setting.sign_in(NOW).await];
    assert!(setting.knows(&other, NOW).await);
    let keep = own.principal.session;
    for (tenant, account) in setting.elsewhere() {
        assert!(setting.factors.remove(tenant, account, first, keep).await.unwrap().is_none());
    }
    let removed = setting.factors.remove(acme, ada, first, keep).await.unwrap().unwrap();
    setting.sessions.forget_ended(&removed);
    assert_eq!((removed.kind, removed.ended.as_slice()), (ProofKind::Totp, [other.principal.session].as_slice()));
    assert!(!setting.knows(&other, NOW).await, "at once, although it was in memory");
    assert!(setting.knows(&own, NOW).await);
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), RECOVERY_CODES);
    let _ = setting.factors.remove(acme, ada, second, keep).await.unwrap().unwrap();
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), 0);
}

#[each_engine]
async fn whoever_lost_everything_starts_anew_and_is_signed_out() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    setting.enrol(NOW).await;
    let _ = setting.factors.draw_recovery_codes(acme, ada, NOW).await.unwrap();
    let session = setting.sign_in(NOW).await;
    assert_eq!(setting.factors.remove_all(acme, ada).await.unwrap(), 1);
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), 0);
    assert!(setting.factors.list(acme, ada).await.unwrap().is_empty());
    assert!(!setting.knows(&session, after_secs(3)).await);
}

#[each_engine]
async fn a_step_up_is_the_same_person_with_another_token() {
    let setting = Setting::new().await;
    let before = setting.sign_in(NOW).await;
    assert!(setting.knows(&before, NOW).await);
    let later = after_secs(600);
    let proven = strength(2, &[AuthnMethod::Otp]);
    let acme = setting.house.acme;
    let after = setting.sessions.step_up(acme, before.principal.session, proven.clone(), later).await.unwrap();
    assert!(!setting.knows(&before, later).await, "at once, although it was in memory");
    assert!(setting.knows(&after, later).await);
    assert_eq!(after.principal.id, before.principal.id);
    assert_ne!(after.principal.session, before.principal.session);
    assert_eq!(after.principal.strength, strength(2, &[AuthnMethod::Pwd, AuthnMethod::Otp]));
    assert_eq!(after.principal.authenticated_at, later);
    assert_eq!(after.expires_at, before.expires_at, "proving it again does not make a session live longer");

    let [shown] = <[_; 1]>::try_from(setting.sessions.list(acme, setting.ada, later).await.unwrap()).unwrap();
    assert_eq!((shown.id, shown.began_at), (after.principal.session, NOW));
    assert_eq!(shown.device.agent.as_ref().map(Agent::as_str), Some("a browser"));
    assert_eq!(shown.device.address, Some([192, 0, 2, 7].into()));

    let gone = setting.sessions.step_up(acme, before.principal.session, proven, later).await;
    assert!(matches!(gone, Err(StepUpError::SessionGone(_))), "{gone:?}");
}

#[each_engine]
async fn what_is_weaker_or_over_or_another_tenants_does_not_step_up() {
    let setting = Setting::new().await;
    let acme = setting.house.acme;
    let begun = setting.sign_in(NOW).await;
    let otp = strength(2, &[AuthnMethod::Otp]);
    let begun = setting.sessions.step_up(acme, begun.principal.session, otp.clone(), NOW).await.unwrap();
    let session = begun.principal.session;
    let weaker = setting.sessions.step_up(acme, session, strength(1, &[AuthnMethod::Pwd]), NOW).await;
    assert!(matches!(weaker, Err(StepUpError::TooWeak { has: 2, proven: 1 })), "{weaker:?}");
    assert!(setting.knows(&begun, NOW).await, "and the session goes on");
    let elsewhere = setting.sessions.step_up(setting.house.globex, session, otp.clone(), NOW).await;
    assert!(matches!(elsewhere, Err(StepUpError::SessionGone(_))));
    let late = setting.sessions.step_up(acme, session, otp, begun.expires_at).await;
    assert!(matches!(late, Err(StepUpError::SessionGone(_))));
}

#[each_engine]
async fn people_end_their_own_sessions_and_nobody_elses() {
    let setting = Setting::new().await;
    let acme = setting.house.acme;
    let [own, other, third] = [setting.sign_in(NOW).await, setting.sign_in(NOW).await, setting.sign_in(NOW).await];
    assert!(setting.knows(&other, NOW).await);
    let session = other.principal.session;
    for (tenant, account) in setting.elsewhere() {
        assert!(!setting.sessions.end_own(tenant, account, session).await.unwrap());
        assert_eq!(setting.sessions.end_others(tenant, account, session).await.unwrap(), []);
    }
    assert!(!setting.sessions.end_own(acme, setting.ada, SessionId(Uuid::from_u128(5))).await.unwrap());
    assert!(setting.sessions.end_own(acme, setting.ada, session).await.unwrap());
    assert!(!setting.knows(&other, NOW).await);
    let ended = setting.sessions.end_others(acme, setting.ada, own.principal.session).await.unwrap();
    assert_eq!(ended, [third.principal.session]);
    assert!(setting.knows(&own, NOW).await && !setting.knows(&third, NOW).await);
}

#[each_engine]
async fn the_list_of_sessions_has_live_ones_only() {
    let setting = Setting::new().await;
    let acme = setting.house.acme;
    let _ = setting.sign_in(NOW).await;
    let fresh = setting.sign_in(after_secs(50 * 60)).await;
    let shown = setting.sessions.list(acme, setting.ada, after_secs(61 * 60)).await.unwrap();
    assert_eq!(shown.iter().map(|session| session.id).collect::<Vec<_>>(), [fresh.principal.session]);
}
