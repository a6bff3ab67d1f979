//! A real socket in front of a service, and the smallest client that can post to it.

use std::net::SocketAddr;

use axum::Router;
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::TestClient;

/// A service on a socket of this machine.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves on a free port until the test's runtime ends.
    pub async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address }
    }

    /// Posts JSON on a connection of its own and returns the answer's octets.
    pub async fn post(&self, client: &TestClient, target: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(post(client, target, body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// The bytes of a POST after which the connection ends, with all that client's headers.
fn post(client: &TestClient, target: &str, body: &str) -> String {
    assert!(client.headers.contains_key(IDENTITY_HEADER) && client.headers.contains_key(DECISION_HEADER));
    let headers: String =
        client.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    format!(
        "POST {target} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// The status of an answer.
///
/// # Panics
/// If there is none.
#[expect(clippy::panic, reason = "a test without its answer has failed")]
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer:?}")).parse().unwrap()
}
