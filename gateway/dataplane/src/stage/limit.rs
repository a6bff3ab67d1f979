//! Is this address within its rate?
//!
//! GCRA (the generic cell rate algorithm) by `governor`, over a store of our own that never grows ([`store`]). The
//! quotas of people and tenants are the same [`Limiter`] with other keys.

mod fields;
mod store;

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use cedargate_model::{Challenge, Refusal, RefusalCode};
use governor::Quota;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use http::{HeaderName, HeaderValue};

use store::BoundedStore;

/// Holds every client address to one rate, before anything dear is done for it.
#[derive(Debug)]
pub struct RateLimiter<C: Clock = DefaultClock>(Limiter<AddressKey, C>);

impl RateLimiter {
    /// Addresses that are remembered at once: 3 MiB. See [`store`] for what happens beyond.
    pub const ADDRESSES_MAX: usize = 128 * 1024;

    /// Limits each address to `rate`, remembering about `addresses_max` of them.
    pub fn new(rate: Rate, addresses_max: usize) -> Self {
        Self(Limiter::new("address", rate, addresses_max, DefaultClock::default()))
    }
}

/// Counts one request of `client`. The fields that tell where it stands go to `answer`, whether it passes or not.
///
/// # Errors
/// `address_rate_limited` with the time to wait.
pub(crate) fn limit<C: Clock>(
    limiter: &RateLimiter<C>,
    client: IpAddr,
    answer: &mut Vec<(HeaderName, HeaderValue)>,
) -> Result<(), Refusal> {
    let standing = limiter.0.check(&client.into());
    answer.extend(standing.fields());
    standing.within(RefusalCode::AddressRateLimited)
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber has all to itself (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AddressKey {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// So many requests in so much time. All of them may come at once; then they are regained one by one, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    requests: NonZeroU32,
    window_seconds: NonZeroU32,
}

/// Why a rate cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Nothing at all would be let through.
    #[error("a rate needs at least one request in at least one second")]
    Zero,
    /// More than can be counted exactly, or longer than the gateway's memory is worth.
    #[error("a rate has at most 1,000,000 requests a second, in a window of at most one day")]
    TooLarge,
}

impl Rate {
    /// A rate of `requests` in `window_seconds`.
    ///
    /// # Errors
    /// [`RateError`] outside of what makes sense to limit by.
    pub fn new(requests: u32, window_seconds: u32) -> Result<Self, RateError> {
        let (Some(requests), Some(window_seconds)) = (NonZeroU32::new(requests), NonZeroU32::new(window_seconds))
        else {
            return Err(RateError::Zero);
        };
        let rate = Self { requests, window_seconds };
        // Below a microsecond between two requests, rounding to nanoseconds would show in the rate.
        if window_seconds.get() > 24 * 60 * 60 || rate.interval() < Duration::from_micros(1) {
            return Err(RateError::TooLarge);
        }
        Ok(rate)
    }

    /// The time in which one request is regained.
    fn interval(self) -> Duration {
        Duration::from_secs(u64::from(self.window_seconds.get())) / self.requests.get()
    }
}

/// Holds each key to one rate, in bounded memory.
///
/// The clock is governor's monotonic one and not the wall clock that decisions take as an argument: were that set back
/// by an hour, everybody would be limited for an hour.
pub(super) struct Limiter<K: Copy + Eq + Hash, C: Clock = DefaultClock> {
    policy: &'static str,
    rate: Rate,
    /// `RateLimit-Policy`, which is the same on every answer.
    terms: HeaderValue,
    cells: governor::RateLimiter<K, BoundedStore<K>, C, StateInformationMiddleware>,
}

impl<K: Copy + Eq + Hash, C: Clock> Limiter<K, C> {
    /// A limiter called `policy` on answers, which remembers about `keys_max` keys.
    pub(super) fn new(policy: &'static str, rate: Rate, keys_max: usize, clock: C) -> Self {
        // `Rate` keeps the interval above zero. Should that ever change, one request a second is the safe side.
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let plain: governor::RateLimiter<K, _, C, NoOpMiddleware<C::Instant>> =
            governor::RateLimiter::new(quota.allow_burst(rate.requests), BoundedStore::new(keys_max), clock);
        Self { policy, rate, terms: fields::terms(policy, rate), cells: plain.with_middleware() }
    }

    /// Counts one request of `key` and says where it stands.
    pub(super) fn check(&self, key: &K) -> Standing {
        let (remaining, wait) = match self.cells.check_key(key) {
            Ok(passed) => (passed.remaining_burst_capacity(), None),
            Err(early) => (0, Some(early.wait_time_from(self.cells.clock().now()))),
        };
        let quota = self.rate.requests.get();
        let full_again = seconds_up(self.rate.interval() * quota.saturating_sub(remaining));
        // Less than a second is still "not now".
        let retry_after_seconds = wait.map(|wait| seconds_up(wait).max(1));
        Standing {
            policy: self.policy,
            rate: self.rate,
            terms: self.terms.clone(),
            remaining,
            reset_seconds: retry_after_seconds.unwrap_or(full_again),
            retry_after_seconds,
        }
    }
}

impl<K: Copy + Eq + Hash, C: Clock> std::fmt::Debug for Limiter<K, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("policy", &self.policy).field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// Where a caller stands with one limit, this request counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Standing {
    /// The limit's name: lower-case letters.
    policy: &'static str,
    rate: Rate,
    terms: HeaderValue,
    /// How many are left now.
    remaining: u32,
    /// Until all of them are there again, rounded up; for a request over the limit, until one would pass, since the
    /// draft wants the same moment as in `Retry-After` (§4).
    reset_seconds: u64,
    /// Set if this request is over the limit: when one would pass, rounded up.
    retry_after_seconds: Option<u64>,
}

impl Standing {
    /// Refuses what is over the limit.
    ///
    /// # Errors
    /// `code`, with the time to wait.
    pub(super) fn within(&self, code: RefusalCode) -> Result<(), Refusal> {
        let Some(seconds) = self.retry_after_seconds else { return Ok(()) };
        let Rate { requests, window_seconds } = self.rate;
        let detail = format!("over {requests} requests in {window_seconds} s by {}", self.policy);
        Err(Refusal::new(code, detail).with(Challenge::RetryAfter(seconds)))
    }
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
