//! Where service accounts are kept.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{AccountAct, Micros, PrincipalId, RoleName, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::grantable;
use crate::random::uuid_at;
use crate::{
    AccountState, CreateServiceAccountError, ServiceAccount, ServiceAccountName, UpdateServiceAccountError,
    operator_events,
};

/// How many service accounts one page of a list holds.
const PAGE_MAX: i64 = 500;

/// The service accounts of a store.
#[derive(Clone, Debug)]
pub struct ServiceAccounts {
    pool: Pool,
}

impl ServiceAccounts {
    /// The service accounts in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Creates a service account, and leaves word of it for the record: an operator's act, as all that changes service accounts. It has
    /// no key yet.
    ///
    /// # Errors
    /// [`CreateServiceAccountError`]; a name is one account's within its tenant.
    pub async fn create(
        &self,
        tenant: TenantId,
        name: ServiceAccountName,
        roles: Vec<RoleName>,
        now: Micros,
    ) -> Result<ServiceAccount, CreateServiceAccountError> {
        const INSERT: &str = "
INSERT INTO service_accounts (tenant_id, id, name, version, created_at)
VALUES ($1, $2, $3, 1, $4)";
        let roles = grantable(roles)?;
        let id = PrincipalId(uuid_at(now)?);
        let mut tx = self.pool.tenant(tenant).begin().await?;
        match tx.query(INSERT).bind(id.0).bind(name.as_str()).bind(now.0).execute().await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Err(CreateServiceAccountError::NameTaken(name)),
            Err(StoreError::Constraint(_)) => return Err(CreateServiceAccountError::TenantUnknown(tenant)),
            Err(error) => return Err(error.into()),
        }
        insert_roles(&mut tx, id, &roles).await?;
        let act = AccountAct::AccountCreated { roles: roles.clone() };
        operator_events::leave(&mut tx, id, None, act, now).await?;
        tx.commit().await?;
        let state = AccountState::Active;
        Ok(ServiceAccount { id, tenant, name, roles, state, version: 1, created_at: now })
    }

    /// The service account of this name, disabled or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_by_name(
        &self,
        tenant: TenantId,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        Self::find_by_name_in(&mut tx, name).await
    }

    /// The same in the middle of a unit of work.
    pub(crate) async fn find_by_name_in(
        tx: &mut TenantTx,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        const FIND: &str = "
SELECT id, name, version, created_at, disabled_at
FROM service_accounts
WHERE tenant_id = $1
  AND name = $2";
        let row: Option<ServiceAccountRow> = tx.query(FIND).bind(name.as_str()).fetch_optional().await?;
        let Some(row) = row else { return Ok(None) };
        let roles = roles_of(tx, PrincipalId(row.id)).await?;
        row.into_account(tx.tenant(), &roles).map(Some)
    }

    /// The service account of this principal, disabled or not.
    pub(crate) async fn find_in(tx: &mut TenantTx, account: PrincipalId) -> Result<Option<ServiceAccount>, StoreError> {
        const FIND: &str = "
SELECT id, name, version, created_at, disabled_at
FROM service_accounts
WHERE tenant_id = $1
  AND id = $2";
        let row: Option<ServiceAccountRow> = tx.query(FIND).bind(account.0).fetch_optional().await?;
        let Some(row) = row else { return Ok(None) };
        let roles = roles_of(tx, account).await?;
        row.into_account(tx.tenant(), &roles).map(Some)
    }

    /// The next service accounts by name, at most 500, behind `after` where it is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<&ServiceAccountName>,
    ) -> Result<Vec<ServiceAccount>, StoreError> {
        const LIST: &str = "
SELECT id, name, version, created_at, disabled_at
FROM service_accounts
WHERE tenant_id = $1
  AND name > $2
ORDER BY name
LIMIT $3";
        const ROLES: &str = "
SELECT r.account_id, r.role
FROM service_account_roles AS r
JOIN service_accounts AS a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
WHERE r.tenant_id = $1
  AND a.name > $2
  AND a.name <= $3
ORDER BY r.role";
        let after = after.map_or("", ServiceAccountName::as_str);
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<ServiceAccountRow> = tx.query(LIST).bind(after).bind(PAGE_MAX).fetch_all().await?;
        let last = rows.last().map(|row| row.name.clone()).unwrap_or_default();
        let roles: Vec<RoleRow> = tx.query(ROLES).bind(after).bind(last).fetch_all().await?;
        rows.into_iter().map(|row| row.into_account(tenant, &roles)).collect()
    }

    /// Replaces the roles. Keys that are narrowed to one that is gone have it no more.
    ///
    /// # Errors
    /// [`UpdateServiceAccountError`].
    pub async fn set_roles(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        roles: Vec<RoleName>,
        now: Micros,
    ) -> Result<(), UpdateServiceAccountError> {
        const BUMP: &str = "
UPDATE service_accounts
SET version = version + 1
WHERE tenant_id = $1
  AND id = $2";
        const CLEAR: &str = "
DELETE FROM service_account_roles
WHERE tenant_id = $1
  AND account_id = $2";
        let roles = grantable(roles)?;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        one_moved(tx.query(BUMP).bind(account.0).execute().await?, account)?;
        tx.query(CLEAR).bind(account.0).execute().await?;
        insert_roles(&mut tx, account, &roles).await?;
        operator_events::leave(&mut tx, account, None, AccountAct::RolesChanged { roles }, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Disables the account: none of its keys counts any more. Disabling twice keeps the first time.
    ///
    /// # Errors
    /// [`UpdateServiceAccountError`].
    pub async fn disable(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        now: Micros,
    ) -> Result<(), UpdateServiceAccountError> {
        const DISABLE: &str = "
UPDATE service_accounts
SET disabled_at = COALESCE(disabled_at, $3), version = version + 1
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        one_moved(tx.query(DISABLE).bind(account.0).bind(now.0).execute().await?, account)?;
        operator_events::leave(&mut tx, account, None, AccountAct::AccountDisabled, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lets a disabled account act again, with the keys that were not revoked.
    ///
    /// # Errors
    /// [`UpdateServiceAccountError`].
    pub async fn enable(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        now: Micros,
    ) -> Result<(), UpdateServiceAccountError> {
        const ENABLE: &str = "
UPDATE service_accounts
SET disabled_at = NULL, version = version + 1
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        one_moved(tx.query(ENABLE).bind(account.0).execute().await?, account)?;
        operator_events::leave(&mut tx, account, None, AccountAct::AccountEnabled, now).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }
}

async fn insert_roles(tx: &mut TenantTx, account: PrincipalId, roles: &[RoleName]) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO service_account_roles (tenant_id, account_id, role)
VALUES ($1, $2, $3)";
    for role in roles {
        tx.query(INSERT).bind(account.0).bind(role.as_str()).execute().await?;
    }
    Ok(())
}

async fn roles_of(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<RoleRow>, StoreError> {
    const ROLES: &str = "
SELECT account_id, role
FROM service_account_roles
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY role";
    tx.query(ROLES).bind(account.0).fetch_all().await
}

fn one_moved(moved: u64, account: PrincipalId) -> Result<(), UpdateServiceAccountError> {
    if moved == 1 { Ok(()) } else { Err(UpdateServiceAccountError::AccountUnknown(account)) }
}

#[derive(FromRow)]
struct ServiceAccountRow {
    id: Uuid,
    name: String,
    version: i64,
    created_at: i64,
    disabled_at: Option<i64>,
}

#[derive(FromRow)]
struct RoleRow {
    account_id: Uuid,
    role: String,
}

impl ServiceAccountRow {
    /// Takes its own of `roles`, which are sorted.
    fn into_account(self, tenant: TenantId, roles: &[RoleRow]) -> Result<ServiceAccount, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "service_accounts", column, id: self.id.to_string() };
        let roles = roles.iter().filter(|row| row.account_id == self.id);
        let roles = roles.map(|row| RoleName::parse(&row.role).map_err(|_| impossible("role")));
        Ok(ServiceAccount {
            id: PrincipalId(self.id),
            tenant,
            name: ServiceAccountName::parse(&self.name).map_err(|_| impossible("name"))?,
            roles: roles.collect::<Result<_, _>>()?,
            state: match self.disabled_at {
                None => AccountState::Active,
                Some(at) => AccountState::Disabled { at: Micros(at) },
            },
            version: self.version,
            created_at: Micros(self.created_at),
        })
    }
}
