//! The connection and the head's arrival: a deadline for the whole head, and nothing unscreened goes further.

mod shares;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cedargate_model::{Refusal, RefusalCode, Scheme};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
// Lazy and coarse, to 10 ms: one of tokio's would cost every request a lock, and often a write to wake the driver.
use pingora::prelude::timeout;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};

use self::shares::{Share, Shares};
use super::hygiene::{self, Framing};
use super::record;
use super::respond::{Answer, RequestFacts};
use crate::arrival::{Arrival, Peer, Secured};
use crate::connection::{Connection, HeadRead};
use crate::gateway::Gateway;
use crate::h2;
use crate::lifeline::Lifeline;
use crate::metrics::described;
use crate::open::OpenExchanges;
use crate::proxy::Proxy;
use crate::server::Listener;
use crate::timeline::Ended;
use crate::tls::{self, HandshakeFailure, TlsHosts};
use crate::trail::Trail;

/// How long a refused client may take to read its answer before the connection is cut.
const LINGER: Duration = Duration::from_millis(500);

/// The door: takes connections, lets screened heads through to Pingora one at a time, and answers the rest itself.
///
/// It stands between Pingora's listener and Pingora's HTTP proxy because Pingora's parser accepts and repairs what we
/// refuse (bare LF, `Content-Length` beside `Transfer-Encoding`, a missing `Host`), and does so before any hook.
pub(crate) struct Door {
    proxy: Arc<HttpProxy<Proxy>>,
    gateway: Arc<Gateway>,
    draining: Draining,
    open: Arc<OpenExchanges>,
    dispatcher: Once,
    /// Room for connections: see [`connections_max`].
    room: Arc<Semaphore>,
    /// Connections by address.
    shares: Shares,
    listeners: Vec<Listener>,
    /// Certificates, where any listener has TLS.
    tls: Option<Arc<TlsHosts>>,
}

/// Which requests are in flight, and whether new ones are still taken.
#[derive(Clone)]
pub(crate) struct Draining {
    in_flight: Arc<AtomicUsize>,
    closing: Arc<watch::Sender<bool>>,
}

impl Draining {
    pub(crate) fn new() -> Self {
        Self { in_flight: Arc::default(), closing: Arc::new(watch::Sender::new(false)) }
    }

    /// From now on no further request begins on any connection.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// How many requests are being answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Tells those who ask that no further request may begin.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self.in_flight.clone())
    }
}

/// How busy the door is. Reading it costs requests nothing.
#[derive(Clone)]
pub struct Traffic {
    in_flight: Arc<AtomicUsize>,
    room: Arc<Semaphore>,
    room_max: usize,
}

impl Traffic {
    /// Client connections that are open.
    pub fn connections(&self) -> usize {
        self.room_max.saturating_sub(self.room.available_permits())
    }

    /// Client connections that there is room for.
    pub fn connections_max(&self) -> usize {
        self.room_max
    }

    /// Requests that are being answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }
}

/// Counts one request while it lives.
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        self.start_dispatcher();
        let Ok(_place) = self.room.clone().try_acquire_owned() else {
            self.gateway.metrics.turned_away();
            return None;
        };
        let _share = self.share_of(&stream)?;
        let prior_knowledge = listener_of(&self.listeners, &stream).is_some_and(|listener| listener.prior_knowledge);
        let (stream, secured) = self.secure(stream).await?;
        let peer = peer_of(&stream);
        if stream.selected_alpn_proto() == Some(ALPN::H2) {
            h2::connection::serve(self, stream, BytesMut::new(), peer, secured, shutdown).await;
            return None;
        }
        let mut closing = self.draining.closing.subscribe();
        // Registered once for all requests of the connection.
        let closed = closing.wait_for(|closing| *closing);
        tokio::pin!(closed);
        let mut connection = Box::new(Connection::new(stream));
        let mut persistent: Option<HttpPersistentSettings> = None;
        loop {
            // A new connection was opened to send something; only one that has been of use may wait for long.
            let patience = match persistent {
                None => self.gateway.settings.head_timeout,
                Some(_) => self.gateway.settings.idle_timeout,
            };
            tokio::select! {
                biased;
                begun = timeout(patience, connection.first_octet()) => {
                    if !matches!(begun, Ok(Ok(true))) {
                        return None;
                    }
                }
                _ = &mut closed => return None,
            }
            if prior_knowledge && persistent.is_none() {
                let begins = timeout(self.gateway.settings.head_timeout, connection.begins_http2());
                if begins.await.ok()?.ok()? {
                    let (stream, ahead) = connection.into_parts();
                    h2::connection::serve(self, stream, ahead, peer, secured, shutdown).await;
                    return None;
                }
            }
            let _in_flight = self.draining.enter();
            if let Err(refusal) = self.admit_head(&mut connection).await? {
                self.refuse(*connection, peer, refusal).await;
                return None;
            }
            let lifeline = Arc::<Lifeline>::default();
            let arrival =
                Arrival { peer, secured: secured.clone(), started: Instant::now(), lifeline: Arc::clone(&lifeline) };
            let mut session = ServerSession::new_http1(connection);
            match persistent.take() {
                Some(settings) => settings.apply_to_session(&mut session),
                None => session.set_keepalive(Some(self.gateway.settings.idle_timeout.as_secs())),
            }
            if self.draining.is_closing() {
                session.set_keepalive(None);
            }
            session.set_connection_user_context(Some(Box::new(arrival)));
            let mut exchange = self.proxy.process_new_http(session, shutdown);
            let reused = match lifeline.until_cut(&mut exchange).await {
                Ok(reused) => reused?,
                Err(severed) => {
                    // The connection is there until this is on record, and then gone.
                    if let Some(severed) = severed {
                        severed.conclude(&self.gateway, &lifeline).await;
                    }
                    return None;
                }
            };
            drop(exchange);
            let (stream, settings) = reused.consume();
            connection = stream.into_any().downcast().ok()?;
            if !connection.is_at_a_request() {
                // Pingora drains a body before it gives a connection back. Were one left, it would be read as a request.
                return None;
            }
            persistent = settings;
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Door {
    pub(crate) fn new(
        proxy: Arc<HttpProxy<Proxy>>,
        gateway: Arc<Gateway>,
        draining: Draining,
        open: Arc<OpenExchanges>,
        listeners: Vec<Listener>,
        tls: Option<Arc<TlsHosts>>,
    ) -> Self {
        let asked = gateway.settings.connections_max.unwrap_or(usize::MAX);
        let room = connections_max(files_max()).min(asked);
        tracing::info!(cedargate.connections.max = room, "room for client connections");
        let dispatcher = Once::new();
        let shares = Shares::new(gateway.settings.address_connections_max);
        Self {
            proxy,
            gateway,
            draining,
            open,
            dispatcher,
            room: Arc::new(Semaphore::new(room)),
            shares,
            listeners,
            tls,
        }
    }

    /// How busy it is, now and later.
    pub(crate) fn traffic(&self) -> Traffic {
        let room_max = self.room.available_permits();
        Traffic { in_flight: self.draining.in_flight.clone(), room: self.room.clone(), room_max }
    }

    /// Runs the audit spool's dispatcher inside the proxy's runtime, where waking those who wait for the disk is
    /// cheap, and beside it what looks after open exchanges. Pingora makes that runtime when the service starts, so the first connection is the first chance.
    fn start_dispatcher(&self) {
        self.dispatcher.call_once(|| {
            tokio::spawn(self.gateway.spool.dispatch());
            tokio::spawn(Arc::clone(&self.open).look_after_always(Arc::clone(&self.gateway)));
        });
    }

    pub(crate) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(crate) fn draining(&self) -> &Draining {
        &self.draining
    }

    pub(crate) fn proxy(&self) -> &Arc<HttpProxy<Proxy>> {
        &self.proxy
    }

    /// Takes a place among the connections of its address. `None` where there are too many.
    ///
    /// A trusted proxy brings everybody's connections: it is bounded by the room for all alone.
    fn share_of(&self, stream: &Stream) -> Option<Option<Share>> {
        let address = peer_of(stream).address;
        if self.gateway.settings.trusted_proxies.contains(address) {
            return Some(None);
        }
        let share = self.shares.take(address);
        if share.is_none() {
            self.gateway.metrics.count(described::OVER_ADDRESS_LIMIT, &[], 1);
        }
        share.map(Some)
    }

    /// Does the TLS handshake where the connection's listener has TLS. `None` where there is no connection then.
    async fn secure(&self, stream: Stream) -> Option<(Stream, Option<Arc<Secured>>)> {
        let Some(hosts) = self.tls.as_ref().filter(|_| listener_of(&self.listeners, &stream).is_none_or(|l| l.tls))
        else {
            return Some((stream, None));
        };
        let peer = peer_of(&stream);
        match tls::accept(hosts, stream, self.gateway.settings.handshake_timeout).await {
            Ok((stream, secured)) => Some((stream, Some(Arc::new(secured)))),
            // Whoever connects only to see that somebody listens has failed at nothing.
            Err(HandshakeFailure::Gone) => None,
            Err(failure) => {
                self.gateway.metrics.count(described::HANDSHAKE_FAILURES, &[failure.as_str()], 1);
                tracing::debug!(
                    client.address = %peer.address,
                    error.type = failure.as_str(),
                    error = &failure as &dyn std::error::Error,
                    "no TLS connection"
                );
                None
            }
        }
    }

    /// Reads one head, within its deadline, and screens it. `None` if the client went away.
    async fn admit_head(&self, connection: &mut Connection) -> Option<Result<(), Refusal>> {
        let settings = &self.gateway.settings;
        let head_bytes = match timeout(settings.head_timeout, connection.read_head(&settings.head)).await {
            Err(_) => return Some(Err(RefusalCode::HeadTimeout.into())),
            Ok(Err(_) | Ok(HeadRead::Closed)) => return None,
            Ok(Ok(HeadRead::Overrun(bound))) => return Some(Err(bound.into())),
            Ok(Ok(HeadRead::Complete(head_bytes))) => head_bytes,
        };
        let head = connection.unread().get(..head_bytes).unwrap_or_default();
        Some(hygiene::screen(head, &settings.head).map(|framing: Framing| connection.begin(head_bytes, framing)))
    }

    /// Records, counts and answers a head that was refused before there was a request.
    async fn refuse(&self, connection: Connection, peer: Peer, refusal: Refusal) {
        let head = connection.unread();
        let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
        let mut words = line.split(|b| *b == b' ');
        let method = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let target = words.next().unwrap_or_default();
        let mut trail = Trail::begin(peer, &method, &[], target, self.gateway.clock.now(), Instant::now());
        let facts = RequestFacts::unparsed(trail.request());
        let refusal = record::conclude(&self.gateway, &mut trail, refusal).await;
        let answer = super::respond::render(&refusal, &facts).of(&trail);
        write_raw(connection.into_inner(), &answer).await;
        trail.traced(&self.gateway, Ended { status: Some(answer.status.as_u16()), end: None });
    }
}

/// Through which listener a connection came. `None` where that cannot be told, which is to be taken for the stricter one.
fn listener_of<'a>(listeners: &'a [Listener], stream: &Stream) -> Option<&'a Listener> {
    if let [only] = listeners {
        return Some(only);
    }
    let digest = stream.get_socket_digest()?;
    let Some(SocketAddr::Inet(local)) = digest.local_addr() else { return None };
    let here = (local.ip().to_canonical(), local.port());
    let exactly = |listener: &&Listener| (listener.address.ip().to_canonical(), listener.address.port()) == here;
    let anywhere = |l: &&Listener| l.address.ip().is_unspecified() && l.address.port() == local.port();
    listeners.iter().find(exactly).or_else(|| listeners.iter().find(anywhere))
}

/// How many clients may be connected at once when a process may have so many open files. Whoever opens connections and
/// says nothing must not leave the record, the store, services and the operator's probes without files.
fn connections_max(files_max: Option<u64>) -> usize {
    const FILES_RESERVED: u64 = 256;
    /// Its own, and both ends of one to the control plane, which lives in this process.
    const FILES_PER_CONNECTION: u64 = 3;
    const CONNECTIONS_MIN: usize = 16;
    let room = files_max.map(|files| files.saturating_sub(FILES_RESERVED) / FILES_PER_CONNECTION);
    let room = room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX);
    room.clamp(CONNECTIONS_MIN, Semaphore::MAX_PERMITS)
}

/// How many files this process may open, after raising the limit as far as the system allows: the usual one, 1,024, is
/// kept low for the sake of programs that use `select`.
fn files_max() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, what was allowed before still is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}

/// Who is at the other end. A Unix socket's client counts as this machine.
fn peer_of(stream: &Stream) -> Peer {
    let address = match stream.get_socket_digest().as_deref().and_then(|digest| digest.peer_addr()) {
        Some(SocketAddr::Inet(address)) => address.ip().to_canonical(),
        Some(SocketAddr::Unix(_)) | None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let scheme = if stream.get_ssl_digest().is_some() { Scheme::Https } else { Scheme::Http };
    Peer { address, scheme }
}

/// Writes an answer as HTTP/1.1 and closes, giving the client a moment to read it.
async fn write_raw(mut stream: Stream, answer: &Answer) {
    let written = timeout(LINGER, async {
        stream.write_all(&raw_answer(answer)).await?;
        stream.flush().await?;
        stream.shutdown().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        return;
    }
    // Closing with unread input resets the connection, and the client would lose the answer.
    let mut scratch = [0; 4096];
    let drain = async { while matches!(stream.read(&mut scratch).await, Ok(read) if read > 0) {} };
    let _ = timeout(LINGER, drain).await;
}

fn raw_answer(answer: &Answer) -> Bytes {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let mut raw = format!("HTTP/1.1 {} {reason}\r\n", answer.status.as_u16()).into_bytes();
    for (name, value) in &answer.headers {
        raw.extend_from_slice(name.as_str().as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value.as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(format!("Content-Length: {}\r\nConnection: close\r\n\r\n", answer.body.len()).as_bytes());
    raw.extend_from_slice(&answer.body);
    raw.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_take_the_last_files() {
        for (files, room) in [(0, 16), (256, 16), (1_024, 256), (524_288, 174_677)] {
            assert_eq!(connections_max(Some(files)), room);
        }
        assert_eq!(connections_max(None), Semaphore::MAX_PERMITS);
    }
}
