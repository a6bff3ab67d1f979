//! A service's own program: started on a socket, asked, ended.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, Issuer, SigningKeys};
use cedargate_model::{Caller, Micros};
use tempfile::TempDir;
use uuid::Uuid;

use super::{ISSUER, principal, tenant};

/// A deployment: one store, one key file, any number of processes.
pub struct Deployment {
    binary: &'static str,
    audience: &'static str,
    directory: TempDir,
    keys: SigningKeys,
}

/// A running process.
pub struct Running {
    child: Child,
    socket: PathBuf,
    log: mpsc::Receiver<String>,
}

/// What the process has to say comes at once; this only ends a test that would wait for ever.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Deployment {
    /// A deployment of a service's program: `env!("CARGO_BIN_EXE_…")`.
    pub fn new(binary: &'static str, audience: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let deployment = Self { binary, audience, directory, keys: SigningKeys::from_seed(&[7; 32]) };
        std::fs::write(deployment.path("jwks.json"), deployment.keys.jwks().to_json()).unwrap();
        deployment
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command on its store.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(self.binary);
        command.arg(verb).arg("--store").arg(format!("sqlite:{}", self.path("service.db").display()));
        command
    }

    /// Runs `seed-demo` for acme and returns what it said.
    pub fn seed(&self) -> String {
        let acme = tenant(1, "acme").id.to_string();
        let output = self.command("seed-demo").args(["--tenant-id", &acme]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a process and waits until its log says that it has the keys.
    pub fn serve(&self, socket: &str) -> Running {
        let socket = self.path(socket);
        let mut child = self
            .command("serve")
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .args(["--issuer", ISSUER, "--identity-keys"])
            .arg(format!("file:{}", self.path("jwks.json").display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let running = Running { log: lines(child.stderr.take().unwrap()), child, socket };
        running.wait_for("service started");
        running.wait_for("keys read");
        running
    }

    /// The headers of an anonymous caller of acme, as lines.
    pub fn anonymous(&self) -> String {
        self.headers(&Caller::Anonymous)
    }

    /// The headers of a person of acme, as lines.
    pub fn person(&self) -> String {
        self.headers(&Caller::Principal(Arc::new(principal(&tenant(1, "acme"), 1, now()))))
    }

    fn headers(&self, caller: &Caller) -> String {
        let issuer = Issuer::new(ISSUER, self.keys.clone());
        let issued = issuer.issue(caller, &tenant(1, "acme"), self.audience, now()).unwrap();
        format!("{IDENTITY_HEADER}: {}\r\n{DECISION_HEADER}: {}\r\n", issued.token, Uuid::now_v7())
    }
}

/// The real clock, since the process has no other.
fn now() -> Micros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Micros(i64::try_from(now).unwrap())
}

impl Running {
    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits for a line of its log.
    ///
    /// # Panics
    /// If it does not come.
    #[expect(clippy::panic, reason = "a process that says nothing has failed its test")]
    pub fn wait_for(&self, message: &str) -> String {
        loop {
            let line = self.log.recv_timeout(SILENCE_MAX);
            let line = line.unwrap_or_else(|why| panic!("the process did not say `{message}`: {why}"));
            if line.contains(message) {
                return line;
            }
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub fn end(self) -> ExitStatus {
        self.terminate();
        self.ended()
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> ExitStatus {
        self.wait_for("service stopped");
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended, which is what should be.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The lines of a process's log as they come, until it ends.
fn lines(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line).ok())
    });
    receive
}

/// Sends a request with these header lines and this JSON, and returns the answer's octets.
pub fn ask(socket: &Path, method: &str, target: &str, headers: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "{}{body}", head(method, target, headers, body)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A request's head, after which the connection ends.
pub fn head(method: &str, target: &str, headers: &str, body: &str) -> String {
    let about = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n{headers}{about}\r\n")
}

/// What an answer's body says as JSON.
pub fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
