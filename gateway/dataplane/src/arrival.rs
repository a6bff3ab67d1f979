//! A head at the door, and who sent it.

use std::net::IpAddr;
use std::time::Instant;

use cedargate_model::Scheme;

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
