//! A module with two kinds of resource and three actions, for two tenants, small enough that generated questions meet.

use cedargate_model::{TenantId, TenantName};
use uuid::Uuid;

use crate::{Problems, Routed, Snapshot, Sources, TenantScope};

pub(super) const SCHEMA: &str = r#"
namespace Toy {
  entity Page { tenant: Cedargate::Tenant };
  entity Item { tenant: Cedargate::Tenant };
  action writes;
  action Read in [Cedargate::Action::"public"] appliesTo {
    principal: [Cedargate::User, Cedargate::Anonymous], resource: [Page], context: Cedargate::Context
  };
  action Look, Write in [writes] appliesTo {
    principal: [Cedargate::User, Cedargate::ServiceAccount, Cedargate::Anonymous], resource: [Item], context: Cedargate::Context
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

/// The ladder's ages and its stronger sign-ins, as the text below has them.
pub(super) const FRESH_SECONDS: [u64; 2] = [300, 60];
pub(super) const STRONGER: [(u8, &str); 2] = [(2, "otp"), (3, "hwk")];
const LADDER: &str = "fresh_seconds = [300, 60]\n[[strength]]\nlevel = 2\nmethods = [\"otp\"]\n[[strength]]\nlevel = 3\n\
                      methods = [\"hwk\"]\n";

/// A matrix that permits nothing.
pub(super) const EMPTY_MATRIX: &str = "action anonymous member one two\nRead - - - -\nLook - - - -\nWrite - - - -\n";

/// Every action with the resources that are asked about.
pub(super) const ADDRESSES: [(&str, &str); 5] = [
    ("Read", "Page::\"front\""),
    ("Look", "Item::\"a\""),
    ("Look", "Item::\"b\""),
    ("Write", "Item::\"a\""),
    ("Write", "Item::\"b\""),
];

pub(super) fn platform_schema() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/platform/schema.cedarschema");
    std::fs::read_to_string(path).unwrap()
}

/// Tenant 1 is `acme`, every other `globex`.
pub(super) fn scope(tenant: u128) -> TenantScope {
    let name = if tenant == 1 { "acme" } else { "globex" };
    TenantScope::new(TenantId(Uuid::from_u128(tenant)), TenantName::parse(name).unwrap(), ["toy"])
}

/// A tenant's snapshot with these texts beside the module's own, or instead of them.
pub(super) fn build(tenant: u128, more: &[(String, String)]) -> Result<Snapshot, Problems> {
    let guard_rails = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/platform/guard-rails.cedar");
    let own = [
        ("platform/schema.cedarschema", platform_schema()),
        ("platform/roles.toml", ROLES.to_owned()),
        ("platform/step-up.toml", LADDER.to_owned()),
        ("platform/guard-rails.cedar", std::fs::read_to_string(guard_rails).unwrap()),
        ("toy/schema.cedarschema", SCHEMA.to_owned()),
        ("toy/routes.toml", ROUTES.to_owned()),
        ("toy/matrix.txt", EMPTY_MATRIX.to_owned()),
    ];
    let own = own.into_iter().map(|(path, text)| (path.to_owned(), text));
    Snapshot::build(&Sources::from_texts(own.chain(more.iter().cloned()))?, &scope(tenant))
}

pub(super) fn routed(snapshot: &Snapshot, address: usize) -> Routed {
    let (action, resource) = ADDRESSES[address];
    snapshot.routes().address(&format!("Toy::Action::\"{action}\""), &format!("Toy::{resource}")).unwrap()
}
