//! The binary itself: it starts, serves on its socket beside a second process, seeds, and ends in order.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, Issuer, SigningKeys};
use cedargate_kit::testing::{ISSUER, tenant};
use cedargate_model::{Caller, Micros};
use common::server::status;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_cedargate-inventory");

/// A deployment: one store, one key file, any number of processes.
struct Deployment {
    directory: TempDir,
    keys: SigningKeys,
}

struct Running {
    child: Child,
    socket: PathBuf,
    log: mpsc::Receiver<String>,
}

/// What the process has to say comes at once; this only ends a test that would wait for ever.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Deployment {
    fn new() -> Self {
        let deployment = Self { directory: tempfile::tempdir().unwrap(), keys: SigningKeys::from_seed(&[7; 32]) };
        std::fs::write(deployment.path("jwks.json"), deployment.keys.jwks().to_json()).unwrap();
        deployment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.arg(verb).arg("--store").arg(format!("sqlite:{}", self.path("inventory.db").display()));
        command
    }

    fn seed(&self) -> String {
        let output =
            self.command("seed-demo").args(["--tenant-id", &tenant(1, "acme").id.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a process and waits until its log says that it has the keys.
    fn serve(&self, name: &str) -> Running {
        let socket = self.path(name);
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

    /// The headers of an anonymous caller of acme: the real clock, since the process has no other.
    fn headers(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let issuer = Issuer::new(ISSUER, self.keys.clone());
        let now = Micros(i64::try_from(now).unwrap());
        let issued = issuer.issue(&Caller::Anonymous, &tenant(1, "acme"), "inventory", now).unwrap();
        format!("{IDENTITY_HEADER}: {}\r\n{DECISION_HEADER}: {}\r\n", issued.token, uuid::Uuid::now_v7())
    }
}

impl Running {
    fn wait_for(&self, message: &str) -> String {
        loop {
            let line = self.log.recv_timeout(SILENCE_MAX);
            let line = line.unwrap_or_else(|why| panic!("the process did not say `{message}`: {why}"));
            if line.contains(message) {
                return line;
            }
        }
    }

    fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    fn end(mut self) -> ExitStatus {
        self.terminate();
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

fn get(socket: &Path, target: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: inventory\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_wrong_command_line_says_what_to_write() {
    for (args, hint) in [
        (vec!["serve", "--listen", "0.0.0.0:80"], "this machine only"),
        (vec!["serve", "--identity-keys", "http://gateway.example/"], "this machine only"),
        (vec!["seed-demo", "--tenant-id", "acme"], "tenant-id"),
        (vec![], "serve"),
    ] {
        let output = Command::new(BINARY).args(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}

/// A store's URL may hold a password.
#[test]
fn a_store_that_is_none_is_refused_without_repeating_it() {
    let acme = tenant(1, "acme").id.to_string();
    let output = Command::new(BINARY)
        .args(["seed-demo", "--store", "postgres://u:secret@h/d", "--tenant-id", &acme])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("sqlite:PATH") && !said.contains("secret"), "{said}");
}

#[test]
fn a_store_that_cannot_be_opened_ends_the_start_with_its_cause() {
    let deployment = Deployment::new();
    let output = Command::new(BINARY)
        .args(["seed-demo", "--store", "sqlite:/nonexistent/inventory.db", "--tenant-id"])
        .arg(tenant(1, "acme").id.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("cannot be opened") && said.contains("/nonexistent/inventory.db"), "{said}");
    drop(deployment);
}

#[test]
fn seeding_twice_changes_nothing() {
    let deployment = Deployment::new();
    assert_eq!(deployment.seed(), "3 items added, 0 kept\n");
    assert_eq!(deployment.seed(), "0 items added, 3 kept\n");
}

#[test]
fn the_service_serves_seeds_and_ends_in_order() {
    let deployment = Deployment::new();
    deployment.seed();
    let running = deployment.serve("inventory.sock");
    assert_eq!(status(&get(&running.socket, "/readyz", "")), 200);
    assert_eq!(status(&get(&running.socket, "/inventory/items", "")), 401);
    let headers = deployment.headers();
    let listed = get(&running.socket, "/inventory/items?limit=2", &headers);
    assert!(listed.contains("GLV-M") && listed.contains("\"next\":\""), "{listed}");

    let line = running.wait_for(r#""http.response.status_code":200"#);
    assert!(
        line.contains(r#""http.route":"/inventory/items""#) && line.contains(r#""cedargate.tenant":"acme""#),
        "{line}"
    );
    let token = headers.split([' ', '\r']).nth(1).unwrap();
    assert!(!line.contains(token) && !line.contains("limit=2"), "neither assertion nor query is logged: {line}");

    let socket = running.socket.clone();
    assert!(running.end().success());
    assert!(!socket.exists(), "the socket goes with its process");
}

/// A request whose body is still on its way when the service is asked to stop.
#[test]
fn what_is_in_flight_is_finished_before_the_end() {
    let deployment = Deployment::new();
    let mut running = deployment.serve("inventory.sock");
    let body = r#"{"sku": "A", "name": "A thing", "unit": "kg"}"#;
    let (first, second) = body.split_at(10);
    let mut stream = UnixStream::connect(&running.socket).unwrap();
    write!(
        stream,
        "POST /inventory/items HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\n{}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        deployment.headers(),
        body.len()
    )
    .unwrap();
    // The service asks for the body: from here on the request is in flight.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(String::from_utf8_lossy(&asked), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).unwrap();

    running.terminate();
    running.wait_for("service stops");
    stream.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 201, "{answer}");
    running.wait_for("service stopped");
    assert!(running.child.wait().unwrap().success());
}

/// Two processes on one store, as during an upgrade: no lot goes below zero between them either.
#[test]
fn two_processes_share_a_store() {
    let deployment = Deployment::new();
    let (one, two) = (deployment.serve("one.sock"), deployment.serve("two.sock"));
    let post = |socket: &Path, target: &str, body: String| {
        let mut stream = UnixStream::connect(socket).unwrap();
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nHost: inventory\r\nConnection: close\r\n{}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            deployment.headers(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let json = answer.split_once("\r\n\r\n").unwrap().1;
        (status(&answer), serde_json::from_str::<serde_json::Value>(json).unwrap())
    };
    let (_, item) = post(&one.socket, "/inventory/items", r#"{"sku": "A", "name": "x", "unit": "kg"}"#.into());
    let item = common::text(&item["id"]);
    let lots = format!("/inventory/items/{item}/lots");
    let (_, lot) = post(&two.socket, &lots, r#"{"code": "L", "expires_on": "2030-01-31"}"#.into());
    let lot = common::text(&lot["id"]);
    let movements = format!("/inventory/items/{item}/movements");
    assert_eq!(post(&one.socket, &movements, common::movement(&lot, 5).to_string()).0, 201);

    let moved = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for number in 0..16 {
            let (socket, moved, post, movements, lot) =
                (if number % 2 == 0 { &one.socket } else { &two.socket }, &moved, &post, &movements, &lot);
            threads.spawn(move || {
                if post(socket, movements, common::movement(lot, -1).to_string()).0 == 201 {
                    moved.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(moved.into_inner(), 5);
    assert!(one.end().success() && two.end().success());
}
