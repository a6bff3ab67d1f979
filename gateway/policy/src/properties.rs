//! What must not matter, over generated policies, callers, resources and contexts: the index, the cache, and what the
//! ladder leaves untried. The policies are not validated, so that some of them err.

use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId, TenantName,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::judge::{Outcome, every_way};
use crate::{Context, Decisions, Query, Routed, Snapshot, Sources, TenantScope};

const SCHEMA: &str = r#"
namespace Toy {
  entity Page { tenant: Cedargate::Tenant };
  entity Item { tenant: Cedargate::Tenant };
  action writes;
  action Read in [Cedargate::Action::"public"] appliesTo {
    principal: [Cedargate::User, Cedargate::Anonymous], resource: [Page], context: Cedargate::Context
  };
  action Look, Write in [writes] appliesTo {
    principal: [Cedargate::User, Cedargate::Anonymous], resource: [Item], context: Cedargate::Context
  };
}
"#;

const ROUTES: &str = r#"
service = "toy"
[defaults]
timeout_ms = 10
inspection = { mode = "block", body_bytes_max = 10, on_excess = "pass" }
[[route]]
method = "GET"
path = "/"
action = "Read"
resource = { type = "Page", id = "front" }
[[route]]
method = "GET"
path = "/items/{id}"
action = "Look"
resource = { type = "Item", id = "{id}" }
[[route]]
method = "PUT"
path = "/items/{id}"
action = "Write"
resource = { type = "Item", id = "{id}" }
"#;

const ROLES: &str = r#"
[[role]]
name = "anonymous"
description = "-"
[[role]]
name = "member"
description = "-"
[[role]]
name = "one"
description = "-"
[[role]]
name = "two"
description = "-"
"#;

const LADDER: &str = "fresh_seconds = [300, 60]\n[[strength]]\nlevel = 2\nmethods = [\"otp\"]\n[[strength]]\nlevel = 3\n\
                      methods = [\"hwk\"]\n";

const ADDRESSES: [(&str, &str); 5] = [
    ("Read", "Page::\"front\""),
    ("Look", "Item::\"a\""),
    ("Look", "Item::\"b\""),
    ("Write", "Item::\"a\""),
    ("Write", "Item::\"b\""),
];

fn scope() -> TenantScope {
    TenantScope::new(TenantId(Uuid::from_u128(1)), TenantName::parse("acme").unwrap(), ["toy"])
}

fn snapshot() -> Snapshot {
    let platform = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/platform/schema.cedarschema");
    let guard_rails = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/platform/guard-rails.cedar");
    let sources = Sources::from_texts([
        ("platform/schema.cedarschema", std::fs::read_to_string(platform).unwrap()),
        ("platform/roles.toml", ROLES.to_owned()),
        ("platform/step-up.toml", LADDER.to_owned()),
        ("platform/guard-rails.cedar", std::fs::read_to_string(guard_rails).unwrap()),
        ("toy/schema.cedarschema", SCHEMA.to_owned()),
        ("toy/routes.toml", ROUTES.to_owned()),
        ("toy/matrix.txt", "action anonymous member one two\nRead - - - -\nLook - - - -\nWrite - - - -\n".to_owned()),
    ]);
    Snapshot::build(&sources.unwrap(), &scope()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Conditions, among them some that err, always or for some requests.
fn condition() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        4 => (0..4).prop_map(|level| format!("context.authn.level >= {level}")),
        2 => prop::sample::select(vec!["pwd", "otp", "hwk"]).prop_map(|m| format!("context.authn.methods.contains(\"{m}\")")),
        2 => prop::sample::select(vec![30, 60, 250, 300]).prop_map(|age| format!("context.authn.age_seconds <= {age}")),
        1 => Just("context.client.isInRange(ip(\"10.0.0.0/8\"))".to_owned()),
        1 => Just("context.now < datetime(\"2027-01-15T08:00:30Z\")".to_owned()),
        1 => Just("context.waf.score > 3".to_owned()),
        2 => Just("resource == Toy::Item::\"a\"".to_owned()),
        2 => Just("resource is Toy::Item".to_owned()),
        2 => Just("principal.tenant == resource.tenant".to_owned()),
        2 => prop::sample::select(vec!["one", "two", "member", "anonymous"])
            .prop_map(|role| format!("principal in Cedargate::Role::\"{role}\"")),
        1 => Just("action in Toy::Action::\"writes\"".to_owned()),
        1 => Just("context has waf && context.waf has score".to_owned()),
        1 => Just("context.authn == {level: 2, methods: [\"pwd\"], age_seconds: 30}".to_owned()),
        1 => (0..4).prop_map(|level| format!("{{a: context}}.a.authn.level == {level}")),
        1 => Just("[resource].contains(Toy::Item::\"b\")".to_owned()),
        1 => Just("resource has name".to_owned()),
        1 => Just("resource.name == \"x\"".to_owned()),
        1 => Just("context.authn.level + 9223372036854775806 > 0".to_owned()),
        1 => Just("Toy::Item::\"a\".tenant == principal.tenant".to_owned()),
        1 => Just("true".to_owned()),
    ];
    atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("(!({a}))")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

fn policy() -> impl Strategy<Value = String> {
    let principal = prop::sample::select(vec![
        "principal",
        "principal is Cedargate::User",
        "principal is Cedargate::Anonymous",
        "principal in Cedargate::Role::\"one\"",
        "principal in Cedargate::Role::\"two\"",
        "principal in Cedargate::Role::\"member\"",
        "principal is Cedargate::User in Cedargate::Role::\"one\"",
        "principal is Cedargate::Anonymous in Cedargate::Role::\"one\"",
        "principal == Cedargate::User::\"00000000-0000-0000-0000-000000000001\"",
        "principal in Cedargate::User::\"00000000-0000-0000-0000-000000000001\"",
    ]);
    let action = prop::sample::select(vec![
        "action",
        "action == Toy::Action::\"Read\"",
        "action == Toy::Action::\"Write\"",
        "action in Toy::Action::\"writes\"",
        "action in [Cedargate::Action::\"public\", Toy::Action::\"Look\"]",
        "action in Toy::Action::\"Look\"",
    ]);
    let resource = prop::sample::select(vec![
        "resource",
        "resource",
        "resource is Toy::Item",
        "resource == Toy::Item::\"a\"",
        "resource in Toy::Item::\"b\"",
        "resource is Toy::Item in Toy::Item::\"b\"",
    ]);
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    let clause = prop::option::of((prop::sample::select(vec!["when", "unless"]), condition()));
    (effect, principal, action, resource, clause).prop_map(|(effect, principal, action, resource, clause)| {
        let clause = clause.map(|(word, condition)| format!(" {word} {{ {condition} }}")).unwrap_or_default();
        format!("{effect} ({principal}, {action}, {resource}){clause};")
    })
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(policy(), 1..8)
}

/// A snapshot that decides by these policies and no others.
fn deciding_by<T: AsRef<str>>(policies: &[T]) -> Snapshot {
    let parse = |(n, text): (usize, &T)| Policy::parse(Some(PolicyId::new(format!("p/{n}"))), text).unwrap();
    snapshot().with_policies(&policies.iter().enumerate().map(parse).collect::<Vec<_>>())
}

prop_compose! {
    /// Callers from few values each, so that questions agree in some of them and differ in others.
    fn caller()(
        anonymous in prop::bool::weighted(0.2),
        (id, tenant, version) in (1..3_u128, prop::sample::select(vec![1_u128, 1, 1, 2]), 1..3_i64),
        roles in prop::sample::subsequence(vec!["anonymous", "one", "two"], 0..=3),
        (level, methods) in (1..4_u8, prop::sample::subsequence(vec![AuthnMethod::Pwd, AuthnMethod::Otp], 1..=2)),
        age in prop::sample::select(vec![0_i64, 30, 60, 61, 299, 4_000]),
        display in "[ab]",
    ) -> Caller {
        if anonymous {
            return Caller::Anonymous;
        }
        Caller::Principal(Arc::new(Principal {
            id: PrincipalId(Uuid::from_u128(id)),
            tenant: TenantId(Uuid::from_u128(tenant)),
            tenant_name: TenantName::parse("acme").unwrap(),
            display,
            roles: roles.into_iter().map(|role| RoleName::parse(role).unwrap()).collect(),
            session: SessionId(Uuid::from_u128(id)),
            strength: AuthnStrength { level, methods },
            authenticated_at: Micros((1_800_000_000 - age) * 1_000_000),
            version,
        }))
    }
}

prop_compose! {
    fn context()(
        later in prop::sample::select(vec![0_i64, 31, 100]),
        client in prop::sample::select(vec!["10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1"]),
        waf_score in prop::sample::select(vec![0_u32, 5]),
    ) -> Context {
        let client: IpAddr = client.parse().unwrap();
        Context { now: Micros((1_800_000_000 + later) * 1_000_000), client, waf_score }
    }
}

fn question() -> impl Strategy<Value = (Caller, usize, Context)> {
    (caller(), 0..ADDRESSES.len(), context())
}

fn routed(snapshot: &Snapshot, address: usize) -> Routed {
    let (action, resource) = ADDRESSES[address];
    snapshot.routes().address(&format!("Toy::Action::\"{action}\""), &format!("Toy::{resource}")).unwrap()
}

/// Found by the property below: whether `Item::"a"` is there to look at depends on which resource is asked about.
#[test]
fn a_literal_that_may_be_the_resource_is_a_read_of_the_resource() {
    let text = "permit (principal, action, resource) when { Toy::Item::\"a\".tenant == principal.tenant };";
    let snapshot = deciding_by(&[text]);
    let decisions = Decisions::new(10);
    let context = Context { now: Micros(0), client: IpAddr::from([192, 0, 2, 1]), waf_score: 0 };
    for address in [1, 2] {
        let query = Query { caller: &Caller::Anonymous, routed: &routed(&snapshot, address), context: &context };
        assert_eq!(decisions.outcome(&snapshot, &query), snapshot.judge(&query));
    }
}

/// Somebody of the tenant who signed in with a password so many seconds ago.
fn signed_in(age_seconds: i64) -> Caller {
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(1)),
        tenant: TenantId(Uuid::from_u128(1)),
        tenant_name: TenantName::parse("acme").unwrap(),
        display: "a".into(),
        roles: Vec::new(),
        session: SessionId(Uuid::from_u128(1)),
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at: Micros((1_800_000_000 - age_seconds) * 1_000_000),
        version: 1,
    }))
}

/// What somebody who signed in so long ago is told by one policy.
fn told(condition: &str, age_seconds: i64) -> Outcome {
    let snapshot = deciding_by(&[format!("permit (principal, action, resource) when {{ {condition} }};")]);
    let (now, client) = (Micros(1_800_000_000 * 1_000_000), IpAddr::from([192, 0, 2, 1]));
    let context = Context { now, client, waf_score: 0 };
    snapshot.judge(&Query { caller: &signed_in(age_seconds), routed: &routed(&snapshot, 0), context: &context })
}

#[test]
fn nobody_is_asked_for_a_sign_in_that_is_older_than_theirs() {
    // The ladder's 300 seconds would be permitted. A fresh sign-in meets that demand at once and is denied again.
    let authn = "context.authn.age_seconds";
    assert!(matches!(told(&format!("{authn} >= 100"), 80), Outcome::Deny(_)));
    assert!(matches!(told(&format!("context.authn.level >= 2 && {authn} >= 100"), 80), Outcome::Deny(_)));

    for (age_max, asked) in [(300, 300), (250, 60), (60, 60)] {
        let Outcome::StepUp(needed, _) = told(&format!("{authn} <= {age_max}"), 4_000) else { panic!("{age_max}") };
        assert_eq!((needed.level, needed.max_age_seconds), (1, Some(asked)));
    }
    assert!(matches!(told(&format!("{authn} <= 59"), 4_000), Outcome::Deny(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_changes_neither_decision_nor_reasons_nor_errors(
        policies in policies(),
        questions in prop::collection::vec(question(), 1..4),
    ) {
        let snapshot = deciding_by(&policies);
        for (caller, address, context) in &questions {
            let query = Query { caller, routed: &routed(&snapshot, *address), context };
            let (indexed, full) = every_way::answers(&snapshot, &query);
            prop_assert_eq!(indexed, full);
        }
    }

    #[test]
    fn a_cached_decision_equals_a_fresh_one(
        policies in policies(),
        questions in prop::collection::vec(question(), 1..12),
    ) {
        let snapshot = deciding_by(&policies);
        let decisions = Decisions::new(1_000);
        for (caller, address, context) in questions.iter().chain(&questions) {
            let query = Query { caller, routed: &routed(&snapshot, *address), context };
            let (cached, fresh) = (decisions.outcome(&snapshot, &query), snapshot.judge(&query));
            prop_assert_eq!(&cached, &fresh);
        }
    }

    #[test]
    fn an_evaluation_error_never_allows(policies in policies(), (caller, address, context) in question()) {
        let snapshot = deciding_by(&policies);
        let query = Query { caller: &caller, routed: &routed(&snapshot, address), context: &context };
        let (_, full) = every_way::answers(&snapshot, &query);
        let outcome = snapshot.judge(&query);
        prop_assert_eq!(matches!(outcome, Outcome::Failed(_)), !full.errors.is_empty());
        prop_assert_eq!(matches!(outcome, Outcome::Allow(_)), full.permitted && full.errors.is_empty());
    }

    #[test]
    fn the_ladder_leaves_untried_only_what_would_not_help(
        policies in policies(),
        (caller, address, context) in question(),
    ) {
        let snapshot = deciding_by(&policies);
        let query = Query { caller: &caller, routed: &routed(&snapshot, address), context: &context };
        if let Outcome::Deny(_) | Outcome::StepUp(..) = snapshot.judge(&query) {
            let (pruned, everything) = every_way::needed(&snapshot, &query);
            prop_assert_eq!(pruned, everything);
        }
    }
}
