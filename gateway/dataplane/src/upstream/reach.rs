//! How the backends of one service are reached: protocol, TLS, and the bounds of a connection.

use std::time::Duration;

use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::HttpPeer;

use super::tls::{LiveTls, UpstreamTls};
use crate::tls::TlsError;

/// How many requests share one HTTP/2 connection to a service.
const STREAMS_MAX: usize = 64;

/// How much of an answer a service may send before it is read, in octets. All streams of a connection together may have as
/// much as each of them: a client that reads slowly holds up its own answer and nobody else's.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * 64;

/// What a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 and nothing else: agreed on in the handshake where there is TLS, begun with where there is none.
    Http2,
}

/// Makes peers of addresses.
pub(super) struct Reach {
    pub(super) protocol: Protocol,
    pub(super) tls: Option<LiveTls>,
    pub(super) connect_timeout: Duration,
}

impl Reach {
    pub(super) fn new(protocol: Protocol, tls: Option<UpstreamTls>, connect: Duration) -> Result<Self, TlsError> {
        Ok(Self { protocol, tls: tls.map(LiveTls::load).transpose()?, connect_timeout: connect })
    }

    /// The backend at this address. `None` for an address that is none.
    pub(super) fn peer(&self, address: &SocketAddr) -> Option<Box<HttpPeer>> {
        let name = self.tls.as_ref().map(LiveTls::server_name).unwrap_or_default();
        let has_tls = self.tls.is_some();
        let mut peer = match address {
            SocketAddr::Inet(address) => HttpPeer::new(address, has_tls, name.to_owned()),
            SocketAddr::Unix(address) => {
                HttpPeer::new_uds(address.as_pathname()?.to_str()?, has_tls, name.to_owned()).ok()?
            }
        };
        if let Some(tls) = &self.tls {
            let material = tls.material();
            peer.options.ca.clone_from(&material.authorities);
            peer.client_cert_key.clone_from(&material.client);
            peer.group_key = material.generation;
        }
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect_timeout);
        options.total_connection_timeout = Some(self.connect_timeout);
        if self.protocol == Protocol::Http2 {
            options.set_http_version(2, 2);
            options.max_h2_streams = STREAMS_MAX;
            options.h2_stream_window_size = Some(STREAM_WINDOW_BYTES);
            options.h2_connection_window_size = Some(CONNECTION_WINDOW_BYTES);
        }
        Some(Box::new(peer))
    }
}
