//! Where the state of every key is kept, in memory that never grows.
//!
//! A key's state is one number: the theoretical arrival time (TAT), up to which its requests are paid for. A TAT that
//! has passed says the same as no state at all. So when room is needed, the key with the earliest TAT goes: the one that
//! is closest to having nothing to remember. Whoever is over a limit has a TAT far ahead and stays, however many others
//! come by; that is what a least-recently-used cache gets wrong under a flood of new addresses.
//!
//! The table is an array of small sets, each under its own lock, and a key's hash names its set. The hash is keyed
//! afresh at every start, so that nobody can choose addresses that meet in one set.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

/// Keys in one set: looked through one by one, within two to four cache lines.
const WAYS: usize = 8;

/// The bounded table of states.
pub(super) struct BoundedStore<K> {
    sets: Box<[Mutex<Set<K>>]>,
    hasher: RandomState,
}

type Set<K> = [Option<(K, u64)>; WAYS];

impl<K: Copy + Eq + Hash> BoundedStore<K> {
    /// A table for at least `keys_max` keys, all of its memory taken now.
    pub(super) fn new(keys_max: usize) -> Self {
        let sets = keys_max.div_ceil(WAYS).max(1).next_power_of_two();
        Self { sets: (0..sets).map(|_| Mutex::new([None; WAYS])).collect(), hasher: RandomState::new() }
    }

    /// How many keys it remembers at most.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.sets.len() * WAYS
    }
}

impl<K: Copy + Eq + Hash> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = usize::try_from(self.hasher.hash_one(key) & u64::from(u32::MAX)).unwrap_or_default();
        // The number of sets is a power of two, so the mask stays within; were it not, the request would be measured
        // as a newcomer's.
        let Some(set) = self.sets.get(hash & (self.sets.len() - 1)) else { return measure(None).map(|(out, _)| out) };
        // A panic while a set is locked could only come from governor's arithmetic; the numbers in it are whole.
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);

        let known = set.iter().flatten().find(|(this, _)| this == key).map(|(_, tat)| Nanos::from(*tat));
        let (out, tat) = measure(known)?;
        let place = match known {
            Some(_) => set.iter_mut().find(|slot| slot.is_some_and(|(this, _)| this == *key)),
            // `None` sorts before every state: an empty slot goes first, then the earliest TAT.
            None => set.iter_mut().min_by_key(|slot| slot.map(|(_, tat)| tat)),
        };
        if let Some(slot) = place {
            *slot = Some((*key, tat.as_u64()));
        }
        Ok(out)
    }
}
