//! Roles that an account has from its first second factor on.

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{PrincipalId, RoleName};

use crate::Ready;

/// Keeps roles for later.
pub(crate) async fn promise(tx: &mut TenantTx, account: PrincipalId, roles: &[RoleName]) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO promised_roles (tenant_id, account_id, role)
VALUES ($1, $2, $3)";
    for role in roles {
        tx.query(INSERT).bind(account.0).bind(role.as_str()).execute().await?;
    }
    Ok(())
}

impl<T> Ready<T> {
    /// Gives the account what it was promised, once the change is made: for whoever adds a second factor. Says which roles it then has;
    /// none where nothing was promised.
    ///
    /// # Errors
    /// [`StoreError`]; then the change is not made.
    pub async fn keep_promises(self, account: PrincipalId) -> Result<(Self, Option<Vec<RoleName>>), StoreError> {
        const TAKE: &str = "
DELETE FROM promised_roles
WHERE tenant_id = $1
  AND account_id = $2
RETURNING role";
        const GIVE: &str = "
INSERT INTO account_roles (tenant_id, account_id, role, by_factor)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, account_id, role) DO NOTHING";
        let (mut tx, change) = self.into_parts();
        let promised: Vec<(String,)> = tx.query(TAKE).bind(account.0).fetch_all().await?;
        if promised.is_empty() {
            return Ok((Self::new(tx, change), None));
        }
        for (role,) in &promised {
            tx.query(GIVE).bind(account.0).bind(role.as_str()).bind(true).execute().await?;
        }
        let roles = changed(&mut tx, account).await?;
        Ok((Self::new(tx, change), Some(roles)))
    }
}

/// Takes back what the account has because of its second factors: the last of them has gone. It is promised again, for when there is another.
/// Says which roles it then has; none where nothing was taken.
pub(crate) async fn take_back(tx: &mut TenantTx, account: PrincipalId) -> Result<Option<Vec<RoleName>>, StoreError> {
    const PROMISE: &str = "
INSERT INTO promised_roles (tenant_id, account_id, role)
SELECT r.tenant_id, r.account_id, r.role
FROM account_roles AS r
WHERE r.tenant_id = $1
  AND r.account_id = $2
  AND r.by_factor = $3";
    const TAKE: &str = "
DELETE FROM account_roles
WHERE tenant_id = $1
  AND account_id = $2
  AND by_factor = $3";
    if tx.query(PROMISE).bind(account.0).bind(true).execute().await? == 0 {
        return Ok(None);
    }
    tx.query(TAKE).bind(account.0).bind(true).execute().await?;
    changed(tx, account).await.map(Some)
}

async fn changed(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<RoleName>, StoreError> {
    const BUMP: &str = "
UPDATE accounts
SET version = version + 1
WHERE tenant_id = $1
  AND id = $2";
    const ROLES: &str = "
SELECT role
FROM account_roles
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY role";
    tx.query(BUMP).bind(account.0).execute().await?;
    let roles: Vec<(String,)> = tx.query(ROLES).bind(account.0).fetch_all().await?;
    let impossible = |_| StoreError::Impossible { table: "account_roles", column: "role", id: account.to_string() };
    let roles = roles.into_iter().map(|(role,)| RoleName::parse(&role)).collect::<Result<_, _>>();
    roles.map_err(impossible)
}
