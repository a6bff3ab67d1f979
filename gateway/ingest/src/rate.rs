//! How much one service may say.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cedargate_model::Micros;

use crate::ServiceName;

/// So many seconds' worth may come at once: what gathered while the gateway was away.
const BURST_SECONDS: u64 = 10;

/// An allowance for each service that has a credential, so there are few of them.
pub(crate) struct Rates {
    per_second: u64,
    /// When each service will have regained all that it spent.
    paid_back_at: Mutex<HashMap<ServiceName, Micros>>,
}

impl Rates {
    pub(crate) fn new(events_per_second: u32) -> Self {
        Self { per_second: u64::from(events_per_second.max(1)), paid_back_at: Mutex::default() }
    }

    /// Spends an allowance for so many events. Where it has run out: how long until there is some again.
    pub(crate) fn spend(&self, service: &ServiceName, events: usize, now: Micros) -> Result<(), Duration> {
        let mut all = self.paid_back_at.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_back = all.get(service).copied().unwrap_or(now).max(now);
        let ahead = paid_back.since(now);
        let burst = Duration::from_secs(BURST_SECONDS);
        if let Some(too_far) = ahead.checked_sub(burst).filter(|too_far| !too_far.is_zero()) {
            return Err(too_far);
        }
        // One batch beyond the allowance is let in, and paid for afterwards: it is bounded.
        all.insert(service.clone(), paid_back.after(self.cost(events)));
        Ok(())
    }

    fn cost(&self, events: usize) -> Duration {
        let micros = u64::try_from(events).unwrap_or(u64::MAX).saturating_mul(1_000_000) / self.per_second;
        Duration::from_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_that_says_too_much_waits_and_the_others_do_not() {
        let rates = Rates::new(100);
        let [one, other] = ["one", "other"].map(|name| ServiceName::parse(name).unwrap());
        let now = Micros(1_000_000_000);
        while rates.spend(&one, 100, now).is_ok() {}
        let wait = rates.spend(&one, 1, now).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(rates.spend(&other, 100, now), Ok(()));
        assert_eq!(rates.spend(&one, 1, now.after(wait)), Ok(()));
    }
}
