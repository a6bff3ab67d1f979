use std::time::Duration;

use cedargate_identity::{
    Begun, BrowserSecret, Device, Email, FactorName, Holder, HolderError, NewAccount, SessionSettings, Sessions, Shown,
    SignIn, Tenants,
};
use cedargate_migrations::testing::{TestStore, each_engine};
use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{ProofKind, Scheme, TenantName};
use serde_json::Value;
use zeroize::Zeroizing;

use super::testing::{Page, SoftAuthenticator};
use super::*;
use crate::local::{HashParameters, LocalAccounts, LocalSettings, NewPassword};
use crate::{Authenticated, VaultError};

const NOW: Micros = Micros(1_700_000_000_000_000);
const ACME: &str = "http://acme.localhost:8080";
const GLOBEX: &str = "http://globex.localhost:8080";

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

/// Ada and Bob of acme have passwords, Fay of acme signs in by a provider; Gil is of globex.
struct House {
    webauthn: Webauthn,
    factors: Factors,
    sessions: Sessions,
    pool: Pool,
    acme: TenantId,
    globex: TenantId,
    ada: PrincipalId,
    bob: PrincipalId,
    fay: PrincipalId,
    gil: PrincipalId,
    _store: TestStore,
}

impl House {
    async fn new() -> Self {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&GATEWAY]).await;
        let tenants = Tenants::new(pool.clone());
        let acme = tenants.create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        let globex = tenants.create(TenantName::parse("globex").unwrap(), NOW).await.unwrap().id;
        let accounts = Accounts::new(pool.clone());
        let parameters = HashParameters { memory_kib: 64, passes: 1, lanes: 1 };
        let local =
            LocalAccounts::new(accounts.clone(), LocalSettings { parameters, ..LocalSettings::default() }).unwrap();
        let hash = local.hash(NewPassword::parse("correct horse battery").unwrap()).await.unwrap();
        let mut people = Vec::new();
        for (tenant, email, password) in [
            (acme, "ada@example.com", Some(hash.clone())),
            (acme, "bob@example.com", Some(hash.clone())),
            (acme, "fay@example.com", None),
            (globex, "gil@example.com", Some(hash)),
        ] {
            let new = NewAccount { email: Email::parse(email).unwrap(), roles: vec![], password };
            people.push(accounts.create(tenant, new, NOW).await.unwrap().id);
        }
        let [ada, bob, fay, gil] = <[PrincipalId; 4]>::try_from(people).unwrap();
        let factors = Factors::new(pool.clone());
        let place = PublicPlace { scheme: Scheme::Http, port: Some(8080) };
        let ceremonies = WebauthnCeremonies::new(pool.clone());
        let webauthn = Webauthn::new(factors.clone(), accounts, ceremonies, Arc::new(Drawer), place);
        let sessions = Sessions::new(pool.clone(), SessionSettings::default());
        Self { webauthn, factors, sessions, pool, acme, globex, ada, bob, fay, gil, _store: store }
    }

    fn party(&self, host: &str) -> RelyingParty {
        self.webauthn.relying_party(host).unwrap()
    }

    async fn session(&self, tenant: TenantId, account: PrincipalId) -> Holder {
        let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
        let sign_in = SignIn { tenant, principal: account, strength, replaces: None, device: Device::default() };
        let begun: Begun = self.sessions.create(sign_in, NOW).await.unwrap();
        Holder { tenant, account, session: begun.principal.session }
    }

    /// A session that has a second factor behind it.
    async fn strong_session(&self, tenant: TenantId, account: PrincipalId) -> Holder {
        let weak = self.session(tenant, account).await;
        let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
        let replaced = self.sessions.step_up(tenant, weak.session, strength, NOW).await.unwrap();
        let begun = self.sessions.take_up(replaced.commit().await.unwrap());
        Holder { tenant, account, session: begun.principal.session }
    }

    async fn begin_registration(&self, holder: Holder, kind: WebauthnKind) -> BegunCeremony {
        let party = self.party("acme.localhost");
        let name = FactorName::parse("key").unwrap();
        let registrant = Registrant { holder, confirmed: Shown::Password, called: "ada@example.com" };
        let new = NewCredential { kind, name: &name };
        self.webauthn.begin_registration(asking(self.acme, &party, NOW), registrant, new).await.unwrap()
    }

    async fn finish_registration(
        &self,
        holder: Holder,
        ceremony: Uuid,
        answer: &str,
        now: Micros,
    ) -> Result<Proven, WebauthnError> {
        let party = self.party("acme.localhost");
        let asking = asking(self.acme, &party, now);
        let (enrolled, proven) = self.webauthn.finish_registration(asking, holder, ceremony, answer).await?;
        let _ = enrolled.commit().await.unwrap();
        Ok(proven)
    }

    /// Adds one of ada's, in a session of its own.
    async fn register(&self, authenticator: &mut SoftAuthenticator, kind: WebauthnKind) -> Proven {
        self.register_of(self.ada, authenticator, kind).await
    }

    async fn register_of(
        &self,
        account: PrincipalId,
        authenticator: &mut SoftAuthenticator,
        kind: WebauthnKind,
    ) -> Proven {
        let holder = self.strong_session(self.acme, account).await;
        let begun = self.begin_registration(holder, kind).await;
        let answer = authenticator.create(&Page::at(ACME), &begun.options).await;
        self.finish_registration(holder, begun.id, &answer, NOW).await.unwrap()
    }

    async fn begin_step_up(&self, holder: Holder) -> BegunCeremony {
        let party = self.party("acme.localhost");
        self.webauthn.begin_step_up(asking(self.acme, &party, NOW), holder).await.unwrap()
    }

    async fn finish_step_up(&self, holder: Holder, ceremony: Uuid, answer: &str) -> Result<Proven, WebauthnError> {
        let party = self.party("acme.localhost");
        self.webauthn.finish_step_up(asking(self.acme, &party, NOW), holder, ceremony, answer).await
    }

    async fn step_up(
        &self,
        holder: Holder,
        authenticator: &mut SoftAuthenticator,
        page: &Page,
    ) -> Result<Proven, WebauthnError> {
        let begun = self.begin_step_up(holder).await;
        let answer = authenticator.get(page, &begun.options).await;
        self.finish_step_up(holder, begun.id, &answer).await
    }

    async fn begin_sign_in(&self) -> (BegunCeremony, BrowserSecret) {
        let party = self.party("acme.localhost");
        self.webauthn.begin_sign_in(asking(self.acme, &party, NOW)).await.unwrap()
    }

    async fn finish_sign_in(
        &self,
        browser: Option<&BrowserSecret>,
        ceremony: Uuid,
        answer: &str,
        now: Micros,
    ) -> Result<Authenticated, WebauthnError> {
        let party = self.party("acme.localhost");
        self.webauthn.finish_sign_in(asking(self.acme, &party, now), browser, ceremony, answer).await
    }

    async fn sign_in(
        &self,
        authenticator: &mut SoftAuthenticator,
        page: &Page,
    ) -> Result<Authenticated, WebauthnError> {
        let (begun, browser) = self.begin_sign_in().await;
        let answer = authenticator.get(page, &begun.options).await;
        self.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await
    }
}

fn asking(tenant: TenantId, relying_party: &RelyingParty, now: Micros) -> Asking<'_> {
    Asking { tenant, relying_party, client: IpAddr::from([192, 0, 2, 1]), now }
}

fn reason<T: fmt::Debug>(outcome: Result<T, WebauthnError>) -> SigninReason {
    match outcome {
        Err(WebauthnError::Refused(refused)) => refused.reason,
        other => panic!("{other:?}"),
    }
}

fn changed(answer: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    change(&mut answer);
    answer.to_string()
}

#[each_engine]
async fn a_passkey_is_asked_for_as_it_has_to_be_and_signs_in_alone() {
    let house = House::new().await;
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let asked = &begun.options;
    assert_eq!(asked["rp"]["id"], "acme.localhost");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(asked["authenticatorSelection"]["requireResidentKey"], true);
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["attestation"], "none");

    let mut authenticator = SoftAuthenticator::new();
    let answer = authenticator.create(&Page::at(ACME), asked).await;
    let proven = house.finish_registration(holder, begun.id, &answer, NOW).await.unwrap();
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::Passkey, 2));
    // This authenticator says that its keys may be copied.
    assert_eq!(proven.strength.methods, [AuthnMethod::Swk]);
    let handle = authenticator.user_handle().unwrap();
    assert_eq!(handle.len(), 32);
    assert!(!handle.windows(16).any(|octets| octets == house.ada.0.as_bytes()));

    let signed_in = house.sign_in(&mut authenticator, &Page::at(ACME)).await.unwrap();
    assert_eq!((signed_in.principal, signed_in.strength.level), (house.ada, 2));
    let listed = house.factors.list(house.acme, house.ada).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed.iter().all(|factor| factor.kind == ProofKind::Passkey && factor.last_used_at == Some(NOW)));

    let again = house.begin_registration(house.strong_session(house.acme, house.ada).await, WebauthnKind::Passkey);
    let again = again.await.options;
    assert_eq!(again["excludeCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(again["user"]["id"], asked["user"]["id"], "one person is one handle");
}

#[each_engine]
async fn nothing_of_an_attestation_is_kept() {
    let house = House::new().await;
    let _ = house.register(&mut SoftAuthenticator::new(), WebauthnKind::SecurityKey).await;
    let mut tx = house.pool.tenant(house.acme).read().await.unwrap();
    let kept = "SELECT sealed_key FROM webauthn_credentials WHERE tenant_id = $1";
    let (sealed,): (String,) = tx.query(kept).fetch_one().await.unwrap();
    assert!(sealed.contains(r#""attestation":{"data":"None","metadata":"None"}"#), "{sealed}");
}

/// What the browser and the authenticator say of where they are is held against where we are.
#[each_engine]
async fn another_origin_rp_id_act_or_frame_is_refused() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let honest = Page::at(ACME);
    let globex = Page { rp_id: Some("globex.localhost".into()), ..Page::at(GLOBEX) };
    let holder = house.session(house.acme, house.ada).await;
    for (page, expected) in [
        (Page::at(GLOBEX), SigninReason::ClientDataOrigin),
        (globex, SigninReason::ClientDataOrigin),
        (Page::at("http://acme.localhost:8081"), SigninReason::ClientDataOrigin),
        (Page { rp_id: Some("globex.localhost".into()), ..honest.clone() }, SigninReason::RpIdMismatch),
        (Page { rp_id: Some("localhost".into()), ..honest.clone() }, SigninReason::RpIdMismatch),
        (Page { act: Some("webauthn.create"), ..honest.clone() }, SigninReason::ClientDataType),
        (Page { cross_origin: true, ..honest.clone() }, SigninReason::ClientDataCrossOrigin),
    ] {
        assert_eq!(reason(house.sign_in(&mut authenticator, &page).await), expected, "{page:?}");
        assert_eq!(reason(house.step_up(holder, &mut authenticator, &page).await), expected, "{page:?}");
        let strong = house.strong_session(house.acme, house.ada).await;
        let begun = house.begin_registration(strong, WebauthnKind::Passkey).await;
        let page = match page.act {
            Some(_) => Page { act: Some("webauthn.get"), ..page },
            None => page,
        };
        let answer = SoftAuthenticator::new().create(&page, &begun.options).await;
        assert_eq!(reason(house.finish_registration(strong, begun.id, &answer, NOW).await), expected, "{page:?}");
    }
    assert!(house.sign_in(&mut authenticator, &honest).await.is_ok());
    assert_eq!(house.factors.list(house.acme, house.ada).await.unwrap().len(), 1);
}

#[each_engine]
async fn acmes_passkey_is_nothing_at_globex() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let party = house.party("globex.localhost");
    let asking = asking(house.globex, &party, NOW);
    // As a browser would have it, and as whoever has the key itself could: for acme's RP ID, and for globex's.
    for (page, expected) in [
        (Page { rp_id: Some("acme.localhost".into()), ..Page::at(ACME) }, SigninReason::ClientDataOrigin),
        (Page { rp_id: Some("acme.localhost".into()), ..Page::at(GLOBEX) }, SigninReason::CredentialUnknown),
        (Page::at(GLOBEX), SigninReason::CredentialUnknown),
    ] {
        let (begun, browser) = house.webauthn.begin_sign_in(asking).await.unwrap();
        assert_eq!(begun.options["rpId"], "globex.localhost");
        let answer = authenticator.get(&page, &begun.options).await;
        let refused = house.webauthn.finish_sign_in(asking, Some(&browser), begun.id, &answer).await;
        assert_eq!(reason(refused), expected, "{page:?}");
    }
    // Nor does a ceremony of acme's continue at globex.
    let (begun, browser) = house.begin_sign_in().await;
    let answer = authenticator.get(&Page::at(GLOBEX), &begun.options).await;
    let refused = house.webauthn.finish_sign_in(asking, Some(&browser), begun.id, &answer).await;
    assert_eq!(reason(refused), SigninReason::CeremonyUnknown);
    let gil = house.session(house.globex, house.gil).await;
    let none = house.webauthn.begin_step_up(asking, gil).await;
    assert_eq!(reason(none), SigninReason::CredentialUnknown);
}

#[each_engine]
async fn a_counter_that_does_not_grow_is_refused_and_names_its_person() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    authenticator.set_counter(10);
    assert!(house.sign_in(&mut authenticator, &Page::at(ACME)).await.is_ok());
    for counter in [10, 3, 0] {
        // It counts before it signs.
        authenticator.set_counter(counter);
        match house.sign_in(&mut authenticator, &Page::at(ACME)).await {
            Err(WebauthnError::Refused(refused)) => {
                assert_eq!((refused.reason, refused.person), (SigninReason::CounterRegressed, Some(house.ada)));
            }
            other => panic!("{other:?}"),
        }
    }
    authenticator.set_counter(11);
    assert!(house.sign_in(&mut authenticator, &Page::at(ACME)).await.is_ok());

    let mut synchronised = SoftAuthenticator::without_counter();
    let _ = house.register(&mut synchronised, WebauthnKind::Passkey).await;
    for _ in 0..3 {
        assert!(house.sign_in(&mut synchronised, &Page::at(ACME)).await.is_ok(), "none was ever there");
    }
}

#[each_engine]
async fn an_answer_counts_once() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let answer = authenticator.create(&Page::at(ACME), &begun.options).await;
    assert!(house.finish_registration(holder, begun.id, &answer, NOW).await.is_ok());
    assert_eq!(reason(house.finish_registration(holder, begun.id, &answer, NOW).await), SigninReason::CeremonySpent);

    let (begun, browser) = house.begin_sign_in().await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    assert!(house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await.is_ok());
    let again = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(again), SigninReason::CeremonySpent);
    // Nor in a ceremony of its own: it is to another challenge.
    let (another, browser) = house.begin_sign_in().await;
    let replayed = house.finish_sign_in(Some(&browser), another.id, &answer, NOW).await;
    assert_eq!(reason(replayed), SigninReason::ChallengeMismatch);
    // A wrong answer has spent its ceremony, too.
    let right = authenticator.get(&Page::at(ACME), &another.options).await;
    let late = house.finish_sign_in(Some(&browser), another.id, &right, NOW).await;
    assert_eq!(reason(late), SigninReason::CeremonySpent);
}

#[each_engine]
async fn a_ceremony_is_one_sessions_or_one_browsers_for_one_purpose_and_not_for_long() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let (ada, bob) = (house.session(house.acme, house.ada).await, house.session(house.acme, house.bob).await);
    let another = house.session(house.acme, house.ada).await;

    let begun = house.begin_step_up(ada).await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    for other in [bob, another] {
        assert_eq!(reason(house.finish_step_up(other, begun.id, &answer).await), SigninReason::CeremonyUnknown);
    }
    let (stranger, browser) = house.begin_sign_in().await;
    let as_sign_in = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(as_sign_in), SigninReason::CeremonyUnknown);
    let as_enrolment = house.finish_registration(ada, begun.id, &answer, NOW).await;
    assert_eq!(reason(as_enrolment), SigninReason::CeremonyUnknown);
    let proven = house.finish_step_up(ada, begun.id, &answer).await.unwrap();
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::Passkey, 2), "nobody else has spent it");

    let answer = authenticator.get(&Page::at(ACME), &stranger.options).await;
    let elsewhere = BrowserSecret::draw().unwrap();
    for browser in [None, Some(&elsewhere)] {
        let refused = house.finish_sign_in(browser, stranger.id, &answer, NOW).await;
        assert_eq!(reason(refused), SigninReason::BrowserMismatch);
    }
    let late = NOW.after(Duration::from_secs(5 * 60));
    let refused = house.finish_sign_in(Some(&browser), stranger.id, &answer, late).await;
    assert_eq!(reason(refused), SigninReason::CeremonyExpired);
}

#[each_engine]
async fn a_passkey_without_a_verified_person_is_none() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    authenticator.verify(false);
    let holder = house.session(house.acme, house.ada).await;
    let begun = house.begin_registration(holder, WebauthnKind::Passkey).await;
    let answer = authenticator.create(&Page::at(ACME), &begun.options).await;
    let refused = house.finish_registration(holder, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);

    authenticator.verify(true);
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    authenticator.verify(false);
    assert_eq!(reason(house.sign_in(&mut authenticator, &Page::at(ACME)).await), SigninReason::UserNotVerified);
    let refused = house.step_up(holder, &mut authenticator, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);
}

#[each_engine]
async fn a_touched_security_key_is_a_second_factor_and_signs_nobody_in() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    authenticator.verify(false);
    let proven = house.register(&mut authenticator, WebauthnKind::SecurityKey).await;
    assert_eq!((proven.kind, proven.strength.level), (ProofKind::SecurityKey, 2));
    let holder = house.session(house.acme, house.ada).await;
    let proven = house.step_up(holder, &mut authenticator, &Page::at(ACME)).await.unwrap();
    assert_eq!(proven.kind, ProofKind::SecurityKey);
    let refused = house.sign_in(&mut authenticator, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::CredentialNotPasswordless);

    // One that has verified its person once has to from then on.
    let mut with_pin = SoftAuthenticator::new();
    let _ = house.register(&mut with_pin, WebauthnKind::SecurityKey).await;
    with_pin.verify(false);
    let refused = house.step_up(holder, &mut with_pin, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::UserNotVerified);
}

#[each_engine]
async fn a_credential_is_its_persons_and_nobody_elses() {
    let house = House::new().await;
    let (mut of_ada, mut of_bob) = (SoftAuthenticator::new(), SoftAuthenticator::new());
    let _ = house.register(&mut of_ada, WebauthnKind::Passkey).await;
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    assert_ne!(of_ada.user_handle(), of_bob.user_handle());
    let bob = house.session(house.acme, house.bob).await;
    let refused = house.step_up(bob, &mut of_ada, &Page::at(ACME)).await;
    assert_eq!(reason(refused), SigninReason::CredentialOfAnother);
    // An authenticator that says bob's handle with ada's key, and one that says none.
    for handle in [of_bob.user_handle(), None] {
        of_ada.set_user_handle(handle);
        let refused = house.sign_in(&mut of_ada, &Page::at(ACME)).await;
        assert_eq!(reason(refused), SigninReason::UserHandleMismatch);
    }
    let mut unknown = SoftAuthenticator::new();
    let begun = house.begin_registration(bob_strong(&house).await, WebauthnKind::Passkey).await;
    unknown.create(&Page::at(ACME), &begun.options).await;
    assert_eq!(reason(house.sign_in(&mut unknown, &Page::at(ACME)).await), SigninReason::CredentialUnknown);
}

async fn bob_strong(house: &House) -> Holder {
    house.strong_session(house.acme, house.bob).await
}

#[each_engine]
async fn a_credential_is_added_once_by_a_live_session_that_is_strong_enough() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    // Ada has a factor by now, and this session shows none: it does not begin, and what it began before does not end.
    let weak = house.session(house.acme, house.bob).await;
    let begun = house.begin_registration(weak, WebauthnKind::Passkey).await;
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let _ = house.register_of(house.bob, &mut SoftAuthenticator::new(), WebauthnKind::SecurityKey).await;
    let refused = house.finish_registration(weak, begun.id, &answer, NOW).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::TooWeak))), "{refused:?}");
    let begin = async |holder, confirmed| {
        let (party, name) = (house.party("acme.localhost"), FactorName::parse("key").unwrap());
        let registrant = Registrant { holder, confirmed, called: "ada@example.com" };
        let new = NewCredential { kind: WebauthnKind::Passkey, name: &name };
        house.webauthn.begin_registration(asking(house.acme, &party, NOW), registrant, new).await
    };
    let refused = begin(house.session(house.acme, house.ada).await, Shown::Password).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::TooWeak))), "{refused:?}");
    // A cookie alone enrols no first one.
    let refused = begin(house.session(house.acme, house.fay).await, Shown::Nothing).await;
    assert!(matches!(refused, Err(WebauthnError::Holder(HolderError::Unconfirmed))), "{refused:?}");
    // A session that ended takes its ceremonies with it, and begins none.
    let over = house.strong_session(house.acme, house.ada).await;
    let begun = house.begin_registration(over, WebauthnKind::Passkey).await;
    house.sessions.end(house.acme, over.session).await.unwrap();
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let refused = house.finish_registration(over, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::CeremonyUnknown);
    let party = house.party("acme.localhost");
    let refused = house.webauthn.begin_step_up(asking(house.acme, &party, NOW), over).await;
    assert!(matches!(refused, Err(WebauthnError::SessionGone)), "{refused:?}");
    // What the tenant knows is not added again, whoever brings it.
    let bob = bob_strong(&house).await;
    let known = authenticator.credential_id();
    let begun = house.begin_registration(bob, WebauthnKind::Passkey).await;
    let answer = SoftAuthenticator::new().create(&Page::at(ACME), &begun.options).await;
    let answer = changed(&answer, |answer| {
        use base64::Engine as _;
        answer["rawId"] = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&known).into();
    });
    let refused = house.finish_registration(bob, begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::CredentialKnown);
}

#[each_engine]
async fn a_tampered_answer_is_refused_and_a_garbled_one_too() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::without_counter();
    let _ = house.register(&mut authenticator, WebauthnKind::Passkey).await;
    let flip = |answer: &str, member: &str| {
        changed(answer, |answer| {
            let text = answer["response"][member].as_str().unwrap();
            let flipped = if text.starts_with('A') { 'B' } else { 'A' };
            answer["response"][member] = format!("{flipped}{}", text.get(1..).unwrap()).into();
        })
    };
    let long = "x".repeat(20_000);
    for (change, expected) in [
        ("signature", SigninReason::CredentialMalformed),
        ("authenticatorData", SigninReason::RpIdMismatch),
        ("clientDataJSON", SigninReason::CredentialMalformed),
    ] {
        let (begun, browser) = house.begin_sign_in().await;
        let answer = flip(&authenticator.get(&Page::at(ACME), &begun.options).await, change);
        assert_eq!(reason(house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await), expected, "{change}");
    }
    // A right signature, of another moment.
    let (first, _) = house.begin_sign_in().await;
    let other = authenticator.get(&Page::at(ACME), &first.options).await;
    let other: Value = serde_json::from_str(&other).unwrap();
    let (begun, browser) = house.begin_sign_in().await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    let answer = changed(&answer, |answer| answer["response"]["signature"] = other["response"]["signature"].clone());
    let refused = house.finish_sign_in(Some(&browser), begun.id, &answer, NOW).await;
    assert_eq!(reason(refused), SigninReason::SignatureInvalid);
    for garbled in ["", "{}", "[]", "null", r#"{"type":"public-key"}"#, &long] {
        let (begun, browser) = house.begin_sign_in().await;
        let refused = house.finish_sign_in(Some(&browser), begun.id, garbled, NOW).await;
        assert_eq!(reason(refused), SigninReason::CredentialMalformed, "{garbled}");
    }
}

#[each_engine]
async fn who_is_a_providers_or_disabled_does_not_sign_in_by_a_passkey() {
    let house = House::new().await;
    let mut of_fay = SoftAuthenticator::new();
    let _ = house.register_of(house.fay, &mut of_fay, WebauthnKind::Passkey).await;
    assert_eq!(reason(house.sign_in(&mut of_fay, &Page::at(ACME)).await), SigninReason::AccountOfProvider);
    let fay = house.session(house.acme, house.fay).await;
    assert!(house.step_up(fay, &mut of_fay, &Page::at(ACME)).await.is_ok(), "as a second factor it serves");

    let mut of_bob = SoftAuthenticator::new();
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    let accounts = Accounts::new(house.pool.clone());
    accounts.disable(house.acme, house.bob, NOW).await.unwrap();
    assert_eq!(reason(house.sign_in(&mut of_bob, &Page::at(ACME)).await), SigninReason::AccountDisabled);
}

#[each_engine]
async fn a_removed_credential_proves_nothing_even_where_it_was_asked_for() {
    let house = House::new().await;
    let mut authenticator = SoftAuthenticator::new();
    let factor = house.register(&mut authenticator, WebauthnKind::Passkey).await.factor.unwrap();
    let holder = house.strong_session(house.acme, house.ada).await;
    let begun = house.begin_step_up(holder).await;
    let answer = authenticator.get(&Page::at(ACME), &begun.options).await;
    let removed = house.factors.remove(holder, factor, NOW).await.unwrap().unwrap();
    assert_eq!(removed.commit().await.unwrap().kind, ProofKind::Passkey);
    assert_eq!(reason(house.finish_step_up(holder, begun.id, &answer).await), SigninReason::CredentialUnknown);
}

#[each_engine]
async fn a_key_in_another_row_does_not_open() {
    let house = House::new().await;
    let (mut of_ada, mut of_bob) = (SoftAuthenticator::new(), SoftAuthenticator::new());
    let _ = house.register(&mut of_ada, WebauthnKind::Passkey).await;
    let _ = house.register_of(house.bob, &mut of_bob, WebauthnKind::Passkey).await;
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let steal = "
UPDATE webauthn_credentials
SET sealed_key = (SELECT sealed_key FROM webauthn_credentials WHERE tenant_id = $1 AND account_id = $2)
WHERE tenant_id = $1
  AND account_id = $3";
    tx.query(steal).bind(house.bob.0).bind(house.ada.0).execute().await.unwrap();
    tx.commit().await.unwrap();
    let stolen = house.sign_in(&mut of_ada, &Page::at(ACME)).await;
    assert!(matches!(stolen, Err(WebauthnError::Broken(_))), "{stolen:?}");
}

#[each_engine]
async fn one_address_does_not_fail_without_end() {
    let house = House::new().await;
    let mut delayed = false;
    for _ in 0..60 {
        let (begun, browser) = house.begin_sign_in().await;
        delayed |= matches!(
            house.finish_sign_in(Some(&browser), begun.id, "{}", NOW).await,
            Err(WebauthnError::Delayed { .. })
        );
    }
    assert!(delayed);
}
