//! What a service says, parsed once: afterwards every part is within its bounds.

use cedargate_model::{DecisionId, EventId, Micros, TenantId};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The longest line that says one event, in octets.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;

/// The most characters of an action's name.
const ACTION_CHARACTERS_MAX: usize = 64;

/// The most characters of a resource.
const RESOURCE_CHARACTERS_MAX: usize = 256;

/// The most octets of the facts, as the record has them.
const DETAIL_BYTES_MAX: usize = 8 * 1024;

/// How deep the facts may be nested. A reader of the record must get through them, whichever language it is written in.
const DETAIL_DEPTH_MAX: usize = 8;

/// What a service says that it did. Nothing of it is verified beyond its shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnverifiedEvent {
    pub(crate) event: EventId,
    pub(crate) tenant: TenantId,
    pub(crate) decision: DecisionId,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) done_at: Micros,
    /// With its keys in order, so that the same facts are the same text whoever wrote them.
    pub(crate) detail: Map<String, Value>,
}

/// Why a line is no event, in words for whoever wrote the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The event's id, where at least that could be read.
    pub(crate) event: Option<EventId>,
    pub(crate) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event: Uuid,
    tenant: Uuid,
    decision: Uuid,
    action: String,
    resource: String,
    done_at: i64,
    #[serde(default)]
    detail: Map<String, Value>,
}

impl UnverifiedEvent {
    /// Reads one line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.len() > EVENT_BYTES_MAX {
            let why = format!("the line has {} octets and may have {EVENT_BYTES_MAX}", line.len());
            return Err(Malformed { event: None, why });
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| Malformed { event: event_of(line), why: format!("it is not an event: {error}") })?;
        let malformed = |why: &str| Malformed { event: Some(EventId(line.event)), why: why.to_owned() };
        if line.event.is_nil() {
            return Err(malformed("`event` is the nil UUID"));
        }
        if !is_text(&line.action, ACTION_CHARACTERS_MAX) {
            return Err(malformed("`action` needs 1 to 64 characters, none of them a control character"));
        }
        if !is_text(&line.resource, RESOURCE_CHARACTERS_MAX) {
            return Err(malformed("`resource` needs 1 to 256 characters, none of them a control character"));
        }
        if line.done_at <= 0 {
            return Err(malformed("`done_at` counts microseconds since 1970-01-01T00:00:00Z"));
        }
        if line.detail.values().any(|value| depth(value) >= DETAIL_DEPTH_MAX) {
            return Err(malformed("`detail` may be 8 levels deep"));
        }
        let detail = in_order(line.detail);
        if detail_text(&detail).len() > DETAIL_BYTES_MAX {
            return Err(malformed("`detail` may have 8192 octets"));
        }
        Ok(Self {
            event: EventId(line.event),
            tenant: TenantId(line.tenant),
            decision: DecisionId(line.decision),
            action: line.action,
            resource: line.resource,
            done_at: Micros(line.done_at),
            detail,
        })
    }
}

/// The facts as the record has them.
pub(crate) fn detail_text(detail: &Map<String, Value>) -> String {
    // Keys are strings and numbers finite: there is nothing that JSON cannot say.
    serde_json::to_string(detail).unwrap_or_default()
}

fn is_text(text: &str, characters_max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= characters_max && !text.chars().any(char::is_control)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The same with keys in order on every level. Its depth is bounded by now.
fn in_order(map: Map<String, Value>) -> Map<String, Value> {
    let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, value_in_order(value))).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.into_iter().collect()
}

fn value_in_order(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(in_order(map)),
        Value::Array(values) => Value::Array(values.into_iter().map(value_in_order).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// The id of a line that is otherwise no event, so that its sender knows which one is meant.
fn event_of(line: &[u8]) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Named {
        event: Uuid,
    }
    serde_json::from_slice::<Named>(line).ok().map(|named| EventId(named.event))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "event": Uuid::from_u128(1), "tenant": Uuid::from_u128(2), "decision": Uuid::from_u128(3),
            "action": "CreateItem", "resource": "Inventory::Item::\"7\"", "done_at": 1_700_000_000_000_000_i64,
            "detail": { "sku": "A", "quantity": -3 },
        })
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn what_is_not_within_bounds_is_refused_by_name() {
        assert!(UnverifiedEvent::parse(good().to_string().as_bytes()).is_ok());
        for (key, value) in [
            ("event", json!(Uuid::nil())),
            ("event", json!(7)),
            ("tenant", json!("acme")),
            ("decision", json!(null)),
            ("action", json!("")),
            ("action", json!("x".repeat(65))),
            ("action", json!("a\nb")),
            ("resource", json!("x".repeat(257))),
            ("done_at", json!(0)),
            ("done_at", json!("2026-11-20T00:00:00Z")),
            ("detail", json!([])),
            ("detail", nested(9)),
            ("detail", json!({ "a": "x".repeat(8_192) })),
            ("principal", json!(Uuid::from_u128(9))),
        ] {
            let mut line = good();
            line[key] = value;
            let said = UnverifiedEvent::parse(line.to_string().as_bytes()).unwrap_err();
            assert!(said.why.contains(key) || said.why.contains("not an event"), "{key}: {said:?}");
        }
        let mut deep = good();
        deep["detail"] = nested(8);
        assert!(UnverifiedEvent::parse(deep.to_string().as_bytes()).is_ok());
        let long = format!("{}{}", good(), " ".repeat(EVENT_BYTES_MAX));
        assert!(UnverifiedEvent::parse(long.as_bytes()).unwrap_err().why.contains("octets"));
    }

    #[test]
    fn a_line_that_is_no_event_still_names_the_one_that_is_meant() {
        let mut line = good();
        line["done_at"] = json!("soon");
        assert_eq!(
            UnverifiedEvent::parse(line.to_string().as_bytes()).unwrap_err().event,
            Some(EventId(Uuid::from_u128(1)))
        );
        assert_eq!(UnverifiedEvent::parse(b"{").unwrap_err().event, None);
    }

    #[test]
    fn the_order_of_keys_makes_no_difference() {
        let (mut one, mut other) = (good(), good());
        one["detail"] = serde_json::from_str(r#"{"a":{"x":1,"y":[{"p":1,"q":2}]},"b":2}"#).unwrap();
        other["detail"] = serde_json::from_str(r#"{"b":2,"a":{"y":[{"q":2,"p":1}],"x":1}}"#).unwrap();
        let text = |line: Value| detail_text(&UnverifiedEvent::parse(line.to_string().as_bytes()).unwrap().detail);
        assert_eq!(text(one), text(other));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = UnverifiedEvent::parse(&line);
        }
    }
}
