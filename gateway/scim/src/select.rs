//! Which attributes are answered (RFC 7644 §3.9).

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType};
use crate::list::parameters;
use crate::schema::{COMMON, Named, Place, ResourceKind, resolve};

/// The most names in a list of attributes.
const NAMES_MAX: usize = 100;

/// Attributes that are asked for, or left out.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    only: Option<Vec<Named>>,
    except: Vec<Named>,
}

impl Selection {
    /// Reads `attributes` and `excludedAttributes` of a query. Names that nobody knows select nothing.
    ///
    /// # Errors
    /// `invalidValue` for both at once, and for too many.
    pub fn read(kind: ResourceKind, query: Option<&str>) -> Result<Self, ScimError> {
        let mut read = Self::default();
        for (name, value) in parameters(query.unwrap_or_default())? {
            let names: Vec<&str> = value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            if names.len() > NAMES_MAX {
                return Err(ScimError::bad(ScimType::InvalidValue, format!("more than {NAMES_MAX} attributes")));
            }
            let named = || names.iter().filter_map(|name| resolve(kind, name)).collect::<Vec<_>>();
            match &*name {
                "attributes" if !names.is_empty() => read.only = Some(named()),
                "excludedAttributes" => read.except = named(),
                _ => {}
            }
        }
        match &read.only {
            Some(_) if !read.except.is_empty() => {
                let detail = "send `attributes` or `excludedAttributes`, not both";
                Err(ScimError::bad(ScimType::InvalidValue, detail))
            }
            _ => Ok(read),
        }
    }

    /// Whether an attribute is answered at all, so that it need not be read where it is not.
    pub fn wants(&self, name: &str) -> bool {
        let is_it = |named: &Named| matches!(named, Named::Place(place) if place.attribute.name == name);
        let is_all = |named: &Named| matches!(named, Named::Place(Place { sub: None, .. })) && is_it(named);
        self.only.as_ref().is_none_or(|only| only.iter().any(is_it)) && !self.except.iter().any(is_all)
    }

    /// What is answered of a resource.
    pub fn of(&self, mut resource: Map<String, Value>) -> Map<String, Value> {
        if let Some(only) = &self.only {
            return selected(only, &resource);
        }
        for named in &self.except {
            match named {
                Named::Extension(schema) => {
                    resource.remove(schema.id);
                }
                Named::Place(place) if place.attribute.always => {}
                Named::Place(place) => leave_out(place, &mut resource),
            }
        }
        resource
    }
}

fn selected(only: &[Named], resource: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for attribute in COMMON.iter().filter(|attribute| attribute.always) {
        if let Some(value) = resource.get(attribute.name) {
            kept.insert(attribute.name.to_owned(), value.clone());
        }
    }
    for named in only {
        match named {
            Named::Extension(schema) => {
                if let Some(value) = resource.get(schema.id) {
                    kept.insert(schema.id.to_owned(), value.clone());
                }
            }
            Named::Place(place) => {
                let Some(value) = place.value(resource) else { continue };
                let target = match place.extension {
                    None => &mut kept,
                    Some(urn) => match kept.entry(urn).or_insert_with(|| Value::Object(Map::new())) {
                        Value::Object(within) => within,
                        _ => continue,
                    },
                };
                let name = place.attribute.name;
                match (place.sub, value) {
                    (None, _) => {
                        target.insert(name.to_owned(), value.clone());
                    }
                    (Some(sub), Value::Array(values)) => {
                        let entry = target.entry(name).or_insert_with(|| {
                            Value::Array(values.iter().map(|_| Value::Object(Map::new())).collect())
                        });
                        let kept = entry.as_array_mut().into_iter().flatten();
                        for (kept, value) in kept.zip(values) {
                            copy_part(sub.name, value, kept);
                        }
                    }
                    (Some(sub), value) => {
                        copy_part(sub.name, value, target.entry(name).or_insert_with(|| Value::Object(Map::new())));
                    }
                }
            }
        }
    }
    kept
}

fn copy_part(name: &str, from: &Value, to: &mut Value) {
    if let (Some(part), Value::Object(to)) = (from.get(name), to) {
        to.insert(name.to_owned(), part.clone());
    }
}

fn leave_out(place: &Place, resource: &mut Map<String, Value>) {
    let within = match place.extension {
        None => resource,
        Some(urn) => match resource.get_mut(urn) {
            Some(Value::Object(within)) => within,
            _ => return,
        },
    };
    let Some(sub) = place.sub else {
        within.remove(place.attribute.name);
        return;
    };
    let values = match within.get_mut(place.attribute.name) {
        Some(Value::Array(values)) => values.as_mut_slice(),
        Some(one) => std::slice::from_mut(one),
        None => return,
    };
    for value in values {
        if let Value::Object(parts) = value {
            parts.remove(sub.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn select(query: &str) -> Value {
        let user = json!({
            "schemas": ["x"],
            "id": "1",
            "userName": "ada",
            "name": { "givenName": "Ada", "familyName": "L" },
            "emails": [{ "value": "a@b.c", "type": "work" }, { "value": "d@e.f", "type": "home" }],
            crate::ENTERPRISE_USER: { "department": "Stock", "division": "North" },
        });
        let selection = Selection::read(ResourceKind::User, Some(query)).unwrap();
        Value::Object(selection.of(user.as_object().cloned().unwrap()))
    }

    #[test]
    fn what_was_asked_for_is_answered_and_what_always_is() {
        let expected = json!({ "schemas": ["x"], "id": "1", "userName": "ada", "name": { "givenName": "Ada" } });
        assert_eq!(select("attributes=USERNAME,name.givenName,nothing"), expected);
        let urn = crate::ENTERPRISE_USER;
        let expected = json!({ "schemas": ["x"], "id": "1", "emails": [{ "type": "work" }, { "type": "home" }],
            urn: { "department": "Stock" } });
        assert_eq!(select(&format!("attributes=emails.type,{urn}:department")), expected);
        assert_eq!(select(&format!("attributes={urn}"))[urn]["division"], "North");
        assert_eq!(select("attributes=nothing"), json!({ "schemas": ["x"], "id": "1" }));
    }

    #[test]
    fn what_is_left_out_is_left_out_and_an_id_never_is() {
        let urn = crate::ENTERPRISE_USER;
        let left = select(&format!("excludedAttributes=id,schemas,name,emails.value,{urn}:division,userName"));
        let expected = json!({ "schemas": ["x"], "id": "1", "emails": [{ "type": "work" }, { "type": "home" }],
            urn: { "department": "Stock" } });
        assert_eq!(left, expected);
        assert!(Selection::read(ResourceKind::User, Some("attributes=id&excludedAttributes=name")).is_err());
    }
}
