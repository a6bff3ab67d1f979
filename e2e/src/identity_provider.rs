//! An OpenID provider that nobody here wrote: npm's `oidc-provider`, as a child process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::exchange;
use crate::npm;
use crate::process::{Running, eventually};

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it is made of.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../oidc-provider/package.json")),
    ("package-lock.json", include_str!("../oidc-provider/package-lock.json")),
    ("provider.mjs", include_str!("../oidc-provider/provider.mjs")),
];

/// A running provider with one client and one person, `ada`.
pub struct IdentityProvider {
    address: SocketAddr,
    directory: TempDir,
    _running: Running,
}

impl IdentityProvider {
    /// Starts one whose client has this metadata; none where there is no `npm`. The first start of a version installs it, into the
    /// build's directory.
    ///
    /// # Errors
    /// It cannot be installed or does not start.
    pub fn start(client: &Value) -> io::Result<Option<Self>> {
        let Some(installed) = npm::install("oidc-provider", &FILES)? else { return Ok(None) };
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("provider.log");
        let mut command = Command::new("node");
        command.arg(installed.join("provider.mjs")).env("OIDC_CLIENT", client.to_string());
        let running = Running::start(&mut command, &log)?;
        let port = || fs::read_to_string(&log).ok()?.split_once("listening on ")?.1.lines().next()?.parse().ok();
        let port: u16 = eventually(PATIENCE, "the OpenID provider", port)
            .map_err(|error| io::Error::other(format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default())))?;
        Ok(Some(Self { address: SocketAddr::from(([127, 0, 0, 1], port)), directory, _running: running }))
    }

    /// Its issuer.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the person other groups, or swaps the signing key: see `provider.mjs`.
    ///
    /// # Errors
    /// It does not answer.
    pub fn control(&self, wish: &Value) -> io::Result<()> {
        let body = wish.to_string();
        let length = body.len();
        let request = format!(
            "POST /control HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        let answer = exchange(self.address, "POST", request.as_bytes())?;
        if answer.status == 204 { Ok(()) } else { Err(io::Error::other(format!("{answer:?}"))) }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("provider.log")).unwrap_or_default()
    }
}
