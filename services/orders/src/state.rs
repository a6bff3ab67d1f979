//! An order's life: which state follows which, and by what.

use serde::Serialize;
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Being written: its lines may change.
    Draft,
    /// The customer wants it.
    Placed,
    /// We deliver it.
    Confirmed,
    /// It is on its way.
    Shipped,
    /// The customer has it.
    Delivered,
    /// Nothing came of it.
    Cancelled,
    /// It came back.
    Returned,
}

/// What is done to an order. Each is a route and a Cedar action of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Place,
    Confirm,
    ConfirmLarge,
    Ship,
    Deliver,
    Cancel,
    Return,
}

/// One line of the table.
struct Transition {
    verb: Verb,
    from: &'static [State],
    to: State,
}

/// Everything that may become of an order; what is not here is refused. On the way or with the customer it can only come
/// back; what was cancelled or came back stays so.
const TRANSITIONS: [Transition; 7] = [
    Transition { verb: Verb::Place, from: &[State::Draft], to: State::Placed },
    Transition { verb: Verb::Confirm, from: &[State::Placed], to: State::Confirmed },
    Transition { verb: Verb::ConfirmLarge, from: &[State::Placed], to: State::Confirmed },
    Transition { verb: Verb::Ship, from: &[State::Confirmed], to: State::Shipped },
    Transition { verb: Verb::Deliver, from: &[State::Shipped], to: State::Delivered },
    Transition { verb: Verb::Cancel, from: &[State::Draft, State::Placed, State::Confirmed], to: State::Cancelled },
    Transition { verb: Verb::Return, from: &[State::Shipped, State::Delivered], to: State::Returned },
];

impl Verb {
    /// The last segment of its route.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Confirm => "confirm",
            Self::ConfirmLarge => "confirm-large",
            Self::Ship => "ship",
            Self::Deliver => "deliver",
            Self::Cancel => "cancel",
            Self::Return => "return",
        }
    }

    /// The Cedar action.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Place => "PlaceOrder",
            Self::Confirm => "ConfirmOrder",
            Self::ConfirmLarge => "ConfirmLargeOrder",
            Self::Ship => "ShipOrder",
            Self::Deliver => "DeliverOrder",
            Self::Cancel => "CancelOrder",
            Self::Return => "ReturnOrder",
        }
    }
}

impl State {
    /// Every state, as the store and the interface write it.
    pub(crate) const NAMES: &'static [&'static str] =
        &["draft", "placed", "confirmed", "shipped", "delivered", "cancelled", "returned"];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Draft,
            Self::Placed,
            Self::Confirmed,
            Self::Shipped,
            Self::Delivered,
            Self::Cancelled,
            Self::Returned,
        ];
        all.into_iter().find(|state| state.name() == name)
    }

    /// The state that follows by this verb, if it may be done now.
    pub(crate) fn after(self, verb: Verb) -> Option<Self> {
        let transition = TRANSITIONS.iter().find(|transition| transition.verb == verb)?;
        transition.from.contains(&self).then_some(transition.to)
    }

    /// What may be done now.
    pub(crate) fn verbs(self) -> impl Iterator<Item = Verb> {
        TRANSITIONS.iter().filter(move |transition| transition.from.contains(&self)).map(|transition| transition.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, state by verb, as a reviewer reads it.
    #[test]
    fn what_may_become_of_an_order() {
        let table: Vec<String> = State::NAMES
            .iter()
            .map(|name| {
                let state = State::parse(name).unwrap();
                let verbs: Vec<_> = state
                    .verbs()
                    .map(|verb| format!("{} -> {}", verb.name(), state.after(verb).unwrap().name()))
                    .collect();
                format!("{name}: {}", verbs.join(", "))
            })
            .collect();
        let expected = [
            "draft: place -> placed, cancel -> cancelled",
            "placed: confirm -> confirmed, confirm-large -> confirmed, cancel -> cancelled",
            "confirmed: ship -> shipped, cancel -> cancelled",
            "shipped: deliver -> delivered, return -> returned",
            "delivered: return -> returned",
            "cancelled: ",
            "returned: ",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn every_verb_is_in_the_table_once() {
        let mut actions: Vec<_> = TRANSITIONS.iter().map(|transition| transition.verb.action()).collect();
        actions.sort_unstable();
        actions.dedup();
        assert_eq!(actions.len(), TRANSITIONS.len());
        assert!(TRANSITIONS.iter().all(|transition| !transition.from.contains(&transition.to)));
    }
}
