//! One value of an attribute, as clients send it and as it is kept (RFC 7643 §2).

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, quoted};
use crate::moment;
use crate::schema::{Attribute, Kind, find};

/// The longest text, in octets.
const TEXT_BYTES_MAX: usize = 2_000;

/// A value of an attribute in canonical form; none where nothing is assigned (`null`, an empty list or object).
///
/// # Errors
/// `invalidValue`.
pub(crate) fn read(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if !attribute.is_many() {
        return match value {
            // Entra ID writes some single values, such as a manager, as a list of one.
            Value::Array(values) => match values.as_slice() {
                [] => Ok(None),
                [one] => read_one(attribute, one),
                _ => Err(invalid(attribute, "has one value")),
            },
            one => read_one(attribute, one),
        };
    }
    let values = match value {
        Value::Null => return Ok(None),
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    if values.len() > attribute.values_max {
        return Err(invalid(attribute, &format!("has at most {} values", attribute.values_max)));
    }
    let read: Result<Vec<_>, _> = values.iter().map(|value| read_one(attribute, value)).collect();
    let mut kept: Vec<Value> = Vec::new();
    for value in read?.into_iter().flatten() {
        if attribute.values_max > 1_000 || !kept.contains(&value) {
            kept.push(value);
        }
    }
    if kept.iter().filter(|value| is_primary(value)).count() > 1 {
        return Err(invalid(attribute, "has at most one value that is `primary`"));
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

fn read_one(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Text | Kind::Reference(_), Value::String(text)) => read_text(attribute, text),
        (Kind::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        // As Entra ID writes it.
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
        (Kind::Boolean, _) => Err(invalid(attribute, "is `true` or `false`")),
        (Kind::Moment, Value::String(text)) if moment::from_text(text).is_some() => Ok(Some(value.clone())),
        (Kind::Moment, _) => Err(invalid(attribute, "is a moment such as `2026-11-20T18:00:00Z`")),
        (Kind::Complex(subs), Value::Object(object)) => read_object(subs, object),
        // As some write a value without more: a role, or a manager's id.
        (Kind::Complex(subs), Value::String(_)) if subs.iter().any(|sub| sub.name == "value") => {
            read_object(subs, &Map::from_iter([("value".to_owned(), value.clone())]))
        }
        (Kind::Complex(_), _) => Err(invalid(attribute, "is an object")),
        (Kind::Text | Kind::Reference(_), _) => Err(invalid(attribute, "is a text")),
    }
}

fn read_text(attribute: &Attribute, text: &str) -> Result<Option<Value>, ScimError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(invalid(attribute, &format!("has at most {TEXT_BYTES_MAX} octets")));
    }
    // No database keeps a NUL everywhere, and no other of these belongs in a name or an address.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(invalid(attribute, "has no control characters"));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

/// An object of sub-attributes. Those that nobody knows are passed over; one that stands twice is refused.
fn read_object(subs: &'static [Attribute], object: &Map<String, Value>) -> Result<Option<Value>, ScimError> {
    let mut kept = Map::new();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in object {
        let Some(sub) = find(subs.iter(), name) else { continue };
        if seen.contains(&sub.name) {
            return Err(twice(sub));
        }
        seen.push(sub.name);
        if let Some(value) = read(sub, value)? {
            kept.insert(sub.name.to_owned(), value);
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Object(kept)))
}

pub(crate) fn twice(attribute: &Attribute) -> ScimError {
    ScimError::bad(ScimType::InvalidSyntax, format!("`{}` stands there twice", attribute.name))
}

fn invalid(attribute: &Attribute, must: &str) -> ScimError {
    ScimError::bad(ScimType::InvalidValue, format!("`{}` {must}", quoted(attribute.name)))
}
