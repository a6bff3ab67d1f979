//! How many recorded decisions a replay makes again in a second, on one core: `cargo run --release -p cedargate-policy --example replay_bench`.
//!
//! A log is written by the spool that serves, with people of every role over every route of the inventory and the orders, as they would
//! be allowed and refused, and then read and decided again as `cedargate policy replay` does it: leaf hashes checked, nothing kept.

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement for a terminal")]

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use cedargate_audit::{Priority, Spool, SpoolSettings, search};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Decision, DecisionId, Event, EventBody, EventId, Facts, Micros,
    NormalizedPath, Principal, PrincipalId, RefusalCode, RequestId, RoleName, SessionId, Subject, SystemClock,
    TenantId, TenantName, Verdict as Recorded,
};
use cedargate_policy::{Context, Query, Replay, Routing, Snapshot, Sources, TenantScope, Verdict, WafFindings};
use ed25519_dalek::SigningKey;
use http::Method;
use uuid::Uuid;

const DECISIONS: usize = 400_000;
const PEOPLE: usize = 2_000;
const NOW: Micros = Micros(1_795_000_000_000_000);

fn main() {
    let sources = Sources::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies")).unwrap();
    let acme = TenantName::parse("acme").unwrap();
    let scope = TenantScope::of_all_modules(&sources, TenantId(Uuid::from_u128(1)), acme.clone());
    let snapshot = Snapshot::build(&sources, &scope).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &snapshot, &acme);

    for round in 1..=3 {
        let mut replay = Replay::new(&sources, None);
        let started = Instant::now();
        let take = |event: &[u8]| {
            replay.take(event).unwrap();
            ControlFlow::Continue(())
        };
        search(dir.path(), (Micros(0), Micros(i64::MAX)), |_| true, take).unwrap();
        let took = started.elapsed();
        let replayed = replay.finish();
        assert_eq!((replayed.changed, replayed.unreadable, replayed.without_facts), (0, 0, 0));
        let rate = f64::from(u32::try_from(replayed.decisions).unwrap()) / took.as_secs_f64();
        println!("round {round}: {} decisions in {took:.2?}: {rate:.0}/s", replayed.decisions);
    }
}

fn write(dir: &std::path::Path, snapshot: &Snapshot, tenant: &TenantName) {
    let settings = SpoolSettings { segment_bytes: 256 << 20, ..SpoolSettings::new(dir, "bench") };
    let (spool, _) = Spool::open(settings, SigningKey::from_bytes(&[7; 32]), Arc::new(SystemClock)).unwrap();
    let people: Vec<Caller> = (0..PEOPLE).map(person).collect();
    let routes: Vec<_> = snapshot.routes().all().iter().filter(|route| *route.module != *"gateway").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..DECISIONS {
        let route = routes[number % routes.len()];
        let caller = &people[number * 7919 % people.len()];
        let id = Uuid::from_u128(u128::try_from(number % 5_000).unwrap()).to_string();
        let part = |part: &str| if part.starts_with('{') { id.clone() } else { part.to_owned() };
        let parts: Vec<String> = route.path.split('/').map(part).collect();
        let event = recorded(snapshot, tenant, caller, &route.method, &parts.join("/"));
        let ticket = spool.record(&event, Priority::Known).unwrap();
        if number % 2_000 == 1_999 {
            runtime.block_on(ticket.durable()).unwrap();
        }
    }
    spool.close().unwrap();
}

fn person(number: usize) -> Caller {
    let role = ["viewer", "clerk", "clerk", "manager", "auditor", "admin"][number % 6];
    let number = u128::try_from(number).unwrap();
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(number + 10)),
        tenant: TenantId(Uuid::from_u128(1)),
        tenant_name: TenantName::parse("acme").unwrap(),
        display: String::new(),
        roles: vec![RoleName::parse(role).unwrap()],
        session: SessionId(Uuid::from_u128(number)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at: Micros(NOW.0 - 1_000_000),
        version: 1,
    }))
}

fn recorded(snapshot: &Snapshot, tenant: &TenantName, caller: &Caller, method: &Method, path: &str) -> Event {
    let normalized = NormalizedPath::parse(path).unwrap();
    let Routing::Found(routed) = snapshot.routes().find(method, &normalized) else {
        unreachable!("a route's own path")
    };
    let client = IpAddr::from([192, 0, 2, 1]);
    let context = Context { now: NOW, client, certificate: None, waf: WafFindings::default() };
    let id = Uuid::now_v7();
    let decided = snapshot.decide(&Query { caller, routed: &routed, context: &context }, DecisionId(id));
    let code = match &decided {
        Verdict::Allow(_) => None,
        Verdict::StepUp(_) => Some(RefusalCode::StepUpRequired),
        Verdict::SignIn(_) => Some(RefusalCode::SigninRequired),
        Verdict::Deny(_) => Some(RefusalCode::Forbidden),
        Verdict::Failed(_) => Some(RefusalCode::DecisionFailed),
    };
    let refuse = |code: RefusalCode| Recorded::Refuse { stage: code.stage(), code, detail: String::new() };
    let principal = caller.principal().unwrap();
    let decision = Decision {
        decision: DecisionId(id),
        request: RequestId(id),
        verdict: code.map_or(Recorded::Allow, refuse),
        client,
        client_certificate: None,
        method: method.to_string(),
        host: "acme.localhost".into(),
        path: path.into(),
        route: Some(routed.route().id.clone()),
        service: Some(Arc::clone(&routed.route().service)),
        action: Some(Arc::clone(&routed.route().action)),
        resource: Some(routed.resource().to_string()),
        subject: Some(Subject {
            principal: principal.id,
            session: principal.session,
            level: principal.strength.level,
            credential: principal.credential,
        }),
        inspection: None,
        snapshot: Some(snapshot.id().clone()),
        determined_by: Arc::clone(decided.basis().determined_by()),
        facts: Some(Arc::new(Facts {
            v: Facts::VERSION,
            tenant: snapshot.tenant().id,
            now: NOW,
            roles: principal.roles.clone(),
            methods: principal.strength.methods.clone(),
            authenticated_at: Some(principal.authenticated_at),
        })),
        shadow: None,
    };
    Event { id: EventId(id), at: NOW, tenant: Some(tenant.clone()), body: EventBody::Decision(Arc::new(decision)) }
}
