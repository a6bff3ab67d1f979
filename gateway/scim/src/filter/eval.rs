//! What a filter says of a resource.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{Comparand, Node, Operator, Test};
use crate::filter::parse::leaf;
use crate::moment;
use crate::render::user_name_key;
use crate::schema::Place;

/// Whether it holds. As deep as the filter, which is bounded.
pub(crate) fn holds(node: &Node, resource: &Map<String, Value>) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| holds(node, resource)),
        Node::Any(nodes) => nodes.iter().any(|node| holds(node, resource)),
        Node::Not(node) => !holds(node, resource),
        Node::Has(place, node) => {
            let values = place.value(resource).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            values.iter().filter_map(Value::as_object).any(|value| holds(node, value))
        }
        Node::Test(place, Test::Present) => named(place, resource).next().is_some(),
        Node::Test(place, Test::Compare(operator, comparand)) => compares(place, *operator, comparand, resource),
    }
}

/// Whether some value is so. What is not equal is what no value is equal to, and so what has none.
fn compares(place: &Place, operator: Operator, comparand: &Comparand, resource: &Map<String, Value>) -> bool {
    if operator == Operator::NotEqual {
        return !compares(place, Operator::Equal, comparand, resource);
    }
    if *comparand == Comparand::Nothing {
        return named(place, resource).next().is_none();
    }
    let of = if leaf(place).is_some_and(|leaf| leaf.name == "value") && place.sub.is_none() { "value" } else { "" };
    named(place, resource).filter_map(|value| if of.is_empty() { Some(value) } else { part(value, of) }).any(|value| {
        match (comparand, value) {
            (Comparand::Text { compared, case_exact: true, .. }, Value::String(text)) => {
                is_so(operator, text, compared)
            }
            (Comparand::Text { compared, case_exact: false, .. }, Value::String(text)) => {
                is_so(operator, &user_name_key(text), compared)
            }
            (Comparand::Boolean(wanted), Value::Bool(value)) => wanted == value,
            (Comparand::Moment(wanted), Value::String(text)) => {
                moment::from_text(text).is_some_and(|moment| is_ordered(operator, moment.0.cmp(wanted)))
            }
            _ => false,
        }
    })
}

/// A value's part, or the value itself where it has no parts.
fn part<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(parts) => parts.get(name),
        plain => Some(plain),
    }
}

fn is_so(operator: Operator, text: &str, wanted: &str) -> bool {
    match operator {
        Operator::Contains => text.contains(wanted),
        Operator::StartsWith => text.starts_with(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        Operator::Equal
        | Operator::NotEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::Less
        | Operator::LessOrEqual => is_ordered(operator, text.cmp(wanted)),
    }
}

fn is_ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}

/// The values at a place: each of a list, and of each its part where one is named.
fn named<'r>(place: &Place, resource: &'r Map<String, Value>) -> impl Iterator<Item = &'r Value> {
    let found = place.value(resource);
    let values: &[Value] = match found {
        Some(Value::Array(values)) => values,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let sub = place.sub.map(|sub| sub.name);
    values.iter().filter_map(move |value| match sub {
        Some(sub) => value.get(sub),
        None => Some(value),
    })
}
