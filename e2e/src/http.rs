//! A client that sends exactly the octets it is given, and reads answers strictly.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, as it came.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A text of a JSON object; empty if there is none.
    pub fn field(&self, name: &str) -> String {
        self.json().get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    }

    /// The code of a refusal in problem+json.
    pub fn code(&self) -> String {
        self.field("code")
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "\n{}", self.text())
    }
}

/// A connection to the gateway.
pub struct Connection {
    stream: Box<dyn Transport>,
    buffer: Vec<u8>,
}

/// What a connection runs over.
trait Transport: Read + Write + Send {}

impl<T: Read + Write + Send> Transport for T {}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Box::new(connect(address)?), buffer: Vec::new() })
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn open_unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Box::new(stream), buffer: Vec::new() })
    }

    /// Connects over TLS to `host`, whose certificate must be one of `trusted`.
    ///
    /// # Errors
    /// Those of the socket; a handshake that fails shows at the first read or write.
    pub fn open_tls(address: SocketAddr, host: &str, trusted: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let session = ClientConnection::new(trusted, name).map_err(invalid)?;
        Ok(Self { stream: Box::new(StreamOwned::new(session, connect(address)?)), buffer: Vec::new() })
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Reads one answer to a request of this method.
    ///
    /// # Errors
    /// Those of the socket, `UnexpectedEof` where it ends too early, `InvalidData` where it is no answer.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let head = self.until(b"\r\n\r\n")?;
        let (status, headers) = parse_head(&head)?;
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" || status == 204 || status == 304 || (100..200).contains(&status) {
            return Ok(answer);
        }
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.until(b"\r\n")?;
                let size = String::from_utf8_lossy(&line).trim().split(';').next().unwrap_or_default().to_owned();
                let size = usize::from_str_radix(&size, 16).map_err(invalid)?;
                let chunk = self.exactly(size)?;
                self.until(b"\r\n")?;
                if size == 0 {
                    return Ok(answer);
                }
                answer.body.extend(chunk);
            }
        }
        match answer.header("content-length").map(str::to_owned) {
            Some(length) => answer.body = self.exactly(length.parse().map_err(invalid)?)?,
            None => {
                self.stream.read_to_end(&mut self.buffer)?;
                answer.body = std::mem::take(&mut self.buffer);
            }
        }
        Ok(answer)
    }

    /// Reads exactly so many octets.
    ///
    /// # Errors
    /// `UnexpectedEof` where there are fewer.
    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.more()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Whether the other side closes without sending anything more.
    pub fn is_closed_by_peer(&mut self) -> bool {
        self.buffer.is_empty() && matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }

    /// Reads up to and including these octets.
    ///
    /// # Errors
    /// `UnexpectedEof` where they do not come.
    pub fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// Sends one request on a connection of its own and reads the answer.
///
/// # Errors
/// Those of [`Connection`].
pub fn exchange(address: SocketAddr, method: &str, octets: &[u8]) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send(octets)?;
    connection.answer(method)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn parse_head(head: &[u8]) -> io::Result<(u16, Vec<(String, String)>)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
    let status = status.ok_or_else(|| invalid("no status line"))?.parse().map_err(invalid)?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    Ok((status, fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
