//! A session exchanged for tokens, so that a program may act for its person; and what becomes of the tokens.
//!
//! A refresh token counts once (RFC 9700 §4.14.2): whoever shows a spent one has it from somewhere, so that the whole family ends, the
//! rightful program's tokens too. A program that asks twice at once ends its own.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{AccessToken, GrantId, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{FindProgramError, Sessions, is_over};
use crate::api_keys::roles_to_text;
use crate::principal::MEMBER;
use crate::random::uuid_at;
use crate::token::TokenHash;
use crate::{EntropyError, PresentedSecret, ProgramSecret, SecretKind};

/// How many families of tokens one session may have at once; the oldest give way.
const GRANTS_MAX: i64 = 20;

/// How long the roles of a family are at most, with a space between. Whoever has more asks for some of them.
const ROLES_BYTES_MAX: usize = 2_000;

/// How many revoked tokens whose time is over one revocation clears away.
const CLEARED_MAX: i64 = 1_000;

/// A family of tokens, and the refresh token that counts from now on.
#[derive(Debug)]
pub struct Granted {
    /// Which family.
    pub grant: GrantId,
    /// Whose session it is of.
    pub principal: PrincipalId,
    /// What it has at present: of what it was granted, what the person still has.
    pub roles: Vec<RoleName>,
    /// The refresh token. It exists nowhere else.
    pub refresh: ProgramSecret,
    /// When the session is over at the latest, and with it the family.
    pub expires_at: Micros,
}

/// Why a session was not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The session has ended.
    #[error("the session `{0}` has ended")]
    SessionGone(SessionId),
    /// A role that the person has not, or too many of them.
    #[error("a token can only have roles that the person has, and so many")]
    Roles,
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the grant could not be stored")]
    Store(#[from] StoreError),
}

/// Why a refresh token was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// There is no such token, or its family has ended.
    #[error("there is no such refresh token")]
    Unknown,
    /// The session is over.
    #[error("the session of the refresh token is over")]
    Expired,
    /// It was used before. Its family has ended with this.
    #[error("the refresh token was used before: its family has ended")]
    Reused(EndedGrant),
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the refresh token could not be exchanged")]
    Store(#[from] StoreError),
}

/// A family that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedGrant {
    /// Which.
    pub grant: GrantId,
    /// Whose.
    pub principal: PrincipalId,
}

impl Sessions {
    /// Exchanges a live session for a family of tokens that has these roles, and never more: what the person is given later was not
    /// granted to the program (RFC 6749 §6).
    ///
    /// # Security
    /// Whoever asks has shown the session's secret, not merely sent its cookie along.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(
        &self,
        person: &Principal,
        roles: Vec<RoleName>,
        now: Micros,
    ) -> Result<Granted, ExchangeError> {
        const SESSION: &str = "
SELECT expires_at
FROM sessions
WHERE tenant_id = $1
  AND id = $2
  AND account_id = $3";
        const INSERT: &str = "
INSERT INTO token_grants (tenant_id, id, session_id, account_id, roles, created_at)
VALUES ($1, $2, $3, $4, $5, $6)";
        const MAKE_ROOM: &str = "
DELETE FROM token_grants
WHERE tenant_id = $1
  AND session_id = $2
  AND id IN (
    SELECT id
    FROM token_grants
    WHERE tenant_id = $1
      AND session_id = $2
    ORDER BY id DESC
    LIMIT 1000 OFFSET $3
  )";
        let has = |role: &RoleName| role.as_str() != MEMBER && person.roles.contains(role);
        // No role is a set of roles, too, and has to differ from a row of before roles were always kept. No token ever has this one
        // (`find_granted`).
        let kept = if roles.is_empty() { MEMBER.to_owned() } else { roles_to_text(&roles) };
        if !roles.iter().all(has) || kept.len() > ROLES_BYTES_MAX {
            return Err(ExchangeError::Roles);
        }
        let grant = GrantId(uuid_at(now)?);
        let refresh = ProgramSecret::draw(SecretKind::RefreshToken, grant.0)?;
        let mut tx = self.pool.tenant(person.tenant).begin().await?;
        let session: Option<(i64,)> =
            tx.query(SESSION).bind(person.session.0).bind(person.id.0).fetch_optional().await?;
        let (expires_at,) = session.ok_or(ExchangeError::SessionGone(person.session))?;
        tx.query(INSERT)
            .bind(grant.0)
            .bind(person.session.0)
            .bind(person.id.0)
            .bind(kept)
            .bind(now.0)
            .execute()
            .await?;
        insert_refresh(&mut tx, grant, &refresh, now).await?;
        let made_room = tx.query(MAKE_ROOM).bind(person.session.0).bind(GRANTS_MAX).execute().await?;
        tx.commit().await?;
        if made_room > 0 {
            self.cache.changed(person.tenant, person.id);
        }
        Ok(Granted { grant, principal: person.id, roles, refresh, expires_at: Micros(expires_at) })
    }

    /// Exchanges a refresh token for the next one.
    ///
    /// # Errors
    /// [`RefreshError`]; after [`RefreshError::Reused`] the family has ended.
    pub async fn refresh(
        &self,
        tenant: TenantId,
        shown: &PresentedSecret,
        now: Micros,
    ) -> Result<Granted, RefreshError> {
        const SPEND: &str = "
UPDATE refresh_tokens
SET spent_at = $3
WHERE tenant_id = $1
  AND token_hash = $2
  AND spent_at IS NULL";
        if !self.is_there(tenant, shown).await? {
            return Err(RefreshError::Unknown);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let found = find(&mut tx, shown.hash()).await?.ok_or(RefreshError::Unknown)?;
        let ended = EndedGrant { grant: GrantId(found.grant_id), principal: PrincipalId(found.account_id) };
        // Of two at once, the one that writes has it; to the other it is spent.
        let spent = tx.query(SPEND).bind(shown.hash().as_bytes()).bind(now.0).execute().await?;
        if spent == 0 {
            end_grant(&mut tx, ended.grant).await?;
            tx.commit().await?;
            self.cache.changed(tenant, ended.principal);
            return Err(RefreshError::Reused(ended));
        }
        let (last_seen_at, expires_at) = (Micros(found.last_seen_at), Micros(found.expires_at));
        if found.disabled_at.is_some() || is_over(last_seen_at, expires_at, self.settings.idle_timeout, now) {
            return Err(RefreshError::Expired);
        }
        let refresh = ProgramSecret::draw(SecretKind::RefreshToken, ended.grant.0)?;
        insert_refresh(&mut tx, ended.grant, &refresh, now).await?;
        let has = self.find_granted(&mut tx, ended.grant, now).await.map_err(|error| match error {
            FindProgramError::Refused(_) => RefreshError::Expired,
            FindProgramError::Store(error) => RefreshError::Store(error),
        })?;
        let roles = has.principal.roles.clone();
        tx.commit().await?;
        Ok(Granted { grant: ended.grant, principal: ended.principal, roles, refresh, expires_at })
    }

    /// Ends the family of a refresh token, spent or not (RFC 7009 §2.1). Says which it was; none where there is none.
    ///
    /// # Errors
    /// [`StoreError`]; the family then goes on.
    pub async fn revoke_refresh(
        &self,
        tenant: TenantId,
        shown: &PresentedSecret,
    ) -> Result<Option<EndedGrant>, StoreError> {
        if !self.is_there(tenant, shown).await? {
            return Ok(None);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let Some(found) = find(&mut tx, shown.hash()).await? else { return Ok(None) };
        let ended = EndedGrant { grant: GrantId(found.grant_id), principal: PrincipalId(found.account_id) };
        end_grant(&mut tx, ended.grant).await?;
        tx.commit().await?;
        self.cache.changed(tenant, ended.principal);
        Ok(Some(ended))
    }

    /// Whether there is such a refresh token. Asked before any writing begins: writers take turns, and whoever knows no token must not
    /// be able to take one.
    async fn is_there(&self, tenant: TenantId, shown: &PresentedSecret) -> Result<bool, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        Ok(find(&mut tx, shown.hash()).await?.is_some())
    }

    /// Revokes one access token: whatever it was issued for goes on.
    ///
    /// # Errors
    /// [`StoreError`]; the token then counts on.
    pub async fn revoke_token(&self, tenant: TenantId, token: &AccessToken, now: Micros) -> Result<(), StoreError> {
        const REVOKE: &str = "
INSERT INTO revoked_tokens (tenant_id, id, account_id, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, id) DO NOTHING";
        const CLEAR: &str = "
DELETE FROM revoked_tokens
WHERE tenant_id = $1
  AND id IN (
    SELECT id
    FROM revoked_tokens
    WHERE tenant_id = $1
      AND expires_at <= $2
    LIMIT $3
  )";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(CLEAR).bind(now.0).bind(CLEARED_MAX).execute().await?;
        tx.query(REVOKE).bind(token.id.0).bind(token.subject.0).bind(token.expires_at.0).execute().await?;
        tx.commit().await?;
        self.cache.changed(tenant, token.subject);
        Ok(())
    }
}

async fn insert_refresh(
    tx: &mut TenantTx,
    grant: GrantId,
    refresh: &ProgramSecret,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO refresh_tokens (tenant_id, token_hash, grant_id, created_at)
VALUES ($1, $2, $3, $4)";
    tx.query(INSERT).bind(refresh.hash().as_bytes()).bind(grant.0).bind(now.0).execute().await.map(drop)
}

async fn find(tx: &mut TenantTx, token: TokenHash) -> Result<Option<RefreshRow>, StoreError> {
    const FIND: &str = "
SELECT
    g.id AS grant_id,
    g.account_id AS account_id,
    s.last_seen_at AS last_seen_at,
    s.expires_at AS expires_at,
    a.disabled_at AS disabled_at
FROM refresh_tokens AS r
JOIN token_grants AS g ON g.tenant_id = r.tenant_id AND g.id = r.grant_id
JOIN sessions AS s ON s.tenant_id = g.tenant_id AND s.id = g.session_id
JOIN accounts AS a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
WHERE r.tenant_id = $1
  AND r.token_hash = $2";
    tx.query(FIND).bind(token.as_bytes()).fetch_optional().await
}

async fn end_grant(tx: &mut TenantTx, grant: GrantId) -> Result<(), StoreError> {
    const END: &str = "
DELETE FROM token_grants
WHERE tenant_id = $1
  AND id = $2";
    tx.query(END).bind(grant.0).execute().await.map(drop)
}

#[derive(FromRow)]
struct RefreshRow {
    grant_id: Uuid,
    account_id: Uuid,
    last_seen_at: i64,
    expires_at: i64,
    disabled_at: Option<i64>,
}
