//! One change at one place.

use serde_json::{Map, Value};

use super::values::{self, Chosen};
use super::{Insisting, Verb};
use crate::element;
use crate::error::{ScimError, ScimType};
use crate::filter::Node;
use crate::path::PatchPath;
use crate::resource::Resource;
use crate::schema::{Attribute, Place, find};

/// Changes what stands at a path.
pub(super) fn at(
    verb: Verb,
    path: &PatchPath,
    value: Option<&Value>,
    resource: &mut Resource,
    insisting: Insisting,
) -> Result<(), ScimError> {
    match path {
        PatchPath::Extension(schema) => match (verb, value) {
            (Verb::Remove, _) => {
                resource.remove(schema.id);
                Ok(())
            }
            (Verb::Add | Verb::Replace, Some(Value::Object(members))) => {
                for (name, value) in members {
                    if let Some(attribute) = find(schema.attributes.iter(), name) {
                        let place = Place { extension: Some(schema.id), attribute, sub: None };
                        place_in(verb, &place, None, Some(value), resource)?;
                    }
                }
                Ok(())
            }
            (Verb::Add | Verb::Replace, _) => {
                Err(ScimError::bad(ScimType::InvalidValue, format!("`{}` is an object", schema.id)))
            }
        },
        PatchPath::Place(place, filter) => {
            let is_fixed = place.attribute.read_only || place.attribute.name == "schemas";
            match (is_fixed, insisting) {
                (true, Insisting::Yes) => {
                    let detail = format!("`{}` cannot be changed", place.attribute.name);
                    Err(ScimError::bad(ScimType::Mutability, detail))
                }
                (true, Insisting::No) => Ok(()),
                (false, _) => place_in(verb, place, filter.as_ref(), value, resource),
            }
        }
    }
}

fn place_in(
    verb: Verb,
    place: &Place,
    filter: Option<&Node>,
    value: Option<&Value>,
    resource: &mut Resource,
) -> Result<(), ScimError> {
    let Some(urn) = place.extension else { return attribute(verb, place, filter, value, resource) };
    let mut within = match resource.remove(urn) {
        Some(Value::Object(within)) => within,
        _ => Map::new(),
    };
    attribute(verb, place, filter, value, &mut within)?;
    if !within.is_empty() {
        resource.insert(urn.to_owned(), Value::Object(within));
    }
    Ok(())
}

fn attribute(
    verb: Verb,
    place: &Place,
    filter: Option<&Node>,
    value: Option<&Value>,
    within: &mut Map<String, Value>,
) -> Result<(), ScimError> {
    let Place { attribute, sub, .. } = *place;
    let changed = match (attribute.is_many(), sub) {
        (true, _) => {
            let present = match within.remove(attribute.name) {
                Some(Value::Array(values)) => values,
                _ => Vec::new(),
            };
            let chosen = Chosen { attribute, filter, sub };
            let changed = values::change(verb, chosen, value, present)?;
            (!changed.is_empty()).then_some(Value::Array(changed))
        }
        (false, None) => one(verb, attribute, value, within.remove(attribute.name))?,
        (false, Some(sub)) => {
            let mut parts = match within.remove(attribute.name) {
                Some(Value::Object(parts)) => parts,
                _ => Map::new(),
            };
            let part = one(verb, sub, value, parts.remove(sub.name))?;
            if let Some(part) = part {
                parts.insert(sub.name.to_owned(), part);
            }
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
    };
    if let Some(changed) = changed {
        within.insert(attribute.name.to_owned(), changed);
    }
    Ok(())
}

/// A single value from now on. Of one with parts those stay that are not named (RFC 7644 §3.5.2.1, §3.5.2.3).
fn one(
    verb: Verb,
    attribute: &Attribute,
    value: Option<&Value>,
    present: Option<Value>,
) -> Result<Option<Value>, ScimError> {
    let value = match (verb, value) {
        (Verb::Remove, _) => return Ok(None),
        (Verb::Add | Verb::Replace, Some(value)) => element::read(attribute, value)?,
        (Verb::Add | Verb::Replace, None) => None,
    };
    Ok(match (present, value) {
        (Some(Value::Object(mut parts)), Some(Value::Object(new))) => {
            parts.extend(new);
            Some(Value::Object(parts))
        }
        // Nothing is added by nothing; replaced by nothing, it is gone.
        (present, None) if verb == Verb::Add => present,
        (_, value) => value,
    })
}
