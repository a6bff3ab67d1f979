//! The keys of access tokens, as the ring has them: looked at with everything else that may change, and when a token names one that is
//! not known here.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedargate_dataplane::TokenKeys;
use cedargate_identity::Sessions;
use cedargate_tokens::TokenAuthority;

use super::key_record::KeyRecord;
use super::reload::Stamp;
use crate::keys::{KeyRing, Purpose};

/// Takes up the keys that the ring has.
pub(super) struct TokenKeyRing {
    ring: KeyRing,
    authority: Arc<ArcSwap<TokenAuthority>>,
    sessions: Sessions,
    record: Arc<KeyRecord>,
    /// What was looked at last, whether it could be opened or not: a mistake is reported once. Locked while keys are taken up.
    seen: Mutex<Option<Stamp>>,
}

impl TokenKeyRing {
    /// The ring that `authority` was just made from.
    pub(super) fn new(
        ring: KeyRing,
        authority: Arc<ArcSwap<TokenAuthority>>,
        sessions: Sessions,
        record: Arc<KeyRecord>,
    ) -> Self {
        Self { ring, authority, sessions, record, seen: Mutex::new(None) }
    }

    /// Takes up what has changed since the last look; whatever there is where somebody `asked`.
    pub(super) fn look(&self, asked: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.ring.metadata(Purpose::Token).as_ref().map(Stamp::of);
        if now == std::mem::replace(&mut *seen, now) && !asked {
            return;
        }
        let keys = match self.ring.token() {
            Ok(keys) => keys,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the token key cannot be opened: the former one stays");
                return;
            }
        };
        let former = self.authority.load();
        if *former.keys() == keys {
            return;
        }
        if !self.record.taken_up(Purpose::Token, &keys) {
            return;
        }
        let is_withdrawn = former.keys().jwks().kids().any(|kid| !keys.jwks().kids().any(|left| left == kid));
        let authority = former.with_keys(keys);
        tracing::info!(cedargate.key.id = %authority.kid(), "the keys of access tokens are taken up");
        self.authority.store(Arc::new(authority));
        if is_withdrawn {
            // What a withdrawn key signed was verified before, and would be remembered.
            self.sessions.read_all_again();
        }
    }
}

impl TokenKeys for TokenKeyRing {
    fn look(&self) {
        self.look(false);
    }
}
