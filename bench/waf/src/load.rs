//! What loading the rules takes, and the first request after it.

use anyhow::Context as _;
use serde::Serialize;

use crate::process::{resident_kib, thread_seconds};
use crate::{Engine, requests};

/// What loading took, by one engine.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) engine: &'static str,
    /// Processor time of the one thread that loads.
    pub(crate) load_milliseconds: f64,
    /// What the process has become larger by.
    pub(crate) load_kib: u64,
    /// A GET's processor time: the first one of all, and the least of a hundred behind it.
    pub(crate) first_microseconds: f64,
    pub(crate) later_microseconds: f64,
}

impl Load {
    pub(crate) fn measure(
        load: impl FnOnce() -> anyhow::Result<Box<dyn Engine>>,
    ) -> anyhow::Result<(Box<dyn Engine>, Self)> {
        let (began, before) = (thread_seconds()?, resident_kib()?);
        let mut engine = load()?;
        let load_milliseconds = (thread_seconds()? - began) * 1e3;
        let load_kib = resident_kib()?.saturating_sub(before);
        let requests = requests::all();
        let request = requests.first().context("there is no request")?;
        let mut once = || -> anyhow::Result<f64> {
            let began = thread_seconds()?;
            engine.inspect(request);
            Ok((thread_seconds()? - began) * 1e6)
        };
        let first_microseconds = once()?;
        let mut later_microseconds = f64::INFINITY;
        for _ in 0..100 {
            later_microseconds = later_microseconds.min(once()?);
        }
        let name = engine.name();
        Ok((engine, Self { engine: name, load_milliseconds, load_kib, first_microseconds, later_microseconds }))
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{}: loaded in {:.0} ms, {:.1} MiB; the first GET {:.0} us, later ones {:.0} us",
            self.engine,
            self.load_milliseconds,
            self.load_kib as f64 / 1024.0,
            self.first_microseconds,
            self.later_microseconds
        )
    }
}
