//! What a client can ask about the service itself (RFC 7644 §4).

use serde_json::{Map, Value, json};

use crate::list::{RESULTS_MAX, list_response};
use crate::schema::{Attribute, COMMON, Kind, ResourceKind, Schema};

/// `GET /ServiceProviderConfig`.
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": RESULTS_MAX },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of one connection, made by `cedargate scim token create`.",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// `GET /ResourceTypes`.
pub fn resource_types(base: &str) -> Value {
    let all: Vec<_> = ResourceKind::ALL.into_iter().map(|kind| type_of(kind, base)).collect();
    list_response(all.len(), 1, all)
}

/// `GET /ResourceTypes/{name}`; none where there is no such type.
pub fn resource_type(name: &str, base: &str) -> Option<Value> {
    let kind = ResourceKind::ALL.into_iter().find(|kind| kind.name() == name)?;
    Some(Value::Object(type_of(kind, base)))
}

/// `GET /Schemas`.
pub fn schemas(base: &str) -> Value {
    let all: Vec<_> = known().map(|schema| described(schema, base)).collect();
    list_response(all.len(), 1, all)
}

/// `GET /Schemas/{urn}`; none where there is no such schema.
pub fn schema(urn: &str, base: &str) -> Option<Value> {
    known().find(|schema| schema.id == urn).map(|schema| Value::Object(described(schema, base)))
}

fn known() -> impl Iterator<Item = &'static Schema> {
    ResourceKind::ALL.into_iter().flat_map(|kind| [Some(kind.core()), kind.extension()]).flatten()
}

fn type_of(kind: ResourceKind, base: &str) -> Map<String, Value> {
    let name = kind.name();
    let mut described = object(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": kind.endpoint(),
        "description": kind.core().about,
        "schema": kind.core().id,
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") },
    }));
    if let Some(extension) = kind.extension() {
        described.insert("schemaExtensions".to_owned(), json!([{ "schema": extension.id, "required": false }]));
    }
    described
}

fn described(schema: &Schema, base: &str) -> Map<String, Value> {
    // Of what every resource has, only `externalId` is worth a word: the rest is the standard's (RFC 7643 §3.1).
    let common = COMMON.iter().filter(|known| known.name == "externalId" && !schema.id.contains(":extension:"));
    let attributes: Vec<_> = common.chain(schema.attributes).map(attribute).collect();
    object(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.id,
        "name": schema.name,
        "description": schema.about,
        "attributes": attributes,
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.id) },
    }))
}

fn attribute(attribute: &Attribute) -> Value {
    let (kind, subs, references): (_, &[Attribute], &[&str]) = match attribute.kind {
        Kind::Text => ("string", &[], &[]),
        Kind::Boolean => ("boolean", &[], &[]),
        Kind::Moment => ("dateTime", &[], &[]),
        Kind::Reference(kinds) => ("reference", &[], kinds),
        Kind::Complex(subs) => ("complex", subs, &[]),
    };
    let mut described = object(json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": attribute.is_many(),
        "description": attribute.about,
        "required": attribute.required,
        "mutability": if attribute.read_only { "readOnly" } else { "readWrite" },
        "returned": if attribute.always { "always" } else { "default" },
    }));
    if matches!(attribute.kind, Kind::Text | Kind::Reference(_)) {
        described.insert("caseExact".to_owned(), attribute.case_exact.into());
        described.insert("uniqueness".to_owned(), if attribute.unique { "server" } else { "none" }.into());
    }
    if !references.is_empty() {
        described.insert("referenceTypes".to_owned(), references.into());
    }
    if !subs.is_empty() {
        described.insert("subAttributes".to_owned(), subs.iter().map(self::attribute).collect());
    }
    Value::Object(described)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
