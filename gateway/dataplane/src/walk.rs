//! The walk of one request: a stage a line. Each takes what earlier ones returned, and a [`Pass`], which forwarding
//! asks for, cannot be made without a decision and a record.

use std::sync::Arc;

use cedargate_model::{Caller, Canonical, Credential, Micros, Refusal, Stage};
use cedargate_policy::{Allowed, Route};
use http::{HeaderName, HeaderValue};
use pingora::proxy::Session;

use crate::arrival::Arrival;
use crate::gateway::Gateway;
use crate::site::Site;
use crate::stage::guard::{self, Passage};
use crate::stage::inspect::{BodyWatch, ResponseWatch};
use crate::stage::quota::Strangers;
use crate::stage::record::Record;
use crate::stage::{authenticate, authorize, hygiene, keep, limit, quota, record, route};
use crate::trail::Trail;

/// Leave to be forwarded.
pub(crate) struct Pass {
    pub(crate) canonical: Canonical,
    pub(crate) site: Arc<Site>,
    pub(crate) route: Arc<Route>,
    /// From when on the connection's certificate counts for nothing.
    pub(crate) certificate_until: Option<Micros>,
    pub(crate) allowed: Allowed,
    pub(crate) record: Record,
    /// Whether the client asks to upgrade, as the route allows.
    pub(crate) upgrade: bool,
    pub(crate) body: BodyWatch,
    pub(crate) response: Option<Box<ResponseWatch>>,
}

/// How a walk ends that no stage refused.
#[expect(clippy::large_enum_variant, reason = "moved once into the exchange's box; boxing here would allocate twice")]
pub(crate) enum Walked {
    /// To be forwarded.
    Pass(Pass),
    /// To be answered here: a CORS preflight, with these headers.
    Preflight(Vec<(HeaderName, HeaderValue)>, Record),
}

/// Walks one request through every stage up to forwarding. `trail` learns what each stage found.
///
/// # Errors
/// The refusal of the stage that ended it.
pub(crate) async fn walk(
    gateway: &Gateway,
    arrival: &Arrival,
    session: &mut Session,
    now: Micros,
    trail: &mut Trail,
) -> Result<Walked, Refusal> {
    let head = session.req_header();
    let (headers, trusted) = (&head.headers, &gateway.settings.trusted_proxies);
    let canonical = hygiene::canonicalise_head(head, &arrival.peer, trusted, trail.request())?;
    trail.canonical(&canonical, headers, trusted.contains(arrival.peer.address), gateway.tracing.as_ref());

    route::agree(&canonical.host, arrival.secured.as_deref())?;
    let found = route::route(&gateway.sites.load(), &canonical, guard::asked_method(&canonical.method, headers))?;
    trail.routed(&found.site.name, &found.routed);
    let route = found.routed.route().clone();
    let upgrade = route::allow_upgrade(headers, &route)?;
    route::check_grpc(head.version, headers, &route)?;

    limit::limit(&gateway.addresses, canonical.client, &mut trail.answer_headers)?;
    trail.mark(Stage::Limit);

    route::check_certificate(&route, arrival.secured.as_deref(), now)?;
    let machine = arrival.secured.as_ref().and_then(|secured| secured.machine.as_ref());
    let shown = authenticate::Shown { scheme: canonical.scheme, machine };
    let certificate_until = machine.map(|machine| machine.not_after);
    let mut known = authenticate::authenticate(gateway, &found.site, &route, shown, headers, now).await?;
    let taken_of = known.taken_of.take();
    trail.caller(known, canonical.scheme);
    if let Some(issuer) = taken_of {
        // Before the decision, which then names who it was by this event's session.
        let _ = record::record(&gateway.spool, &trail.taken(*issuer, gateway.clock.now()), &trail.counts_for)?;
    }
    if trail.caller.principal().is_some_and(|known| known.credential == Credential::Certificate) {
        trail.machine = machine.cloned();
    }
    trail.mark(Stage::Authenticate);

    let strangers = if authenticate::is_for_programs(&route) { Strangers::Programs } else { Strangers::Anywhere };
    quota::quota(&gateway.quotas, found.site.tenant, &trail.counts_for, strangers, &mut trail.answer_headers)?;
    trail.mark(Stage::Quota);

    match guard::guard(&canonical, headers, &route, &trail.caller, machine.is_some())? {
        Passage::Preflight(headers) => {
            trail.preflight();
            trail.mark(Stage::Guard);
            let record = record::record(&gateway.spool, &trail.decided(gateway.clock.now()), &trail.counts_for)?;
            return Ok(Walked::Preflight(headers, record));
        }
        Passage::Go(headers) => trail.answer(headers),
    }
    trail.mark(Stage::Guard);

    let judged = gateway.inspector().inspect(&canonical, &route, &found.site.name, session, trail).await?;
    trail.mark(Stage::Inspect);

    // Reading a body may have taken its time: what is decided is decided, and recorded, as of now.
    let now = gateway.clock.now();
    trail.certificate_counts(certificate_until.is_none_or(|until| now < until));
    let decided =
        authorize::authorize((&gateway.decisions, &gateway.metrics), &found, &canonical, judged.findings, now, trail);
    let allowed = decided.inspect_err(|refusal| {
        if let Caller::Principal(principal) = &trail.caller {
            let headers = &session.req_header().headers;
            let form = keep::keepable(refusal, principal, &canonical, &route, headers, judged.read.as_ref());
            trail.form = form.map(Box::new);
        }
    })?;
    trail.mark(Stage::Authorize);

    let mut record = record::record(&gateway.spool, &trail.decided(now), &trail.counts_for)?;
    if upgrade || !canonical.is_safe() {
        // No act without its record: the upstream hears nothing before the decision is on disk.
        record.durable().await?;
    }
    trail.mark(Stage::Record);
    let (body, response) = (judged.body, judged.response);
    let site = found.site;
    Ok(Walked::Pass(Pass { canonical, site, route, certificate_until, allowed, record, upgrade, body, response }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every request's walk is moved about as, in octets.
    fn moved<'a, F: Future>(
        _walk: impl FnOnce(&'a Gateway, &'a Arrival, &'a mut Session, Micros, &'a mut Trail) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// A future has room for whatever it may wait for. With that of a lookup in the store or of a body that is read, a walk
    /// is 16 KiB, of which most requests need nothing: those wait on the heap.
    #[test]
    fn a_walk_carries_no_room_for_what_few_requests_need() {
        assert!(moved(walk) <= 4096, "{} octets", moved(walk));
    }
}
