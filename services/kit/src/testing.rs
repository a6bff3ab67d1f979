//! What services' tests share: a service in process over a temporary store, and callers with real assertions.
//!
//! Everything runs through the code that serves: keys are read from a file as in production, assertions are issued by
//! the gateway's own issuer, the clock stands still until it is set.
//!
//! ```
//! use axum::routing::get;
//! use cedargate_kit::testing::{TestService, tenant};
//! use cedargate_kit::{Service, Tenant};
//! use cedargate_migrations::MigrationSet;
//!
//! const EMPTY: MigrationSet = MigrationSet { name: "hello", migrations: &[] };
//! async fn hello(tenant: Tenant) -> String {
//!     format!("hello {}", tenant.identity().tenant.name)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let routes = || axum::Router::new().route("/hello", get(hello));
//! let service = TestService::start(&Service { name: "hello", schema: &EMPTY, routes }).await;
//! let ann = service.person(&tenant(1, "acme"));
//! assert_eq!(ann.get("/hello").await.text, "hello acme");
//! assert_eq!(service.stranger().get("/hello").await.status, 401);
//! # }
//! ```
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, and so does its set-up")]

mod plans;
pub mod process;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, Issuer, SigningKeys, TenantScope};
use cedargate_migrations::testing::{Engine, Operator, TestStore};
use cedargate_migrations::{FromRow, Pool};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Clock, Credential, Micros, Principal, PrincipalId, RoleName, SessionId,
    TenantId, TenantName,
};
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{KeySource, Keys, Kit, Service, open_store};
pub use plans::sorts_without_index;
pub use server::{Server, status};

/// The issuer URL of the tests' gateway.
pub const ISSUER: &str = "https://gateway.example";

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Sets the clock.
    pub fn set(&self, now: Micros) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

/// A service in process, with everything real but the network.
pub struct TestService {
    app: Router,
    pool: Pool,
    audience: &'static str,
    issuer: Issuer,
    clock: Arc<SetClock>,
    directory: Arc<TempDir>,
    store: Arc<TestStore>,
}

/// A tenant of that number and name.
pub fn tenant(number: u128, name: &str) -> TenantScope {
    TenantScope { id: TenantId(Uuid::from_u128(number)), name: TenantName::parse(name).unwrap() }
}

/// A signed-in clerk of that tenant, by number.
fn principal(tenant: &TenantScope, number: u128, authenticated_at: Micros) -> Principal {
    let id = |kind: u128| Uuid::from_u128(tenant.id.0.as_u128() + kind + number * 1_000);
    Principal {
        id: PrincipalId(id(100)),
        tenant: tenant.id,
        tenant_name: tenant.name.clone(),
        display: "a person".into(),
        roles: vec![RoleName::parse("clerk").unwrap()],
        session: SessionId(id(200)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at,
        version: 1,
    }
}

impl TestService {
    /// Starts the service over a store of its own, which goes with it. It is on the test's engine: put
    /// `cedargate_migrations::testing::each_engine` where `tokio::test` stands to have each in turn.
    pub async fn start(service: &Service) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let issuer = Issuer::new(ISSUER, SigningKeys::from_seed(&[7; 32]));
        std::fs::write(directory.path().join("jwks.json"), issuer.keys().jwks().to_json()).unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_790_000_000_000_000)));
        Self::open(service, directory, Arc::new(TestStore::new().await), clock).await
    }

    /// A second one over the same store, as another process would be: nothing in memory is shared but the clock.
    pub async fn beside(&self, service: &Service) -> Self {
        let (directory, store) = (Arc::clone(&self.directory), Arc::clone(&self.store));
        Self::open(service, directory, store, Arc::clone(&self.clock)).await
    }

    async fn open(service: &Service, directory: Arc<TempDir>, store: Arc<TestStore>, clock: Arc<SetClock>) -> Self {
        let pool = open_store(service, store.url()).await.unwrap();
        let issuer = Issuer::new(ISSUER, SigningKeys::from_seed(&[7; 32]));
        let keys_file = KeySource::File(directory.path().join("jwks.json"));
        let keys = Arc::new(Keys::new(keys_file, ISSUER, service.name).unwrap());
        keys.refresh().await.unwrap();
        let kit = Kit::new(pool.clone(), service.schema, keys, Arc::clone(&clock) as Arc<dyn Clock>);
        let app = kit.app((service.routes)());
        Self { app, pool, audience: service.name, issuer, clock, directory, store }
    }

    /// The service's router, to be served on a real socket.
    pub fn app(&self) -> Router {
        self.app.clone()
    }

    /// The service's store.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The operator of the service's store, who is above row security: for what a test must see or break.
    pub async fn operator(&self) -> Operator {
        self.store.operator().await
    }

    /// Makes the audit outbox refuse every entry, as a full disk would.
    pub async fn break_outbox(&self) {
        let sql = match Engine::current() {
            Engine::Sqlite => {
                "CREATE TRIGGER outbox_is_full BEFORE INSERT ON audit_outbox
                BEGIN SELECT RAISE(ABORT, 'the outbox takes nothing'); END"
            }
            Engine::Postgres => "ALTER TABLE audit_outbox ADD CONSTRAINT outbox_is_full CHECK (false) NOT VALID",
        };
        self.operator().await.run(sql).await;
    }

    /// Undoes [`TestService::break_outbox`].
    pub async fn mend_outbox(&self) {
        let sql = match Engine::current() {
            Engine::Sqlite => "DROP TRIGGER outbox_is_full",
            Engine::Postgres => "ALTER TABLE audit_outbox DROP CONSTRAINT outbox_is_full",
        };
        self.operator().await.run(sql).await;
    }

    /// The service's clock.
    pub fn clock(&self) -> &SetClock {
        &self.clock
    }

    /// The issuer whose keys the service reads.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Replaces the published key set.
    pub fn publish(&self, keys: &SigningKeys) {
        std::fs::write(self.directory.path().join("jwks.json"), keys.jwks().to_json()).unwrap();
    }

    /// A signed-in person of that tenant: always the same one.
    pub fn person(&self, tenant: &TenantScope) -> TestClient {
        self.person_number(tenant, 0)
    }

    /// Another signed-in person of that tenant, by number; number 0 is [`TestService::person`].
    pub fn person_number(&self, tenant: &TenantScope, number: u128) -> TestClient {
        let principal = principal(tenant, number, self.clock.now());
        self.asserted(&Caller::Principal(Arc::new(principal)), tenant)
    }

    /// Somebody of whom the gateway knows only the tenant.
    pub fn anonymous(&self, tenant: &TenantScope) -> TestClient {
        self.asserted(&Caller::Anonymous, tenant)
    }

    /// Somebody who reaches the service past the gateway.
    pub fn stranger(&self) -> TestClient {
        TestClient { app: self.app.clone(), headers: HeaderMap::new() }
    }

    fn asserted(&self, caller: &Caller, tenant: &TenantScope) -> TestClient {
        let issued = self.issuer.issue(caller, tenant, self.audience, self.clock.now()).unwrap();
        self.stranger().with(IDENTITY_HEADER, &issued.token).with(DECISION_HEADER, &Uuid::now_v7().to_string())
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct TestClient {
    app: Router,
    headers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it is.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub json: Value,
}

impl TestClient {
    /// The same, with one more header on every request.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// The same, without that header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name).unwrap();
        self
    }

    /// The value of a header that every request carries.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// Sends a GET.
    pub async fn get(&self, target: &str) -> Answer {
        self.send(Method::GET, target, "", Body::empty()).await
    }

    /// Sends a DELETE.
    pub async fn delete(&self, target: &str) -> Answer {
        self.send(Method::DELETE, target, "", Body::empty()).await
    }

    /// Sends a POST with JSON.
    pub async fn post(&self, target: &str, body: Value) -> Answer {
        self.send(Method::POST, target, "application/json", body.to_string().into()).await
    }

    /// Sends a PATCH with JSON.
    pub async fn patch(&self, target: &str, body: Value) -> Answer {
        self.send(Method::PATCH, target, "application/json", body.to_string().into()).await
    }

    /// Sends a PUT with JSON.
    pub async fn put(&self, target: &str, body: Value) -> Answer {
        self.send(Method::PUT, target, "application/json", body.to_string().into()).await
    }

    /// Sends anything.
    pub async fn send(&self, method: Method, target: &str, content_type: &str, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(target).body(body).unwrap();
        *request.headers_mut() = self.headers.clone();
        if !content_type.is_empty() {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status: head.status.as_u16(), headers: head.headers, text, json }
    }
}

impl Answer {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The problem's code; empty if it is no problem.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The fields that the problem names, in order.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap_or_default()).collect()
    }
}

/// One row of the audit outbox.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct OutboxRow {
    /// Whose it is.
    pub tenant_id: Uuid,
    /// The event's id.
    pub id: Uuid,
    /// Under which decision.
    pub decision_id: Uuid,
    /// By whom; none for anonymous callers.
    pub principal_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// What.
    pub action: String,
    /// On what.
    pub resource: String,
    /// JSON.
    pub detail: String,
    /// When.
    pub recorded_at: i64,
}

const OUTBOX_ROWS: &str = "
SELECT tenant_id, id, decision_id, principal_id, session_id, action, resource, detail, recorded_at
FROM audit_outbox
ORDER BY id";

/// Everything in the audit outbox, of all tenants, in the order of ids.
pub async fn outbox(pool: &Pool) -> Vec<OutboxRow> {
    pool.read_system().await.unwrap().query(OUTBOX_ROWS).fetch_all().await.unwrap()
}
