//! One HTTP/2 connection: its streams are taken one by one, each becomes a request of its own, and the connection ends in
//! order.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use cedargate_model::{Refusal, RefusalCode};
use h2::Reason;
use http::{HeaderValue, header};
use pingora::apps::HttpServerApp;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, handshake};
use pingora::protocols::{Digest, Stream};
use pingora::server::ShutdownWatch;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::screen::{Abuse, Screen, Signals};
use crate::arrival::{Arrival, Peer, Secured};
use crate::cut::BodyStall;
use crate::gateway::Gateway;
use crate::lifeline::Lifeline;
use crate::stage::accept::{Door, InFlight};
use crate::stage::hygiene;
use crate::stage::record;
use crate::stage::respond::{self, Answer, RequestFacts};
use crate::trail::Trail;

/// How long a connection that is being ended may take over it where nothing leaves any more, and how long at most.
const ENDING: Duration = Duration::from_millis(500);
const ENDING_MAX: Duration = Duration::from_secs(60);

/// How many refused heads a connection may bring. For HTTP/1 it is one: here others may share the connection in good faith.
const REFUSED_HEADS_MAX: usize = 32;

/// How much of a stream's body a client may send before it is read, in octets; and of all streams of a connection together.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// How much of an answer waits for a slow reader, in octets for each stream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The library answers larger heads by itself, unrecorded: its bound stands above ours.
const LIBRARY_HEAD_FACTOR: u32 = 4;

/// Serves one connection until it ends.
pub(crate) async fn serve(
    door: &Arc<Door>,
    stream: Stream,
    ahead: BytesMut,
    peer: Peer,
    secured: Option<Arc<Secured>>,
    shutdown: &ShutdownWatch,
) {
    let settings = &door.gateway().settings;
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let (screen, signals) =
        Screen::new(stream, ahead, settings.streams, settings.head.head_bytes_max, settings.head_timeout);
    let shaking = handshake(Box::new(screen), Some(options(door)));
    let Ok(Ok(connection)) = timeout(settings.head_timeout, shaking).await else { return };
    let mut served = Served { door, connection, digest, signals, peer, secured, streams: Arc::default(), refused: 0 };
    served.run(shutdown).await;
}

/// What a connection that the library ended is refused with; `None` where the client went away.
fn broken(error: &pingora::Error) -> Option<Refusal> {
    let error = error.root_cause().downcast_ref::<h2::Error>().filter(|error| error.is_library())?;
    Some(match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => Refusal::new(RefusalCode::ConnectionAbused, "the library's bounds"),
        _ => Refusal::new(RefusalCode::RequestUnparsable, "malformed HTTP/2"),
    })
}

/// Waits until no further request may begin.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could say so.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn options(door: &Door) -> H2Options {
    let settings = &door.gateway().settings;
    let head_bytes_max = u32::try_from(settings.head.head_bytes_max).unwrap_or(u32::MAX);
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(settings.streams.streams_max)
        .max_header_list_size(head_bytes_max.saturating_mul(LIBRARY_HEAD_FACTOR))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    options
}

/// A connection, and what its streams share.
struct Served<'a> {
    door: &'a Arc<Door>,
    connection: h2::server::Connection<Stream, bytes::Bytes>,
    digest: Arc<Digest>,
    signals: Arc<Signals>,
    peer: Peer,
    secured: Option<Arc<Secured>>,
    streams: Arc<Streams>,
    /// Heads that were refused at the door.
    refused: usize,
}

/// The end of a connection, from when the client was told.
#[derive(Debug)]
struct Ending {
    since: Instant,
    /// Since then no stream is under way.
    idle_since: Instant,
    /// Until then something left.
    quiet_since: Instant,
}

impl Ending {
    /// Whether the client has had its time to take note.
    fn is_over(&self) -> bool {
        self.since.elapsed() > ENDING
    }
}

/// How many streams are under way.
#[derive(Debug, Default)]
struct Streams {
    active: AtomicUsize,
    /// The last of them ended.
    idle: Notify,
}

/// One stream while it lives.
struct Active(Arc<Streams>);

impl Active {
    fn new(streams: &Arc<Streams>) -> Self {
        streams.active.fetch_add(1, Ordering::AcqRel);
        Self(streams.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

impl Served<'_> {
    async fn run(&mut self, shutdown: &ShutdownWatch) {
        let mut closing = self.door.draining().closing();
        let signals = self.signals.clone();
        let abused = signals.abused();
        tokio::pin!(abused);
        let head_timeout = self.door.gateway().settings.head_timeout;
        // A new connection was opened to send something; only one that has been of use may wait for long.
        let mut patience = head_timeout;
        let mut idle_since = Instant::now();
        let mut ending: Option<Ending> = None;
        let mut has_ended = false;
        // Held while an answer may still have to leave: what a stream has written is not yet on the wire. Once the connection
        // is being ended, that is until it has ended.
        let mut in_flight: Option<InFlight> = None;
        loop {
            let is_idle = self.streams.active.load(Ordering::Acquire) == 0;
            let left = match (&ending, patience.saturating_sub(idle_since.elapsed()), signals.head_age()) {
                (Some(ending), ..) => ENDING.saturating_sub(ending.quiet_since.elapsed()),
                // Nothing reads while something waits to be written: then it is seen here that a head is late.
                (None, Duration::ZERO, Some(age)) => head_timeout.saturating_sub(age),
                (None, left, _) => left,
            };
            let streams = self.streams.clone();
            tokio::select! {
                biased;
                () = closed(&mut closing), if ending.is_none() => {
                    in_flight.get_or_insert_with(|| self.door.draining().enter());
                    ending = Some(self.begin_ending());
                }
                abuse = &mut abused => {
                    let (code, detail) = abuse.refusal();
                    self.conclude(Refusal::new(code, detail)).await;
                    self.abort().await;
                    return;
                }
                taken = HttpSession::from_h2_conn(&mut self.connection, self.digest.clone()) => match taken {
                    Ok(Some(H2Accept::Session(mut stream))) if ending.as_ref().is_some_and(Ending::is_over) => {
                        // The client has been told, and answers with new requests instead. They are safe to be sent again.
                        stream.shutdown_with_reason(Reason::REFUSED_STREAM);
                    }
                    Ok(Some(H2Accept::Session(stream))) => {
                        in_flight.get_or_insert_with(|| self.door.draining().enter());
                        patience = self.door.gateway().settings.idle_timeout;
                        self.take(stream, shutdown);
                    }
                    Ok(Some(H2Accept::Rejected)) => {
                        // Pingora's own answer or reset.
                        self.refused += 1;
                        self.conclude(Refusal::new(RefusalCode::RequestUnparsable, "a malformed HTTP/2 head")).await;
                    }
                    Ok(None) => has_ended = true,
                    Err(error) => {
                        if let Some(refusal) = broken(&error) {
                            self.conclude(refusal).await;
                        }
                        has_ended = true;
                    }
                },
                () = signals.noticed() => {}
                () = streams.idle.notified() => {
                    // The connection was polled just before this, so what could be written has been.
                    if self.streams.active.load(Ordering::Acquire) == 0 {
                        idle_since = Instant::now();
                        match &mut ending {
                            None => in_flight = None,
                            Some(ending) => (ending.idle_since, ending.quiet_since) = (idle_since, idle_since),
                        }
                    }
                }
                () = sleep(left), if is_idle => match (&mut ending, signals.head_age()) {
                    (Some(ending), _) => {
                        if !signals.take_progress() || ending.idle_since.elapsed() >= ENDING_MAX {
                            return;
                        }
                        ending.quiet_since = Instant::now();
                    }
                    (None, Some(age)) if age >= head_timeout => {
                        let (code, detail) = Abuse::SlowHead.refusal();
                        self.conclude(Refusal::new(code, detail)).await;
                        self.abort().await;
                        return;
                    }
                    (None, Some(_)) => {}
                    (None, None) => {
                        in_flight.get_or_insert_with(|| self.door.draining().enter());
                        ending = Some(self.begin_ending());
                    }
                },
            }
            self.refused += usize::try_from(self.signals.take_distrusted()).unwrap_or(usize::MAX);
            for _ in 0..self.signals.take_malformed() {
                self.refused += 1;
                self.conclude(Refusal::new(RefusalCode::RequestUnparsable, "a malformed HTTP/2 stream")).await;
            }
            if has_ended {
                return;
            }
            if self.refused > 2 * REFUSED_HEADS_MAX {
                // Told to go, it goes on.
                self.abort().await;
                return;
            }
            if self.refused > REFUSED_HEADS_MAX && ending.is_none() {
                ending = Some(self.begin_ending());
            }
        }
    }

    /// Tells the client that no further stream is taken.
    fn begin_ending(&mut self) -> Ending {
        self.connection.graceful_shutdown();
        let since = Instant::now();
        Ending { since, idle_since: since, quiet_since: since }
    }

    /// Ends the connection at once, and the streams with it.
    async fn abort(&mut self) {
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        let _ = timeout(ENDING, self.connection.accept()).await;
    }

    /// Screens a stream's head, and lets it through to Pingora as a request or answers it here.
    fn take(&mut self, mut stream: HttpSession, shutdown: &ShutdownWatch) {
        let lifeline = Arc::<Lifeline>::default();
        let arrival = Arrival {
            peer: self.peer,
            secured: self.secured.clone(),
            started: Instant::now(),
            lifeline: Arc::clone(&lifeline),
        };
        let (door, shutdown) = (self.door.clone(), shutdown.clone());
        let kept = (Active::new(&self.streams), self.door.draining().enter());
        let has_body = !stream.is_body_empty();
        if let Err(refusal) = hygiene::screen_stream(stream.req_header(), has_body, &self.door.gateway().settings.head)
        {
            self.refused += 1;
            tokio::spawn(async move {
                let _kept = kept;
                refuse(door.gateway(), stream, &arrival, refusal).await;
            });
            return;
        }
        let stall = has_body.then(|| Arc::new(BodyStall::new()));
        let head = stream.req_header_mut();
        join_cookies(head);
        head.extensions_mut().insert(arrival);
        head.extensions_mut().insert(self.signals.clone());
        if let Some(stall) = &stall {
            head.extensions_mut().insert(stall.clone());
        }
        tokio::spawn(async move {
            let _kept = kept;
            let mut exchange = pin!(door.proxy().process_new_http(ServerSession::new_http2(stream), &shutdown));
            let exchanging = lifeline.until_cut(&mut exchange);
            // The stream is there until this is on record, and then gone, both ways; the connection's other streams go on.
            let severed = match &stall {
                None => exchanging.await.err().flatten(),
                Some(stall) => tokio::select! {
                    ended = exchanging => ended.err().flatten(),
                    (cut, answered) = stall.stalled() => {
                        cut.conclude(door.gateway(), answered).await;
                        None
                    }
                },
            };
            if let Some(severed) = severed {
                severed.conclude(door.gateway(), &lifeline).await;
            }
        });
    }

    /// Records and counts what never became a request.
    async fn conclude(&self, refusal: Refusal) {
        let gateway = self.door.gateway();
        let mut trail = Trail::begin(self.peer, "", &[], b"", gateway.clock.now(), Instant::now());
        record::conclude(gateway, &mut trail, refusal).await;
    }
}

/// Records, counts and answers a head that was refused before there was a request.
async fn refuse(gateway: &Gateway, mut stream: HttpSession, arrival: &Arrival, refusal: Refusal) {
    let mut trail = Trail::of(stream.req_header(), arrival, gateway.clock.now());
    let refusal = record::conclude(gateway, &mut trail, refusal).await;
    let answer = respond::render(&refusal, &RequestFacts::of(stream.req_header(), &trail)).of(&trail);
    // The client may be gone by now, and the next stream is another matter.
    let _ = send(&mut stream, answer).await;
}

async fn send(stream: &mut HttpSession, answer: Answer) -> pingora::Result<()> {
    let length = answer.length();
    let mut response = ResponseHeader::build(answer.status, Some(answer.headers.len() + 1))?;
    for (name, value) in answer.headers {
        response.append_header(name, value)?;
    }
    if let Some(length) = length {
        response.insert_header(header::CONTENT_LENGTH, length)?;
    }
    let bodiless = stream.req_header().method == http::Method::HEAD || answer.body.is_empty();
    stream.write_response_header(Box::new(response), bodiless)?;
    if !bodiless {
        // It fits the client's first window by far, unless the client gives none: then it is not waited for.
        let _ = timeout(ENDING, stream.write_body(answer.body, true)).await;
    }
    Ok(())
}

/// Joins the pieces that HTTP/2 clients cut cookies into (RFC 9113 §8.2.3), so that who reads one field reads them all: the
/// gateway for its session, and a service behind HTTP/1.1.
fn join_cookies(head: &mut pingora::http::RequestHeader) {
    let mut pieces = head.headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (pieces.next(), pieces.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for piece in std::iter::once(second).chain(pieces) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(piece.as_bytes());
    }
    // Values of headers, joined by what a value may have, are one.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        let _ = head.insert_header(header::COOKIE, joined);
    }
}
