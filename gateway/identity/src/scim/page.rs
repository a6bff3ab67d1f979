//! Lists of users and groups: by what is indexed where the filter allows it, or by looking at each, up to a bound.

use std::collections::HashMap;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::PrincipalId;
use cedargate_scim::{Filter, IndexKey, ListRequest, Membership, ScimError, ScimType};
use uuid::Uuid;

use super::desk::{ProvisionError, Provisioning, ScimDesk};
use super::roles::membership;
use super::users::{self, ScimUser, UserRow, too_many};

/// How many are read at a time.
const BATCH: i64 = 100;

/// How many memberships of one batch are read, all users' together.
const MEMBERSHIPS_MAX: i64 = 100_000;

/// How many are looked at for a filter that no index answers.
const LOOKED_AT_MAX: usize = 10_000;

impl Provisioning {
    /// The users that are asked for, and how many there are of them.
    ///
    /// # Errors
    /// [`ProvisionError`]; `tooMany` where too many would have to be looked at.
    pub async fn users(
        &self,
        desk: &ScimDesk,
        request: &ListRequest,
    ) -> Result<(usize, Vec<ScimUser>), ProvisionError> {
        let mut tx = self.pool.tenant(desk.tenant).read().await?;
        let Some(filter) = &request.filter else { return page(&mut tx, desk, request).await };
        let mut found = Found::of(request);
        match filter.index_key() {
            Some(key) => {
                let user = by_key(&mut tx, desk, key).await?;
                user.into_iter().filter(|user| is_it(filter, user)).for_each(|user| found.add(user));
            }
            None => by_looking(&mut tx, desk, filter, &mut found).await?,
        }
        Ok((found.total, found.page))
    }
}

/// The page that is asked for, and how many there are: of all others none is kept.
pub(super) struct Found<T> {
    first: usize,
    count: usize,
    pub(super) total: usize,
    pub(super) page: Vec<T>,
}

impl<T> Found<T> {
    pub(super) fn of(request: &ListRequest) -> Self {
        Self { first: request.start_index.saturating_sub(1), count: request.count, total: 0, page: Vec::new() }
    }

    /// Keeps no more, and only counts.
    pub(super) fn close(&mut self) {
        self.count = self.page.len();
    }

    /// Counts one more, and keeps it where it is of the page.
    pub(super) fn add(&mut self, one: T) {
        if self.total >= self.first && self.page.len() < self.count {
            self.page.push(one);
        }
        self.total += 1;
    }
}

fn is_it(filter: &Filter, user: &ScimUser) -> bool {
    filter.matches(&user.to_map(""))
}

async fn page(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    request: &ListRequest,
) -> Result<(usize, Vec<ScimUser>), ProvisionError> {
    const COUNT: &str = "
SELECT COUNT(*)
FROM scim_users
WHERE tenant_id = $1
  AND connection = $2
  AND deleted_at IS NULL";
    const PAGE: &str = "
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
  AND u.deleted_at IS NULL
ORDER BY u.account_id
LIMIT $3 OFFSET $4";
    let (total,): (i64,) = tx.query(COUNT).bind(desk.connection.as_str()).fetch_one().await?;
    let total = usize::try_from(total).unwrap_or(0);
    let limit = i64::try_from(request.count).unwrap_or(0);
    let offset = i64::try_from(request.start_index.saturating_sub(1)).unwrap_or(i64::MAX);
    let query = tx.query(PAGE).bind(desk.connection.as_str()).bind(limit).bind(offset);
    let rows = query.fetch_all().await?;
    Ok((total, with_groups(tx, desk, rows).await?))
}

/// At most one user, whatever else the filter asks.
async fn by_key(tx: &mut TenantTx, desk: &ScimDesk, key: IndexKey<'_>) -> Result<Option<ScimUser>, ProvisionError> {
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
    let found: Option<(Uuid,)> = match key {
        IndexKey::Id(id) => Uuid::parse_str(id).ok().map(|id| (id,)),
        // A NUL is in no name, and no text that PostgreSQL would compare with.
        IndexKey::Name(text) | IndexKey::ExternalId(text) if text.contains('\0') => None,
        IndexKey::Name(name) => tx.query(BY_NAME).bind(desk.connection.as_str()).bind(name).fetch_optional().await?,
        IndexKey::ExternalId(id) => {
            tx.query(BY_EXTERNAL_ID).bind(desk.connection.as_str()).bind(id).fetch_optional().await?
        }
        IndexKey::Member(_) => None,
    };
    match found {
        Some((id,)) => users::find(tx, &desk.connection, PrincipalId(id)).await,
        None => Ok(None),
    }
}

async fn by_looking(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    filter: &Filter,
    found: &mut Found<ScimUser>,
) -> Result<(), ProvisionError> {
    const BEHIND: &str = "
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
  AND u.account_id > $3
  AND u.deleted_at IS NULL
ORDER BY u.account_id
LIMIT $4";
    let (mut looked_at, mut last) = (0, Uuid::nil());
    loop {
        let query = tx.query(BEHIND).bind(desk.connection.as_str()).bind(last).bind(BATCH);
        let rows: Vec<UserRow> = query.fetch_all().await?;
        let Some(behind) = rows.last().map(|row| row.account_id) else { return Ok(()) };
        last = behind;
        looked_at += rows.len();
        if looked_at > LOOKED_AT_MAX {
            return Err(too_many(LOOKED_AT_MAX));
        }
        let users = with_groups(tx, desk, rows).await?;
        users.into_iter().filter(|user| is_it(filter, user)).for_each(|user| found.add(user));
    }
}

/// Users with their groups, for rows in the order of their ids.
async fn with_groups(tx: &mut TenantTx, desk: &ScimDesk, rows: Vec<UserRow>) -> Result<Vec<ScimUser>, ProvisionError> {
    const GROUPS: &str = "
SELECT
    m.account_id AS account_id,
    g.id AS id,
    g.display_name AS display_name,
    g.external_id AS external_id
FROM scim_members AS m
JOIN scim_groups AS g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
WHERE m.tenant_id = $1
  AND m.account_id >= $3
  AND m.account_id <= $4
  AND g.connection = $2
LIMIT $5";
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let query = tx.query(GROUPS).bind(desk.connection.as_str()).bind(first.account_id).bind(last.account_id);
    let found: Vec<(Uuid, Uuid, String, Option<String>)> = query.bind(MEMBERSHIPS_MAX + 1).fetch_all().await?;
    if found.len() > usize::try_from(MEMBERSHIPS_MAX).unwrap_or(usize::MAX) {
        let detail = format!("the users of this page are in more than {MEMBERSHIPS_MAX} groups; ask for fewer");
        return Err(ScimError::bad(ScimType::TooMany, detail).into());
    }
    let mut groups: HashMap<Uuid, Vec<Membership>> = HashMap::new();
    for (account, id, display, external_id) in found {
        groups.entry(account).or_default().push(membership((id, display, external_id)));
    }
    let read = rows.into_iter().map(|row| {
        let mut groups = groups.remove(&row.account_id).unwrap_or_default();
        groups.sort();
        row.into_user(groups)
    });
    Ok(read.collect::<Result<_, StoreError>>()?)
}
