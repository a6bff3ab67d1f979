//! Programs of this workspace as child processes that never outlive their test.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often something that will soon be true is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A built binary (`cedargate`) or example (`examples/echo`) of this workspace, of the profile that the test has.
///
/// # Errors
/// `NotFound`, saying how to build it.
pub fn binary(name: &str) -> io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let profile = test.parent().and_then(Path::parent).ok_or(io::ErrorKind::NotFound)?;
    let path = profile.join(name);
    match path.exists() {
        true => Ok(path),
        false => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is not built: run `cargo build --workspace --all-targets` first", path.display()),
        )),
    }
}

/// A child that is killed when it goes out of scope.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program whose output goes to a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills it at once (SIGKILL) and waits.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > patience {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the process did not end"));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Runs a program to its end with this input; its output, or what it said if it failed.
pub(crate) fn run(command: &mut Command, input: &str) -> io::Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(told),
        false => Err(io::Error::other(format!(
            "{command:?}: {}\n{told}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

/// Waits until something is true.
///
/// # Errors
/// `TimedOut` if it does not come true.
pub fn eventually<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begun.elapsed() > patience {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("waited in vain for {what}")));
        }
        std::thread::sleep(POLL);
    }
}
