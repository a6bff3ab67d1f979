//! Where the keys of service accounts are kept: made, listed and revoked. [`crate::Sessions`] looks them up.

use std::time::Duration;

use cedargate_migrations::StoreError;
use cedargate_model::{AccountAct, ApiKeyId, Micros, PrincipalId, RoleName, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::random::uuid_at;
use crate::{
    API_KEY_LIFETIME_MAX, API_KEYS_MAX, AccountState, ApiKey, ApiKeyName, CreateApiKeyError, NewApiKey, OperatorError,
    ProgramSecret, SecretKind, ServiceAccounts, operator_events,
};

/// The shortest life of a key.
const LIFETIME_MIN: Duration = Duration::from_secs(60);

impl ServiceAccounts {
    /// Makes a key and returns its secret, which exists nowhere else.
    ///
    /// # Errors
    /// [`CreateApiKeyError`].
    pub async fn create_key(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        new: NewApiKey,
        now: Micros,
    ) -> Result<(ApiKey, ProgramSecret), CreateApiKeyError> {
        const COUNT: &str = "
SELECT COUNT(*)
FROM api_keys
WHERE tenant_id = $1
  AND account_id = $2
  AND revoked_at IS NULL
  AND expires_at > $3";
        const INSERT: &str = "
INSERT INTO api_keys (tenant_id, id, account_id, name, token_hash, roles, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        if !(LIFETIME_MIN..=API_KEY_LIFETIME_MAX).contains(&new.lifetime) {
            return Err(CreateApiKeyError::LifetimeOutOfBounds);
        }
        let id = ApiKeyId(uuid_at(now)?);
        let secret = ProgramSecret::draw(SecretKind::ApiKey, id.0)?;
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let found = Self::find_in(&mut tx, account).await?;
        let found = found.filter(|found| found.state == AccountState::Active);
        let found = found.ok_or(CreateApiKeyError::AccountUnusable(account))?;
        let roles = new.roles.map(|roles| narrowed(roles, &found.roles)).transpose()?;
        let (counting,): (i64,) = tx.query(COUNT).bind(account.0).bind(now.0).fetch_one().await?;
        if usize::try_from(counting).is_ok_and(|counting| counting >= API_KEYS_MAX) {
            return Err(CreateApiKeyError::TooMany);
        }
        let expires_at = now.after(new.lifetime);
        tx.query(INSERT)
            .bind(id.0)
            .bind(account.0)
            .bind(new.name.as_str())
            .bind(secret.hash().as_bytes())
            .bind(roles.as_deref().map(roles_to_text))
            .bind(now.0)
            .bind(expires_at.0)
            .execute()
            .await?;
        let act = AccountAct::KeyCreated { key: id, roles: roles.clone(), expires_at };
        operator_events::leave(&mut tx, account, None, act, now).await?;
        tx.commit().await?;
        let (name, last_used_at, revoked_at) = (new.name, None, None);
        Ok((ApiKey { id, account, name, roles, created_at: now, expires_at, last_used_at, revoked_at }, secret))
    }

    /// An account's keys, the newest first, those that count no more among them; at most 500.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&self, tenant: TenantId, account: PrincipalId) -> Result<Vec<ApiKey>, StoreError> {
        const LIST: &str = "
SELECT id, account_id, name, roles, created_at, expires_at, last_used_at, revoked_at
FROM api_keys
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY id DESC
LIMIT 500";
        let mut tx = self.pool().tenant(tenant).read().await?;
        let rows: Vec<ApiKeyRow> = tx.query(LIST).bind(account.0).fetch_all().await?;
        rows.into_iter().map(ApiKeyRow::into_key).collect()
    }

    /// Revokes a key: it is over at once on the gateway that does it, and within about a second on the others. Says which it was;
    /// none where the tenant has no such key. Revoking twice keeps the first time.
    ///
    /// # Errors
    /// [`OperatorError`]; the key then counts on.
    pub async fn revoke_key(
        &self,
        tenant: TenantId,
        key: ApiKeyId,
        now: Micros,
    ) -> Result<Option<ApiKey>, OperatorError> {
        const FIND: &str = "
SELECT revoked_at
FROM api_keys
WHERE tenant_id = $1
  AND id = $2";
        const REVOKE: &str = "
UPDATE api_keys
SET revoked_at = COALESCE(revoked_at, $3)
WHERE tenant_id = $1
  AND id = $2
RETURNING id, account_id, name, roles, created_at, expires_at, last_used_at, revoked_at";
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let before: Option<(Option<i64>,)> = tx.query(FIND).bind(key.0).fetch_optional().await?;
        let row: Option<ApiKeyRow> = tx.query(REVOKE).bind(key.0).bind(now.0).fetch_optional().await?;
        let revoked = row.map(ApiKeyRow::into_key).transpose()?;
        if let (Some(revoked), Some((None,))) = (&revoked, before) {
            operator_events::leave(&mut tx, revoked.account, None, AccountAct::KeyRevoked { key }, now).await?;
        }
        tx.commit().await?;
        Ok(revoked)
    }
}

/// Sorts what a key is narrowed to, once each.
fn narrowed(mut roles: Vec<RoleName>, given: &[RoleName]) -> Result<Vec<RoleName>, CreateApiKeyError> {
    if let Some(missing) = roles.iter().find(|role| !given.contains(role)) {
        return Err(CreateApiKeyError::RoleMissing(missing.clone()));
    }
    roles.sort();
    roles.dedup();
    if roles.is_empty() { Err(CreateApiKeyError::RolesEmpty) } else { Ok(roles) }
}

pub(crate) fn roles_to_text(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ")
}

/// The reverse. `None` where a word is no role.
pub(crate) fn roles_from_text(text: &str) -> Option<Vec<RoleName>> {
    text.split(' ').map(|word| RoleName::parse(word).ok()).collect()
}

#[derive(FromRow)]
struct ApiKeyRow {
    id: Uuid,
    account_id: Uuid,
    name: String,
    roles: Option<String>,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl ApiKeyRow {
    fn into_key(self) -> Result<ApiKey, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "api_keys", column, id: self.id.to_string() };
        let roles = self.roles.as_deref().map(|text| roles_from_text(text).ok_or_else(|| impossible("roles")));
        Ok(ApiKey {
            id: ApiKeyId(self.id),
            account: PrincipalId(self.account_id),
            name: ApiKeyName::parse(&self.name).map_err(|_| impossible("name"))?,
            roles: roles.transpose()?,
            created_at: Micros(self.created_at),
            expires_at: Micros(self.expires_at),
            last_used_at: self.last_used_at.map(Micros),
            revoked_at: self.revoked_at.map(Micros),
        })
    }
}
