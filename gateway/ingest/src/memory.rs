//! Which events of one service were recorded: whether one is said again is mostly known without reading the record.

use std::collections::{BTreeSet, HashMap, VecDeque};

use cedargate_model::{EventId, Micros};

use crate::record::{Content, Said};

/// How much the clock may have gone back before the gateway began.
const SLACK_MICROS: i64 = 5_000_000;

/// Events that are remembered whatever their decisions' age: those of many batches, so that a batch that is said again is
/// known even where memory has no room for what is as old.
const LATELY_MAX: usize = 4_096;

/// What one service said.
pub(crate) struct Memory {
    window: Window,
    lately: HashMap<EventId, Content>,
    /// In the order in which they came.
    lately_order: VecDeque<EventId>,
}

/// The events under the youngest decisions. INVARIANT (nothing forgotten within): every recorded event whose decision was
/// made at `complete_since` or later is here.
///
/// By the decision's time and not by the event's own: an outbox is delivered oldest first, so that what a long backlog
/// pushes out is what is never asked for again, and the rest of the backlog needs no look at the record.
pub(crate) struct Window {
    events: HashMap<EventId, (Micros, Content)>,
    by_decision: BTreeSet<(Micros, EventId)>,
    complete_since: Micros,
    events_max: usize,
}

impl Memory {
    /// Remembers what stands under decisions from `now` on, and not more than about so many events.
    pub(crate) fn new(now: Micros, events_max: usize) -> Self {
        let since = Micros(now.0.saturating_add(SLACK_MICROS));
        Self { window: Window::new(since, events_max), lately: HashMap::new(), lately_order: VecDeque::new() }
    }

    /// What this event said when it was recorded; none where it is not remembered.
    pub(crate) fn recall(&self, event: EventId) -> Option<Content> {
        self.window.events.get(&event).map(|(_, content)| *content).or_else(|| self.lately.get(&event).copied())
    }

    /// Whether every recorded event under a decision of that moment is here.
    pub(crate) fn is_complete_for(&self, decided_at: Micros) -> bool {
        decided_at >= self.window.complete_since
    }

    /// Adds an event that has become durable, or was asked for and found in the record.
    pub(crate) fn add(&mut self, said: Said) {
        self.window.keep(said);
        if self.lately.insert(said.event, said.content).is_none() {
            self.lately_order.push_back(said.event);
        }
        while self.lately_order.len() > LATELY_MAX {
            let Some(oldest) = self.lately_order.pop_front() else { return };
            self.lately.remove(&oldest);
        }
    }

    /// Adds what the record gave, as far back as there is room.
    pub(crate) fn extend(&mut self, earlier: Window) {
        self.window.complete_since = self.window.complete_since.min(earlier.complete_since);
        for (event, (decided_at, content)) in earlier.events {
            self.window.keep(Said { event, content, decided_at });
        }
    }
}

impl Window {
    /// An empty one, for whatever was recorded under decisions from `since` on.
    pub(crate) fn new(since: Micros, events_max: usize) -> Self {
        Self { events: HashMap::new(), by_decision: BTreeSet::new(), complete_since: since, events_max }
    }

    /// Keeps an event, and forgets what stands under the oldest decision where there is no room.
    pub(crate) fn keep(&mut self, said: Said) {
        if said.decided_at < self.complete_since {
            return;
        }
        if self.events.insert(said.event, (said.decided_at, said.content)).is_none() {
            self.by_decision.insert((said.decided_at, said.event));
        }
        while self.by_decision.len() > self.events_max {
            let Some((decided_at, oldest)) = self.by_decision.pop_first() else { return };
            self.events.remove(&oldest);
            self.complete_since = self.complete_since.max(Micros(decided_at.0.saturating_add(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use cedargate_model::{DecisionId, TenantId};
    use uuid::Uuid;

    use super::*;
    use crate::event::UnverifiedEvent;

    const SECOND: i64 = 1_000_000;

    fn id(number: i64) -> EventId {
        EventId(Uuid::from_u128(u128::try_from(number).unwrap()))
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

    /// The event of this number, under a decision of that second.
    fn said(number: i64) -> Said {
        Said { event: id(number), content: content(number), decided_at: Micros(number * SECOND) }
    }

    fn window(since: i64, events_max: usize, numbers: impl IntoIterator<Item = i64>) -> Window {
        let mut window = Window::new(Micros(since * SECOND), events_max);
        numbers.into_iter().for_each(|number| window.keep(said(number)));
        window
    }

    #[test]
    fn what_was_forgotten_is_no_longer_vouched_for() {
        let mut memory = Memory::new(Micros(0), 3);
        assert!(memory.is_complete_for(Micros(5 * SECOND)));
        assert!(!memory.is_complete_for(Micros(4 * SECOND)));
        (10..=13).for_each(|number| memory.add(said(number)));
        assert!(!memory.is_complete_for(Micros(10 * SECOND)));
        assert!(memory.is_complete_for(Micros(10 * SECOND + 1)));
        assert_eq!(memory.recall(id(13)), Some(content(13)));
    }

    #[test]
    fn a_backlog_longer_than_memory_is_looked_up_once() {
        let mut memory = Memory::new(Micros(100_000 * SECOND), 300);
        assert!(!memory.is_complete_for(Micros(10 * SECOND)));
        memory.extend(window(10, 300, []));
        for number in 10..10_000 {
            assert!(memory.is_complete_for(Micros(number * SECOND)), "{number}");
            memory.add(said(number));
        }
    }

    #[test]
    fn of_more_than_there_is_room_for_the_youngest_is_kept() {
        let mut memory = Memory::new(Micros(1_000 * SECOND), 3);
        // The record's order is not the decisions'.
        memory.extend(window(1, 3, [7, 3, 9, 5, 8]));
        assert!(memory.is_complete_for(Micros(7 * SECOND)) && !memory.is_complete_for(Micros(5 * SECOND)));
        assert_eq!([5, 7, 8, 9].map(|number| memory.recall(id(number)).is_some()), [false, true, true, true]);
    }

    #[test]
    fn a_batch_too_old_for_memory_is_known_when_it_is_said_again() {
        let mut memory = Memory::new(Micros(1_000 * SECOND), 3);
        memory.extend(window(1, 3, [900, 901, 902, 903]));
        (1..=256).for_each(|number| memory.add(said(number)));
        assert!((1..=256).all(|number| memory.recall(id(number)) == Some(content(number))));
        assert!(!memory.is_complete_for(Micros(SECOND)));
        (300..300 + 2 * 4_096).for_each(|number| memory.add(said(number)));
        assert_eq!(memory.recall(id(1)), None, "bounded all the same");
        assert_eq!((memory.lately.len(), memory.window.events.len()), (LATELY_MAX, 3));
    }
}
