//! The policies in `policies/` make snapshots, and the walk's questions have the answers that the matrix shows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, DecisionId, Micros, NormalizedPath, Principal, PrincipalId,
    RoleName, SessionId, TenantId, TenantName,
};
use cedargate_policy::{
    Context, Decisions, Query, Routed, Routing, Snapshot, Sources, TenantScope, Verdict, WafFindings,
};
use http::Method;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn sources() -> Sources {
    Sources::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies")).unwrap_or_else(|p| panic!("{p}"))
}

fn tenant(n: u128, name: &str) -> TenantScope {
    TenantScope::new(TenantId(Uuid::from_u128(n)), TenantName::parse(name).unwrap(), ["gateway", "inventory", "orders"])
}

fn build(scope: &TenantScope) -> Snapshot {
    Snapshot::build(&sources(), scope).unwrap_or_else(|p| panic!("{p}"))
}

fn person(tenant: &TenantScope, roles: &[&str], level: u8) -> Caller {
    let methods = if level >= 2 { vec![AuthnMethod::Pwd, AuthnMethod::Otp] } else { vec![AuthnMethod::Pwd] };
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(7)),
        tenant: tenant.id,
        tenant_name: tenant.name.clone(),
        display: "somebody@example.com".into(),
        roles: roles.iter().map(|role| RoleName::parse(role).unwrap()).collect(),
        session: SessionId(Uuid::from_u128(8)),
        credential: Credential::Session,
        strength: AuthnStrength { level, methods },
        authenticated_at: NOW,
        version: 1,
    }))
}

fn route(snapshot: &Snapshot, method: Method, path: &str) -> Routed {
    match snapshot.routes().find(&method, &NormalizedPath::parse(path).unwrap()) {
        Routing::Found(routed) => routed,
        other => panic!("{method} {path}: {other:?}"),
    }
}

fn decide(snapshot: &Snapshot, caller: &Caller, method: Method, path: &str) -> Verdict {
    let routed = route(snapshot, method, path);
    let context =
        Context { now: NOW, client: IpAddr::from([127, 0, 0, 1]), certificate: None, waf: WafFindings::default() };
    snapshot.decide(&Query { caller, routed: &routed, context: &context }, DecisionId(Uuid::nil()))
}

fn summary(verdict: &Verdict) -> (&'static str, Vec<String>) {
    (verdict.as_str(), verdict.basis().determined_by().iter().map(ToString::to_string).collect())
}

#[test]
fn another_tenants_principal_is_denied_by_the_guard_rail() {
    let (acme, globex) = (tenant(1, "acme"), tenant(2, "globex"));
    let verdict = decide(&build(&acme), &person(&globex, &["admin"], 3), Method::GET, "/inventory/items");
    assert_eq!(summary(&verdict), ("deny", vec!["platform/tenant-isolation".to_owned()]));
}

#[test]
fn an_anonymous_caller_is_asked_to_sign_in() {
    let snapshot = build(&tenant(1, "acme"));
    let verdict = decide(&snapshot, &Caller::Anonymous, Method::GET, "/inventory/items");
    assert_eq!(summary(&verdict), ("sign_in", vec!["platform/anonymous-only-public".to_owned()]));
    let verdict = decide(&snapshot, &Caller::Anonymous, Method::POST, "/auth/login");
    assert_eq!(summary(&verdict), ("allow", vec!["gateway/matrix/anonymous/Signin".to_owned()]));
}

#[test]
fn a_role_permits_what_its_column_says_and_nothing_else() {
    let acme = tenant(1, "acme");
    let snapshot = build(&acme);
    let clerk = person(&acme, &["clerk"], 1);
    let verdict = decide(&snapshot, &clerk, Method::PATCH, "/inventory/items/42");
    assert_eq!(summary(&verdict), ("allow", vec!["inventory/matrix/clerk/UpdateItem".to_owned()]));
    assert_eq!(summary(&decide(&snapshot, &clerk, Method::DELETE, "/inventory/items/42")), ("deny", vec![]));
}

#[test]
fn a_person_whose_store_says_anonymous_is_not() {
    let acme = tenant(1, "acme");
    let verdict = decide(&build(&acme), &person(&acme, &["anonymous"], 1), Method::GET, "/auth/login");
    assert_eq!(summary(&verdict), ("allow", vec!["gateway/matrix/member/ShowSignin".to_owned()]));
}

#[test]
fn a_recall_asks_for_a_stronger_sign_in() {
    let acme = tenant(1, "acme");
    let snapshot = build(&acme);
    let path = "/inventory/lots/7/recall";
    match decide(&snapshot, &person(&acme, &["manager"], 1), Method::POST, path) {
        Verdict::StepUp(step_up) => assert_eq!((step_up.level(), step_up.max_age_seconds()), (2, None)),
        other => panic!("{other:?}"),
    }
    assert_eq!(decide(&snapshot, &person(&acme, &["manager"], 2), Method::POST, path).as_str(), "allow");
    assert_eq!(decide(&snapshot, &person(&acme, &["clerk"], 1), Method::POST, path).as_str(), "deny");
}

#[test]
fn a_tenant_forbids_for_itself_only() {
    let (acme, globex) = (tenant(1, "acme"), tenant(2, "globex"));
    let path = "/inventory/items/42";
    let verdict = decide(&build(&globex), &person(&globex, &["admin"], 1), Method::DELETE, path);
    assert_eq!(summary(&verdict), ("deny", vec!["tenants/globex/no-deletion".to_owned()]));
    assert_eq!(decide(&build(&acme), &person(&acme, &["admin"], 1), Method::DELETE, path).as_str(), "allow");
}

#[test]
fn the_bare_host_is_decided_like_anything_else() {
    let snapshot = build(&TenantScope::bare_host());
    assert_eq!(decide(&snapshot, &Caller::Anonymous, Method::GET, "/").as_str(), "allow");
    let path = NormalizedPath::parse("/inventory/items").unwrap();
    assert!(matches!(snapshot.routes().find(&Method::GET, &path), Routing::Unknown));
}

#[test]
fn a_route_of_another_snapshot_is_not_decided() {
    let (acme, globex) = (build(&tenant(1, "acme")), build(&tenant(2, "globex")));
    let routed = route(&acme, Method::GET, "/auth/login");
    let context =
        Context { now: NOW, client: IpAddr::from([127, 0, 0, 1]), certificate: None, waf: WafFindings::default() };
    let query = Query { caller: &Caller::Anonymous, routed: &routed, context: &context };
    assert_eq!(globex.decide(&query, DecisionId(Uuid::nil())).as_str(), "failed");
    assert_eq!(Decisions::new(1 << 20).decide(&globex, &query, DecisionId(Uuid::nil())).as_str(), "failed");
}

#[test]
fn routes_are_found_by_method_and_path() {
    let snapshot = build(&tenant(1, "acme"));
    let find = |method: Method, path: &str| snapshot.routes().find(&method, &NormalizedPath::parse(path).unwrap());

    let routed = route(&snapshot, Method::HEAD, "/inventory/items/caf%C3%A9");
    assert_eq!(routed.route().id.as_str(), "inventory.GetItem");
    assert_eq!(&*routed.route().action, "Inventory::Action::\"GetItem\"");
    assert_eq!(routed.resource().to_string(), "Inventory::Item::\"café\"");
    match find(Method::PUT, "/inventory/items/42") {
        Routing::MethodNotAllowed(methods) => {
            assert_eq!(methods, [Method::DELETE, Method::GET, Method::HEAD, Method::PATCH]);
        }
        other => panic!("{other:?}"),
    }
    for path in
        ["/inventory", "/inventory/items/", "/inventory/items/42/", "/Inventory/items", "/inventory/items/42/lots/7"]
    {
        assert!(matches!(find(Method::GET, path), Routing::Unknown), "{path}");
    }
    for (length, found) in [(256, true), (257, false), (5_000, false)] {
        let path = format!("/inventory/items/{}", "x".repeat(length));
        assert_eq!(matches!(find(Method::GET, &path), Routing::Found(_)), found, "{length}");
    }
    let routed = snapshot.routes().address("Inventory::Action::\"GetItem\"", "Inventory::Item::\"42\"").unwrap();
    assert_eq!(routed.resource().to_string(), "Inventory::Item::\"42\"");
    assert!(snapshot.routes().address("Inventory::Action::\"GetItem\"", "Inventory::Lot::\"42\"").is_none());
}

#[test]
fn a_decision_can_be_explained() {
    let snapshot = build(&tenant(1, "acme"));
    let id = "inventory/matrix/manager/RecallLot".into();
    assert!(snapshot.policy_text(&id).unwrap().contains("context.authn.level >= 2"));
    assert!(snapshot.policy_description(&id).unwrap().contains("`manager` may `RecallLot` when `strong-signin`"));
    assert_eq!(&*snapshot.policy_place(&id).unwrap().file, "inventory/matrix.txt");
}

#[test]
fn the_same_content_has_the_same_name_and_other_content_another() {
    let acme = tenant(1, "acme");
    assert_eq!(build(&acme).id(), build(&acme).id());
    let names: std::collections::BTreeSet<_> = [acme, tenant(2, "acme"), tenant(1, "globex"), TenantScope::bare_host()]
        .iter()
        .map(|t| build(t).id().clone())
        .collect();
    assert_eq!(names.len(), 4);
    assert!(names.iter().all(|name| name.as_str().len() == 64));
}

#[test]
fn a_second_question_is_answered_from_the_cache() {
    let acme = tenant(1, "acme");
    let (snapshot, decisions) = (build(&acme), Decisions::new(1 << 20));
    let context =
        Context { now: NOW, client: IpAddr::from([127, 0, 0, 1]), certificate: None, waf: WafFindings::default() };
    let later = Context {
        now: Micros(NOW.0 + 5),
        client: IpAddr::from([10, 0, 0, 1]),
        certificate: None,
        waf: WafFindings::scored(9),
    };
    let clerk = person(&acme, &["clerk"], 1);
    for (path, context) in [("/inventory/items/1", &context), ("/inventory/items/2", &later)] {
        let routed = route(&snapshot, Method::PATCH, path);
        let verdict =
            decisions.decide(&snapshot, &Query { caller: &clerk, routed: &routed, context }, DecisionId(Uuid::nil()));
        assert_eq!(verdict.as_str(), "allow");
    }
    assert_eq!((decisions.stats().hits, decisions.stats().misses), (1, 1));
}

#[test]
fn shipped_matrices_are_in_canonical_form() {
    for module in ["gateway", "directory", "inventory"] {
        let path = format!("{}/../../policies/{module}/matrix.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let matrix = cedargate_policy::Matrix::parse(&text, "matrix.txt").unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(matrix.to_string(), text, "{module}");
    }
}
