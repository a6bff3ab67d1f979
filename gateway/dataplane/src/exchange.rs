//! What Pingora's per-request context holds: where one exchange stands, and only what exists there.

use std::net::IpAddr;
use std::time::Instant;

use cedargate_audit::{Recorded, Ticket};
use cedargate_model::{Refusal, RefusalCode, Scheme};

use crate::trail::Trail;
use crate::walk::Pass;

/// Where an exchange stands.
pub(crate) enum Exchange {
    /// No screened head has been handed over. A walk that starts here is refused.
    Unscreened,
    /// The head has been screened; the walk is about to begin.
    Arriving(Arrival),
    /// Decided and allowed, with the record under way: it is being forwarded.
    Admitted(Box<Admitted>),
    /// Admitted, then ended by a later stage; the client has still to be told.
    Overtaken(Box<Admitted>, Refusal),
    /// Answered by the gateway itself: nothing is left to do.
    Answered,
}

/// A request whose raw head was screened.
///
/// INVARIANT (head screened at accept): only `stage::accept` makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: Peer,
    /// When the head was complete.
    pub(crate) started: Instant,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its address; a proxy's, where one stands in front of us.
    pub(crate) address: IpAddr,
    /// Whether the connection has TLS.
    pub(crate) scheme: Scheme,
}

/// A request that passed every stage before forwarding, and what happens to it now.
pub(crate) struct Admitted {
    pub(crate) trail: Trail,
    pub(crate) pass: Pass,
    /// How often a connection to an upstream was tried.
    pub(crate) connect_attempts: u32,
    /// The status that the client was sent, once it was.
    pub(crate) status: Option<u16>,
}

/// The durable record of a decision, on its way or arrived.
pub(crate) enum Record {
    /// Handed to the spool, not yet known to be on disk.
    Pending(Ticket),
    /// On disk.
    Durable(Recorded),
    /// Could not be written.
    Lost,
}

impl Record {
    /// Waits until the decision is on disk. Asking again is free.
    ///
    /// # Errors
    /// `record_unavailable` if it could not be written; then and ever after.
    pub(crate) async fn durable(&mut self) -> Result<(), Refusal> {
        match std::mem::replace(self, Self::Lost) {
            Self::Durable(proof) => *self = Self::Durable(proof),
            Self::Pending(ticket) => match ticket.durable().await {
                Ok(proof) => *self = Self::Durable(proof),
                Err(error) => return Err(Refusal::new(RefusalCode::RecordUnavailable, error.to_string())),
            },
            Self::Lost => return Err(RefusalCode::RecordUnavailable.into()),
        }
        Ok(())
    }
}
