//! A service of a test's own: with TLS or without, in HTTP/1.1 or HTTP/2, answering with what it saw of whoever asked.
//!
//! The last segment of a path says how it answers: `early` before the body has come, `never` not at all, `doubled` with its
//! length said twice.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A service that listens on a free port until it is dropped.
pub struct Backend {
    address: SocketAddr,
    tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    /// Ends with it.
    _runtime: Runtime,
}

impl Backend {
    /// Starts one.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn start(speaks: Speaks, tls: Option<ServerConfig>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let tls = Arc::new(Mutex::new(tls.map(Arc::new)));
        let shown = tls.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tls = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Whoever breaks off has been answered by what it noticed.
                tokio::spawn(async move { serve(stream, speaks, tls).await.ok() });
            }
        });
        Ok(Self { address, tls, _runtime: runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections are made with this from now on.
    pub fn show(&self, tls: ServerConfig) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tls));
    }
}

async fn serve(stream: TcpStream, speaks: Speaks, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    let Some(tls) = tls else { return speak(stream, speaks, None).await };
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let client = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let client = client.map(|own| BASE64_STANDARD.encode(own));
    speak(stream, speaks, client).await
}

async fn speak<S>(stream: S, speaks: Speaks, client: Option<String>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match speaks {
        Speaks::Http1 => speak_http1(stream, client).await,
        Speaks::Http2 => speak_http2(stream, client).await.map_err(io::Error::other),
    }
}

/// One request to a connection.
async fn speak_http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, client: Option<String>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let body = saw("HTTP/1.1", &line, client.as_deref());
    let length = if line.contains("/doubled ") { format!("{0}, {0}", body.len()) } else { body.len().to_string() };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn speak_http2<S: AsyncRead + AsyncWrite + Unpin>(stream: S, client: Option<String>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(taken) = connection.accept().await {
        let (request, respond) = taken?;
        let client = client.clone();
        tokio::spawn(async move { answer(request, respond, client).await.ok() });
    }
    Ok(())
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    client: Option<String>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let how = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut octets = 0;
    while how != "early"
        && let Some(piece) = body.data().await
    {
        let piece = piece?;
        octets += piece.len();
        body.flow_control().release_capacity(piece.len())?;
    }
    if how == "never" {
        std::future::pending::<()>().await;
    }
    let fields: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    let line = format!("{} {} {octets} {}", head.method, head.uri, fields.join(" "));
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(saw("HTTP/2", &line, client.as_deref()).into(), true)?;
    // The other half of the stream is held as long as the gateway holds its own.
    while how == "early"
        && let Some(piece) = body.data().await
    {
        piece?;
    }
    Ok(())
}

fn saw(protocol: &str, line: &str, client: Option<&str>) -> String {
    serde_json::json!({ "protocol": protocol, "line": line, "client": client }).to_string()
}
