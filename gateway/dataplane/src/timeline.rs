//! When each stage of a traced exchange ended, and what a collector is told of it.
//!
//! Most exchanges have no [`Timeline`]: then a stage's boundary costs one branch. Which have one is decided once the trace
//! is known, from the last octets of its id, so that every gateway decides alike about one trace.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate_model::{DecisionId, Micros, OutcomeEnd, RefusalCode, RequestId, Stage, TenantName, TraceParent};
use cedargate_policy::Route;
use uuid::Uuid;

use crate::stage::hygiene::TraceContext;
use crate::trail::Trail;

/// As many stages as leave a mark.
const MARKS: usize = 12;

/// Which exchanges are traced, and who is told of them.
pub struct Tracing {
    /// Of all exchanges, where no trusted proxy has decided.
    pub sampled: Ratio,
    /// Of those that are refused or fail. Each exchange that might become one of them is watched from its start.
    pub failures: Ratio,
    /// Who is told.
    pub sink: Arc<dyn TraceSink>,
}

/// Takes what is known of traced exchanges.
pub trait TraceSink: Send + Sync {
    /// Takes one that has ended. Called on a proxy's thread: it must neither wait nor fail.
    fn take(&self, exchange: Box<TracedExchange>);
}

/// A part of all traces, chosen by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u64);

impl Ratio {
    /// This part of one; `None` if it is none from 0 to 1.
    pub fn new(of_one: f64) -> Option<Self> {
        // The product is within 0 and 2^32, both exact.
        (0.0..=1.0).contains(&of_one).then_some(Self((of_one * 4_294_967_296.0) as u64))
    }

    /// Whether this trace is among them. Looks at the last 32 bits: those before hold a time and a counter where the id is
    /// one of ours (RFC 9562 §5.7).
    fn has(self, trace: TraceParent) -> bool {
        let [.., a, b, c, d] = trace.trace();
        u64::from(u32::from_be_bytes([a, b, c, d])) < self.0
    }
}

/// An exchange that has ended, with everything that may be told of it: no query, no header's value, no secret.
#[derive(Clone, Debug)]
pub struct TracedExchange {
    /// The trace, and the span of the exchange with the upstream, as the service was told.
    pub trace: TraceParent,
    /// What the proxy before us keeps in the trace.
    pub state: Option<String>,
    /// The span of the proxy before us.
    pub parent: Option<[u8; 8]>,
    /// The span of the exchange itself.
    pub span: [u8; 8],
    /// When it began, in nanoseconds since 1970.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// The stages that it passed, the last one refusing where it was refused; each begins where the one before ended.
    pub stages: Vec<(Stage, u64)>,
    /// When the service was asked.
    pub asked: Option<u64>,
    /// From when to when the answer was held back for the record.
    pub held: Option<(u64, u64)>,
    /// The method, as far as the head was read.
    pub method: String,
    /// How the client reached us.
    pub scheme: &'static str,
    /// The host, where it is a tenant's.
    pub host: Option<String>,
    /// The client's address.
    pub client: IpAddr,
    /// The route that was found.
    pub route: Option<Arc<Route>>,
    /// The tenant that was found.
    pub tenant: Option<TenantName>,
    /// The decision's id.
    pub decision: DecisionId,
    /// The exchange's id.
    pub request: RequestId,
    /// What refused it.
    pub refusal: Option<RefusalCode>,
    /// What the client was told, if it was told anything.
    pub status: Option<u16>,
    /// How a forwarded exchange ended.
    pub end: Option<OutcomeEnd>,
}

impl TracedExchange {
    /// Whether it failed for reasons that are not the client's.
    pub fn is_failure(&self) -> bool {
        self.status.is_some_and(|status| status >= 500) || self.end == Some(OutcomeEnd::UpstreamBroke)
    }
}

/// The times of one traced exchange.
pub(crate) struct Timeline {
    is_sampled: bool,
    parent: Option<[u8; 8]>,
    marks: Vec<(Stage, Instant)>,
    asked: Option<Instant>,
    held: Option<(Instant, Instant)>,
    route: Option<Arc<Route>>,
    refusal: Option<RefusalCode>,
}

impl Tracing {
    /// Decides about an exchange whose trace is known, and tells the trace.
    pub(crate) fn begin(&self, trace: &mut TraceContext) -> Option<Box<Timeline>> {
        let is_sampled = match trace.continued {
            Some(given) => given.is_sampled(),
            None => self.sampled.has(trace.parent),
        };
        trace.parent = trace.parent.with_sampled(is_sampled);
        let parent = trace.continued.map(|given| given.span());
        (is_sampled || self.failures.has(trace.parent)).then(|| Box::new(Timeline::new(is_sampled, parent)))
    }

    /// The same for one that is refused before its trace could be read: it gets one of its own.
    pub(crate) fn begin_unread(&self, trace: &mut Option<TraceContext>) -> Option<Box<Timeline>> {
        let fresh = trace.get_or_insert_with(|| TraceContext::fresh(random()));
        let is_sampled = self.sampled.has(fresh.parent);
        fresh.parent = fresh.parent.with_sampled(is_sampled);
        (is_sampled || self.failures.has(fresh.parent)).then(|| Box::new(Timeline::new(is_sampled, None)))
    }
}

impl Timeline {
    fn new(is_sampled: bool, parent: Option<[u8; 8]>) -> Self {
        let marks = Vec::with_capacity(MARKS);
        Self { is_sampled, parent, marks, asked: None, held: None, route: None, refusal: None }
    }

    /// A stage has ended.
    pub(crate) fn mark(&mut self, stage: Stage) {
        self.marks.push((stage, Instant::now()));
    }

    pub(crate) fn routed(&mut self, route: &Arc<Route>) {
        self.route = Some(route.clone());
    }

    pub(crate) fn refused(&mut self, code: RefusalCode) {
        self.refusal = Some(code);
    }

    /// The service is asked now. A second time, where a connection was gone, counts from the first.
    pub(crate) fn asked(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
    }

    /// The answer's head waited for the record since then.
    pub(crate) fn held(&mut self, since: Instant) {
        self.held = Some((since, Instant::now()));
    }

    /// How long each stage took, for those that were passed.
    pub(crate) fn stages(&self, started: Instant) -> impl Iterator<Item = (Stage, Duration)> {
        self.marks.iter().scan(started, |before, (stage, ended)| {
            let took = ended.saturating_duration_since(*before);
            *before = *ended;
            Some((*stage, took))
        })
    }

    /// What is told of the exchange; nothing if only its failure would have been worth it.
    pub(crate) fn end(self, trail: &Trail, ended: Ended) -> Option<Box<TracedExchange>> {
        let trace = trail.trace.as_ref()?;
        let (Micros(at), started) = (trail.at(), trail.started());
        let at = u64::try_from(at).unwrap_or_default().saturating_mul(1_000);
        let unix = |moment: Instant| {
            let since = moment.saturating_duration_since(started).as_nanos();
            at.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
        };
        let exchange = TracedExchange {
            trace: trace.parent,
            state: trace.state.as_ref().and_then(|state| state.to_str().ok()).map(ToOwned::to_owned),
            parent: self.parent,
            span: span_id(),
            began: at,
            ended: unix(Instant::now()),
            stages: self.marks.iter().map(|(stage, ended)| (*stage, unix(*ended))).collect(),
            asked: self.asked.map(unix),
            held: self.held.map(|(since, until)| (unix(since), unix(until))),
            method: trail.event.method.clone(),
            scheme: trail.scheme.as_str(),
            host: trail.tenant.is_some().then(|| trail.event.host.clone()),
            client: trail.event.client,
            route: self.route,
            tenant: trail.tenant.clone(),
            decision: trail.decision(),
            request: trail.request(),
            refusal: self.refusal,
            status: ended.status,
            end: ended.end,
        };
        (self.is_sampled || exchange.refusal.is_some() || exchange.is_failure()).then(|| Box::new(exchange))
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// What the client was told.
    pub(crate) status: Option<u16>,
    /// What became of it upstream, where it got there.
    pub(crate) end: Option<OutcomeEnd>,
}

/// Octets for a trace and a span of its own.
fn random() -> [u8; 24] {
    let mut random = [0; 24];
    let ids = [Uuid::new_v4(), Uuid::new_v4()];
    let octets = ids.iter().flat_map(|id| id.as_bytes());
    random.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    random
}

/// An id for a span: never zero, since a version's bits stand in it.
fn span_id() -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = Uuid::new_v4().into_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    struct Nobody;

    impl TraceSink for Nobody {
        fn take(&self, _: Box<TracedExchange>) {}
    }

    fn tracing(sampled: f64, failures: f64) -> Tracing {
        let ratio = |of_one| Ratio::new(of_one).unwrap();
        Tracing { sampled: ratio(sampled), failures: ratio(failures), sink: Arc::new(Nobody) }
    }

    fn trace(id: Uuid) -> TraceContext {
        let mut random = [1; 24];
        random.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
        TraceContext::of(&HeaderMap::new(), false, random)
    }

    fn given(flags: &str) -> TraceContext {
        let text = format!("00-4bf92f3577b34da6a3ce929dffffffff-00f067aa0ba902b7-{flags}");
        let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), HeaderValue::try_from(text).unwrap())]);
        TraceContext::of(&headers, true, [1; 24])
    }

    #[test]
    fn what_is_no_part_of_one_is_no_ratio() {
        for of_one in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(of_one), None);
        }
    }

    #[test]
    fn none_and_all_are_exact() {
        let (none, all) = (Ratio::new(0.0).unwrap(), Ratio::new(1.0).unwrap());
        for octets in [[0xFF; 24], [1; 24]] {
            let trace = TraceParent::root(octets);
            assert!(!none.has(trace) && all.has(trace));
        }
    }

    #[test]
    fn ids_of_ours_are_sampled_at_the_ratio() {
        let (tracing, rounds) = (tracing(0.1, 0.0), 20_000);
        let sampled = (0..rounds).filter(|_| tracing.begin(&mut trace(Uuid::now_v7())).is_some()).count();
        // Ten standard deviations, so that it never fails by chance.
        assert!((1_576..=2_424).contains(&sampled), "{sampled} of {rounds}");
    }

    #[test]
    fn the_service_is_told_what_was_decided() {
        for (of_one, flag) in [(0.0, "00"), (1.0, "01")] {
            let mut trace = trace(Uuid::now_v7());
            let timeline = tracing(of_one, 0.0).begin(&mut trace);
            assert_eq!(timeline.is_some(), flag == "01");
            assert!(trace.parent.to_string().ends_with(flag));
        }
    }

    #[test]
    fn a_trusted_proxys_decision_holds_whatever_the_ratio() {
        let (mut asked, mut not) = (given("01"), given("00"));
        assert!(tracing(0.0, 0.0).begin(&mut asked).is_some_and(|timeline| timeline.parent.is_some()));
        assert!(tracing(1.0, 0.0).begin(&mut not).is_none());
        assert!(asked.parent.to_string().ends_with("01") && not.parent.to_string().ends_with("00"));
    }

    #[test]
    fn what_is_refused_unread_is_sampled_like_everything_else() {
        for (sampled, failures, is_traced) in [(0.0, 0.0, false), (1.0, 0.0, true), (0.0, 1.0, true)] {
            let mut trace = None;
            assert_eq!(tracing(sampled, failures).begin_unread(&mut trace).is_some(), is_traced);
            assert!(trace.is_some(), "the log has its id");
        }
    }

    #[test]
    fn watching_for_failures_tells_the_service_nothing() {
        let mut trace = trace(Uuid::now_v7());
        assert!(tracing(0.0, 1.0).begin(&mut trace).is_some_and(|timeline| !timeline.is_sampled));
        assert!(!trace.parent.is_sampled());
    }
}
