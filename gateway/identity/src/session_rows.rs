//! The queries behind sessions.

use std::sync::Arc;
use std::time::Duration;

use cedargate_migrations::{StoreError, SystemTx, TenantTx};
use cedargate_model::{AuthnStrength, Credential, Micros, Principal, PrincipalId, SessionId, TenantId, TenantName};
use sqlx::FromRow;
use uuid::Uuid;

use crate::principal::{methods_from_text, methods_to_text, roles_of_principal};
use crate::session_cache::Key;
use crate::session_changes::Generations;
use crate::token::TokenHash;
use crate::{Agent, Device};

/// How many sessions one round prunes, so that the write lock is not held long.
const PRUNE_MAX: i64 = 1_000;

pub(crate) struct NewRow {
    pub(crate) id: SessionId,
    pub(crate) account: PrincipalId,
    pub(crate) token: TokenHash,
    pub(crate) strength: AuthnStrength,
    pub(crate) authenticated_at: Micros,
    pub(crate) now: Micros,
    pub(crate) began_at: Micros,
    pub(crate) device: Device,
    pub(crate) expires_at: Micros,
    /// None of one of before, which lives as the gateway says.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) is_remembered: bool,
}

/// A session as the store has it, of an account that may be used.
pub(crate) struct Loaded {
    pub(crate) principal: Arc<Principal>,
    pub(crate) last_seen_at: Micros,
    pub(crate) expires_at: Micros,
    /// How long it lives unused; none where that is the gateway's to say.
    pub(crate) idle_timeout: Option<Duration>,
}

pub(crate) async fn insert(tx: &mut TenantTx, new: &NewRow) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO sessions
    (
        tenant_id, id, account_id, token_hash, level, methods, authenticated_at, last_seen_at, expires_at, idle_seconds,
        remembered
    )
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    const INSERT_DEVICE: &str = "
INSERT INTO session_devices (tenant_id, session_id, began_at, address, agent)
VALUES ($1, $2, $3, $4, $5)";
    tx.query(INSERT)
        .bind(new.id.0)
        .bind(new.account.0)
        .bind(new.token.as_bytes())
        .bind(i64::from(new.strength.level))
        .bind(methods_to_text(&new.strength.methods))
        .bind(new.authenticated_at.0)
        .bind(new.now.0)
        .bind(new.expires_at.0)
        .bind(new.idle_timeout.map(|idle| i64::try_from(idle.as_secs()).unwrap_or(i64::MAX)))
        .bind(new.is_remembered)
        .execute()
        .await?;
    tx.query(INSERT_DEVICE)
        .bind(new.id.0)
        .bind(new.began_at.0)
        .bind(new.device.address.map(|address| address.to_string()))
        .bind(new.device.agent.as_ref().map(Agent::as_str))
        .execute()
        .await
        .map(drop)
}

pub(crate) async fn find_by_token(tx: &mut TenantTx, token: TokenHash) -> Result<Option<Loaded>, StoreError> {
    const FIND: &str = "
SELECT
    s.id AS session_id,
    s.level AS level,
    s.methods AS methods,
    s.authenticated_at AS authenticated_at,
    s.last_seen_at AS last_seen_at,
    s.expires_at AS expires_at,
    s.idle_seconds AS idle_seconds,
    a.id AS account_id,
    COALESCE(a.display, a.email) AS display,
    a.version AS version,
    t.name AS tenant_name
FROM sessions AS s
JOIN accounts AS a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
JOIN tenants AS t ON t.id = s.tenant_id
WHERE s.tenant_id = $1
  AND s.token_hash = $2
  AND a.disabled_at IS NULL
  AND a.deactivated_at IS NULL";
    const ROLES: &str = "
SELECT role
FROM account_roles
WHERE tenant_id = $1
  AND account_id = $2";
    let Some(row) = tx.query(FIND).bind(token.as_bytes()).fetch_optional::<SessionRow>().await? else {
        return Ok(None);
    };
    let roles: Vec<(String,)> = tx.query(ROLES).bind(row.account_id).fetch_all().await?;
    row.into_loaded(tx, &roles).map(Some)
}

/// Says whose it was, too.
pub(crate) async fn delete(
    tx: &mut TenantTx,
    session: SessionId,
) -> Result<Option<(TokenHash, PrincipalId)>, StoreError> {
    const DELETE: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND id = $2
RETURNING token_hash, account_id";
    let ended: Option<(Vec<u8>, Uuid)> = tx.query(DELETE).bind(session.0).fetch_optional().await?;
    ended.map(|(hash, account)| Ok((token_of((hash,))?, PrincipalId(account)))).transpose()
}

pub(crate) async fn delete_of_account(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<TokenHash>, StoreError> {
    const DELETE: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
RETURNING token_hash";
    let ended: Vec<(Vec<u8>,)> = tx.query(DELETE).bind(account.0).fetch_all().await?;
    ended.into_iter().map(token_of).collect()
}

/// Deletes an account's oldest sessions, so that at most `sessions_max` remain. Those that began first: their ids say so, and
/// `authenticated_at` may be a provider's, long before.
pub(crate) async fn delete_beyond_bound(
    tx: &mut TenantTx,
    account: PrincipalId,
    sessions_max: u32,
) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    const DELETE: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
  AND id IN (
    SELECT id
    FROM sessions
    WHERE tenant_id = $1
      AND account_id = $2
    ORDER BY id DESC
    LIMIT $4 OFFSET $3
  )
RETURNING id, token_hash";
    tx.query(DELETE).bind(account.0).bind(i64::from(sessions_max)).bind(PRUNE_MAX).fetch_all().await
}

/// Writes down that a session was used, unless another gateway noted a later use.
pub(crate) async fn touch(tx: &mut SystemTx, key: &Key, at: Micros) -> Result<u64, StoreError> {
    const TOUCH: &str = "
UPDATE sessions
SET last_seen_at = $3
WHERE tenant_id = $1
  AND token_hash = $2
  AND last_seen_at < $3";
    tx.query(TOUCH).bind(key.tenant.0).bind(key.token.as_bytes()).bind(at.0).execute().await
}

/// Deletes sessions that expired, or that nobody used for as long as the gateway says and their own tenant does not say longer: those go when
/// they expire, and nobody is let in by them before.
pub(crate) async fn prune(tx: &mut SystemTx, now: Micros, idle_timeout: Duration) -> Result<u64, StoreError> {
    const PRUNE: &str = "
DELETE FROM sessions
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id
    FROM sessions
    WHERE expires_at <= $1
       OR (last_seen_at <= $2 AND COALESCE(idle_seconds, 0) <= $3)
    LIMIT $4
)";
    let idle_since = now.0.saturating_sub(i64::try_from(idle_timeout.as_micros()).unwrap_or(i64::MAX));
    let idle_seconds = i64::try_from(idle_timeout.as_secs()).unwrap_or(i64::MAX);
    tx.query(PRUNE).bind(now.0).bind(idle_since).bind(idle_seconds).bind(PRUNE_MAX).execute().await
}

/// How many tenants may have a generation; with more, none is known to be all of them.
pub(crate) const GENERATIONS_MAX: usize = 10_000;

/// The generation of every tenant, at most [`GENERATIONS_MAX`].
pub(crate) async fn generations(tx: &mut SystemTx) -> Result<Generations, StoreError> {
    const GENERATIONS: &str = "
SELECT tenant_id, generation
FROM session_generations
LIMIT $1";
    let limit = i64::try_from(GENERATIONS_MAX).unwrap_or(i64::MAX);
    let rows: Vec<(Uuid, i64)> = tx.query(GENERATIONS).bind(limit).fetch_all().await?;
    Ok(rows.into_iter().map(|(tenant, generation)| (TenantId(tenant), generation)).collect())
}

/// The accounts of a tenant that changed after a generation, at most `limit`.
pub(crate) async fn changed_since(
    tx: &mut SystemTx,
    tenant: TenantId,
    generation: i64,
    limit: usize,
) -> Result<Vec<PrincipalId>, StoreError> {
    const CHANGED: &str = "
SELECT account_id
FROM session_changes
WHERE tenant_id = $1
  AND generation > $2
LIMIT $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows: Vec<(Uuid,)> = tx.query(CHANGED).bind(tenant.0).bind(generation).bind(limit).fetch_all().await?;
    Ok(rows.into_iter().map(|(account,)| PrincipalId(account)).collect())
}

pub(crate) fn token_of((hash,): (Vec<u8>,)) -> Result<TokenHash, StoreError> {
    let impossible = || StoreError::Impossible { table: "sessions", column: "token_hash", id: String::new() };
    TokenHash::from_bytes(&hash).ok_or_else(impossible)
}

/// Sessions that were deleted by a text of somebody else's, as their ids and their places in memory.
pub(crate) fn ended_of(tenant: TenantId, rows: Vec<(Uuid, Vec<u8>)>) -> Result<(Vec<SessionId>, Vec<Key>), StoreError> {
    let one = |(id, hash)| token_of((hash,)).map(|hash| (SessionId(id), Key::new(tenant, hash)));
    rows.into_iter().map(one).collect()
}

/// How long a session lives unused, as its row says.
pub(crate) fn idle_of(seconds: Option<i64>) -> Option<Duration> {
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

#[derive(FromRow)]
struct SessionRow {
    session_id: Uuid,
    level: i64,
    methods: String,
    authenticated_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    idle_seconds: Option<i64>,
    account_id: Uuid,
    display: String,
    version: i64,
    tenant_name: String,
}

impl SessionRow {
    fn into_loaded(self, tx: &TenantTx, roles: &[(String,)]) -> Result<Loaded, StoreError> {
        let impossible =
            |table, column, id: Uuid| move || StoreError::Impossible { table, column, id: id.hyphenated().to_string() };
        let in_session = |column| impossible("sessions", column, self.session_id);
        let principal = Principal {
            id: PrincipalId(self.account_id),
            tenant: tx.tenant(),
            tenant_name: TenantName::parse(&self.tenant_name)
                .map_err(|_| impossible("tenants", "name", tx.tenant().0)())?,
            display: self.display,
            roles: roles_of_principal(roles.iter().map(|(role,)| role.as_str())).ok_or_else(impossible(
                "account_roles",
                "role",
                self.account_id,
            ))?,
            session: SessionId(self.session_id),
            credential: Credential::Session,
            strength: AuthnStrength {
                level: u8::try_from(self.level).map_err(|_| in_session("level")())?,
                methods: methods_from_text(&self.methods).ok_or_else(in_session("methods"))?,
            },
            authenticated_at: Micros(self.authenticated_at),
            version: self.version,
        };
        Ok(Loaded {
            principal: Arc::new(principal),
            last_seen_at: Micros(self.last_seen_at),
            expires_at: Micros(self.expires_at),
            idle_timeout: idle_of(self.idle_seconds),
        })
    }
}
