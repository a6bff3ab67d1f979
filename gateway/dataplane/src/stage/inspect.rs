//! An attack in head or body?
//!
//! A body that fits is read before the decision, so that everything is inspected before it is decided, and Pingora
//! replays it to the service. A larger one that the route lets through is held back while it passes: its first octets
//! are inspected before any of it reaches the service, and an attack found there amends the decision.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cedargate_model::{Canonical, Refusal, RefusalCode};
use cedargate_policy::{InspectionMode, OnExcess, Route};
use cedargate_waf::{Body, Engine, Inspected, Mode, Scope, Subject, Threshold, Verdict};
use http::{HeaderMap, HeaderValue, header};
use pingora::proxy::Session;
use tokio::time::timeout;

use crate::trail::Trail;

/// The largest body that Pingora can replay after it was read, in octets (its retry buffer).
pub(crate) const REPLAY_BYTES_MAX: u64 = 64 * 1024;

/// What the inspection leaves behind for the decision and for forwarding.
pub(crate) struct Judged {
    /// `context.waf.score`.
    pub(crate) score: u32,
    /// What still has to be looked at while the body passes.
    pub(crate) body: BodyWatch,
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
    octets_max: usize,
    content_type: Option<String>,
    scope: Scope,
    threshold: Threshold,
}

/// How the engine is asked about one request.
pub(crate) struct Inspector<'a> {
    pub(crate) engine: &'a Engine,
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
    /// its content, 400 for one that breaks off.
    pub(crate) async fn inspect(
        &self,
        canonical: &Canonical,
        route: &Route,
        session: &mut Session,
        trail: &mut Trail,
    ) -> Result<Judged, Refusal> {
        if self.off || route.inspection.mode == InspectionMode::Off {
            return Ok(Judged { score: 0, body: BodyWatch::Nothing });
        }
        let scope = scope(route);
        let arriving = arriving_body(session, route)?;
        let (octets, body) = match arriving {
            Arriving::None => (None, BodyWatch::Nothing),
            Arriving::Whole => (Some(Box::pin(self.read_body(session, route)).await?), BodyWatch::Nothing),
            Arriving::Large => (None, BodyWatch::Held(self.hold(session, route, scope.clone()))),
        };
        let content_type = content_type(&session.req_header().headers);
        let read = octets.as_deref().map(|bytes| Body { content_type: content_type.as_deref(), bytes, complete: true });
        let head = session.req_header();
        let inspected = inspect(self.engine, canonical, head.raw_path(), &head.headers, read, &scope);
        trail.inspected(inspected.summary());
        refuse_attack(&inspected, self.threshold)?;
        Ok(Judged { score: inspected.score(), body })
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

    fn hold(&self, session: &Session, route: &Route, scope: Scope) -> Held {
        Held {
            octets: BytesMut::new(),
            octets_max: usize::try_from(route.inspection.body_bytes_max).unwrap_or(usize::MAX),
            content_type: content_type(&session.req_header().headers),
            scope,
            threshold: self.threshold,
        }
    }
}

impl BodyWatch {
    /// Takes the next octets of a passing body and gives back those that may go on.
    ///
    /// `None` in `piece` with `end` is the end of the body without further octets.
    ///
    /// # Errors
    /// 403 when what was held back is an attack.
    pub(crate) fn pass(&mut self, engine: &Engine, piece: Option<Bytes>, end: bool) -> Result<Option<Bytes>, Refusal> {
        let Self::Held(held) = self else { return Ok(piece) };
        held.octets.extend_from_slice(piece.as_deref().unwrap_or_default());
        if !end && held.octets.len() < held.octets_max {
            // Never `None`: that would end the body towards the service.
            return Ok(Some(Bytes::new()));
        }
        let judged = held.octets.get(..held.octets_max).unwrap_or(&held.octets);
        let complete = end && held.octets.len() <= held.octets_max;
        let body = Body { content_type: held.content_type.as_deref(), bytes: judged, complete };
        refuse_attack(&engine.inspect_body(&body, &held.scope), held.threshold)?;
        let octets = held.octets.split().freeze();
        *self = Self::Nothing;
        Ok(Some(octets))
    }
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
        InspectionMode::Score => Mode::Score,
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
