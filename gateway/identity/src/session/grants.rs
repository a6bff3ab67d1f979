//! A session exchanged for tokens, so that a program may act for its person; and what becomes of the tokens.
//!
//! A refresh token counts once (RFC 9700 §4.14.2): whoever shows a spent one has it from somewhere, so that the whole family ends, the
//! rightful program's tokens too. A program that asks twice at once ends its own. A family that ended so stays until whoever ended it has
//! made that durable in the record: else the first try would be the only one that anybody could hear of.

use std::time::Duration;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{AccessToken, GrantId, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{FindProgramError, Sessions, earlier, is_over};
use crate::api_keys::roles_to_text;
use crate::principal::MEMBER;
use crate::random::uuid_at;
use crate::session_rows::idle_of;
use crate::token::TokenHash;
use crate::{EntropyError, PresentedRefresh, RefreshToken};

/// How many families of tokens one session may have at once; the oldest give way.
const GRANTS_MAX: i64 = 20;

/// How long the roles of a family are at most, with a space between. Whoever has more asks for some of them.
const ROLES_BYTES_MAX: usize = 2_000;

/// How many revoked tokens whose time is over one revocation clears away.
const CLEARED_MAX: i64 = 1_000;

/// How long a revoked token is remembered beyond its time: the clocks of gateways differ, and where one is behind, the token still
/// counts.
const REVOKED_KEPT: Duration = Duration::from_secs(5 * 60);

/// A family of tokens, and the refresh token that counts from now on.
#[derive(Debug)]
pub struct Granted {
    /// Which family.
    pub grant: GrantId,
    /// Of which session.
    pub session: SessionId,
    /// Whose session that is.
    pub principal: PrincipalId,
    /// What it has at present: of what it was granted, what the person still has.
    pub roles: Vec<RoleName>,
    /// The refresh token. It exists nowhere else.
    pub refresh: RefreshToken,
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
    /// It was used before. Its family has ended with this, and is to be forgotten once that is recorded.
    #[error("the refresh token was used before: its family has ended")]
    Reused(Family),
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the refresh token could not be exchanged")]
    Store(#[from] StoreError),
}

/// A family, as a refresh token of it finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Which.
    pub grant: GrantId,
    /// Of which session.
    pub session: SessionId,
    /// Whose session that is.
    pub principal: PrincipalId,
    /// How it stands with it and the token.
    pub standing: FamilyStanding,
}

/// How it stands with a family and a token of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyStanding {
    /// The token is the one that counts.
    Counts,
    /// The token was used before.
    Spent,
    /// A spent token was shown, which nobody has recorded yet.
    Reused,
    /// Its program ended it, which nobody has recorded yet.
    Revoked,
}

/// By whose doing a family ended, as the store has it.
const REUSED: &str = "reused";
const REVOKED: &str = "revoked";

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
INSERT INTO token_grants (tenant_id, id, session_id, account_id, roles, created_at, family_hash, refresh_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
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
        // No role is a set of roles, too, and no text is none. No token ever has this one (`find_granted`).
        let kept = if roles.is_empty() { MEMBER.to_owned() } else { roles_to_text(&roles) };
        if !roles.iter().all(has) || kept.len() > ROLES_BYTES_MAX {
            return Err(ExchangeError::Roles);
        }
        let grant = GrantId(uuid_at(now)?);
        let refresh = RefreshToken::first(grant)?;
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
            .bind(refresh.family_hash().as_bytes())
            .bind(refresh.hash().as_bytes())
            .execute()
            .await?;
        let made_room = tx.query(MAKE_ROOM).bind(person.session.0).bind(GRANTS_MAX).execute().await?;
        tx.commit().await?;
        if made_room > 0 {
            self.cache.changed(person.tenant, person.id);
        }
        let (session, principal) = (person.session, person.id);
        Ok(Granted { grant, session, principal, roles, refresh, expires_at: Micros(expires_at) })
    }

    /// The family of a refresh token, if there is one. Asked before any writing begins: writers take turns, and whoever knows no
    /// token must not be able to take one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_family(&self, tenant: TenantId, shown: &PresentedRefresh) -> Result<Option<Family>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        Ok(find(&mut tx, shown).await?.map(|(family, _)| family))
    }

    /// Exchanges a refresh token for the next one.
    ///
    /// # Errors
    /// [`RefreshError`]; after [`RefreshError::Reused`] the family has ended.
    pub async fn refresh(
        &self,
        tenant: TenantId,
        shown: &PresentedRefresh,
        now: Micros,
    ) -> Result<Granted, RefreshError> {
        const ROTATE: &str = "
UPDATE token_grants
SET refresh_hash = $4
WHERE tenant_id = $1
  AND id = $2
  AND refresh_hash = $3";
        if self.find_family(tenant, shown).await?.is_none() {
            return Err(RefreshError::Unknown);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let (family, row) = find(&mut tx, shown).await?.ok_or(RefreshError::Unknown)?;
        let Family { grant, session, principal, .. } = family;
        let refresh = RefreshToken::after(shown)?;
        let rotated = match family.standing {
            // Of two at once, the one that writes has it; to the other it is spent.
            FamilyStanding::Counts => {
                let rotating = tx.query(ROTATE).bind(grant.0).bind(shown.hash().as_bytes());
                rotating.bind(refresh.hash().as_bytes()).execute().await? == 1
            }
            FamilyStanding::Spent => false,
            FamilyStanding::Reused => return Err(RefreshError::Reused(family)),
            FamilyStanding::Revoked => return Err(RefreshError::Unknown),
        };
        if !rotated {
            end(&mut tx, grant, REUSED).await?;
            tx.commit().await?;
            self.cache.changed(tenant, principal);
            return Err(RefreshError::Reused(Family { standing: FamilyStanding::Reused, ..family }));
        }
        let (last_seen_at, expires_at) = (Micros(row.last_seen_at), Micros(row.expires_at));
        let idle_timeout = idle_of(row.idle_seconds).unwrap_or(self.settings.idle_timeout);
        if row.disabled_at.is_some() || is_over(last_seen_at, expires_at, idle_timeout, now) {
            return Err(RefreshError::Expired);
        }
        let has = self.find_granted(&mut tx, grant, now).await.map_err(|error| match error {
            FindProgramError::Refused(_) => RefreshError::Expired,
            FindProgramError::Store(error) => RefreshError::Store(error),
        })?;
        let roles = has.principal.roles.clone();
        tx.commit().await?;
        Ok(Granted { grant, session, principal, roles, refresh, expires_at })
    }

    /// Ends the family of a refresh token, spent or not (RFC 7009 §2.1). Says which it was and by whose doing it ended, which may have
    /// been before; none where there is none. It is to be forgotten once that is recorded.
    ///
    /// # Errors
    /// [`StoreError`]; the family then goes on.
    pub async fn revoke_refresh(
        &self,
        tenant: TenantId,
        shown: &PresentedRefresh,
    ) -> Result<Option<Family>, StoreError> {
        if self.find_family(tenant, shown).await?.is_none() {
            return Ok(None);
        }
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let Some((family, _)) = find(&mut tx, shown).await? else { return Ok(None) };
        let standing = match family.standing {
            ended @ (FamilyStanding::Reused | FamilyStanding::Revoked) => ended,
            FamilyStanding::Counts | FamilyStanding::Spent => {
                end(&mut tx, family.grant, REVOKED).await?;
                FamilyStanding::Revoked
            }
        };
        tx.commit().await?;
        self.cache.changed(tenant, family.principal);
        Ok(Some(Family { standing, ..family }))
    }

    /// Forgets a family that has ended, now that this is recorded. One that goes on stays.
    ///
    /// # Errors
    /// [`StoreError`]; it is then recorded once more, if anybody shows a token of it.
    pub async fn forget_family(&self, tenant: TenantId, grant: GrantId) -> Result<(), StoreError> {
        const FORGET: &str = "
DELETE FROM token_grants
WHERE tenant_id = $1
  AND id = $2
  AND ending IS NOT NULL";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(FORGET).bind(grant.0).execute().await?;
        tx.commit().await
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
        tx.query(CLEAR).bind(earlier(now, REVOKED_KEPT).0).bind(CLEARED_MAX).execute().await?;
        tx.query(REVOKE).bind(token.id.0).bind(token.subject.0).bind(token.expires_at.0).execute().await?;
        tx.commit().await?;
        self.cache.changed(tenant, token.subject);
        Ok(())
    }
}

async fn find(tx: &mut TenantTx, shown: &PresentedRefresh) -> Result<Option<(Family, FamilyRow)>, StoreError> {
    const FIND: &str = "
SELECT
    g.family_hash AS family_hash,
    g.refresh_hash AS refresh_hash,
    g.ending AS ending,
    g.session_id AS session_id,
    g.account_id AS account_id,
    s.last_seen_at AS last_seen_at,
    s.expires_at AS expires_at,
    s.idle_seconds AS idle_seconds,
    COALESCE(a.disabled_at, a.deactivated_at) AS disabled_at
FROM token_grants AS g
JOIN sessions AS s ON s.tenant_id = g.tenant_id AND s.id = g.session_id
JOIN accounts AS a ON a.tenant_id = g.tenant_id AND a.id = g.account_id
WHERE g.tenant_id = $1
  AND g.id = $2";
    let grant = shown.unverified_grant();
    let row: Option<FamilyRow> = tx.query(FIND).bind(grant.0).fetch_optional().await?;
    let Some(row) = row.filter(|row| TokenHash::from_bytes(&row.family_hash) == Some(shown.family_hash())) else {
        return Ok(None);
    };
    let standing = match row.ending.as_deref() {
        None if TokenHash::from_bytes(&row.refresh_hash) == Some(shown.hash()) => FamilyStanding::Counts,
        None => FamilyStanding::Spent,
        Some(REUSED) => FamilyStanding::Reused,
        Some(REVOKED) => FamilyStanding::Revoked,
        Some(_) => {
            let (table, column) = ("token_grants", "ending");
            return Err(StoreError::Impossible { table, column, id: grant.to_string() });
        }
    };
    let (session, principal) = (SessionId(row.session_id), PrincipalId(row.account_id));
    Ok(Some((Family { grant, session, principal, standing }, row)))
}

async fn end(tx: &mut TenantTx, grant: GrantId, ending: &'static str) -> Result<(), StoreError> {
    const END: &str = "
UPDATE token_grants
SET ending = $3
WHERE tenant_id = $1
  AND id = $2";
    tx.query(END).bind(grant.0).bind(ending).execute().await.map(drop)
}

#[derive(FromRow)]
struct FamilyRow {
    family_hash: Vec<u8>,
    refresh_hash: Vec<u8>,
    ending: Option<String>,
    session_id: Uuid,
    account_id: Uuid,
    last_seen_at: i64,
    expires_at: i64,
    idle_seconds: Option<i64>,
    disabled_at: Option<i64>,
}
