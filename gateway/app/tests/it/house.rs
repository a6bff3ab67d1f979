//! A directory with a configuration, and the program run in it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const MASTER_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The repository's own policies.
pub(crate) const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");

/// A directory of its own for one test.
pub(crate) struct House {
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    /// With a configuration that works, and policies that the test may change.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let house = Self { dir, port: free_port(), admin_port: free_port() };
        copy(Path::new(POLICIES), &house.path("policies"));
        let (port, admin) = (house.port, house.admin_port);
        house.write(
            "cedargate.toml",
            &format!(
                "[listen]\nbase_url = \"http://localhost:{port}\"\nadmin_address = \"127.0.0.1:{admin}\"\nthreads = 1\n\
                 drain_timeout_seconds = 5\n[[listen.listener]]\naddress = \"127.0.0.1:{port}\"\n\
                 [upstreams.inventory]\naddresses = [\"unix:inventory.sock\"]\n[policies]\nreload_interval_ms = 100\n"
            ),
        );
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let before = fs::read_to_string(self.path(name)).unwrap();
        self.write(name, &(before + text));
    }

    /// The program in this directory, with a master key and nothing else of the environment's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_cedargate"));
        command.args(arguments);
        command
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CEDARGATE_")) {
            command.env_remove(name);
        }
        command.env("CEDARGATE_MASTER_KEY", MASTER_KEY);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    /// Runs a command that reads `input`.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may have ended already.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::of(&child.wait_with_output().unwrap())
    }

    /// The keys, a tenant and a person in it.
    pub(crate) fn furnish(&self) {
        self.run(&["keys", "init"]).expect(0);
        self.run(&["tenant", "create", "acme"]).expect(0);
        let create = ["user", "create", "--tenant", "acme", "jo@acme.example", "--role", "viewer", "--password-stdin"];
        self.run_with(&create, "correct horse battery\n").expect(0);
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_from("listening")
    }

    /// Starts `serve` and reads its log up to a message.
    pub(crate) fn serve_from(&self, message: &str) -> Serving {
        Serving::start(&mut self.command(&["serve"]), message)
    }

    /// Begins to start `serve`, with a soft limit of so many open files.
    pub(crate) fn begin_with_open_files(&self, soft: u32) -> Serving {
        let script = format!("ulimit -S -n {soft} && exec \"$0\" serve");
        Serving::start(self.program("sh").args(["-c", &script, env!("CARGO_BIN_EXE_cedargate")]), "starting")
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The one line of JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A gateway that runs. Killed when the test gives it up.
pub(crate) struct Serving {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Serving {
    fn start(command: &mut Command, message: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut serving = Self { child, lines };
        serving.wait_for(message);
        serving
    }

    /// Reads the log up to a message, and gives that line.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the log ended before `{message}`");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if value["message"] == message {
                return value;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Asks it to end, and gives its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, or the test has failed.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One request on a connection of its own: status and the whole answer.
pub(crate) fn request(port: u16, method: &str, host: &str, path: &str, more: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
    (status, answer)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(fs::copy(entry.path(), target))
        }
    }
}
