//! Passkeys and security keys in the store. Their keys come here sealed and leave it sealed.

use std::fmt;

use cedargate_migrations::{StoreError, TenantTx};
use cedargate_model::{FactorId, Micros, PrincipalId, ProofKind, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::factor::FACTORS_MAX;
use crate::random::{EntropyError, random_bytes};
use crate::{DrawCodesError, Enrolled, FactorName, Factors, Holder, HolderError, Ready, Shown, recovery};

/// What authenticators call a person: 32 random octets, which say nothing about account or address (WebAuthn §14.6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserHandle(pub [u8; 32]);

impl fmt::Debug for UserHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHandle(..)")
    }
}

/// What a WebAuthn credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebauthnKind {
    /// The authenticator verifies its person each time and finds the credential by itself: two factors in one, and enough to sign in.
    Passkey,
    /// Something that the person has: a second factor beside another.
    SecurityKey,
}

impl WebauthnKind {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::SecurityKey => "security_key",
        }
    }

    /// As a way of proving who one is.
    pub fn proof(self) -> ProofKind {
        match self {
            Self::Passkey => ProofKind::Passkey,
            Self::SecurityKey => ProofKind::SecurityKey,
        }
    }
}

/// The kind of this name.
pub(crate) fn kind_of(name: &str) -> Option<WebauthnKind> {
    [WebauthnKind::Passkey, WebauthnKind::SecurityKey].into_iter().find(|kind| kind.as_str() == name)
}

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCredential {
    /// Which factor it is.
    pub id: FactorId,
    /// Whose.
    pub account: PrincipalId,
    /// What it is good for.
    pub kind: WebauthnKind,
    /// What its person calls it.
    pub name: FactorName,
    /// The host that it was made for: another's it is of no use to.
    pub rp_id: String,
    /// What its authenticator calls it, at most 1023 octets.
    pub credential_id: Vec<u8>,
    /// The public key and what the authenticator said of itself, sealed.
    pub sealed_key: String,
    /// The highest signature counter that was seen; 0 where the authenticator counts nothing.
    pub sign_count: u32,
}

/// Why no credential is added.
#[derive(Debug, thiserror::Error)]
pub enum AddCredentialError {
    /// The account has as many factors as it may have.
    #[error("the account has {FACTORS_MAX} factors, and that is the most")]
    TooMany,
    /// The tenant knows a credential of this id.
    #[error("the tenant knows this credential already")]
    Known,
    /// The session may not enrol factors.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// No recovery codes could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the credential could not be stored")]
    Store(#[from] StoreError),
}

impl From<DrawCodesError> for AddCredentialError {
    fn from(error: DrawCodesError) -> Self {
        match error {
            DrawCodesError::Holder(error) => Self::Holder(error),
            DrawCodesError::Entropy(error) => Self::Entropy(error),
            DrawCodesError::Store(error) => Self::Store(error),
        }
    }
}

/// A credential that signed, and the signature counter that its authenticator said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedCredential {
    /// Which.
    pub factor: FactorId,
    /// The counter; 0 where the authenticator counts nothing.
    pub sign_count: u32,
}

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum UseCredentialError {
    /// A counter was seen that is as high: there is a copy of the authenticator, or an answer was shown twice.
    #[error("the signature counter did not grow")]
    Regressed,
    /// The account has no such credential any more.
    #[error("the credential was removed")]
    Gone,
    /// The store failed.
    #[error("the credential could not be read or written")]
    Store(#[from] StoreError),
}

/// Why nobody has a user handle.
#[derive(Debug, thiserror::Error)]
pub enum UserHandleError {
    /// None could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the user handle could not be stored")]
    Store(#[from] StoreError),
}

impl Factors {
    /// What authenticators call this person: drawn when it is first asked for, and the same from then on.
    ///
    /// # Errors
    /// [`UserHandleError`].
    pub async fn user_handle(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        now: Micros,
    ) -> Result<UserHandle, UserHandleError> {
        const DRAW: &str = "
INSERT INTO webauthn_users (tenant_id, account_id, user_handle, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, account_id) DO NOTHING";
        const FIND: &str = "
SELECT user_handle
FROM webauthn_users
WHERE tenant_id = $1
  AND account_id = $2";
        let drawn = random_bytes::<32>()?;
        let mut tx = self.pool.tenant(tenant).begin().await?;
        tx.query(DRAW).bind(account.0).bind(drawn.as_slice()).bind(now.0).execute().await?;
        let (handle,): (Vec<u8>,) = tx.query(FIND).bind(account.0).fetch_one().await?;
        tx.commit().await?;
        Ok(handle_of(handle, account)?)
    }

    /// An account's credentials for a host, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn credentials(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        rp_id: &str,
    ) -> Result<Vec<SealedCredential>, StoreError> {
        const CREDENTIALS: &str = "
SELECT id, account_id, kind, name, rp_id, credential_id, sealed_key, sign_count
FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2
  AND rp_id = $3
ORDER BY added_at, id
LIMIT 100";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let rows: Vec<CredentialRow> = tx.query(CREDENTIALS).bind(account.0).bind(rp_id).fetch_all().await?;
        rows.into_iter().map(CredentialRow::into_sealed).collect()
    }

    /// The tenant's credential of this id, whosoever it is, and what its authenticator calls that person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_credential(
        &self,
        tenant: TenantId,
        credential_id: &[u8],
    ) -> Result<Option<(SealedCredential, UserHandle)>, StoreError> {
        const FIND: &str = "
SELECT id, account_id, kind, name, rp_id, credential_id, sealed_key, sign_count
FROM webauthn_credentials
WHERE tenant_id = $1
  AND credential_id = $2";
        const HANDLE: &str = "
SELECT user_handle
FROM webauthn_users
WHERE tenant_id = $1
  AND account_id = $2";
        let mut tx = self.pool.tenant(tenant).read().await?;
        let row: Option<CredentialRow> = tx.query(FIND).bind(credential_id).fetch_optional().await?;
        let Some(found) = row.map(CredentialRow::into_sealed).transpose()? else { return Ok(None) };
        let (handle,): (Vec<u8>,) = tx.query(HANDLE).bind(found.account.0).fetch_one().await?;
        let handle = handle_of(handle, found.account)?;
        Ok(Some((found, handle)))
    }

    /// Says whether this session may begin to add a credential, with what was shown in the request that asks for it.
    ///
    /// # Security
    /// The caller has judged what it says was `shown`, in this request.
    ///
    /// # Errors
    /// [`AddCredentialError`].
    pub async fn may_add_credential(
        &self,
        holder: Holder,
        shown: Shown,
        now: Micros,
    ) -> Result<(), AddCredentialError> {
        let mut tx = self.pool.tenant(holder.tenant).read().await?;
        let checked = holder.check(&mut tx, now).await?;
        checked.may_enrol(shown, now)?;
        if checked.factors.len() >= FACTORS_MAX { Err(AddCredentialError::TooMany) } else { Ok(()) }
    }

    /// Adds a credential that was shown to work. With the first factor come new recovery codes.
    ///
    /// # Security
    /// That it may be the first factor was shown when its ceremony began ([`Factors::may_add_credential`]), in this session.
    ///
    /// # Errors
    /// [`AddCredentialError`].
    pub async fn add_credential(
        &self,
        holder: Holder,
        new: &SealedCredential,
        now: Micros,
    ) -> Result<Ready<Enrolled>, AddCredentialError> {
        const INSERT: &str = "
INSERT INTO webauthn_credentials
    (tenant_id, id, account_id, kind, name, rp_id, credential_id, sealed_key, sign_count, added_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (tenant_id, credential_id) DO NOTHING";
        let mut tx = self.pool.tenant(holder.tenant).begin().await?;
        let checked = holder.check(&mut tx, now).await?;
        if checked.factors.len() >= FACTORS_MAX {
            return Err(AddCredentialError::TooMany);
        }
        let added = tx
            .query(INSERT)
            .bind(new.id.0)
            .bind(holder.account.0)
            .bind(new.kind.as_str())
            .bind(new.name.as_str())
            .bind(new.rp_id.as_str())
            .bind(new.credential_id.as_slice())
            .bind(new.sealed_key.as_str())
            .bind(i64::from(new.sign_count))
            .bind(now.0)
            .execute()
            .await?;
        if added == 0 {
            return Err(AddCredentialError::Known);
        }
        let is_first = checked.factors.is_empty();
        let recovery_codes = match is_first || recovery::count(&mut tx, holder.account).await? == 0 {
            true => recovery::draw_in(&mut tx, holder.account, now).await?,
            false => Vec::new(),
        };
        Ok(Ready::new(tx, Enrolled { recovery_codes }))
    }

    /// Notes that a credential was used, once that is committed. Of all who show one counter, to any gateway, the first alone may.
    ///
    /// # Errors
    /// [`UseCredentialError`]; then it does not count.
    pub async fn use_credential(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        used: UsedCredential,
        now: Micros,
    ) -> Result<Ready<()>, UseCredentialError> {
        let mut tx = self.pool.tenant(tenant).begin().await?;
        use_credential_in(&mut tx, account, used, now).await?;
        Ok(Ready::new(tx, ()))
    }
}

/// The same, in the middle of a unit of work: a counter has grown or was never there (WebAuthn §6.1.1).
pub(crate) async fn use_credential_in(
    tx: &mut TenantTx,
    account: PrincipalId,
    used: UsedCredential,
    now: Micros,
) -> Result<(), UseCredentialError> {
    const USE: &str = "
UPDATE webauthn_credentials
SET sign_count = $4, last_used_at = $5
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
  AND (sign_count < $4 OR (sign_count = 0 AND $4 = 0))";
    const STANDS: &str = "
SELECT sign_count
FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3";
    let UsedCredential { factor, sign_count } = used;
    let query = tx.query(USE).bind(account.0).bind(factor.0).bind(i64::from(sign_count));
    if query.bind(now.0).execute().await? == 1 {
        return Ok(());
    }
    let stands: Option<(i64,)> = tx.query(STANDS).bind(account.0).bind(factor.0).fetch_optional().await?;
    // One is the alarm that somebody has a copy, the other is none.
    Err(if stands.is_some() { UseCredentialError::Regressed } else { UseCredentialError::Gone })
}

pub(crate) async fn rename(
    tx: &mut TenantTx,
    account: PrincipalId,
    factor: FactorId,
    name: &FactorName,
) -> Result<u64, StoreError> {
    const RENAME: &str = "
UPDATE webauthn_credentials
SET name = $4
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3";
    tx.query(RENAME).bind(account.0).bind(factor.0).bind(name.as_str()).execute().await
}

/// Removes one, and says of which kind it was.
pub(crate) async fn remove(
    tx: &mut TenantTx,
    account: PrincipalId,
    factor: FactorId,
) -> Result<Option<ProofKind>, StoreError> {
    const REMOVE: &str = "
DELETE FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2
  AND id = $3
RETURNING kind";
    let removed: Option<(String,)> = tx.query(REMOVE).bind(account.0).bind(factor.0).fetch_optional().await?;
    let impossible =
        || StoreError::Impossible { table: "webauthn_credentials", column: "kind", id: factor.to_string() };
    removed.map(|(kind,)| kind_of(&kind).map(WebauthnKind::proof).ok_or_else(impossible)).transpose()
}

pub(crate) async fn remove_all(tx: &mut TenantTx, account: PrincipalId) -> Result<(), StoreError> {
    const REMOVE: &str = "
DELETE FROM webauthn_credentials
WHERE tenant_id = $1
  AND account_id = $2";
    tx.query(REMOVE).bind(account.0).execute().await.map(drop)
}

fn handle_of(octets: Vec<u8>, account: PrincipalId) -> Result<UserHandle, StoreError> {
    let impossible =
        |_| StoreError::Impossible { table: "webauthn_users", column: "user_handle", id: account.to_string() };
    octets.try_into().map(UserHandle).map_err(impossible)
}

#[derive(FromRow)]
struct CredentialRow {
    id: Uuid,
    account_id: Uuid,
    kind: String,
    name: String,
    rp_id: String,
    credential_id: Vec<u8>,
    sealed_key: String,
    sign_count: i64,
}

impl CredentialRow {
    fn into_sealed(self) -> Result<SealedCredential, StoreError> {
        let id = self.id;
        let impossible =
            |column| StoreError::Impossible { table: "webauthn_credentials", column, id: id.hyphenated().to_string() };
        Ok(SealedCredential {
            id: FactorId(id),
            account: PrincipalId(self.account_id),
            kind: kind_of(&self.kind).ok_or_else(|| impossible("kind"))?,
            name: FactorName::parse(&self.name).map_err(|_| impossible("name"))?,
            rp_id: self.rp_id,
            credential_id: self.credential_id,
            sealed_key: self.sealed_key,
            sign_count: u32::try_from(self.sign_count).map_err(|_| impossible("sign_count"))?,
        })
    }
}
