//! A SAML provider that nobody here wrote: Debian's SimpleSAMLphp, run by PHP's own server as a child process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::exchange;
use crate::process::{Running, eventually, run};

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian's package puts it.
const INSTALLED: &str = "/usr/share/simplesamlphp/www";

/// How it is set up: where each file goes, and what is in it.
const FILES: [(&str, &str); 5] = [
    ("config.php", include_str!("../simplesamlphp/config.php")),
    ("authsources.php", include_str!("../simplesamlphp/authsources.php")),
    ("metadata/saml20-idp-hosted.php", include_str!("../simplesamlphp/saml20-idp-hosted.php")),
    ("metadata/saml20-sp-remote.php", include_str!("../simplesamlphp/saml20-sp-remote.php")),
    ("cert/keys.php", include_str!("../simplesamlphp/keys.php")),
];

/// A running provider with one person, `ada`, whose password is `password`.
pub struct SamlProvider {
    address: SocketAddr,
    directory: TempDir,
    _running: Running,
}

impl SamlProvider {
    /// Starts one; none where it is not installed. It has the keys `old` and `new`, and one for the gateway.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> io::Result<Option<Self>> {
        let is_there = Path::new(INSTALLED).exists() && Command::new("php").arg("--version").output().is_ok();
        if !is_there {
            return Ok(None);
        }
        let directory = tempfile::tempdir()?;
        let at = |name: &str| directory.path().join(name);
        for folder in ["cert", "data", "log", "metadata", "sessions", "tmp", "www"] {
            fs::create_dir(at(folder))?;
        }
        for (name, text) in FILES {
            fs::write(at(name), text)?;
        }
        std::os::unix::fs::symlink(INSTALLED, at("www/simplesaml"))?;
        run(Command::new("php").args(["keys.php", "old", "new", "gateway"]).current_dir(at("cert")), "")?;
        fs::write(at("state.json"), "{}")?;
        let log = at("php.log");
        let mut command = Command::new("php");
        command
            .args(["-d", &format!("session.save_path={}", at("sessions").display()), "-S", "127.0.0.1:0", "-t"])
            .arg(at("www"))
            .env("SIMPLESAMLPHP_CONFIG_DIR", directory.path());
        let running = Running::start(&mut command, &log)?;
        let port = || fs::read_to_string(&log).ok()?.split_once("http://127.0.0.1:")?.1.split_once(')')?.0.parse().ok();
        let port: u16 = eventually(PATIENCE, "the SAML provider", port)
            .map_err(|error| io::Error::other(format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default())))?;
        Ok(Some(Self { address: SocketAddr::from(([127, 0, 0, 1], port)), directory, _running: running }))
    }

    /// An address of its own.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/simplesaml/{path}", self.address)
    }

    /// The key or certificate of the gateway: `gateway.key`, `gateway.crt`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("cert").join(name)
    }

    /// The certificate as metadata has it, without the lines around it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn certificate(&self, name: &str) -> io::Result<String> {
        let pem = fs::read_to_string(self.file(name))?;
        Ok(pem.lines().filter(|line| !line.starts_with('-')).collect())
    }

    /// Says how it is from now on: its key, the next one, the person's groups, and who the gateway is. See the PHP files.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn control(&self, state: &Value) -> io::Result<()> {
        let aside = self.directory.path().join("state.new");
        fs::write(&aside, state.to_string())?;
        fs::rename(aside, self.directory.path().join("state.json"))
    }

    /// What it publishes of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metadata(&self) -> io::Result<String> {
        let request = format!(
            "GET /simplesaml/saml2/idp/metadata.php HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let answer = exchange(self.address, "GET", request.as_bytes())?;
        if answer.status == 200 { Ok(answer.text().to_string()) } else { Err(io::Error::other(format!("{answer:?}"))) }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        format!("{}\n{}", read("php.log"), read("log/simplesamlphp.log"))
    }
}
