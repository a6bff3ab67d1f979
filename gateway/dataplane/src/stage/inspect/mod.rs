//! An attack in head or body?
//!
//! A body that fits is read before the decision, so that everything is inspected before it is decided, and Pingora
//! replays it to the service. A larger one that the route lets through is held back while it passes: its first octets
//! are inspected before any of it reaches the service, and an attack found there amends the decision.
//!
//! Two engines stand behind this stage: a rule set in SecLang ([`rules`]) where route, tenant or gateway name one, else the
//! built-in rules.

mod aside;
mod response;
mod rules;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cedargate_model::{Canonical, Refusal, RefusalCode, TenantName};
use cedargate_policy::{InspectionMode, OnExcess, Route, WafFindings};
use cedargate_waf::{Body, Engine, Inspected, Mode, Scope, Subject, Threshold, Verdict};
use http::{HeaderMap, HeaderValue, header};
use pingora::proxy::Session;
use tokio::time::timeout;

use self::aside::{Aside, HeldOctets};
pub(crate) use self::response::{ResponseWatch, ask_for_all};
pub(crate) use self::rules::Head;
use self::rules::{Found, OwnHead, Piece, Plan};
pub use self::rules::{RuleChoice, RuleSets, RuleSettings, Shadow};
use self::turns::Claimant;
use crate::gateway::Gateway;
use crate::trail::Trail;

/// How many octets of a request are inspected by rules on the proxy's own thread, as long as they take no more than rules' brief
/// budget. 10 KB of JSON take more than a millisecond, so more than this is inspected aside, so that no client waits for another's
/// document: handing over takes 20 microseconds.
pub(crate) const INLINE_BYTES_MAX: usize = 4 * 1024;

/// The largest body that Pingora can replay after it was read, in octets (its retry buffer).
pub(crate) const REPLAY_BYTES_MAX: u64 = 64 * 1024;

/// What the inspection leaves behind for the decision and for forwarding.
pub(crate) struct Judged {
    /// `context.waf`.
    pub(crate) findings: WafFindings,
    /// What still has to be looked at while the body passes.
    pub(crate) body: BodyWatch,
    /// What is to be looked at in the answer, on routes that ask for it.
    pub(crate) response: Option<Box<ResponseWatch>>,
    /// The body, where all of it was read; empty where there is none.
    pub(crate) read: Option<Bytes>,
}

/// What is watched while a body passes.
pub(crate) enum BodyWatch {
    /// Nothing: it was inspected whole, or is not inspected.
    Nothing,
    /// Its first octets are held back until there are enough of them to judge.
    Held(Held),
}

/// The held-back beginning of a large body.
pub(crate) struct Held {
    octets: BytesMut,
    counted: HeldOctets,
    octets_max: usize,
    by: Watcher,
}

/// Who judges what was held back.
enum Watcher {
    BuiltIn { content_type: Option<String>, scope: Scope, threshold: Threshold },
    Rules { plan: Plan, head: Box<OwnHead>, who: Claimant },
}

/// How requests are inspected.
pub(crate) struct Inspector<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) threshold: Threshold,
    pub(crate) body_timeout: Duration,
    /// Skips everything: `danger_inspection_off`.
    pub(crate) off: bool,
}

impl Inspector<'_> {
    /// Inspects head and body. `trail` learns what was found, refused or not: rules, never values.
    ///
    /// # Errors
    /// 403 for an attack on a route in mode `block`; 413 for a body over its bound, 415 for one in a coding that hides
    /// its content, 400 for one that breaks off or is malformed, or for a request that reaches a limit of the rules; 503 where the
    /// rules that the route names are not there.
    pub(crate) async fn inspect(
        &self,
        canonical: &Canonical,
        route: &Arc<Route>,
        tenant: &TenantName,
        session: &mut Session,
        trail: &mut Trail,
    ) -> Result<Judged, Refusal> {
        if self.off || route.inspection.mode == InspectionMode::Off {
            return Ok(Judged {
                findings: WafFindings::default(),
                body: BodyWatch::Nothing,
                response: None,
                read: None,
            });
        }
        let settings = &self.gateway.settings.rules;
        let plan = settings.plan(&self.gateway.rule_sets.load(), route, tenant, self.threshold.score())?;
        let arriving = arriving_body(session, route)?;
        let octets = match arriving {
            Arriving::Whole => Some(Box::pin(self.read_body(session, route)).await?),
            Arriving::None | Arriving::Large => None,
        };
        let read = octets.clone().or_else(|| session.is_body_empty().then(Bytes::new));
        let request = session.req_header();
        let is_held = matches!(arriving, Arriving::Large);
        let is_known = trail.caller.principal().is_some();
        let Some(plan) = plan else {
            let body =
                if is_held { self.hold(route, is_known, self.built_in(session, route)) } else { BodyWatch::Nothing };
            return self.by_built_in(canonical, route, session, octets, trail).map(|findings| Judged {
                findings,
                body,
                response: None,
                read,
            });
        };
        let head = Head::of(canonical, request.raw_path(), request.version, &request.headers);
        let who = || Claimant { tenant: tenant.clone(), client: canonical.client, is_known };
        let body = match is_held {
            true => {
                let by = Watcher::Rules { plan: plan.clone(), head: Box::new(head.to_own()), who: who() };
                self.hold(route, is_known, by)
            }
            false => BodyWatch::Nothing,
        };
        let found = by_rules(&plan, &head, octets.clone().unwrap_or_default(), who).await?;
        trail.inspected(found.inspection());
        let (refusal, findings) = (found.refusal(), found.findings());
        self.show_shadow(&plan, &head, octets.unwrap_or_default(), found);
        match refusal {
            Some(refusal) => Err(refusal),
            None => {
                let who = route.inspection.responses.then(who);
                let response = who.map(|who| Box::new(ResponseWatch::new(plan, who)));
                Ok(Judged { findings, body, response, read })
            }
        }
    }

    /// Of a hundred requests, as many as are configured go to the rules that only watch.
    fn show_shadow(&self, plan: &Plan, head: &Head<'_>, body: Bytes, live: Found) {
        let Some(shadow) = &self.gateway.settings.rules.shadow else { return };
        let is_sampled = head.id().0.as_u128() % 100 < u128::from(shadow.percent);
        let sets = self.gateway.rule_sets.load();
        let Some(rules) = sets.get(&shadow.rules).filter(|_| is_sampled) else { return };
        let inspected = body.len();
        let aside = Aside { plan: plan.with(rules), head: head.to_own(), body, inspected, is_whole: true };
        aside::watch(aside, live, self.gateway.metrics.shadow());
    }

    fn by_built_in(
        &self,
        canonical: &Canonical,
        route: &Route,
        session: &Session,
        octets: Option<Bytes>,
        trail: &mut Trail,
    ) -> Result<WafFindings, Refusal> {
        let head = session.req_header();
        let content_type = content_type(&head.headers);
        let read = octets.as_deref().map(|bytes| Body { content_type: content_type.as_deref(), bytes, complete: true });
        let scope = scope(route);
        let inspected = inspect(&self.gateway.engine, canonical, head.raw_path(), &head.headers, read, &scope);
        trail.inspected(inspected.summary());
        refuse_attack(&inspected, self.threshold)?;
        Ok(findings(&inspected, route))
    }

    /// Reads a body of at most [`REPLAY_BYTES_MAX`] octets; Pingora keeps a copy and replays it.
    async fn read_body(&self, session: &mut Session, route: &Route) -> Result<Bytes, Refusal> {
        let octets_max = route.inspection.body_bytes_max.min(REPLAY_BYTES_MAX);
        session.enable_retry_buffering();
        if expects_continue(&session.req_header().headers) {
            session.write_continue_response().await.map_err(unreadable)?;
        }
        let mut octets = BytesMut::new();
        let reading = async {
            while let Some(piece) = session.read_request_body().await.map_err(unreadable)? {
                octets.extend_from_slice(&piece);
                if u64::try_from(octets.len()).unwrap_or(u64::MAX) > octets_max {
                    return Err(too_large(octets_max));
                }
            }
            Ok(())
        };
        match timeout(self.body_timeout, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(Refusal::new(RefusalCode::BodyUnreadable, "the body did not arrive in time")),
        }
        Ok(octets.freeze())
    }

    fn built_in(&self, session: &Session, route: &Route) -> Watcher {
        let content_type = content_type(&session.req_header().headers);
        Watcher::BuiltIn { content_type, scope: scope(route), threshold: self.threshold }
    }

    fn hold(&self, route: &Route, is_known: bool, by: Watcher) -> BodyWatch {
        let octets_max = usize::try_from(route.inspection.body_bytes_max).unwrap_or(usize::MAX);
        BodyWatch::Held(Held { octets: BytesMut::new(), counted: HeldOctets::of(is_known), octets_max, by })
    }
}

/// Inspects by rules: here where that is soon done, else aside.
async fn by_rules(plan: &Plan, head: &Head<'_>, body: Bytes, who: impl FnOnce() -> Claimant) -> Result<Found, Refusal> {
    if head.len() + body.len() <= INLINE_BYTES_MAX {
        let piece = if body.is_empty() { Piece::None } else { Piece::Whole(&body) };
        if let Some(found) = plan.run_briefly(head, piece) {
            return Ok(found);
        }
    }
    let inspected = body.len();
    let aside = Aside { plan: plan.clone(), head: head.to_own(), body, inspected, is_whole: true };
    let who = who();
    Box::pin(async move { aside::run(aside, &who).await }).await
}

impl BodyWatch {
    /// Takes the next octets of a passing body and gives back those that may go on.
    ///
    /// `None` in `piece` with `end` is the end of the body without further octets. `trail` learns what was found.
    ///
    /// # Errors
    /// 403 when what was held back is an attack, 400 where it is malformed; 503 where too much is held back or waits already.
    pub(crate) async fn pass(
        &mut self,
        engine: &Engine,
        piece: Option<Bytes>,
        end: bool,
        trail: &mut Trail,
    ) -> Result<Option<Bytes>, Refusal> {
        let Self::Held(held) = self else { return Ok(piece) };
        held.counted.add(piece.as_ref().map_or(0, Bytes::len))?;
        held.octets.extend_from_slice(piece.as_deref().unwrap_or_default());
        if !end && held.octets.len() < held.octets_max {
            // Never `None`: that would end the body towards the service.
            return Ok(Some(Bytes::new()));
        }
        let is_whole = end && held.octets.len() <= held.octets_max;
        let octets = held.octets.split().freeze();
        let inspected = octets.len().min(held.octets_max);
        let held = std::mem::replace(self, Self::Nothing);
        let Self::Held(Held { by, counted: _counted, .. }) = held else { return Ok(Some(octets)) };
        match by {
            Watcher::BuiltIn { content_type, scope, threshold } => {
                let bytes = octets.get(..inspected).unwrap_or(&octets);
                let body = Body { content_type: content_type.as_deref(), bytes, complete: is_whole };
                let inspected = engine.inspect_body(&body, &scope);
                trail.found_later(inspected.summary());
                refuse_attack(&inspected, threshold)?;
            }
            Watcher::Rules { plan, head, who } => {
                let aside = Aside { plan, head: *head, body: octets.clone(), inspected, is_whole };
                let found = Box::pin(aside::run(aside, &who)).await?;
                trail.found_later(found.inspection());
                if let Some(refusal) = found.refusal() {
                    return Err(refusal);
                }
            }
        }
        Ok(Some(octets))
    }
}

/// What a request would be told that nobody sent, by rules.
pub(crate) fn explain(plan: &Plan, head: &Head<'_>, body: Option<&[u8]>) -> Found {
    plan.run(head, body.map_or(Piece::None, Piece::Whole))
}

/// What policies are told of what the built-in rules found.
pub(crate) fn findings(inspected: &Inspected, route: &Route) -> WafFindings {
    if route.inspection.mode == InspectionMode::Detect || inspected.findings().is_empty() {
        return WafFindings::default();
    }
    WafFindings { score: inspected.score(), rules: inspected.rules().into(), tags: inspected.tags().into() }
}

/// Inspects what is known of a request: the same call for a live one and for `explain`.
pub(crate) fn inspect(
    engine: &Engine,
    canonical: &Canonical,
    raw_target: &[u8],
    headers: &HeaderMap,
    body: Option<Body<'_>>,
    scope: &Scope,
) -> Inspected {
    let target = String::from_utf8_lossy(raw_target);
    let subject = Subject {
        method: canonical.method.as_str(),
        target: &target,
        path: canonical.path.as_str(),
        query: canonical.query.as_deref(),
        headers,
        body,
    };
    engine.inspect(&subject, scope)
}

/// Ends a request whose score is over the threshold, where the route blocks.
pub(crate) fn refuse_attack(inspected: &Inspected, threshold: Threshold) -> Result<(), Refusal> {
    match inspected.verdict(threshold) {
        Verdict::Pass => Ok(()),
        Verdict::Block => {
            let rules: Vec<_> = inspected.rules().iter().map(ToString::to_string).collect();
            Err(Refusal::new(RefusalCode::AttackDetected, rules.join(" ")))
        }
    }
}

/// The engine's scope for a route.
pub(crate) fn scope(route: &Route) -> Scope {
    let mode = match route.inspection.mode {
        InspectionMode::Block => Mode::Block,
        InspectionMode::Score | InspectionMode::Detect => Mode::Score,
        InspectionMode::Off => Mode::Off,
    };
    match &*route.inspection.exempt_fields {
        [] => Scope::new(mode),
        fields => Scope::new(mode).exempting(fields.iter().map(String::as_str)),
    }
}

/// How a body arrives.
enum Arriving {
    None,
    /// Small enough to be read before the decision, or of unknown size where a larger one is refused.
    Whole,
    /// Larger than may be read, and the route lets it pass.
    Large,
}

fn arriving_body(session: &mut Session, route: &Route) -> Result<Arriving, Refusal> {
    if session.is_body_empty() || session.is_upgrade_req() {
        return Ok(Arriving::None);
    }
    let headers = &session.req_header().headers;
    // A compressed body would pass the inspection unseen (RFC 9110 §15.5.16).
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return Err(RefusalCode::BodyEncodingUnsupported.into());
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let readable_max = route.inspection.body_bytes_max.min(REPLAY_BYTES_MAX);
    // Where policies decide on the score, all of it must be there before they do: what is found while a body passes would
    // be heard of by nobody, and padding or chunks would be all it takes.
    let is_scored = route.inspection.mode == InspectionMode::Score;
    match (length, route.inspection.on_excess) {
        (Some(length), _) if length <= readable_max => Ok(Arriving::Whole),
        (Some(_), _) if is_scored => Err(too_large(readable_max)),
        (None, _) if is_scored => Ok(Arriving::Whole),
        // Between what can be read and what is inspected: held back, and still inspected whole.
        (Some(length), _) if length <= route.inspection.body_bytes_max => Ok(Arriving::Large),
        (Some(_), OnExcess::Refuse) => Err(too_large(route.inspection.body_bytes_max)),
        (None, OnExcess::Refuse) => Ok(Arriving::Whole),
        // Nothing of it is inspected, so nothing is held back: the messages of gRPC, for one.
        (_, OnExcess::Pass) if route.inspection.body_bytes_max == 0 => Ok(Arriving::None),
        (_, OnExcess::Pass) => Ok(Arriving::Large),
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Some(String::from_utf8_lossy(only.as_bytes()).into_owned()),
        _ => None,
    }
}

/// Whether the client waits to be asked for its body (RFC 9110 §10.1.1).
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn too_large(octets_max: u64) -> Refusal {
    Refusal::new(RefusalCode::BodyTooLarge, format!("the body is over {octets_max} octets"))
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::BodyUnreadable, error.to_string())
}
