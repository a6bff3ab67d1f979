//! Second factors and what people do with their own sessions, on a real store.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use crate::house::{House, NOW, hash};
use cedargate_identity::{
    Agent, Begun, Device, DeviceId, DrawCodesError, EnrolError, FACTORS_FRESH, FACTORS_MAX, FactorName, Factors,
    GuessedAt, Guesses, Holder, HolderError, OperatorEvents, Passkeys, PresentedToken, ProofGuesses, RECOVERY_CODES,
    Ready, RecoveryCode, SealedTotp, SessionSettings, Sessions, Shown, SignIn, StepUpError, StoreError,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{
    AccountAct, AuthnMethod, AuthnStrength, By, EventBody, FactorId, Micros, PrincipalId, ProofKind, SessionId,
    TenantId,
};
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
            remember: false,
            device,
        };
        self.sessions.create(sign_in, at).await.unwrap()
    }

    async fn knows(&self, begun: &Begun, at: Micros) -> bool {
        let token = PresentedToken::parse(&begun.token.expose()).unwrap();
        self.sessions.find(self.house.acme, &token, at).await.unwrap().is_some()
    }

    fn holder(&self, begun: &Begun) -> Holder {
        Holder { tenant: self.house.acme, account: self.ada, session: begun.principal.session }
    }

    /// A session that has proved a factor.
    async fn strong(&self, at: Micros) -> Holder {
        let begun = self.sign_in(at).await;
        let otp = strength(2, &[AuthnMethod::Otp]);
        let stronger = self.sessions.step_up(self.house.acme, begun.principal.session, otp, at).await.unwrap();
        self.holder(&self.sessions.take_up(stronger.commit().await.unwrap()))
    }

    fn app(&self, at: Micros) -> SealedTotp {
        SealedTotp {
            id: self.factors.draw_id(at).unwrap(),
            name: FactorName::parse("phone").unwrap(),
            sealed_secret: "sealed".to_owned(),
        }
    }

    /// An enrolment that was begun.
    async fn begin(&self, holder: Holder, at: Micros) -> FactorId {
        let new = self.app(at);
        self.factors.begin_totp(holder, &new, Shown::Password, at).await.unwrap();
        new.id
    }

    async fn confirm(&self, holder: Holder, factor: FactorId, at: Micros) -> bool {
        match self.factors.confirm_totp(holder, factor, 100, at).await {
            Ok(Some(ready)) => ready.commit().await.map(|_| true).unwrap(),
            Ok(None) | Err(EnrolError::Holder(HolderError::SessionOver)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn enrol(&self, at: Micros) -> FactorId {
        let holder = self.strong(at).await;
        let factor = self.begin(holder, at).await;
        assert!(self.confirm(holder, factor, at).await);
        factor
    }

    async fn codes(&self, at: Micros) -> Vec<RecoveryCode> {
        let drawn = self.factors.draw_recovery_codes(self.strong(at).await, at).await.unwrap();
        drawn.unwrap().commit().await.unwrap()
    }

    fn elsewhere(&self) -> [(TenantId, PrincipalId); 2] {
        [(self.house.globex, self.ada), (self.house.acme, PrincipalId(Uuid::from_u128(99)))]
    }
}

/// What a request that was let through with a session may not do once the session is over, or too old for it.
/// Whether what was shown counts, once it is committed.
async fn counts(spent: Result<Option<Ready<()>>, StoreError>) -> bool {
    match spent.unwrap() {
        Some(spent) => spent.commit().await.is_ok(),
        None => false,
    }
}

#[each_engine]
async fn a_session_that_is_over_or_old_changes_no_factor() {
    let setting = Setting::new().await;
    let factor = setting.enrol(NOW).await;
    let ended = setting.strong(NOW).await;
    let pending = setting.begin(ended, NOW).await;
    assert!(setting.sessions.end(setting.house.acme, ended.session).await.unwrap());
    let old = setting.strong(NOW).await;
    let of_another = Holder { account: PrincipalId(Uuid::from_u128(99)), ..setting.strong(NOW).await };
    let late = NOW.after(FACTORS_FRESH + Duration::from_secs(1));
    for (holder, at) in [(ended, NOW), (of_another, NOW), (old, late)] {
        let refused = |error: &HolderError| match error {
            HolderError::SessionOver => at == NOW,
            HolderError::TooOld => at == late,
            HolderError::TooWeak | HolderError::Unconfirmed | HolderError::Store(_) => false,
        };
        let (store, name) = (&setting.factors, FactorName::parse("mine").unwrap());
        let begun = store.begin_totp(holder, &setting.app(at), Shown::Password, at).await;
        assert!(matches!(begun, Err(EnrolError::Holder(error)) if refused(&error)));
        let confirmed = store.confirm_totp(holder, pending, 100, at).await;
        assert!(matches!(confirmed, Err(EnrolError::Holder(error)) if refused(&error)));
        assert!(store.rename(holder, factor, &name, at).await.is_err_and(|error| refused(&error)));
        assert!(store.remove(holder, factor, at).await.is_err_and(|error| refused(&error)));
        let drawn = store.draw_recovery_codes(holder, at).await;
        assert!(matches!(drawn, Err(DrawCodesError::Holder(error)) if refused(&error)));
        assert!(store.pending_totp(ended, pending, at).await.unwrap().is_none(), "it went with its session");
    }
    let known = setting.factors.list(setting.house.acme, setting.ada).await.unwrap();
    assert_eq!(known.iter().map(|known| (known.id, known.name.as_str())).collect::<Vec<_>>(), [(factor, "phone")]);
}

#[each_engine]
async fn who_has_a_factor_has_proved_one_and_who_has_none_shows_more_than_a_cookie() {
    let setting = Setting::new().await;
    let weak = setting.holder(&setting.sign_in(NOW).await);
    let begin = async |holder, shown| setting.factors.begin_totp(holder, &setting.app(NOW), shown, NOW).await;
    for holder in [weak, setting.strong(NOW).await] {
        let unconfirmed = begin(holder, Shown::Nothing).await;
        assert!(matches!(unconfirmed, Err(EnrolError::Holder(HolderError::Unconfirmed))), "{unconfirmed:?}");
        assert!(matches!(setting.factors.may_enrol(holder, NOW).await, Err(HolderError::Unconfirmed)));
    }
    let pending = setting.begin(weak, NOW).await;
    let factor = setting.enrol(NOW).await;
    let weaker = setting.factors.confirm_totp(weak, pending, 100, NOW).await;
    assert!(matches!(weaker, Err(EnrolError::Holder(HolderError::TooWeak))), "another one was first");
    assert!(matches!(begin(weak, Shown::Password).await, Err(EnrolError::Holder(HolderError::TooWeak))));
    assert!(matches!(setting.factors.remove(weak, factor, NOW).await, Err(HolderError::TooWeak)));
    assert!(begin(setting.strong(NOW).await, Shown::Nothing).await.is_ok());
}

#[each_engine]
async fn the_key_of_an_enrolment_is_its_own_sessions_alone() {
    let setting = Setting::new().await;
    let [own, other] = [setting.strong(NOW).await, setting.strong(NOW).await];
    let factor = setting.begin(own, NOW).await;
    assert!(setting.factors.pending_totp(own, factor, NOW).await.unwrap().is_some());
    assert!(setting.factors.pending_totp(other, factor, NOW).await.unwrap().is_none());
    assert!(!setting.confirm(other, factor, NOW).await);
    let _ = setting.begin(other, NOW).await;
    assert!(setting.factors.pending_totp(own, factor, NOW).await.unwrap().is_some(), "nor is it anybody's to replace");
    let again = setting.begin(own, NOW).await;
    assert!(setting.factors.pending_totp(own, factor, NOW).await.unwrap().is_none(), "but its own");
    assert!(setting.factors.pending_totp(own, again, NOW).await.unwrap().is_some());
    let rows = async || {
        let mut tx = setting.house.pool.tenant(setting.house.acme).read().await.unwrap();
        let count = tx.query("SELECT COUNT(*) FROM totp_enrolments WHERE tenant_id = $1");
        count.fetch_one::<(i64,)>().await.unwrap().0
    };
    assert_eq!(rows().await, 2);
    assert!(setting.sessions.end(setting.house.acme, own.session).await.unwrap());
    assert_eq!(rows().await, 1);
    let _ = setting.sessions.maintain(after_secs(30 * 60)).await.unwrap();
    assert_eq!(rows().await, 0, "what took too long is cleared away");
}

#[each_engine]
async fn what_is_not_committed_did_not_happen() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let factor = setting.enrol(NOW).await;
    let [holder, other] = [setting.strong(NOW).await, setting.strong(NOW).await];
    let removed = setting.factors.remove(holder, factor, NOW).await.unwrap().unwrap();
    assert!(removed.change().ended.contains(&other.session));
    drop(removed);
    drop(setting.factors.rename(holder, factor, &FactorName::parse("x").unwrap(), NOW).await.unwrap().unwrap());
    let drawn = setting.factors.draw_recovery_codes(holder, NOW).await.unwrap().unwrap();
    let never_shown = drawn.change().first().unwrap().expose();
    drop(drawn);
    let code = RecoveryCode::parse(&never_shown).unwrap();
    assert!(!counts(setting.factors.spend_recovery_code(acme, ada, &code).await).await);
    let otp = strength(2, &[AuthnMethod::Otp]);
    drop(setting.sessions.step_up(acme, holder.session, otp, NOW).await.unwrap());
    let known = setting.factors.list(acme, ada).await.unwrap();
    assert_eq!(known.iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["phone"]);
    let sessions = setting.sessions.list(acme, ada, NOW).await.unwrap();
    assert!([holder, other].iter().all(|holder| sessions.iter().any(|known| known.id == holder.session)));
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), RECOVERY_CODES);
}

/// Somebody who had the account for a while may have made thousands known.
#[each_engine]
async fn many_known_devices_have_no_more_guesses_than_a_few() {
    let setting = Setting::new().await;
    let (tenant, account) = (setting.house.acme, setting.ada);
    let guesses = setting.factors.guesses();
    let at = |n: u8| GuessedAt { kind: ProofKind::Totp, device: Some(DeviceId([n; 8])) };
    let more = |known: Option<Guesses>| Ok(Guesses { count: known.map_or(0, |k| k.count) + 1, last_at: NOW });
    for n in 0..40 {
        guesses.count(tenant, account, at(n), NOW, more).await.unwrap().unwrap();
    }
    let known = async |at: GuessedAt, now: Micros| {
        let mut found = None;
        let look = |known: Option<Guesses>| {
            found = known.map(|known| known.count);
            Err(Duration::ZERO)
        };
        assert!(guesses.count(tenant, account, at, now, look).await.unwrap().is_err());
        found
    };
    assert_eq!(known(at(0), NOW).await, Some(1), "a device of its own");
    let shared = known(GuessedAt::from_anywhere(ProofKind::Totp), NOW).await;
    assert!(shared.is_some_and(|shared| shared >= 28), "{shared:?}");
    assert_eq!(known(at(39), NOW).await, shared, "one of too many");
    assert_eq!(guesses.devices_since(tenant, account).await.unwrap(), Some(Micros(0)));
    setting.house.accounts.set_password(tenant, account, &hash('b'), Passkeys::Kept, NOW).await.unwrap();
    assert_eq!(guesses.devices_since(tenant, account).await.unwrap(), Some(NOW), "none from before is known any more");
}

#[each_engine(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_at_several_gateways_are_counted_one_by_one() {
    let setting = Setting::new().await;
    let (tenant, account) = (setting.house.acme, setting.ada);
    let mut counting = Vec::new();
    for _ in 0..4 {
        let guesses = ProofGuesses::new(setting.house.another_process().await);
        counting.push(tokio::spawn(async move {
            let more = |known: Option<Guesses>| Ok(Guesses { count: known.map_or(0, |k| k.count) + 1, last_at: NOW });
            for _ in 0..5 {
                guesses
                    .count(tenant, account, GuessedAt::from_anywhere(ProofKind::Totp), NOW, more)
                    .await
                    .unwrap()
                    .unwrap();
            }
        }));
    }
    for one in counting {
        one.await.unwrap();
    }
    let guesses = setting.factors.guesses();
    let known = async |kind| {
        let mut found = None;
        let look = |known| {
            found = known;
            Err(Duration::ZERO)
        };
        assert!(guesses.count(tenant, account, GuessedAt::from_anywhere(kind), NOW, look).await.unwrap().is_err());
        found
    };
    assert_eq!(known(ProofKind::Totp).await, Some(Guesses { count: 20, last_at: NOW }));
    assert_eq!(known(ProofKind::Password).await, None, "each kind by itself");
    guesses.uncount(tenant, account, GuessedAt::from_anywhere(ProofKind::Totp)).await.unwrap();
    assert_eq!(known(ProofKind::Totp).await, Some(Guesses { count: 19, last_at: NOW }));
    guesses.forget(tenant, account, GuessedAt::from_anywhere(ProofKind::Totp)).await.unwrap();
    guesses.uncount(tenant, account, GuessedAt::from_anywhere(ProofKind::Totp)).await.unwrap();
    assert_eq!(known(ProofKind::Totp).await, None);
}

#[each_engine]
async fn a_step_is_spent_once_and_never_a_former_one() {
    let setting = Setting::new().await;
    let factor = setting.enrol(NOW).await;
    let spend = |step| setting.factors.spend_totp(setting.house.acme, setting.ada, factor, step, after_secs(60));
    assert!(!counts(spend(100).await).await, "the code that finished the enrolment");
    assert!(counts(spend(102).await).await);
    for spent in [102, 101, 0] {
        assert!(!counts(spend(spent).await).await, "{spent}");
    }
    for (tenant, account) in setting.elsewhere() {
        assert!(!counts(setting.factors.spend_totp(tenant, account, factor, 200, NOW).await).await);
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
        spending.push(tokio::spawn(async move {
            counts(elsewhere.spend_totp(tenant, account, factor, 101, NOW).await).await
        }));
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
    // A session that stays fresh for longer than an enrolment may take.
    let late = after_secs(30 * 60);
    let renewed = async |holder: Holder| {
        let mut tx = setting.house.pool.tenant(acme).begin().await.unwrap();
        let renew =
            tx.query("UPDATE sessions SET authenticated_at = $2, last_seen_at = $2 WHERE tenant_id = $1 AND id = $3");
        renew.bind(late.0).bind(holder.session.0).execute().await.unwrap();
        tx.commit().await.unwrap();
    };
    let holder = setting.strong(NOW).await;
    let factor = setting.begin(holder, NOW).await;
    assert!(setting.factors.list(acme, ada).await.unwrap().is_empty());
    assert!(setting.factors.totps(acme, ada).await.unwrap().is_empty());
    assert!(!counts(setting.factors.spend_totp(acme, ada, factor, 101, NOW).await).await);
    assert!(setting.factors.pending_totp(holder, factor, after_secs(60)).await.unwrap().is_some());
    for (tenant, account) in setting.elsewhere() {
        let other = Holder { tenant, account, ..holder };
        assert_eq!(setting.factors.pending_totp(other, factor, NOW).await.unwrap(), None);
        assert!(!setting.confirm(other, factor, NOW).await);
    }
    renewed(holder).await;
    assert_eq!(setting.factors.pending_totp(holder, factor, late).await.unwrap(), None);
    assert!(!setting.confirm(holder, factor, late).await);
    assert!(setting.confirm(holder, factor, NOW).await);
    assert!(!setting.confirm(holder, factor, NOW).await, "it is finished");
    assert_eq!(setting.factors.pending_totp(holder, factor, NOW).await.unwrap(), None);
}

#[each_engine]
async fn an_account_has_a_bounded_number_of_factors() {
    let setting = Setting::new().await;
    let holder = setting.strong(NOW).await;
    let pending = setting.begin(holder, NOW).await;
    for _ in 0..FACTORS_MAX {
        setting.enrol(NOW).await;
    }
    let one_more = setting.factors.begin_totp(setting.strong(NOW).await, &setting.app(NOW), Shown::Password, NOW).await;
    assert!(matches!(one_more, Err(EnrolError::TooMany)));
    let finished = setting.factors.confirm_totp(holder, pending, 100, NOW).await;
    assert!(matches!(finished, Err(EnrolError::TooMany)), "nor one that was begun when there was room");
}

#[each_engine]
async fn a_recovery_code_counts_once_and_for_its_account_alone() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    setting.enrol(NOW).await;
    let codes = setting.codes(NOW).await;
    assert_eq!(codes.len(), RECOVERY_CODES);
    let code = codes.first().unwrap();
    for (tenant, account) in setting.elsewhere() {
        assert!(!counts(setting.factors.spend_recovery_code(tenant, account, code).await).await);
    }
    assert!(counts(setting.factors.spend_recovery_code(acme, ada, code).await).await);
    assert!(!counts(setting.factors.spend_recovery_code(acme, ada, code).await).await);
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), RECOVERY_CODES - 1);

    let never_drawn = RecoveryCode::parse(&"a".repeat(24)).unwrap();
    assert!(!counts(setting.factors.spend_recovery_code(acme, ada, &never_drawn).await).await);
    let _ = setting.codes(NOW).await;
    let former = codes.last().unwrap();
    assert!(!counts(setting.factors.spend_recovery_code(acme, ada, former).await).await, "replaced by new ones");
}

#[each_engine]
async fn a_removed_factor_ends_every_other_session_and_the_last_one_takes_the_codes() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    let [first, second] = [setting.enrol(NOW).await, setting.enrol(NOW).await];
    let codes = setting.codes(NOW).await;
    let (holder, other) = (setting.strong(NOW).await, setting.sign_in(NOW).await);
    assert!(setting.knows(&other, NOW).await);
    let remove = async |factor| {
        let removed = setting.factors.remove(holder, factor, NOW).await.unwrap().unwrap().commit().await.unwrap();
        setting.sessions.forget_ended(&removed);
        removed
    };
    let removed = remove(first).await;
    assert_eq!(removed.kind, ProofKind::Totp);
    assert!(removed.ended.contains(&other.principal.session) && !removed.ended.contains(&holder.session));
    assert!(!setting.knows(&other, NOW).await, "at once, although it was in memory");
    assert_eq!(setting.sessions.list(acme, ada, NOW).await.unwrap().len(), 1);
    assert!(setting.factors.remove(holder, first, NOW).await.unwrap().is_none(), "once");
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), RECOVERY_CODES);
    let _ = remove(second).await;
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), 0);
    assert!(setting.factors.draw_recovery_codes(holder, NOW).await.unwrap().is_none(), "there is nothing to recover");
    // A row that was left behind, by whatever did it.
    let mut tx = setting.house.pool.tenant(acme).begin().await.unwrap();
    let left = tx.query(
        "INSERT INTO totp_factors
        (tenant_id, id, account_id, name, sealed_secret, last_step, created_at, confirmed_at)
    VALUES ($1, $2, $3, 'left', 'sealed', 0, 1, 1)",
    );
    left.bind(second.0).bind(ada.0).execute().await.unwrap();
    tx.commit().await.unwrap();
    let fresh = setting.codes(NOW).await;
    let mut tx = setting.house.pool.tenant(acme).begin().await.unwrap();
    tx.query("DELETE FROM totp_factors WHERE tenant_id = $1").execute().await.unwrap();
    tx.commit().await.unwrap();
    for code in codes.iter().chain(&fresh) {
        assert!(!counts(setting.factors.spend_recovery_code(acme, ada, code).await).await, "codes outlive no factor");
    }
}

#[each_engine]
async fn whoever_lost_everything_starts_anew_is_signed_out_and_the_record_hears_of_it() {
    let setting = Setting::new().await;
    let (acme, ada) = (setting.house.acme, setting.ada);
    setting.enrol(NOW).await;
    let session = setting.sign_in(NOW).await;
    let waiting = OperatorEvents::new(setting.house.another_process().await);
    setting.house.forget_operator_events().await;
    assert!(waiting.take(NOW).await.unwrap().is_none());
    assert_eq!(setting.factors.remove_all(acme, ada, NOW).await.unwrap(), 1);
    assert_eq!(setting.factors.recovery_codes_left(acme, ada).await.unwrap(), 0);
    assert!(setting.factors.list(acme, ada).await.unwrap().is_empty());
    assert!(!setting.knows(&session, after_secs(3)).await);

    let taken = waiting.take(NOW).await.unwrap().unwrap();
    let mut acts = Vec::new();
    for event in taken.events() {
        assert_eq!((event.tenant.as_ref().map(ToString::to_string).as_deref(), event.at), (Some("acme"), NOW));
        let EventBody::Account(done) = &event.body else { panic!("{event:?}") };
        assert_eq!((done.principal, done.by, done.session), (ada, By::Operator, None));
        acts.push(done.act.clone());
    }
    assert_eq!(acts.len(), 2);
    assert!(acts.contains(&AccountAct::FactorsRemoved { count: 1 }), "{acts:?}");
    assert!(
        acts.iter().any(
            |act| matches!(act, AccountAct::SessionsEnded { ended } if ended.contains(&session.principal.session))
        )
    );
    let ids: Vec<_> = taken.events().iter().map(|event| event.id).collect();
    assert!(waiting.take(NOW).await.unwrap().is_none(), "somebody is recording them");
    // Whoever dies before they are recorded leaves them to the next.
    let taken = waiting.take(after_secs(60)).await.unwrap().unwrap();
    assert_eq!(taken.events().iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    waiting.give_up(&taken).await.unwrap();
    assert!(waiting.take(after_secs(600)).await.unwrap().is_none());
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
    let after = setting.sessions.take_up(after.commit().await.unwrap());
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
    let begun = setting.sessions.take_up(begun.commit().await.unwrap());
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
        assert!(setting.sessions.end_own(tenant, account, session).await.unwrap().is_none());
        assert!(setting.sessions.end_others(tenant, account, session).await.unwrap().is_none());
    }
    let nobodys = SessionId(Uuid::from_u128(5));
    assert!(setting.sessions.end_own(acme, setting.ada, nobodys).await.unwrap().is_none());
    drop(setting.sessions.end_own(acme, setting.ada, session).await.unwrap().unwrap());
    assert!(setting.knows(&other, NOW).await, "not before it is recorded");
    let ended = setting.sessions.end_own(acme, setting.ada, session).await.unwrap().unwrap();
    setting.sessions.forget_federated(ended.commit().await.unwrap());
    assert!(!setting.knows(&other, NOW).await);
    let ended = setting.sessions.end_others(acme, setting.ada, own.principal.session).await.unwrap().unwrap();
    let ended = setting.sessions.forget_federated(ended.commit().await.unwrap());
    assert_eq!(ended.iter().map(|ended| ended.session).collect::<Vec<_>>(), [third.principal.session]);
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
