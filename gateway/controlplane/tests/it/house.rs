//! The control plane over a real store, and a data plane's part played by the test: it finds out whose cookie came and
//! signs the assertion.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use cedargate_assertion::{Issuer, SigningKeys, TenantScope, Verifier};
use cedargate_controlplane::{
    AUDIENCE, AskedDocument, ConsentAsking, ControlPlane, Receipts, ReceiptsUnavailable, RecordUnavailable, Recorder,
    ServiceLink, router,
};
use cedargate_identity::{
    AccountLinks, Accounts, Consents, Device, DocumentVersion, Email, Factors, Identities, KeptPosts, NewAccount,
    Notices, PresentedToken, SessionLimits, SessionSettings, Sessions, SignIn, SpentAttempts, Tenants,
    WebauthnCeremonies, directory, session_cookie_name,
};
use cedargate_idp_adapters::admissions::{AdmissionRules, Admissions};
use cedargate_idp_adapters::connection::Connections;
use cedargate_idp_adapters::local::{HashParameters, LocalAccounts, LocalSettings, NewPassword, PasswordRules};
use cedargate_idp_adapters::second::SecondFactors;
use cedargate_idp_adapters::webauthn::{PublicPlace, Webauthn};
use cedargate_idp_adapters::workload::Workloads;
use cedargate_idp_adapters::{BrowserKept, KnownDevices, SigninAttempts, Vault, VaultError};
use cedargate_migrations::testing::TestStore;
use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{
    AccountAct, AdmissionEvent, AuthnMethod, AuthnStrength, Caller, Clock, ConsentDocument, Event, EventBody, EventId,
    Micros, PrincipalId, RoleName, Scheme, Signin, TenantName, TokenEvent,
};
use cedargate_tokens::{KeyLook, TenantUrls, TokenAuthority, TokenKeys};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) const ISSUER: &str = "https://gateway.example";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const DECISION: &str = "01900000-0000-7000-8000-000000000001";
pub(crate) const REQUEST: &str = "01900000-0000-7000-8000-000000000002";
pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

pub(crate) struct House {
    pub(crate) app: Router,
    pub(crate) pool: Pool,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) local: LocalAccounts,
    pub(crate) connections: Arc<ArcSwap<Connections>>,
    pub(crate) workloads: Arc<ArcSwap<Workloads>>,
    pub(crate) second: SecondFactors,
    pub(crate) links: AccountLinks,
    pub(crate) issuer: Issuer,
    pub(crate) tokens: Arc<ArcSwap<TokenAuthority>>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) recorder: Arc<MemoryRecorder>,
    pub(crate) acme: TenantScope,
    pub(crate) globex: TenantScope,
    pub(crate) ada: PrincipalId,
    _store: TestStore,
}

/// Keys of tokens that another gateway has rotated to.
pub(crate) struct Ring {
    authority: Arc<ArcSwap<TokenAuthority>>,
    pub(crate) rotated: Mutex<Option<SigningKeys>>,
}

impl TokenKeys for Ring {
    fn look(&self) {
        if let Some(keys) = self.rotated.lock().unwrap().take() {
            self.authority.store(Arc::new(self.authority.load().with_keys(keys)));
        }
    }
}

impl House {
    /// A store with the tenants acme and globex, and ada@example.com, a clerk of acme.
    pub(crate) async fn new() -> Self {
        let store = TestStore::new().await;
        let clock = Arc::new(MockClock(AtomicI64::new(1_700_000_000_000_000)));
        let recorder = Arc::new(MemoryRecorder::default());
        let pool = store.migrated(&[&GATEWAY]).await;
        let tenants = Tenants::new(pool.clone());
        let accounts = Accounts::new(pool.clone());
        let sessions = Sessions::new(pool.clone(), SessionSettings::default()).with_limits(session_limits());
        let parameters = HashParameters { memory_kib: 64, passes: 1, lanes: 1 };
        let local =
            LocalAccounts::new(accounts.clone(), LocalSettings { parameters, ..LocalSettings::default() }).unwrap();

        let mut scopes = Vec::new();
        for name in ["acme", "globex"] {
            let tenant = tenants.create(TenantName::parse(name).unwrap(), clock.now()).await.unwrap();
            scopes.push(TenantScope { id: tenant.id, name: tenant.name });
        }
        let [acme, globex] = <[TenantScope; 2]>::try_from(scopes).unwrap();
        let password = local.hash(NewPassword::parse(PASSWORD).unwrap()).await.unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let new = NewAccount { email, roles: vec![RoleName::parse("clerk").unwrap()], password: Some(password) };
        let ada = accounts.create(acme.id, new, clock.now()).await.unwrap().id;

        let vault: Arc<dyn Vault> = Arc::new(Drawer);
        let second = SecondFactors::new(Factors::new(pool.clone()), Arc::clone(&vault));
        let kept = BrowserKept::new(Arc::clone(&vault), SpentAttempts::new(pool.clone()));
        let webauthn = Webauthn::new(
            Factors::new(pool.clone()),
            accounts.clone(),
            WebauthnCeremonies::new(pool.clone()),
            Arc::clone(&vault),
            kept.clone(),
            PublicPlace { scheme: Scheme::Http, port: Some(8080) },
        );
        let links = AccountLinks::new(pool.clone());
        let rules = PasswordRules::default();
        let admissions = Admissions::new(links.clone(), Notices::new(pool.clone()), local.clone(), rules);
        let admissions = admissions.with(admission_rules(), None);
        let issuer = Issuer::new(ISSUER, SigningKeys::generate().unwrap());
        let verifier = Verifier::new(ISSUER, AUDIENCE, issuer.keys().jwks());
        let connections = Arc::new(ArcSwap::from_pointee(Connections::default()));
        let workloads = Arc::new(ArcSwap::from_pointee(Workloads::default()));
        let urls = TenantUrls::new("http", "localhost:8080");
        let tokens = Arc::new(ArcSwap::from_pointee(TokenAuthority::new(
            urls,
            SigningKeys::generate().unwrap(),
            std::time::Duration::ZERO,
        )));
        let ring = Arc::new(Ring { authority: Arc::clone(&tokens), rotated: Mutex::default() });
        let app = router(ControlPlane {
            connections: connections.clone(),
            workloads: workloads.clone(),
            token_keys: Arc::new(KeyLook::new(Arc::clone(&ring) as Arc<dyn TokenKeys>)),
            identities: Identities::new(pool.clone()),
            attempts: SigninAttempts::new(kept.clone()),
            devices: KnownDevices::new(kept),
            sessions: sessions.clone(),
            accounts: accounts.clone(),
            local: local.clone(),
            posts: KeptPosts::new(pool.clone()),
            second: second.clone(),
            webauthn,
            admissions,
            consents: ConsentAsking::new(Consents::new(pool.clone()), asked_documents()),
            vault,
            tenants,
            verifier: Arc::new(ArcSwap::from_pointee(verifier)),
            tokens: tokens.clone(),
            recorder: recorder.clone(),
            receipts: Arc::new(OneReceipt),
            clock: clock.clone(),
            services: vec![ServiceLink {
                title: "Inventory".into(),
                about: "Items, lots & stock".into(),
                href: "/inventory/items".into(),
            }],
        });
        Self {
            app,
            pool,
            accounts,
            sessions,
            local,
            connections,
            workloads,
            second,
            links,
            issuer,
            tokens,
            ring,
            clock,
            recorder,
            acme,
            globex,
            ada,
            _store: store,
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Micros {
        self.clock.now()
    }

    /// A request as the gateway would send it on, from a browser or program without cookies.
    pub(crate) fn at<'h>(&'h self, site: &TenantScope) -> Visitor<'h> {
        let host = if site.id == directory().id {
            "localhost:8080".to_owned()
        } else {
            format!("{}.localhost:8080", site.name)
        };
        Visitor {
            house: self,
            site: site.clone(),
            host,
            scheme: Scheme::Http,
            accept: "*/*",
            cookie: None,
            holds: None,
            language: None,
        }
    }

    pub(crate) fn at_directory(&self) -> Visitor<'_> {
        let tenant = directory();
        self.at(&TenantScope { id: tenant.id, name: tenant.name })
    }

    /// Signs ada in and returns her cookie.
    pub(crate) async fn sign_ada_in(&self) -> String {
        let answer = self.at(&self.acme).post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.cookie_value().unwrap()
    }

    /// A session of ada's that began although nothing can be recorded.
    pub(crate) async fn sign_in_unrecorded(&self) -> String {
        let sign_in = SignIn {
            tenant: self.acme.id,
            principal: self.ada,
            strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
            replaces: None,
            remember: false,
            device: Device::default(),
        };
        let begun = self.sessions.create(sign_in, self.clock.now()).await.unwrap();
        begun.token.expose().to_string()
    }

    /// Another account of acme, with the same password.
    pub(crate) async fn account(&self, email: &str) -> PrincipalId {
        let password = self.local.hash(NewPassword::parse(PASSWORD).unwrap()).await.unwrap();
        let new = NewAccount { email: Email::parse(email).unwrap(), roles: vec![], password: Some(password) };
        self.accounts.create(self.acme.id, new, self.clock.now()).await.unwrap().id
    }

    /// Whether the gateway would know somebody by this cookie.
    pub(crate) async fn knows(&self, cookie: &str) -> bool {
        let token = PresentedToken::parse(cookie).unwrap();
        self.sessions.find(self.acme.id, &token, self.clock.now()).await.unwrap().is_some()
    }

    pub(crate) async fn session_count(&self) -> i64 {
        let mut tx = self.pool.read_system().await.unwrap();
        tx.query("SELECT COUNT(*) FROM sessions").fetch_one::<(i64,)>().await.unwrap().0
    }
}

/// Globex lets people ask for an account; whoever becomes a manager there needs a second factor first.
fn admission_rules() -> BTreeMap<TenantName, AdmissionRules> {
    let roles = |names: &[&str]| names.iter().map(|name| RoleName::parse(name).unwrap()).collect::<Vec<_>>();
    let rules = AdmissionRules { offered: Some(roles(&["viewer", "manager"])), after_factor: roles(&["manager"]) };
    BTreeMap::from([(TenantName::parse("globex").unwrap(), rules)])
}

/// Acme's people may be remembered by their browsers.
fn session_limits() -> BTreeMap<TenantName, SessionLimits> {
    let SessionSettings { idle_timeout, absolute_timeout, .. } = SessionSettings::default();
    let remembered = Some(Duration::from_secs(30 * 24 * 60 * 60));
    let limits = SessionLimits { idle_timeout, absolute_timeout, remembered, sessions_max: 100 };
    BTreeMap::from([(TenantName::parse("acme").unwrap(), limits)])
}

/// Globex asks its people to agree to its terms.
fn asked_documents() -> BTreeMap<TenantName, Vec<AskedDocument>> {
    let version = DocumentVersion::parse("2026-11").unwrap();
    let url = "https://globex.example/terms".to_owned();
    let terms = AskedDocument { document: ConsentDocument::Terms, version, url };
    BTreeMap::from([(TenantName::parse("globex").unwrap(), vec![terms])])
}

pub(crate) fn credentials(email: &str, password: &str) -> String {
    format!(r#"{{"email": "{email}", "password": "{password}"}}"#)
}

#[derive(Clone)]
pub(crate) struct Visitor<'h> {
    house: &'h House,
    site: TenantScope,
    host: String,
    scheme: Scheme,
    accept: &'static str,
    cookie: Option<String>,
    /// What its `Cookie` header says: the data plane passes on no session cookie.
    holds: Option<String>,
    /// The language that it asks for.
    language: Option<&'static str>,
}

impl Visitor<'_> {
    pub(crate) fn browser(mut self) -> Self {
        self.accept = BROWSER;
        self
    }

    pub(crate) fn https(mut self) -> Self {
        self.scheme = Scheme::Https;
        self
    }

    pub(crate) fn with_cookie(mut self, cookie: &str) -> Self {
        self.cookie = Some(cookie.to_owned());
        self
    }

    pub(crate) fn holding(mut self, cookies: &str) -> Self {
        self.holds = Some(cookies.to_owned());
        self
    }

    pub(crate) fn reading(mut self, language: &'static str) -> Self {
        self.language = Some(language);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).await.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.send(self.request("POST", path).await.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.post_as(path, "application/json", body).await
    }

    pub(crate) async fn post_form(&self, path: &str, body: &str) -> Answer {
        self.post_as(path, "application/x-www-form-urlencoded", body).await
    }

    pub(crate) async fn post_as(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let request = self.request("POST", path).await.header(header::CONTENT_TYPE, content_type);
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let now = self.house.clock.now();
        let caller = match self.cookie.as_deref().and_then(PresentedToken::parse) {
            Some(token) => self.house.sessions.find(self.site.id, &token, now).await.unwrap(),
            None => None,
        };
        let caller = caller.map_or(Caller::Anonymous, Caller::Principal);
        let issued = self.house.issuer.issue(&caller, &self.site, AUDIENCE, now).unwrap();
        let builder = Request::builder();
        let builder = match &self.holds {
            Some(cookies) => builder.header(header::COOKIE, cookies),
            None => builder,
        };
        let builder = match self.language {
            Some(language) => builder.header(header::ACCEPT_LANGUAGE, language),
            None => builder,
        };
        builder
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::ACCEPT, self.accept)
            .header(header::USER_AGENT, "a test")
            .header("cedargate-identity", &*issued.token)
            .header("cedargate-decision", DECISION)
            .header("cedargate-request", REQUEST)
            .header("x-forwarded-host", &self.host)
            .header("x-forwarded-proto", self.scheme.as_str())
            .header("x-forwarded-for", "192.0.2.1")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.house.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            scheme: self.scheme,
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    scheme: Scheme,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The value of the cookie of this name that it sets.
    pub(crate) fn cookie_named(&self, name: &str) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|value| value.split(';').next()?.split_once('='));
        pairs.filter(|(this, _)| *this == name).map(|(_, value)| value.to_owned()).next()
    }

    /// The value of the session cookie that it sets.
    pub(crate) fn cookie_value(&self) -> Option<String> {
        let pair = self.header("set-cookie")?.split(';').next()?;
        let value = pair.strip_prefix(session_cookie_name(self.scheme))?.strip_prefix('=')?;
        Some(value.to_owned())
    }
}

/// What a browser sees of an answer.
type Looks = (StatusCode, Vec<(String, String)>, String);

/// A sign-in that failed by a provider looks as every other one does, whatever was wrong and whichever the provider: status, headers and
/// page, to the last octet but the request's own id.
#[track_caller]
pub(crate) fn assert_looks_as_any_failure(answer: &Answer) {
    static FIRST: OnceLock<Looks> = OnceLock::new();
    let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let is_id = |word: &str| Uuid::try_parse(word).is_ok();
    let mut words = answer.body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let id = words.find(|word| is_id(word)).unwrap();
    let looks = (answer.status, headers.collect(), answer.body.replace(id, "ID"));
    assert_eq!(FIRST.get_or_init(|| looks.clone()), &looks);
}

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

/// A clock that only moves when it is told to.
pub(crate) struct MockClock(AtomicI64);

impl Clock for MockClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

/// Keeps events in memory, or refuses to.
#[derive(Default)]
pub(crate) struct MemoryRecorder {
    events: Mutex<Vec<Event>>,
    pub(crate) broken: AtomicBool,
}

impl MemoryRecorder {
    /// The sign-in events since the last call of this or the other.
    pub(crate) fn take(&self) -> Vec<Signin> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let signin = |event: Event| match event.body {
            EventBody::Signin(signin) => Some(signin),
            _ => None,
        };
        events.into_iter().filter_map(signin).collect()
    }

    /// Everything since the last call of this or another.
    pub(crate) fn take_all(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// What became of tokens since the last call of this or another.
    pub(crate) fn take_tokens(&self) -> Vec<TokenEvent> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let token = |event: Event| match event.body {
            EventBody::Token(done) => Some(*done),
            _ => None,
        };
        events.into_iter().filter_map(token).collect()
    }

    /// What became of links since the last call of this or another.
    pub(crate) fn take_admissions(&self) -> Vec<AdmissionEvent> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let admission = |event: Event| match event.body {
            EventBody::Admission(done) => Some(*done),
            _ => None,
        };
        events.into_iter().filter_map(admission).collect()
    }

    /// What people did with their accounts since the last call of this or the other.
    pub(crate) fn take_acts(&self) -> Vec<AccountAct> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let act = |event: Event| match event.body {
            EventBody::Account(done) => Some(done.act),
            _ => None,
        };
        events.into_iter().filter_map(act).collect()
    }
}

#[async_trait]
impl Recorder for MemoryRecorder {
    async fn record(&self, event: Event) -> Result<(), RecordUnavailable> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(RecordUnavailable("the disk is full".into()));
        }
        self.events.lock().unwrap().push(event);
        Ok(())
    }
}

/// The event of which [`OneReceipt`] has a proof, for the tenant `acme` alone.
pub(crate) const RECEIPT: &str = "0196a3f2-7b1e-7c40-9d55-3f1a2b4c5d6e";

/// An archive in which one event is sealed.
struct OneReceipt;

impl Receipts for OneReceipt {
    fn prove(&self, tenant: &TenantName, event: EventId) -> Result<Option<String>, ReceiptsUnavailable> {
        let sealed = tenant.as_str() == "acme" && event.to_string() == RECEIPT;
        Ok(sealed.then(|| r#"{"proof":"inclusion"}"#.to_owned()))
    }

    fn checkpoint(&self, tenant: &TenantName) -> Result<Option<String>, ReceiptsUnavailable> {
        match tenant.as_str() {
            "acme" => Ok(Some("gw/audit/tenants/acme\n1\n".to_owned())),
            _ => Err(ReceiptsUnavailable("the disk is gone".into())),
        }
    }
}
