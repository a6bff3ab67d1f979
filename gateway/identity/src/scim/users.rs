//! Users: made, changed, and gone. A user is an account with what its provider says of it.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, RoleName};
use cedargate_scim::{Membership, Rendered, Resource, ResourceKind, ScimError, ScimType, user_name_key};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::desk::{ProvisionError, Provisioning, ScimDesk, check_version, id_of, taken};
use super::roles::{RoleRules, groups_of, roles_of};
use crate::accounts::{insert_account, is_of_provider};
use crate::identities::{self, ADDRESS_DOMAIN, shown};
use crate::random::uuid_at;
use crate::{Account, Accounts, Email, EndedSessions, Identity, MatchBy, Ready, Subject, federated};

/// The most users of a connection, those that are gone among them.
const USERS_MAX: i64 = 100_000;

/// Somebody, as a connection's provider told.
#[derive(Clone, Debug)]
pub struct ScimUser {
    /// The account.
    pub id: PrincipalId,
    /// What the provider said, without `active`.
    pub resource: Resource,
    /// Whether the account may sign in.
    pub active: bool,
    /// The groups.
    pub groups: Vec<Membership>,
    /// When it was made.
    pub created_at: Micros,
    /// When what the provider says was last changed.
    pub modified_at: Micros,
    /// Its ETag.
    pub version: String,
    /// Whether the provider says that it may: an operator may say otherwise.
    pub(super) told_active: bool,
}

/// What was made of what a provider said of somebody.
#[derive(Debug)]
pub struct UserChange {
    /// The user from now on.
    pub user: ScimUser,
    /// The names of the attributes that are others now.
    pub attributes: Vec<String>,
    /// Whether the provider says that the account may sign in, where that is another now.
    pub active: Option<bool>,
    /// The roles, where they are others now.
    pub roles: Option<Vec<RoleName>>,
    /// The account that the person had before the provider told of them, where its roles are gone with this.
    pub former: Option<PrincipalId>,
    /// The sessions that end.
    pub ended: Option<EndedSessions>,
}

impl ScimUser {
    /// The resource as it is answered, for a service whose root is at `base`.
    pub fn to_map(&self, base: &str) -> Resource {
        self.rendered(&self.id.to_string()).to_map(base)
    }

    fn rendered<'r>(&'r self, id: &'r str) -> Rendered<'r> {
        Rendered {
            kind: ResourceKind::User,
            id,
            resource: &self.resource,
            active: Some(self.active),
            groups: &self.groups,
            created_at: self.created_at,
            modified_at: self.modified_at,
            version: &self.version,
        }
    }
}

impl Provisioning {
    /// Makes a user, and the account.
    ///
    /// # Errors
    /// [`ProvisionError`]; names are one user's of the connection.
    pub async fn create_user(
        &self,
        desk: &ScimDesk,
        mut resource: Resource,
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Ready<UserChange>, ProvisionError> {
        const COUNT: &str = "
SELECT COUNT(*)
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2";
        const INSERT: &str = "
INSERT INTO scim_users
    (tenant_id, account_id, connection, user_name, external_id, document, version, created_at, modified_at)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)";
        let active = resource.remove("active") != Some(Value::Bool(false));
        let id = PrincipalId(uuid_at(now)?);
        let mut tx = self.begin(desk, now).await?;
        let (count,): (i64,) = tx.query(COUNT).bind(desk.connection.as_str()).fetch_one().await?;
        if count >= USERS_MAX {
            let detail = format!("the connection has {USERS_MAX} users, those that were deleted among them");
            return Err(ScimError::plain(507, detail).into());
        }
        insert_account(&mut tx, id, &address(desk, id)?, None, now).await?;
        let query = tx.query(INSERT).bind(id.0).bind(desk.connection.as_str()).bind(name_of(&resource));
        let query = query.bind(external_id_of(&resource)).bind(text_of(&resource));
        let stored = query.bind(now.0).execute().await;
        stored.map_err(taken("`userName` or `externalId`"))?;
        let mut before = Before::default();
        if !active {
            tell_active(&mut tx, id, Some(now)).await?;
            before = end_before(&mut tx, desk, id, &resource, now).await?;
        }
        let roles = roles_of(rules, &resource, &[])?;
        let account = found(&mut tx, id).await?;
        identities::update(&mut tx, account, display_of(&resource), roles.clone()).await?;
        let user = find(&mut tx, &desk.connection, id).await?.ok_or(ScimError::not_found())?;
        let attributes = resource.keys().cloned().collect();
        let Before { former, ended } = before;
        Ok(Ready::new(tx, UserChange { user, attributes, active: Some(active), roles: Some(roles), former, ended }))
    }

    /// A user of the connection.
    ///
    /// # Errors
    /// [`ProvisionError`]; whoever is not of the connection is not there.
    pub async fn user(&self, desk: &ScimDesk, id: &str) -> Result<ScimUser, ProvisionError> {
        let id = PrincipalId(id_of(id)?);
        let mut tx = self.pool.tenant(desk.tenant).read().await?;
        find(&mut tx, &desk.connection, id).await?.ok_or(ProvisionError::Refused(ScimError::not_found()))
    }

    /// Changes a user, and what follows for the account: roles anew, and all sessions ended where it may sign in no more. `change` is
    /// given what there is, `active` among it.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn change_user(
        &self,
        desk: &ScimDesk,
        id: &str,
        if_match: Option<&str>,
        change: &(dyn Fn(Resource) -> Result<Resource, ScimError> + Send + Sync),
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Ready<UserChange>, ProvisionError> {
        const STORE: &str = "
UPDATE scim_users
SET user_name = $4, external_id = $5, document = $6, version = version + 1, modified_at = $7
WHERE tenant_id = $1
  AND connection = $2
  AND account_id = $3
  AND deleted_at IS NULL";
        let id = PrincipalId(id_of(id)?);
        let mut tx = self.begin(desk, now).await?;
        let present = find(&mut tx, &desk.connection, id).await?.ok_or(ScimError::not_found())?;
        check_version(if_match, &present.version)?;
        let mut given = present.resource.clone();
        given.insert("active".to_owned(), present.told_active.into());
        let mut resource = change(given)?;
        let active = match resource.remove("active") {
            Some(Value::Bool(active)) => active,
            // What is not said stays as it is: nobody is let in again by an omission.
            _ => present.told_active,
        };
        let attributes = differing(&present.resource, &resource);
        if !attributes.is_empty() {
            let query = tx.query(STORE).bind(desk.connection.as_str()).bind(id.0).bind(name_of(&resource));
            let query = query.bind(external_id_of(&resource)).bind(text_of(&resource)).bind(now.0);
            query.execute().await.map_err(taken("`userName` or `externalId`"))?;
        }
        // Whatever an operator says: that is kept apart, and neither undoes the other.
        let told = (present.told_active != active).then_some(active);
        let mut before = Before::default();
        if let Some(active) = told {
            tell_active(&mut tx, id, (!active).then_some(now)).await?;
            touch(&mut tx, desk, id).await?;
        }
        if told == Some(false) {
            let ended = federated::end_account(&mut tx, id).await?;
            before = end_before(&mut tx, desk, id, &present.resource, now).await?.with(ended);
        }
        let account = found(&mut tx, id).await?;
        let had = account.roles.clone();
        let roles = roles_of(rules, &resource, &present.groups)?;
        identities::update(&mut tx, account, display_of(&resource), roles.clone()).await?;
        let user = find(&mut tx, &desk.connection, id).await?.ok_or(ScimError::not_found())?;
        let roles = (roles != had).then_some(roles);
        let Before { former, ended } = before;
        Ok(Ready::new(tx, UserChange { user, attributes, active: told, roles, former, ended }))
    }

    /// Takes a user away: the account may sign in no more, whoever vouches for it, and its sessions end. The names are free again for
    /// another user, which is another account.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn delete_user(
        &self,
        desk: &ScimDesk,
        id: &str,
        if_match: Option<&str>,
        now: Micros,
    ) -> Result<Ready<UserChange>, ProvisionError> {
        const DELETE: &str = "
UPDATE scim_users
SET document = '{}', version = version + 1, modified_at = $4, deleted_at = $4
WHERE tenant_id = $1
  AND connection = $2
  AND account_id = $3";
        const LEAVE: &str = "
DELETE FROM scim_members
WHERE tenant_id = $1
  AND account_id = $2";
        let id = PrincipalId(id_of(id)?);
        let mut tx = self.begin(desk, now).await?;
        let mut user = find(&mut tx, &desk.connection, id).await?.ok_or(ScimError::not_found())?;
        check_version(if_match, &user.version)?;
        tx.query(DELETE).bind(desk.connection.as_str()).bind(id.0).bind(now.0).execute().await?;
        tx.query(LEAVE).bind(id.0).execute().await?;
        tell_active(&mut tx, id, Some(now)).await?;
        let account = found(&mut tx, id).await?;
        let roles = (!account.roles.is_empty()).then(Vec::new);
        identities::update(&mut tx, account, None, Vec::new()).await?;
        let ended = federated::end_account(&mut tx, id).await?;
        let Before { former, ended } = end_before(&mut tx, desk, id, &user.resource, now).await?.with(ended);
        user.active = false;
        Ok(Ready::new(tx, UserChange { user, attributes: Vec::new(), active: Some(false), roles, former, ended }))
    }
}

/// A user of the connection that is not gone.
pub(super) async fn find(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    id: PrincipalId,
) -> Result<Option<ScimUser>, ProvisionError> {
    const FIND: &str = "
SELECT
    u.account_id AS account_id,
    u.document AS document,
    u.version AS version,
    u.created_at AS created_at,
    u.modified_at AS modified_at,
    a.deactivated_at AS deactivated_at,
    a.disabled_at AS disabled_at,
    a.version AS account_version
FROM scim_users AS u
JOIN accounts AS a ON a.tenant_id = u.tenant_id AND a.id = u.account_id
WHERE u.tenant_id = $1
  AND u.connection = $2
  AND u.account_id = $3
  AND u.deleted_at IS NULL";
    let row: Option<UserRow> = tx.query(FIND).bind(connection.as_str()).bind(id.0).fetch_optional().await?;
    let Some(row) = row else { return Ok(None) };
    let groups = groups_of(tx, id).await?;
    Ok(Some(row.into_user(groups)?))
}

/// A resource grown by another version: something that stands elsewhere changed, such as its groups.
pub(super) async fn touch(tx: &mut TenantTx, desk: &ScimDesk, id: PrincipalId) -> Result<(), StoreError> {
    const TOUCH: &str = "
UPDATE scim_users
SET version = version + 1
WHERE tenant_id = $1
  AND connection = $2
  AND account_id = $3";
    tx.query(TOUCH).bind(desk.connection.as_str()).bind(id.0).execute().await.map(drop)
}

async fn found(tx: &mut TenantTx, id: PrincipalId) -> Result<Account, ProvisionError> {
    let account = Accounts::find_in(tx, id).await?;
    account.ok_or_else(|| ProvisionError::Store(impossible("account_id", id.0)))
}

/// Notes since when the provider says that somebody may not sign in; none where it says that they may.
async fn tell_active(tx: &mut TenantTx, id: PrincipalId, not_since: Option<Micros>) -> Result<(), StoreError> {
    const TELL: &str = "
UPDATE accounts
SET deactivated_at = $3, version = version + 1
WHERE tenant_id = $1
  AND id = $2";
    tx.query(TELL).bind(id.0).bind(not_since.map(|at| at.0)).execute().await.map(drop)
}

/// What a person had before their provider told of them, and what of that ended.
#[derive(Default)]
struct Before {
    /// Their account of then, where its roles are gone.
    former: Option<PrincipalId>,
    ended: Option<EndedSessions>,
}

impl Before {
    fn with(mut self, mut ended: EndedSessions) -> Self {
        if let Some(before) = self.ended.take() {
            ended.extend(before);
        }
        Self { ended: Some(ended), ..self }
    }
}

/// Ends what somebody has who had signed in before the provider told of them, and has not since: their identity is another account's until
/// then. Where an operator said whose it is, that account stays as it is, and only what came from the provider ends.
///
/// | a person | the provider |
/// |---|---|
/// | signs in, and has an account | |
/// | | tells of them: another account |
/// | | says that they may not sign in |
/// | goes on as the first account, for as long as that session lasts | |
async fn end_before(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    id: PrincipalId,
    resource: &Resource,
    now: Micros,
) -> Result<Before, StoreError> {
    let subject = match desk.subject_is {
        None => return Ok(Before::default()),
        Some(MatchBy::ExternalId) => external_id_of(resource),
        Some(MatchBy::UserName) => resource.get("userName").and_then(Value::as_str).map(ToOwned::to_owned),
    };
    // What is no subject is nobody's.
    let Some(subject) = subject.and_then(|subject| Subject::parse(&subject).ok()) else { return Ok(Before::default()) };
    let identity = Identity { connection: desk.connection.clone(), issuer: desk.issuer.clone(), subject };
    let Some(owner) = identities::find_in(tx, &identity).await?.filter(|owner| owner.id != id) else {
        return Ok(Before::default());
    };
    if !is_of_provider(&owner.email) || identities::is_linked_by_operator(tx, &identity).await? {
        let ended = federated::end_identity(tx, &identity, now).await?;
        return Ok(Before { former: None, ended: Some(ended) });
    }
    let departed = identities::depart_in(tx, owner, &identity, now).await?;
    let former = departed.roles_taken.then_some(departed.account);
    Ok(Before { former, ended: Some(departed.ended) })
}

/// The account's address: no mailbox, and never another's.
fn address(desk: &ScimDesk, id: PrincipalId) -> Result<Email, ProvisionError> {
    let text = format!("{}-{}@{ADDRESS_DOMAIN}", desk.connection, id.0.simple());
    Email::parse(&text).map_err(|_| ProvisionError::Store(impossible("connection", id.0)))
}

fn name_of(resource: &Resource) -> String {
    user_name_key(resource.get("userName").and_then(Value::as_str).unwrap_or_default())
}

pub(super) fn external_id_of(resource: &Resource) -> Option<String> {
    resource.get("externalId").and_then(Value::as_str).map(ToOwned::to_owned)
}

fn text_of(resource: &Resource) -> String {
    Value::Object(resource.clone()).to_string()
}

/// What somebody is shown as. It names nobody.
fn display_of(resource: &Resource) -> Option<String> {
    let formatted = resource.get("name").and_then(|name| name.get("formatted"));
    let said = [resource.get("displayName"), formatted, resource.get("userName")];
    said.into_iter().flatten().filter_map(Value::as_str).find_map(shown)
}

/// The names of what is not the same.
fn differing(one: &Resource, other: &Resource) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

pub(super) fn impossible(column: &'static str, id: Uuid) -> StoreError {
    StoreError::Impossible { table: "scim_users", column, id: id.to_string() }
}

#[derive(FromRow)]
pub(super) struct UserRow {
    pub(super) account_id: Uuid,
    document: String,
    version: i64,
    created_at: i64,
    modified_at: i64,
    deactivated_at: Option<i64>,
    disabled_at: Option<i64>,
    account_version: i64,
}

impl UserRow {
    pub(super) fn into_user(self, groups: Vec<Membership>) -> Result<ScimUser, StoreError> {
        let resource = serde_json::from_str(&self.document).map_err(|_| impossible("document", self.account_id))?;
        Ok(ScimUser {
            id: PrincipalId(self.account_id),
            resource,
            active: self.disabled_at.is_none() && self.deactivated_at.is_none(),
            groups,
            created_at: Micros(self.created_at),
            modified_at: Micros(self.modified_at),
            version: format!("W/\"{}.{}\"", self.version, self.account_version),
            told_active: self.deactivated_at.is_none(),
        })
    }
}

/// A filter would have to look at more than is looked at.
pub(super) fn too_many(max: usize) -> ProvisionError {
    let detail =
        format!("without an equality of an id or a name, more than {max} resources would have to be looked at");
    ProvisionError::Refused(ScimError::bad(ScimType::TooMany, detail))
}
