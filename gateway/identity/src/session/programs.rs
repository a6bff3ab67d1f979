//! Whose key is it? The same memory as for sessions, and the same word of the store that nothing changed: what is revoked at one
//! gateway is over at the others as soon as a session would be.

use std::sync::Arc;

use cedargate_migrations::{StoreError, SystemTx, TenantTx};
use cedargate_model::{
    ApiKeyId, AuthnStrength, Credential, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId, TenantName,
};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Sessions, TOUCH_EVERY};
use crate::PresentedSecret;
use crate::api_keys::roles_from_text;
use crate::session_cache::Key;
use crate::session_rows::Loaded;
use crate::token::TokenHash;

/// Why a program is nobody by what it showed. For the record alone: who shows it learns only that it is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramRefused {
    /// The tenant has no such key.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// The service account is disabled.
    AccountDisabled,
    /// Several service accounts are known by it.
    Ambiguous,
}

impl ProgramRefused {
    /// A stable word for the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::AccountDisabled => "account_disabled",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// Why nobody is known by what was shown.
#[derive(Debug, thiserror::Error)]
pub enum FindProgramError {
    /// It counts for nothing.
    #[error("what the program showed is {}", .0.as_str())]
    Refused(ProgramRefused),
    /// The store had to be asked and did not answer: then nobody can be known.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
}

impl From<ProgramRefused> for FindProgramError {
    fn from(refused: ProgramRefused) -> Self {
        Self::Refused(refused)
    }
}

impl Sessions {
    /// Whose API key this is, if it is one of this tenant that counts.
    ///
    /// # Errors
    /// [`FindProgramError`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn find_api_key(
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
        let loaded = find_key(&mut tx, key.token, now).await;
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

/// A key's own, its account's and its tenant's columns, by one condition.
macro_rules! find_key_where {
    ($condition:literal) => {
        concat!(
            "
SELECT
    k.id AS key_id,
    k.roles AS narrowed,
    k.created_at AS created_at,
    k.expires_at AS expires_at,
    k.last_used_at AS last_used_at,
    k.revoked_at AS revoked_at,
    a.id AS account_id,
    a.name AS name,
    a.version AS version,
    a.disabled_at AS disabled_at,
    t.name AS tenant_name
FROM api_keys AS k
JOIN service_accounts AS a ON a.tenant_id = k.tenant_id AND a.id = k.account_id
JOIN tenants AS t ON t.id = k.tenant_id
WHERE k.tenant_id = $1
  AND ",
            $condition
        )
    };
}

pub(super) async fn find_key(tx: &mut TenantTx, token: TokenHash, now: Micros) -> Result<Loaded, FindProgramError> {
    const FIND: &str = find_key_where!("k.token_hash = $2");
    let row = tx.query(FIND).bind(token.as_bytes()).fetch_optional().await?;
    load(tx, row, now).await
}

/// The same by the key's id, for what was issued for it.
pub(super) async fn find_key_by_id(tx: &mut TenantTx, key: ApiKeyId, now: Micros) -> Result<Loaded, FindProgramError> {
    const FIND: &str = find_key_where!("k.id = $2");
    let row = tx.query(FIND).bind(key.0).fetch_optional().await?;
    load(tx, row, now).await
}

async fn load(tx: &mut TenantTx, row: Option<KeyRow>, now: Micros) -> Result<Loaded, FindProgramError> {
    const ROLES: &str = "
SELECT role
FROM service_account_roles
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY role";
    let row = row.ok_or(ProgramRefused::Unknown)?;
    row.check(now)?;
    let roles: Vec<(String,)> = tx.query(ROLES).bind(row.account_id).fetch_all().await?;
    Ok(row.into_loaded(tx.tenant(), &roles)?)
}

/// Writes down that a key was used, unless another gateway noted a later use.
pub(super) async fn touch(tx: &mut SystemTx, key: &Key, at: Micros) -> Result<u64, StoreError> {
    const TOUCH: &str = "
UPDATE api_keys
SET last_used_at = $3
WHERE tenant_id = $1
  AND token_hash = $2
  AND COALESCE(last_used_at, 0) < $3";
    tx.query(TOUCH).bind(key.tenant.0).bind(key.token.as_bytes()).bind(at.0).execute().await
}

#[derive(FromRow)]
struct KeyRow {
    key_id: Uuid,
    narrowed: Option<String>,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    account_id: Uuid,
    name: String,
    version: i64,
    disabled_at: Option<i64>,
    tenant_name: String,
}

impl KeyRow {
    fn check(&self, now: Micros) -> Result<(), ProgramRefused> {
        match self {
            Self { revoked_at: Some(_), .. } => Err(ProgramRefused::Revoked),
            Self { disabled_at: Some(_), .. } => Err(ProgramRefused::AccountDisabled),
            Self { expires_at, .. } if now.0 >= *expires_at => Err(ProgramRefused::Expired),
            Self { .. } => Ok(()),
        }
    }

    fn into_loaded(self, tenant: TenantId, roles: &[(String,)]) -> Result<Loaded, StoreError> {
        let impossible = |table, column, id: Uuid| move || StoreError::Impossible { table, column, id: id.to_string() };
        let given: Result<Vec<_>, _> = roles.iter().map(|(role,)| RoleName::parse(role)).collect();
        let mut roles = given.map_err(|_| impossible("service_account_roles", "role", self.account_id)())?;
        if let Some(text) = &self.narrowed {
            let kept = roles_from_text(text).ok_or_else(impossible("api_keys", "roles", self.key_id))?;
            // It can only narrow: what the account lost, the key lost.
            roles.retain(|role| kept.contains(role));
        }
        let principal = Principal {
            id: PrincipalId(self.account_id),
            tenant,
            tenant_name: TenantName::parse(&self.tenant_name).map_err(|_| impossible("tenants", "name", tenant.0)())?,
            display: self.name,
            roles,
            session: SessionId(self.key_id),
            credential: Credential::ApiKey,
            strength: AuthnStrength { level: 1, methods: Vec::new() },
            // Nobody proves anything anew by showing a key again: where freshness is asked for, a key is as old as it is.
            authenticated_at: Micros(self.created_at),
            version: self.version,
        };
        Ok(Loaded {
            principal: Arc::new(principal),
            last_seen_at: Micros(self.last_used_at.unwrap_or(self.created_at)),
            expires_at: Micros(self.expires_at),
            idle_timeout: None,
        })
    }
}
