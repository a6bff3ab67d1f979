//! When to commit.
//!
//! Measured on a proxy at 64 connections: a commit for every record costs 8 to 18 microseconds a request in thread
//! wakes, one a millisecond costs 3.5. With a slow disk (5 ms a sync) committing at once makes a request wait for two
//! syncs, because it arrives while one is running and those that it shares the next with are not yet back; lingering
//! 0.5 to 1 ms after a commit lets them join.

use std::time::{Duration, Instant};

/// From here on a disk counts as slow.
const SLOW_SYNC: Duration = Duration::from_millis(2);

/// The bounds of lingering.
const LINGER: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(1));

/// Decides how long to wait before the next commit.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    last: Option<(Instant, Instant)>,
    sync: Duration,
}

impl Pace {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None, sync: Duration::ZERO }
    }

    /// How long to wait before a commit that could start now: nothing after an idle time.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let Some((start, end)) = self.last else { return Duration::ZERO };
        let spacing = self.interval.saturating_sub(now.saturating_duration_since(start));
        if self.sync < SLOW_SYNC {
            return spacing;
        }
        let linger = (self.sync / 8).clamp(LINGER.0, LINGER.1);
        spacing.max(linger.saturating_sub(now.saturating_duration_since(end)))
    }

    /// Learns from a commit.
    pub(crate) fn committed(&mut self, start: Instant, end: Instant) {
        let took = end.saturating_duration_since(start);
        self.sync = (self.sync * 7 + took) / 8;
        self.last = Some((start, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn after(syncs: u32, each: Duration) -> (Pace, Instant) {
        let mut pace = Pace::new(MS);
        let mut now = Instant::now();
        for _ in 0..syncs {
            pace.committed(now, now + each);
            now += each;
        }
        (pace, now)
    }

    #[test]
    fn idle_commits_at_once() {
        assert_eq!(Pace::new(MS).wait(Instant::now()), Duration::ZERO);
        let (pace, end) = after(9, MS / 5);
        assert_eq!(pace.wait(end + MS), Duration::ZERO);
        let (pace, end) = after(99, 8 * MS);
        assert_eq!(pace.wait(end + MS), Duration::ZERO);
    }

    #[test]
    fn busy_commits_start_an_interval_apart() {
        let (pace, end) = after(9, MS / 5);
        assert_eq!(pace.wait(end), MS - MS / 5);
    }

    #[test]
    fn a_slow_disk_makes_it_linger_a_little() {
        let (pace, end) = after(99, 8 * MS);
        assert!((LINGER.0..=LINGER.1).contains(&pace.wait(end)), "{:?}", pace.wait(end));
    }
}
