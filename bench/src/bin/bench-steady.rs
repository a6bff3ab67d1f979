//! Sends requests at fixed times over kept connections, and tells how long each answer took from the time at which it was due.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{cell::RefCell, rc::Rc};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Connections that share the requests: enough that one which waits holds no other up.
const CONNECTIONS: u32 = 64;

/// The start is not measured: connections are made, caches fill.
const WARM_UP: Duration = Duration::from_millis(500);

/// Sends requests at a rate.
#[derive(Parser)]
struct Options {
    /// Where to.
    #[arg(long)]
    proxy: SocketAddr,
    /// Requests a second, over all connections.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// For how long.
    #[arg(long)]
    seconds: u64,
    /// The requests: path, host and cookie of each, separated by tabs.
    #[arg(long)]
    requests: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let text = std::fs::read_to_string(&options.requests).context("cannot read the requests")?;
    let requests: Rc<[Vec<u8>]> = text.lines().map(request).collect::<Result<_>>()?;
    let took = Rc::new(RefCell::new(Vec::new()));
    let begun = Instant::now() + Duration::from_millis(50);
    let length = Duration::from_secs(options.seconds);
    let tasks = LocalSet::new();
    let mut running = Vec::new();
    for number in 0..CONNECTIONS {
        let (requests, took) = (Rc::clone(&requests), Rc::clone(&took));
        let every = Duration::from_secs(1) * CONNECTIONS / options.rate;
        let first = begun + every * number / CONNECTIONS;
        let schedule = Schedule { first, every, measured_from: begun + WARM_UP, until: begun + WARM_UP + length };
        running.push(tasks.spawn_local(client(options.proxy, requests, number as usize, schedule, took)));
    }
    tasks.await;
    for client in running {
        client.await??;
    }
    let mut took = took.borrow_mut();
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    let figures = json!({
        "requests": took.len(), "duration_us": length.as_micros() as u64, "p50_us": at(50), "p99_us": at(99),
        "refused": 0, "broken": 0,
    });
    writeln!(io::stdout(), "{figures}")?;
    Ok(())
}

/// When one connection asks.
#[derive(Clone, Copy)]
struct Schedule {
    first: Instant,
    every: Duration,
    measured_from: Instant,
    until: Instant,
}

/// Asks at its times. One answer that comes late makes the next ones late, and each is counted from when it was due.
async fn client(
    proxy: SocketAddr,
    requests: Rc<[Vec<u8>]>,
    offset: usize,
    schedule: Schedule,
    took: Rc<RefCell<Vec<u64>>>,
) -> Result<()> {
    let mut stream = TcpStream::connect(proxy).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut space = vec![0; 16 * 1024];
    let mut due = schedule.first;
    for request in requests.iter().cycle().skip(offset) {
        if due >= schedule.until {
            return Ok(());
        }
        tokio::time::sleep_until(due.into()).await;
        stream.write_all(request).await?;
        answer(&mut stream, &mut space).await?;
        if due >= schedule.measured_from {
            took.borrow_mut().push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        due += schedule.every;
    }
    Ok(())
}

/// Reads one answer of 200 with a length.
async fn answer(stream: &mut TcpStream, space: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(space.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            bail!("the connection broke, or an answer is too long");
        }
        filled += read;
        let octets = space.get(..filled).unwrap_or_default();
        let Some(head_end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(octets.get(..head_end).unwrap_or_default()).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            bail!("refused: {}", head.lines().next().unwrap_or_default());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("no length")?;
        let length: usize = length.trim().parse().context("a length that is none")?;
        if filled >= head_end + 4 + length {
            return Ok(());
        }
    }
}

/// One line of the file as a request.
fn request(line: &str) -> Result<Vec<u8>> {
    let mut parts = line.split('\t');
    let (Some(path), Some(host), Some(cookie)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("a line is not path, host and cookie");
    };
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept: application/json\r\nAccept-Language: en\r\n\
         User-Agent: cedargate-bench\r\n\r\n"
    )
    .into_bytes())
}
