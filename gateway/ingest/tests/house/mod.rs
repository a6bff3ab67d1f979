//! A record, two tenants and two services that may speak.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not every test binary uses all of it")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cedargate_audit::{Priority, Spool, SpoolSettings, read, verify};
use cedargate_ingest::{CredentialBook, CredentialFile, Desk, DeskSettings, ServiceName, Surface, router};
use cedargate_model::{
    Clock, Credential, Decision, DecisionId, Event, EventBody, EventId, Micros, PrincipalId, RefusalCode, RequestId,
    ServiceEvent, SessionId, Subject, TenantId, TenantName, Verdict,
};
use ed25519_dalek::SigningKey;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

/// A clock that is set by hand; it begins now, because ids carry the real time.
pub(crate) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) const ACME: TenantId = TenantId(Uuid::from_u128(1));
pub(crate) const GLOBEX: TenantId = TenantId(Uuid::from_u128(2));
/// Whoever asks for this tenant's name waits until the stall is over.
pub(crate) const STALLED: TenantId = TenantId(Uuid::from_u128(3));
/// With the largest body timeout that can be configured.
pub(crate) const RECORDED_WITHIN: Duration = Duration::from_secs(610);
/// So few that a test fills several.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;
pub(crate) const ANN: PrincipalId = PrincipalId(Uuid::from_u128(7));

pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<SetClock>,
    spool: Option<Spool>,
    router: Router,
    pub(crate) counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    /// The inventory's and the orders' credentials.
    pub(crate) inventory: String,
    pub(crate) orders: String,
    pub(crate) stall: Arc<Stall>,
    segment_bytes: u64,
}

/// Where a batch can be made to stand still.
#[derive(Default)]
pub(crate) struct Stall {
    is_over: Mutex<bool>,
    ended: Condvar,
    pub(crate) begun: tokio::sync::Notify,
}

impl Stall {
    fn wait(&self) {
        self.begun.notify_one();
        let is_over = self.is_over.lock().unwrap();
        // A test that failed ends all the same.
        drop(self.ended.wait_timeout_while(is_over, Duration::from_secs(20), |is_over| !*is_over).unwrap());
    }

    pub(crate) fn end(&self) {
        *self.is_over.lock().unwrap() = true;
        self.ended.notify_all();
    }
}

/// What the listener answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(1_000_000, SEGMENT_BYTES)
    }

    pub(crate) fn with_rate(events_per_second: u32) -> Self {
        Self::with(events_per_second, SEGMENT_BYTES)
    }

    pub(crate) fn with_segments(segment_bytes: u64) -> Self {
        Self::with(1_000_000, segment_bytes)
    }

    fn with(events_per_second: u32, segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(now)));
        let mut book = CredentialBook::default();
        let mut credential = |service: &str| {
            let made = book.create(&ServiceName::parse(service).unwrap(), Micros(now)).unwrap();
            made.expose().to_string()
        };
        let (inventory, orders) = (credential("inventory"), credential("orders"));
        std::fs::write(dir.path().join("book.json"), book.to_text().unwrap()).unwrap();
        let (counts, stall) = (Arc::default(), Arc::default());
        let (spool, router) = open(&dir, &clock, &counts, &stall, events_per_second, segment_bytes);
        Self { dir, clock, spool: Some(spool), router, counts, inventory, orders, stall, segment_bytes }
    }

    /// Ends the boot in order and begins the next.
    pub(crate) fn restart(&mut self) {
        self.spool.take().unwrap().close().unwrap();
        self.router = Router::new();
        let (spool, router) = open(&self.dir, &self.clock, &self.counts, &self.stall, 1_000_000, self.segment_bytes);
        (self.spool, self.router) = (Some(spool), router);
    }

    pub(crate) fn spool(&self) -> &Spool {
        self.spool.as_ref().unwrap()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// A decision at the house's time that is durable.
    pub(crate) async fn decide(&self, tenant: &str, service: &str, verdict: Verdict) -> DecisionId {
        let decision = drawn(self.clock.now());
        self.record(decision, tenant, service, verdict).await;
        decision
    }

    /// Records a decision, whenever its id was drawn.
    pub(crate) async fn record(&self, decision: DecisionId, tenant: &str, service: &str, verdict: Verdict) {
        let at = self.clock.now();
        let body = Decision {
            decision,
            request: RequestId(Uuid::now_v7()),
            verdict,
            client: IpAddr::from([127, 0, 0, 1]),
            client_certificate: None,
            method: "POST".into(),
            host: format!("{tenant}.localhost"),
            path: format!("/{service}/items"),
            route: Some(format!("{service}.CreateItem").as_str().into()),
            service: Some(service.into()),
            action: Some("Inventory::Action::\"CreateItem\"".into()),
            resource: Some("Inventory::Catalog::\"items\"".into()),
            subject: Some(Subject {
                principal: ANN,
                session: SessionId(Uuid::from_u128(8)),
                level: 1,
                credential: Credential::Session,
            }),
            inspection: None,
            snapshot: None,
            determined_by: Arc::new([]),
            facts: None,
            shadow: None,
        };
        let tenant = Some(TenantName::parse(tenant).unwrap());
        let event = Event { id: EventId(Uuid::now_v7()), at, tenant, body: EventBody::Decision(Arc::new(body)) };
        self.spool().record(&event, Priority::Known).unwrap().durable().await.unwrap();
    }

    pub(crate) async fn allow(&self) -> DecisionId {
        self.decide("acme", "inventory", Verdict::Allow).await
    }

    pub(crate) async fn refuse(&self) -> DecisionId {
        let code = RefusalCode::PathInvalid;
        let verdict = Verdict::Refuse { stage: code.stage(), code, detail: String::new() };
        self.decide("acme", "inventory", verdict).await
    }

    /// Sends octets with these headers.
    pub(crate) async fn send(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Said {
        let mut request = Request::post("/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let octets = answer.into_body().collect().await.unwrap().to_bytes();
        Said { status, headers, body: serde_json::from_slice(&octets).unwrap() }
    }

    /// Hands over a batch.
    pub(crate) async fn tell(&self, credential: &str, events: &[Value]) -> Said {
        let lines: Vec<_> = events.iter().map(Value::to_string).collect();
        let bearer = format!("Bearer {credential}");
        let headers = [(header::AUTHORIZATION.as_str(), &*bearer), ("content-type", "application/x-ndjson")];
        self.send(&headers, lines.join("\n")).await
    }

    /// Hands over one event as the inventory; what became of it, and the code.
    pub(crate) async fn tell_one(&self, event: &Value) -> (String, String) {
        let said = self.tell(&self.inventory, std::slice::from_ref(event)).await;
        assert_eq!(said.status, 200, "{said:?}");
        said.outcome(0)
    }

    /// Every service event in the record.
    pub(crate) fn recorded(&self) -> Vec<ServiceEvent> {
        let events = read(&self.dir.path().join("audit")).map(|entry| entry.unwrap().event().cloned());
        let said = events.filter_map(|event| match event?.body {
            EventBody::ServiceEvent(said) => Some(*said),
            _ => None,
        });
        said.collect()
    }

    /// The record holds.
    pub(crate) fn verify(&self) {
        verify(&self.dir.path().join("audit"), None).unwrap();
    }
}

impl Said {
    pub(crate) fn outcome(&self, at: usize) -> (String, String) {
        let text = |key: &str| self.body["results"][at][key].as_str().unwrap_or_default().to_owned();
        (text("result"), text("code"))
    }

    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// A decision's id of that moment.
pub(crate) fn drawn(at: Micros) -> DecisionId {
    let millis = u64::try_from(at.0 / 1_000).unwrap();
    let random = *Uuid::new_v4().as_bytes();
    let random = random.first_chunk::<10>().unwrap();
    DecisionId(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
}

/// An event of acme's under a decision.
pub(crate) fn event(decision: DecisionId) -> Value {
    json!({
        "event": Uuid::now_v7(), "tenant": ACME.0, "decision": decision, "action": "CreateItem",
        "resource": "Inventory::Item::\"7\"", "done_at": 1_700_000_000_000_000_i64, "detail": { "sku": "A", "price": 0.1 },
    })
}

fn open(
    dir: &TempDir,
    clock: &Arc<SetClock>,
    counts: &Arc<Mutex<BTreeMap<&'static str, u64>>>,
    stall: &Arc<Stall>,
    events_per_second: u32,
    segment_bytes: u64,
) -> (Spool, Router) {
    let audit_dir = dir.path().join("audit");
    let settings = SpoolSettings { segment_bytes, ..SpoolSettings::new(&audit_dir, "gw-1") };
    let clock: Arc<dyn Clock> = clock.clone();
    let (spool, _) = Spool::open(settings, SigningKey::from_bytes(&[7; 32]), Arc::clone(&clock)).unwrap();
    let stall = Arc::clone(stall);
    let names = move |tenant| match tenant {
        ACME => TenantName::parse("acme").ok(),
        GLOBEX => TenantName::parse("globex").ok(),
        STALLED => {
            stall.wait();
            None
        }
        _ => None,
    };
    let counts = Arc::clone(counts);
    let desk = Desk::new(DeskSettings {
        spool: spool.clone(),
        audit_dir,
        tenants: Arc::new(names),
        count: Arc::new(move |word, events| *counts.lock().unwrap().entry(word).or_default() += events),
        clock: Arc::clone(&clock),
        recorded_within: RECORDED_WITHIN,
    });
    let credentials = CredentialFile::new(dir.path().join("book.json"));
    (spool, router(Surface { desk, credentials, events_per_second, clock }))
}
