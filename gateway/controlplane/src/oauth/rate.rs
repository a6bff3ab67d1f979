//! How often tokens may be asked for: by a client, and in vain from an address.

use std::collections::HashMap;
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
/// How much is remembered in a window. Beyond, whoever is new waits for the next.
const KEYS_MAX: usize = 50_000;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    /// A client that was known, by its key or session.
    Client(TenantId, SessionId),
    /// An address that something failed from.
    Address(IpAddr),
}

/// Counts of the present window.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began_at: Micros,
    counts: HashMap<Counted, u32>,
}

/// Over its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) retry_after_seconds: u64,
}

impl Rates {
    /// Counts a token for a client that is known.
    pub(super) fn token(&self, tenant: TenantId, client: SessionId, now: Micros) -> Result<(), Exceeded> {
        self.count(Counted::Client(tenant, client), PER_CLIENT_MAX, now)
    }

    /// Whether the address has failures left.
    pub(super) fn may_fail(&self, address: IpAddr, now: Micros) -> Result<(), Exceeded> {
        let window = self.window(now);
        let failures = window.counts.get(&Counted::Address(network(address))).copied().unwrap_or_default();
        if failures < FAILURES_PER_ADDRESS_MAX { Ok(()) } else { Err(window.exceeded(now)) }
    }

    /// Counts a failure from an address.
    pub(super) fn failed(&self, address: IpAddr, now: Micros) {
        // It was asked before whether there is one left.
        let _ = self.count(Counted::Address(network(address)), u32::MAX, now);
    }

    fn count(&self, whom: Counted, max: u32, now: Micros) -> Result<(), Exceeded> {
        let mut window = self.window(now);
        if window.counts.len() >= KEYS_MAX && !window.counts.contains_key(&whom) {
            return Err(window.exceeded(now));
        }
        let count = window.counts.entry(whom).or_default();
        if *count >= max {
            return Err(window.exceeded(now));
        }
        *count += 1;
        Ok(())
    }

    /// The present window. Every state of it is a valid one, so a panic elsewhere does not matter.
    fn window(&self, now: Micros) -> std::sync::MutexGuard<'_, Window> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins anew, too.
        if now < window.began_at || now >= window.began_at.after(WINDOW) {
            *window = Window { began_at: now, counts: HashMap::new() };
        }
        window
    }
}

impl Window {
    fn exceeded(&self, now: Micros) -> Exceeded {
        let left = self.began_at.after(WINDOW).since(now);
        Exceeded { retry_after_seconds: left.as_secs() + 1 }
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
        assert_eq!(rates.token(tenant, client(1), now), Err(Exceeded { retry_after_seconds: 61 }));
        assert_eq!(rates.token(tenant, client(2), now), Ok(()));
        assert_eq!(rates.token(tenant, client(1), now.after(WINDOW)), Ok(()));
    }

    #[test]
    fn failures_count_by_network_and_are_forgotten() {
        let rates = Rates::default();
        let now = Micros(1_700_000_000_000_000);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..FAILURES_PER_ADDRESS_MAX {
            assert_eq!(rates.may_fail(address("2001:db8::1"), now), Ok(()));
            rates.failed(address("2001:db8::2"), now);
        }
        assert!(rates.may_fail(address("2001:db8::3"), now).is_err());
        assert!(rates.may_fail(address("2001:db8:0:1::1"), now).is_ok());
        assert!(rates.may_fail(address("2001:db8::3"), now.after(WINDOW)).is_ok());
    }
}
