//! Whether what an exchange was let in by still counts, for as long as the exchange is open. Asking is no use of it.

use std::sync::Arc;

use cedargate_migrations::StoreError;
use cedargate_model::{AccessToken, Micros, Principal, TenantId, TokenSource};
use sha2::{Digest, Sha256};

use super::{
    FindProgramError, ProgramRefused, Sessions, ShownAssertion, ShownCertificate, TOUCH_EVERY, assertions,
    certificates, programs, scim_tokens,
};
use crate::session_cache::Key;
use crate::token::TokenHash;
use crate::{PresentedSecret, PresentedToken};

/// What an exchange was let in by.
#[derive(Clone, Debug)]
pub enum HeldCredential {
    /// A session's cookie.
    Session(PresentedToken),
    /// A service account's key.
    Key(PresentedSecret),
    /// A connection's token for SCIM.
    Scim(PresentedSecret),
    /// An access token.
    Token(HeldToken),
    /// A JWT of an issuer elsewhere. It goes on for as long as that counts: nobody hears that the issuer's word has ended before.
    Assertion(Box<ShownAssertion>),
    /// The certificate of a connection.
    Certificate(Arc<ShownCertificate>),
}

/// An access token that has let something in. It goes on after the token's few minutes, which only bound what a stolen one is good for,
/// and ends with what the token was issued for, or when the token is revoked. One that was issued for another issuer's word ends with
/// its own time.
#[derive(Clone, Debug)]
pub struct HeldToken(AccessToken);

impl HeldToken {
    /// Holds a token.
    ///
    /// # Security
    /// It must have been verified for the tenant when it was shown.
    pub fn of(token: AccessToken) -> Self {
        let expires_at = match token.source {
            TokenSource::ApiKey(_) | TokenSource::Session(_) => Micros(i64::MAX),
            // Behind it is the word of somebody elsewhere, of which nobody hears that it has ended.
            TokenSource::Workload(_) => token.expires_at,
        };
        Self(AccessToken { expires_at, ..token })
    }
}

/// What tells one held credential from every other: by sessions, those by certificates of one rule, or by tokens of one key, would be
/// taken for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldKey(Key);

impl HeldCredential {
    /// What it is told by.
    pub fn held_key(&self, tenant: TenantId) -> HeldKey {
        HeldKey(self.key(tenant))
    }

    fn key(&self, tenant: TenantId) -> Key {
        let hash = match self {
            Self::Session(token) => token.hash(),
            Self::Key(key) | Self::Scim(key) => key.hash(),
            Self::Certificate(shown) => return shown.cache_key(tenant),
            Self::Assertion(assertion) => {
                let shown = assertion.shown.hash();
                let digest = Sha256::new().chain_update("held assertion ").chain_update(shown.as_bytes());
                TokenHash::from(<[u8; 32]>::from(digest.finalize()))
            }
            // Apart from where the token itself is remembered, which ends with its time.
            Self::Token(HeldToken(token)) => {
                let digest = Sha256::new().chain_update("held token ").chain_update(token.id.0.as_bytes());
                TokenHash::from(<[u8; 32]>::from(digest.finalize()))
            }
        };
        Key::new(tenant, hash)
    }
}

impl Sessions {
    /// What memory knows of it, if it knows enough: none where it does not, and then no principal where it counts no more. Never
    /// waits.
    pub fn known(&self, tenant: TenantId, held: &HeldCredential, now: Micros) -> Option<Option<Arc<Principal>>> {
        let hot = self.cache.fresh(&held.key(tenant), now, &self.settings)?;
        Some((now < hot.expires_at).then(|| Arc::clone(&hot.principal)))
    }

    /// Counts as a use of what memory knows.
    pub fn use_known(&self, tenant: TenantId, held: &HeldCredential, now: Micros) {
        let is_noted = match held {
            HeldCredential::Session(_) | HeldCredential::Key(_) | HeldCredential::Scim(_) => true,
            HeldCredential::Token(_) | HeldCredential::Assertion(_) | HeldCredential::Certificate(_) => false,
        };
        let key = held.key(tenant);
        if is_noted && let Some(hot) = self.cache.fresh(&key, now, &self.settings) {
            self.cache.touch(&key, &hot, now, TOUCH_EVERY);
        }
    }

    /// Whom it lets in now, asked of the store where memory does not know enough. None where it counts no more.
    ///
    /// # Errors
    /// [`StoreError`] where the store had to be asked and did not answer.
    pub async fn peek(
        &self,
        tenant: TenantId,
        held: &HeldCredential,
        now: Micros,
    ) -> Result<Option<Arc<Principal>>, StoreError> {
        if let Some(found) = self.known(tenant, held, now) {
            return Ok(found);
        }
        let key = held.key(tenant);
        if let HeldCredential::Session(_) = held {
            return Ok(self.read(key, now).await?.map(|hot| Arc::clone(&hot.principal)));
        }
        let reading = self.cache.begin_load();
        let mut tx = self.pool.tenant(tenant).read().await?;
        let loaded = match held {
            HeldCredential::Scim(_) => scim_tokens::find(&mut tx, key.token, now).await,
            HeldCredential::Token(HeldToken(token)) => self.load_token(&mut tx, token, now).await,
            HeldCredential::Assertion(assertion) => assertions::load(&mut tx, assertion, now).await,
            HeldCredential::Certificate(shown) => certificates::find(&mut tx, shown, now)
                .await
                .and_then(|found| found.ok_or_else(|| ProgramRefused::Unknown.into())),
            HeldCredential::Session(_) | HeldCredential::Key(_) => programs::find_key(&mut tx, key.token, now).await,
        };
        drop(tx);
        match loaded {
            Ok(loaded) if now >= loaded.expires_at => {
                self.cache.remove(&key);
                Ok(None)
            }
            Ok(mut loaded) => {
                // Nobody is present who could be idle: it is kept in memory for as long as it is asked for.
                loaded.last_seen_at = now;
                Ok(Some(Arc::clone(&self.cache.insert(key, loaded, now, reading).principal)))
            }
            Err(FindProgramError::Refused(_)) => {
                self.cache.remove(&key);
                Ok(None)
            }
            Err(FindProgramError::Store(error)) => Err(error),
        }
    }
}
