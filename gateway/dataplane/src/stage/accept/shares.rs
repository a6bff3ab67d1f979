//! How many connections an address has open: an IPv4 address, or an IPv6 /64, which is what one subscriber has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Locks by address, so that connections of different clients do not wait for one another.
const SHARDS: usize = 16;

/// Open connections by address. Holds as many entries as addresses are connected, which room for connections bounds.
pub(super) struct Shares {
    shards: Arc<[Mutex<HashMap<u64, u32>>; SHARDS]>,
    hasher: RandomState,
    each_max: u32,
}

/// One connection of an address while it is open.
pub(super) struct Share {
    shards: Arc<[Mutex<HashMap<u64, u32>>; SHARDS]>,
    shard: usize,
    prefix: u64,
}

impl Shares {
    pub(super) fn new(each_max: u32) -> Self {
        Self { shards: Arc::default(), hasher: RandomState::new(), each_max }
    }

    /// Takes a place. `None` where the address has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Share> {
        let prefix = prefix(address);
        // The remainder is below the number of shards.
        let shard = usize::try_from(self.hasher.hash_one(prefix) % SHARDS as u64).unwrap_or_default();
        let mut open = self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(prefix).or_insert(0);
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Share { shards: self.shards.clone(), shard, prefix })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(shard) = self.shards.get(self.shard) else { return };
        let mut open = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.prefix);
            }
        }
    }
}

/// What stands for an address: IPv4 addresses within a range that no IPv6 prefix has (0000::/8 is reserved, RFC 4291 §2.4).
fn prefix(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(shares: &Shares, address: &str) -> Option<Share> {
        shares.take(address.parse().unwrap())
    }

    #[test]
    fn an_address_has_so_many_and_no_more_until_one_closes() {
        let shares = Shares::new(2);
        let (first, _second) = (taken(&shares, "192.0.2.1").unwrap(), taken(&shares, "::ffff:192.0.2.1").unwrap());
        assert!(taken(&shares, "192.0.2.1").is_none());
        assert!(taken(&shares, "192.0.2.2").is_some());
        drop(first);
        assert!(taken(&shares, "192.0.2.1").is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let shares = Shares::new(1);
        let _first = taken(&shares, "2001:db8:0:1::1").unwrap();
        assert!(taken(&shares, "2001:db8:0:1:ffff::2").is_none());
        assert!(taken(&shares, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let shares = Shares::new(1);
        for host in 0..=255_u8 {
            drop(shares.take(IpAddr::from([192, 0, 2, host])));
        }
        assert!(shares.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
