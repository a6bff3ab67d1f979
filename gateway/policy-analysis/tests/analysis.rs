//! What the solver is asked, held against the shipped policies and against changes to them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_model::{TenantId, TenantName};
use cedargate_policy::{Model, Sources, TenantScope};
use cedargate_policy_analysis::{Analyst, Bounds, Direction, Finding, LintKind, Relation, Solver};

fn analyst() -> Analyst {
    // `deploy/packages.sh test` installs it. Without it nothing here could be shown, and nothing is.
    Analyst::new(Solver::find(None).unwrap(), Bounds::default()).unwrap()
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

/// The texts of the shipped directory.
fn texts() -> BTreeMap<String, String> {
    fn collect(folder: &Path, prefix: &str, texts: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if name == "waf" || name.ends_with("openapi.json") {
                continue;
            }
            if entry.path().is_dir() {
                collect(&entry.path(), &format!("{name}/"), texts);
            } else {
                texts.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let mut texts = BTreeMap::new();
    collect(&shipped(), "", &mut texts);
    texts
}

/// The shipped policies with one text changed, which must be there.
fn changed(file: &str, from: &str, to: &str) -> Sources {
    let mut texts = texts();
    let text = texts.get_mut(file).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    *text = text.replacen(from, to, 1);
    Sources::from_texts(texts).unwrap()
}

fn with(file: &str, text: &str) -> Sources {
    let mut texts = texts();
    texts.insert(file.to_owned(), text.to_owned());
    Sources::from_texts(texts).unwrap()
}

fn tenant(name: &str, modules: &[&str]) -> TenantScope {
    TenantScope::new(TenantId(uuid::Uuid::from_u128(7)), TenantName::parse(name).unwrap(), modules.iter().copied())
}

fn model(sources: &Sources, name: &str, modules: &[&str]) -> Model {
    Model::build(sources, &tenant(name, modules)).unwrap()
}

const ALL: [&str; 3] = ["gateway", "inventory", "orders"];

#[test]
fn the_shipped_policies_have_their_properties() {
    let sources = Sources::read(shipped()).unwrap();
    for name in ["acme", "globex"] {
        let proofs = analyst().prove(&model(&sources, name, &ALL));
        assert!(proofs.all_proved(), "{proofs}");
        assert!(proofs.proofs.len() >= 11 && proofs.questions > 50, "{proofs}");
    }
    let bare = Model::build(&sources, &TenantScope::bare_host()).unwrap();
    let proofs = analyst().prove(&bare);
    assert!(proofs.all_proved() && proofs.proofs.len() == 2, "{proofs}");
}

#[test]
fn a_broken_property_is_refuted_by_a_request() {
    let row = "ConfirmOrder       -          -       -       -      allow";
    let sources = changed("orders/matrix.txt", row, "ConfirmOrder       -          -       -       allow  allow");
    let proofs = analyst().prove(&model(&sources, "acme", &["orders"]));
    let broken = proofs.proofs.iter().find(|proof| proof.id.ends_with("/only-managers-promise-delivery")).unwrap();
    let Finding::Refuted { example, decision } = &broken.finding else { panic!("{proofs}") };
    assert_eq!(
        format!("{example}, {decision}"),
        "a person with the role `clerk` asks for POST /orders/orders/{id}/confirm (ConfirmOrder) on any \
         Orders::Order, allowed by orders/matrix/clerk/ConfirmOrder"
    );
    assert_eq!(broken.place.to_string(), "properties/orders.cedar:3:1");
    let others = proofs.proofs.iter().filter(|proof| proof.id != broken.id);
    assert!(others.into_iter().all(|proof| matches!(proof.finding, Finding::Proved)), "{proofs}");
}

#[test]
fn a_condition_that_is_too_weak_is_refuted_at_its_edge() {
    let sources = changed("orders/matrix.txt", "context.authn.age_seconds <= 900", "context.authn.age_seconds <= 901");
    let proofs = analyst().prove(&model(&sources, "acme", &["orders"]));
    let broken = proofs.proofs.iter().find(|proof| proof.id.ends_with("/large-orders-need-a-fresh-sign-in")).unwrap();
    let Finding::Refuted { example, .. } = &broken.finding else { panic!("{proofs}") };
    assert_eq!(example.who, "a person with the role `manager`");
    assert_eq!(example.facts, ["they proved who they are 901 seconds ago"]);
}

#[test]
fn a_promise_that_something_is_allowed_is_refuted_by_whoever_cannot() {
    let sources = changed(
        "gateway/matrix.txt",
        "EndSession          -          allow ",
        "EndSession          -          fresh-signin ",
    );
    let proofs = analyst().prove(&model(&sources, "acme", &["gateway"]));
    let broken = proofs.proofs.iter().find(|proof| proof.id.ends_with("/whoever-is-in-can-get-out")).unwrap();
    let Finding::Refuted { example, decision } = &broken.finding else { panic!("{proofs}") };
    assert!(example.does.ends_with("(EndSession)") && decision.starts_with("refused"), "{proofs}");
}

#[test]
fn a_weakened_guard_rail_lets_requests_cross_tenants() {
    let sources = changed(
        "platform/guard-rails.cedar",
        "unless { principal.tenant == resource.tenant };",
        "unless { principal.tenant == resource.tenant || principal in Cedargate::Role::\"auditor\" };",
    );
    let proofs = analyst().prove(&model(&sources, "acme", &["inventory"]));
    let broken = proofs.proofs.iter().find(|proof| proof.id.ends_with("/no-request-crosses-tenants")).unwrap();
    let Finding::Refuted { example, .. } = &broken.finding else { panic!("{proofs}") };
    assert!(example.facts.contains(&"they belong to another tenant".to_owned()), "{proofs}");
    assert!(example.who.contains("`auditor`"), "{proofs}");
}

#[test]
fn mistakes_in_properties_have_their_place() {
    for (file, text, said) in [
        (
            "properties/orders.cedar",
            "\n forbid (principal, action, resource);",
            "properties/orders.cedar:2:2: the annotation `@id` is missing",
        ),
        (
            "properties/orders.cedar",
            "@id(\"properties/orders/x\")\nforbid (principal, action, resource);",
            "properties/orders.cedar:1:1: the annotation `@description` is missing: say in a sentence what holds",
        ),
        (
            "properties/orders.cedar",
            "@id(\"properties/orders/x\")@description(\"x\")\nforbid (principal in Cedargate::Role::\"boss\", action, resource);",
            "properties/orders.cedar:1:1: there is no role `boss` in platform/roles.toml",
        ),
        ("properties/billing.cedar", "", "properties/billing.cedar:1:1: `billing` is neither"),
        ("properties/orders.cedar", "forbid (principal, action, resorce);", "properties/orders.cedar:1:"),
        (
            "properties/orders.cedar",
            "@id(\"properties/orders/x\")@description(\"x\")\nforbid (principal, action, resource) when { context.nobody };",
            "properties/orders.cedar:2:",
        ),
    ] {
        let problems = Model::build(&with(file, text), &tenant("acme", &["orders"])).unwrap_err().to_string();
        assert!(problems.starts_with(said), "{problems}");
    }
}

#[test]
fn what_is_only_said_otherwise_is_equal() {
    let live = Sources::read(shipped()).unwrap();
    let same = changed("inventory/matrix.txt", "context.authn.level >= 2", "!(context.authn.level < 2)");
    let comparison = analyst().compare(&model(&live, "acme", &ALL), &model(&same, "acme", &ALL));
    assert_eq!(comparison.relation, Relation::Equal, "{comparison}");
    assert!(comparison.questions > 0 && comparison.differences.is_empty(), "{comparison}");

    let nothing = analyst().compare(&model(&live, "acme", &ALL), &model(&live, "acme", &ALL));
    assert_eq!((nothing.relation, nothing.questions), (Relation::Equal, 0), "{nothing}");
}

#[test]
fn every_difference_is_shown_by_a_request() {
    let live = Sources::read(shipped()).unwrap();
    let live = model(&live, "acme", &["inventory"]);
    let compare = |from: &str, to: &str| {
        analyst().compare(&live, &model(&changed("inventory/matrix.txt", from, to), "acme", &["inventory"]))
    };

    let looser =
        compare("CreateLot       -          -       -       allow", "CreateLot       -          -       allow   allow");
    assert_eq!(looser.relation, Relation::Looser, "{looser}");
    let shown = &looser.differences[0].shown[0];
    assert_eq!(shown.direction, Direction::Gains);
    assert_eq!(shown.example.who, "a person with the role `viewer`");
    assert_eq!(shown.example.does, "POST /inventory/items/{id}/lots (CreateLot)");
    assert_eq!(
        (shown.live.as_str(), shown.proposed.as_str()),
        ("refused (nothing permits it)", "allowed by inventory/matrix/viewer/CreateLot")
    );

    let stricter = compare("context.authn.level >= 2", "context.authn.level >= 3");
    assert_eq!(stricter.relation, Relation::Stricter, "{stricter}");
    assert_eq!(stricter.differences[0].shown[0].example.facts, ["they signed in at assurance level 2"]);

    let both = compare("context.authn.level >= 2", "context.authn.age_seconds <= 900");
    assert_eq!(both.relation, Relation::Incomparable, "{both}");
    assert_eq!(both.differences[0].shown.len(), 2, "{both}");
}

/// Policies know actions: whoever swaps two routes lets those who may read delete, and no policy differs.
#[test]
fn a_route_that_changes_hands_is_undecided() {
    let live = Sources::read(shipped()).unwrap();
    let mut texts = texts();
    let routes = texts.get_mut("inventory/routes.toml").unwrap();
    let (get, delete) = ("action = \"GetItem\"", "action = \"DeleteItem\"");
    assert!(routes.contains(get) && routes.contains(delete));
    *routes = routes.replace(get, "action = \"\"").replace(delete, get).replace("action = \"\"", delete);
    let swapped = Sources::from_texts(texts).unwrap();
    let comparison = analyst().compare(&model(&live, "acme", &["inventory"]), &model(&swapped, "acme", &["inventory"]));
    assert_eq!(comparison.relation, Relation::Undecided, "{comparison}");
    let text = comparison.to_string();
    assert!(text.contains("`GET /inventory/items/{id}`") && text.contains("became `DELETE"), "{text}");

    let open = changed("inventory/routes.toml", "mode = \"block\"", "mode = \"off\"");
    let comparison = analyst().compare(&model(&live, "acme", &["inventory"]), &model(&open, "acme", &["inventory"]));
    assert_eq!(comparison.relation, Relation::Undecided, "{comparison}");
}

#[test]
fn an_action_that_is_new_is_compared_with_nothing() {
    let sources = Sources::read(shipped()).unwrap();
    let few = model(&sources, "acme", &["gateway"]);
    let more = model(&sources, "acme", &["gateway", "inventory"]);
    let comparison = analyst().compare(&few, &more);
    assert_eq!(comparison.relation, Relation::Looser, "{comparison}");
    assert!(comparison.differences[0].shown[0].live.contains("there is no such action"), "{comparison}");
    assert_eq!(analyst().compare(&more, &few).relation, Relation::Stricter);
}

#[test]
fn what_may_fail_to_evaluate_is_undecided() {
    let live = Sources::read(shipped()).unwrap();
    let text = "@id(\"inventory/late\")\nforbid (principal, action == Inventory::Action::\"GetLot\", resource)\n\
                when { context.authn.age_seconds + 9223372036854775807 < 0 };";
    let proposed = with("inventory/late.cedar", text);
    let comparison =
        analyst().compare(&model(&live, "acme", &["inventory"]), &model(&proposed, "acme", &["inventory"]));
    assert_eq!(comparison.relation, Relation::Undecided, "{comparison}");
    assert!(comparison.to_string().contains("the policy `inventory/late` may leave the range"), "{comparison}");
}

#[test]
fn without_a_solver_nothing_passes() {
    let missing = Solver::find(Some(Path::new("/nonexistent/cvc5"))).unwrap_err().to_string();
    assert!(missing.starts_with("the solver is missing: `/nonexistent/cvc5`"), "{missing}");
}

/// A program that is started as the solver is.
fn impostor(script: &str) -> (tempfile::TempDir, Solver) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("cvc5");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let solver = Solver::find(Some(&program)).unwrap();
    (folder, solver)
}

#[test]
fn a_solver_that_fails_or_hangs_proves_nothing() {
    let sources = Sources::read(shipped()).unwrap();
    let model = model(&sources, "acme", &["inventory"]);
    let bounds = Bounds { question: Duration::from_millis(30), whole: Duration::from_millis(200) };
    for (script, said) in [
        ("exit 1", "the solver"),
        ("cat >/dev/null", "no answer within 30 ms"),
        ("while read -r line; do echo unknown; done", "the solver"),
        ("while read -r line; do echo '(error \"x\")'; done", "the solver failed"),
    ] {
        let (_folder, solver) = impostor(script);
        let proofs = Analyst::new(solver, bounds).unwrap().prove(&model);
        assert!(!proofs.all_proved(), "{script}: {proofs}");
        // The others follow from the guard-rails' own text, which takes no solver.
        let mut asked = proofs.proofs.iter().filter(|proof| proof.id.starts_with("properties/inventory/"));
        assert!(asked.all(|proof| matches!(proof.finding, Finding::Undecided { .. })), "{script}: {proofs}");
        assert!(proofs.to_string().contains(said), "{script}: {proofs}");
    }
}

#[test]
fn the_whole_time_is_bounded() {
    let sources = Sources::read(shipped()).unwrap();
    let bounds = Bounds { question: Duration::from_secs(5), whole: Duration::ZERO };
    let proofs =
        Analyst::new(Solver::find(None).unwrap(), bounds).unwrap().prove(&model(&sources, "acme", &["orders"]));
    assert_eq!(proofs.questions, 0);
    assert!(!proofs.all_proved() && proofs.to_string().contains("not asked: the 0 s for all questions were over"));
}

#[test]
fn policies_that_say_nothing_or_too_much_are_found() {
    let lints = |sources: &Sources| analyst().lint(&model(sources, "acme", &["inventory", "orders"])).lints;
    let shipped = Sources::read(shipped()).unwrap();
    assert_eq!(lints(&shipped), []);

    for (file, text, kind, said) in [
        (
            "inventory/never.cedar",
            "@id(\"inventory/never\")\npermit (principal in Cedargate::Role::\"clerk\", action == Inventory::Action::\"GetLot\", resource)\n\
             when { context.authn.level > 2 && context.authn.level < 3 };",
            LintKind::NeverApplies,
            "inventory/never.cedar:1:1",
        ),
        (
            "inventory/all.cedar",
            "@id(\"inventory/all\")\npermit (principal, action == Inventory::Action::\"GetLot\", resource);",
            LintKind::AllowsEveryone,
            "inventory/all.cedar:1:1",
        ),
        (
            "inventory/idle.cedar",
            "@id(\"inventory/idle\")\nforbid (principal, action == Inventory::Action::\"RecallLot\", resource)\n\
             when { principal in Cedargate::Role::\"viewer\" && context.authn.level < 2 };",
            LintKind::ForbidsNothing,
            "inventory/idle.cedar:1:1",
        ),
        (
            "inventory/no-deletion.cedar",
            "@id(\"inventory/no-deletion\")\nforbid (principal, action == Inventory::Action::\"DeleteItem\", resource);",
            LintKind::Shadowed,
            "inventory/matrix.txt:10:75",
        ),
    ] {
        let found = lints(&with(file, text));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].place.to_string()), (kind, said.to_owned()), "{found:?}");
    }

    let dead = texts()["platform/roles.toml"].clone() + "\n[[role]]\nname = \"ghost\"\ndescription = \"Nobody.\"\n";
    let mut all = texts();
    all.insert("platform/roles.toml".to_owned(), dead);
    for module in ["inventory", "orders"] {
        let matrix = all.get_mut(&format!("{module}/matrix.txt")).unwrap();
        let lines = matrix.lines().map(|line| match line.split_whitespace().next() {
            Some("action") => format!("{line} ghost"),
            Some(first) if first.starts_with(|c: char| c.is_ascii_uppercase()) => format!("{line} -"),
            _ => line.to_owned(),
        });
        *matrix = lines.collect::<Vec<_>>().join("\n");
    }
    let found = lints(&Sources::from_texts(all).unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind, found[0].place.to_string()),
        (LintKind::DeadRole, "platform/roles.toml:33:8".to_owned())
    );
}
