//! A SCIM client that nobody here wrote, which looks for what a service does otherwise than the standard: PyPI's `scim2-cli` with
//! `scim2-tester`.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What it is made of.
const REQUIREMENTS: &str = "scim2-cli==0.6.0\nscim2-client==0.13.2\nscim2-models==0.12.3\nscim2-tester==0.5.2\n";

/// An installed client.
pub struct ScimTester(PathBuf);

impl ScimTester {
    /// The client; none where Python has no virtual environments. The first use of a version installs it, into the build's directory.
    ///
    /// # Errors
    /// It cannot be installed.
    pub fn find() -> io::Result<Option<Self>> {
        let has_venv = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
        if !has_venv.is_ok_and(|output| output.status.success()) {
            return Ok(None);
        }
        install().map(|place| Some(Self(place)))
    }

    /// Has it look at a service.
    ///
    /// # Errors
    /// It does not start.
    pub fn test(&self, url: &str, host: &str, token: &str) -> io::Result<Output> {
        let mut command = Command::new(self.0.join("bin/scim2"));
        // Not on the command line, where others would see it.
        command.env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {token};Host: {host}"));
        command.args(["--url", url, "test", "--verbose"]).output()
    }
}

/// Where this version is installed. A virtual environment knows its place, so that it is made where it stays and is whole with a mark.
fn install() -> io::Result<PathBuf> {
    let mut hash = DefaultHasher::new();
    REQUIREMENTS.hash(&mut hash);
    // target/<profile>/deps/<test>
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).ok_or(io::ErrorKind::NotFound)?;
    let place = target.join(format!("scim2-tester-{:016x}", hash.finish()));
    let mark = place.join("whole");
    if mark.exists() {
        return Ok(place);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(python(&place)).args(pip).arg(&requirements))?;
    fs::write(mark, "")?;
    Ok(place)
}

fn python(place: &Path) -> PathBuf {
    place.join("bin/python")
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
