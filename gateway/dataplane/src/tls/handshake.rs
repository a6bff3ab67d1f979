//! One handshake: the ClientHello first, then the settings of the host that it names.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cedargate_model::Host;
use pingora::protocols::Stream;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::client;
use super::hosts::{Chosen, TlsHosts};
use super::stream::TlsConnection;
use crate::arrival::Secured;

/// The fatal alert `unrecognized_name` (RFC 6066 §3) as a record.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Why a connection did not get as far as TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFailure {
    /// It was not done in time.
    #[error("the handshake was not done in time")]
    TimedOut,
    /// No host was named, and no certificate is the default.
    #[error("the client names no host")]
    Nameless,
    /// There is no certificate for the host that was named.
    #[error("the client names a host that has no certificate")]
    UnknownHost,
    /// The client went away before it said anything whole.
    #[error("the client went away")]
    Gone,
    /// It failed: no common version or suite, not TLS at all, or the client refused.
    #[error("the handshake failed")]
    Failed(#[source] io::Error),
}

impl HandshakeFailure {
    /// Every reason as a metric's label has it.
    pub(crate) const REASONS: [&str; 4] = ["timed_out", "nameless", "unknown_host", "failed"];

    /// The reason as a metric's label has it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Nameless => "nameless",
            Self::UnknownHost => "unknown_host",
            Self::Failed(_) | Self::Gone => "failed",
        }
    }
}

/// Does the whole handshake within `patience`.
///
/// # Errors
/// Why there is no connection; the client was told by an alert where one can be sent.
pub(crate) async fn accept(
    hosts: &TlsHosts,
    stream: Stream,
    patience: Duration,
) -> Result<(Stream, Secured), HandshakeFailure> {
    timeout(patience, shake(hosts, stream)).await.unwrap_or(Err(HandshakeFailure::TimedOut))
}

async fn shake(hosts: &TlsHosts, stream: Stream) -> Result<(Stream, Secured), HandshakeFailure> {
    let mut started =
        LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => HandshakeFailure::Gone,
            _ => HandshakeFailure::Failed(error),
        })?;
    let refused = match hosts.choose(started.client_hello().server_name()) {
        Chosen::Settings(settings) => {
            let stream = started.into_stream(settings).await.map_err(HandshakeFailure::Failed)?;
            let session = stream.get_ref().1;
            let name = session.server_name().and_then(|name| Host::parse(name).ok());
            let beyond = || HandshakeFailure::Failed(io::Error::other("a client certificate beyond bounds"));
            let (client, machine) = match session.peer_certificates() {
                None | Some([]) => (None, None),
                Some(chain @ [first, ..]) => {
                    let facts = client::facts(first).ok_or_else(beyond)?;
                    let authorities = name.as_ref().and_then(|name| hosts.authorities_of(name));
                    let shown = client::shown(chain, authorities.as_deref().unwrap_or_default()).ok_or_else(beyond)?;
                    (Some(Arc::new(facts)), Some(Arc::new(shown)))
                }
            };
            let secured = Secured { name, client, machine, asking: hosts.asking() };
            return Ok((Box::new(TlsConnection::new(stream)), secured));
        }
        Chosen::Nameless => HandshakeFailure::Nameless,
        Chosen::Unknown => HandshakeFailure::UnknownHost,
    };
    let told = async {
        started.io.write_all(&UNRECOGNIZED_NAME).await?;
        started.io.shutdown().await
    };
    // Whoever has gone already need not be told.
    let _ = told.await;
    Err(refused)
}
