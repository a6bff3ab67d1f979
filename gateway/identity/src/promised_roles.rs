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
INSERT INTO account_roles (tenant_id, account_id, role)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, account_id, role) DO NOTHING";
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
        let (mut tx, change) = self.into_parts();
        let promised: Vec<(String,)> = tx.query(TAKE).bind(account.0).fetch_all().await?;
        if promised.is_empty() {
            return Ok((Self::new(tx, change), None));
        }
        for (role,) in &promised {
            tx.query(GIVE).bind(account.0).bind(role.as_str()).execute().await?;
        }
        tx.query(BUMP).bind(account.0).execute().await?;
        let roles: Vec<(String,)> = tx.query(ROLES).bind(account.0).fetch_all().await?;
        let impossible = |_| StoreError::Impossible { table: "account_roles", column: "role", id: account.to_string() };
        let roles = roles.into_iter().map(|(role,)| RoleName::parse(&role)).collect::<Result<_, _>>();
        Ok((Self::new(tx, change), Some(roles.map_err(impossible)?)))
    }
}
