use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{ENTERPRISE_USER, element, read_resource};

const USER: ResourceKind = ResourceKind::User;

fn ada() -> Resource {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example",
        "name": { "givenName": "Ada", "familyName": "L" },
        "active": true,
        "emails": [
            { "value": "ada@acme.example", "type": "work", "primary": true },
            { "value": "ada@home.example", "type": "home" },
        ],
    });
    read_resource(USER, &body).unwrap()
}

fn patched_kind(kind: ResourceKind, mut resource: Resource, operations: &Value) -> Result<Value, ScimError> {
    let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
    Patch::read(kind, &body)?.apply(&mut resource)?;
    Ok(Value::Object(resource))
}

fn patched(operations: Value) -> Result<Value, ScimError> {
    patched_kind(USER, ada(), &operations)
}

fn refused(operations: Value) -> Option<ScimType> {
    patched(operations).unwrap_err().kind
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_own_word() {
    let op = |op: &str, path: &str, value: Value| json!([{ "op": op, "path": path, "value": value }]);
    for (operations, word) in [
        (json!("x"), ScimType::InvalidSyntax),
        (json!([{ "op": "move", "path": "title" }]), ScimType::InvalidSyntax),
        (json!([{ "op": "remove" }]), ScimType::NoTarget),
        (json!([{ "op": "add", "path": "title" }]), ScimType::InvalidValue),
        (json!([{ "op": "add", "value": "x" }]), ScimType::InvalidValue),
        (op("add", "favouriteColour", json!("x")), ScimType::InvalidPath),
        (op("add", "name.colour", json!("x")), ScimType::InvalidPath),
        (op("add", "name[givenName eq \"Ada\"]", json!("x")), ScimType::InvalidPath),
        (op("add", "emails[type eq \"work\"]x", json!("x")), ScimType::InvalidPath),
        (op("add", "emails[type eq \"work\"", json!("x")), ScimType::InvalidFilter),
        (op("add", "emails[colour eq \"work\"].value", json!("x")), ScimType::InvalidFilter),
        (op("replace", "id", json!("1")), ScimType::Mutability),
        (op("replace", "meta.version", json!("1")), ScimType::Mutability),
        (op("add", "groups", json!([{ "value": "1" }])), ScimType::Mutability),
        (op("replace", "active", json!("perhaps")), ScimType::InvalidValue),
        (op("replace", "userName", json!(7)), ScimType::InvalidValue),
        (json!([{ "op": "remove", "path": "userName" }]), ScimType::InvalidValue),
        (op("replace", "emails[not (type eq \"other\") and type eq \"x\"].value", json!("y")), ScimType::NoTarget),
        (op("add", "title", json!("a\u{0}")), ScimType::InvalidValue),
        (op("add", "title", json!("a".repeat(3_000))), ScimType::InvalidValue),
    ] {
        assert_eq!(refused(operations.clone()), Some(word), "{operations}");
    }
    let many: Vec<_> = (0..=OPERATIONS_MAX).map(|_| json!({ "op": "remove", "path": "title" })).collect();
    assert_eq!(refused(json!(many)), Some(ScimType::InvalidSyntax));
}

#[test]
fn entra_id_says_false_as_a_text_and_begins_with_a_capital() {
    let off = patched(json!([{ "op": "Replace", "path": "active", "value": "False" }])).unwrap();
    assert_eq!(off["active"], false);
    let off = patched(json!([{ "op": "replace", "value": { "active": false } }])).unwrap();
    assert_eq!(off["active"], false);
}

#[test]
fn without_a_path_members_are_paths_themselves() {
    let changed = patched(json!([{ "op": "replace", "value": {
        "name.givenName": "Augusta",
        "emails[type eq \"work\"].value": "augusta@acme.example",
        "addresses[type eq \"work\"].country": "GB",
        format!("{ENTERPRISE_USER}:department"): "Engines",
        ENTERPRISE_USER: { "division": "North" },
        "favouriteColour": "green",
        "id": "another",
    } }]))
    .unwrap();
    assert_eq!(changed["name"], json!({ "givenName": "Augusta", "familyName": "L" }));
    assert_eq!(changed["emails"][0]["value"], "augusta@acme.example");
    assert_eq!(changed["addresses"], json!([{ "type": "work", "country": "GB" }]));
    assert_eq!(changed[ENTERPRISE_USER], json!({ "department": "Engines", "division": "North" }));
    assert!(changed.get("id").is_none() && changed.get("favouriteColour").is_none());
}

#[test]
fn a_filter_in_a_path_chooses_values() {
    let path = |path: &str, value: &str| json!([{ "op": "Add", "path": path, "value": value }]);
    let changed = patched(path("emails[type eq \"HOME\"].value", "a@new.example")).unwrap();
    assert_eq!(changed["emails"][1], json!({ "value": "a@new.example", "type": "home" }));
    let made = patched(path("phoneNumbers[type eq \"mobile\"].value", "+44 1")).unwrap();
    assert_eq!(made["phoneNumbers"], json!([{ "type": "mobile", "value": "+44 1" }]));
    let made = patched(path("roles[primary eq \"True\"].value", "clerk")).unwrap();
    assert_eq!(made["roles"], json!([{ "primary": true, "value": "clerk" }]));
    let gone = patched(json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }])).unwrap();
    assert_eq!(gone["emails"], json!([{ "value": "ada@home.example", "type": "home" }]));
    let gone = patched(json!([{ "op": "remove", "path": "emails[type eq \"work\"].primary" }])).unwrap();
    assert_eq!(gone["emails"][0], json!({ "value": "ada@acme.example", "type": "work" }));
}

#[test]
fn one_value_at_most_is_the_first_choice() {
    let added = json!([{ "op": "add", "path": "emails", "value": [{ "value": "new@acme.example", "primary": true }] }]);
    let changed = patched(added).unwrap();
    let primary: Vec<_> = changed["emails"].as_array().unwrap().iter().map(element::is_primary).collect();
    assert_eq!(primary, [false, false, true]);
    let chosen = json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]);
    let changed = patched(chosen).unwrap();
    let primary: Vec<_> = changed["emails"].as_array().unwrap().iter().map(element::is_primary).collect();
    assert_eq!(primary, [false, true]);
    let two = json!([{ "op": "replace", "path": "emails", "value": [
        { "value": "a", "primary": true }, { "value": "b", "primary": true } ] }]);
    assert_eq!(refused(two), Some(ScimType::InvalidValue));
}

#[test]
fn a_manager_comes_in_any_of_its_shapes() {
    let path = format!("{ENTERPRISE_USER}:manager");
    for value in [json!("7"), json!({ "value": "7" }), json!([{ "value": "7" }])] {
        let changed = patched(json!([{ "op": "Add", "path": path, "value": value }])).unwrap();
        assert_eq!(changed[ENTERPRISE_USER], json!({ "manager": { "value": "7" } }), "{value}");
    }
    let gone = json!([{ "op": "Add", "path": path, "value": "7" }, { "op": "Remove", "path": path }]);
    assert!(patched(gone).unwrap().get(ENTERPRISE_USER).is_none());
}

#[test]
fn members_are_removed_by_value_or_by_filter() {
    let group = json!({ "displayName": "g", "members": [{ "value": "1" }, { "value": "2" }, { "value": "3" }] });
    let group = group.as_object().cloned().unwrap();
    let members = |operations: Value| {
        let changed = patched_kind(ResourceKind::Group, group.clone(), &operations).unwrap();
        let members = changed.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let named = json!([{ "op": "Remove", "path": "members", "value": [{ "value": "1" }, { "value": "9" }] }]);
    assert_eq!(members(named), ["2", "3"]);
    assert_eq!(members(json!([{ "op": "remove", "path": "members[value eq \"2\"]" }])), ["1", "3"]);
    assert_eq!(members(json!([{ "op": "remove", "path": "members" }])), Vec::<String>::new());
    let twice = json!([{ "op": "Add", "path": "members", "value": [{ "value": "3" }, { "value": "4" }] }]);
    assert_eq!(members(twice), ["1", "2", "3", "4"]);
    assert_eq!(members(json!([{ "op": "replace", "path": "members", "value": [{ "value": "9" }] }])), ["9"]);
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,6}"
}

#[test]
fn what_a_patch_looks_at_is_bounded_all_together() {
    let members: Vec<_> = (0..1_000).map(|n| json!({ "value": format!("m{n}") })).collect();
    let body =
        json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g", "members": members });
    let group = read_resource(ResourceKind::Group, &body).unwrap();
    let one = json!({ "op": "add", "path": "members", "value": [{ "value": "m0" }] });
    let patched = |times: usize| patched_kind(ResourceKind::Group, group.clone(), &json!(vec![one.clone(); times]));
    assert!(patched(200).is_ok());
    assert_eq!(patched(300).unwrap_err().kind, Some(ScimType::TooMany));

    // Without a path, each member of the value is a path of its own.
    let keys = |count: usize| -> Value {
        let value: Map<_, _> =
            (0..count).map(|n| (format!("members[value eq \"k{n}\"].type"), json!("User"))).collect();
        json!([{ "op": "add", "value": value }])
    };
    assert_eq!(patched_kind(ResourceKind::Group, group.clone(), &keys(300)).unwrap_err().kind, Some(ScimType::TooMany));
}

proptest! {
    #[test]
    fn what_is_added_and_removed_again_leaves_nothing(values in prop::collection::btree_set(word(), 1..8)) {
        let new: Vec<_> = values.iter().map(|value| json!({ "value": format!("{value}@x.example"), "type": "other" })).collect();
        let operations = json!([
            { "op": "add", "path": "emails", "value": new },
            { "op": "remove", "path": "emails[type eq \"other\"]" },
        ]);
        prop_assert_eq!(patched(operations).unwrap(), Value::Object(ada()));
        let operations = json!([
            { "op": "add", "path": "emails", "value": new },
            { "op": "remove", "path": "emails", "value": new },
        ]);
        prop_assert_eq!(patched(operations).unwrap(), Value::Object(ada()));
    }

    #[test]
    fn a_replacement_said_twice_is_said_once(given in word(), title in word(), kind in word(), value in word()) {
        let one = json!({ "op": "replace", "path": format!("emails[type eq \"{kind}\"].value"), "value": value });
        let other = json!({ "op": "replace", "value": { "name.givenName": given, "title": title } });
        prop_assert_eq!(patched(json!([one, other])).unwrap(), patched(json!([one, other, one, other])).unwrap());
    }

    #[test]
    fn no_patch_is_more_than_refused(path in "\\PC{0,40}|[a-zA-Z.\\[\\]\" ]{0,40}", value in word(), op in "add|remove|replace") {
        let _ = patched(json!([{ "op": op, "path": path, "value": value }]));
        let _ = patched(json!([{ "op": op, "value": { path: value } }]));
    }
}
