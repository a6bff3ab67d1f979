//! The gateway's memory and open files as time goes by.

use std::io;
use std::time::Duration;

use crate::World;

/// Between two looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct Watch {
    process: u32,
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) memory_kib: u64,
    pub(super) files: usize,
}

impl Watch {
    pub(super) fn new(world: &World) -> Self {
        Self { process: world.gateway_id(), samples: Vec::new() }
    }

    pub(super) fn sample(&mut self, at: Duration) -> io::Result<()> {
        let (memory_kib, files) = (self.memory_kib()?, self.files()?);
        self.samples.push(Sample { at, memory_kib, files });
        Ok(())
    }

    fn memory_kib(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
    }

    /// How many files are open now.
    pub(super) fn files(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.process))?.count())
    }

    /// The mean memory of a part of the time, from and to in tenths of it.
    pub(super) fn mean_kib(&self, from: usize, to: usize) -> u64 {
        let cut = |tenth: usize| self.samples.len() * tenth / 10;
        let part = self.samples.get(cut(from)..cut(to)).unwrap_or_default();
        part.iter().map(|sample| sample.memory_kib).sum::<u64>() / u64::try_from(part.len().max(1)).unwrap_or(1)
    }
}
