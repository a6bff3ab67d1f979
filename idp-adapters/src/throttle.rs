//! How failures slow down what follows.

use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::Guesses;
use cedargate_model::{Micros, TenantId, network_of};
use moka::ops::compute::Op;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

/// How failures slow down what follows, for an account and for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelaySettings {
    /// For one account of one tenant, existing or not.
    pub account: DelayCurve,
    /// For one address: IPv4, or IPv6 /64. Many people may share one.
    pub address: DelayCurve,
    /// Failures count no more when the last one is this long ago.
    pub forget_after: Duration,
    /// How many accounts and how many addresses are remembered. One takes about 200 octets.
    pub remembered_max: u64,
}

/// No delay for the first failures, then one second, doubled with each further failure up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayCurve {
    /// The failure that is the first to cause a delay.
    pub first_delayed: u32,
    /// The longest delay.
    pub delay_max: Duration,
}

impl Default for DelaySettings {
    /// After ten wrong guesses an account takes one every fifteen minutes: 100 a day, against at least 15 characters. It
    /// is never locked for good, which would hand anybody a way to lock others out (NIST SP 800-63B-4 §3.2.2).
    fn default() -> Self {
        Self {
            account: DelayCurve { first_delayed: 5, delay_max: Duration::from_secs(15 * 60) },
            address: DelayCurve { first_delayed: 50, delay_max: Duration::from_secs(60) },
            forget_after: Duration::from_secs(60 * 60),
            remembered_max: 100_000,
        }
    }
}

impl DelayCurve {
    fn after(self, failures: u32) -> Duration {
        match failures.checked_sub(self.first_delayed) {
            None => Duration::ZERO,
            Some(doublings) => {
                Duration::from_secs(1_u64.checked_shl(doublings).unwrap_or(u64::MAX)).min(self.delay_max)
            }
        }
    }
}

/// Whether an attempt may be made.
#[derive(Debug)]
#[must_use]
pub(crate) enum Admission {
    /// Try it. It counts as failed until [`Throttle`] hears otherwise.
    Admitted(Attempt),
    /// Do not.
    Delayed {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// An attempt that was counted as a failure beforehand.
#[derive(Debug)]
pub(crate) struct Attempt {
    account: AccountKey,
    address: AddressKey,
}

/// An address, of one tenant where tenants are told apart.
type AddressKey = (Option<TenantId>, IpAddr);

/// SHA-256 of tenant and name as typed, so that an entry has the same size whatever is typed.
type AccountKey = [u8; 32];

#[derive(Debug)]
pub(crate) struct Throttle {
    settings: DelaySettings,
    /// Whether an address that fails at one tenant's is slowed down at that one alone: right where nothing can be guessed.
    tenants_apart: bool,
    accounts: Cache<AccountKey, Guesses>,
    addresses: Cache<AddressKey, Guesses>,
}

impl Throttle {
    pub(crate) fn new(settings: DelaySettings) -> Self {
        // moka's own clock only gives memory back; what counts is judged by the caller's.
        let idle = settings.forget_after.saturating_mul(2);
        Self {
            settings,
            tenants_apart: false,
            accounts: Cache::builder().max_capacity(settings.remembered_max).time_to_idle(idle).build(),
            addresses: Cache::builder().max_capacity(settings.remembered_max).time_to_idle(idle).build(),
        }
    }

    /// The same, with an address counted for each tenant.
    pub(crate) fn of_tenants_apart(settings: DelaySettings) -> Self {
        Self { tenants_apart: true, ..Self::new(settings) }
    }

    /// Judges an attempt at what `name` names in the tenant: an address as typed, or an account's id.
    pub(crate) fn admit(&self, tenant: TenantId, name: &str, client: IpAddr, now: Micros) -> Admission {
        let address = (self.tenants_apart.then_some(tenant), network_of(client));
        let attempt = Attempt { account: account_key(tenant, name), address };
        let forget_after = self.settings.forget_after;
        let judge = |failures, curve| judge(failures, curve, forget_after, now);

        if let Err(retry_after) = count(&self.addresses, attempt.address, |f| judge(f, self.settings.address)) {
            return Admission::Delayed { retry_after };
        }
        if let Err(retry_after) = count(&self.accounts, attempt.account, |f| judge(f, self.settings.account)) {
            uncount(&self.addresses, attempt.address);
            return Admission::Delayed { retry_after };
        }
        Admission::Admitted(attempt)
    }

    /// The person is who they say: their account's failures are forgotten. The address's are not, or one good account
    /// would let it guess at all others.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        self.accounts.invalidate(&attempt.account);
        uncount(&self.addresses, attempt.address);
    }

    /// We could not try it, so nobody failed.
    pub(crate) fn not_tried(&self, attempt: Attempt) {
        uncount(&self.accounts, attempt.account);
        uncount(&self.addresses, attempt.address);
    }
}

/// Decides on one key: the failures to keep from now on, or how long to wait.
pub(crate) fn judge(
    known: Option<Guesses>,
    curve: DelayCurve,
    forget_after: Duration,
    now: Micros,
) -> Result<Guesses, Duration> {
    let count = match known {
        Some(failures) if now < failures.last_at.after(forget_after) => {
            let delay = curve.after(failures.count);
            // A clock that was set back must not make anybody wait longer than the delay: `since` is then zero.
            let passed = now.since(failures.last_at);
            if passed < delay {
                return Err(delay - passed);
            }
            failures.count
        }
        Some(_) | None => 0,
    };
    Ok(Guesses { count: count.saturating_add(1), last_at: now })
}

/// Judges and counts in one step per key, so that many attempts at once are counted one by one.
fn count<K: std::hash::Hash + Eq + Send + Sync + Copy + 'static>(
    cache: &Cache<K, Guesses>,
    key: K,
    judge: impl FnOnce(Option<Guesses>) -> Result<Guesses, Duration>,
) -> Result<(), Duration> {
    let mut verdict = Ok(());
    cache.entry(key).and_compute_with(|entry| match judge(entry.map(|entry| entry.into_value())) {
        Ok(failures) => Op::Put(failures),
        Err(retry_after) => {
            verdict = Err(retry_after);
            Op::Nop
        }
    });
    verdict
}

fn uncount<K: std::hash::Hash + Eq + Send + Sync + Copy + 'static>(cache: &Cache<K, Guesses>, key: K) {
    cache.entry(key).and_compute_with(|entry| match entry.map(|entry| entry.into_value()) {
        Some(Guesses { count, last_at }) if count > 1 => Op::Put(Guesses { count: count - 1, last_at }),
        Some(_) => Op::Remove,
        None => Op::Nop,
    });
}

/// Spellings of one address share one count; so do spellings that are no address.
fn account_key(tenant: TenantId, email: &str) -> AccountKey {
    let mut hash = Sha256::new();
    hash.update(tenant.0.as_bytes());
    hash.update(email.trim().to_ascii_lowercase());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ACME: TenantId = TenantId(Uuid::nil());
    const NOW: Micros = Micros(1_700_000_000_000_000);

    fn home() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    fn throttle() -> Throttle {
        Throttle::new(DelaySettings::default())
    }

    fn at(seconds: u64) -> Micros {
        NOW.after(Duration::from_secs(seconds))
    }

    fn wait(throttle: &Throttle, email: &str, client: IpAddr, now: Micros) -> u64 {
        match throttle.admit(ACME, email, client, now) {
            Admission::Admitted(_) => 0,
            Admission::Delayed { retry_after } => retry_after.as_secs(),
        }
    }

    #[test]
    fn delays_double_from_the_fifth_failure_up_to_the_limit() {
        let curve = DelaySettings::default().account;
        let seconds: Vec<_> = (0..17).map(|failures| curve.after(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(curve.after(u32::MAX), curve.delay_max);
    }

    #[test]
    fn an_account_waits_longer_with_every_failure_wherever_they_come_from() {
        let throttle = throttle();
        for n in 0..5 {
            assert_eq!(wait(&throttle, "ada@example.com", IpAddr::from([192, 0, 2, n]), NOW), 0);
        }
        assert_eq!(wait(&throttle, " ADA@example.com", IpAddr::from([192, 0, 2, 99]), NOW), 1);
        assert_eq!(wait(&throttle, "ada@example.com", home(), at(1)), 0);
        assert_eq!(wait(&throttle, "ada@example.com", home(), at(1)), 2);
        assert_eq!(wait(&throttle, "bob@example.com", home(), at(1)), 0, "another account");
    }

    #[test]
    fn what_is_delayed_does_not_count_as_a_failure() {
        let throttle = throttle();
        for _ in 0..5 {
            assert_eq!(wait(&throttle, "ada@example.com", home(), NOW), 0);
        }
        for _ in 0..1_000 {
            assert_eq!(wait(&throttle, "ada@example.com", home(), NOW), 1);
        }
        assert_eq!(wait(&throttle, "ada@example.com", home(), at(1)), 0);
        assert_eq!(wait(&throttle, "bob@example.com", home(), at(1)), 0, "the address was not charged either");
    }

    #[test]
    fn many_accounts_from_one_address_are_slowed_down() {
        let throttle = throttle();
        for n in 0..50 {
            assert_eq!(wait(&throttle, &format!("p{n}@example.com"), home(), NOW), 0);
        }
        assert_eq!(wait(&throttle, "another@example.com", home(), NOW), 1);
        assert_eq!(wait(&throttle, "another@example.com", IpAddr::from([192, 0, 2, 2]), NOW), 0);
    }

    #[test]
    fn a_success_clears_the_account_and_not_the_address() {
        let throttle = throttle();
        for n in 0..49 {
            assert_eq!(wait(&throttle, &format!("p{n}@example.com"), home(), NOW), 0);
        }
        for _ in 0..20 {
            let Admission::Admitted(attempt) = throttle.admit(ACME, "own@example.com", home(), NOW) else { panic!() };
            throttle.succeeded(attempt);
        }
        assert_eq!(wait(&throttle, "x@example.com", home(), NOW), 0);
        assert_eq!(wait(&throttle, "y@example.com", home(), NOW), 1);
    }

    #[test]
    fn what_could_not_be_tried_is_no_failure() {
        let throttle = throttle();
        for _ in 0..100 {
            let Admission::Admitted(attempt) = throttle.admit(ACME, "ada@example.com", home(), NOW) else { panic!() };
            throttle.not_tried(attempt);
        }
    }

    #[test]
    fn failures_are_forgotten_after_a_while() {
        let throttle = throttle();
        for _ in 0..5 {
            assert_eq!(wait(&throttle, "ada@example.com", home(), NOW), 0);
        }
        for _ in 0..5 {
            assert_eq!(wait(&throttle, "ada@example.com", home(), at(3_600)), 0);
        }
        assert_eq!(wait(&throttle, "ada@example.com", home(), at(3_600)), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_lengthen_the_wait() {
        let throttle = throttle();
        for _ in 0..5 {
            assert_eq!(wait(&throttle, "ada@example.com", home(), at(86_400)), 0);
        }
        assert_eq!(wait(&throttle, "ada@example.com", home(), NOW), 1);
    }

    #[test]
    fn the_same_address_in_two_tenants_is_two_accounts() {
        assert_ne!(account_key(ACME, "a@b"), account_key(TenantId(Uuid::from_u128(1)), "a@b"));
    }
}
