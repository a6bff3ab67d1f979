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
    /// What the inspection found: `context.waf`.
    pub waf: WafFindings,
}

/// What the inspection found, as policies see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WafFindings {
    /// What it summed up: `context.waf.score`.
    pub score: u32,
    /// The rules that matched, without repeats: `context.waf.rules`. A bounded set.
    pub rules: Arc<[Arc<str>]>,
    /// The kinds of attack that those rules are for, without repeats: `context.waf.tags`. A bounded set.
    pub tags: Arc<[Arc<str>]>,
}

impl WafFindings {
    /// A score, and nothing of what it is made of.
    pub fn scored(score: u32) -> Self {
        Self { score, ..Self::default() }
    }
}
