//! Which events were recorded lately: whether one is said again is known without reading the record.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cedargate_model::{EventId, Micros};

use crate::record::Content;

/// How much the clock may go back without an event being taken for new.
const SLACK_MICROS: i64 = 5_000_000;

/// The events of the last while. INVARIANT (nothing forgotten within): every event that was recorded at `complete_since` or
/// later is here.
pub(crate) struct Memory {
    events: HashMap<Key, Content>,
    /// Oldest first.
    order: VecDeque<(Micros, Key)>,
    complete_since: Micros,
    events_max: usize,
}

/// An event's id means something beside its service only.
pub(crate) type Key = (Arc<str>, EventId);

impl Memory {
    /// Remembers what is recorded from `now` on, and not more than so many.
    pub(crate) fn new(now: Micros, events_max: usize) -> Self {
        Self { events: HashMap::new(), order: VecDeque::new(), complete_since: now, events_max }
    }

    /// What this event said when it was recorded; none where it is not remembered.
    pub(crate) fn recall(&self, key: &Key) -> Option<Content> {
        self.events.get(key).copied()
    }

    /// Whether an event under a decision of that moment is either here or was never recorded: it cannot have been before.
    pub(crate) fn is_complete_for(&self, decided_at: Micros) -> bool {
        decided_at.0.saturating_sub(SLACK_MICROS) >= self.complete_since.0
    }

    /// Since when it is complete.
    pub(crate) fn complete_since(&self) -> Micros {
        self.complete_since
    }

    /// Adds an event that has become durable.
    pub(crate) fn add(&mut self, key: Key, content: Content, at: Micros) {
        if self.events.insert(key.clone(), content).is_none() {
            self.order.push_back((at, key));
        }
        while self.order.len() > self.events_max {
            let Some((at, oldest)) = self.order.pop_front() else { return };
            self.events.remove(&oldest);
            self.complete_since = self.complete_since.max(Micros(at.0.saturating_add(1)));
        }
    }

    /// Adds all events that were recorded from `since` to what it was complete for, oldest first. Where there are too many,
    /// nothing is added, and what is looked for must be looked for in the record.
    pub(crate) fn extend(&mut self, since: Micros, earlier: Vec<(Micros, Key, Content)>) {
        if self.order.len() + earlier.len() > self.events_max {
            return;
        }
        for (at, key, content) in earlier.into_iter().rev() {
            if self.events.insert(key.clone(), content).is_none() {
                self.order.push_front((at, key));
            }
        }
        self.complete_since = self.complete_since.min(since);
    }
}

#[cfg(test)]
mod tests {
    use cedargate_model::{DecisionId, TenantId};
    use uuid::Uuid;

    use super::*;
    use crate::event::UnverifiedEvent;

    fn key(number: u128) -> Key {
        ("inventory".into(), EventId(Uuid::from_u128(number)))
    }

    fn content(number: i64) -> Content {
        let event = UnverifiedEvent {
            event: EventId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            decision: DecisionId(Uuid::nil()),
            action: "A".into(),
            resource: "R".into(),
            done_at: Micros(number),
            detail: serde_json::Map::new(),
        };
        Content::of(&event, "acme")
    }

    #[test]
    fn what_was_forgotten_is_no_longer_vouched_for() {
        let second = 1_000_000;
        let mut memory = Memory::new(Micros(0), 3);
        assert!(memory.is_complete_for(Micros(5 * second)));
        assert!(!memory.is_complete_for(Micros(4 * second)));
        for number in 1..=4 {
            memory.add(key(number), content(1), Micros(i64::try_from(number).unwrap() * 10 * second));
        }
        assert_eq!(memory.recall(&key(1)), None);
        assert!(!memory.is_complete_for(Micros(15 * second)));
        assert!(memory.is_complete_for(Micros(16 * second)));
        assert_eq!(memory.recall(&key(4)), Some(content(1)));
    }

    #[test]
    fn what_the_record_gave_is_the_first_to_be_forgotten() {
        let mut memory = Memory::new(Micros(100), 3);
        memory.add(key(9), content(9), Micros(101));
        memory.extend(Micros(10), vec![(Micros(20), key(2), content(2)), (Micros(30), key(3), content(3))]);
        assert_eq!((memory.recall(&key(2)), memory.complete_since()), (Some(content(2)), Micros(10)));
        memory.add(key(10), content(10), Micros(102));
        assert_eq!((memory.recall(&key(2)), memory.complete_since()), (None, Micros(21)));

        memory.extend(Micros(1), vec![(Micros(2), key(1), content(1))]);
        assert_eq!((memory.recall(&key(1)), memory.complete_since()), (None, Micros(21)), "there is no room");
    }
}
