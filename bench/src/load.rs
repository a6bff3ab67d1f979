//! The load on a proxy: `wrk`, run for one round.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::machine::pin;

/// What `wrk` is to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// The script that sends the requests and prints the figures.
    pub script: PathBuf,
    /// The requests: path, host and cookie of each, separated by tabs.
    pub requests: PathBuf,
    /// How many of them were sent before: they go on from there, from the first again after the last.
    pub sent: u64,
    /// From how many addresses they come, by `X-Forwarded-For`; none leaves the header out.
    pub addresses: Option<u32>,
    /// The core that it runs on; none for any.
    pub core: Option<usize>,
}

/// What one round came to, as whoever sent it saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Measured {
    /// Answers received.
    pub requests: u64,
    /// For how long, in microseconds.
    pub duration_us: u64,
    /// Half of the answers took at most this many microseconds.
    pub p50_us: u64,
    /// 99 of 100 answers took at most this many microseconds.
    pub p99_us: u64,
    /// Answers with a status that is neither 2xx nor 3xx.
    pub refused: u64,
    /// Connections that broke.
    pub broken: u64,
}

/// Why a round has no figures.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be started.
    #[error("cannot run the load generator; `make bench` installs `wrk`")]
    Start(#[source] std::io::Error),
    /// It failed.
    #[error("the load generator failed: {0}")]
    Failed(String),
    /// Its last line holds none.
    #[error("the load generator printed no figures")]
    Figures(#[source] serde_json::Error),
    /// Some answers were no answers of the upstream: the figures would be of refusals.
    #[error("{refused} requests were refused and {broken} connections broke, so the round measured something else")]
    NotAnswered {
        /// How many.
        refused: u64,
        /// How many.
        broken: u64,
    },
}

impl Load {
    /// Loads `proxy` for `length` over `connections` connections.
    ///
    /// # Errors
    /// `wrk` cannot be run, or not every request was answered by the upstream.
    pub fn round(&self, proxy: SocketAddr, connections: usize, length: Duration) -> Result<Measured, LoadError> {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--latency", "--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", length.as_secs().max(1))]);
        command.arg("--script").arg(&self.script);
        command.arg(format!("http://{proxy}")).arg("--").arg(&self.requests).arg(self.sent.to_string());
        command.args(self.addresses.map(|addresses| addresses.to_string()));
        let output = pin(command, self.core).output().map_err(LoadError::Start)?;
        if !output.status.success() {
            return Err(LoadError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        figures(&String::from_utf8_lossy(&output.stdout))
    }
}

/// The figures in the last line of what a load generator printed.
pub(crate) fn figures(printed: &str) -> Result<Measured, LoadError> {
    let last = printed.trim_end().lines().last().unwrap_or_default();
    let measured: Measured = serde_json::from_str(last).map_err(LoadError::Figures)?;
    match measured {
        Measured { refused: 0, broken: 0, .. } => Ok(measured),
        Measured { refused, broken, .. } => Err(LoadError::NotAnswered { refused, broken }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = r#"
Running 5s test
{"requests": 10, "duration_us": 5000000, "p50_us": 120, "p99_us": 900, "refused": 0, "broken": 0}
"#;

    #[test]
    fn a_round_with_refusals_is_no_measurement() {
        let refused = FIGURES.replace(r#""refused": 0"#, r#""refused": 3"#);
        assert!(matches!(figures(&refused), Err(LoadError::NotAnswered { refused: 3, broken: 0 })));
    }

    #[test]
    fn output_without_figures_is_an_error() {
        assert!(matches!(figures("unable to connect"), Err(LoadError::Figures(_))));
    }

    #[test]
    fn the_last_line_holds_the_figures() {
        assert_eq!(figures(FIGURES).unwrap().p99_us, 900);
    }
}
