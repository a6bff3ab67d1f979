//! How often tokens may be asked for: by a client, and in vain from an address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cedargate_model::{Micros, SessionId, TenantId};

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Tokens for one client in a window. A token counts for five minutes: whoever needs more of them asks for a new one each time.
const PER_CLIENT_MAX: u32 = 120;
/// Failures from one address (IPv4, IPv6 /64) in a window. Nobody guesses 256 bits; this bounds what trying costs us.
const FAILURES_PER_ADDRESS_MAX: u32 = 30;
/// How many clients, and how many addresses, are remembered in a window.
const KEYS_MAX: usize = 50_000;

/// Counts of the present window.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<Window>);

/// Clients and addresses apart: anybody has as many addresses as an IPv6 network has, and none of them may cost a client its place.
#[derive(Debug, Default)]
struct Window {
    began_at: Micros,
    /// Tokens of clients that were known, by their key or session.
    tokens: Counts<(TenantId, SessionId)>,
    /// Failures from addresses.
    failures: Counts<IpAddr>,
}

/// Over its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) retry_after_seconds: u64,
    /// Whether it is the first time in this window: that stands in the record, and the many more behind it do not.
    pub(super) is_first: bool,
}

impl Rates {
    /// Counts a token for a client that is known.
    pub(super) fn token(&self, tenant: TenantId, client: SessionId, now: Micros) -> Result<(), Exceeded> {
        let mut window = self.window(now);
        let tokens = window.tokens.count((tenant, client));
        if tokens <= PER_CLIENT_MAX { Ok(()) } else { Err(window.exceeded(tokens == PER_CLIENT_MAX + 1, now)) }
    }

    /// Counts a failure from an address, and says whether that was one too many.
    pub(super) fn failed(&self, address: IpAddr, now: Micros) -> Result<(), Exceeded> {
        let mut window = self.window(now);
        let failures = window.failures.count(network(address));
        let is_first = failures == FAILURES_PER_ADDRESS_MAX + 1;
        if failures <= FAILURES_PER_ADDRESS_MAX { Ok(()) } else { Err(window.exceeded(is_first, now)) }
    }

    /// The present window. Every state of it is a valid one, so a panic elsewhere does not matter.
    fn window(&self, now: Micros) -> std::sync::MutexGuard<'_, Window> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What came in before the window began counts in it; a clock that was set back begins anew.
        if now.after(WINDOW) < window.began_at || now >= window.began_at.after(WINDOW) {
            *window = Window { began_at: now, ..Window::default() };
        }
        window
    }
}

impl Window {
    fn exceeded(&self, is_first: bool, now: Micros) -> Exceeded {
        let left = self.began_at.after(WINDOW).since(now);
        Exceeded { retry_after_seconds: left.as_secs() + 1, is_first }
    }
}

/// How often each, of as many as there is room for. Whoever is new always finds room: a full table refuses nobody.
#[derive(Debug)]
struct Counts<K>(HashMap<K, u32>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    /// Counts once more and says how often that makes.
    fn count(&mut self, whom: K) -> u32 {
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(&whom) {
            // Those that were seen but once are the bulk of any flood, and have the least to forget. At least half goes, so that this
            // is rare.
            self.0.retain(|_, count| *count > 1);
            if self.0.len() > KEYS_MAX / 2 {
                self.0.clear();
            }
        }
        let count = self.0.entry(whom).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

/// Of IPv6 the /64, which one party has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_client_over_its_rate_waits_and_others_do_not() {
        let rates = Rates::default();
        let (tenant, client) = (TenantId(Uuid::nil()), |n| SessionId(Uuid::from_u128(n)));
        let now = Micros(1_700_000_000_000_000);
        for _ in 0..PER_CLIENT_MAX {
            assert_eq!(rates.token(tenant, client(1), now), Ok(()));
        }
        for is_first in [true, false, false] {
            assert_eq!(rates.token(tenant, client(1), now), Err(Exceeded { retry_after_seconds: 61, is_first }));
        }
        assert_eq!(rates.token(tenant, client(2), now), Ok(()));
        assert_eq!(rates.token(tenant, client(1), now.after(WINDOW)), Ok(()));
    }

    #[test]
    fn failures_count_by_network_and_are_forgotten() {
        let rates = Rates::default();
        let now = Micros(1_700_000_000_000_000);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..FAILURES_PER_ADDRESS_MAX {
            assert_eq!(rates.failed(address("2001:db8::2"), now), Ok(()));
        }
        for is_first in [true, false] {
            assert_eq!(rates.failed(address("2001:db8::3"), now).err().map(|over| over.is_first), Some(is_first));
        }
        assert!(rates.failed(address("2001:db8:0:1::1"), now).is_ok());
        assert!(rates.failed(address("2001:db8::3"), now.after(WINDOW)).is_ok());
    }

    #[test]
    fn strangers_from_ever_so_many_networks_keep_no_client_waiting() {
        let rates = Rates::default();
        let now = Micros(1_700_000_000_000_000);
        let (tenant, client) = (TenantId(Uuid::nil()), SessionId(Uuid::from_u128(1)));
        for _ in 0..PER_CLIENT_MAX {
            assert_eq!(rates.token(tenant, client, now), Ok(()));
        }
        for n in 0..2 * KEYS_MAX as u128 {
            let stranger = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 64)));
            assert_eq!(rates.failed(stranger, now), Ok(()));
        }
        assert_eq!(rates.token(tenant, SessionId(Uuid::from_u128(2)), now), Ok(()), "new in this window");
        assert!(rates.token(tenant, client, now).is_err(), "strangers make nobody's count forgotten, either");
        let window = rates.window(now);
        assert!(window.failures.0.len() <= KEYS_MAX && window.tokens.0.len() <= KEYS_MAX);
    }

    #[test]
    fn clients_beyond_the_bound_are_counted_all_the_same() {
        let rates = Rates::default();
        let (tenant, now) = (TenantId(Uuid::nil()), Micros(1_700_000_000_000_000));
        for n in 0..=KEYS_MAX as u128 {
            assert_eq!(rates.token(tenant, SessionId(Uuid::from_u128(n)), now), Ok(()));
        }
        assert!(rates.window(now).tokens.0.len() <= KEYS_MAX);
    }

    #[test]
    fn a_request_that_came_before_the_window_began_resets_nothing() {
        let rates = Rates::default();
        let (address, now) = (IpAddr::from([192, 0, 2, 1]), Micros(1_700_000_000_000_000));
        for _ in 0..FAILURES_PER_ADDRESS_MAX {
            assert_eq!(rates.failed(address, now), Ok(()));
        }
        assert!(rates.failed(address, Micros(now.0 - 1)).is_err());
        assert!(rates.failed(address, Micros(now.0 - 3_600_000_000)).is_ok(), "the clock was set back");
    }
}
