//! What the cache serves is what the issuer would say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cedargate_assertion::{IssueError, IssuedCache, Issuer, LIFETIME, SigningKeys, TenantScope, Verifier};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId,
    TenantName,
};
use uuid::Uuid;

const ISSUER: &str = "https://gateway.example";
const NOW: Micros = Micros(1_790_000_000_000_000);

fn issuer() -> Issuer {
    Issuer::new(ISSUER, SigningKeys::from_seed(&[7; 32]))
}

fn tenant(number: u128, name: &str) -> TenantScope {
    TenantScope { id: TenantId(Uuid::from_u128(number)), name: TenantName::parse(name).unwrap() }
}

fn ann() -> Principal {
    Principal {
        id: PrincipalId(Uuid::from_u128(3)),
        tenant: TenantId(Uuid::from_u128(1)),
        tenant_name: TenantName::parse("acme").unwrap(),
        display: "ann@acme.example".into(),
        roles: vec![RoleName::parse("clerk").unwrap()],
        session: SessionId(Uuid::from_u128(4)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at: Micros(1_789_999_000_000_000),
        version: 1,
    }
}

fn caller(change: impl FnOnce(&mut Principal)) -> Caller {
    let mut principal = ann();
    change(&mut principal);
    Caller::Principal(Arc::new(principal))
}

/// Everything that differs in what an assertion says differs in the key: each of these gets its own, and a second look
/// gives the very same.
#[test]
fn a_hit_says_what_a_fresh_issue_would_say() {
    let cache = IssuedCache::new(100);
    let acme = tenant(1, "acme");
    let rotated = Issuer::new(ISSUER, issuer().keys().succeeded_by(SigningKeys::from_seed(&[8; 32])));
    let moved = Issuer::new("https://moved.example", SigningKeys::from_seed(&[7; 32]));
    let same = || caller(|_| ());
    let asked = [
        (issuer(), same(), acme.clone(), "inventory"),
        (issuer(), same(), acme.clone(), "orders"),
        (issuer(), same(), tenant(1, "acme-renamed"), "inventory"),
        (rotated, same(), acme.clone(), "inventory"),
        (moved, same(), acme.clone(), "inventory"),
        (issuer(), caller(|p| p.version = 2), acme.clone(), "inventory"),
        (issuer(), caller(|p| p.session = SessionId(Uuid::from_u128(5))), acme.clone(), "inventory"),
        (issuer(), caller(|p| p.authenticated_at = NOW), acme.clone(), "inventory"),
        (issuer(), caller(|p| p.strength.level = 2), acme.clone(), "inventory"),
        (issuer(), caller(|p| p.id = PrincipalId(Uuid::from_u128(9))), acme.clone(), "inventory"),
        (issuer(), Caller::Anonymous, acme.clone(), "inventory"),
        (issuer(), Caller::Anonymous, tenant(2, "globex"), "inventory"),
    ];
    for round in 0..2 {
        for (number, (issuer, caller, tenant, audience)) in asked.iter().enumerate() {
            let fresh = issuer.issue(caller, tenant, audience, NOW).unwrap();
            assert_eq!(cache.get(issuer, caller, tenant, audience, NOW).is_some(), round == 1, "{number}");
            let served = cache.get_or_issue(issuer, caller, tenant, audience, NOW).unwrap();
            assert_eq!(served, fresh, "{number}");
        }
    }
}

#[test]
fn an_assertion_is_renewed_at_half_its_life() {
    let (cache, acme) = (IssuedCache::new(10), tenant(1, "acme"));
    let at = |now| cache.get_or_issue(&issuer(), &caller(|_| ()), &acme, "inventory", now).unwrap();
    let first = at(NOW);
    let just_before = Micros(first.renew_at.0 - 1);
    assert!(Arc::ptr_eq(&at(just_before).token, &first.token));
    assert_ne!(at(first.renew_at).token, first.token);
    assert_eq!(first.renew_at.since(first.issued_at), LIFETIME / 2);
}

/// A service refuses what was issued in its future.
#[test]
fn a_clock_set_back_does_not_serve_an_assertion_from_the_future() {
    let (cache, acme) = (IssuedCache::new(10), tenant(1, "acme"));
    let before = Micros(NOW.0 - 3_600_000_000);
    cache.get_or_issue(&issuer(), &Caller::Anonymous, &acme, "inventory", NOW).unwrap();
    let served = cache.get_or_issue(&issuer(), &Caller::Anonymous, &acme, "inventory", before).unwrap();
    let verifier = Verifier::new(ISSUER, "inventory", issuer().keys().jwks());
    assert!(verifier.verify(&served.token, before).is_ok());
}

#[test]
fn a_refusal_is_not_cached_and_serves_nobody() {
    let (cache, globex) = (IssuedCache::new(10), tenant(2, "globex"));
    for _ in 0..2 {
        let refused = cache.get_or_issue(&issuer(), &caller(|_| ()), &globex, "inventory", NOW);
        assert!(matches!(refused, Err(IssueError::TenantMismatch { .. })));
    }
}

#[test]
fn the_cache_is_bounded() {
    let (cache, acme) = (IssuedCache::new(8), tenant(1, "acme"));
    let people: Vec<Caller> = (0..200).map(|n| caller(|p| p.session = SessionId(Uuid::from_u128(n)))).collect();
    for person in &people {
        cache.get_or_issue(&issuer(), person, &acme, "inventory", NOW).unwrap();
    }
    cache.settle();
    let kept = people.iter().filter(|person| cache.get(&issuer(), person, &acme, "inventory", NOW).is_some()).count();
    assert!(kept <= 8, "{kept}");
    assert!(LIFETIME > Duration::ZERO);
}
