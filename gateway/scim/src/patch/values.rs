//! Changes to a list of values.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::Verb;
use crate::element::{self, is_primary};
use crate::error::{ScimError, ScimType};
use crate::filter::{Comparand, Filter, Node, Operator, Test};
use crate::schema::Attribute;

/// Which values of a list, and which part of them.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'c> {
    pub(super) attribute: &'static Attribute,
    pub(super) filter: Option<&'c Node>,
    pub(super) sub: Option<&'static Attribute>,
}

/// The list from now on.
pub(super) fn change(
    verb: Verb,
    chosen: Chosen<'_>,
    value: Option<&Value>,
    present: Vec<Value>,
) -> Result<Vec<Value>, ScimError> {
    let Chosen { attribute, filter, sub } = chosen;
    let changed = match (verb, filter, sub) {
        (Verb::Remove, ..) => remove(chosen, value, present)?,
        (Verb::Add, None, None) => add(attribute, value, present)?,
        (Verb::Replace, None, None) => list(attribute, value)?,
        (Verb::Add | Verb::Replace, ..) => set(chosen, value, present)?,
    };
    // Again as one value after the other is read: what is the same twice is there once.
    list(attribute, Some(&Value::Array(changed)))
}

fn list(attribute: &Attribute, value: Option<&Value>) -> Result<Vec<Value>, ScimError> {
    let read = value.map(|value| element::read(attribute, value)).transpose()?.flatten();
    Ok(match read {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    })
}

fn add(attribute: &Attribute, value: Option<&Value>, mut present: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    let new = list(attribute, value)?;
    // What is there already is not added again. By what it is called and what it is for: the rest of it may differ.
    let mut places: HashMap<_, _> = present.iter().enumerate().map(|(at, value)| (key_of(value), at)).collect();
    for value in new {
        if is_primary(&value) {
            present.iter_mut().for_each(resign);
        }
        match (places.get(&key_of(&value)).and_then(|at| present.get_mut(*at)), value) {
            (Some(Value::Object(parts)), Value::Object(more)) => parts.extend(more),
            (_, value) => {
                places.insert(key_of(&value), present.len());
                present.push(value);
            }
        }
    }
    Ok(present)
}

fn key_of(value: &Value) -> (Option<String>, Option<String>, String) {
    let part = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_lowercase);
    match (part("value"), part("type")) {
        (Some(value), kind) => (Some(value), kind, String::new()),
        (None, kind) => (None, kind, value.to_string()),
    }
}

/// It is the first choice no more.
fn resign(value: &mut Value) {
    if let Value::Object(parts) = value
        && let Some(primary) = parts.get_mut("primary")
    {
        *primary = Value::Bool(false);
    }
}

/// Changes chosen values, or a part of them. Where there is none, one is made that would be chosen: Entra ID speaks of
/// `emails[type eq "work"].value` before there is any.
fn set(chosen: Chosen<'_>, value: Option<&Value>, mut present: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    let Chosen { attribute, filter, sub } = chosen;
    let parts = match (sub, value) {
        (Some(sub), Some(value)) => {
            let part = element::read(sub, value)?;
            part.map(|part| Map::from_iter([(sub.name.to_owned(), part)])).ok_or(Some(sub))
        }
        (None, Some(value)) => match list(attribute, Some(value))?.as_slice() {
            [Value::Object(parts)] => Ok(parts.clone()),
            [] => Err(None),
            _ => {
                let detail = format!("one value replaces what is chosen of `{}`", attribute.name);
                return Err(ScimError::bad(ScimType::InvalidValue, detail));
            }
        },
        (sub, None) => Err(sub),
    };
    let parts = match parts {
        Ok(parts) => parts,
        // Replaced by nothing.
        Err(_) => return remove(chosen, None, present),
    };
    if !present.iter().any(|value| is_chosen(filter, value)) {
        let made = filter.map_or_else(|| Some(Map::new()), made_for);
        let made = made
            .ok_or_else(|| ScimError::bad(ScimType::NoTarget, format!("no value of `{}` is chosen", attribute.name)))?;
        present.push(Value::Object(made));
    }
    let becomes_primary = parts.get("primary") == Some(&Value::Bool(true));
    for value in &mut present {
        if is_chosen(filter, value) || value.as_object().is_some_and(Map::is_empty) {
            if let Value::Object(present) = value {
                present.extend(parts.clone());
            }
        } else if becomes_primary {
            resign(value);
        }
    }
    Ok(present)
}

/// The least that a filter would choose, where it says what values are: `type eq "work"`.
fn made_for(filter: &Node) -> Option<Map<String, Value>> {
    match filter {
        Node::All(nodes) => {
            let mut made = Map::new();
            for node in nodes {
                made.extend(made_for(node)?);
            }
            Some(made)
        }
        Node::Test(place, Test::Compare(Operator::Equal, comparand)) => {
            let value = match comparand {
                Comparand::Text { written, .. } => element::read(place.attribute, &written.as_str().into()).ok()??,
                Comparand::Boolean(value) => Value::Bool(*value),
                Comparand::Moment(_) | Comparand::Nothing => return None,
            };
            Some(Map::from_iter([(place.attribute.name.to_owned(), value)]))
        }
        Node::Any(_) | Node::Not(_) | Node::Has(..) | Node::Test(..) => None,
    }
}

fn is_chosen(filter: Option<&Node>, value: &Value) -> bool {
    filter.is_none_or(|filter| value.as_object().is_some_and(|value| Filter::node_holds(filter, value)))
}

fn remove(chosen: Chosen<'_>, value: Option<&Value>, present: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    let Chosen { attribute, filter, sub } = chosen;
    let kept = match (filter, sub, value) {
        (_, Some(sub), _) => present
            .into_iter()
            .map(|mut value| {
                if is_chosen(filter, &value)
                    && let Value::Object(parts) = &mut value
                {
                    parts.remove(sub.name);
                }
                value
            })
            .filter(|value| value.as_object().is_none_or(|parts| !parts.is_empty()))
            .collect(),
        (Some(_), None, _) => present.into_iter().filter(|value| !is_chosen(filter, value)).collect(),
        // Entra ID names the members to remove in the value.
        (None, None, Some(named)) if !named.is_null() => {
            let named = list(attribute, Some(named))?;
            let gone: HashSet<_> = named.iter().map(|value| value.get("value").cloned()).collect();
            present.into_iter().filter(|value| !gone.contains(&value.get("value").cloned())).collect()
        }
        (None, None, _) => Vec::new(),
    };
    Ok(kept)
}
