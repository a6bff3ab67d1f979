//! What this process has used of the machine.

use std::ffi::{c_int, c_long};
use std::fs;

use anyhow::{Context as _, ensure};

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
}

/// `CLOCK_THREAD_CPUTIME_ID` of Linux.
const THREAD_CPU_TIME: c_int = 3;

/// How long this thread has run: what else the machine does does not count.
pub(crate) fn thread_seconds() -> anyhow::Result<f64> {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the pointer is to a `timespec` as 64-bit Linux has it, which lives across the call.
    let result = unsafe { clock_gettime(THREAD_CPU_TIME, &raw mut time) };
    ensure!(result == 0, "there is no such clock");
    Ok(time.seconds as f64 + time.nanoseconds as f64 / 1e9)
}

/// How much of its memory is in the machine's.
pub(crate) fn resident_kib() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("there is no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
}
