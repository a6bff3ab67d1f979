//! Which connection's token is it? In the same memory as keys and sessions, by the same word of the store that nothing changed.

use std::sync::Arc;

use cedargate_migrations::{StoreError, SystemTx, TenantTx};
use cedargate_model::{AuthnStrength, Credential, Micros, Principal, PrincipalId, SessionId, TenantId, TenantName};
use sqlx::FromRow;
use uuid::Uuid;

use super::{FindProgramError, ProgramRefused, Sessions, TOUCH_EVERY};
use crate::PresentedSecret;
use crate::session_cache::Key;
use crate::session_rows::Loaded;
use crate::token::TokenHash;

impl Sessions {
    /// Whose token for SCIM this is, if it is one of this tenant that counts. The principal's id and session are the token's own.
    ///
    /// # Errors
    /// [`FindProgramError`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find_scim_token(
        &self,
        tenant: TenantId,
        shown: &PresentedSecret,
        now: Micros,
    ) -> Result<Arc<Principal>, FindProgramError> {
        let key = Key::new(tenant, shown.hash());
        if let Some(hot) = self.cache.fresh(&key, now, &self.settings) {
            if now >= hot.expires_at {
                return Err(ProgramRefused::Expired.into());
            }
            self.cache.touch(&key, &hot, now, TOUCH_EVERY);
            return Ok(Arc::clone(&hot.principal));
        }
        let reading = self.cache.begin_load();
        let mut tx = self.pool.tenant(tenant).read().await?;
        let loaded = find(&mut tx, key.token, now).await;
        drop(tx);
        match loaded {
            Ok(mut loaded) => {
                // What was used here a moment ago may not have been written down yet.
                let noted = self.cache.touched_at(&key).unwrap_or(loaded.last_seen_at);
                loaded.last_seen_at = loaded.last_seen_at.max(noted);
                let hot = self.cache.insert(key, loaded, now, reading);
                self.cache.touch(&key, &hot, now, TOUCH_EVERY);
                Ok(Arc::clone(&hot.principal))
            }
            Err(FindProgramError::Refused(refused)) => {
                self.cache.remove(&key);
                Err(refused.into())
            }
            Err(error) => Err(error),
        }
    }
}

pub(super) async fn find(tx: &mut TenantTx, token: TokenHash, now: Micros) -> Result<Loaded, FindProgramError> {
    const FIND: &str = "
SELECT
    s.id AS id,
    s.connection AS connection,
    s.created_at AS created_at,
    s.expires_at AS expires_at,
    s.last_used_at AS last_used_at,
    s.revoked_at AS revoked_at,
    t.name AS tenant_name
FROM scim_tokens AS s
JOIN tenants AS t ON t.id = s.tenant_id
WHERE s.tenant_id = $1
  AND s.token_hash = $2";
    let row: Option<TokenRow> = tx.query(FIND).bind(token.as_bytes()).fetch_optional().await?;
    let row = row.ok_or(ProgramRefused::Unknown)?;
    if row.revoked_at.is_some() {
        return Err(ProgramRefused::Revoked.into());
    }
    if now.0 >= row.expires_at {
        return Err(ProgramRefused::Expired.into());
    }
    Ok(row.into_loaded(tx.tenant())?)
}

/// Writes down that a token was used, unless another gateway noted a later use.
pub(super) async fn touch(tx: &mut SystemTx, key: &Key, at: Micros) -> Result<u64, StoreError> {
    const TOUCH: &str = "
UPDATE scim_tokens
SET last_used_at = $3
WHERE tenant_id = $1
  AND token_hash = $2
  AND COALESCE(last_used_at, 0) < $3";
    tx.query(TOUCH).bind(key.tenant.0).bind(key.token.as_bytes()).bind(at.0).execute().await
}

#[derive(FromRow)]
struct TokenRow {
    id: Uuid,
    connection: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    tenant_name: String,
}

impl TokenRow {
    fn into_loaded(self, tenant: TenantId) -> Result<Loaded, StoreError> {
        let impossible = |_| StoreError::Impossible { table: "tenants", column: "name", id: tenant.0.to_string() };
        let principal = Principal {
            id: PrincipalId(self.id),
            tenant,
            tenant_name: TenantName::parse(&self.tenant_name).map_err(impossible)?,
            display: format!("scim:{}", self.connection),
            // In no role, and so in no matrix.
            roles: Vec::new(),
            session: SessionId(self.id),
            credential: Credential::ScimToken,
            strength: AuthnStrength { level: 1, methods: Vec::new() },
            authenticated_at: Micros(self.created_at),
            version: 1,
        };
        Ok(Loaded {
            principal: Arc::new(principal),
            last_seen_at: Micros(self.last_used_at.unwrap_or(self.created_at)),
            expires_at: Micros(self.expires_at),
            idle_timeout: None,
        })
    }
}
