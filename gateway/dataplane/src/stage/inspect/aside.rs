//! Inspections that would keep a proxy thread from its other clients, and a rule set that only watches: beside it.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use cedargate_model::{Refusal, RefusalCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::rules::{Found, OwnHead, Piece, Plan};
use crate::metrics::ShadowCounts;

/// Inspections that run aside at a time: as many as there are cores, for they do nothing but compute.
static PLACES: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))));

/// A request that is inspected aside.
pub(crate) struct Aside {
    pub(crate) plan: Plan,
    pub(crate) head: OwnHead,
    pub(crate) body: Bytes,
    /// How many of the body's octets are inspected.
    pub(crate) inspected: usize,
    /// Whether those are all of it.
    pub(crate) is_whole: bool,
}

impl Aside {
    fn run(&self) -> Found {
        let octets = self.body.get(..self.inspected).unwrap_or(&self.body);
        let piece = if self.is_whole { Piece::Whole(octets) } else { Piece::Beginning(octets) };
        self.plan.run(&self.head.as_head(), piece)
    }
}

/// Inspects a request on a thread of its own, and waits for it.
///
/// # Errors
/// 503 where no thread was free in time.
pub(crate) async fn run(aside: Aside, patience: Duration) -> Result<Found, Refusal> {
    let unavailable = |why| Refusal::new(RefusalCode::InspectionUnavailable, why);
    let place = timeout(patience, Arc::clone(&PLACES).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(unavailable("no thread was free in time")) };
    let running = tokio::task::spawn_blocking(move || {
        // Held until it is done, even where nobody waits any more.
        let _place = place;
        aside.run()
    });
    running.await.map_err(|_| unavailable("the inspection broke off"))
}

/// Shows a request to rules that only watch, unless every place is taken by those that decide, and counts what they say.
pub(crate) fn watch(aside: Aside, live: Found, counts: &ShadowCounts) {
    let Ok(place) = Arc::clone(&PLACES).try_acquire_owned() else { return counts.count("skipped") };
    let counts = counts.clone();
    // Nobody waits for it: what it says has no effect but a count.
    drop(tokio::task::spawn_blocking(move || {
        let _place = place;
        let found = aside.run();
        counts.count(found.compare(&live));
    }));
}
