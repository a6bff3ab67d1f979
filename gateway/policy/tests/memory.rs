//! What decisions and snapshots take of memory, by a counting allocator. One test in the program: others would be counted.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are worth seeing")]

use std::alloc::System;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Weak};

use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, DecisionId, Micros, Principal, PrincipalId, RoleName, SessionId,
    TenantId, TenantName,
};
use cedargate_policy::{Context, Decisions, Query, Snapshot, Sources, TenantScope, Verdict, WafFindings};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The octets that are in use now.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

static CONTEXT: LazyLock<Context> = LazyLock::new(|| Context {
    now: Micros(0),
    client: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    certificate: None,
    waf: WafFindings::default(),
});

/// The shipped policies with one more, which tells snapshots apart and makes decisions depend on the resource's id.
fn sources(generation: usize) -> Sources {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"));
    let mut texts = Vec::new();
    for folder in ["platform", "gateway", "inventory"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name != "openapi.json" {
                texts
                    .push((format!("{folder}/{name}"), std::fs::read_to_string(root.join(folder).join(name)).unwrap()));
            }
        }
    }
    let more = format!(
        "@id(\"inventory/held\")\nforbid (principal, action == Inventory::Action::\"GetItem\", resource == \
         Inventory::Item::\"held-{generation}\");\n"
    );
    texts.push(("inventory/held.cedar".to_owned(), more));
    Sources::from_texts(texts).unwrap_or_else(|problems| panic!("{problems}"))
}

fn snapshot(generation: usize) -> Arc<Snapshot> {
    let scope =
        TenantScope::new(TenantId(Uuid::from_u128(1)), TenantName::parse("acme").unwrap(), ["gateway", "inventory"]);
    Arc::new(Snapshot::build(&sources(generation), &scope).unwrap_or_else(|problems| panic!("{problems}")))
}

/// Somebody with a principal of their own, as after a sign-in.
fn person(n: u128) -> Caller {
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(n)),
        tenant: TenantId(Uuid::from_u128(1)),
        tenant_name: TenantName::parse("acme").unwrap(),
        display: format!("somebody-{n}@acme.example.com"),
        roles: ["auditor", "clerk", "viewer"].map(|role| RoleName::parse(role).unwrap()).into(),
        session: SessionId(Uuid::from_u128(n)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at: Micros(0),
        version: 1,
    }))
}

/// Asks for so many items with ids as long as they may be, each as somebody else.
fn ask(decisions: &Decisions, snapshot: &Snapshot, questions: std::ops::Range<u128>) {
    for n in questions {
        let resource = format!("Inventory::Item::\"{n:0>256}\"");
        let routed = snapshot.routes().address("Inventory::Action::\"GetItem\"", &resource).unwrap();
        let (caller, decision) = (person(n), DecisionId(Uuid::nil()));
        let verdict =
            decisions.decide(snapshot, &Query { caller: &caller, routed: &routed, context: &CONTEXT }, decision);
        assert!(matches!(verdict, Verdict::Allow(_)));
    }
}

#[test]
fn what_is_kept_of_decisions_and_snapshots_is_bounded_in_octets() {
    the_cache_takes_what_it_may_and_no_more();
    a_cached_decision_keeps_no_snapshot_alive();
    snapshots_that_are_replaced_leave_nothing_behind();
}

fn the_cache_takes_what_it_may_and_no_more() {
    const BYTES_MAX: u64 = 2 << 20;
    let snapshot = snapshot(0);
    // Once around, so that what is allocated once and for all is there.
    ask(&Decisions::new(BYTES_MAX), &snapshot, 0..10);
    let before = in_use();
    let decisions = Decisions::new(BYTES_MAX);
    ask(&decisions, &snapshot, 0..10_000);
    let (taken, stats) = (in_use() - before, decisions.stats());
    println!("{} decisions are kept and weigh {} octets; they take {taken}", stats.entries, stats.bytes);
    assert!(stats.bytes <= BYTES_MAX && stats.bytes > BYTES_MAX / 2, "{stats:?}");
    // The cache tidies up behind itself in batches, so a little more is there now and then.
    let allowed = usize::try_from(BYTES_MAX).unwrap() * 5 / 4;
    assert!(taken < allowed, "{taken} octets are taken, {allowed} allowed");
}

fn a_cached_decision_keeps_no_snapshot_alive() {
    let decisions = Decisions::new(1 << 20);
    let live = snapshot(0);
    ask(&decisions, &live, 0..100);
    let (in_flight, former): (_, Weak<Snapshot>) = (Arc::clone(&live), Arc::downgrade(&live));
    drop(live);
    assert!(former.upgrade().is_some(), "a request still holds it");
    drop(in_flight);
    assert!(former.upgrade().is_none(), "nobody holds it");
    assert!(decisions.stats().misses >= 100);
}

fn snapshots_that_are_replaced_leave_nothing_behind() {
    const RELOADS: usize = 60;
    let before = in_use();
    let first = snapshot(0);
    let one = in_use() - before;
    drop(first);
    let left = in_use().saturating_sub(before);
    println!("a snapshot takes {one} octets; once it is dropped, {left} are left");
    assert!(left < 4_096, "{left} octets are left of one snapshot");

    // With decisions of each in the cache, it fills up to its bound and stays there.
    let decisions = Decisions::new(128 << 10);
    let mut full = 0;
    for generation in 1..RELOADS {
        ask(&decisions, &snapshot(generation), 0..50);
        if generation == RELOADS / 3 {
            full = in_use();
        }
    }
    let grown = in_use().saturating_sub(full);
    println!("{} reloads grew it by {grown} octets", RELOADS - RELOADS / 3);
    assert!(grown < one / 2, "{grown} octets came with {} reloads", RELOADS - RELOADS / 3);
}
