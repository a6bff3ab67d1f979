//! Pingora's side of the walk: every hook is a few calls, and which of them apply is read from [`Exchange`].

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cedargate_model::{Outcome, OutcomeEnd, Refusal, RefusalCode, Stage};
use http::{HeaderMap, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::connection::CLIENT_WRITE_TIMEOUT;
use crate::cut::{BodyStall, Cut};
use crate::exchange::{Admitted, Exchange};
use crate::gateway::Gateway;
use crate::h2::screen::Signals;
use crate::open::{self, OpenExchanges};
use crate::stage::forward::{self, Length};
use crate::stage::record::Record;
use crate::stage::respond::{self, Answer, RequestFacts};
use crate::stage::{inspect, record};
use crate::timeline::Ended;
use crate::trail::Trail;
use crate::upstream::{Gate, TUNNEL_IDLE_TIMEOUT};
use crate::walk::{self, Pass, Walked};

/// How many backends are tried for one request when connecting fails: nothing has been sent then, so that trying
/// another one is safe for every method.
const CONNECT_ATTEMPTS_MAX: u32 = 3;

/// The gateway as Pingora's HTTP proxy calls it.
pub(crate) struct Proxy {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) open: Arc<OpenExchanges>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::Unscreened
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    fn on_connection_reuse(&self, _session: &mut Session, exchange: &mut Exchange, handed: Box<dyn Any + Send + Sync>) {
        if let Ok(arrival) = handed.downcast() {
            *exchange = Exchange::Arriving(*arrival);
        }
    }

    /// The walk up to forwarding. `Ok(true)` says that the client has its answer.
    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let arrival = match std::mem::replace(exchange, Exchange::Answered) {
            Exchange::Arriving(arrival) => Some(arrival),
            // A stream brings it along in its head: Pingora hands nothing over beside one.
            _ => session.req_header_mut().extensions_mut().remove(),
        };
        let Some(arrival) = arrival else {
            return Err(Error::explain(ErrorType::InternalError, "a head that was not screened"));
        };
        let gateway = &*self.gateway;
        let now = gateway.clock.now();
        let mut trail = Trail::of(session.req_header(), &arrival, now);
        session.set_read_timeout(Some(gateway.settings.body_timeout));
        session.set_write_timeout(Some(CLIENT_WRITE_TIMEOUT));
        // A client of HTTP/1.0 takes an interim answer for the answer (RFC 9110 §15.2).
        let is_old = session.req_header().version == Version::HTTP_10;
        session.set_ignore_info_resp(is_old);
        match walk::walk(gateway, &arrival, session, now, &mut trail).await {
            Ok(Walked::Pass(pass)) => {
                if pass.upgrade {
                    session.set_read_timeout(Some(TUNNEL_IDLE_TIMEOUT));
                }
                if inspect::expects_continue(&session.req_header().headers) && !session.is_body_done() {
                    Box::pin(session.write_continue_response()).await?;
                }
                let stall = session.req_header().extensions.get::<Arc<BodyStall>>().cloned();
                let stall = stall.filter(|_| !session.is_body_done());
                if let Some(stall) = &stall {
                    // A service that does not take the body is bounded by the route's timeout.
                    let limit = gateway.settings.body_timeout.max(pass.route.timeout);
                    stall.watch(limit, Cut::of(&trail, &pass));
                }
                *exchange = Exchange::Admitted(Box::new(Admitted {
                    gate: pass.upgrade.then(Arc::<Gate>::default),
                    trail,
                    pass,
                    connect_attempts: 0,
                    asked: None,
                    stall,
                    lifeline: arrival.lifeline,
                    status: None,
                }));
                Ok(false)
            }
            // On the heap, both: whatever is forwarded would carry the room for it.
            Ok(Walked::Preflight(headers, record)) => {
                Box::pin(self.answer_preflight(session, headers, record, &mut trail)).await
            }
            Err(refusal) => Box::pin(self.answer_refused(session, refusal, &mut trail)).await,
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let admitted = admitted(exchange)?;
        match self.gateway.upstreams.select(&admitted.pass.route, admitted.gate.as_ref()) {
            Ok(peer) => Ok(peer),
            Err(refusal) => Err(overtake(exchange, refusal)),
        }
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Exchange::Admitted(admitted) = exchange {
            admitted.connect_attempts += 1;
            error.set_retry(admitted.connect_attempts < CONNECT_ATTEMPTS_MAX);
        }
        error
    }

    /// A kept connection may have been closed by the service just as we began to use it. Then, and only then, the request
    /// goes out once more: if its method is safe, since one decision and one record stand for one act, and if it has no
    /// body, of which some may be held back for inspection. A new connection is not tried again, whatever HTTP/2 says of it.
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        _exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        if reused && session.req_header().method.is_safe() && session.is_body_empty() {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let admitted = admitted(exchange)?;
        if let Err(refusal) = self.gateway.upstreams.agree(&admitted.pass.route.service, request.version) {
            return Err(overtake(exchange, refusal));
        }
        admitted.asked = Some(Instant::now());
        if let Some(gate) = &admitted.gate {
            gate.shut();
        }
        if let Some(timeline) = &mut admitted.trail.timeline {
            timeline.asked();
        }
        let prepared = forward::prepare(&self.gateway, admitted, request, self.gateway.clock.now());
        prepared.map_err(|refusal| overtake(exchange, refusal))
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let admitted = admitted(exchange)?;
        // Over HTTP/2 this says that trailers are there, which Pingora leaves unread: it would ask for ever what comes next.
        if body.is_none() && !end_of_stream && session.req_header().version == Version::HTTP_2 {
            let refusal = Refusal::new(RefusalCode::BodyUnreadable, "there are trailers behind the body");
            return Err(overtake(exchange, refusal).into_down());
        }
        if let Some(stall) = &admitted.stall {
            if end_of_stream { stall.over() } else { stall.moved(0) }
        }
        if body.is_some() {
            admitted.lifeline.hear();
            self.open.hold_if_long(&self.gateway, session, admitted);
        }
        let Admitted { pass, trail, .. } = &mut *admitted;
        match pass.body.pass(&self.gateway.engine, body.take(), end_of_stream, trail).await {
            Ok(piece) => {
                *body = piece;
                // Last of all: nothing may be waited for between this and the hand-over.
                if let Some(gate) = admitted.gate.as_ref().filter(|_| end_of_stream) {
                    gate.open();
                }
                Ok(())
            }
            // As the client's error, which it is: of any other, Pingora takes no note while it sends over HTTP/2, and goes on
            // waiting for the service's answer to a body that never ends.
            Err(refusal) => Err(overtake(exchange, refusal).into_down()),
        }
    }

    /// Runs before the answer's head leaves: the decision must be on disk by now.
    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let admitted = admitted(exchange)?;
        let answered = Instant::now();
        if let Err(refusal) = admitted.pass.record.durable().await {
            return Err(overtake(exchange, refusal));
        }
        if let Some(timeline) = &mut admitted.trail.timeline {
            timeline.held(answered);
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            if let Err(refusal) = forward::check_switch(admitted.pass.upgrade, response) {
                return Err(overtake(exchange, refusal));
            }
        } else if response.status.is_informational() {
            forward::finish_interim(response);
            return Ok(());
        }
        let is_old = session.req_header().version == Version::HTTP_10;
        match forward::check_length(response, is_old) {
            Ok(Length::Known) => {}
            Ok(Length::UntilClosed) => session.set_keepalive(None),
            Err(refusal) => return Err(overtake(exchange, refusal)),
        }
        let Admitted { pass: Pass { canonical, response: watch, .. }, trail, .. } = &mut *admitted;
        if let Some(watch) = watch {
            let head = watch.head(canonical, session.req_header(), response, trail);
            if let Err(refusal) = Box::pin(head).await {
                return Err(overtake(exchange, refusal));
            }
        }
        if let Some(asked) = admitted.asked {
            self.gateway.metrics.answered(&admitted.pass.route, answered - asked);
        }
        admitted.status = Some(response.status.as_u16());
        if let Some(stall) = &admitted.stall {
            stall.answering(response.status.as_u16());
            if forward::is_head_alone(response) {
                stall.answered();
            }
        }
        if open::may_take_long(&admitted.pass, response) {
            self.open.hold(&self.gateway, session, admitted);
        }
        forward::finish(admitted, response)
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        let Exchange::Admitted(admitted) = exchange else { return Ok(None) };
        let Admitted { pass: Pass { canonical, response: watch, .. }, trail, .. } = &mut **admitted;
        if let Some(watch) = watch {
            match watch.pass(canonical, session.req_header(), body.take(), end_of_stream, trail) {
                Ok(piece) => *body = piece,
                Err(refusal) => return Err(overtake(exchange, refusal)),
            }
        }
        let octets = body.as_ref().map_or(0, Bytes::len);
        admitted.lifeline.sent(octets);
        if !end_of_stream {
            self.open.hold_if_long(&self.gateway, session, admitted);
        }
        if let Some(stall) = &admitted.stall {
            stall.moved(octets);
            if end_of_stream {
                stall.answered();
            }
        }
        Ok(None)
    }

    /// What a service says behind its answer.
    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        exchange: &mut Exchange,
    ) -> Result<Option<Bytes>> {
        let admitted = admitted(exchange)?;
        if let Some(stall) = &admitted.stall {
            stall.answered();
        }
        forward::finish_trailers(admitted.pass.route.grpc, trailers);
        Ok(None)
    }

    /// An exchange that failed after it was admitted: amend the decision, then tell the client if it can still be told.
    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        let (mut admitted, refusal) = match std::mem::replace(exchange, Exchange::Answered) {
            Exchange::Overtaken(admitted, refusal) => (admitted, Some(refusal)),
            Exchange::Admitted(admitted) => (admitted, forward::classify(error)),
            Exchange::Unscreened | Exchange::Arriving(_) | Exchange::Answered => return told(0),
        };
        if let Some(stall) = &admitted.stall {
            stall.over();
        }
        let mut status = 0;
        if let Some(refusal) = refusal {
            let refusal = self.amend(&mut admitted, refusal).await;
            if session.response_written().is_none() {
                // Pingora closes the connection after this, and would have said that it is kept: a client would send its next
                // request to nobody.
                session.set_keepalive(None);
                let answer = self.render(session, &admitted.trail, &refusal);
                status = answer.status.as_u16();
                admitted.status = Some(status);
                // The client may be gone by now, which the outcome says.
                let _ = send(session, answer).await;
            }
        }
        *exchange = Exchange::Admitted(admitted);
        told(status)
    }

    fn suppress_error_log(&self, _session: &Session, _exchange: &Exchange, _error: &Error) -> bool {
        // The exchange's own line says it, once.
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        let Exchange::Admitted(admitted) = exchange else { return };
        let end = match error.map(|error| (error.esource(), error.etype())) {
            None => OutcomeEnd::Complete,
            // Refused by us, and no client has gone.
            Some((ErrorSource::Downstream, etype)) if !matches!(etype, ErrorType::HTTPStatus(_)) => {
                OutcomeEnd::ClientGone
            }
            Some(_) => OutcomeEnd::UpstreamBroke,
        };
        let trail = &admitted.trail;
        let duration = trail.elapsed();
        let outcome = Outcome {
            decision: trail.decision(),
            status: admitted.status,
            response_bytes: u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX),
            duration_micros: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            end,
            inspection: trail.found_later.clone(),
        };
        if self.gateway.settings.access_log || outcome.is_bad() {
            tracing::info!(
                cedargate.request.id = %trail.request(),
                cedargate.decision.id = %trail.decision(),
                cedargate.tenant = trail.tenant.as_ref().map(|tenant| tenant.as_str()),
                cedargate.route = admitted.pass.route.id.as_str(),
                http.request.method = trail.event.method.as_str(),
                http.response.status_code = admitted.status,
                http.response.body.size = outcome.response_bytes,
                client.address = %trail.event.client,
                trace_id = trail.trace_id(),
                duration_us = outcome.duration_micros,
                end = ?end,
                error = error.map(forward::describe),
                "forwarded"
            );
        }
        let pass = &admitted.pass;
        self.gateway.metrics.forwarded(&pass.route, &pass.site.name, admitted.status, duration);
        self.gateway.spool.note(&trail.ended(outcome, self.gateway.clock.now()));
        if let Some(timeline) = &mut admitted.trail.timeline {
            timeline.mark(Stage::Forward);
            admitted.trail.traced(&self.gateway, Ended { status: admitted.status, end: Some(end) });
        }
    }
}

impl Proxy {
    async fn answer_preflight(
        &self,
        session: &mut Session,
        headers: Vec<(http::HeaderName, http::HeaderValue)>,
        mut record: Record,
        trail: &mut Trail,
    ) -> Result<bool> {
        let answer = match record.durable().await {
            Ok(()) => {
                trail.mark(Stage::Record);
                respond::preflight(headers).of(trail)
            }
            Err(refusal) => self.refuse(session, trail, refusal).await,
        };
        self.answer(session, answer, trail).await
    }

    async fn answer_refused(&self, session: &mut Session, refusal: Refusal, trail: &mut Trail) -> Result<bool> {
        if refusal.code.stage() <= Stage::Hygiene {
            // Whoever sends one ambiguous request is not trusted with where the next one begins.
            session.set_keepalive(None);
            // That says nothing to a connection that has more streams: it counts them.
            if let Some(connection) = session.req_header().extensions.get::<Arc<Signals>>() {
                connection.distrust();
            }
        }
        let answer = self.refuse(session, trail, refusal).await;
        self.answer(session, answer, trail).await
    }

    /// Records a refusal, then renders it.
    async fn refuse(&self, session: &Session, trail: &mut Trail, refusal: Refusal) -> Answer {
        let told = record::conclude(&self.gateway, trail, refusal).await;
        let mut facts = RequestFacts::of(session.req_header(), trail);
        if let (Some(form), Some(forms)) = (trail.form.take(), &self.gateway.forms)
            && facts.can_hear_of_a_form(&told)
        {
            // The refusal is on disk by now: nothing is kept of what was not recorded.
            facts.kept(forms.keep(*form).await);
        }
        respond::render(&told, &facts).of(trail)
    }

    /// Sends what the gateway answers itself; the exchange ends with it.
    async fn answer(&self, session: &mut Session, answer: Answer, trail: &mut Trail) -> Result<bool> {
        let status = answer.status.as_u16();
        let sent = send(session, answer).await;
        trail.traced(&self.gateway, Ended { status: Some(status), end: None });
        sent.map(|()| true)
    }

    fn render(&self, session: &Session, trail: &Trail, refusal: &Refusal) -> Answer {
        respond::render(refusal, &RequestFacts::of(session.req_header(), trail)).of(trail)
    }

    /// Makes the decision and what overtook it durable before the client hears of either.
    async fn amend(&self, admitted: &mut Admitted, refusal: Refusal) -> Refusal {
        let gateway = &self.gateway;
        let amended = admitted.trail.amended(&refusal, gateway.clock.now());
        let durable = async {
            admitted.pass.record.durable().await?;
            record::record(&gateway.spool, &amended, &admitted.trail.caller)?.durable().await
        };
        let told = match durable.await {
            Ok(()) => refusal,
            Err(unrecorded) => unrecorded,
        };
        gateway.metrics.refused(told.code, admitted.trail.tenant.as_ref());
        if told.code.stage() == Stage::Forward {
            gateway.metrics.upstream_failed(&admitted.pass.route, told.code);
        }
        if let Some(timeline) = &mut admitted.trail.timeline {
            timeline.refused(told.code);
        }
        tracing::warn!(
            cedargate.request.id = %admitted.trail.request(),
            cedargate.decision.id = %admitted.trail.decision(),
            cedargate.refusal.code = told.code.as_str(),
            detail = told.detail.as_str(),
            "overtaken after it was admitted"
        );
        told
    }
}

fn admitted(exchange: &mut Exchange) -> Result<&mut Admitted> {
    match exchange {
        Exchange::Admitted(admitted) => Ok(admitted),
        _ => Err(Error::explain(ErrorType::InternalError, "forwarding without a pass")),
    }
}

/// Ends an admitted exchange by a later stage. The error only carries the news to `fail_to_proxy`.
fn overtake(exchange: &mut Exchange, refusal: Refusal) -> Box<Error> {
    let error = Error::explain(ErrorType::HTTPStatus(refusal.code.status()), refusal.code.as_str());
    *exchange = match std::mem::replace(exchange, Exchange::Answered) {
        Exchange::Admitted(admitted) => Exchange::Overtaken(admitted, refusal),
        other => other,
    };
    error
}

fn told(status: u16) -> FailToProxy {
    FailToProxy { error_code: status, can_reuse_downstream: false }
}

/// Sends an answer that the gateway made itself.
async fn send(session: &mut Session, answer: Answer) -> Result<()> {
    let length = answer.length();
    let mut response = ResponseHeader::build(answer.status, Some(answer.headers.len() + 1))?;
    for (name, value) in answer.headers {
        response.append_header(name, value)?;
    }
    if let Some(length) = length {
        response.insert_header(http::header::CONTENT_LENGTH, length)?;
    }
    let bodiless = session.req_header().method == http::Method::HEAD || answer.body.is_empty();
    if bodiless && let ServerSession::H2(stream) = &mut *session.downstream_session {
        // Pingora would end the stream by a frame of its own, later or never: gRPC's status must end it, and nothing may be left to
        // be reset.
        return stream.write_response_header(Box::new(response), true);
    }
    session.write_response_header(Box::new(response), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}
