//! A connection's tokens for SCIM: made, listed and revoked by operators. [`crate::Sessions`] looks them up.

use std::time::Duration;

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ConnectionName, EventBody, Micros, ProvisioningAct, ProvisioningEvent, ScimTokenId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use super::desk::issuer_of;
use crate::random::{EntropyError, uuid_at};
use crate::{Issuer, OperatorError, ProgramSecret, SecretKind, federated, operator_events};

/// How many tokens of a connection count at once: the one that is used, and the one that takes its place.
pub const SCIM_TOKENS_MAX: usize = 2;

/// The longest life of a token.
pub const SCIM_TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The shortest life of a token.
const LIFETIME_MIN: Duration = Duration::from_secs(60);

/// A token for SCIM, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimToken {
    /// Which.
    pub id: ScimTokenId,
    /// Whose people it tells about.
    pub connection: ConnectionName,
    /// When it was made.
    pub created_at: Micros,
    /// Until when it counts.
    pub expires_at: Micros,
    /// When it was last used, to within some minutes.
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateScimTokenError {
    /// There are enough.
    #[error("the connection has {SCIM_TOKENS_MAX} tokens that count; revoke one")]
    TooMany,
    /// Another provider told of the connection's people.
    #[error("the connection's people are those of `{0}`, which it no longer leads to; forget them first")]
    IssuerDiffers(Issuer),
    /// It would count for too short or too long.
    #[error("a token counts for a minute at least, and for 366 days at most")]
    LifetimeOutOfBounds,
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    TenantUnknown(TenantId),
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the token could not be stored")]
    Store(#[from] StoreError),
}

/// The tokens of a store.
#[derive(Clone, Debug)]
pub struct ScimTokens {
    pool: Pool,
}

impl ScimTokens {
    /// The tokens in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Makes a token and returns its secret, which exists nowhere else; leaves word of it for the record. The first one says whose word
    /// the connection's people are: `issuer`'s, and no other provider's that the connection may lead to later.
    ///
    /// # Errors
    /// [`CreateScimTokenError`].
    pub async fn create(
        &self,
        tenant: TenantId,
        connection: ConnectionName,
        issuer: &Issuer,
        lifetime: Duration,
        now: Micros,
    ) -> Result<(ScimToken, ProgramSecret), CreateScimTokenError> {
        const COUNT: &str = "
SELECT COUNT(*)
FROM scim_tokens
WHERE tenant_id = $1
  AND connection = $2
  AND revoked_at IS NULL
  AND expires_at > $3";
        const INSERT: &str = "
INSERT INTO scim_tokens (tenant_id, id, connection, token_hash, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)";
        const BIND: &str = "
INSERT INTO scim_issuers (tenant_id, connection, issuer, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, connection) DO NOTHING";
        if !(LIFETIME_MIN..=SCIM_TOKEN_LIFETIME_MAX).contains(&lifetime) {
            return Err(CreateScimTokenError::LifetimeOutOfBounds);
        }
        let id = ScimTokenId(uuid_at(now)?);
        let secret = ProgramSecret::draw(SecretKind::ScimToken, id.0)?;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (counting,): (i64,) = tx.query(COUNT).bind(connection.as_str()).bind(now.0).fetch_one().await?;
        if usize::try_from(counting).is_ok_and(|counting| counting >= SCIM_TOKENS_MAX) {
            return Err(CreateScimTokenError::TooMany);
        }
        match tx.query(BIND).bind(connection.as_str()).bind(issuer.as_str()).bind(now.0).execute().await {
            Err(StoreError::Constraint(_)) => return Err(CreateScimTokenError::TenantUnknown(tenant)),
            done => done?,
        };
        if let Some(other) = issuer_of(&mut tx, &connection).await?.filter(|bound| bound != issuer) {
            return Err(CreateScimTokenError::IssuerDiffers(other));
        }
        let expires_at = now.after(lifetime);
        let query = tx.query(INSERT).bind(id.0).bind(connection.as_str()).bind(secret.hash().as_bytes());
        match query.bind(now.0).bind(expires_at.0).execute().await {
            Err(StoreError::Constraint(_)) => return Err(CreateScimTokenError::TenantUnknown(tenant)),
            done => done?,
        };
        let act = ProvisioningAct::TokenCreated { expires_at };
        leave(&mut tx, id, &connection, act, now).await.map_err(|error| match error {
            OperatorError::Entropy(error) => CreateScimTokenError::Entropy(error),
            OperatorError::Store(error) => CreateScimTokenError::Store(error),
        })?;
        tx.commit().await?;
        let (last_used_at, revoked_at) = (None, None);
        Ok((ScimToken { id, connection, created_at: now, expires_at, last_used_at, revoked_at }, secret))
    }

    /// A tenant's tokens, the newest first, those that count no more among them; at most 500.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<ScimToken>, StoreError> {
        const TOKENS: &str = "
SELECT id, connection, created_at, expires_at, last_used_at, revoked_at
FROM scim_tokens
WHERE tenant_id = $1
ORDER BY id DESC
LIMIT 500";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<TokenRow> = tx.query(TOKENS).fetch_all().await?;
        rows.into_iter().map(TokenRow::into_token).collect()
    }

    /// Revokes a token, and leaves word of it for the record: within about a second no gateway knows anybody by it. Says which it was;
    /// none where the tenant has no such token. Revoking twice keeps the first time.
    ///
    /// # Errors
    /// [`OperatorError`]; the token then counts on.
    pub async fn revoke(
        &self,
        tenant: TenantId,
        token: ScimTokenId,
        now: Micros,
    ) -> Result<Option<ScimToken>, OperatorError> {
        const REVOKE: &str = "
UPDATE scim_tokens
SET revoked_at = COALESCE(revoked_at, $3)
WHERE tenant_id = $1
  AND id = $2
RETURNING id, connection, created_at, expires_at, last_used_at, revoked_at";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let row: Option<TokenRow> = tx.query(REVOKE).bind(token.0).bind(now.0).fetch_optional().await?;
        let Some(revoked) = row.map(TokenRow::into_token).transpose()? else { return Ok(None) };
        leave(&mut tx, token, &revoked.connection, ProvisioningAct::TokenRevoked, now).await?;
        tx.commit().await?;
        Ok(Some(revoked))
    }
}

/// What was forgotten of a connection's people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgottenPeople {
    /// How many tokens were revoked.
    pub tokens: usize,
    /// How many accounts may be used no more.
    pub accounts: usize,
    /// How many sessions ended.
    pub sessions: usize,
}

impl ScimTokens {
    /// Takes away everybody of whom a connection's provider told, their groups, and the tokens by which it did, and leaves word of it for
    /// the record: an operator's act, for a connection that leads to another provider now. What that one tells are other accounts.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing was done.
    pub async fn forget_people(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        now: Micros,
    ) -> Result<ForgottenPeople, OperatorError> {
        const REVOKE: &str = "
UPDATE scim_tokens
SET revoked_at = $3
WHERE tenant_id = $1
  AND connection = $2
  AND revoked_at IS NULL
RETURNING id, connection, created_at, expires_at, last_used_at, revoked_at";
        const DEACTIVATE: &str = "
UPDATE accounts
SET deactivated_at = COALESCE(deactivated_at, $3), version = version + 1
WHERE tenant_id = $1
  AND id IN (
    SELECT u.account_id
    FROM scim_users AS u
    WHERE u.tenant_id = $1
      AND u.connection = $2
      AND u.deleted_at IS NULL
  )";
        const END: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id IN (
    SELECT u.account_id
    FROM scim_users AS u
    WHERE u.tenant_id = $1
      AND u.connection = $2
      AND u.deleted_at IS NULL
  )
RETURNING id, account_id, token_hash";
        const DELETE_USERS: &str = "
UPDATE scim_users
SET document = '{}', version = version + 1, modified_at = $3, deleted_at = $3
WHERE tenant_id = $1
  AND connection = $2
  AND deleted_at IS NULL";
        const DELETE_GROUPS: &str = "
DELETE FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2";
        const UNBIND: &str = "
DELETE FROM scim_issuers
WHERE tenant_id = $1
  AND connection = $2";
        let name = connection.as_str();
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let revoked: Vec<TokenRow> = tx.query(REVOKE).bind(name).bind(now.0).fetch_all().await?;
        let ended = federated::ended_of(tenant, tx.query(END).bind(name).fetch_all().await?)?;
        let accounts = tx.query(DEACTIVATE).bind(name).bind(now.0).execute().await?;
        tx.query(DELETE_USERS).bind(name).bind(now.0).execute().await?;
        tx.query(DELETE_GROUPS).bind(name).execute().await?;
        tx.query(UNBIND).bind(name).execute().await?;
        for token in &revoked {
            leave(&mut tx, ScimTokenId(token.id), connection, ProvisioningAct::TokenRevoked, now).await?;
        }
        federated::leave_word(&mut tx, connection, &ended.sessions, now).await?;
        tx.commit().await?;
        let accounts = usize::try_from(accounts).unwrap_or(usize::MAX);
        Ok(ForgottenPeople { tokens: revoked.len(), accounts, sessions: ended.sessions.len() })
    }
}

async fn leave(
    tx: &mut TenantTx,
    token: ScimTokenId,
    connection: &ConnectionName,
    act: ProvisioningAct,
    now: Micros,
) -> Result<(), OperatorError> {
    let done = ProvisioningEvent { decision: None, client: None, token, connection: connection.clone(), act };
    operator_events::leave_body(tx, EventBody::Provisioning(Box::new(done)), now).await
}

#[derive(FromRow)]
struct TokenRow {
    id: Uuid,
    connection: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenRow {
    fn into_token(self) -> Result<ScimToken, StoreError> {
        let impossible = |_| StoreError::Impossible { table: "scim_tokens", column: "connection", id: String::new() };
        Ok(ScimToken {
            id: ScimTokenId(self.id),
            connection: ConnectionName::parse(&self.connection).map_err(impossible)?,
            created_at: Micros(self.created_at),
            expires_at: Micros(self.expires_at),
            last_used_at: self.last_used_at.map(Micros),
            revoked_at: self.revoked_at.map(Micros),
        })
    }
}
