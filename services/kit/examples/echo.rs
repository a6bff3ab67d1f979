//! A service that trusts nothing and tells everything: it answers with exactly what it received.
//!
//! The gateway's end-to-end tests put it behind a route to see what a service really gets, and what becomes of an answer
//! that tries things. It speaks HTTP/1.1 by itself, because a framework would already have tidied names, order and target.
//!
//! ```text
//! echo unix:/run/echo.sock        echo 127.0.0.1:0        (prints `listening on <place>` once it does)
//! ```
//!
//! The last segment of the path chooses the answer:
//!
//! | path ends in | answer |
//! |---|---|
//! | `/slow?ms=500` | the echo, after that time |
//! | `/stream?chunks=3&bytes=1024&ms=100` | 200, chunked, that many chunks with a pause before each |
//! | `/cut?bytes=10` | 200 that promises 1,000 bytes, sends that many and closes |
//! | `/silent` | nothing, and closes |
//! | `/status?code=503` | the echo, with that status |
//! | `/hostile` | the echo, with headers that a service must not be able to set |
//! | `/switch` | 101 although nobody asked, then bytes come back as they were sent |
//! | anything else | the echo; with `Upgrade: websocket` 101, then bytes come back as they were sent |

use std::io::{self, Write as _};
use std::time::Duration;

use cedargate_kit::{Bound, Listen};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

/// The longest head, in bytes: more than the gateway lets through.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("say where to listen: `unix:PATH` or `127.0.0.1:PORT`")?;
    match place.parse::<Listen>()?.bind().await? {
        Bound::Unix(listener, path) => {
            announce(&format!("unix:{}", path.display()))?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(converse(stream));
            }
        }
        Bound::Tcp(listener) => {
            announce(&listener.local_addr()?.to_string())?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(converse(stream));
            }
        }
    }
}

fn announce(place: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "listening on {place}")?;
    out.flush()
}

/// Answers requests on one connection until either side is done with it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let mut stream = BufReader::new(stream);
    // Whoever looks at the answers notices a broken connection; there is nobody else to tell.
    while let Ok(true) = exchange(&mut stream).await {}
}

/// One request and its answer. False once the connection is over.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<bool> {
    let Some(request) = Request::read(stream).await? else { return Ok(false) };
    let number = |name: &str, default: u64| request.parameter(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    match request.last_segment() {
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms", 1_000))).await;
            request.answer(stream, 200, "").await
        }
        "stream" => request.stream(stream, number("chunks", 3), number("bytes", 1_024), number("ms", 100)).await,
        "cut" => {
            let body = vec![b'x'; usize::try_from(number("bytes", 10)).unwrap_or(0).min(999)];
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await?;
            stream.write_all(&body).await?;
            stream.flush().await?;
            Ok(false)
        }
        "silent" => Ok(false),
        "status" => request.answer(stream, number("code", 200), "").await,
        "hostile" => request.answer(stream, 200, HOSTILE).await,
        "switch" => tunnel(stream).await,
        _ if request.asks_for_websocket() => tunnel(stream).await,
        _ => request.answer(stream, 200, "").await,
    }
}

/// What a service must not be able to do to a browser behind the gateway, and a policy of its own, which it may have.
const HOSTILE: &str = "\
Set-Cookie: __Host-cedargate=planted; Path=/; Secure; HttpOnly\r\n\
Set-Cookie: cedargate=planted; Path=/\r\n\
Set-Cookie: CedarGate=planted; Domain=localhost\r\n\
Set-Cookie: echo=own; Path=/\r\n\
Cedargate-Identity: planted\r\n\
Cedargate-Decision: planted\r\n\
cedargate_request: planted\r\n\
Content-Security-Policy: default-src 'self' https://own.example\r\n\
Server: echo/1\r\n";

/// Agrees to an upgrade and sends back whatever comes.
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<bool> {
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await?;
    stream.flush().await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(false) };
        stream.write_all(bytes).await?;
        stream.flush().await?;
    }
}

/// A request, byte for byte.
struct Request {
    method: String,
    target: String,
    version: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// The next request; none if the connection ends before one.
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES_MAX {
                return Err(io::Error::other("the head is too long"));
            }
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && head.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let head = latin1(&head);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ').map(ToOwned::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (method, target, version) = (word(), word(), word());
        let headers = lines.filter(|line| !line.is_empty()).map(|line| match line.split_once(':') {
            Some((name, value)) => (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()),
            None => (line.to_owned(), String::new()),
        });
        let mut request = Self { method, target, version, headers: headers.collect(), body: Vec::new() };
        request.read_body(stream).await?;
        Ok(Some(request))
    }

    async fn read_body<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> io::Result<()> {
        if self.has("expect", "100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            stream.flush().await?;
        }
        if self.has("transfer-encoding", "chunked") {
            loop {
                let size = read_line(stream).await?;
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
                self.read_bytes(stream, size).await?;
                if size == 0 {
                    // Trailers, up to the empty line.
                    while !read_line(stream).await?.is_empty() {}
                    return Ok(());
                }
                read_line(stream).await?;
            }
        }
        let length = self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        self.read_bytes(stream, length).await
    }

    async fn read_bytes<S: AsyncRead + Unpin>(&mut self, stream: &mut BufReader<S>, count: usize) -> io::Result<()> {
        if self.body.len().saturating_add(count) > BODY_BYTES_MAX {
            return Err(io::Error::other("the body is too long"));
        }
        let wanted = u64::try_from(count).map_err(io::Error::other)?;
        let read = stream.take(wanted).read_to_end(&mut self.body).await?;
        if read == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str, token: &str) -> bool {
        self.header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    }

    fn asks_for_websocket(&self) -> bool {
        self.has("upgrade", "websocket") && self.has("connection", "upgrade")
    }

    fn last_segment(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name).map(|(_, value)| value))
    }

    /// Sends the echo. Whether the connection goes on is what the request said about it.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        status: u64,
        headers: &str,
    ) -> io::Result<bool> {
        let body = self.to_json();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Echo\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        if self.method != "HEAD" && status != 204 && status != 304 {
            stream.write_all(body.as_bytes()).await?;
        }
        stream.flush().await?;
        Ok(!self.has("connection", "close"))
    }

    async fn stream<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        chunks: u64,
        bytes: u64,
        pause_ms: u64,
    ) -> io::Result<bool> {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
        stream.flush().await?;
        let chunk = "x".repeat(usize::try_from(bytes).unwrap_or(0).clamp(1, 1024 * 1024));
        for _ in 0..chunks {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await?;
            stream.flush().await?;
        }
        stream.write_all(b"0\r\n\r\n").await?;
        stream.flush().await?;
        Ok(!self.has("connection", "close"))
    }

    /// What was received. Bytes above ASCII stand as the character of that number, so that each is told apart.
    fn to_json(&self) -> String {
        let digest = Sha256::digest(&self.body);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = json!({
            "method": self.method,
            "target": self.target,
            "version": self.version,
            "headers": self.headers,
            "body_bytes": self.body.len(),
            "body_sha256": hex,
        });
        format!("{body}\n")
    }
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if line.len() >= HEAD_BYTES_MAX {
            return Err(io::Error::other("a line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    line.truncate(line.len() - 2);
    Ok(latin1(&line))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
