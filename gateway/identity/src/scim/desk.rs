//! Who tells about people, and what it may not.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, ScimTokenId, SessionId, TenantId};
use cedargate_scim::{ScimError, ScimType};
use uuid::Uuid;

use crate::random::EntropyError;
use crate::{Issuer, MatchBy, RolesError};

/// What providers told of their people, in a store.
#[derive(Clone, Debug)]
pub struct Provisioning {
    pub(super) pool: Pool,
}

/// A connection's token at work, in one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimDesk {
    /// The tenant.
    pub tenant: TenantId,
    /// The connection, whose people are all that there is.
    pub connection: ConnectionName,
    /// The token.
    pub token: ScimTokenId,
    /// The provider whose word the connection's people are. What stands behind the connection's name may be another one by now: then the
    /// token opens nothing.
    pub issuer: Issuer,
    /// Which attribute of a user is the subject of their sign-ins, where one is: whoever had signed in before is found by it.
    pub subject_is: Option<MatchBy>,
}

/// Why what a provider said was not done.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// It is wrong, or of somebody whom the token does not reach.
    #[error(transparent)]
    Refused(#[from] ScimError),
    /// The token counts no more.
    #[error("the token is over")]
    TokenOver,
    /// A rule gives a role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("it could not be read or stored")]
    Store(#[from] StoreError),
}

impl Provisioning {
    /// What providers told, in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The desk of whoever acts in this session, where it is a token for SCIM that counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn desk(
        &self,
        tenant: TenantId,
        session: SessionId,
        now: Micros,
    ) -> Result<Option<ScimDesk>, StoreError> {
        let token = ScimTokenId(session.0);
        let mut tx = self.pool.tenant(tenant).read().await?;
        let found = connection_of(&mut tx, token, now).await?;
        Ok(found.map(|(connection, issuer)| ScimDesk { tenant, connection, token, issuer, subject_is: None }))
    }

    /// A unit of work at a desk, if its token still counts when it begins.
    pub(super) async fn begin(&self, desk: &ScimDesk, now: Micros) -> Result<TenantTx, ProvisionError> {
        let mut tx = self.pool.tenant(desk.tenant).begin().await?;
        match connection_of(&mut tx, desk.token, now).await? {
            Some((connection, issuer)) if connection == desk.connection && issuer == desk.issuer => Ok(tx),
            _ => Err(ProvisionError::TokenOver),
        }
    }
}

async fn connection_of(
    tx: &mut TenantTx,
    token: ScimTokenId,
    now: Micros,
) -> Result<Option<(ConnectionName, Issuer)>, StoreError> {
    const FIND: &str = "
SELECT t.connection AS connection, i.issuer AS issuer
FROM scim_tokens AS t
JOIN scim_issuers AS i ON i.tenant_id = t.tenant_id AND i.connection = t.connection
WHERE t.tenant_id = $1
  AND t.id = $2
  AND t.revoked_at IS NULL
  AND t.expires_at > $3";
    let impossible = |column| StoreError::Impossible { table: "scim_tokens", column, id: token.to_string() };
    let found: Option<(String, String)> = tx.query(FIND).bind(token.0).bind(now.0).fetch_optional().await?;
    let Some((name, issuer)) = found else { return Ok(None) };
    let name = ConnectionName::parse(&name).map_err(|_| impossible("connection"))?;
    Ok(Some((name, Issuer::parse(&issuer).map_err(|_| impossible("issuer"))?)))
}

/// The provider whose word a connection's people are; none where nobody was told of yet.
pub(super) async fn issuer_of(tx: &mut TenantTx, connection: &ConnectionName) -> Result<Option<Issuer>, StoreError> {
    const FIND: &str = "
SELECT issuer
FROM scim_issuers
WHERE tenant_id = $1
  AND connection = $2";
    let found: Option<(String,)> = tx.query(FIND).bind(connection.as_str()).fetch_optional().await?;
    let impossible =
        |_| StoreError::Impossible { table: "scim_issuers", column: "issuer", id: connection.as_str().to_owned() };
    found.map(|(issuer,)| Issuer::parse(&issuer).map_err(impossible)).transpose()
}

/// What a client means by an id; one that is none of ours is nobody's.
pub(super) fn id_of(text: &str) -> Result<Uuid, ProvisionError> {
    // One spelling: another one would be another resource's address.
    let id = Uuid::parse_str(text).ok().filter(|id| id.hyphenated().to_string() == text);
    id.ok_or(ProvisionError::Refused(ScimError::not_found()))
}

/// The resource must be as the client last saw it, where it says how (RFC 9110 §13.1.1).
pub(super) fn check_version(if_match: Option<&str>, version: &str) -> Result<(), ProvisionError> {
    let holds = |said: &str| said.split(',').map(str::trim).any(|said| said == "*" || said == version);
    match if_match {
        Some(said) if !holds(said) => {
            let refused = ScimError::plain(412, "the resource has changed; read it again");
            Err(ProvisionError::Refused(refused))
        }
        Some(_) | None => Ok(()),
    }
}

/// Something is another resource's of the connection already.
pub(super) fn taken(what: &str) -> impl Fn(StoreError) -> ProvisionError {
    move |error| match error {
        StoreError::Conflict(_) => {
            let detail = format!("{what} is another one's of this connection already");
            ProvisionError::Refused(ScimError::bad(ScimType::Uniqueness, detail))
        }
        error => ProvisionError::Store(error),
    }
}
