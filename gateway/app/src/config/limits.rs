//! How much anybody may ask for.

use std::time::Duration;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[limits]",
    about: "How much anybody may ask for. A rate is so many requests in a window: all of them may come at once, then they \
            are regained evenly.",
    keys: &[
        ADDRESS_REQUESTS,
        ADDRESS_WINDOW_SECONDS,
        PRINCIPAL_REQUESTS,
        PRINCIPAL_WINDOW_SECONDS,
        TENANT_REQUESTS,
        TENANT_WINDOW_SECONDS,
        RATE_KEYS_MAX,
        LINE_BYTES_MAX,
        HEAD_BYTES_MAX,
        HEADERS_MAX,
        CONNECTIONS_MAX,
        ADDRESS_CONNECTIONS_MAX,
        STREAMS_MAX,
        STREAM_RESETS_MAX,
        CONTROL_FRAMES_MAX,
        HANDSHAKE_TIMEOUT_MS,
        HEAD_TIMEOUT_MS,
        BODY_TIMEOUT_MS,
        IDLE_TIMEOUT_MS,
        DECISIONS_CACHED_BYTES_MAX,
        ASSERTIONS_CACHED_MAX,
        UPSTREAM_CONNECTIONS_IDLE_MAX,
    ],
};

const fn integer(name: &'static str, min: u64, max: u64, default: &'static str, about: &'static str) -> Key {
    Key { name, shape: Shape::Integer { min, max }, fallback: Fallback::Value(default), environment: None, about }
}

const CONNECTIONS_MAX: Key = integer(
    "connections_max",
    0,
    1_000_000,
    "0",
    "Client connections in all. Whoever comes beyond them is turned away before a word. `0` is as many as the limit of open files \
     allows, which also bounds any other number.",
);
const ADDRESS_REQUESTS: Key = integer(
    "address_requests",
    1,
    1_000_000,
    "600",
    "Requests of one client address (an IPv4 address, an IPv6 /64) in its window. A browser's page with its assets \
     takes some dozens; an office behind one address needs more.",
);
const ADDRESS_WINDOW_SECONDS: Key =
    integer("address_window_seconds", 1, 86_400, "60", "The window of `address_requests`.");
const PRINCIPAL_REQUESTS: Key =
    integer("principal_requests", 1, 1_000_000, "600", "Requests of one person or machine in its window.");
const PRINCIPAL_WINDOW_SECONDS: Key =
    integer("principal_window_seconds", 1, 86_400, "60", "The window of `principal_requests`.");
const TENANT_REQUESTS: Key = integer(
    "tenant_requests",
    1,
    1_000_000,
    "60000",
    "Requests of one tenant in its window, so that no tenant takes the gateway from the others.",
);
const TENANT_WINDOW_SECONDS: Key =
    integer("tenant_window_seconds", 1, 86_400, "60", "The window of `tenant_requests`.");
const RATE_KEYS_MAX: Key = integer(
    "rate_keys_max",
    1_024,
    16_777_216,
    "65536",
    "How many addresses, and how many principals, are remembered at least. Beyond that the ones not seen for longest \
     are forgotten.",
);
const LINE_BYTES_MAX: Key = integer(
    "line_bytes_max",
    1_024,
    65_536,
    "8192",
    "The longest request line and header. RFC 9112 §3 asks for 8,000 at least.",
);
const HEAD_BYTES_MAX: Key = integer("head_bytes_max", 2_048, 262_144, "32768", "The largest head of a request.");
const HEADERS_MAX: Key = integer("headers_max", 16, 256, "100", "How many headers a request may have.");
const ADDRESS_CONNECTIONS_MAX: Key = integer(
    "address_connections_max",
    1,
    1_000_000,
    "512",
    "Connections that one client address (an IPv4 address, an IPv6 /64) may have open. A browser opens six; an office behind \
     one address has many browsers. Trusted proxies are not held to it.",
);
const STREAMS_MAX: Key =
    integer("streams_max", 1, 10_000, "100", "Requests under way at once on one HTTP/2 connection.");
const STREAM_RESETS_MAX: Key = integer(
    "stream_resets_max",
    1,
    100_000,
    "100",
    "Streams that a client may give up on one HTTP/2 connection in a second, and twice as many at once. Beyond it the \
     connection is ended (CVE-2023-44487).",
);
const CONTROL_FRAMES_MAX: Key = integer(
    "control_frames_max",
    10,
    1_000_000,
    "1000",
    "Frames that carry nothing of a request (PING, SETTINGS, PRIORITY, empty DATA) on one HTTP/2 connection in a second, and \
     twice as many at once. Beyond it the connection is ended.",
);
const HANDSHAKE_TIMEOUT_MS: Key = integer(
    "handshake_timeout_ms",
    100,
    60_000,
    "5000",
    "From a TLS connection's first moment to the end of its handshake. Three round trips at worst, and some mathematics.",
);
const HEAD_TIMEOUT_MS: Key = integer(
    "head_timeout_ms",
    100,
    120_000,
    "10000",
    "From the first octet of a head to its last: what slow clients have.",
);
const BODY_TIMEOUT_MS: Key = integer(
    "body_timeout_ms",
    100,
    600_000,
    "30000",
    "From the first octet to the last of a body that is read for inspection.",
);
const IDLE_TIMEOUT_MS: Key =
    integer("idle_timeout_ms", 100, 3_600_000, "60000", "How long a connection may wait for its next request.");
const DECISIONS_CACHED_BYTES_MAX: Key = integer(
    "decisions_cached_bytes_max",
    0,
    17_179_869_184,
    "33554432",
    "The memory in octets for decisions that are kept, of 0.5 to 1 KiB each. A kept one always equals a fresh one; `0` \
     keeps none.",
);
const ASSERTIONS_CACHED_MAX: Key = integer(
    "assertions_cached_max",
    0,
    10_000_000,
    "100000",
    "How many signed identities are kept, of about 1 KiB each: one for every session and service in use.",
);
const UPSTREAM_CONNECTIONS_IDLE_MAX: Key = integer(
    "upstream_connections_idle_max",
    1,
    65_536,
    "128",
    "Idle connections kept to all upstreams together, for each proxy thread.",
);

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) requests: u32,
    pub(crate) window_seconds: u32,
}

/// `[limits]`, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) address: Rate,
    pub(crate) principal: Rate,
    pub(crate) tenant: Rate,
    pub(crate) rate_keys_max: usize,
    pub(crate) line_bytes_max: usize,
    pub(crate) head_bytes_max: usize,
    pub(crate) headers_max: usize,
    pub(crate) connections_max: Option<usize>,
    pub(crate) address_connections_max: u32,
    pub(crate) streams_max: u32,
    pub(crate) stream_resets_max: u32,
    pub(crate) control_frames_max: u32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) decisions_cached_bytes_max: u64,
    pub(crate) assertions_cached_max: u64,
    pub(crate) upstream_connections_idle_max: usize,
}

impl Limits {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let address = rate(&mut section, &ADDRESS_REQUESTS, &ADDRESS_WINDOW_SECONDS);
        let principal = rate(&mut section, &PRINCIPAL_REQUESTS, &PRINCIPAL_WINDOW_SECONDS);
        let tenant = rate(&mut section, &TENANT_REQUESTS, &TENANT_WINDOW_SECONDS);
        let rate_keys_max = section.integer_as(&RATE_KEYS_MAX);
        let line_bytes_max = section.integer_as::<usize>(&LINE_BYTES_MAX);
        let head_bytes_max = section.integer_as::<usize>(&HEAD_BYTES_MAX);
        let headers_max = section.integer_as(&HEADERS_MAX);
        let connections_max = section.integer_as::<usize>(&CONNECTIONS_MAX);
        let address_connections_max = section.integer_as(&ADDRESS_CONNECTIONS_MAX);
        let streams_max = section.integer_as(&STREAMS_MAX);
        let stream_resets_max = section.integer_as(&STREAM_RESETS_MAX);
        let control_frames_max = section.integer_as(&CONTROL_FRAMES_MAX);
        let handshake_timeout = section.integer(&HANDSHAKE_TIMEOUT_MS);
        let head_timeout = section.integer(&HEAD_TIMEOUT_MS);
        let body_timeout = section.integer(&BODY_TIMEOUT_MS);
        let idle_timeout = section.integer(&IDLE_TIMEOUT_MS);
        let decisions_cached_bytes_max = section.integer(&DECISIONS_CACHED_BYTES_MAX);
        let assertions_cached_max = section.integer(&ASSERTIONS_CACHED_MAX);
        let upstream_connections_idle_max = section.integer_as(&UPSTREAM_CONNECTIONS_IDLE_MAX);
        if let (Ok(line), Ok(head)) = (line_bytes_max, head_bytes_max)
            && line > head
        {
            section.complain(
                &HEAD_BYTES_MAX,
                format!("{head} is less than one line may have (`line_bytes_max` is {line})"),
            );
            section.finish();
            return Err(Noted);
        }
        section.finish();
        Ok(Self {
            address: address?,
            principal: principal?,
            tenant: tenant?,
            rate_keys_max: rate_keys_max?,
            line_bytes_max: line_bytes_max?,
            head_bytes_max: head_bytes_max?,
            headers_max: headers_max?,
            connections_max: Some(connections_max?).filter(|max| *max > 0),
            address_connections_max: address_connections_max?,
            streams_max: streams_max?,
            stream_resets_max: stream_resets_max?,
            control_frames_max: control_frames_max?,
            handshake_timeout: Duration::from_millis(handshake_timeout?),
            head_timeout: Duration::from_millis(head_timeout?),
            body_timeout: Duration::from_millis(body_timeout?),
            idle_timeout: Duration::from_millis(idle_timeout?),
            decisions_cached_bytes_max: decisions_cached_bytes_max?,
            assertions_cached_max: assertions_cached_max?,
            upstream_connections_idle_max: upstream_connections_idle_max?,
        })
    }
}

fn rate(section: &mut Section<'_, '_>, requests: &'static Key, window: &'static Key) -> Result<Rate, Noted> {
    let (requests, window_seconds) = (section.integer_as(requests), section.integer_as(window));
    Ok(Rate { requests: requests?, window_seconds: window_seconds? })
}
