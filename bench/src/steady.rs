//! A steady load: requests at fixed times, whatever the proxy makes of the ones before.
//!
//! What waits in line behind a slow answer counts with its waiting. A client that asks again only when it was answered would
//! ask less while the proxy is slow, and so leave out the very figures that are looked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::load::{LoadError, Measured, figures};
use crate::machine::pin;

/// A load at a rate, by the program `bench-steady`.
#[derive(Clone, Debug)]
pub struct Steady {
    /// The program.
    pub program: PathBuf,
    /// The requests: path, host and cookie of each, separated by tabs.
    pub requests: PathBuf,
    /// The core that it runs on; none for any.
    pub core: Option<usize>,
}

impl Steady {
    /// Sends `proxy` so many requests a second for `length`.
    ///
    /// # Errors
    /// The program cannot be run, or not every request was answered by the upstream.
    pub fn round(&self, proxy: SocketAddr, rate: u32, length: Duration) -> Result<Measured, LoadError> {
        let mut command = Command::new(&self.program);
        command.args(["--proxy", &proxy.to_string(), "--rate", &rate.to_string()]);
        command.args(["--seconds", &length.as_secs().max(1).to_string()]).arg("--requests").arg(&self.requests);
        let output = pin(command, self.core).output().map_err(LoadError::Start)?;
        if !output.status.success() {
            return Err(LoadError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        figures(&String::from_utf8_lossy(&output.stdout))
    }
}
