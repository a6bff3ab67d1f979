//! What is known of a request so far, kept as the audit event that it will become.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_identity::ShownCertificate;
use cedargate_model::{
    Amendment, Caller, Canonical, ConnectionName, Decision, DecisionId, Event, EventBody, EventId, Facts, Inspection,
    Micros, Outcome, Refusal, RequestId, Scheme, Shadowed, Stage, Subject, TenantId, TenantName, TokenAct, TokenEvent,
    Verdict,
};
use cedargate_policy::{Basis, Routed};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;
use uuid::Uuid;

use crate::arrival::{Arrival, Peer};
use crate::gateway::Gateway;
use crate::stage::authenticate::{Authenticated, clear_cookie};
use crate::stage::hygiene::{TraceContext, authority};
use crate::stage::keep::FormToKeep;
use crate::timeline::{Ended, Timeline, Tracing};

/// The longest piece of an unparsed request that an event keeps, in characters.
const RAW_CHARACTERS_MAX: usize = 512;

/// The growing account of one request. Every stage leaves here what it learnt; whichever stage ends the walk, the
/// event says all that was known by then.
pub(crate) struct Trail {
    pub(crate) tenant: Option<TenantName>,
    /// Shared with the log while it is being recorded.
    pub(crate) event: Arc<Decision>,
    /// Who asks: anonymous until somebody is known.
    pub(crate) caller: Caller,
    /// Whose quota the request counts for, and with whose priority it is recorded.
    pub(crate) counts_for: Caller,
    /// The certificate that the caller is known by.
    pub(crate) machine: Option<Arc<ShownCertificate>>,
    /// Headers that stages want on the answer, whatever it will be: rates, CORS, a cleared cookie.
    pub(crate) answer_headers: Vec<(HeaderName, HeaderValue)>,
    /// How the client reached us, as far as is known.
    pub(crate) scheme: Scheme,
    /// The trace that the exchange belongs to, once hygiene has run.
    pub(crate) trace: Option<TraceContext>,
    /// What was sent, where it may be kept for after a step-up.
    pub(crate) form: Option<Box<FormToKeep>>,
    /// When each stage ended, where the exchange is traced.
    pub(crate) timeline: Option<Box<Timeline>>,
    /// What the inspection found after the decision: in a body that was held back, or in the answer.
    pub(crate) found_later: Option<Box<Inspection>>,
    at: Micros,
    started: Instant,
}

impl Trail {
    /// Begins with a head that Pingora has parsed.
    pub(crate) fn of(head: &RequestHeader, arrival: &Arrival, at: Micros) -> Self {
        let named = head.headers.get(header::HOST).map(HeaderValue::as_bytes);
        let host = named.or_else(|| authority(head).map(str::as_bytes)).unwrap_or_default();
        let mut trail = Self::begin(arrival.peer, head.method.as_str(), host, head.raw_path(), at, arrival.started);
        if let Some(certificate) = arrival.secured.as_ref().and_then(|secured| secured.client.clone()) {
            trail.event().client_certificate = Some(certificate);
        }
        trail
    }

    /// Begins with what an unparsed head says of itself: for the record only, never for a decision.
    pub(crate) fn begin(peer: Peer, method: &str, host: &[u8], target: &[u8], at: Micros, started: Instant) -> Self {
        let path = target.split(|b| *b == b'?').next().unwrap_or_default();
        Self {
            tenant: None,
            event: Arc::new(Decision {
                decision: DecisionId(Uuid::now_v7()),
                request: RequestId(Uuid::now_v7()),
                verdict: Verdict::Allow,
                client: peer.address,
                client_certificate: None,
                method: printable(method.as_bytes(), 32),
                host: printable(host, 260),
                path: printable(path, RAW_CHARACTERS_MAX),
                route: None,
                service: None,
                action: None,
                resource: None,
                subject: None,
                inspection: None,
                snapshot: None,
                determined_by: Arc::new([]),
                facts: None,
                shadow: None,
            }),
            caller: Caller::Anonymous,
            counts_for: Caller::Anonymous,
            machine: None,
            answer_headers: Vec::new(),
            scheme: peer.scheme,
            trace: None,
            form: None,
            timeline: None,
            found_later: None,
            at,
            started,
        }
    }

    /// The event, to be written on. It is copied only if the log still holds it, which gives it back at once.
    fn event(&mut self) -> &mut Decision {
        Arc::make_mut(&mut self.event)
    }

    pub(crate) fn decision(&self) -> DecisionId {
        self.event.decision
    }

    pub(crate) fn request(&self) -> RequestId {
        self.event.request
    }

    /// How long the exchange has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The trace's id in hexadecimal, as logs have it.
    pub(crate) fn trace_id(&self) -> Option<String> {
        self.trace.as_ref().map(|trace| trace.parent.trace_id())
    }

    pub(crate) fn at(&self) -> Micros {
        self.at
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Learns the canonical form, and which trace this is: a trusted proxy's, or a new one whose id is the request's.
    pub(crate) fn canonical(
        &mut self,
        canonical: &Canonical,
        headers: &HeaderMap,
        peer_trusted: bool,
        tracing: Option<&Tracing>,
    ) {
        let mut random = [0; 24];
        let ids = canonical.request.0.as_bytes().iter().chain(self.event.decision.0.as_bytes().iter().rev());
        random.iter_mut().zip(ids).for_each(|(to, from)| *to = *from);
        let mut trace = TraceContext::of(headers, peer_trusted, random);
        self.timeline = tracing.and_then(|tracing| tracing.begin(&mut trace));
        self.trace = Some(trace);
        self.mark(Stage::Hygiene);

        self.scheme = canonical.scheme;
        let event = self.event();
        event.request = canonical.request;
        event.client = canonical.client;
        event.host = canonical.host.as_str().to_owned();
        event.path = canonical.path.as_str().to_owned();
    }

    pub(crate) fn routed(&mut self, tenant: &TenantName, routed: &Routed) {
        self.tenant = Some(tenant.clone());
        if let Some(timeline) = &mut self.timeline {
            timeline.routed(routed.route());
            timeline.mark(Stage::Route);
        }
        let event = self.event();
        event.route = Some(routed.route().id.clone());
        event.service = Some(routed.route().service.clone());
        event.action = Some(routed.route().action.clone());
        event.resource = Some(routed.resource().to_string());
    }

    pub(crate) fn caller(&mut self, known: Authenticated, scheme: Scheme) {
        self.event().subject = known.caller.principal().map(|principal| Subject {
            principal: principal.id,
            session: principal.session,
            level: principal.strength.level,
            credential: principal.credential,
        });
        self.caller = known.caller;
        self.counts_for = known.counts_for;
        if known.stale_cookie {
            self.answer_headers.push(clear_cookie(scheme));
        }
    }

    /// Whether the connection's certificate still counts: of one that does not, policies are told nothing, and nor is who reads later
    /// what they were told.
    pub(crate) fn certificate_counts(&mut self, counts: bool) {
        if !counts && self.event.client_certificate.is_some() {
            self.event().client_certificate = None;
        }
    }

    /// A stage has ended.
    pub(crate) fn mark(&mut self, stage: Stage) {
        if let Some(timeline) = &mut self.timeline {
            timeline.mark(stage);
        }
    }

    /// The exchange has ended: whoever collects traces is told, if it is traced.
    pub(crate) fn traced(&mut self, gateway: &Gateway, ended: Ended) {
        let (Some(tracing), Some(timeline)) = (&gateway.tracing, self.timeline.take()) else { return };
        for (stage, took) in timeline.stages(self.started) {
            gateway.metrics.stage(stage, took);
        }
        if let Some(exchange) = timeline.end(self, ended) {
            tracing.sink.take(exchange);
        }
    }

    /// Adds headers that the answer will carry.
    pub(crate) fn answer(&mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
        self.answer_headers.extend(headers);
    }

    pub(crate) fn inspected(&mut self, inspection: Option<Inspection>) {
        self.event().inspection = inspection;
    }

    /// Learns what was found after the decision was recorded: the outcome says it.
    pub(crate) fn found_later(&mut self, inspection: Option<Inspection>) {
        let Some(inspection) = inspection else { return };
        match &mut self.found_later {
            Some(known) => known.add(inspection),
            None => self.found_later = Some(Box::new(inspection)),
        }
    }

    /// Which snapshot and policies decided, whatever they said, and what they were shown.
    pub(crate) fn decided_by(&mut self, basis: &Basis, tenant: TenantId, now: Micros) {
        let facts = self.facts(tenant, now);
        let event = self.event();
        event.snapshot = Some(basis.snapshot().clone());
        event.determined_by = basis.determined_by().clone();
        event.facts = Some(Arc::new(facts));
    }

    /// What the policy set in the shadow decided, where that was something else.
    pub(crate) fn shadowed(&mut self, shadowed: Option<Arc<Shadowed>>) {
        if shadowed.is_some() {
            self.event().shadow = shadowed;
        }
    }

    /// Roles and methods are copied: the event outlives the session, and says what held when it was decided.
    fn facts(&self, tenant: TenantId, now: Micros) -> Facts {
        let principal = self.caller.principal();
        Facts {
            v: Facts::VERSION,
            tenant,
            now,
            roles: principal.map(|principal| principal.roles.clone()).unwrap_or_default(),
            methods: principal.map(|principal| principal.strength.methods.clone()).unwrap_or_default(),
            authenticated_at: principal.map(|principal| principal.authenticated_at),
        }
    }

    pub(crate) fn preflight(&mut self) {
        self.event().verdict = Verdict::Preflight;
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.event().verdict = Verdict::Refuse {
            stage: refusal.code.stage(),
            code: refusal.code,
            detail: refusal.detail.chars().take(RAW_CHARACTERS_MAX).collect(),
        };
    }

    /// The decision as the log takes it. Its time is that of recording, which may be long after a slow body began: entries
    /// stand in the order of their times, and are looked for by them. When the head came is in the decision's id. That is the
    /// event's own id, too: so `Cedargate-Decision` of an answer is the receipt for it.
    pub(crate) fn decided(&self, now: Micros) -> Event {
        let id = EventId(self.decision().0);
        Event { id, ..self.entry(now, EventBody::Decision(Arc::clone(&self.event))) }
    }

    /// The note that this decision was overtaken after forwarding began.
    pub(crate) fn amended(&self, refusal: &Refusal, now: Micros) -> Event {
        let amendment = Amendment {
            decision: self.decision(),
            stage: refusal.code.stage(),
            code: refusal.code,
            detail: refusal.detail.chars().take(RAW_CHARACTERS_MAX).collect(),
        };
        self.entry(now, EventBody::Amendment(amendment))
    }

    /// That an issuer's JWT was taken as it is.
    pub(crate) fn taken(&self, issuer: ConnectionName, now: Micros) -> Event {
        let event = TokenEvent {
            decision: self.decision(),
            client: self.event.client,
            principal: self.caller.principal().map(|principal| principal.id),
            api_key: None,
            grant: None,
            session: self.caller.principal().map(|principal| principal.session),
            issuer: Some(issuer),
            act: TokenAct::Taken,
        };
        self.entry(now, EventBody::Token(Box::new(event)))
    }

    /// What became of the exchange.
    pub(crate) fn ended(&self, outcome: Outcome, now: Micros) -> Event {
        self.entry(now, EventBody::Outcome(outcome))
    }

    fn entry(&self, at: Micros, body: EventBody) -> Event {
        Event { id: EventId(Uuid::now_v7()), at, tenant: self.tenant.clone(), body }
    }
}

/// Octets of an unauthenticated client as text that is safe to log: printable ASCII, everything else escaped, cut.
fn printable(octets: &[u8], characters_max: usize) -> String {
    // Every octet is looked at, whatever the one before it was: so many of them are looked at in one step.
    let is_plain = |octet: u8| (b' '..=b'~').contains(&octet) & (octet != b'\\') & (octet != b'"') & (octet != b'\'');
    let plain = octets.len() <= characters_max && octets.iter().fold(true, |plain, octet| plain & is_plain(*octet));
    match std::str::from_utf8(octets) {
        Ok(text) if plain => text.to_owned(),
        _ => octets.escape_ascii().map(char::from).take(characters_max).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn an_unparsed_request_cannot_forge_log_text() {
        let trail = Trail::begin(
            Peer { address: IpAddr::from([127, 0, 0, 1]), scheme: Scheme::Http },
            "G\u{1b}T\u{9b}",
            b"a\r\nb",
            b"/x\x00\xff?secret=1",
            Micros(0),
            Instant::now(),
        );
        assert_eq!(trail.event.method, r"G\x1bT\xc2\x9b");
        assert_eq!(trail.event.host, r"a\r\nb");
        assert_eq!(trail.event.path, r"/x\x00\xff");
    }
}
