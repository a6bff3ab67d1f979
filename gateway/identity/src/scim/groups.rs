//! Groups: made, changed, and gone; and what follows for whoever is in them.

use std::collections::BTreeSet;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{ConnectionName, Micros, PrincipalId, RolesOf, ScimGroupId};
use cedargate_scim::{
    Filter, IndexKey, ListRequest, MEMBERS_MAX, Membership, Rendered, Resource, ResourceKind, ScimError, user_name_key,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::desk::{ProvisionError, Provisioning, ScimDesk, check_version, id_of, taken};
use super::page::Found;
use super::roles::{RoleRules, derive, matters};
use super::users::{self, external_id_of, too_many};
use crate::Ready;
use crate::random::uuid_at;

/// The most groups of a connection.
const GROUPS_MAX: i64 = 5_000;

/// A group, as a connection's provider told.
#[derive(Clone, Debug)]
pub struct ScimGroup {
    /// Which.
    pub id: ScimGroupId,
    /// What the provider said; `members` only where it was asked for.
    pub resource: Resource,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub modified_at: Micros,
    /// Its ETag.
    pub version: String,
}

/// What was made of what a provider said of a group.
#[derive(Debug)]
pub struct GroupChange {
    /// The group from now on; as it was, where it is gone.
    pub group: ScimGroup,
    /// Whether anything of it is another.
    pub changed: bool,
    /// Who is in it now and was not.
    pub added: Vec<PrincipalId>,
    /// Who was in it and is not.
    pub removed: Vec<PrincipalId>,
    /// Whose roles are others now.
    pub roles: Vec<RolesOf>,
}

impl ScimGroup {
    /// The resource as it is answered, for a service whose root is at `base`.
    pub fn to_map(&self, base: &str) -> Resource {
        let id = self.id.to_string();
        let rendered = Rendered {
            kind: ResourceKind::Group,
            id: &id,
            resource: &self.resource,
            active: None,
            groups: &[],
            created_at: self.created_at,
            modified_at: self.modified_at,
            version: &self.version,
        };
        let mut map = rendered.to_map(base);
        for member in map.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
            let place = member.get("value").and_then(Value::as_str).map(|id| format!("{base}/Users/{id}"));
            if let (Some(place), Value::Object(member)) = (place, member) {
                member.insert("$ref".to_owned(), place.into());
            }
        }
        map
    }

    fn members_len(&self) -> usize {
        self.resource.get("members").and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The same as those see it who are in it.
    fn membership(&self) -> Membership {
        let display = self.resource.get("displayName").and_then(Value::as_str).unwrap_or_default().to_owned();
        Membership { group: self.id.to_string(), display, external_id: external_id_of(&self.resource) }
    }
}

impl Provisioning {
    /// Makes a group.
    ///
    /// # Errors
    /// [`ProvisionError`]; a member who is none of the connection is not there.
    pub async fn create_group(
        &self,
        desk: &ScimDesk,
        resource: Resource,
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Ready<GroupChange>, ProvisionError> {
        const COUNT: &str = "
SELECT COUNT(*)
FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2";
        const INSERT: &str = "
INSERT INTO scim_groups
    (tenant_id, id, connection, display_name, name_key, external_id, version, created_at, modified_at)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)";
        let id = ScimGroupId(uuid_at(now)?);
        let mut tx = self.begin(desk, now).await?;
        let (count,): (i64,) = tx.query(COUNT).bind(desk.connection.as_str()).fetch_one().await?;
        if count >= GROUPS_MAX {
            return Err(ScimError::plain(507, format!("the connection has {GROUPS_MAX} groups")).into());
        }
        let display = display_of(&resource);
        let query = tx.query(INSERT).bind(id.0).bind(desk.connection.as_str()).bind(display.clone());
        let query = query.bind(user_name_key(&display)).bind(external_id_of(&resource)).bind(now.0);
        query.execute().await.map_err(taken("`displayName` or `externalId`"))?;
        let added = members_of(&resource)?;
        add(&mut tx, desk, id, &added).await?;
        let group = find(&mut tx, &desk.connection, id, true).await?.ok_or(ScimError::not_found())?;
        let added: Vec<_> = added.into_iter().collect();
        let roles = follow(&mut tx, desk, (&added, &added), &[&group.membership()], rules).await?;
        Ok(Ready::new(tx, GroupChange { group, changed: true, added, removed: Vec::new(), roles }))
    }

    /// A group of the connection.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn group(&self, desk: &ScimDesk, id: &str, with_members: bool) -> Result<ScimGroup, ProvisionError> {
        let id = ScimGroupId(id_of(id)?);
        let mut tx = self.pool.tenant(desk.tenant).read().await?;
        let found = find(&mut tx, &desk.connection, id, with_members).await?;
        found.ok_or(ProvisionError::Refused(ScimError::not_found()))
    }

    /// Changes a group, and derives anew the roles of whoever is in it, or was.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn change_group(
        &self,
        desk: &ScimDesk,
        id: &str,
        if_match: Option<&str>,
        change: &(dyn Fn(Resource) -> Result<Resource, ScimError> + Send + Sync),
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Ready<GroupChange>, ProvisionError> {
        const STORE: &str = "
UPDATE scim_groups
SET display_name = $4, name_key = $5, external_id = $6, version = version + 1, modified_at = $7
WHERE tenant_id = $1
  AND connection = $2
  AND id = $3";
        let id = ScimGroupId(id_of(id)?);
        let mut tx = self.begin(desk, now).await?;
        let present = find(&mut tx, &desk.connection, id, true).await?.ok_or(ScimError::not_found())?;
        check_version(if_match, &present.version)?;
        let resource = change(present.resource.clone())?;
        let (before, after) = (members_of(&present.resource)?, members_of(&resource)?);
        let added: BTreeSet<_> = after.difference(&before).copied().collect();
        let removed: BTreeSet<_> = before.difference(&after).copied().collect();
        let display = display_of(&resource);
        let renamed =
            display != display_of(&present.resource) || external_id_of(&resource) != external_id_of(&present.resource);
        let changed = renamed || !added.is_empty() || !removed.is_empty();
        let mut roles = Vec::new();
        if renamed {
            touch_members(&mut tx, desk, id).await?;
        }
        if changed {
            let query = tx.query(STORE).bind(desk.connection.as_str()).bind(id.0).bind(display.clone());
            let query = query.bind(user_name_key(&display)).bind(external_id_of(&resource)).bind(now.0);
            query.execute().await.map_err(taken("`displayName` or `externalId`"))?;
            remove(&mut tx, id, &removed).await?;
            add(&mut tx, desk, id, &added).await?;
        }
        let group = find(&mut tx, &desk.connection, id, true).await?.ok_or(ScimError::not_found())?;
        if changed {
            let concerned: Vec<_> = match renamed {
                true => before.union(&after).copied().collect(),
                false => added.union(&removed).copied().collect(),
            };
            // Whoever was in it and is not has grown with its other name already, if it has one.
            let growing: Vec<_> = match renamed {
                true => added.iter().copied().collect(),
                false => concerned.clone(),
            };
            let groups = [&present.membership(), &group.membership()];
            roles = follow(&mut tx, desk, (&growing, &concerned), &groups, rules).await?;
        }
        let (added, removed) = (added.into_iter().collect(), removed.into_iter().collect());
        Ok(Ready::new(tx, GroupChange { group, changed, added, removed, roles }))
    }

    /// Takes a group away.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn delete_group(
        &self,
        desk: &ScimDesk,
        id: &str,
        if_match: Option<&str>,
        rules: RoleRules<'_>,
        now: Micros,
    ) -> Result<Ready<GroupChange>, ProvisionError> {
        const DELETE: &str = "
DELETE FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2
  AND id = $3";
        let id = ScimGroupId(id_of(id)?);
        let mut tx = self.begin(desk, now).await?;
        let group = find(&mut tx, &desk.connection, id, true).await?.ok_or(ScimError::not_found())?;
        check_version(if_match, &group.version)?;
        let members: Vec<_> = members_of(&group.resource)?.into_iter().collect();
        touch_members(&mut tx, desk, id).await?;
        // Its members go with it.
        tx.query(DELETE).bind(desk.connection.as_str()).bind(id.0).execute().await?;
        let roles = follow(&mut tx, desk, (&[], &members), &[&group.membership()], rules).await?;
        Ok(Ready::new(tx, GroupChange { group, changed: true, added: Vec::new(), removed: members, roles }))
    }

    /// The groups that are asked for, and how many there are of them.
    ///
    /// # Errors
    /// [`ProvisionError`]; `tooMany` where too many would have to be looked at.
    pub async fn groups(
        &self,
        desk: &ScimDesk,
        request: &ListRequest,
    ) -> Result<(usize, Vec<ScimGroup>), ProvisionError> {
        const ALL: &str = "
SELECT id
FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2
ORDER BY id
LIMIT 5000";
        let mut tx = self.pool.tenant(desk.tenant).read().await?;
        let filter = request.filter.as_ref();
        let ids: Vec<(Uuid,)> = match filter.and_then(Filter::index_key) {
            Some(key) => by_key(&mut tx, desk, key).await?,
            None => tx.query(ALL).bind(desk.connection.as_str()).fetch_all().await?,
        };
        let first = request.start_index.saturating_sub(1);
        let wants_members = request.selection.wants("members");
        let Some(filter) = filter else {
            let (mut page, mut members) = (Vec::new(), 0);
            for (id,) in ids.iter().skip(first).take(request.count) {
                page.extend(find(&mut tx, &desk.connection, ScimGroupId(*id), wants_members).await?);
                members += page.last().map_or(0, ScimGroup::members_len);
                // A page may be shorter than was asked for (RFC 7644 §3.4.2.4).
                if members > MEMBERS_SHOWN_MAX {
                    break;
                }
            }
            return Ok((ids.len(), page));
        };
        if ids.len() > LOOKED_AT_MAX {
            return Err(too_many(LOOKED_AT_MAX));
        }
        let (mut found, mut members) = (Found::of(request), 0);
        for (id,) in ids {
            let group = find(&mut tx, &desk.connection, ScimGroupId(id), true).await?;
            let Some(mut group) = group.filter(|group| filter.matches(&group.to_map(""))) else { continue };
            if !wants_members {
                group.resource.remove("members");
            }
            let kept = found.page.len();
            let len = group.members_len();
            found.add(group);
            members += if found.page.len() > kept { len } else { 0 };
            if members > MEMBERS_SHOWN_MAX {
                found.close();
            }
        }
        Ok((found.total, found.page))
    }
}

/// How many members the groups of one answer have, all together: with one that has more, the page is over.
const MEMBERS_SHOWN_MAX: usize = 10_000;

/// How many groups are looked at for a filter that no index answers: each with all its members.
const LOOKED_AT_MAX: usize = 500;

async fn by_key(tx: &mut TenantTx, desk: &ScimDesk, key: IndexKey<'_>) -> Result<Vec<(Uuid,)>, StoreError> {
    const BY_NAME: &str = "
SELECT id
FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2
  AND name_key = $3";
    const BY_EXTERNAL_ID: &str = "
SELECT id
FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2
  AND external_id = $3";
    const BY_MEMBER: &str = "
SELECT group_id
FROM scim_members
WHERE tenant_id = $1
  AND account_id = $2
LIMIT 5000";
    match key {
        IndexKey::Id(id) => Ok(Uuid::parse_str(id).ok().map(|id| (id,)).into_iter().collect()),
        IndexKey::Name(text) | IndexKey::ExternalId(text) if text.contains('\0') => Ok(Vec::new()),
        IndexKey::Name(name) => tx.query(BY_NAME).bind(desk.connection.as_str()).bind(name).fetch_all().await,
        IndexKey::ExternalId(id) => tx.query(BY_EXTERNAL_ID).bind(desk.connection.as_str()).bind(id).fetch_all().await,
        IndexKey::Member(id) => match Uuid::parse_str(id) {
            Ok(id) => tx.query(BY_MEMBER).bind(id).fetch_all().await,
            Err(_) => Ok(Vec::new()),
        },
    }
}

async fn find(
    tx: &mut TenantTx,
    connection: &ConnectionName,
    id: ScimGroupId,
    with_members: bool,
) -> Result<Option<ScimGroup>, ProvisionError> {
    const FIND: &str = "
SELECT id, display_name, external_id, version, created_at, modified_at
FROM scim_groups
WHERE tenant_id = $1
  AND connection = $2
  AND id = $3";
    const MEMBERS: &str = "
SELECT account_id
FROM scim_members
WHERE tenant_id = $1
  AND group_id = $2
ORDER BY account_id
LIMIT $3";
    let row: Option<GroupRow> = tx.query(FIND).bind(connection.as_str()).bind(id.0).fetch_optional().await?;
    let Some(row) = row else { return Ok(None) };
    let mut members: Vec<(Uuid,)> = Vec::new();
    if with_members {
        let max = i64::try_from(MEMBERS_MAX).unwrap_or(i64::MAX);
        members = tx.query(MEMBERS).bind(id.0).bind(max).fetch_all().await?;
    }
    Ok(Some(row.into_group(&members)))
}

/// The resources of all who are in a group grow, in one step: there may be thousands.
async fn touch_members(tx: &mut TenantTx, desk: &ScimDesk, group: ScimGroupId) -> Result<(), StoreError> {
    const TOUCH: &str = "
UPDATE scim_users
SET version = version + 1
WHERE tenant_id = $1
  AND connection = $2
  AND account_id IN (
    SELECT m.account_id
    FROM scim_members AS m
    WHERE m.tenant_id = $1
      AND m.group_id = $3
  )";
    tx.query(TOUCH).bind(desk.connection.as_str()).bind(group.0).execute().await.map(drop)
}

/// What follows for whoever is concerned: their resource says other groups, and their roles may be others.
async fn follow(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    (growing, concerned): (&[PrincipalId], &[PrincipalId]),
    groups: &[&Membership],
    rules: RoleRules<'_>,
) -> Result<Vec<RolesOf>, ProvisionError> {
    for account in growing {
        users::touch(tx, desk, *account).await?;
    }
    match groups.iter().any(|group| matters(rules, group)) {
        true => derive(tx, desk, concerned, rules).await,
        false => Ok(Vec::new()),
    }
}

async fn add(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    group: ScimGroupId,
    accounts: &BTreeSet<PrincipalId>,
) -> Result<(), ProvisionError> {
    // The connection in the text: whoever is of another is as nobody.
    const ADD: &str = "
INSERT INTO scim_members (tenant_id, group_id, account_id)
SELECT u.tenant_id, $4, u.account_id
FROM scim_users AS u
WHERE u.tenant_id = $1
  AND u.connection = $2
  AND u.account_id = $3
  AND u.deleted_at IS NULL";
    for account in accounts {
        let query = tx.query(ADD).bind(desk.connection.as_str()).bind(account.0).bind(group.0);
        if query.execute().await? == 0 {
            return Err(ScimError::plain(404, "a member is no user of this connection").into());
        }
    }
    Ok(())
}

async fn remove(tx: &mut TenantTx, group: ScimGroupId, accounts: &BTreeSet<PrincipalId>) -> Result<(), StoreError> {
    const REMOVE: &str = "
DELETE FROM scim_members
WHERE tenant_id = $1
  AND group_id = $2
  AND account_id = $3";
    for account in accounts {
        tx.query(REMOVE).bind(group.0).bind(account.0).execute().await?;
    }
    Ok(())
}

/// Who is said to be in a group, once each. What is no id of ours is nobody's.
fn members_of(resource: &Resource) -> Result<BTreeSet<PrincipalId>, ProvisionError> {
    let members = resource.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let nobody = || ProvisionError::Refused(ScimError::plain(404, "a member is no user of this connection"));
    let id = |member: &Value| {
        let text = member.get("value").and_then(Value::as_str)?;
        Uuid::parse_str(text).ok().map(PrincipalId)
    };
    members.iter().map(|member| id(member).ok_or_else(nobody)).collect()
}

fn display_of(resource: &Resource) -> String {
    resource.get("displayName").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[derive(FromRow)]
struct GroupRow {
    id: Uuid,
    display_name: String,
    external_id: Option<String>,
    version: i64,
    created_at: i64,
    modified_at: i64,
}

impl GroupRow {
    fn into_group(self, members: &[(Uuid,)]) -> ScimGroup {
        let mut resource = Resource::new();
        resource.insert("displayName".to_owned(), self.display_name.into());
        if let Some(id) = self.external_id {
            resource.insert("externalId".to_owned(), id.into());
        }
        if !members.is_empty() {
            let member = |(id,): &(Uuid,)| json!({ "value": id.hyphenated().to_string(), "type": "User" });
            resource.insert("members".to_owned(), members.iter().map(member).collect());
        }
        ScimGroup {
            id: ScimGroupId(self.id),
            resource,
            created_at: Micros(self.created_at),
            modified_at: Micros(self.modified_at),
            version: format!("W/\"{}\"", self.version),
        }
    }
}
