//! gRPC's own implementation as a service and as a client: `grpc/peer.py`, run by Debian's Python.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

const PYTHON: &str = "/usr/bin/python3";

/// One of the two, until it is dropped.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Whether the implementation is there.
    pub fn is_there() -> bool {
        let found = Command::new(PYTHON).args(["-c", "import grpc"]).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    }

    /// Starts the service, and says where it listens.
    ///
    /// # Errors
    /// Those of the process.
    pub fn serve() -> io::Result<(Self, SocketAddr)> {
        let mut peer = Self::start(&["serve"])?;
        let port: u16 = peer.line()?.trim().parse().map_err(io::Error::other)?;
        Ok((peer, SocketAddr::from(([127, 0, 0, 1], port))))
    }

    /// Starts a client of the gateway at `address`, whose certificate for `name` must be of the authority in the file `ca`.
    ///
    /// # Errors
    /// Those of the process.
    pub fn calls(address: SocketAddr, ca: &Path, name: &str) -> io::Result<Self> {
        Self::start(&["call", &address.to_string(), &ca.display().to_string(), name])
    }

    /// Makes one call; what came of it.
    ///
    /// # Errors
    /// Those of the process.
    pub fn call(&mut self, wanted: &Value) -> io::Result<Value> {
        writeln!(self.input, "{wanted}")?;
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|error| io::Error::other(format!("{error} in `{line}`")))
    }

    fn start(arguments: &[&str]) -> io::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/grpc/peer.py");
        let mut command = Command::new(PYTHON);
        let mut child = command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
