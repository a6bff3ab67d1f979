//! The programs that the demo runs, and their end.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How often it is looked whether a program has ended.
const POLL: Duration = Duration::from_millis(50);

/// How many lines of a failed program's log are shown.
const LAST_LINES: usize = 12;

/// A running program whose output goes to a log file.
///
/// It has a process group of its own, so that Ctrl-C in the terminal reaches whoever started it and not it as well: a
/// second signal would cut off the requests that it is finishing. The kernel ends it if its starter is killed.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program. Must be called on the main thread, whose end is what the kernel watches.
    ///
    /// # Errors
    /// The program or the log file cannot be opened.
    pub fn start(name: &'static str, command: &Command, log: &Path) -> Result<Self> {
        let output = append(log)?;
        let errors = output.try_clone().context("cannot share the log file")?;
        // setpriv is part of util-linux, which every Debian has.
        let mut started = Command::new("setpriv");
        started.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
        if let Some(directory) = command.get_current_dir() {
            started.current_dir(directory);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        started.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = started.spawn().with_context(|| format!("cannot start the {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// What it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the {}", self.name))
    }

    /// The end of its log, for whoever wants to know why it ended.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        format!("{}\n(all of it: {})", lines.get(from..).unwrap_or_default().join("\n"), self.log.display())
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        // Signalling takes `unsafe` or another crate; the shell's own `kill` is always there. If it fails the process has
        // ended, or `finish` kills it.
        let pid = self.id().to_string();
        let _sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).stderr(Stdio::null()).status();
    }

    /// Waits for its end, and kills it when `patience` is over. Says whether it ended by itself.
    pub async fn finish(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        self.kill();
        false
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Both fail only if it has ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn append(log: &Path) -> Result<File> {
    let open = OpenOptions::new().create(true).append(true).open(log);
    open.with_context(|| format!("cannot open {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, log: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("script", &command, log).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_program_that_will_not_end_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut stubborn = start("trap '' TERM; echo ready; while :; do read x || sleep 1; done", &log);
        while !std::fs::read_to_string(&log).unwrap().contains("ready") {
            tokio::task::yield_now().await;
        }
        stubborn.terminate();
        assert!(!stubborn.finish(Duration::from_millis(200)).await);
        assert!(stubborn.ended().unwrap().is_some());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_program_that_is_asked_to_end_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut obedient = start("exec sleep 60", &directory.path().join("log"));
        obedient.terminate();
        assert!(obedient.finish(Duration::from_secs(30)).await);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_last_words_are_those_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut failing = start("echo port taken >&2; exit 3", &directory.path().join("log"));
        assert!(failing.finish(Duration::from_secs(30)).await);
        assert!(failing.last_words().starts_with("port taken\n"));
    }
}
