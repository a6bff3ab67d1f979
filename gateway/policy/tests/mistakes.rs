//! Whatever is wrong in the sources of a tenant's snapshot is said with its place, and no snapshot comes of it.
//! Each test changes the shipped policies in one way.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cedargate_model::{TenantId, TenantName};
use cedargate_policy::{Snapshot, Sources, TenantScope};
use uuid::Uuid;

/// The shipped texts, to be changed.
struct Texts(BTreeMap<String, String>);

impl Texts {
    fn shipped() -> Self {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"));
        let mut texts = BTreeMap::new();
        for folder in ["platform", "gateway", "inventory"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name != "openapi.json" && !name.ends_with(".md") {
                    let path = format!("{folder}/{name}");
                    texts.insert(path.clone(), fs::read_to_string(root.join(path)).unwrap());
                }
            }
        }
        Self(texts)
    }

    fn replace(mut self, file: &str, from: &str, to: &str) -> Self {
        let text = self.0.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1);
        self
    }

    fn with(mut self, file: &str, text: &str) -> Self {
        self.0.insert(file.to_owned(), text.to_owned());
        self
    }

    fn without(mut self, file: &str) -> Self {
        self.0.remove(file).unwrap();
        self
    }

    fn problems(self) -> String {
        let scope = TenantScope::new(
            TenantId(Uuid::from_u128(1)),
            TenantName::parse("acme").unwrap(),
            ["gateway", "inventory"],
        );
        let sources = Sources::from_texts(self.0).unwrap();
        Snapshot::build(&sources, &scope).expect_err("a snapshot was built").to_string()
    }

    /// Nothing but these lines is wrong; each may go on after what is given of it.
    fn assert_problems(self, expected: &[&str]) {
        let said = self.problems();
        let fits = said.lines().count() == expected.len() && said.lines().zip(expected).all(|(s, e)| s.starts_with(e));
        assert!(fits, "said:\n{said}\nexpected:\n{}", expected.join("\n"));
    }
}

#[test]
fn without_the_guard_rails_nothing_is_decided() {
    let missing = [
        "platform:1:1: the guard-rail `platform/anonymous-only-public` is missing",
        "platform:1:1: the guard-rail `platform/tenant-isolation` is missing",
    ];
    Texts::shipped().without("platform/guard-rails.cedar").assert_problems(&missing);
    Texts::shipped()
        .without("platform/guard-rails.cedar")
        .with("platform/guard-rails.cedar", "")
        .assert_problems(&missing);
    let text = Texts::shipped().0["platform/guard-rails.cedar"].clone();
    let half = text.split_inclusive(";\n").next().unwrap();
    assert!(half.len() < text.len());
    Texts::shipped()
        .without("platform/guard-rails.cedar")
        .with("platform/guard-rails.cedar", half)
        .assert_problems(&missing[..1]);
}

#[test]
fn what_is_missing_is_said() {
    Texts::shipped()
        .without("inventory/matrix.txt")
        .assert_problems(&["inventory/matrix.txt:1:1: the file is missing"]);
    Texts::shipped().without("platform/roles.toml").assert_problems(&["platform/roles.toml:1:1: the file is missing"]);
    let mut texts = Texts::shipped();
    texts.0.retain(|path, _| !path.starts_with("inventory/"));
    texts.assert_problems(&["inventory:1:1: there is no module `inventory`"]);
}

#[test]
fn mistakes_in_several_files_are_said_at_once() {
    Texts::shipped()
        .replace("inventory/matrix.txt", "allow  allow", "maybe! allow")
        .replace("inventory/routes.toml", "timeout_ms = 10_000", "timeout_ms = \"soon\"")
        .replace("gateway/schema.cedarschema", "entity Page", "entity entity Page")
        .replace("platform/guard-rails.cedar", "\nforbid", "\nforbit")
        .with("tenants/acme/own.cedar", "permit (principal, action, resource);")
        .assert_problems(&[
            "gateway/schema.cedarschema:3:17: ",
            "inventory/matrix.txt:5:44: `maybe!` is not",
            "inventory/routes.toml:5:14: ",
            "platform/guard-rails.cedar:5:1: ",
            "tenants/acme/own.cedar:1:1: the annotation `@id` is missing",
        ]);
}

#[test]
fn two_routes_of_one_method_and_path_are_refused() {
    Texts::shipped()
        .replace(
            "inventory/routes.toml",
            "method = \"PATCH\"\npath = \"/inventory/items/{id}\"",
            "method = \"GET\"\npath = \"/inventory/items/{item}\"",
        )
        .replace(
            "inventory/routes.toml",
            "action = \"UpdateItem\"\nresource = { type = \"Item\", id = \"{id}\" }",
            "action = \"UpdateItem\"\nresource = { type = \"Item\", id = \"{item}\" }",
        )
        .assert_problems(&[
            "inventory/routes.toml:26:1: GET /inventory/items/{item} is route `inventory.GetItem` already",
        ]);
}

#[test]
fn two_modules_that_claim_one_path_are_refused() {
    Texts::shipped()
        .replace("inventory/routes.toml", "path = \"/inventory/items\"", "path = \"/\"")
        .assert_problems(&["inventory/routes.toml:8:1: GET / is route `gateway.Portal` already"]);
}

#[test]
fn an_action_has_one_route() {
    Texts::shipped()
        .replace("inventory/routes.toml", "action = \"UpdateItem\"", "action = \"GetItem\"")
        .assert_problems(&[
            "inventory/routes.toml:29:10: action `GetItem` has a route already, at inventory/routes.toml:20:1",
            "inventory/schema.cedarschema:12:19: action `UpdateItem` has no route in inventory/routes.toml",
        ]);
}

#[test]
fn a_route_names_a_resource_that_its_action_applies_to() {
    Texts::shipped().replace("inventory/routes.toml", "type = \"Catalog\"", "type = \"Lot\"").assert_problems(&[
        "inventory/routes.toml:12:21: action `ListItems` does not apply to `Lot` in inventory/schema.cedarschema",
    ]);
}

#[test]
fn an_inspection_that_only_scores_needs_a_policy_on_the_score() {
    let scored = || {
        let id = "resource = { type = \"Catalog\", id = \"items\" }\n";
        let with_mode = id.to_owned() + "inspection = { mode = \"score\" }\n";
        Texts::shipped().replace("inventory/routes.toml", id, &with_mode)
    };
    scored().assert_problems(&[
        "inventory/routes.toml:8:1: mode `score` leaves attacks to Cedar, and no policy about `ListItems` reads `context.waf`",
    ]);
    let policy = "@id(\"inventory/calm\")\nforbid (principal, action, resource) when { context.waf.score > 9 };\n";
    let scope =
        TenantScope::new(TenantId(Uuid::from_u128(1)), TenantName::parse("acme").unwrap(), ["gateway", "inventory"]);
    let sources = Sources::from_texts(scored().with("inventory/calm.cedar", policy).0).unwrap();
    Snapshot::build(&sources, &scope).unwrap();
}

#[test]
fn an_action_applies_to_users_and_anonymous_callers() {
    Texts::shipped()
        .replace("inventory/schema.cedarschema", "principal: [Cedargate::User, Cedargate::ServiceAccount, Cedargate::Anonymous]", "principal: [Cedargate::User]")
        .assert_problems(&[
            "inventory/schema.cedarschema:8:10: action `ListItems` must apply to `Cedargate::User` and `Cedargate::Anonymous`",
            "inventory/schema.cedarschema:8:21: action `CreateItem` must apply to `Cedargate::User` and `Cedargate::Anonymous`",
        ]);
}

#[test]
fn a_resource_belongs_to_a_tenant_and_has_nothing_that_is_not_shown() {
    let said = Texts::shipped()
        .replace("inventory/schema.cedarschema", "entity Lot { tenant: Cedargate::Tenant }", "entity Lot")
        .problems();
    assert!(said.lines().all(|line| line.starts_with("inventory/schema.cedarschema:16:")), "{said}");
    let said = Texts::shipped()
        .replace(
            "inventory/schema.cedarschema",
            "entity Lot { tenant: Cedargate::Tenant }",
            "entity Lot { tenant: Cedargate::Tenant, owner: String }",
        )
        .problems();
    assert!(said.lines().next().unwrap().contains("action `GetLot`: "), "{said}");
}

#[test]
fn a_context_is_the_gateways() {
    let said = Texts::shipped()
        .replace("inventory/schema.cedarschema", "context: Cedargate::Context", "context: { mood: String }")
        .problems();
    assert!(said.starts_with("inventory/schema.cedarschema:8:10: action `ListItems`: "), "{said}");
}

#[test]
fn a_schema_has_one_namespace_of_its_own() {
    let more = "namespace Extra { entity X; }\n";
    let text = Texts::shipped().0["inventory/schema.cedarschema"].clone() + more;
    Texts::shipped()
        .with("inventory/schema.cedarschema", &text)
        .assert_problems(&["inventory/schema.cedarschema:1:1: a schema file has exactly one `namespace`"]);
    let said = Texts::shipped()
        .replace("inventory/schema.cedarschema", "namespace Inventory", "namespace Cedargate")
        .problems();
    assert!(said.starts_with("inventory/schema.cedarschema:"), "{said}");
}

#[test]
fn an_id_is_one_policys() {
    let policy = "@id(\"inventory/a\")\nforbid (principal, action, resource) when { context.waf.score > 3 };\n";
    Texts::shipped().with("inventory/one.cedar", policy).with("inventory/two.cedar", policy).assert_problems(&[
        "inventory/two.cedar:1:1: `@id(\"inventory/a\")` is taken by the policy at inventory/one.cedar:1:1",
    ]);
}

#[test]
fn nobody_writes_policies_for_others() {
    let policy = "@id(\"platform/a\")\nforbid (principal, action, resource);\n";
    Texts::shipped()
        .with("tenants/acme/own.cedar", policy)
        .assert_problems(&["tenants/acme/own.cedar:1:1: `@id(\"platform/a\")`: write `tenants/acme/` and "]);
}

#[test]
fn a_policy_that_could_err_or_never_applies_is_refused() {
    let refused = |condition: &str| {
        let text = format!("@id(\"inventory/x\")\npermit (principal, action, resource)\nwhen {{ {condition} }};\n");
        let said = Texts::shipped().with("inventory/x.cedar", &text).problems();
        assert!(said.lines().all(|line| line.starts_with("inventory/x.cedar:")), "{condition}: {said}");
    };
    for condition in [
        "principal.department == \"sales\"",
        "context.authn.level > \"2\"",
        "resource.tenant.name == \"acme\"",
        // Another entity than those of the request is not shown to Cedar, so asking it would err.
        "Inventory::Item::\"1\".tenant == principal.tenant",
        "principal.tenant in Cedargate::Tenant::\"x\" && principal.tenant.x == 1",
        "resource is Inventory::Shelf",
        "false",
    ] {
        refused(condition);
    }
    let text = "@id(\"inventory/x\")\npermit (principal, action == Inventory::Action::\"Steal\", resource);\n";
    let said = Texts::shipped().with("inventory/x.cedar", text).problems();
    assert!(said.contains("inventory/x.cedar:2:30: for policy `inventory/x`, unrecognized action"), "{said}");
}

#[test]
fn a_tenants_matrix_names_what_there_is() {
    Texts::shipped()
        .with("tenants/acme/inventory.matrix.txt", "action clark\nListItem allow\n")
        .with("tenants/acme/orders.matrix.txt", "action clerk\n")
        .assert_problems(&["tenants/acme/orders.matrix.txt:1:1: the tenant has no module `orders`"]);
    Texts::shipped().with("tenants/acme/inventory.matrix.txt", "action clark\nListItem allow\n").assert_problems(&[
        "tenants/acme/inventory.matrix.txt:1:8: there is no role `clark` in platform/roles.toml",
        "tenants/acme/inventory.matrix.txt:2:1: there is no action `ListItem` in inventory/schema.cedarschema",
    ]);
}
