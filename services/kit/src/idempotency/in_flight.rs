//! The keys that are under way in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Who is under way. As many entries as there are requests in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<[u8; 32]>>>);

/// A key that is under way until this is dropped, however its request ends.
#[derive(Debug)]
pub(crate) struct Held {
    all: InFlight,
    digest: [u8; 32],
}

impl InFlight {
    /// Enters a key, unless it is under way already.
    pub(crate) fn enter(&self, digest: [u8; 32]) -> Option<Held> {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        entered.then(|| Held { all: self.clone(), digest })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_under_way_once_until_it_is_dropped() {
        let all = InFlight::default();
        let held = all.enter([1; 32]).unwrap();
        assert!(all.enter([1; 32]).is_none());
        assert!(all.enter([2; 32]).is_some());
        drop(held);
        assert!(all.enter([1; 32]).is_some());
    }
}
