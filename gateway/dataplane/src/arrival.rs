//! A head at the door, and who sent it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use cedargate_identity::ShownCertificate;
use cedargate_model::{ClientCertificate, Host, Scheme};

use crate::lifeline::Lifeline;

/// A request whose raw head was screened.
///
/// INVARIANT (head screened at accept): only `stage::accept` makes one.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: Peer,
    /// What the connection's handshake agreed on; none without TLS.
    pub(crate) secured: Option<Arc<Secured>>,
    /// When the head was complete.
    pub(crate) started: Instant,
    /// What the exchange can be cut by.
    pub(crate) lifeline: Arc<Lifeline>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its address; a proxy's, where one stands in front of us.
    pub(crate) address: IpAddr,
    /// Whether the connection has TLS.
    pub(crate) scheme: Scheme,
}

/// What a TLS handshake agreed on.
#[derive(Debug)]
pub(crate) struct Secured {
    /// The host that the client asked for (SNI), in canonical form; none where it named none.
    pub(crate) name: Option<Host>,
    /// What the certificate that the client showed says, where the host asks for one. Its chain was verified.
    pub(crate) client: Option<Arc<ClientCertificate>>,
    /// The same certificate, as service accounts are known by it.
    pub(crate) machine: Option<Arc<ShownCertificate>>,
    /// The hosts that ask for one: nobody gets to them but by a handshake that was for them.
    pub(crate) asking: Arc<HashSet<String>>,
}
