//! What a decision costs: fresh, cached, and as plain Cedar would make it, in interleaved rounds of one run.
//!
//! `cargo bench -p cedargate-policy --bench decisions`. Only ratios of one run mean anything on a machine that does other work, too.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking and says what it found"
)]

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression as Expression};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, DecisionId, Micros, Principal, PrincipalId, RoleName, SessionId,
    TenantId, TenantName,
};
use cedargate_policy::{
    Context, Decisions, Model, Query, Routed, Snapshot, Sources, TenantScope, Verdict, WafFindings,
};
use uuid::Uuid;

const ROUNDS: usize = 101;
const NOW: Micros = Micros(1_900_000_000_000_000);

/// A tenant with one module of so many roles and actions, each cell a policy.
fn sources(roles: usize, actions: usize) -> Sources {
    let platform = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/platform").join(name);
        (format!("platform/{name}"), std::fs::read_to_string(file).unwrap())
    };
    let names = |prefix: &str, n: usize| (0..n).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let (roles, actions) = (names("r", roles), names("A", actions));
    let mut roles_text = String::new();
    for role in ["anonymous", "member"].into_iter().chain(roles.iter().map(String::as_str)) {
        writeln!(roles_text, "[[role]]\nname = \"{role}\"\ndescription = \"A role.\"").unwrap();
    }
    let schema = format!(
        "namespace Big {{ entity Thing {{ tenant: Cedargate::Tenant }}; action {} appliesTo {{ principal: \
         [Cedargate::User, Cedargate::Anonymous], resource: [Thing], context: Cedargate::Context }}; }}",
        actions.join(", ")
    );
    let mut routes = String::from(
        "service = \"big\"\n[defaults]\ntimeout_ms = 1000\ninspection = { mode = \"block\", body_bytes_max = 1, on_excess = \"refuse\" }\n",
    );
    let mut matrix = format!("action anonymous member {}\n", roles.join(" "));
    for (n, action) in actions.iter().enumerate() {
        let resource = "{ type = \"Thing\", id = \"{id}\" }";
        writeln!(
            routes,
            "[[route]]\nmethod = \"GET\"\npath = \"/{action}/{{id}}\"\naction = \"{action}\"\nresource = {resource}"
        )
        .unwrap();
        let cell = if n == 1 { "strong" } else { "allow" };
        writeln!(matrix, "{action} - - {}", vec![cell; roles.len()].join(" ")).unwrap();
    }
    matrix.push_str("when strong:\n    context.authn.level >= 2\n");
    Sources::from_texts([
        platform("schema.cedarschema"),
        platform("step-up.toml"),
        platform("guard-rails.cedar"),
        ("platform/roles.toml".to_owned(), roles_text),
        ("big/schema.cedarschema".to_owned(), schema),
        ("big/routes.toml".to_owned(), routes),
        ("big/matrix.txt".to_owned(), matrix),
    ])
    .unwrap()
}

fn scope() -> TenantScope {
    TenantScope::new(TenantId(Uuid::from_u128(7)), TenantName::parse("acme").unwrap(), ["big"])
}

fn caller() -> Caller {
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(1)),
        tenant: scope().id,
        tenant_name: scope().name,
        display: "jo".into(),
        roles: vec![RoleName::parse("r0").unwrap(), RoleName::parse("r1").unwrap()],
        session: SessionId(Uuid::from_u128(1)),
        credential: Credential::Session,
        strength: AuthnStrength { level: 2, methods: vec![AuthnMethod::Pwd, AuthnMethod::Otp] },
        authenticated_at: NOW,
        version: 1,
    }))
}

fn routed(snapshot: &Snapshot, action: &str) -> Routed {
    snapshot.routes().address(&format!("Big::Action::\"{action}\""), "Big::Thing::\"42\"").unwrap()
}

/// The same question, put to Cedar with everything already made: request, entities and all policies in one set.
fn plain(model: &Model) -> (Request, PolicySet, Entities) {
    let uid = |text: &str| text.parse::<EntityUid>().unwrap();
    let tenant = uid(&format!("Cedargate::Tenant::\"{}\"", scope().id));
    let attributes = || HashMap::from([("tenant".to_owned(), Expression::new_entity_uid(tenant.clone()))]);
    let roles = HashSet::from(["r0", "r1", "member"].map(|role| uid(&format!("Cedargate::Role::\"{role}\""))));
    let user = uid("Cedargate::User::\"00000000-0000-0000-0000-000000000001\"");
    let thing = uid("Big::Thing::\"42\"");
    let entities = [
        Entity::new(user.clone(), attributes(), roles).unwrap(),
        Entity::new(thing.clone(), attributes(), HashSet::new()).unwrap(),
    ];
    let authn = Expression::new_record([("level".to_owned(), Expression::new_long(2))]).unwrap();
    let context = cedar_policy::Context::from_pairs([("authn".to_owned(), authn)]).unwrap();
    let request = Request::new(user, uid("Big::Action::\"A0\""), thing, context, None).unwrap();
    let policies = PolicySet::from_policies(model.policies().map(|policy| policy.policy.clone())).unwrap();
    (request, policies, Entities::from_entities(entities, None).unwrap())
}

/// Something that is measured: its name, how often in a round, and once.
type Row<'r> = (&'r str, u32, Box<dyn Fn() + 'r>);

fn main() {
    // `cargo test --benches` only wants to see that it runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let few = Model::build(&sources(5, 2), &scope()).unwrap();
    let began = Instant::now();
    let many = Model::build(&sources(98, 102), &scope()).unwrap();
    println!("{} policies, built in {} ms", many.policies().count(), began.elapsed().as_millis());

    let caller = caller();
    let context =
        Context { now: NOW, client: IpAddr::from([192, 0, 2, 1]), certificate: None, waf: WafFindings::default() };
    let decision = DecisionId(Uuid::nil());
    let cache = Decisions::new(1 << 20);
    let [few_cell, few_condition] = ["A0", "A1"].map(|action| routed(few.snapshot(), action));
    let [many_cell, many_condition] = ["A0", "A1"].map(|action| routed(many.snapshot(), action));
    let fresh = |model: &Model, routed: &Routed| {
        let verdict = model.snapshot().decide(&Query { caller: &caller, routed, context: &context }, decision);
        assert!(matches!(black_box(verdict), Verdict::Allow(_)));
    };
    let (request, policies, entities) = plain(&few);
    let small = sources(20, 10);

    let rows: [Row<'_>; 8] = [
        (
            "plain `is_authorized`, 12 policies, all made beforehand",
            100,
            Box::new(|| {
                let response = Authorizer::new().is_authorized(black_box(&request), &policies, &entities);
                assert_eq!(black_box(response).decision(), cedar_policy::Decision::Allow);
            }),
        ),
        ("fresh decision, 12 policies, a plain cell", 100, Box::new(|| fresh(&few, &few_cell))),
        ("fresh decision, 9,998 policies, a plain cell", 100, Box::new(|| fresh(&many, &many_cell))),
        ("fresh decision, 12 policies, a cell with a condition", 100, Box::new(|| fresh(&few, &few_condition))),
        ("fresh decision, 9,998 policies, a cell with a condition", 100, Box::new(|| fresh(&many, &many_condition))),
        (
            "cached decision, 12 policies",
            100,
            Box::new(|| {
                let query = Query { caller: &caller, routed: &few_cell, context: &context };
                black_box(cache.decide(few.snapshot(), &query, decision).basis());
            }),
        ),
        (
            "cached decision, 9,998 policies",
            100,
            Box::new(|| {
                let query = Query { caller: &caller, routed: &many_cell, context: &context };
                black_box(cache.decide(many.snapshot(), &query, decision).basis());
            }),
        ),
        (
            "building a snapshot of 202 policies",
            1,
            Box::new(|| {
                black_box(Snapshot::build(&small, &scope()).unwrap());
            }),
        ),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((_, times_a_round, once), times) in rows.iter().zip(&mut times) {
            let began = Instant::now();
            (0..*times_a_round).for_each(|_| once());
            times.push(began.elapsed() / *times_a_round);
        }
    }
    let mut base = None;
    println!("{:>12} {:>12} {:>8}  median of {rounds} rounds", "median ns", "best ns", "of plain");
    for ((name, ..), times) in rows.iter().zip(&mut times) {
        times.sort();
        let (median, best) = (times[times.len() / 2].as_nanos(), times[0].as_nanos());
        let base = *base.get_or_insert(median);
        println!("{median:>12} {best:>12} {:>8.2}  {name}", median as f64 / base as f64);
    }
}
