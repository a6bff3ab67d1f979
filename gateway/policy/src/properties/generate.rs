//! Policies, callers and contexts from few values each, so that questions agree in some of them and differ in others.

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId,
    TenantName,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{Context, WafFindings};

/// The morning on which everything happens: 2027-01-15T08:00:00Z.
pub(super) const MORNING_SECONDS: i64 = 1_800_000_000;

/// Expressions that strict validation accepts, by how often each kind is drawn: every part of a request, read in every way
/// that policies may.
pub(super) const SOUND: [(u32, &[&str]); 12] = [
    (
        4,
        &[
            "context.authn.level >= 1",
            "context.authn.level >= 2",
            "context.authn.level >= 3",
            "context.authn.level < 2",
        ],
    ),
    (
        3,
        &[
            "context.authn.methods.contains(\"pwd\")",
            "context.authn.methods.contains(\"otp\")",
            "context.authn.methods.containsAll([\"pwd\", \"otp\"])",
            "context.authn.methods.containsAny([\"otp\", \"hwk\"])",
            "context.authn.methods == [\"pwd\"]",
        ],
    ),
    (
        4,
        &[
            "context.authn.age_seconds <= 30",
            "context.authn.age_seconds <= 250",
            "context.authn.age_seconds > 100",
            "context[\"authn\"][\"age_seconds\"] < 61",
            "{a: context.authn}.a.age_seconds < 31",
        ],
    ),
    (
        3,
        &[
            "context.client.isInRange(ip(\"10.0.0.0/8\"))",
            "context.client.isInRange(ip(\"2001:db8::/32\"))",
            "context.client == ip(\"192.0.2.1\")",
            "context.client.isIpv4()",
        ],
    ),
    (
        3,
        &[
            "context.now < datetime(\"2027-01-15T08:00:30Z\")",
            "context.now.toTime() >= duration(\"8h1m\")",
            "(context.now >= datetime(\"2027-01-15T08:00:20Z\") && context.now < datetime(\"2027-01-15T08:01:30Z\"))",
        ],
    ),
    (
        3,
        &[
            "context.waf.score > 3",
            "context.waf.tags.contains(\"attack-sqli\")",
            "(context has waf && context.waf.score < 5)",
        ],
    ),
    (3, &["resource == Toy::Item::\"a\"", "resource is Toy::Item", "[resource].contains(Toy::Item::\"b\")"]),
    (
        2,
        &[
            "principal.tenant == resource.tenant",
            "principal.tenant == Cedargate::Tenant::\"00000000-0000-0000-0000-000000000001\"",
            "principal has tenant",
        ],
    ),
    (
        3,
        &[
            "principal in Cedargate::Role::\"one\"",
            "principal in Cedargate::Role::\"two\"",
            "principal in Cedargate::Role::\"member\"",
            "principal in [Cedargate::Role::\"anonymous\", Cedargate::Role::\"two\"]",
        ],
    ),
    (
        2,
        &[
            "principal == Cedargate::User::\"00000000-0000-0000-0000-000000000001\"",
            "principal is Cedargate::Anonymous",
        ],
    ),
    (
        2,
        &[
            "action in Toy::Action::\"writes\"",
            "action == Toy::Action::\"Look\"",
            "Toy::Action::\"Look\" in Toy::Action::\"writes\"",
            "action in [Toy::Action::\"writes\", Cedargate::Action::\"public\"]",
        ],
    ),
    (
        2,
        &[
            "(context has waf && context.waf has score)",
            "{a: context.authn}.a.level >= 2",
            "(if context.waf.score > 3 then context.authn.level >= 2 else true)",
            "true",
        ],
    ),
];

/// Expressions that validation refuses, among them some that err, always or for some requests.
pub(super) const UNSOUND: [&str; 11] = [
    "context.authn == {level: 2, methods: [\"pwd\"], age_seconds: 30}",
    "{a: context}.a.authn.level == 2",
    "resource has name",
    "resource.name == \"x\"",
    "context.other == 1",
    "context.waf.score > \"3\"",
    "context.authn.level + 9223372036854775806 > 0",
    "context.authn.age_seconds * 92233720368547758 > 0",
    "Toy::Item::\"a\".tenant == principal.tenant",
    "Cedargate::User::\"00000000-0000-0000-0000-000000000001\".tenant == resource.tenant",
    "resource in principal",
];

fn sound_atom() -> impl Strategy<Value = String> {
    let kinds = SOUND.map(|(weight, texts)| (weight, prop::sample::select(texts)));
    prop::strategy::Union::new_weighted(kinds.into()).prop_map(str::to_owned)
}

fn unsound_atom() -> impl Strategy<Value = String> {
    prop::sample::select(UNSOUND.as_slice()).prop_map(str::to_owned)
}

fn nested(atom: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let tree = atom.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("(!({a}))")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    });
    tree.boxed()
}

/// A condition of a policy that may be valid.
pub(super) fn sound_condition() -> BoxedStrategy<String> {
    nested(sound_atom())
}

fn any_condition() -> BoxedStrategy<String> {
    nested(prop_oneof![11 => sound_atom(), 1 => unsound_atom()])
}

fn policy(condition: BoxedStrategy<String>) -> impl Strategy<Value = String> {
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
    let clause = (prop::sample::select(vec!["when", "unless"]), condition);
    let clauses = prop::collection::vec(clause, 0..=2);
    (effect, principal, action, resource, clauses).prop_map(|(effect, principal, action, resource, clauses)| {
        let clauses: String = clauses.iter().map(|(word, condition)| format!(" {word} {{ {condition} }}")).collect();
        format!("{effect} ({principal}, {action}, {resource}){clauses};")
    })
}

/// Policies of which some err.
pub(super) fn policies() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(policy(any_condition()), 1..8)
}

/// One or two policies about everything, with one condition each.
pub(super) fn plain_policies() -> impl Strategy<Value = Vec<String>> {
    let condition = prop_oneof![3 => sound_atom(), 1 => unsound_atom()];
    let effect = prop_oneof![4 => Just("permit"), 1 => Just("forbid")];
    let policy =
        (effect, prop::sample::select(vec!["when", "unless"]), condition).prop_map(|(effect, word, condition)| {
            format!("{effect} (principal, action, resource) {word} {{ {condition} }};")
        });
    prop::collection::vec(policy, 1..=2)
}

/// Policies that may be valid.
pub(super) fn sound_policies() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(policy(sound_condition()), 0..6)
}

prop_compose! {
    pub(super) fn caller()(
        anonymous in prop::bool::weighted(0.2),
        (id, tenant, version) in (1..3_u128, prop::sample::select(vec![1_u128, 1, 1, 2]), 1..3_i64),
        roles in roles(),
        (level, methods) in (1..4_u8, methods()),
        age in prop::sample::select(vec![0_i64, 30, 60, 61, 299, 4_000]),
        display in "[ab]",
        credential in prop::sample::select(vec![Credential::Session, Credential::Session, Credential::ApiKey, Credential::ScimToken]),
    ) -> Caller {
        if anonymous {
            return Caller::Anonymous;
        }
        let authenticated_at = MORNING_SECONDS - age;
        let person = Person { id, tenant, version, roles, level, methods, authenticated_at, credential };
        person.caller(display)
    }
}

pub(super) fn roles() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["anonymous", "one", "two"], 0..=3)
}

pub(super) fn methods() -> impl Strategy<Value = Vec<AuthnMethod>> {
    prop::sample::subsequence(vec![AuthnMethod::Pwd, AuthnMethod::Otp], 1..=2)
}

/// What a principal is made from.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: u128,
    pub(super) tenant: u128,
    pub(super) version: i64,
    pub(super) roles: Vec<&'static str>,
    pub(super) level: u8,
    pub(super) methods: Vec<AuthnMethod>,
    pub(super) authenticated_at: i64,
    pub(super) credential: Credential,
}

impl Person {
    pub(super) fn caller(&self, display: impl Into<String>) -> Caller {
        Caller::Principal(Arc::new(Principal {
            id: PrincipalId(Uuid::from_u128(self.id)),
            tenant: TenantId(Uuid::from_u128(self.tenant)),
            tenant_name: TenantName::parse("acme").unwrap(),
            display: display.into(),
            roles: self.roles.iter().map(|role| RoleName::parse(role).unwrap()).collect(),
            session: SessionId(Uuid::from_u128(self.id)),
            credential: self.credential,
            strength: AuthnStrength { level: self.level, methods: self.methods.clone() },
            authenticated_at: Micros(self.authenticated_at * 1_000_000),
            version: self.version,
        }))
    }
}

prop_compose! {
    pub(super) fn context()(
        later in prop::sample::select(vec![0_i64, 31, 100]),
        client in client(),
        score in prop::sample::select(vec![0_u32, 5]),
        tags in prop::sample::select(vec![vec![], vec!["attack-sqli"], vec!["attack-sqli", "attack-xss"]]),
    ) -> Context {
        let tags: Arc<[Arc<str>]> = tags.into_iter().map(Arc::from).collect();
        let waf = WafFindings { score, rules: tags.clone(), tags };
        Context { now: Micros((MORNING_SECONDS + later) * 1_000_000), client, certificate: None, waf }
    }
}

pub(super) fn client() -> impl Strategy<Value = IpAddr> {
    let addresses = ["10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "2001:db8::1"];
    prop::sample::select(addresses.to_vec()).prop_map(|text| text.parse().unwrap())
}
