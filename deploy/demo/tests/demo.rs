//! The demo, run as `make demo` runs it: told, ended, killed and taken up again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cedargate_demo::check;
use cedargate_demo::client::Client;
use cedargate_demo::credentials::Credentials;

/// A demo that has told everything there is to tell.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    told: String,
}

impl Running {
    fn start(directory: &Path, port: u16) -> Self {
        let demo = Path::new(env!("CARGO_BIN_EXE_cedargate-demo"));
        for sibling in ["cedargate", "cedargate-inventory", "cedargate-orders"] {
            let program = demo.with_file_name(sibling);
            assert!(program.exists(), "{} is missing: `cargo build --workspace` makes it", program.display());
        }
        let mut command = Command::new(demo);
        command.arg("--directory").arg(directory).arg("--policies").arg(policies());
        command.env("PORT", port.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        while !told.lines().last().unwrap_or_default().starts_with("  Credentials ") {
            assert!(output.read_line(&mut told).unwrap() > 0, "it ended after telling:\n{told}");
        }
        Self { child, output, told }
    }

    /// The commands among what it told, in their order: indented, some over several lines.
    fn lines_to_paste(&self) -> Vec<String> {
        let joined = self.told.replace("\\\n", "");
        let is_command = |line: &&str| line.starts_with("  curl ") || line.contains("/cedargate audit verify ");
        joined.lines().filter(is_command).map(ToOwned::to_owned).collect()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -$0 $1", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; whether that was a good one.
    fn end(mut self) -> bool {
        let mut rest = String::new();
        while self.output.read_line(&mut rest).unwrap() > 0 {}
        self.child.wait().unwrap().success()
    }
}

/// What a shell answers.
fn paste(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed half-way leaves nothing behind. After `end` there is nothing left to kill.
        let _ended = self.child.kill();
    }
}

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn admin_port(credentials: &Credentials) -> u16 {
    credentials.admin_url.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn audit_entries(credentials: &Credentials) -> usize {
    let files = fs::read_dir(&credentials.audit).unwrap().map(|file| file.unwrap().path());
    let segments = files.filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    segments.map(|segment| fs::read_to_string(segment).unwrap().lines().count()).sum()
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_told_is_true_and_survives_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials.json");
    let port = free_port();

    let first = Running::start(directory.path(), port);
    let credentials = Credentials::load(&file).unwrap().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(credentials.url, format!("http://localhost:{port}"));
    for tenant in &credentials.tenants {
        let client = Client::new(&format!("{}.localhost", tenant.name), port).unwrap();
        check::check(&client, tenant).await.unwrap();
        for person in &tenant.people {
            assert!(first.told.contains(&person.password), "{} is not told", person.email);
        }
    }
    assert!(is_open(admin_port(&credentials)));
    let pasted: Vec<String> = first.lines_to_paste().iter().map(|line| paste(line)).collect();
    let ends = ["\n200", "\n200", "\n403", "\n403", "\n200", "\n200", "\n200", "\n200", "\n401", ""];
    assert_eq!(pasted.len(), ends.len(), "{}", first.told);
    for (answer, end) in pasted.iter().zip(ends) {
        assert!(answer.ends_with(end), "{pasted:#?}");
    }
    assert!(pasted[2].contains(r#""code":"forbidden""#) && pasted[3].contains(r#""code":"attack_detected""#));
    assert!(pasted[5].contains(r#""state":"draft""#) && pasted[5].contains("etag: \"1\""), "{}", pasted[5]);
    assert!(pasted[6].contains(r#""state":"placed""#), "{}", pasted[6]);
    assert_eq!(paste(&first.lines_to_paste()[6]), pasted[6], "placed once, answered again");
    assert!(pasted[8].contains("step_up_required"), "{}", pasted[8]);
    assert!(pasted[9].contains("holds") && pasted[9].contains("proved with the trusted key"), "{}", pasted[9]);
    let entries = audit_entries(&credentials);
    assert!(entries > 0);

    first.signal("TERM");
    assert!(first.end(), "ending is no failure");
    assert!(!is_open(port) && !is_open(admin_port(&credentials)), "something still listens");

    let moved = free_port();
    let second = Running::start(directory.path(), moved);
    let again = Credentials::load(&file).unwrap().unwrap();
    assert_eq!(again.url, format!("http://localhost:{moved}"));
    for (before, after) in credentials.tenants.iter().zip(&again.tenants) {
        for (before, after) in before.people.iter().zip(&after.people) {
            assert_eq!((&before.email, &before.password, &before.roles), (&after.email, &after.password, &after.roles));
            // What they may do is the same, of another draft: the one that was placed is none any more.
            assert_eq!((before.may.len(), before.may_not.len()), (after.may.len(), after.may_not.len()));
        }
    }
    assert_eq!(credentials.audit, again.audit);
    assert!(audit_entries(&again) > entries, "the log goes on");

    // Killed, it can end nothing itself: the kernel tells its programs, and the next start finds everything in order.
    second.signal("KILL");
    second.end();
    while is_open(moved) || is_open(admin_port(&again)) {
        std::thread::yield_now();
    }
    let third = Running::start(directory.path(), moved);
    third.signal("INT");
    assert!(third.end());
}
