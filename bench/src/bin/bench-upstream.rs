//! The service behind every proxy of a run: answers any request without a body with the same 1 KiB, as cheaply as it can.
//!
//! It parses nothing: an answer is due for each empty line that arrives. Real clients send real requests through the
//! proxies, so no other input comes here.

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Octets of each answer's body.
const BODY_BYTES: usize = 1024;

const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// Answers with 1 KiB.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Options::parse().listen).await?;
    let answer: &'static [u8] = answer().leak();
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, answer));
    }
}

/// Head and body of the one answer.
fn answer() -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    answer.extend(std::iter::repeat_n('a', BODY_BYTES));
    answer.into_bytes()
}

/// Until the peer closes. How a connection ends is the proxies' business and not measured.
async fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut space = vec![0; 16 * 1024];
    let mut heads = Heads::default();
    while let Ok(read @ 1..) = stream.read(&mut space).await {
        for _head in 0..heads.ended_in(space.get(..read).unwrap_or_default()) {
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Counts the ends of heads in a stream that comes in pieces.
#[derive(Default)]
struct Heads {
    /// How many octets of an empty line were the last to arrive.
    matched: usize,
}

impl Heads {
    fn ended_in(&mut self, octets: &[u8]) -> usize {
        let mut ended = 0;
        for octet in octets {
            self.matched = match HEAD_END.get(self.matched) {
                Some(next) if next == octet => self.matched + 1,
                _ => usize::from(*octet == b'\r'),
            };
            if self.matched == HEAD_END.len() {
                self.matched = 0;
                ended += 1;
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_counted_wherever_the_pieces_are_cut() {
        let stream = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        for cut in 0..stream.len() {
            let mut heads = Heads::default();
            let (first, second) = stream.split_at(cut);
            assert_eq!(heads.ended_in(first) + heads.ended_in(second), 2, "cut at {cut}");
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let answer = String::from_utf8(answer()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 1024"));
        assert_eq!(body.len(), 1024);
    }
}
