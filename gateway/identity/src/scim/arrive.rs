//! Somebody signs in of whom their provider told before.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, RoleName, TenantId};
use cedargate_scim::user_name_key;
use uuid::Uuid;

use super::desk::{ProvisionError, Provisioning, issuer_of};
use super::roles::{RoleRules, roles_of};
use super::users;
use crate::accounts::is_of_provider;
use crate::identities::LinkedBy;
use crate::{Account, AccountState, Accounts, ArriveError, EndedSessions, Identity, Ready, federated, identities};

/// By which attribute of a provisioned user a claim of a sign-in finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchBy {
    /// `externalId`, compared exactly.
    ExternalId,
    /// `userName`, in any case.
    UserName,
}

/// Whom a sign-in means, by the connection's rule.
#[derive(Clone, Copy, Debug)]
pub struct MatchedPerson<'p> {
    /// By which attribute.
    pub by: MatchBy,
    /// What the claim says that the rule names; none where it says nothing.
    pub value: Option<&'p str>,
    /// The format in which a SAML provider names the person: the one in which it did so first.
    pub name_id_format: Option<&'p str>,
}

/// A provisioned person who arrives.
#[derive(Debug)]
pub struct ProvisionedArrival {
    /// The account, with the roles that it has from now on.
    pub account: Account,
    /// The roles, where they are others now.
    pub roles: Option<Vec<RoleName>>,
    /// Whether the identity is this account's only from now on.
    pub linked: bool,
    /// The sessions of the account that it was before, which end.
    pub ended: Option<EndedSessions>,
}

impl Provisioning {
    /// Finds the account of somebody whom a provider vouches for, among those of whom it told. None where it told nothing of them:
    /// then the connection's admission decides.
    ///
    /// Whose the identity is already, it stays, unless that was deleted, or was made at a sign-in before the provider told. An identity
    /// becomes an account's by the rule once: a second subject, of this issuer or of another that the connection led to before, is refused,
    /// for it may be somebody who got a name that another had.
    ///
    /// # Errors
    /// [`ArriveError`]: `AccountDisabled` where the provider deactivated or deleted the user, whatever the admission is, and whoever's the
    /// identity is; `ClaimMissing` where nobody can tell.
    ///
    /// # Security
    /// The caller has verified the provider's word.
    pub async fn arrive(
        &self,
        tenant: TenantId,
        identity: &Identity,
        person: MatchedPerson<'_>,
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Option<Ready<ProvisionedArrival>>, ArriveError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let connection = &identity.connection;
        let owner = identities::find_in(&mut tx, identity).await?;
        let told = match &owner {
            Some(owner) => told_of(&mut tx, owner.id).await?,
            None => None,
        };
        let (id, is_owner) = match (&owner, &told) {
            (Some(owner), Some(Told { connection: by, deleted: false })) if by == connection.as_str() => {
                (owner.id, true)
            }
            (owner, told) => {
                // An operator linked the identity to an account, or it is of another connection's: that stands, for as long as the provider
                // does not say that the person is gone.
                let stands = match (owner, told) {
                    (Some(_), Some(told)) => told.connection != connection.as_str(),
                    (Some(owner), None) => {
                        !is_of_provider(&owner.email) || identities::is_linked_by_operator(&mut tx, identity).await?
                    }
                    (None, _) => false,
                };
                let value = person.value.filter(|value| !value.is_empty() && !value.contains('\0'));
                let value = match (value, stands) {
                    (Some(value), _) => value,
                    (None, true) => return Ok(None),
                    // Perhaps somebody of whom the provider told, and told that they are gone.
                    (None, false) => return Err(ArriveError::ClaimMissing),
                };
                if issuer_of(&mut tx, connection).await?.is_none_or(|issuer| issuer != identity.issuer) {
                    // Who is meant by a name of another provider's, this one does not know.
                    return Ok(None);
                }
                match matched(&mut tx, connection, person.by, value, false).await? {
                    Some(id) if stands => {
                        let account = Accounts::find_in(&mut tx, id).await?.ok_or(ArriveError::NotAdmitted)?;
                        return match account.state {
                            AccountState::Active => Ok(None),
                            AccountState::Disabled { .. } | AccountState::Deactivated { .. } => {
                                Err(ArriveError::AccountDisabled(id))
                            }
                        };
                    }
                    Some(id) => (id, false),
                    None => {
                        let gone = match (owner, told) {
                            (Some(owner), Some(_)) if !stands => Some(owner.id),
                            _ => matched(&mut tx, connection, person.by, value, true).await?,
                        };
                        return gone.map_or(Ok(None), |gone| Err(ArriveError::AccountDisabled(gone)));
                    }
                }
            }
        };
        let account = Accounts::find_in(&mut tx, id).await?.ok_or(ArriveError::NotAdmitted)?;
        if account.state != AccountState::Active {
            return Err(ArriveError::AccountDisabled(id));
        }
        let mut ended = None;
        if !is_owner {
            if has_other_identity(&mut tx, id, identity).await? {
                return Err(ArriveError::NotAdmitted);
            }
            match owner {
                Some(former) => {
                    // Nothing is noted of it, as where a provider ends sessions: this very sign-in goes on.
                    ended = Some(federated::end_account(&mut tx, former.id).await?);
                    relink(&mut tx, identity, id).await?;
                }
                None => identities::insert(&mut tx, identity, id, LinkedBy::Arrival, now).await?,
            }
        }
        if let Some(format) = person.name_id_format
            && !identities::pin_format(&mut tx, identity, format).await?
        {
            return Err(ArriveError::FormatDiffers(id));
        }
        let user = users::find(&mut tx, connection, id).await.map_err(unread)?.ok_or(ArriveError::NotAdmitted)?;
        let roles = roles_of(rules, &user.resource, &user.groups).map_err(unread)?;
        let changed = (roles != account.roles).then(|| roles.clone());
        let account = identities::update(&mut tx, account, None, roles).await?;
        Ok(Some(Ready::new(tx, ProvisionedArrival { account, roles: changed, linked: !is_owner, ended })))
    }
}

/// What a provider told of an account.
struct Told {
    connection: String,
    deleted: bool,
}

async fn told_of(tx: &mut TenantTx, account: PrincipalId) -> Result<Option<Told>, StoreError> {
    const TOLD: &str = "
SELECT connection, deleted_at
FROM scim_users
WHERE tenant_id = $1
  AND account_id = $2";
    let found: Option<(String, Option<i64>)> = tx.query(TOLD).bind(account.0).fetch_optional().await?;
    Ok(found.map(|(connection, deleted_at)| Told { connection, deleted: deleted_at.is_some() }))
}

/// The user whom the rule finds; of those that are gone, the last.
async fn matched(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    by: MatchBy,
    value: &str,
    gone: bool,
) -> Result<Option<PrincipalId>, StoreError> {
    const BY_NAME: &str = "
SELECT account_id
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2
  AND user_name = $3
  AND deleted_at IS NULL";
    const BY_EXTERNAL_ID: &str = "
SELECT account_id
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2
  AND external_id = $3
  AND deleted_at IS NULL";
    const GONE_BY_NAME: &str = "
SELECT account_id
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2
  AND user_name = $3
  AND deleted_at IS NOT NULL
LIMIT 1";
    const GONE_BY_EXTERNAL_ID: &str = "
SELECT account_id
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2
  AND external_id = $3
  AND deleted_at IS NOT NULL
LIMIT 1";
    let (text, value) = match (by, gone) {
        (MatchBy::UserName, false) => (BY_NAME, user_name_key(value)),
        (MatchBy::UserName, true) => (GONE_BY_NAME, user_name_key(value)),
        (MatchBy::ExternalId, false) => (BY_EXTERNAL_ID, value.to_owned()),
        (MatchBy::ExternalId, true) => (GONE_BY_EXTERNAL_ID, value.to_owned()),
    };
    let found: Option<(Uuid,)> = tx.query(text).bind(connection.as_str()).bind(value).fetch_optional().await?;
    Ok(found.map(|(id,)| PrincipalId(id)))
}

async fn has_other_identity(tx: &mut TenantTx, account: PrincipalId, identity: &Identity) -> Result<bool, StoreError> {
    const OTHERS: &str = "
SELECT account_id
FROM identities
WHERE tenant_id = $1
  AND account_id = $2
  AND connection = $3
LIMIT 1";
    // At whichever issuer: where the connection led elsewhere before, the account is whose it was there.
    let query = tx.query(OTHERS).bind(account.0).bind(identity.connection.as_str());
    Ok(query.fetch_optional::<(Uuid,)>().await?.is_some())
}

async fn relink(tx: &mut TenantTx, identity: &Identity, account: PrincipalId) -> Result<(), StoreError> {
    const RELINK: &str = "
UPDATE identities
SET account_id = $5
WHERE tenant_id = $1
  AND connection = $2
  AND issuer = $3
  AND subject = $4";
    let query = tx.query(RELINK).bind(identity.connection.as_str()).bind(identity.issuer.as_str());
    query.bind(identity.subject.as_str()).bind(account.0).execute().await.map(drop)
}

fn unread(error: ProvisionError) -> ArriveError {
    match error {
        ProvisionError::Refused(_) | ProvisionError::TokenOver => ArriveError::NotAdmitted,
        ProvisionError::Roles(error) => ArriveError::Roles(error),
        ProvisionError::Entropy(error) => ArriveError::Entropy(error),
        ProvisionError::Store(error) => ArriveError::Store(error),
    }
}
