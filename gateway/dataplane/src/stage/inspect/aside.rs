//! Inspections that would keep a proxy thread from its other clients, and a rule set that only watches: beside it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use bytes::Bytes;
use cedargate_model::{Refusal, RefusalCode};
use tokio::sync::Semaphore;

use super::rules::{Found, OwnHead, Piece, Plan};
use super::turns::{Claimant, Turns};
use crate::metrics::ShadowCounts;

/// Inspections that decide run aside as many at a time as there are cores, for they do nothing but compute.
static TURNS: LazyLock<Arc<Turns>> = LazyLock::new(|| Turns::new(available_parallelism().map_or(1, usize::from)));

/// Those that only watch have a place of their own, and take none of the others'.
static WATCHING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

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
/// 503 where too many others wait for a thread.
pub(crate) async fn run(aside: Aside, who: &Claimant) -> Result<Found, Refusal> {
    let octets = aside.head.as_head().len() + aside.body.len();
    on_a_place(who, octets, move || aside.run()).await
}

/// Runs something on a thread of its own, once it is this caller's turn.
///
/// # Errors
/// 503 where too many others wait for a thread.
pub(crate) async fn on_a_place<T: Send + 'static>(
    who: &Claimant,
    octets: usize,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let place = TURNS.place(who, octets).await;
    let place = place.map_err(|_| unavailable("too many others wait for a thread"))?;
    let running = tokio::task::spawn_blocking(move || {
        // Held until it is done, even where nobody waits any more.
        let _place = place;
        run()
    });
    running.await.map_err(|_| unavailable("the inspection broke off"))
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(RefusalCode::InspectionUnavailable, why)
}

/// Shows a request to rules that only watch, unless others are being shown to them, and counts what they say.
pub(crate) fn watch(aside: Aside, live: Found, counts: &ShadowCounts) {
    let Ok(place) = Arc::clone(&WATCHING).try_acquire_owned() else { return counts.count("skipped") };
    let counts = counts.clone();
    // Nobody waits for it: what it says has no effect but a count.
    drop(tokio::task::spawn_blocking(move || {
        let _place = place;
        let found = aside.run();
        counts.count(found.compare(&live));
    }));
}

/// How many octets of bodies are held back in all exchanges together.
const HELD_MAX: usize = 256 << 20;
/// How many of them are strangers': who fills those leaves as much to callers that are known.
const STRANGERS_HELD_MAX: usize = HELD_MAX / 2;
static HELD_OF_KNOWN: AtomicUsize = AtomicUsize::new(0);
static HELD_OF_STRANGERS: AtomicUsize = AtomicUsize::new(0);

/// How many octets an exchange holds back; they count until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldOctets {
    octets: usize,
    is_known: bool,
}

impl HeldOctets {
    /// None yet, of a caller who is known, or of a stranger.
    pub(crate) fn of(is_known: bool) -> Self {
        Self { octets: 0, is_known }
    }

    /// Counts so many more.
    ///
    /// # Errors
    /// 503 where all exchanges together hold too many, or all strangers'.
    pub(crate) fn add(&mut self, octets: usize) -> Result<(), Refusal> {
        self.octets += octets;
        let own = self.counter().fetch_add(octets, Ordering::Relaxed).saturating_add(octets);
        let is_over = match self.is_known {
            true => own.saturating_add(HELD_OF_STRANGERS.load(Ordering::Relaxed)) > HELD_MAX,
            false => own > STRANGERS_HELD_MAX,
        };
        if is_over { Err(unavailable("too much is held back for inspection")) } else { Ok(()) }
    }

    fn counter(&self) -> &'static AtomicUsize {
        if self.is_known { &HELD_OF_KNOWN } else { &HELD_OF_STRANGERS }
    }
}

impl Drop for HeldOctets {
    fn drop(&mut self) {
        self.counter().fetch_sub(self.octets, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_exchanges_hold_back_is_bounded_and_comes_free_again() {
        let busy = |held: &mut HeldOctets, octets| held.add(octets).unwrap_err().code;
        let mut stranger = HeldOctets::of(false);
        stranger.add(STRANGERS_HELD_MAX).unwrap();
        let mut another = HeldOctets::of(false);
        assert_eq!(busy(&mut another, 1), RefusalCode::InspectionUnavailable);
        // Strangers hold all that they may, and whoever is known is not refused for it.
        let mut known = HeldOctets::of(true);
        known.add(HELD_MAX / 4).unwrap();
        assert_eq!(busy(&mut HeldOctets::of(true), HELD_MAX / 2), RefusalCode::InspectionUnavailable);
        drop((stranger, another, known));
        HeldOctets::of(false).add(STRANGERS_HELD_MAX).unwrap();
        HeldOctets::of(true).add(HELD_MAX).unwrap();
    }
}
