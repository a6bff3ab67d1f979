mod ceremonies;
mod credentials;

use std::time::Duration;

use cedargate_identity::{
    Begun, CreateSessionError, Device, Email, FactorName, Holder, HolderError, NewAccount, SessionSettings, Sessions,
    Shown, SignIn, SpentAttempts, Tenants,
};
use cedargate_migrations::testing::{TestStore, each_engine};
use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{ProofKind, Scheme, TenantName};
use serde_json::Value;
use zeroize::Zeroizing;

use super::testing::{Page, SoftAuthenticator};
use super::*;
use crate::local::{HashParameters, LocalAccounts, LocalSettings, NewPassword};
use crate::{Authenticated, InBrowser, VaultError};

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
        let vault: Arc<dyn Vault> = Arc::new(Drawer);
        let kept = BrowserKept::new(Arc::clone(&vault), SpentAttempts::new(pool.clone()));
        let webauthn = Webauthn::new(factors.clone(), accounts, ceremonies, vault, kept, place);
        let sessions = Sessions::new(pool.clone(), SessionSettings::default());
        Self { webauthn, factors, sessions, pool, acme, globex, ada, bob, fay, gil, _store: store }
    }

    fn party(&self, host: &str) -> RelyingParty {
        self.webauthn.relying_party(host).unwrap()
    }

    async fn session(&self, tenant: TenantId, account: PrincipalId) -> Holder {
        let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
        let sign_in =
            SignIn { tenant, principal: account, strength, replaces: None, remember: false, device: Device::default() };
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
        let asking = asking(self.acme, &party, NOW);
        let (proven, used) = self.webauthn.finish_step_up(asking, holder, ceremony, answer).await?;
        used.commit().await?;
        Ok(proven)
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

    fn begin_sign_in(&self) -> (BegunCeremony, InBrowser) {
        let party = self.party("acme.localhost");
        self.webauthn.begin_sign_in(asking(self.acme, &party, NOW)).unwrap()
    }

    async fn finish_sign_in(
        &self,
        browser: Option<&InBrowser>,
        ceremony: Uuid,
        answer: &str,
        now: Micros,
    ) -> Result<Authenticated, WebauthnError> {
        let party = self.party("acme.localhost");
        let asking = asking(self.acme, &party, now);
        let PasskeySignIn { authenticated, grounds, proven } =
            self.webauthn.finish_sign_in(asking, browser, ceremony, answer).await?;
        let sign_in = SignIn {
            tenant: self.acme,
            principal: authenticated.principal,
            strength: authenticated.strength.clone(),
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let refused = |reason, person| {
            WebauthnError::Refused(RefusedAnswer { reason, kind: proven.kind, factor: proven.factor, person })
        };
        match self.sessions.begin(sign_in, &grounds, now).await {
            Ok(begun) => {
                self.sessions.take_up_begun(begun.commit().await?);
                Ok(authenticated)
            }
            Err(CreateSessionError::CounterRegressed) => {
                Err(refused(SigninReason::CounterRegressed, Some(authenticated.principal)))
            }
            Err(CreateSessionError::UsedBefore(_)) => Err(refused(SigninReason::CeremonySpent, None)),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn sign_in(
        &self,
        authenticator: &mut SoftAuthenticator,
        page: &Page,
    ) -> Result<Authenticated, WebauthnError> {
        let (begun, browser) = self.begin_sign_in();
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
