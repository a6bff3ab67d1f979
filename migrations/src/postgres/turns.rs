//! Whose turn it is to write, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

/// One turn at a time for each key, in the order in which they were asked for.
///
/// The database's own lock orders the writers of all processes, but whoever waits for it holds a connection: enough
/// writers of one tenant would hold them all. So they wait here first, and of each tenant one waits there.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<i64, Weak<tokio::sync::Mutex<()>>>>>);

/// The turn. Dropping it gives it to whoever asked next.
pub(crate) type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits for the turn of a key; none if it did not come in time.
    ///
    /// # Cancel safety
    /// Who stops waiting loses its place and holds nothing.
    pub(super) async fn take(&self, key: i64, wait_max: Duration) -> Option<Turn> {
        tokio::time::timeout(wait_max, self.of(key).lock_owned()).await.ok()
    }

    fn of(&self, key: i64) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Only what somebody holds or waits for is kept: as many as there are transactions under way.
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_has_one_turn_and_nothing_stays_behind() {
        let turns = Turns::default();
        let held = turns.take(1, Duration::ZERO).await.unwrap();
        assert!(turns.clone().take(1, Duration::ZERO).await.is_none());
        let other = turns.take(2, Duration::ZERO).await.unwrap();
        drop((held, other));
        assert!(turns.take(1, Duration::ZERO).await.is_some());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
