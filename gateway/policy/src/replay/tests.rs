use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Decision, Event, EventBody, EventId, Facts, NormalizedPath,
    Principal, RefusalCode, RequestId, RoleName, SessionId, Stage, Subject, TenantId, Verdict as RecordedVerdict,
};
use uuid::Uuid;

use super::*;
use crate::{Context, Query, Routing, Verdict, WafFindings};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
const NOW: Micros = Micros(1_795_000_000_000_000);

fn sources() -> Sources {
    Sources::read(POLICIES).unwrap()
}

/// The repository's own set with one text changed.
fn changed(file: &str, from: &str, to: &str) -> Sources {
    let sources = sources();
    let modules = sources.modules();
    let folders = modules.iter().map(|module| &**module).chain(["platform", "properties", "tenants"]);
    let texts: Vec<_> = folders.flat_map(|folder| sources.below(folder)).collect();
    assert!(texts.iter().any(|(path, text)| &***path == file && text.contains(from)), "{file} has no `{from}`");
    let texts = texts.into_iter().map(|(path, text)| {
        let text = if **path == *file { text.replacen(from, to, 1) } else { text.to_string() };
        (Arc::clone(path), text)
    });
    Sources::from_texts(texts).unwrap()
}

fn acme() -> TenantName {
    TenantName::parse("acme").unwrap()
}

fn person(role: &str, level: u8, age_seconds: i64) -> Caller {
    let methods = if level > 1 { vec![AuthnMethod::Pwd, AuthnMethod::Otp] } else { vec![AuthnMethod::Pwd] };
    Caller::Principal(Arc::new(Principal {
        id: PrincipalId(Uuid::from_u128(7)),
        tenant: TenantId(Uuid::from_u128(1)),
        tenant_name: acme(),
        display: "jo@acme.example".into(),
        roles: vec![RoleName::parse(role).unwrap()],
        session: SessionId(Uuid::from_u128(8)),
        credential: Credential::Session,
        strength: AuthnStrength { level, methods },
        authenticated_at: Micros(NOW.0 - age_seconds * 1_000_000),
        version: 3,
    }))
}

/// What a gateway records of a request that this set decides.
fn recorded(snapshot: &Snapshot, caller: &Caller, method: &http::Method, path: &str) -> Event {
    let normalized = NormalizedPath::parse(path).unwrap();
    let Routing::Found(routed) = snapshot.routes().find(method, &normalized) else { panic!("{method} {path}") };
    let client = IpAddr::from([192, 0, 2, 1]);
    let context = Context { now: NOW, client, certificate: None, waf: WafFindings::default() };
    let id = Uuid::now_v7();
    let decided = snapshot.decide(&Query { caller, routed: &routed, context: &context }, DecisionId(id));
    let refuse = |code: RefusalCode| RecordedVerdict::Refuse { stage: code.stage(), code, detail: String::new() };
    let verdict = match &decided {
        Verdict::Allow(_) => RecordedVerdict::Allow,
        Verdict::StepUp(_) => refuse(RefusalCode::StepUpRequired),
        Verdict::SignIn(_) => refuse(RefusalCode::SigninRequired),
        Verdict::Deny(_) => refuse(RefusalCode::Forbidden),
        Verdict::Failed(_) => refuse(RefusalCode::DecisionFailed),
    };
    let principal = caller.principal();
    let decision = Decision {
        decision: DecisionId(id),
        request: RequestId(id),
        verdict,
        client,
        client_certificate: None,
        method: method.to_string(),
        host: "acme.localhost".into(),
        path: path.into(),
        route: Some(routed.route().id.clone()),
        service: None,
        action: Some(routed.route().action.clone()),
        resource: Some(routed.resource().to_string()),
        subject: principal.map(|principal| Subject {
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
            roles: principal.map(|principal| principal.roles.clone()).unwrap_or_default(),
            methods: principal.map(|principal| principal.strength.methods.clone()).unwrap_or_default(),
            authenticated_at: principal.map(|principal| principal.authenticated_at),
        })),
        shadow: None,
    };
    Event { id: EventId(id), at: NOW, tenant: Some(acme()), body: EventBody::Decision(Arc::new(decision)) }
}

fn octets(event: &Event) -> Vec<u8> {
    serde_json::to_vec(event).unwrap()
}

fn live() -> Snapshot {
    let sources = sources();
    Snapshot::build(&sources, &TenantScope::of_all_modules(&sources, TenantId(Uuid::from_u128(1)), acme())).unwrap()
}

fn replayed<'e>(sources: &Sources, events: impl IntoIterator<Item = &'e Event>) -> Replayed {
    let mut replay = Replay::new(sources, None);
    events.into_iter().for_each(|event| replay.take(&octets(event)).unwrap());
    replay.finish()
}

#[test]
fn the_set_that_decided_decides_everything_again_as_it_was() {
    let live = live();
    let callers: Vec<Caller> = std::iter::once(Caller::Anonymous)
        .chain(["viewer", "clerk", "manager", "auditor", "admin"].into_iter().flat_map(|role| {
            [(1, 10), (1, 100_000), (2, 10), (2, 100_000)].map(|(level, age)| person(role, level, age))
        }))
        .collect();
    let mut events = Vec::new();
    for route in live.routes().all() {
        let path: Vec<_> = route.path.split('/').map(|part| if part.starts_with('{') { "42" } else { part }).collect();
        events.extend(callers.iter().map(|caller| recorded(&live, caller, &route.method, &path.join("/"))));
    }
    let replayed = replayed(&sources(), &events);
    assert_eq!(replayed.changes.first().map(|change| format!("{change:?}")), None);
    assert_eq!((replayed.unchanged, replayed.changed), (u64::try_from(events.len()).unwrap(), 0));
    let kinds: std::collections::BTreeSet<_> =
        events.iter().map(|event| Recorded::read(&octets(event)).unwrap().unwrap().decided()).collect();
    assert_eq!(kinds.into_iter().map(Decided::as_str).collect::<Vec<_>>(), ["allow", "step_up", "sign_in", "deny"]);
}

#[test]
fn whoever_would_be_refused_is_named_with_role_and_route() {
    let live = live();
    let patch = |role| recorded(&live, &person(role, 1, 10), &http::Method::PATCH, "/inventory/items/42");
    let events = [patch("clerk"), patch("manager"), patch("viewer"), patch("clerk")];
    let from = "UpdateItem      -          -       -       allow ";
    let stricter = changed("inventory/matrix.txt", from, &from.replace("allow", "-    "));
    let replayed = replayed(&stricter, &events);
    assert_eq!((replayed.decisions, replayed.unchanged, replayed.changed), (4, 2, 2));
    let [group] = &*replayed.groups else { panic!("{:?}", replayed.groups) };
    assert_eq!((group.count, group.was, group.now), (2, Decided::Allow, Decided::Deny));
    assert_eq!((&*group.route, &*group.roles), ("inventory.UpdateItem", &["clerk".to_owned()][..]));
    let change = &replayed.changes[0];
    assert_eq!((&*change.method, &*change.path), ("PATCH", "/inventory/items/42"));
    assert_eq!(change.was_by[0].as_str(), "inventory/matrix/clerk/UpdateItem");
    assert_eq!(change.now_by, []);
}

#[test]
fn time_and_sign_in_are_those_of_the_recorded_moment() {
    let live = live();
    let recall = |age| recorded(&live, &person("manager", 2, age), &http::Method::POST, "/inventory/lots/42/recall");
    let events = [recall(10), recall(100_000)];
    let fresh = "when strong-signin:\n    context.authn.level >= 2";
    let fresher = changed("inventory/matrix.txt", fresh, &format!("{fresh} && context.authn.age_seconds <= 300"));
    let replayed = replayed(&fresher, &events);
    assert_eq!((replayed.unchanged, replayed.changed), (1, 1));
    assert_eq!((replayed.changes[0].was, replayed.changes[0].now), (Decided::Allow, Decided::StepUp));
}

#[test]
fn a_route_that_is_gone_changes_what_took_it() {
    let live = live();
    let event = recorded(&live, &person("clerk", 1, 10), &http::Method::GET, "/inventory/items/42");
    let moved =
        changed("inventory/routes.toml", "path = \"/inventory/items/{id}\"", "path = \"/inventory/things/{id}\"");
    let replayed = replayed(&moved, [&event]);
    assert_eq!(replayed.changes[0].now, Decided::NoRoute);
}

#[test]
fn what_cannot_be_decided_again_is_counted_and_not_guessed() {
    let live = live();
    let event = recorded(&live, &person("clerk", 1, 10), &http::Method::GET, "/inventory/items/42");
    let mut value: serde_json::Value = serde_json::from_slice(&octets(&event)).unwrap();
    let sources = sources();
    let mut replay = Replay::new(&sources, None);
    value["facts"]["v"] = 2.into();
    replay.take(&serde_json::to_vec(&value).unwrap()).unwrap();
    value["facts"]["v"] = 1.into();
    value["path"] = "/inventory/../items".into();
    replay.take(&serde_json::to_vec(&value).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("facts");
    replay.take(&serde_json::to_vec(&value).unwrap()).unwrap();
    replay.take(b"{").unwrap();
    value["kind"] = "outcome".into();
    replay.take(&serde_json::to_vec(&value).unwrap()).unwrap();
    let replayed = replay.finish();
    assert_eq!((replayed.without_facts, replayed.unreadable, replayed.unchanged, replayed.changed), (1, 3, 0, 0));
}

#[test]
fn a_refusal_after_the_policies_had_permitted_is_a_permit() {
    let live = live();
    let mut event = recorded(&live, &person("clerk", 1, 10), &http::Method::GET, "/inventory/items/42");
    let EventBody::Decision(decision) = &mut event.body else { panic!("a decision") };
    Arc::make_mut(decision).verdict =
        RecordedVerdict::Refuse { stage: Stage::Record, code: RefusalCode::RecordUnavailable, detail: String::new() };
    assert_eq!(replayed(&sources(), [&event]).unchanged, 1);
}

#[test]
fn a_set_with_mistakes_decides_nothing() {
    let event = recorded(&live(), &person("clerk", 1, 10), &http::Method::GET, "/inventory/items/42");
    let bad = changed("inventory/matrix.txt", "allow   allow", "allow   perhaps");
    let problems = Replay::new(&bad, None).take(&octets(&event)).unwrap_err();
    assert!(problems.to_string().starts_with("inventory/matrix.txt:5:"), "{problems}");
}

#[test]
fn other_tenants_are_passed_over_where_one_is_asked_for() {
    let event = recorded(&live(), &person("clerk", 1, 10), &http::Method::GET, "/inventory/items/42");
    let sources = sources();
    let mut replay = Replay::new(&sources, Some(TenantName::parse("globex").unwrap()));
    replay.take(&octets(&event)).unwrap();
    assert_eq!(replay.finish().decisions, 0);
}

#[test]
fn what_would_have_to_be_different_is_a_sign_in_or_one_more_role() {
    let live = live();
    let helps = |caller: &Caller, method: http::Method, path: &str| {
        let octets = octets(&recorded(&live, caller, &method, path));
        let past = Recorded::read(&octets).unwrap().unwrap();
        let asked = past.ask_again(&live, &mut Callers::default()).unwrap().unwrap();
        let told = |helps: crate::Alternative| {
            let role = helps.role.map_or("-".to_owned(), |role| role.to_string());
            format!("{role} {}", helps.needed.map_or(0, |needed| needed.level))
        };
        asked.alternatives(&live).into_iter().map(told).collect::<Vec<_>>()
    };
    let (update, recall) = ("/inventory/items/42", "/inventory/lots/42/recall");
    assert_eq!(helps(&person("viewer", 1, 10), http::Method::PATCH, update), ["clerk 0", "manager 0", "admin 0"]);
    assert_eq!(helps(&person("manager", 1, 10), http::Method::POST, recall), ["- 2"]);
    assert_eq!(helps(&person("clerk", 1, 10), http::Method::POST, recall), ["manager 2"]);
    assert_eq!(helps(&Caller::Anonymous, http::Method::DELETE, update), ["admin 0"]);
    assert_eq!(helps(&person("clerk", 1, 10), http::Method::PATCH, update), [""; 0]);
}
