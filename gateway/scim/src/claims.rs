//! What rules for roles read of somebody who was provisioned.

use serde_json::{Map, Value};

use crate::resource::Resource;
use crate::schema::ENTERPRISE_USER;

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The group's id.
    pub group: String,
    /// What it is called.
    pub display: String,
    /// What the provider calls it, if it says: at Entra ID the object's id, which is in tokens, too.
    pub external_id: Option<String>,
}

/// By what rules name groups. Never by both: in a directory where people make groups, one could be called by another's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupsBy {
    /// What they are called.
    DisplayName,
    /// What the provider calls them, as its tokens do at Entra ID.
    ExternalId,
}

/// Somebody's claims, for the rules that also read a sign-in's: `groups`, the
/// values of `roles` and `entitlements`, and what stands on the person under these names: `department`, `division`, `organization`,
/// `costCenter`, `title`, `userType`. Nothing else gives a role: an address names nobody.
pub fn role_claims(user: &Resource, groups: &[Membership], by: GroupsBy) -> Map<String, Value> {
    let mut claims = Map::new();
    let called = groups.iter().filter_map(|group| match by {
        GroupsBy::DisplayName => Some(group.display.as_str()),
        GroupsBy::ExternalId => group.external_id.as_deref(),
    });
    claims.insert("groups".to_owned(), called.collect());
    for name in ["roles", "entitlements"] {
        let values = user.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let said: Vec<Value> = values.iter().filter_map(|value| value.get("value")).cloned().collect();
        if !said.is_empty() {
            claims.insert(name.to_owned(), Value::Array(said));
        }
    }
    let enterprise = user.get(ENTERPRISE_USER).and_then(Value::as_object);
    for name in ["department", "division", "organization", "costCenter"] {
        if let Some(value) = enterprise.and_then(|enterprise| enterprise.get(name)) {
            claims.insert(name.to_owned(), value.clone());
        }
    }
    for name in ["title", "userType"] {
        if let Some(value) = user.get(name) {
            claims.insert(name.to_owned(), value.clone());
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_read_groups_and_roles_and_no_address() {
        let user = json!({
            "userName": "ada@acme.example",
            "emails": [{ "value": "ada@acme.example" }],
            "roles": [{ "value": "clerk", "primary": true }, { "display": "nothing" }],
            ENTERPRISE_USER: { "department": "Stock", "manager": { "value": "1" } },
        });
        let warehouse = Membership { group: "1".into(), display: "Warehouse".into(), external_id: Some("0f-1".into()) };
        let groups = [warehouse, Membership { group: "2".into(), display: "0f-9".into(), external_id: None }];
        let claims = role_claims(user.as_object().unwrap(), &groups, GroupsBy::DisplayName);
        let expected = json!({ "groups": ["Warehouse", "0f-9"], "roles": ["clerk"], "department": "Stock" });
        assert_eq!(Value::Object(claims), expected);
        let claims = role_claims(user.as_object().unwrap(), &groups, GroupsBy::ExternalId);
        assert_eq!(claims["groups"], json!(["0f-1"]), "and no group that is merely called so");
    }
}
