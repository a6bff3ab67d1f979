//! What stands in `deploy/` is well formed, confined, and in step with what the programs promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use cedargate_e2e::binary;
use tempfile::TempDir;

const UNITS: [&str; 4] = ["cedargate", "cedargate-inventory", "cedargate-orders", "cedargate-keys"];

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn unit(name: &str) -> String {
    std::fs::read_to_string(deploy().join("systemd").join(format!("{name}.service"))).unwrap()
}

/// The units beside programs that are there: `systemd-analyze` looks whether they are.
fn units_with_programs() -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let place = format!("{}/", dir.path().display());
    let units = UNITS.map(|name| {
        std::os::unix::fs::symlink("/bin/true", dir.path().join(name)).unwrap();
        let path = dir.path().join(format!("{name}.service"));
        std::fs::write(&path, unit(name).replace("/usr/local/bin/", &place)).unwrap();
        path
    });
    (dir, units.into())
}

/// What a program said, whether it ended well; none where it is not there.
fn run(command: &mut Command) -> Option<(bool, String)> {
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let said = [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
    Some((output.status.success(), said))
}

#[test]
fn systemd_takes_every_line_of_the_units() {
    let (_dir, units) = units_with_programs();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).args(units);
    match run(&mut command) {
        None => println!("skipped: there is no systemd-analyze"),
        // It ends well over a line that it does not know, and says so.
        Some((is_well, said)) => assert!(is_well && said.trim().is_empty(), "{said}"),
    }
}

#[test]
fn the_units_are_confined() {
    let (_dir, units) = units_with_programs();
    for (unit, exposure_max) in units.iter().zip(["18", "8", "8", "20"]) {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--no-pager", "--threshold", exposure_max]).arg(unit);
        match run(&mut command) {
            None => return println!("skipped: there is no systemd-analyze"),
            Some((is_well, said)) => assert!(is_well, "{said}"),
        }
    }
}

#[test]
fn a_unit_is_stopped_by_force_only_after_its_own_patience() {
    let stops_after = |name: &str| {
        let text = unit(name);
        let seconds = text.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
        seconds.unwrap().parse::<u64>().unwrap()
    };
    // `listen.drain_timeout_seconds` as it comes, and the kit's 20 and 5 seconds.
    let reference = std::fs::read_to_string(deploy().join("../docs/reference/configuration.md")).unwrap();
    let drain = reference.lines().find(|line| line.starts_with("| `drain_timeout_seconds`")).unwrap();
    assert!(drain.contains("| `30` |"), "{drain}");
    assert!(stops_after("cedargate") >= 30 + 10);
    assert!(stops_after("cedargate-inventory") > 20 + 5);
    assert!(stops_after("cedargate-orders") > 20 + 5);
}

#[test]
fn the_image_has_no_shell_and_no_root() {
    let text = std::fs::read_to_string(deploy().join("container/Containerfile")).unwrap();
    let stages: Vec<_> = text.split("\nFROM ").skip(2).collect();
    assert_eq!(stages.len(), 3);
    for stage in stages {
        assert!(stage.contains("\nUSER 65532:65532\n"), "{stage}");
        assert!(!stage.contains("\nRUN "), "{stage}");
        for line in stage.lines().filter(|line| line.starts_with("ENTRYPOINT") || line.starts_with("CMD")) {
            assert!(line.ends_with("\"]"), "{line}");
        }
    }
}

#[test]
fn the_gateway_runs_with_only_what_the_image_holds() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (port, admin) = (free(), free());
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can make a root directory of its own");
    }
    let unshared = run(Command::new("unshare").args(["--mount", "true"]));
    if !unshared.is_some_and(|(is_well, _)| is_well) {
        return println!("skipped: no mounts of one's own can be made here");
    }
    let mut command = Command::new(deploy().join("container/prove.sh"));
    command.arg(binary("cedargate").unwrap()).arg(deploy().join("../policies"));
    let (is_well, said) = run(command.env("PORT", port).env("ADMIN_PORT", admin)).unwrap();
    assert!(is_well && said.contains("proved:"), "{said}");
}
