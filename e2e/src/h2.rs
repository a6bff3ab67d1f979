//! An HTTP/2 client that sends exactly the frames it is given.
//!
//! Heads are encoded as literals and never indexed, and of answers nothing is decoded but their frames: a refusal's code
//! stands in its body.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::http::Connection;

/// What every HTTP/2 connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (RFC 9113 §6).
pub mod kind {
    #![allow(missing_docs, reason = "the names are the protocol's own")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The end of what one side says on a stream.
pub const END_STREAM: u8 = 1;
/// The end of a head.
pub const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// One of [`kind`].
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an answer: whether it is a 200, and its body.
    Answered(bool, String),
    /// With RST_STREAM for this reason.
    Reset(u32),
    /// With the connection, GOAWAY's reason where there was one.
    Gone(Option<u32>),
}

impl Ended {
    /// The code of a refusal; empty if it is none.
    pub fn code(&self) -> String {
        let Self::Answered(_, body) = self else { return String::new() };
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        body.get("code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
    }

    /// Whether it is an answer of 200.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Answered(true, _))
    }
}

/// A connection that speaks in frames.
pub struct Frames(Connection);

impl Frames {
    /// Connects over TLS with HTTP/2 agreed on, and sends the preface and empty settings.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn open(address: SocketAddr, host: &str, trusting: Arc<ClientConfig>) -> io::Result<Self> {
        Self::begin(Connection::open_tls(address, host, trusting)?)
    }

    /// The same on a connection without TLS.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn begin(connection: Connection) -> io::Result<Self> {
        let mut frames = Self(connection);
        frames.0.send(PREFACE)?;
        frames.send(kind::SETTINGS, 0, 0, b"")?;
        Ok(frames)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = (length << 8 | u32::from(kind)).to_be_bytes().to_vec();
        frame.push(flags);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.send(&frame)
    }

    /// Sends a head whose fields stand as they are given, pseudo-headers among them; `end` where no body follows.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn head(&mut self, stream: u32, fields: &[(&[u8], &[u8])], end: bool) -> io::Result<()> {
        let flags = if end { END_STREAM | END_HEADERS } else { END_HEADERS };
        self.send(kind::HEADERS, flags, stream, &encode(fields))
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn read(&mut self) -> io::Result<Frame> {
        let head = self.0.exactly(9)?;
        let [a, b, c, kind, flags, d, e, f, g] = head.as_slice() else { return Err(io::ErrorKind::InvalidData.into()) };
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let stream = u32::from_be_bytes([*d, *e, *f, *g]);
        Ok(Frame { kind: *kind, flags: *flags, stream, payload: self.0.exactly(length)? })
    }

    /// Reads until a stream has ended; what belongs to others is dropped.
    pub fn ended(&mut self, stream: u32) -> Ended {
        let (mut is_ok, mut body, mut gone) = (false, Vec::new(), None);
        loop {
            let Ok(frame) = self.read() else { return Ended::Gone(gone) };
            match frame.kind {
                kind::SETTINGS | kind::PING if frame.flags & ACK == 0 => {
                    let payload = if frame.kind == kind::PING { frame.payload } else { Vec::new() };
                    if self.send(frame.kind, ACK, 0, &payload).is_err() {
                        return Ended::Gone(gone);
                    }
                }
                kind::GOAWAY => gone = frame.payload.get(4..8).map(reason),
                kind::RST_STREAM if frame.stream == stream => return Ended::Reset(reason(&frame.payload)),
                kind::HEADERS | kind::DATA if frame.stream == stream => {
                    if frame.kind == kind::HEADERS {
                        // Index 8 of the static table is `:status: 200` (RFC 7541, appendix A), behind what may change
                        // the table's size.
                        let first = frame.payload.iter().find(|octet| **octet & 0xe0 != 0x20);
                        is_ok = is_ok || first == Some(&0x88);
                    } else {
                        body.extend(&frame.payload);
                    }
                    if frame.flags & END_STREAM != 0 {
                        return Ended::Answered(is_ok, String::from_utf8_lossy(&body).into_owned());
                    }
                }
                _ => {}
            }
        }
    }
}

fn reason(payload: &[u8]) -> u32 {
    payload.iter().take(4).fold(0, |reason, octet| reason << 8 | u32::from(*octet))
}

/// A head's fields as literals without indexing (RFC 7541 §6.2.2), of octets as they are.
pub fn encode(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            encode_length(text.len(), &mut block);
            block.extend(*text);
        }
    }
    block
}

/// A length with a prefix of seven bits (RFC 7541 §5.1).
fn encode_length(length: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(127) else {
        block.push(u8::try_from(length).unwrap_or(127));
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap_or_default() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap_or_default());
}
