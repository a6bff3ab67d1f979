//! A downstream connection between the socket and Pingora: it hands over exactly one request at a time.
//!
//! The head of each request is read and screened here, before Pingora's parser sees a byte, and the body is measured
//! as it passes. What follows the body stays here until the next request begins, so that no two parsers can disagree
//! about where a request ends (request smuggling, RFC 9112 §11.2).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use cedargate_model::RefusalCode;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::framing::{ChunkScreen, Progress};
use crate::h2::screen::PREFACE;
use crate::stage::hygiene::{Framing, HeadLimits, find_head_end};

/// How much of the next request may wait here while this one is being answered, in octets.
const NEXT_REQUEST_BYTES_MAX: usize = 16 * 1024;

/// How much is asked of the socket in one read while a head is awaited, in octets.
const READ_BYTES: usize = 8 * 1024;

/// The most that is asked of the socket in one read of a body, in octets: what Pingora asks for at a time.
const BODY_READ_BYTES_MAX: usize = 64 * 1024;

/// How long a client may take to accept the next piece of its answer.
pub(crate) const CLIENT_WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A downstream connection. Pingora reads through it and sees one request, then nothing until [`Connection::begin`].
#[derive(Debug)]
pub(crate) struct Connection {
    inner: Stream,
    /// Read from the socket and not yet handed on.
    buffer: BytesMut,
    /// What of `buffer`, and then of the socket, still belongs to the current request.
    rest: Rest,
    /// When a client that takes nothing of what is written has had time enough. Only while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What is left of the current request.
#[derive(Debug)]
enum Rest {
    /// The head, of this many octets, and then a body framed like this.
    Head(usize, Framing),
    /// This many octets of body.
    Length(u64),
    /// A chunked body.
    Chunked(Box<ChunkScreen>),
    /// Everything: the client asked for an upgrade.
    Tunnel,
    /// Nothing: what comes next is another request.
    Nothing,
}

impl Rest {
    /// Moves the account of the current request on by `octets`; says how many of them belong to it.
    fn account(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len();
        match self {
            Self::Head(left, framing) => {
                *left = left.saturating_sub(taken);
                if *left == 0 {
                    *self = match framing {
                        Framing::None | Framing::Length(0) => Self::Nothing,
                        Framing::Length(length) => Self::Length(*length),
                        Framing::Chunked => Self::Chunked(Box::default()),
                        Framing::Upgrade => Self::Tunnel,
                    };
                }
                Ok(taken)
            }
            Self::Length(left) => {
                *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                if *left == 0 {
                    *self = Self::Nothing;
                }
                Ok(taken)
            }
            Self::Chunked(screen) => match screen.feed(octets) {
                Ok(Progress::More) => Ok(taken),
                Ok(Progress::Done { consumed }) => {
                    *self = Self::Nothing;
                    Ok(consumed)
                }
                Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            },
            Self::Tunnel => Ok(taken),
            Self::Nothing => Ok(0),
        }
    }
}

/// What waiting for a head came to.
pub(crate) enum HeadRead {
    /// A whole head stands at the front of the buffer: this many octets.
    Complete(usize),
    /// The client closed without beginning a request.
    Closed,
    /// More octets than a line or a head may have.
    Overrun(RefusalCode),
}

impl Connection {
    pub(crate) fn new(inner: Stream) -> Self {
        Self { inner, buffer: BytesMut::new(), rest: Rest::Nothing, stalled: None }
    }

    /// Waits for the first octet of the next request; `false` if the client closed instead.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn first_octet(&mut self) -> io::Result<bool> {
        if self.buffer.is_empty() {
            self.buffer.reserve(READ_BYTES);
            return Ok(self.inner.read_buf(&mut self.buffer).await? > 0);
        }
        Ok(true)
    }

    /// Reads until the head is whole. The caller sets the deadline.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn read_head(&mut self, limits: &HeadLimits) -> io::Result<HeadRead> {
        let mut searched = 0;
        loop {
            if let Some(end) = find_head_end(&self.buffer, searched) {
                return Ok(HeadRead::Complete(end));
            }
            if let Some(bound) = limits.overrun(&self.buffer) {
                return Ok(HeadRead::Overrun(bound));
            }
            searched = self.buffer.len();
            self.buffer.reserve(READ_BYTES);
            if self.inner.read_buf(&mut self.buffer).await? == 0 {
                return Ok(HeadRead::Closed);
            }
        }
    }

    /// What has been read and not handed on: after [`HeadRead::Complete`], the head and perhaps more.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Opens the way for one request: its head of `head_bytes` octets, and a body framed as its screening found.
    pub(crate) fn begin(&mut self, head_bytes: usize, framing: Framing) {
        self.rest = Rest::Head(head_bytes, framing);
    }

    /// Whether what comes next can be another request: nothing of the current one is still to be handed on.
    pub(crate) fn is_at_a_request(&self) -> bool {
        // A tunnel that was not granted took nothing.
        matches!(self.rest, Rest::Nothing | Rest::Tunnel)
    }

    /// Whether the client begins as HTTP/2 does (prior knowledge, RFC 9113 §3.3). Reads until that is certain.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn begins_http2(&mut self) -> io::Result<bool> {
        loop {
            let read = self.buffer.len().min(PREFACE.len());
            if self.buffer.get(..read) != PREFACE.get(..read) {
                return Ok(false);
            }
            if read == PREFACE.len() {
                return Ok(true);
            }
            self.buffer.reserve(READ_BYTES);
            if self.inner.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
    }

    /// The socket, and what was read from it and belongs to nobody yet.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.inner, self.buffer)
    }

    /// The socket itself, to answer on when no request may begin.
    pub(crate) fn into_inner(self) -> Stream {
        self.inner
    }

    /// Hands on what the buffer holds of the current request. `None` if it holds nothing of it.
    fn serve_buffered(&mut self, out: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if self.buffer.is_empty() {
            return None;
        }
        let wanted = match &mut self.rest {
            Rest::Head(head_bytes, _) => *head_bytes,
            Rest::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Rest::Chunked(_) | Rest::Tunnel => self.buffer.len(),
            Rest::Nothing => return None,
        };
        let count = wanted.min(self.buffer.len()).min(out.remaining());
        let octets = self.buffer.get(..count).unwrap_or_default();
        match self.rest.account(octets) {
            Ok(belonging) => {
                out.put_slice(octets.get(..belonging).unwrap_or_default());
                self.buffer.advance(belonging);
                Some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The request is over: nothing more is handed on, but a client that goes away is noticed, and what it sends
    /// meanwhile waits for the next request.
    fn poll_between(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.buffer.len() >= NEXT_REQUEST_BYTES_MAX {
                return Poll::Pending;
            }
            let mut space = [0; 1024];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.buffer.extend_from_slice(read.filled());
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(served) = this.serve_buffered(out) {
            return Poll::Ready(served);
        }
        match this.rest {
            Rest::Nothing => this.poll_between(cx),
            Rest::Tunnel => Pin::new(&mut this.inner).poll_read(cx, out),
            _ => {
                // By way of the buffer, so that no octet of the next request can slip through.
                this.buffer.reserve(out.remaining().clamp(1, BODY_READ_BYTES_MAX));
                match ready!(poll_read_buf(&mut this.inner, cx, &mut this.buffer))? {
                    0 => Poll::Ready(Ok(())),
                    _ => this.serve_buffered(out).map_or(Poll::Ready(Ok(())), Poll::Ready),
                }
            }
        }
    }
}

/// Reads once from `stream` into the spare room of `buffer`.
fn poll_read_buf(stream: &mut Stream, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
    let future = stream.read_buf(buffer);
    tokio::pin!(future);
    std::future::Future::poll(future, cx)
}

impl Connection {
    /// Whether a client that takes nothing has had time enough. Pingora bounds the writes of a body, but not the flush that
    /// sends its last octets.
    fn bound<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(CLIENT_WRITE_TIMEOUT)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.bound(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.bound(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.inner).poll_flush(cx);
        self.bound(cx, sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.bound(cx, sent)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.inner).await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Connection {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

// Peeking past the screening is not supported, which the trait's default says.
impl Peek for Connection {}

#[cfg(test)]
mod tests {
    use pingora::protocols::Stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::stage::hygiene::screen;

    const LIMITS: HeadLimits = HeadLimits { line_bytes_max: 128, head_bytes_max: 512, headers_max: 8 };

    /// A client that has sent this, and the gateway's side of its connection.
    async fn sent(octets: &[u8]) -> (DuplexStream, Connection) {
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(octets).await.unwrap();
        let stream: Stream = Box::new(server);
        (client, Connection::new(stream))
    }

    /// Opens the way for the next request as the accept stage does; its head.
    async fn begin(connection: &mut Connection) -> String {
        assert!(connection.first_octet().await.unwrap());
        let HeadRead::Complete(end) = connection.read_head(&LIMITS).await.unwrap() else { panic!("no whole head") };
        let head = connection.unread()[..end].to_vec();
        let framing = screen(&head, &LIMITS).unwrap();
        connection.begin(end, framing);
        String::from_utf8(head).unwrap()
    }

    /// Reads as Pingora does, in pieces of this size, until nothing more comes.
    async fn read_all(connection: &mut Connection, piece: usize) -> io::Result<String> {
        let mut read = Vec::new();
        let mut space = vec![0; piece];
        loop {
            let next = tokio::select! {
                biased;
                next = connection.read(&mut space) => next?,
                () = tokio::task::yield_now() => break,
            };
            if next == 0 {
                break;
            }
            read.extend_from_slice(&space[..next]);
        }
        Ok(String::from_utf8(read).unwrap())
    }

    const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    const POST: &str = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n";

    #[tokio::test]
    async fn the_parser_never_sees_an_octet_of_the_next_request() {
        let requests = [GET, POST, CHUNKED, GET];
        for piece in [1, 7, 4096] {
            let (_client, mut connection) = sent(requests.concat().as_bytes()).await;
            for request in requests {
                let head = begin(&mut connection).await;
                assert!(request.starts_with(&head));
                assert_eq!(read_all(&mut connection, piece).await.unwrap(), request, "in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_arrives_later_is_measured_too() {
        let (mut client, mut connection) = sent(POST.split_at(POST.len() - 3).0.as_bytes()).await;
        begin(&mut connection).await;
        assert_eq!(read_all(&mut connection, 64).await.unwrap(), POST.split_at(POST.len() - 3).0);
        assert!(!connection.is_at_a_request(), "the rest of the body is none");
        client.write_all(format!("llo{GET}").as_bytes()).await.unwrap();
        assert_eq!(read_all(&mut connection, 64).await.unwrap(), "llo");
        assert!(connection.is_at_a_request());
        assert_eq!(begin(&mut connection).await, GET);
    }

    #[tokio::test]
    async fn bad_framing_ends_the_connection_before_the_parser_sees_it() {
        let smuggled = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;\nx\r\nabc\r\n0\r\n\r\n";
        let (_client, mut connection) = sent(smuggled.as_bytes()).await;
        begin(&mut connection).await;
        let error = read_all(&mut connection, 4096).await.map(|_| ());
        let error = match error {
            Ok(()) => read_all(&mut connection, 4096).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_between_requests_is_noticed() {
        let (client, mut connection) = sent(GET.as_bytes()).await;
        begin(&mut connection).await;
        assert_eq!(read_all(&mut connection, 4096).await.unwrap(), GET);
        drop(client);
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(!connection.first_octet().await.unwrap());
    }

    #[tokio::test]
    async fn what_waits_for_the_next_request_is_bounded() {
        let (mut client, mut connection) = sent(GET.as_bytes()).await;
        begin(&mut connection).await;
        read_all(&mut connection, 4096).await.unwrap();
        client.write_all(&vec![b'x'; 60_000]).await.unwrap();
        assert_eq!(read_all(&mut connection, 4096).await.unwrap(), "");
        assert!(connection.unread().len() <= NEXT_REQUEST_BYTES_MAX + 1024);
    }

    #[tokio::test]
    async fn a_head_over_its_bound_is_told_before_it_ends() {
        let (_client, mut connection) = sent(&[b'x'; 200]).await;
        assert!(matches!(connection.read_head(&LIMITS).await.unwrap(), HeadRead::Overrun(RefusalCode::TargetTooLong)));
        let many = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(100));
        let (_client, mut connection) = sent(many.as_bytes()).await;
        assert!(matches!(connection.read_head(&LIMITS).await.unwrap(), HeadRead::Overrun(RefusalCode::HeadTooLarge)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut client, server) = duplex(8);
        let stream: Stream = Box::new(server);
        let mut connection = Connection::new(stream);
        let begun = tokio::time::Instant::now();
        let given_up = connection.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= CLIENT_WRITE_TIMEOUT);

        // Whoever takes a little has time anew.
        connection.stalled = None;
        client.read_exact(&mut [0; 8]).await.unwrap();
        connection.write_all(b"12345678").await.unwrap();
        assert!(connection.stalled.is_none());
    }

    #[tokio::test]
    async fn an_upgrade_opens_a_tunnel() {
        let ask = "GET /w HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let (mut client, mut connection) = sent(ask.as_bytes()).await;
        begin(&mut connection).await;
        assert_eq!(read_all(&mut connection, 4096).await.unwrap(), ask);
        client.write_all(b"frames").await.unwrap();
        assert_eq!(read_all(&mut connection, 4096).await.unwrap(), "frames");
    }
}
