//! A real socket in front of the service, and the smallest client that can post to it.

use std::net::SocketAddr;

use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER};
use cedargate_kit::testing::TestClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
}

pub(crate) async fn start(app: axum::Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { address }
}

impl Server {
    /// Posts JSON on a connection of its own and returns the status.
    pub(crate) async fn post(&self, client: &TestClient, target: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(post(client, target, body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        status(&answer)
    }
}

/// The bytes of a POST after which the connection ends.
pub(crate) fn post(client: &TestClient, target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: inventory\r\nConnection: close\r\n{IDENTITY_HEADER}: {}\r\n\
         {DECISION_HEADER}: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        client.header(IDENTITY_HEADER),
        client.header(DECISION_HEADER),
        body.len(),
    )
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer:?}")).parse().unwrap()
}
