//! The machine that measures: which core a process runs on, and how much of it a process used.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Clock ticks in a second in `/proc`: the kernel's interface fixes it at 100 on every architecture that we build for.
const TICKS_PER_SECOND: u64 = 100;

/// Why a process's time cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorTimeError {
    /// There is no such process any more.
    #[error("process {pid} is gone")]
    Gone {
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not the text that proc(5) describes.
    #[error("the times of process {pid} cannot be read")]
    Format {
        /// The process.
        pid: u32,
    },
}

/// The processor time that all threads of a process used so far, in user and kernel mode.
///
/// # Errors
/// The process is gone.
pub fn processor_time(pid: u32) -> Result<Duration, ProcessorTimeError> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|source| ProcessorTimeError::Gone { pid, source })?;
    ticks(&stat)
        .map(|ticks| Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND)))
        .ok_or(ProcessorTimeError::Format { pid })
}

/// `utime` and `stime`, the 14th and 15th field of proc_pid_stat(5). The 2nd may itself hold spaces and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_name, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// What of a process is in memory now.
///
/// # Errors
/// The process is gone.
pub fn resident_mebibytes(pid: u32) -> Result<f64, ProcessorTimeError> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).map_err(|source| ProcessorTimeError::Gone { pid, source })?;
    let kibibytes = value_of(&status, "VmRSS").and_then(|value| value.split(' ').next()?.parse::<f64>().ok());
    kibibytes.map(|kibibytes| kibibytes / 1024.0).ok_or(ProcessorTimeError::Format { pid })
}

/// The same command on one core, where there is `taskset` and a core is asked for.
pub fn pin(command: Command, core: Option<usize>) -> Command {
    let Some(core) = core.filter(|_| Path::new("/usr/bin/taskset").exists()) else { return command };
    under(command, &["/usr/bin/taskset", "--cpu-list", &core.to_string()])
}

/// The same command, run by another one: a profiler, say. With none, the command itself.
pub fn under(command: Command, runner: &[&str]) -> Command {
    let Some((program, arguments)) = runner.split_first() else { return command };
    let mut run = Command::new(program);
    run.args(arguments).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        run.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => run.env(name, value),
            None => run.env_remove(name),
        };
    }
    run
}

/// Processor, cores, memory and kernel in one line, for whoever reads the figures elsewhere.
pub fn describe_machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = value_of(&processors, "model name").unwrap_or("unknown processor");
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kibibytes: u64 = value_of(&memory, "MemTotal").and_then(|v| v.split(' ').next()?.parse().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, {} GiB, Linux {}", kibibytes / 1024 / 1024, kernel.trim())
}

fn value_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100";
        assert_eq!(ticks(stat), Some(300));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(matches!(processor_time(u32::MAX), Err(ProcessorTimeError::Gone { .. })));
    }

    #[test]
    fn pinning_keeps_arguments_and_environment() {
        let mut command = Command::new("true");
        command.arg("x").env("A", "b").current_dir("/");
        let pinned = pin(command, Some(0));
        assert!(pinned.get_args().any(|arg| arg == "x"));
        assert!(pinned.get_envs().any(|(name, _)| name == "A"));
        assert_eq!(pinned.get_current_dir(), Some(Path::new("/")));
    }
}
