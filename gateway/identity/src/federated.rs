//! Sessions that came from an identity provider.

use std::collections::BTreeMap;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{AccountAct, ConnectionName, Micros, PrincipalId, SessionId, TenantId};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use crate::identity::{Identity, Issuer, Subject};
use crate::provider_endings::Ended;
use crate::session_cache::Key;
use crate::session_rows::token_of;
use crate::{Begun, CreateSessionError, Grounds, OperatorError, Ready, Sessions, SignIn, operator_events};

/// How long a sealed ID token may be to be kept, in octets. A longer one is not: the provider then asks the person before it
/// signs them out.
const SEALED_ID_TOKEN_BYTES_MAX: usize = 32 * 1024;

/// How long a NameID with what qualifies it may be, in octets.
const NAME_ID_BYTES_MAX: usize = 4 * 1024;

/// Where a session came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Federation {
    /// Who it is at the provider.
    pub identity: Identity,
    /// The provider's own session (`sid`, or SAML's SessionIndex), if it says.
    pub provider_session: Option<Subject>,
    /// The ID token, which the provider asks for when the person signs out there. It says who they are, and of what groups: so it
    /// comes here sealed and leaves sealed.
    pub id_token: Option<SealedIdToken>,
    /// What a SAML provider calls the person, with all that qualifies it: it wants to hear it again when the person signs out there.
    pub name_id: Option<String>,
}

/// A provider's word for a session that begins.
#[derive(Clone, Copy, Debug)]
pub struct Vouched<'f> {
    /// Where the session comes from.
    pub federation: &'f Federation,
    /// When the person last proved to the provider who they are, by its clock, which may be ahead of ours: policies ask for it.
    pub authenticated_at: Micros,
    /// Whether that was because they were asked to, there and then. Such a session may enrol a first factor for a few minutes.
    pub anew: bool,
    /// When the session has to be over, if the provider says.
    pub ends_by: Option<Micros>,
    /// When the sign-in was begun: whatever ended sessions of this person since then ends this one, too.
    pub begun_at: Micros,
}

/// An ID token that was sealed under the gateway's master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedIdToken(pub String);

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

/// Sessions that end together.
#[derive(Debug)]
#[must_use = "tell `Sessions::forget_federated`, or what is in memory goes on until it is stale"]
pub struct EndedSessions {
    /// Which.
    pub sessions: Vec<EndedSession>,
    pub(crate) keys: Vec<Key>,
}

impl EndedSessions {
    pub(crate) fn extend(&mut self, more: Self) {
        self.sessions.extend(more.sessions);
        self.keys.extend(more.keys);
    }
}

/// What makes a logout token one that counts once.
#[derive(Clone, Copy, Debug)]
pub struct LogoutTokenId<'t> {
    /// The provider's id for it (`jti`).
    pub jti: &'t str,
    /// Until when a second one of this id is a replay; later it is over anyway.
    pub remember_until: Micros,
}

/// A SAML provider's request to end sessions, which counts once.
#[derive(Clone, Copy, Debug)]
pub struct LogoutRequested<'r> {
    /// The request's id.
    pub id: &'r str,
    /// When the provider issued it, by its clock.
    pub issued_at: Micros,
    /// Until when a second one of this id is a replay, and what it ends stays ended; later it is over anyway.
    pub remember_until: Micros,
    /// What it ends.
    pub endings: &'r [Ending],
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Federation").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Begins a session that an identity provider vouches for and of which no record is kept: tests do.
    ///
    /// # Errors
    /// [`CreateSessionError`].
    pub async fn create_federated(
        &self,
        sign_in: SignIn,
        vouched: Vouched<'_>,
        now: Micros,
    ) -> Result<Begun, CreateSessionError> {
        let nothing = Ready::new(self.pool().tenant(sign_in.tenant).begin().await?, ());
        let ready = self.begin_federated(nothing, sign_in, vouched, &Grounds::default(), now).await?;
        let ((), beginning) = ready.commit().await?;
        Ok(self.take_up_begun(beginning))
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
        now: Micros,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let ended = end_in(&mut tx, connection, issuer, ending, now).await?;
        tx.commit().await?;
        Ok(self.forget_federated(ended))
    }

    /// Ends the sessions that a logout token means, which counts with that: in one transaction, so that a provider which sends it
    /// again after a failure is not refused. None where it has counted before.
    ///
    /// # Errors
    /// [`StoreError`]; then the sessions go on, and the token may come again.
    pub async fn end_by_logout_token(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        issuer: &Issuer,
        ending: &Ending,
        token: LogoutTokenId<'_>,
        now: Micros,
    ) -> Result<Option<Ready<EndedSessions>>, StoreError> {
        let mut tx = self.pool().tenant(tenant).begin().await?;
        if !take(&mut tx, connection, token, now).await? {
            return Ok(None);
        }
        let ended = end_in(&mut tx, connection, issuer, ending, now).await?;
        Ok(Some(Ready::new(tx, ended)))
    }

    /// Ends the sessions that a SAML provider's request means, all of them or none, which counts with that; and holds what it says, so
    /// that an answer from before it begins no session any more (SAML Core §3.7.3.2). None where it has counted before.
    ///
    /// # Errors
    /// [`StoreError`]; then the sessions go on, and the request may come again.
    pub async fn end_by_logout_request(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        issuer: &Issuer,
        request: LogoutRequested<'_>,
        now: Micros,
    ) -> Result<Option<Ready<EndedSessions>>, StoreError> {
        let id = format!("saml {}", request.id);
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let token = LogoutTokenId { jti: &id, remember_until: request.remember_until };
        if !take(&mut tx, connection, token, now).await? {
            return Ok(None);
        }
        let mut ended = EndedSessions { sessions: Vec::new(), keys: Vec::new() };
        for ending in request.endings {
            hold(&mut tx, connection, ending, &request, now).await?;
            ended.extend(end_in(&mut tx, connection, issuer, ending, now).await?);
        }
        Ok(Some(Ready::new(tx, ended)))
    }

    /// Ends every session that came by this connection, or by this connection to one issuer, also of whoever is on their way, and leaves
    /// word of it for the record: an operator's act. Says which there were.
    ///
    /// # Errors
    /// [`OperatorError`]; the sessions then go on.
    pub async fn end_connection(
        &self,
        tenant: TenantId,
        connection: &ConnectionName,
        issuer: Option<&Issuer>,
        now: Micros,
    ) -> Result<Vec<EndedSession>, OperatorError> {
        const BY_CONNECTION: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND id IN (
    SELECT f.session_id
    FROM federated_sessions AS f
    WHERE f.tenant_id = $1
      AND f.connection = $2
      AND f.issuer = COALESCE($3, f.issuer)
  )
RETURNING id, account_id, token_hash";
        let mut tx = self.pool().tenant(tenant).begin().await?;
        let query = tx.query(BY_CONNECTION).bind(connection.as_str()).bind(issuer.map(Issuer::as_str));
        let rows = query.fetch_all().await?;
        let ended = ended_of(tenant, rows)?;
        let noted = issuer.map_or(Ended::Connection(connection), |issuer| Ended::OfIssuer(connection, issuer));
        noted.note(&mut tx, now).await?;
        leave_word(&mut tx, connection, &ended.sessions, now).await?;
        tx.commit().await?;
        Ok(self.forget_federated(ended))
    }

    /// Hears of sessions that ended together: from memory they are gone at once.
    pub fn forget_federated(&self, ended: EndedSessions) -> Vec<EndedSession> {
        self.forget(&ended);
        ended.sessions
    }
}

/// Takes an id, until it is over anyway. Says whether it is the first time.
async fn take(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    token: LogoutTokenId<'_>,
    now: Micros,
) -> Result<bool, StoreError> {
    const CLEAR: &str = "
DELETE FROM logout_tokens
WHERE tenant_id = $1
  AND expires_at <= $2";
    const TAKE: &str = "
INSERT INTO logout_tokens (tenant_id, connection, token_hash, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING";
    let hash: [u8; 32] = Sha256::digest(token.jti.as_bytes()).into();
    tx.query(CLEAR).bind(now.0).execute().await?;
    let query = tx.query(TAKE).bind(connection.as_str()).bind(hash.as_slice());
    Ok(query.bind(token.remember_until.0).execute().await? == 1)
}

/// Holds what a provider has ended.
async fn hold(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    ending: &Ending,
    request: &LogoutRequested<'_>,
    now: Micros,
) -> Result<(), StoreError> {
    const CLEAR: &str = "
DELETE FROM saml_logouts
WHERE tenant_id = $1
  AND expires_at <= $2";
    const HOLD: &str = "
INSERT INTO saml_logouts (tenant_id, connection, subject, provider_session, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, connection, subject, provider_session) DO UPDATE
SET issued_at = excluded.issued_at, expires_at = excluded.expires_at
WHERE saml_logouts.issued_at < excluded.issued_at";
    let (subject, session) = match ending {
        Ending::Subject(subject) => (subject, ""),
        Ending::ProviderSession { session, subject: Some(subject) } => (subject, session.as_str()),
        Ending::ProviderSession { subject: None, .. } => return Ok(()),
    };
    tx.query(CLEAR).bind(now.0).execute().await?;
    let query = tx.query(HOLD).bind(connection.as_str()).bind(subject.as_str()).bind(session);
    query.bind(request.issued_at.0).bind(request.remember_until.0).execute().await.map(drop)
}

/// Whether the provider has ended already what this session would come from.
async fn is_ended(
    tx: &mut TenantTx,
    federation: &Federation,
    said_at: Micros,
    now: Micros,
) -> Result<bool, StoreError> {
    const ENDED: &str = "
SELECT issued_at
FROM saml_logouts
WHERE tenant_id = $1
  AND connection = $2
  AND subject = $3
  -- The one of the answer. Where either says none, it may be the one that is meant.
  AND (provider_session = '' OR provider_session = COALESCE($4, provider_session))
  AND issued_at > $5
  AND expires_at > $6
LIMIT 1";
    let Identity { connection, subject, .. } = &federation.identity;
    let query = tx.query(ENDED).bind(connection.as_str()).bind(subject.as_str());
    let query = query.bind(federation.provider_session.as_ref().map(Subject::as_str));
    let found: Option<(i64,)> = query.bind(said_at.0).bind(now.0).fetch_optional().await?;
    Ok(found.is_some())
}

async fn end_in(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    issuer: &Issuer,
    ending: &Ending,
    now: Micros,
) -> Result<EndedSessions, StoreError> {
    match ending {
        Ending::Subject(subject) => Ended::Subject(connection, issuer, subject).note(tx, now).await?,
        Ending::ProviderSession { session, subject } => {
            Ended::Session(connection, issuer, session).note(tx, now).await?;
            if let Some(subject) = subject {
                Ended::SessionUnsaid(connection, issuer, subject).note(tx, now).await?;
            }
        }
    }
    let rows = delete(tx, connection, issuer, ending).await?;
    ended_of(tx.tenant(), rows)
}

pub(crate) fn ended_of(tenant: TenantId, rows: Vec<EndedRow>) -> Result<EndedSessions, StoreError> {
    let mut ended = EndedSessions { sessions: Vec::with_capacity(rows.len()), keys: Vec::with_capacity(rows.len()) };
    for row in rows {
        ended.sessions.push(EndedSession { principal: PrincipalId(row.account_id), session: SessionId(row.id) });
        ended.keys.push(Key::new(tenant, token_of((row.token_hash,))?));
    }
    Ok(ended)
}

/// Ends every session of an account, whichever way it came, in the middle of a unit of work.
pub(crate) async fn end_account(tx: &mut TenantTx, account: PrincipalId) -> Result<EndedSessions, StoreError> {
    const BY_ACCOUNT: &str = "
DELETE FROM sessions
WHERE tenant_id = $1
  AND account_id = $2
RETURNING id, account_id, token_hash";
    let rows = tx.query(BY_ACCOUNT).bind(account.0).fetch_all().await?;
    ended_of(tx.tenant(), rows)
}

/// Ends what came from one identity, in the middle of a unit of work.
pub(crate) async fn end_identity(
    tx: &mut TenantTx,
    identity: &Identity,
    now: Micros,
) -> Result<EndedSessions, StoreError> {
    end_in(tx, &identity.connection, &identity.issuer, &Ending::Subject(identity.subject.clone()), now).await
}

/// Leaves one event for each account whose sessions an operator ended.
pub(crate) async fn leave_word(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    ended: &[EndedSession],
    now: Micros,
) -> Result<(), OperatorError> {
    let mut of_account: BTreeMap<PrincipalId, Vec<SessionId>> = BTreeMap::new();
    for EndedSession { principal, session } in ended {
        of_account.entry(*principal).or_default().push(*session);
    }
    for (principal, ended) in of_account {
        operator_events::leave(tx, principal, Some(connection), AccountAct::SessionsEnded { ended }, now).await?;
    }
    Ok(())
}

/// Where a session came from, in the middle of a unit of work: whoever replaces it hands it on.
pub(crate) async fn find(tx: &mut TenantTx, session: SessionId) -> Result<Option<Federation>, StoreError> {
    const FIND: &str = "
SELECT connection, issuer, subject, provider_session, sealed_id_token, name_id
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
pub(crate) async fn insert(
    tx: &mut TenantTx,
    session: SessionId,
    vouched: Vouched<'_>,
    now: Micros,
) -> Result<(), CreateSessionError> {
    const INSERT: &str = "
INSERT INTO federated_sessions
    (tenant_id, session_id, connection, issuer, subject, provider_session, sealed_id_token, proved_anew_at, name_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Vouched { federation, authenticated_at: said_at, anew, .. } = vouched;
    // A provider's clock may be ahead of ours; nobody has proved anything in the future.
    let proved_anew_at = anew.then(|| said_at.min(now));
    // In the transaction that begins the session: whichever of the two comes second knows of the first.
    if federation.name_id.is_some() && is_ended(tx, federation, said_at, now).await? {
        return Err(CreateSessionError::EndedByProvider);
    }
    let sealed = federation.id_token.as_ref().map(|token| token.0.as_str());
    let sealed = sealed.filter(|token| (1..=SEALED_ID_TOKEN_BYTES_MAX).contains(&token.len()));
    let name_id = federation.name_id.as_deref().filter(|name| (1..=NAME_ID_BYTES_MAX).contains(&name.len()));
    tx.query(INSERT)
        .bind(session.0)
        .bind(federation.identity.connection.as_str())
        .bind(federation.identity.issuer.as_str())
        .bind(federation.identity.subject.as_str())
        .bind(federation.provider_session.as_ref().map(Subject::as_str))
        .bind(sealed)
        .bind(proved_anew_at.map(|at| at.0))
        .bind(name_id)
        .execute()
        .await?;
    Ok(())
}

#[derive(FromRow)]
pub(crate) struct EndedRow {
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
    sealed_id_token: Option<String>,
    name_id: Option<String>,
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
            id_token: self.sealed_id_token.map(SealedIdToken),
            name_id: self.name_id,
        })
    }
}
