//! Connections for upgrades, on which a service is not heard before its request is over.
//!
//! Pingora reads the answer and hands on the request side by side. Where it reads a 101 before it has seen that the request, which has
//! no body, is over, it takes that end for the tunnel's and closes it at once (cloudflare/pingora#946). So the answer to an upgrade waits
//! behind a [`Gate`] until the end of the request was on its way to the service's side.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What the service says is read.
const OPEN: u8 = 0;
/// It is not.
const SHUT: u8 = 1;
/// It will be, from the second look on: whoever looks at both sides has seen the request's end by then.
const OPENING: u8 = 2;

/// Whether a service is heard. Open at first, for the sake of a TLS handshake.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

impl Gate {
    /// The request is about to be sent.
    pub(crate) fn shut(&self) {
        self.0.store(SHUT, Ordering::Relaxed);
    }

    /// The request's end is handed on by the task that reads, before it reads again.
    pub(crate) fn open(&self) {
        // One that was never shut stays open: nothing would be held up, and nobody is to be woken.
        let _ = self.0.compare_exchange(SHUT, OPENING, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether to read now. If not, the task is woken again: by the request's end, or here.
    fn lets_read(&self, context: &Context<'_>) -> bool {
        match self.0.load(Ordering::Relaxed) {
            OPEN => true,
            OPENING => {
                self.0.store(OPEN, Ordering::Relaxed);
                context.waker().wake_by_ref();
                false
            }
            _ => false,
        }
    }
}

/// Connects to a service, behind a gate.
#[derive(Debug)]
pub(super) struct Gated(pub(super) Arc<Gate>);

#[async_trait]
impl L4Connect for Gated {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let failed =
            |source: io::Error| Error::because(ErrorType::ConnectError, format!("connecting to {address}"), source);
        let socket: Box<dyn VirtualSocket> = match address {
            SocketAddr::Inet(inet) => {
                let stream = TcpStream::connect(inet).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                Box::new(Heard { stream, gate: Arc::clone(&self.0) })
            }
            SocketAddr::Unix(unix) => {
                let path = unix.as_pathname().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                Box::new(Heard { stream, gate: Arc::clone(&self.0) })
            }
        };
        Ok(VirtualSocketStream::new(socket).into())
    }
}

/// A socket that is read where its gate lets it.
struct Heard<S> {
    stream: S,
    gate: Arc<Gate>,
}

impl<S> fmt::Debug for Heard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heard").field(&self.gate).finish()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.gate.lets_read(cx) {
            true => Pin::new(&mut self.stream).poll_read(cx, buffer),
            false => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> VirtualSocket for Heard<S> {
    /// Set when it was connected, or asked for nowhere.
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_a_service_says_waits_for_the_requests_end_and_one_look_more() {
        let (mut service, stream) = tokio::io::duplex(64);
        let gate = Arc::new(Gate::default());
        let mut heard = Heard { stream, gate: Arc::clone(&gate) };
        let mut buffer = [0; 16];

        service.write_all(b"hello").await.unwrap();
        assert_eq!(heard.read(&mut buffer).await.unwrap(), 5, "a handshake is not held up");

        gate.shut();
        service.write_all(b"101").await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut buffer = ReadBuf::new(&mut buffer);
            assert!(Pin::new(&mut heard).poll_read(&mut context, &mut buffer).is_pending());
        }
        gate.open();
        let mut first = ReadBuf::new(&mut buffer);
        assert!(Pin::new(&mut heard).poll_read(&mut context, &mut first).is_pending());
        // And now for good, with whoever waits being woken by the gate itself.
        gate.open();
        assert_eq!(heard.read(&mut buffer).await.unwrap(), 3);

        gate.shut();
        service.write_all(b"more").await.unwrap();
        gate.open();
        assert_eq!(heard.read(&mut buffer).await.unwrap(), 4);
    }
}
