//! Which roles follow from what a provider told.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{PrincipalId, RoleName, RolesOf};
use cedargate_scim::{Membership, Resource};
use uuid::Uuid;

use super::desk::ProvisionError;
use crate::accounts::{grantable, replace_roles};
use crate::scim::users;
use crate::{Accounts, ScimDesk};

/// The connection's rules: which roles somebody has of whom this was told, in these groups.
pub type RoleRules<'r> = &'r (dyn Fn(&Resource, &[Membership]) -> Vec<RoleName> + Send + Sync);

/// The roles of somebody with these groups.
pub(super) fn roles_of(
    rules: RoleRules<'_>,
    user: &Resource,
    groups: &[Membership],
) -> Result<Vec<RoleName>, ProvisionError> {
    Ok(grantable(rules(user, groups))?)
}

/// Whether being in a group gives anything. Each rule is about one claim and one value, so that what several groups give is what each
/// gives.
pub(super) fn matters(rules: RoleRules<'_>, group: &Membership) -> bool {
    !rules(&Resource::new(), std::slice::from_ref(group)).is_empty()
}

/// Derives anew the roles of accounts whose groups changed, and says of which they are others now.
pub(super) async fn derive(
    tx: &mut TenantTx,
    desk: &ScimDesk,
    accounts: &[PrincipalId],
    rules: RoleRules<'_>,
) -> Result<Vec<RolesOf>, ProvisionError> {
    let mut changed = Vec::new();
    for account in accounts {
        let Some(user) = users::find(tx, &desk.connection, *account).await? else { continue };
        let Some(found) = Accounts::find_in(tx, *account).await? else { continue };
        let roles = roles_of(rules, &user.resource, &user.groups)?;
        if roles != found.roles {
            replace_roles(tx, *account, &roles).await?;
            changed.push(RolesOf { principal: *account, roles });
        }
    }
    Ok(changed)
}

/// The groups that somebody is in.
pub(super) async fn groups_of(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<Membership>, StoreError> {
    const GROUPS: &str = "
SELECT g.id AS id, g.display_name AS display_name, g.external_id AS external_id
FROM scim_members AS m
JOIN scim_groups AS g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
WHERE m.tenant_id = $1
  AND m.account_id = $2
LIMIT 10000";
    let rows: Vec<(Uuid, String, Option<String>)> = tx.query(GROUPS).bind(account.0).fetch_all().await?;
    let mut groups: Vec<_> = rows.into_iter().map(membership).collect();
    groups.sort();
    Ok(groups)
}

pub(super) fn membership((id, display, external_id): (Uuid, String, Option<String>)) -> Membership {
    Membership { group: id.hyphenated().to_string(), display, external_id }
}
