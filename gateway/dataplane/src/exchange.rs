//! What Pingora's per-request context holds: where one exchange stands, and only what exists there.

use std::sync::Arc;
use std::time::Instant;

use cedargate_model::Refusal;

use crate::arrival::Arrival;
use crate::cut::BodyStall;
use crate::lifeline::Lifeline;
use crate::trail::Trail;
use crate::upstream::Gate;
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

/// A request that passed every stage before forwarding, and what happens to it now.
pub(crate) struct Admitted {
    pub(crate) trail: Trail,
    pub(crate) pass: Pass,
    /// How often a connection to an upstream was tried.
    pub(crate) connect_attempts: u32,
    /// When a service was asked, the last time it was.
    pub(crate) asked: Option<Instant>,
    /// What holds up the answer to an upgrade while the request is on its way.
    pub(crate) gate: Option<Arc<Gate>>,
    /// The deadline of a body that passes over HTTP/2.
    pub(crate) stall: Option<Arc<BodyStall>>,
    /// What it can be cut by.
    pub(crate) lifeline: Arc<Lifeline>,
    /// The status that the client was sent, once it was.
    pub(crate) status: Option<u16>,
}
