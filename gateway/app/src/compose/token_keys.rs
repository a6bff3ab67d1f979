//! The keys of access tokens, as the ring has them: looked at with everything else that may change, and when a token names one that is
//! not known here.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedargate_assertion::SigningKeys;
use cedargate_identity::Sessions;
use cedargate_tokens::{TokenAuthority, TokenKeys};

use super::key_record::KeyRecord;
use super::reload::Stamp;
use crate::keys::{KeyRing, Purpose};

/// What was looked at. What could not be taken up is tried at each look again, and reported once.
#[derive(Default)]
struct Looked {
    /// What is taken up, and recorded; none at first.
    done: Option<Option<Stamp>>,
    /// What could not be.
    failed: Option<Option<Stamp>>,
}

/// Takes up the keys that the ring has.
pub(super) struct TokenKeyRing {
    ring: KeyRing,
    authority: Arc<ArcSwap<TokenAuthority>>,
    sessions: Sessions,
    record: Arc<KeyRecord>,
    /// Locked while keys are taken up.
    seen: Mutex<Looked>,
}

impl TokenKeyRing {
    /// The ring that `authority` was just made from.
    pub(super) fn new(
        ring: KeyRing,
        authority: Arc<ArcSwap<TokenAuthority>>,
        sessions: Sessions,
        record: Arc<KeyRecord>,
    ) -> Self {
        Self { ring, authority, sessions, record, seen: Mutex::default() }
    }

    /// Takes up what has changed since the last look; whatever there is where somebody `asked`.
    pub(super) fn look(&self, asked: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.ring.metadata(Purpose::Token).as_ref().map(Stamp::of);
        if seen.done == Some(now) && !asked {
            return;
        }
        if self.take_up(asked || seen.failed != Some(now)) {
            *seen = Looked { done: Some(now), failed: None };
        } else {
            seen.failed = Some(now);
        }
    }

    /// Whether everything is done: the keys are the ring's, and the record knows. A failure `is_news` once.
    fn take_up(&self, is_news: bool) -> bool {
        let keys = match self.ring.token() {
            Ok(keys) => keys,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                if is_news {
                    tracing::error!(error, "the token key cannot be opened: the former one stays");
                }
                return false;
            }
        };
        let former = self.authority.load();
        let is_withdrawn = is_withdrawn(former.keys(), &keys);
        let is_recorded = self.record.taken_up(Purpose::Token, &keys, is_news);
        // What is withdrawn has leaked, perhaps: that does not wait for the record, which a thief can keep busy.
        if *former.keys() == keys || !(is_recorded || is_withdrawn) {
            return is_recorded;
        }
        let authority = former.with_keys(keys);
        tracing::info!(cedargate.key.id = %authority.kid(), "the keys of access tokens are taken up");
        self.authority.store(Arc::new(authority));
        if is_withdrawn {
            // What a withdrawn key signed was verified before, and would be remembered.
            self.sessions.read_all_again();
        }
        is_recorded
    }
}

/// Whether one of the former keys is not among these.
pub(super) fn is_withdrawn(former: &SigningKeys, keys: &SigningKeys) -> bool {
    former.jwks().kids().any(|kid| !keys.jwks().kids().any(|left| left == kid))
}

impl TokenKeys for TokenKeyRing {
    fn look(&self) {
        self.look(false);
    }
}
