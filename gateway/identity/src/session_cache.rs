//! Sessions in memory: what most requests ask, and nothing else.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedargate_model::{Micros, Principal, PrincipalId, TenantId};
use moka::sync::Cache;

use crate::session_changes::{Mark, Moment, SessionChanges};
use crate::session_rows::Loaded;
use crate::token::TokenHash;
use crate::{SessionSettings, SessionStats};

/// Memory is given back this long after a session's last lookup. Correctness does not hang on it: how old an answer may
/// be is judged by the caller's clock.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// How long it is remembered that something is nobody's, and of how many. Who is let in by it from now on is known by then.
const NOBODYS_FOR: Duration = Duration::from_secs(1);
const NOBODYS_MAX: u64 = 10_000;

/// How many sessions may wait to be written down as used; beyond, a use is not noted until the next round.
const TOUCHES_MAX: usize = 100_000;

/// A session's key: the tenant is part of it, so that no tenant's token can hit another's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) tenant: TenantId,
    pub(crate) token: TokenHash,
}

impl Key {
    pub(crate) fn new(tenant: TenantId, token: TokenHash) -> Self {
        Self { tenant, token }
    }
}

impl Hash for Key {
    /// By the token alone: no two tenants have the same one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.token.first_octets());
    }
}

/// Hashes what is a hash already. Clients choose what they present, so that they could make hashes begin alike, but only
/// what the store knows gets into memory, and those tokens were drawn at random.
#[derive(Clone, Debug, Default)]
struct HashedAlready(u64);

impl Hasher for HashedAlready {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(8) ^ number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A session in memory.
#[derive(Debug)]
pub(crate) struct Hot {
    pub(crate) principal: Arc<Principal>,
    pub(crate) expires_at: Micros,
    /// How long it lives unused; none where that is the gateway's to say.
    idle_timeout: Option<Duration>,
    loaded_at: Micros,
    /// From which moment it is, and where changes to its account show.
    loaded: (Moment, Mark),
    /// When its use was last noted.
    touched_at: AtomicI64,
}

#[derive(Debug)]
pub(crate) struct SessionCache {
    entries: Cache<Key, Arc<Hot>, BuildHasherDefault<HashedAlready>>,
    nobodys: Cache<Key, (), BuildHasherDefault<HashedAlready>>,
    pub(crate) changes: SessionChanges,
    /// Counts endings, so that a lookup which read the store before one does not put the session back after it.
    endings: AtomicU64,
    touches: Mutex<HashMap<Key, Micros>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The moment in which a lookup began to read, and how many endings there had been by then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    moment: Moment,
    endings: u64,
}

impl SessionCache {
    pub(crate) fn new(cached_max: u64) -> Self {
        Self {
            entries: Cache::builder()
                .max_capacity(cached_max)
                .time_to_idle(FORGET_AFTER)
                .build_with_hasher(BuildHasherDefault::default()),
            nobodys: Cache::builder()
                .max_capacity(NOBODYS_MAX)
                .time_to_live(NOBODYS_FOR)
                .build_with_hasher(BuildHasherDefault::default()),
            changes: SessionChanges::default(),
            endings: AtomicU64::new(0),
            touches: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The session, if what is known of it is fresh enough: read within the staleness bound, or known since not to have
    /// changed. A clock that was set back makes it stale. One that looks unused for too long is asked of the store too:
    /// it may have been used through another gateway.
    pub(crate) fn fresh(&self, key: &Key, now: Micros, settings: &SessionSettings) -> Option<Arc<Hot>> {
        let staleness_max = settings.staleness_max;
        let is_fresh = |hot: &Arc<Hot>| {
            let (moment, mark) = hot.loaded;
            let is_known = self.changes.none_since(moment, mark, now, staleness_max);
            let was_read = hot.loaded_at <= now && now < hot.loaded_at.after(staleness_max);
            let touched_at = Micros(hot.touched_at.load(Ordering::Relaxed));
            (is_known || was_read && !self.changes.is_marked(moment, mark))
                && now < touched_at.after(hot.idle_timeout.unwrap_or(settings.idle_timeout))
        };
        let hot = self.entries.get(key).filter(is_fresh);
        let counter = if hot.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        hot
    }

    pub(crate) fn begin_load(&self) -> Reading {
        Reading { moment: self.changes.moment(), endings: self.endings.load(Ordering::SeqCst) }
    }

    /// Keeps what was read, unless a session was ended meanwhile.
    ///
    /// Timeline that the check stops: a lookup reads the row; a sign-out deletes it and forgets the entry; the lookup
    /// inserts. Without the check the session would live on until it is stale. The check comes after the insertion,
    /// because an ending in between forgets the entry by itself.
    pub(crate) fn insert(&self, key: Key, loaded: Loaded, now: Micros, reading: Reading) -> Arc<Hot> {
        let mark = Mark::of(key.tenant, loaded.principal.id);
        let hot = Arc::new(Hot {
            principal: loaded.principal,
            expires_at: loaded.expires_at,
            idle_timeout: loaded.idle_timeout,
            loaded_at: now,
            loaded: (reading.moment, mark),
            touched_at: AtomicI64::new(loaded.last_seen_at.0),
        });
        self.entries.insert(key, hot.clone());
        if self.endings.load(Ordering::SeqCst) != reading.endings {
            self.entries.invalidate(&key);
        }
        hot
    }

    /// Notes that the store knows nobody by this, which anybody may show with every request.
    pub(crate) fn nobodys(&self, key: Key) {
        self.nobodys.insert(key, ());
    }

    /// Whether that was so a moment ago.
    pub(crate) fn is_nobodys(&self, key: &Key) -> bool {
        self.nobodys.contains_key(key)
    }

    /// Removes what the store does not confirm.
    ///
    /// No ending is counted: anybody can present unknown tokens, and nobody else's lookups should pay for it.
    pub(crate) fn remove(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    /// Has whatever is in memory of an account read again, after a change to it here was committed: what ended takes tokens with it,
    /// and which those are, only the store knows.
    pub(crate) fn changed(&self, tenant: TenantId, account: PrincipalId) {
        self.changes.mark(Mark::of(tenant, account));
    }

    /// Forgets sessions that were ended here, and has the tokens that they were exchanged for read again.
    pub(crate) fn forget(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if let Some(hot) = self.entries.get(&key) {
                self.changes.mark(hot.loaded.1);
            }
            self.endings.fetch_add(1, Ordering::SeqCst);
            self.entries.invalidate(&key);
            self.lock_touches().remove(&key);
        }
    }

    /// Notes that a session was used, at most once every `every`.
    pub(crate) fn touch(&self, key: &Key, hot: &Hot, now: Micros, every: Duration) {
        let noted = hot.touched_at.load(Ordering::Relaxed);
        if now.since(Micros(noted)) < every {
            return;
        }
        // Of several requests at once, one takes the lock.
        if hot.touched_at.compare_exchange(noted, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let mut touches = self.lock_touches();
            if touches.len() < TOUCHES_MAX || touches.contains_key(key) {
                touches.insert(*key, now);
            }
        }
    }

    /// When the session's use was last noted here, written down or not.
    pub(crate) fn touched_at(&self, key: &Key) -> Option<Micros> {
        let pending = self.lock_touches().get(key).copied();
        let cached = self.entries.get(key).map(|hot| Micros(hot.touched_at.load(Ordering::Relaxed)));
        pending.max(cached)
    }

    /// Takes the notes, to write them down.
    pub(crate) fn take_touches(&self) -> Vec<(Key, Micros)> {
        self.lock_touches().drain().collect()
    }

    /// Puts back notes that could not be written down.
    pub(crate) fn return_touches(&self, touches: Vec<(Key, Micros)>) {
        let mut noted = self.lock_touches();
        for (key, at) in touches {
            let newest = noted.entry(key).or_insert(at);
            *newest = at.max(*newest);
        }
    }

    pub(crate) fn stats(&self) -> SessionStats {
        SessionStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.entries.entry_count(),
        }
    }

    /// Every state of the map is a valid one, so a panic elsewhere does not matter.
    fn lock_touches(&self) -> MutexGuard<'_, HashMap<Key, Micros>> {
        self.touches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::SessionToken;

    #[test]
    fn notes_that_come_back_do_not_hide_newer_ones() {
        let cache = SessionCache::new(10);
        let [older, newer] = [0, 0].map(|_| Key::new(TenantId(Uuid::nil()), SessionToken::draw().unwrap().hash()));
        cache.return_touches(vec![(older, Micros(5)), (newer, Micros(9))]);
        cache.return_touches(vec![(older, Micros(7)), (newer, Micros(7))]);
        assert_eq!((cache.touched_at(&older), cache.touched_at(&newer)), (Some(Micros(7)), Some(Micros(9))));
        assert_eq!(cache.take_touches().len(), 2);
        assert_eq!(cache.take_touches(), []);
    }
}
