//! Where accounts are kept.

use cedargate_migrations::{Pool, StoreError, TenantTx};
use cedargate_model::{AccountAct, Micros, PrincipalId, RoleName, SessionId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::identities::ADDRESS_DOMAIN;
use crate::principal::is_reserved;
use crate::random::uuid_at;
use crate::{
    Account, AccountState, CreateAccountError, Email, NewAccount, Notice, OperatorError, PasswordHash,
    PasswordHashError, ProofGuesses, RolesError, UpdateAccountError, account_links, factors, federated, guesses,
    notices, operator_events, promised_roles,
};

/// How many accounts one page of a list holds.
const PAGE_MAX: i64 = 500;

/// The accounts of a store.
#[derive(Clone, Debug)]
pub struct Accounts {
    pool: Pool,
}

impl Accounts {
    /// The accounts in this store.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The guesses at what people of these accounts prove while they are signed in, in the same store.
    pub fn guesses(&self) -> ProofGuesses {
        ProofGuesses::new(self.pool.clone())
    }

    /// Creates an account, and leaves word of it for the record: an operator's act, as all that changes accounts here.
    ///
    /// # Errors
    /// [`CreateAccountError`]; an address is one account's within its tenant.
    pub async fn create(&self, tenant: TenantId, new: NewAccount, now: Micros) -> Result<Account, CreateAccountError> {
        if is_of_provider(&new.email) {
            return Err(CreateAccountError::AddressReserved(new.email));
        }
        let roles = grantable(new.roles)?;
        let id = PrincipalId(uuid_at(now)?);
        let mut tx = self.pool.tenant(tenant).begin().await?;
        match insert_account(&mut tx, id, &new.email, new.password.as_ref(), now).await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Err(CreateAccountError::EmailTaken(new.email)),
            Err(StoreError::Constraint(_)) => return Err(CreateAccountError::TenantUnknown(tenant)),
            Err(error) => return Err(error.into()),
        }
        insert_roles(&mut tx, id, &roles).await?;
        let act = AccountAct::AccountCreated { roles: roles.clone() };
        operator_events::leave(&mut tx, id, None, act, now).await?;
        tx.commit().await?;
        Ok(Account {
            id,
            tenant,
            email: new.email,
            display: None,
            roles,
            password: new.password,
            state: AccountState::Active,
            version: 1,
            created_at: now,
        })
    }

    /// The account of this principal, disabled or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, tenant: TenantId, account: PrincipalId) -> Result<Option<Account>, StoreError> {
        let mut tx = self.pool.tenant(tenant).read().await?;
        Self::find_in(&mut tx, account).await
    }

    /// The same, in the middle of a unit of work.
    pub(crate) async fn find_in(tx: &mut TenantTx, account: PrincipalId) -> Result<Option<Account>, StoreError> {
        const FIND: &str = "
SELECT id, email, display, password_hash, version, created_at, disabled_at, deactivated_at
FROM accounts
WHERE tenant_id = $1
  AND id = $2";
        let row = tx.query(FIND).bind(account.0).fetch_optional().await?;
        with_roles(tx, row).await
    }

    /// The account with this address, disabled or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_by_email(&self, tenant: TenantId, email: &Email) -> Result<Option<Account>, StoreError> {
        const FIND: &str = "
SELECT id, email, display, password_hash, version, created_at, disabled_at, deactivated_at
FROM accounts
WHERE tenant_id = $1
  AND email = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let row = tx.query(FIND).bind(email.as_str()).fetch_optional().await?;
        with_roles(&mut tx, row).await
    }

    /// The next accounts by address, at most 500, behind `after` where it is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, tenant: TenantId, after: Option<&Email>) -> Result<Vec<Account>, StoreError> {
        const LIST: &str = "
SELECT id, email, display, password_hash, version, created_at, disabled_at, deactivated_at
FROM accounts
WHERE tenant_id = $1
  AND email > $2
ORDER BY email
LIMIT $3";
        const ROLES: &str = "
SELECT r.account_id, r.role
FROM account_roles AS r
JOIN accounts AS a ON a.tenant_id = r.tenant_id AND a.id = r.account_id
WHERE r.tenant_id = $1
  AND a.email > $2
  AND a.email <= $3
ORDER BY r.role";
        let after = after.map_or("", Email::as_str);
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<AccountRow> = tx.query(LIST).bind(after).bind(PAGE_MAX).fetch_all().await?;
        let last = rows.last().map(|row| row.email.clone()).unwrap_or_default();
        let roles: Vec<RoleRow> = tx.query(ROLES).bind(after).bind(last).fetch_all().await?;
        rows.into_iter().map(|row| row.into_account(tenant, &roles)).collect()
    }

    /// Sets the password and ends the account's sessions, whichever way they began: whoever had the old one is out. So is whatever
    /// passkey they may have added with it, unless those are to stay. The person is told, and word of it left for the record.
    ///
    /// # Errors
    /// [`UpdateAccountError`]; then nothing was done.
    pub async fn set_password(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        hash: &PasswordHash,
        passkeys: Passkeys,
        now: Micros,
    ) -> Result<PasswordSet, UpdateAccountError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let set = set_password_in(&mut tx, account, hash, passkeys, now).await?;
        let act = AccountAct::PasswordSet { passkeys_removed: set.passkeys_removed };
        operator_events::leave(&mut tx, account, None, act, now).await?;
        if let Some(roles) = set.roles.clone() {
            operator_events::leave(&mut tx, account, None, AccountAct::RolesChanged { roles }, now).await?;
        }
        leave_ended(&mut tx, account, set.ended.clone(), now).await?;
        notices::leave_for(&mut tx, account, &Notice::PasswordChanged, now).await?;
        tx.commit().await?;
        Ok(set)
    }

    /// Replaces a hash by one of the same password with other parameters. Says whether the old one still stood there;
    /// sessions go on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rehash(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        // Compares with the old hash, so that a password that was set in between is not undone.
        const REPLACE: &str = "
UPDATE accounts
SET password_hash = $4
WHERE tenant_id = $1
  AND id = $2
  AND password_hash = $3";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx.query(REPLACE).bind(account.0).bind(old.expose()).bind(new.expose()).execute().await?;
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// Replaces the account's roles, and leaves word of it for the record. Its sessions have the new ones within the staleness bound.
    ///
    /// # Errors
    /// [`UpdateAccountError`].
    pub async fn set_roles(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        roles: Vec<RoleName>,
        now: Micros,
    ) -> Result<(), UpdateAccountError> {
        let roles = grantable(roles)?;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = replace_roles(&mut tx, account, &roles).await?;
        one_moved(moved, account)?;
        operator_events::leave(&mut tx, account, None, AccountAct::RolesChanged { roles }, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Disables the account, ends its sessions, and leaves word of it for the record; disabling twice keeps the first time.
    ///
    /// # Errors
    /// [`UpdateAccountError`].
    pub async fn disable(&self, tenant: TenantId, account: PrincipalId, now: Micros) -> Result<(), UpdateAccountError> {
        const DISABLE: &str = "
UPDATE accounts
SET disabled_at = COALESCE(disabled_at, $3), version = version + 1
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx.query(DISABLE).bind(account.0).bind(now.0).execute().await?;
        one_moved(moved, account)?;
        let ended = end_sessions(&mut tx, account).await?;
        account_links::forget(&mut tx, account.0).await?;
        operator_events::leave(&mut tx, account, None, AccountAct::AccountDisabled, now).await?;
        leave_ended(&mut tx, account, ended, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lets a disabled account sign in again, and leaves word of it for the record. What its provider deactivated stays so: that is the
    /// provider's to say.
    ///
    /// # Errors
    /// [`UpdateAccountError`].
    pub async fn enable(&self, tenant: TenantId, account: PrincipalId, now: Micros) -> Result<(), UpdateAccountError> {
        const ENABLE: &str = "
UPDATE accounts
SET disabled_at = NULL, version = version + 1
WHERE tenant_id = $1
  AND id = $2";
        let mut tx = self.pool.tenant(tenant).begin().await?;
        let moved = tx.query(ENABLE).bind(account.0).execute().await?;
        one_moved(moved, account)?;
        operator_events::leave(&mut tx, account, None, AccountAct::AccountEnabled, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What becomes of an account's passkeys when it is given another password. Whoever had the former one may have added a passkey with
/// it, and that signs in without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passkeys {
    /// They go with it.
    Removed,
    /// They are known to be the person's own, and stay.
    Kept,
}

/// A password that was set, and what went with the former one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSet {
    /// The sessions that ended.
    pub ended: Vec<SessionId>,
    /// How many passkeys were removed.
    pub passkeys_removed: u32,
    /// The roles that the account has from now on, where it had some because of a factor, and has none any more.
    pub roles: Option<Vec<RoleName>>,
}

/// Whether an address is one that an account gets from its identity at a provider. A local account with such an address could stand in
/// the way of somebody who is yet to come, and a password would be a way in that no provider can close.
pub(crate) fn is_of_provider(email: &Email) -> bool {
    email.as_str().rsplit_once('@').is_some_and(|(_, domain)| domain == ADDRESS_DOMAIN)
}

/// Sorts them, once each.
///
/// # Errors
/// [`RolesError`] for a role that cannot be given.
pub(crate) fn grantable(mut roles: Vec<RoleName>) -> Result<Vec<RoleName>, RolesError> {
    if let Some(reserved) = roles.iter().find(|role| is_reserved(role)) {
        return Err(RolesError(reserved.clone()));
    }
    roles.sort();
    roles.dedup();
    Ok(roles)
}

/// Inserts an account without roles.
pub(crate) async fn insert_account(
    tx: &mut TenantTx,
    id: PrincipalId,
    email: &Email,
    password: Option<&PasswordHash>,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO accounts (tenant_id, id, email, password_hash, version, created_at)
VALUES ($1, $2, $3, $4, 1, $5)";
    tx.query(INSERT)
        .bind(id.0)
        .bind(email.as_str())
        .bind(password.map(PasswordHash::expose))
        .bind(now.0)
        .execute()
        .await
        .map(drop)
}

/// Replaces an account's roles, those that it was promised among them, and says how many accounts that was: one, or none where there is
/// no such account.
pub(crate) async fn replace_roles(
    tx: &mut TenantTx,
    account: PrincipalId,
    roles: &[RoleName],
) -> Result<u64, StoreError> {
    const BUMP: &str = "
UPDATE accounts
SET version = version + 1
WHERE tenant_id = $1
  AND id = $2";
    const CLEAR: &str = "
DELETE FROM account_roles
WHERE tenant_id = $1
  AND account_id = $2";
    const BREAK: &str = "
DELETE FROM promised_roles
WHERE tenant_id = $1
  AND account_id = $2";
    let moved = tx.query(BUMP).bind(account.0).execute().await?;
    tx.query(BREAK).bind(account.0).execute().await?;
    tx.query(CLEAR).bind(account.0).execute().await?;
    if moved > 0 {
        insert_roles(tx, account, roles).await?;
    }
    Ok(moved)
}

async fn insert_roles(tx: &mut TenantTx, account: PrincipalId, roles: &[RoleName]) -> Result<(), StoreError> {
    const INSERT: &str = "
INSERT INTO account_roles (tenant_id, account_id, role)
VALUES ($1, $2, $3)";
    for role in roles {
        tx.query(INSERT).bind(account.0).bind(role.as_str()).execute().await?;
    }
    Ok(())
}

/// Sets a password in the middle of a unit of work, and does what goes with it: see [`Accounts::set_password`].
pub(crate) async fn set_password_in(
    tx: &mut TenantTx,
    account: PrincipalId,
    hash: &PasswordHash,
    passkeys: Passkeys,
    now: Micros,
) -> Result<PasswordSet, UpdateAccountError> {
    const SET: &str = "
UPDATE accounts
SET password_hash = $3, version = version + 1
WHERE tenant_id = $1
  AND id = $2";
    let found = Accounts::find_in(tx, account).await?.ok_or(UpdateAccountError::AccountUnknown(account))?;
    if is_of_provider(&found.email) {
        return Err(UpdateAccountError::AddressReserved(found.email));
    }
    let moved = tx.query(SET).bind(account.0).bind(hash.expose()).execute().await?;
    one_moved(moved, account)?;
    // A link that waits in a mailbox would set yet another one.
    account_links::forget(tx, account.0).await?;
    guesses::forget_devices(tx, account, now).await?;
    let (passkeys_removed, roles) = match passkeys {
        Passkeys::Removed => remove_passkeys(tx, account).await?,
        Passkeys::Kept => (0, None),
    };
    Ok(PasswordSet { ended: end_sessions(tx, account).await?, passkeys_removed, roles })
}

/// Removes what signs in without a password. Other factors stay: beside the new password they are worth what they were.
async fn remove_passkeys(tx: &mut TenantTx, account: PrincipalId) -> Result<(u32, Option<Vec<RoleName>>), StoreError> {
    const REMOVE: &str = "
DELETE FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2
  AND kind = 'passkey'";
    let removed = tx.query(REMOVE).bind(account.0).execute().await?;
    let mut roles = None;
    if removed > 0 && factors::list(tx, account).await?.is_empty() {
        factors::delete_codes(tx, account).await?;
        roles = promised_roles::take_back(tx, account).await?;
    }
    Ok((u32::try_from(removed).unwrap_or(u32::MAX), roles))
}

async fn end_sessions(tx: &mut TenantTx, account: PrincipalId) -> Result<Vec<SessionId>, StoreError> {
    let ended = federated::end_account(tx, account).await?;
    Ok(ended.sessions.iter().map(|ended| ended.session).collect())
}

async fn leave_ended(
    tx: &mut TenantTx,
    account: PrincipalId,
    ended: Vec<SessionId>,
    now: Micros,
) -> Result<(), OperatorError> {
    match ended.is_empty() {
        true => Ok(()),
        false => operator_events::leave(tx, account, None, AccountAct::SessionsEnded { ended }, now).await,
    }
}

async fn with_roles(tx: &mut TenantTx, row: Option<AccountRow>) -> Result<Option<Account>, StoreError> {
    const ROLES: &str = "
SELECT account_id, role
FROM account_roles
WHERE tenant_id = $1
  AND account_id = $2
ORDER BY role";
    let Some(row) = row else { return Ok(None) };
    let roles: Vec<RoleRow> = tx.query(ROLES).bind(row.id).fetch_all().await?;
    row.into_account(tx.tenant(), &roles).map(Some)
}

fn one_moved(moved: u64, account: PrincipalId) -> Result<(), UpdateAccountError> {
    if moved == 1 { Ok(()) } else { Err(UpdateAccountError::AccountUnknown(account)) }
}

#[derive(FromRow)]
struct AccountRow {
    id: Uuid,
    email: String,
    display: Option<String>,
    password_hash: Option<String>,
    version: i64,
    created_at: i64,
    disabled_at: Option<i64>,
    deactivated_at: Option<i64>,
}

#[derive(FromRow)]
struct RoleRow {
    account_id: Uuid,
    role: String,
}

impl AccountRow {
    /// Takes its own of `roles`, which are sorted.
    fn into_account(self, tenant: TenantId, roles: &[RoleRow]) -> Result<Account, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "accounts", column, id: self.id.to_string() };
        let email = Email::parse(&self.email).map_err(|_| impossible("email"))?;
        let roles = roles
            .iter()
            .filter(|row| row.account_id == self.id)
            .map(|row| RoleName::parse(&row.role).map_err(|_| impossible("role")))
            .collect::<Result<_, _>>()?;
        let password = self
            .password_hash
            .map(PasswordHash::parse)
            .transpose()
            .map_err(|_: PasswordHashError| impossible("password_hash"))?;
        Ok(Account {
            id: PrincipalId(self.id),
            tenant,
            email,
            display: self.display,
            roles,
            password,
            state: match (self.disabled_at, self.deactivated_at) {
                (None, None) => AccountState::Active,
                (Some(at), _) => AccountState::Disabled { at: Micros(at) },
                (None, Some(at)) => AccountState::Deactivated { at: Micros(at) },
            },
            version: self.version,
            created_at: Micros(self.created_at),
        })
    }
}
