//! What the kernel knows of this process, from `/proc`. Where that is missing, the figures stay at zero.

use std::fs;

use cedargate_dataplane::metrics::{self, Described};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Tells every figure.
pub(super) fn figures(tell: impl Fn(&'static Described, f64)) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        let ticks = clock_ticks_per_second() as f64;
        tell(metrics::CPU_SECONDS, stat.cpu_ticks as f64 / ticks);
        tell(metrics::THREADS, stat.threads as f64);
        tell(metrics::VIRTUAL_BYTES, stat.virtual_bytes as f64);
        tell(metrics::RESIDENT_BYTES, stat.resident_pages as f64 * page_size() as f64);
        if let Some(booted) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(booted_at) {
            tell(metrics::START_TIME, booted as f64 + stat.start_ticks as f64 / ticks);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that reads the directory is open, too, and gone a moment later.
        tell(metrics::OPEN_FILES, open.count().saturating_sub(1) as f64);
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        tell(metrics::OPEN_FILES_MAX, max as f64);
    }
}

/// Of `/proc/self/stat` (`man 5 proc_pid_stat`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// The second field is the program's name, which may hold blanks and parentheses: fields are counted behind it.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // The first of them is the third of the manual's list.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn booted_at(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_programs_name_does_not_shift_the_fields() {
        let text = "1 (a) b) S 0 1 1 0 -1 4 5 6 7 8 120 30 0 0 20 0 9 0 77 4096 12 1844 1";
        let stat = Stat { cpu_ticks: 150, threads: 9, start_ticks: 77, virtual_bytes: 4096, resident_pages: 12 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn this_process_has_every_figure() {
        let told = RefCell::new(Vec::new());
        figures(|metric, value| told.borrow_mut().push((metric.name, value)));
        let told = told.into_inner();
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(told.iter().all(|(name, value)| *name == metrics::CPU_SECONDS.name || *value > 0.0), "{told:?}");
    }
}
