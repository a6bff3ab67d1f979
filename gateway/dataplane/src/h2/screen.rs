//! Watches the frames of a connection go by, in both directions, and says when it is abused.
//!
//! Nothing is decoded but the nine octets before each frame (RFC 9113 §4.1) and the reason in RST_STREAM. What is watched for:
//! frames that make us work and carry nothing of a request (PING, SETTINGS, PRIORITY, empty DATA: CVE-2019-9511 to 9518),
//! streams that are opened only to be given up (rapid reset, CVE-2023-44487), heads without end (CONTINUATION, CVE-2024-27316),
//! and heads that trickle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use cedargate_model::RefusalCode;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::Sleep;

use super::StreamLimits;

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The octets before each frame's payload.
const FRAME_HEAD_BYTES: usize = 9;

/// How many CONTINUATION frames a head may have: at 16 KiB a frame, far more than any bound of heads.
const CONTINUATIONS_MAX: u32 = 16;

/// How many seconds' worth of frames may come at once.
const BURST_SECONDS: u32 = 2;

/// Frames of a window are worth many times less than others: every piece of an answer brings two of them.
const WINDOW_UPDATES_PER_FRAME: u32 = 64;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PROTOCOL_ERROR: u32 = 1;

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abuse {
    /// Too many frames that carry nothing.
    Frames,
    /// Too many streams given up.
    Resets,
    /// A head of too many octets or frames.
    Head,
    /// A head that did not end in time.
    SlowHead,
}

impl Abuse {
    /// What it is refused with, and what the operator is told.
    pub(crate) fn refusal(self) -> (RefusalCode, &'static str) {
        match self {
            Self::Frames => (RefusalCode::ConnectionAbused, "too many frames that carry nothing of a request"),
            Self::Resets => (RefusalCode::ConnectionAbused, "too many streams opened and given up"),
            Self::Head => (RefusalCode::HeadTooLarge, "a head of too many octets or frames"),
            Self::SlowHead => (RefusalCode::HeadTimeout, ""),
        }
    }
}

/// What the screen, and the walks of a connection's streams, tell the connection's loop.
#[derive(Debug)]
pub(crate) struct Signals {
    abuse: watch::Sender<Option<Abuse>>,
    /// Streams that were reset as malformed and nobody has taken note of yet.
    malformed: AtomicU32,
    /// Requests that a walk refused for what their heads were, and nobody has taken note of yet.
    distrusted: AtomicU32,
    noticed: Notify,
    opened: Instant,
    /// When the head that is unfinished began, in microseconds since `opened` and one; 0 where there is none.
    head_began: AtomicU64,
    /// Something was written since the last time that this was asked.
    has_written: AtomicBool,
    /// The client takes no more for now.
    is_blocked: AtomicBool,
}

impl Signals {
    fn new() -> Self {
        Self {
            abuse: watch::Sender::new(None),
            malformed: AtomicU32::new(0),
            distrusted: AtomicU32::new(0),
            noticed: Notify::new(),
            opened: Instant::now(),
            head_began: AtomicU64::new(0),
            has_written: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
        }
    }

    /// Waits until the connection is abused.
    pub(crate) async fn abused(&self) -> Abuse {
        let mut told = self.abuse.subscribe();
        loop {
            let seen = *told.borrow_and_update();
            if let Some(abuse) = seen {
                return abuse;
            }
            // The sender is `self`, so it is there.
            let _ = told.changed().await;
        }
    }

    fn reset_malformed(&self, count: u32) {
        if count > 0 {
            self.malformed.fetch_add(count, Ordering::Relaxed);
            self.noticed.notify_one();
        }
    }

    fn set_head(&self, began: Option<Instant>) {
        let since = began.map(|began| began.saturating_duration_since(self.opened).as_micros());
        let since = since.map_or(0, |micros| u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1));
        self.head_began.store(since, Ordering::Relaxed);
    }

    /// How old the head is that has begun to arrive and has not ended. It has a deadline of its own.
    pub(crate) fn head_age(&self) -> Option<Duration> {
        let since = self.head_began.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.opened.elapsed().saturating_sub(Duration::from_micros(since)))
    }

    fn wrote<T>(&self, polled: &Poll<io::Result<T>>) {
        self.is_blocked.store(polled.is_pending(), Ordering::Relaxed);
        if matches!(polled, Poll::Ready(Ok(_))) {
            self.has_written.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something still leaves: some was written since this was asked last, or some waits for the client to read.
    pub(crate) fn take_progress(&self) -> bool {
        self.has_written.swap(false, Ordering::Relaxed) || self.is_blocked.load(Ordering::Relaxed)
    }

    /// Waits until a stream was reset as malformed, or distrusted.
    pub(crate) async fn noticed(&self) {
        self.noticed.notified().await;
    }

    /// Takes how many streams were reset as malformed since the last time.
    ///
    /// Those that Pingora resets are among them, and it tells of those as well: of what it rejects it answers some and resets
    /// others, and does not say which. They count twice, so that none counts never.
    pub(crate) fn take_malformed(&self) -> u32 {
        self.malformed.swap(0, Ordering::Relaxed)
    }

    /// A walk refused a request of the connection for what its head was. It is on record already.
    pub(crate) fn distrust(&self) {
        self.distrusted.fetch_add(1, Ordering::Relaxed);
        self.noticed.notify_one();
    }

    /// Takes how many requests were distrusted since the last time.
    pub(crate) fn take_distrusted(&self) -> u32 {
        self.distrusted.swap(0, Ordering::Relaxed)
    }
}

/// A connection whose frames are watched.
#[derive(Debug)]
pub(crate) struct Screen {
    inner: Stream,
    /// Read before anybody knew that this is HTTP/2.
    ahead: BytesMut,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Runs while a head is unfinished.
    head_deadline: Option<(u64, Pin<Box<Sleep>>)>,
    head_timeout: Duration,
    signals: Arc<Signals>,
}

impl Screen {
    pub(crate) fn new(
        inner: Stream,
        ahead: BytesMut,
        limits: StreamLimits,
        head_bytes_max: usize,
        head_timeout: Duration,
    ) -> (Self, Arc<Signals>) {
        let signals = Arc::new(Signals::new());
        let incoming = Incoming::new(limits, head_bytes_max, Instant::now());
        let outgoing = Outgoing::default();
        let told = signals.clone();
        (Self { inner, ahead, incoming, outgoing, head_deadline: None, head_timeout, signals }, told)
    }

    /// Ends the reading: the loop hears of it, and nothing more is handed on.
    fn end(&self, abuse: Abuse) -> Poll<io::Result<()>> {
        self.signals.abuse.send_replace(Some(abuse));
        Poll::Pending
    }

    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.incoming.is_in_a_head() {
            self.head_deadline = None;
            return Poll::Pending;
        }
        let (head, timeout) = (self.incoming.heads, self.head_timeout);
        if self.head_deadline.as_ref().is_some_and(|(of, _)| *of != head) {
            self.head_deadline = None;
        }
        let until = tokio::time::Instant::from_std(self.incoming.head_began + timeout);
        let (_, deadline) = self.head_deadline.get_or_insert_with(|| (head, Box::pin(tokio::time::sleep_until(until))));
        deadline.as_mut().poll(cx)
    }
}

impl AsyncRead for Screen {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.signals.abuse.borrow().is_some() {
            return Poll::Pending;
        }
        let before = out.filled().len();
        if this.ahead.is_empty() {
            if Pin::new(&mut this.inner).poll_read(cx, out)?.is_pending() {
                ready!(this.poll_head_deadline(cx));
                return this.end(Abuse::SlowHead);
            }
        } else {
            let count = this.ahead.len().min(out.remaining());
            out.put_slice(this.ahead.get(..count).unwrap_or_default());
            this.ahead.advance(count);
        }
        let octets = out.filled().get(before..).unwrap_or_default();
        if let Err(abuse) = this.incoming.feed(octets, Instant::now()) {
            out.set_filled(before);
            return this.end(abuse);
        }
        this.signals.set_head(this.incoming.is_in_a_head().then_some(this.incoming.head_began));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Screen {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.signals.wrote(&polled);
        let written = ready!(polled)?;
        let resets = this.outgoing.feed(bytes.get(..written).unwrap_or_default());
        this.signals.reset_malformed(resets);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.signals.wrote(&polled);
        let written = ready!(polled)?;
        let mut left = written;
        for slice in slices {
            let taken = slice.get(..left.min(slice.len())).unwrap_or_default();
            let resets = this.outgoing.feed(taken);
            this.signals.reset_malformed(resets);
            left -= taken.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        // The library flushes where it has nothing to write, too: only what waits is news.
        self.signals.is_blocked.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Where in the sequence of frames the next octet stands.
#[derive(Debug)]
enum At {
    /// So many octets of the preface are still to come.
    Preface(usize),
    /// In a frame's head, of which so many octets were read.
    Head([u8; FRAME_HEAD_BYTES], usize),
    /// So many octets of a payload are still to come.
    Payload(usize),
}

const START: At = At::Head([0; FRAME_HEAD_BYTES], 0);

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

impl Frame {
    fn parse(head: [u8; FRAME_HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, ..] = head;
        Self { length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c), kind, flags }
    }
}

/// The account of what a client sends.
#[derive(Debug)]
struct Incoming {
    at: At,
    /// The head under way: its octets and its CONTINUATION frames so far.
    head: Option<(usize, u32)>,
    /// How many heads have begun, and when the last of them did.
    heads: u64,
    head_began: Instant,
    head_bytes_max: usize,
    frames: Allowance,
    resets: Allowance,
    window_updates: u32,
}

impl Incoming {
    fn new(limits: StreamLimits, head_bytes_max: usize, now: Instant) -> Self {
        Self {
            at: At::Preface(PREFACE.len()),
            head: None,
            heads: 0,
            head_began: now,
            head_bytes_max,
            frames: Allowance::new(limits.control_frames_max, now),
            resets: Allowance::new(limits.resets_max, now),
            window_updates: 0,
        }
    }

    /// Whether a head has begun and has not ended: its frames, or the nine octets that announce one.
    fn is_in_a_head(&self) -> bool {
        self.head.is_some()
    }

    fn feed(&mut self, octets: &[u8], now: Instant) -> Result<(), Abuse> {
        let mut rest = octets;
        while !rest.is_empty() {
            match &mut self.at {
                At::Preface(left) | At::Payload(left) => {
                    let taken = rest.len().min(*left);
                    *left -= taken;
                    rest = rest.get(taken..).unwrap_or_default();
                    if *left == 0 {
                        self.payload_ended();
                    }
                }
                At::Head(head, read) => {
                    let taken = rest.len().min(FRAME_HEAD_BYTES - *read);
                    let (now_read, later) = rest.split_at_checked(taken).unwrap_or_default();
                    head.iter_mut().skip(*read).zip(now_read).for_each(|(to, from)| *to = *from);
                    *read += taken;
                    rest = later;
                    if *read == FRAME_HEAD_BYTES {
                        let frame = Frame::parse(*head);
                        self.at = At::Payload(frame.length);
                        self.frame(frame, now)?;
                        if frame.length == 0 {
                            self.payload_ended();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A frame's payload is complete.
    fn payload_ended(&mut self) {
        self.at = START;
        if self.head.is_some_and(|(_, continuations)| continuations == ENDING) {
            self.head = None;
        }
    }

    fn frame(&mut self, frame: Frame, now: Instant) -> Result<(), Abuse> {
        match frame.kind {
            kind::HEADERS | kind::CONTINUATION => self.head_frame(frame, now),
            kind::DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => Ok(()),
            kind::WINDOW_UPDATE => {
                self.window_updates += 1;
                if self.window_updates.is_multiple_of(WINDOW_UPDATES_PER_FRAME) {
                    self.frames.spend(now).ok_or(Abuse::Frames)?;
                }
                Ok(())
            }
            kind::RST_STREAM => self.resets.spend(now).ok_or(Abuse::Resets),
            _ => self.frames.spend(now).ok_or(Abuse::Frames),
        }
    }

    /// Bounds a head before it is decoded: the library keeps its octets until the last frame.
    fn head_frame(&mut self, frame: Frame, now: Instant) -> Result<(), Abuse> {
        let (bytes, continuations) = match (frame.kind, self.head) {
            (kind::CONTINUATION, Some((bytes, continuations))) => (bytes, continuations + 1),
            _ => {
                self.heads += 1;
                self.head_began = now;
                (0, 0)
            }
        };
        let bytes = bytes + frame.length;
        if bytes > self.head_bytes_max || continuations > CONTINUATIONS_MAX {
            return Err(Abuse::Head);
        }
        let continuations = if frame.flags & END_HEADERS != 0 { ENDING } else { continuations };
        self.head = Some((bytes, continuations));
        Ok(())
    }
}

/// In place of the number of CONTINUATION frames: this frame is the head's last.
const ENDING: u32 = u32::MAX;

/// So many a second, and a few seconds' worth at once.
#[derive(Debug)]
struct Allowance {
    per_second: u32,
    left: u32,
    refilled: Instant,
}

impl Allowance {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: per_second.saturating_mul(BURST_SECONDS), refilled: now }
    }

    /// Takes one. `None` if there is none left.
    fn spend(&mut self, now: Instant) -> Option<()> {
        if self.left == 0 {
            let passed = now.saturating_duration_since(self.refilled);
            let regained = passed.as_secs_f64() * f64::from(self.per_second);
            let most = f64::from(self.per_second.saturating_mul(BURST_SECONDS));
            // Within the bounds of u32 by `min`, and never negative.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded on the line above")]
            let regained = regained.min(most) as u32;
            self.left = regained;
            if regained > 0 {
                self.refilled = now;
            }
        }
        self.left = self.left.checked_sub(1)?;
        Some(())
    }
}

/// The account of what is sent to a client: which streams the library found malformed.
#[derive(Debug)]
struct Outgoing {
    at: At,
    /// Of a RST_STREAM frame: its reason so far.
    reset: Option<u32>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { at: START, reset: None }
    }
}

impl Outgoing {
    /// How many streams were reset as malformed.
    fn feed(&mut self, octets: &[u8]) -> u32 {
        let (mut rest, mut malformed) = (octets, 0);
        while !rest.is_empty() {
            match &mut self.at {
                At::Preface(left) | At::Payload(left) => {
                    let taken = rest.len().min(*left);
                    let (now_read, later) = rest.split_at_checked(taken).unwrap_or_default();
                    if let Some(reason) = &mut self.reset {
                        *reason = now_read.iter().fold(*reason, |reason, octet| reason << 8 | u32::from(*octet));
                    }
                    *left -= taken;
                    rest = later;
                    if *left == 0 {
                        malformed += u32::from(self.reset.take() == Some(PROTOCOL_ERROR));
                        self.at = START;
                    }
                }
                At::Head(head, read) => {
                    let taken = rest.len().min(FRAME_HEAD_BYTES - *read);
                    let (now_read, later) = rest.split_at_checked(taken).unwrap_or_default();
                    head.iter_mut().skip(*read).zip(now_read).for_each(|(to, from)| *to = *from);
                    *read += taken;
                    rest = later;
                    if *read == FRAME_HEAD_BYTES {
                        let frame = Frame::parse(*head);
                        self.reset = (frame.kind == kind::RST_STREAM).then_some(0);
                        self.at = if frame.length == 0 { START } else { At::Payload(frame.length) };
                    }
                }
            }
        }
        malformed
    }
}

#[async_trait]
impl Shutdown for Screen {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.inner).await;
    }
}

impl UniqueID for Screen {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Screen {
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

impl GetTimingDigest for Screen {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Screen {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Screen {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

// Peeking is not supported, which the trait's default says.
impl Peek for Screen {}

#[cfg(test)]
mod tests;
