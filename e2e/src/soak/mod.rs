//! A soak: the real programs under load for minutes, with clients that behave badly, services that die and return, and
//! policies and keys that change meanwhile. Then: was anything lost, forgotten, or kept for ever?
//!
//! [`run`] is all of it; [`Report::failures`] says what did not hold. Everything stays on loopback, in one temporary
//! directory, and ends by itself.

mod clients;
mod faults;
mod ledger;
mod report;
mod watch;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use report::Report;

use crate::{World, WorldOptions};
use clients::Clients;
use faults::Faults;
use ledger::Ledger;
use watch::Watch;

/// Heads and bodies that stall must be given up within the soak, policies taken up at once, and a rate met now and then.
const CONFIG: &str = "[policies]\nreload_interval_ms = 200\n\n[sessions]\nstaleness_max_ms = 1000\n";
const LIMITS: &str = "address_requests = 1_000_000\nprincipal_requests = 1_000_000\ntenant_requests = 1_000_000\n\
                      head_timeout_ms = 1500\nbody_timeout_ms = 2000\nidle_timeout_ms = 5000";

/// Runs for so long, and then looks at what is left.
///
/// # Errors
/// The installation could not be started, or could not be asked.
pub fn run(length: Duration) -> io::Result<Report> {
    let options = WorldOptions { config: CONFIG, limits: Some(LIMITS), ..WorldOptions::default() };
    let world = World::start(&options)?;
    let (ledger, stop) = (Ledger::default(), AtomicBool::new(false));
    let clients = Clients::sign_in(&world, &ledger, &stop)?;
    let faults = Faults::new(&world, &stop)?;
    let mut watch = Watch::new(&world);
    let begun = Instant::now();
    let (samples, struck) = thread::scope(|scope| -> io::Result<_> {
        clients.spawn(scope);
        let faults = scope.spawn(|| faults.strike());
        while begun.elapsed() < length {
            watch.sample(begun.elapsed())?;
            thread::sleep(watch::INTERVAL.min(length.saturating_sub(begun.elapsed())));
        }
        stop.store(true, Ordering::Relaxed);
        let struck = faults.join().map_err(|_| io::Error::other("the thread of the faults panicked"))??;
        Ok((watch, struck))
    })?;
    Report::of(&world, &ledger, samples, &struck)
}
