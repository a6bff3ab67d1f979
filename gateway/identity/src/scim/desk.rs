//! Who tells about people, and what it may not.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, ScimTokenId, SessionId, TenantId};
use cedargate_scim::{ScimError, ScimType};
use uuid::Uuid;

use crate::RolesError;
use crate::random::EntropyError;

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
        Ok(found.map(|connection| ScimDesk { tenant, connection, token }))
    }

    /// A unit of work at a desk, if its token still counts when it begins.
    pub(super) async fn begin(&self, desk: &ScimDesk, now: Micros) -> Result<TenantTx, ProvisionError> {
        let mut tx = self.pool.tenant(desk.tenant).begin().await?;
        match connection_of(&mut tx, desk.token, now).await? {
            Some(connection) if connection == desk.connection => Ok(tx),
            _ => Err(ProvisionError::TokenOver),
        }
    }
}

async fn connection_of(
    tx: &mut TenantTx,
    token: ScimTokenId,
    now: Micros,
) -> Result<Option<ConnectionName>, StoreError> {
    const FIND: &str = "
SELECT connection
FROM scim_tokens
WHERE tenant_id = $1
  AND id = $2
  AND revoked_at IS NULL
  AND expires_at > $3";
    let impossible = |_| StoreError::Impossible { table: "scim_tokens", column: "connection", id: token.to_string() };
    let found: Option<(String,)> = tx.query(FIND).bind(token.0).bind(now.0).fetch_optional().await?;
    found.map(|(name,)| ConnectionName::parse(&name).map_err(impossible)).transpose()
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
