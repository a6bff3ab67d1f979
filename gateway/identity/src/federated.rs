//! Sessions that came from an identity provider.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::identity::{Identity, Issuer, Subject};
use crate::session_cache::Key;
use crate::session_rows::token_of;
use crate::{Begun, CreateSessionError, Sessions, SignIn};

/// How long an ID token may be to be kept, in octets. A longer one is not: the provider then asks the person before it
/// signs them out.
const ID_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Where a session came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Federation {
    /// Who it is at the provider.
    pub identity: Identity,
    /// The provider's own session (`sid`, or SAML's SessionIndex), if it says.
    pub provider_session: Option<Subject>,
    /// The ID token, which the provider asks for when the person signs out there. Says who it is; proves nothing to us.
    pub id_token: Option<String>,
}

/// Which sessions a provider ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything of one of the provider's own sessions, of this subject where one is said.
    ProviderSession {
        /// The provider's session.
        session: Subject,
        /// The subject.
        subject: Option<Subject>,
    },
    /// Everything of one subject.
    Subject(Subject),
}

/// A session that a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Whose it was.
    pub principal: PrincipalId,
    /// Which.
    pub session: SessionId,
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Federation").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Begins a session that an identity provider vouches for. `authenticated_at` is when the person last proved to the
    /// provider who they are: policies ask for it.
    ///
    /// # Errors
    /// [`CreateSessionError`].
    pub async fn create_federated(
        &self,
        sign_in: SignIn,
        federation: &Federation,
        authenticated_at: Micros,
        now: Micros,
    ) -> Result<Begun, CreateSessionError> {
        // A provider's clock may be ahead of ours; nobody has proved anything in the future.
        self.create_in(sign_in, Some(federation), authenticated_at.min(now), now).await
    }

    /// Where a session came from; none where it is over, or was no provider's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn federation(&self, tenant: TenantId, session: SessionId) -> Result<Option<Federation>, StoreError> {
        let mut tx = self.pool().tenant(tenant).read().await?;
        find(&mut tx, session).await
    }

    /// Ends the sessions that a provider means, and says which there were.
    ///
    /// # Errors
    /// [`StoreError`]; the sessions then go on.
    pub async fn end_federated(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        issuer: &Issuer,
        ending: &Ending,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let rows = delete(&mut tx, connection, issuer, ending).await?;
        tx.commit().await?;
        let mut ended = Vec::with_capacity(rows.len());
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            ended.push(EndedSession { principal: PrincipalId(row.account_id), session: SessionId(row.id) });
            keys.push(Key::new(tenant, token_of((row.token_hash,))?));
        }
        self.forget(keys);
        Ok(ended)
    }
}

/// Where a session came from, in the middle of a unit of work: whoever replaces it hands it on.
pub(crate) async fn find(tx: &mut TenantTx, session: SessionId) -> Result<Option<Federation>, StoreError> {
    const FIND: &str = "
SELECT connection, issuer, subject, provider_session, id_token
FROM federated_sessions
WHERE tenant_id = $1
  AND session_id = $2";
    let row: Option<FederationRow> = tx.query(FIND).bind(session.0).fetch_optional().await?;
    row.map(|row| row.into_federation(session)).transpose()
}

async fn delete(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    issuer: &Issuer,
    ending: &Ending,
) -> Result<Vec<EndedRow>, StoreError> {
    const BY_SUBJECT: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND id IN (
    SELECT f.session_id
    FROM federated_sessions AS f
    WHERE f.tenant_id = $1
      AND f.connection = $2
      AND f.issuer = $3
      AND f.subject = $4
  )
RETURNING id, account_id, token_hash";
    const BY_PROVIDER_SESSION: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND id IN (
    SELECT f.session_id
    FROM federated_sessions AS f
    WHERE f.tenant_id = $1
      AND f.connection = $2
      AND f.issuer = $3
      AND (
        f.provider_session = $4 AND f.subject = COALESCE($5, f.subject)
        -- Begun without one, it may be the one that is meant.
        OR f.provider_session IS NULL AND f.subject = $5
      )
  )
RETURNING id, account_id, token_hash";
    match ending {
        Ending::Subject(subject) => {
            let query = tx.query(BY_SUBJECT).bind(connection.as_str()).bind(issuer.as_str());
            query.bind(subject.as_str()).fetch_all().await
        }
        Ending::ProviderSession { session, subject } => {
            let query = tx.query(BY_PROVIDER_SESSION).bind(connection.as_str()).bind(issuer.as_str());
            query.bind(session.as_str()).bind(subject.as_ref().map(Subject::as_str)).fetch_all().await
        }
    }
}

/// A session took another's place: the provider that it came from may end this one now.
pub(crate) async fn carry_over(tx: &mut TenantTx, from: SessionId, to: SessionId) -> Result<(), StoreError> {
    const CARRY_OVER: &str = "
UPDATE federated_sessions
SET session_id = $3
WHERE tenant_id = $1
  AND session_id = $2";
    tx.query(CARRY_OVER).bind(from.0).bind(to.0).execute().await.map(drop)
}

/// Writes where a session came from, beside the session, in its transaction.
pub(crate) async fn insert(tx: &mut TenantTx, session: SessionId, federation: &Federation) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO federated_sessions
    (tenant_id, session_id, connection, issuer, subject, provider_session, id_token)
VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let id_token = federation.id_token.as_deref().filter(|token| (1..=ID_TOKEN_BYTES_MAX).contains(&token.len()));
    tx.query(INSERT)
        .bind(session.0)
        .bind(federation.identity.connection.as_str())
        .bind(federation.identity.issuer.as_str())
        .bind(federation.identity.subject.as_str())
        .bind(federation.provider_session.as_ref().map(Subject::as_str))
        .bind(id_token)
        .execute()
        .await
        .map(drop)
}

#[derive(FromRow)]
struct EndedRow {
    id: Uuid,
    account_id: Uuid,
    token_hash: Vec<u8>,
}

#[derive(FromRow)]
struct FederationRow {
    connection: String,
    issuer: String,
    subject: String,
    provider_session: Option<String>,
    id_token: Option<String>,
}

impl FederationRow {
    fn into_federation(self, session: SessionId) -> Result<Federation, StoreError> {
        let impossible =
            |column| StoreError::Impossible { table: "federated_sessions", column, id: session.to_string() };
        let provider_session = self.provider_session.map(|text| Subject::parse(&text)).transpose();
        Ok(Federation {
            identity: Identity {
                connection: ConnectionName::parse(&self.connection).map_err(|_| impossible("connection"))?,
                issuer: Issuer::parse(&self.issuer).map_err(|_| impossible("issuer"))?,
                subject: Subject::parse(&self.subject).map_err(|_| impossible("subject"))?,
            },
            provider_session: provider_session.map_err(|_| impossible("provider_session"))?,
            id_token: self.id_token,
        })
    }
}
