//! Whose access token is it? What a token was issued for is read once, and then kept as sessions are: a token is as good as the key or
//! the session behind it, and ends with it.
//!
//! A token is verified by whoever issued it before it comes here; here it is known by the hash of its text, so that showing it again
//! costs neither a signature nor a question to the store.

use std::sync::Arc;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{AccessToken, Credential, GrantId, Micros, Principal, SessionId, TenantId, TokenSource};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use super::programs::{self, FindProgramError, ProgramRefused};
use super::{Sessions, is_over, workloads};
use crate::api_keys::roles_from_text;
use crate::principal::MEMBER;
use crate::session_cache::Key;
use crate::session_rows::{self as rows, Loaded};
use crate::token::TokenHash;

/// An access token as it was shown: only its hash is kept.
#[derive(Clone, Copy, Debug)]
pub struct ShownToken(TokenHash);

impl ShownToken {
    /// The token of this text, whatever that is.
    pub fn of(text: &str) -> Self {
        Self(TokenHash::from(<[u8; 32]>::from(
            Sha256::new().chain_update("access token ").chain_update(text).finalize(),
        )))
    }

    pub(super) fn hash(self) -> TokenHash {
        self.0
    }
}

impl Sessions {
    /// Whose token this is, if it was verified and read here before and nothing is known to have changed since.
    pub fn recall_token(&self, tenant: TenantId, shown: ShownToken, now: Micros) -> Option<Arc<Principal>> {
        let hot = self.cache.fresh(&Key::new(tenant, shown.0), now, &self.settings)?;
        (now < hot.expires_at).then(|| Arc::clone(&hot.principal))
    }

    /// Whose token this is now, by what it was issued for.
    ///
    /// # Security
    /// `token` must have been verified for this tenant, from the text that was shown.
    ///
    /// # Errors
    /// [`FindProgramError`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find_token(
        &self,
        tenant: TenantId,
        shown: ShownToken,
        token: &AccessToken,
        now: Micros,
    ) -> Result<Arc<Principal>, FindProgramError> {
        let key = Key::new(tenant, shown.0);
        let reading = self.cache.begin_load();
        let mut tx = self.pool.tenant(tenant).read().await?;
        let loaded = self.load_token(&mut tx, token, now).await;
        drop(tx);
        match loaded {
            Ok(loaded) => Ok(Arc::clone(&self.cache.insert(key, loaded, now, reading).principal)),
            Err(error) => {
                self.cache.remove(&key);
                Err(error)
            }
        }
    }

    pub(super) async fn load_token(
        &self,
        tx: &mut TenantTx,
        token: &AccessToken,
        now: Micros,
    ) -> Result<Loaded, FindProgramError> {
        const REVOKED: &str = "
SELECT id
FROM revoked_tokens
WHERE tenant_id = $1
  AND id = $2";
        if tx.query(REVOKED).bind(token.id.0).fetch_optional::<(Uuid,)>().await?.is_some() {
            return Err(ProgramRefused::Revoked.into());
        }
        let (loaded, credential, session) = match token.source {
            // Each token has a session of its own: what services are told of one must not be told of another, which may be narrowed to
            // something else.
            TokenSource::ApiKey(key) => {
                let loaded = programs::find_key_by_id(tx, key, now).await?;
                (loaded, Credential::KeyToken, SessionId(token.id.0))
            }
            TokenSource::Session(grant) => {
                let loaded = self.find_granted(tx, grant, now).await?;
                (loaded, Credential::SessionToken, SessionId(token.id.0))
            }
            TokenSource::Workload(account) => {
                let mut loaded = workloads::load(tx, account, now).await?;
                // The issuer vouched when the token was issued, however often it is read again.
                let mut principal = Principal::clone(&loaded.principal);
                principal.authenticated_at = token.issued_at;
                loaded.principal = Arc::new(principal);
                (loaded, Credential::WorkloadToken, SessionId(token.id.0))
            }
        };
        let mut principal = Principal::clone(&loaded.principal);
        if principal.id != token.subject {
            return Err(ProgramRefused::Unknown.into());
        }
        principal.roles.retain(|role| token.roles.as_ref().is_none_or(|kept| kept.contains(role)));
        principal.session = session;
        principal.credential = credential;
        // A token in use is nobody's presence: a session is not kept alive by it.
        Ok(Loaded {
            principal: Arc::new(principal),
            last_seen_at: now,
            expires_at: loaded.expires_at.min(token.expires_at),
            idle_timeout: None,
        })
    }

    /// Who a session's grant is for, if the session is a live one.
    pub(super) async fn find_granted(
        &self,
        tx: &mut TenantTx,
        grant: GrantId,
        now: Micros,
    ) -> Result<Loaded, FindProgramError> {
        const FIND: &str = "
SELECT g.roles AS roles, s.token_hash AS token_hash
FROM token_grants AS g
JOIN sessions AS s ON s.tenant_id = g.tenant_id AND s.id = g.session_id
WHERE g.tenant_id = $1
  AND g.id = $2
  AND g.ending IS NULL";
        let row: Option<GrantRow> = tx.query(FIND).bind(grant.0).fetch_optional().await?;
        let row = row.ok_or(ProgramRefused::Unknown)?;
        let token = TokenHash::from_bytes(&row.token_hash).ok_or_else(|| StoreError::Impossible {
            table: "sessions",
            column: "token_hash",
            id: grant.to_string(),
        })?;
        // Disabled since: a session's lookup does not find it.
        let mut loaded = rows::find_by_token(tx, token).await?.ok_or(ProgramRefused::AccountDisabled)?;
        let idle_timeout = loaded.idle_timeout.unwrap_or(self.settings.idle_timeout);
        if is_over(loaded.last_seen_at, loaded.expires_at, idle_timeout, now) {
            return Err(ProgramRefused::Expired.into());
        }
        let mut principal = Principal::clone(&loaded.principal);
        let impossible = || StoreError::Impossible { table: "token_grants", column: "roles", id: grant.to_string() };
        let kept = roles_from_text(&row.roles).ok_or_else(impossible)?;
        // What is for whoever sits at a browser is not for a program that acts for them.
        principal.roles.retain(|role| role.as_str() != MEMBER && kept.contains(role));
        loaded.principal = Arc::new(principal);
        Ok(loaded)
    }
}

#[derive(FromRow)]
struct GrantRow {
    roles: String,
    token_hash: Vec<u8>,
}
