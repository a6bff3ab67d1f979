//! A whole resource, as a client sends it.

use serde_json::{Map, Value};

use crate::element::{self, twice};
use crate::error::{ScimError, ScimType};
use crate::schema::{Attribute, ResourceKind, find};

/// A resource in canonical form: what clients may write, by the names of its schemas, without what is empty.
pub type Resource = Map<String, Value>;

/// The largest resource as text, without the members of a group, in octets.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The longest name that a person or group is known by at the provider, in octets.
const NAME_BYTES_MAX: usize = 254;

/// Reads a resource that is to be made or replaced.
///
/// # Errors
/// `invalidSyntax` for what is no such resource, `invalidValue` for a value that is missing or none of its attribute.
pub fn read_resource(kind: ResourceKind, body: &Value) -> Result<Resource, ScimError> {
    let Some(body) = body.as_object() else {
        return Err(ScimError::bad(ScimType::InvalidSyntax, "send one JSON object"));
    };
    check_schemas(body, kind.core().id)?;
    let mut read = attributes(kind.attributes(), body)?;
    if let Some(extension) = kind.extension()
        && let Some((_, within)) = body.iter().find(|(name, _)| name.eq_ignore_ascii_case(extension.id))
    {
        let within = within
            .as_object()
            .ok_or_else(|| ScimError::bad(ScimType::InvalidValue, format!("`{}` is an object", extension.id)))?;
        let within = attributes(extension.attributes, within)?;
        if !within.is_empty() {
            read.insert(extension.id.to_owned(), Value::Object(within));
        }
    }
    check_resource(kind, &read)?;
    Ok(read)
}

/// Whether the body says that it is what it must be.
pub(crate) fn check_schemas(body: &Map<String, Value>, urn: &str) -> Result<(), ScimError> {
    let said = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let is_it = |value: &Value| value.as_str().is_some_and(|said| said.eq_ignore_ascii_case(urn));
    match said {
        Some(Value::Array(urns)) if urns.iter().any(is_it) => Ok(()),
        _ => Err(ScimError::bad(ScimType::InvalidSyntax, format!("`schemas` must have `{urn}`"))),
    }
}

fn attributes(
    known: impl IntoIterator<Item = &'static Attribute> + Clone,
    body: &Map<String, Value>,
) -> Result<Resource, ScimError> {
    let mut read = Map::new();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in body {
        // What clients cannot change they may send all the same (RFC 7644 §3.5.1).
        let Some(attribute) = find(known.clone(), name).filter(|known| !known.read_only && known.name != "schemas")
        else {
            continue;
        };
        if seen.contains(&attribute.name) {
            return Err(twice(attribute));
        }
        seen.push(attribute.name);
        if let Some(value) = element::read(attribute, value)? {
            read.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(read)
}

/// Checks what must hold of a resource as a whole, however it came about.
///
/// # Errors
/// `invalidValue` where something is missing or too large.
pub fn check_resource(kind: ResourceKind, resource: &Resource) -> Result<(), ScimError> {
    let invalid = |detail: String| Err(ScimError::bad(ScimType::InvalidValue, detail));
    for attribute in kind.core().attributes.iter().filter(|attribute| attribute.required) {
        match resource.get(attribute.name).and_then(Value::as_str) {
            Some(text) if text.trim() == text && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control) => {}
            Some(_) => {
                let name = attribute.name;
                return invalid(format!(
                    "`{name}` has at most {NAME_BYTES_MAX} octets, no control characters, and no space at its ends"
                ));
            }
            None => return invalid(format!("`{}` is missing", attribute.name)),
        }
    }
    if resource.get("externalId").and_then(Value::as_str).is_some_and(|id| id.len() > NAME_BYTES_MAX) {
        return invalid(format!("`externalId` has at most {NAME_BYTES_MAX} octets"));
    }
    let bytes: usize = resource.iter().filter(|(name, _)| *name != "members").map(|(_, v)| v.to_string().len()).sum();
    if bytes > DOCUMENT_BYTES_MAX * 3 / 4 {
        return invalid(format!("the resource is larger than {} octets", DOCUMENT_BYTES_MAX * 3 / 4));
    }
    Ok(())
}
