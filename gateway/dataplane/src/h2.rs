//! HTTP/2 from clients: a connection whose frames are watched, and streams that each walk the whole way.
//!
//! The `h2` crate speaks the protocol, Pingora takes each stream for a request. Around both stands what neither does:
//! [`screen`] counts frames that cost and carry nothing, bounds a head's frames in number, size and time, and ends a
//! connection that floods; [`connection`] takes streams, answers heads that are refused, and drains.
//!
//! Always true: a stream reaches the walk only after its head was held to the rules of an HTTP/1 head
//! ([`hygiene::screen_stream`](crate::stage::hygiene::screen_stream)), and what the library or Pingora refuse by themselves is
//! recorded and counted all the same.

pub(crate) mod connection;
pub(crate) mod screen;
pub(crate) mod stall;

/// The bounds of HTTP/2 connections.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Requests under way at once on a connection.
    pub streams_max: u32,
    /// Frames that carry nothing of a request, on a connection in a second.
    pub control_frames_max: u32,
    /// Streams that a client gives up on a connection in a second.
    pub resets_max: u32,
}
