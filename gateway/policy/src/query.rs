//! What is asked of a snapshot.

use std::net::IpAddr;
use std::sync::Arc;

use cedargate_model::{Caller, ClientCertificate, Micros};

use crate::Routed;

/// One question: may this caller do what this request was routed to, as things stand?
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What for. It must come from the same snapshot's routes.
    pub routed: &'a Routed,
    /// As things stand.
    pub context: &'a Context,
}

/// What policies see in `context` beside the caller's sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The present moment: `context.now` in whole seconds, and what `context.authn.age_seconds` is counted to.
    pub now: Micros,
    /// The client's address: `context.client`. An IPv4 address in IPv6 clothing is shown as IPv4.
    pub client: IpAddr,
    /// The certificate that the client's connection was made with: `context.certificate`, which is there only with one.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// What the inspection summed up: `context.waf.score`.
    pub waf_score: u32,
}
