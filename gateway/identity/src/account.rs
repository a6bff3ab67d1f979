//! The people of a tenant.

use std::fmt;

use cedargate_migrations::StoreError;
use cedargate_model::{Micros, PrincipalId, RoleName, TenantId};
use zeroize::Zeroizing;

use crate::{Email, EntropyError, NoticeError, OperatorError};

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The principal that it is.
    pub id: PrincipalId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// What the person signs in with. An account that an identity provider's word made has one of ours, where nobody signs in
    /// and no mail arrives.
    pub email: Email,
    /// What the person is shown as, where that is not the address.
    pub display: Option<String>,
    /// The roles that it was given, sorted; being signed in adds [`crate::MEMBER`].
    pub roles: Vec<RoleName>,
    /// The password's hash; none for a person who signs in some other way.
    pub password: Option<PasswordHash>,
    /// Whether it may sign in.
    pub state: AccountState,
    /// Grows with every change of what the principal is.
    pub version: i64,
    /// When it was created.
    pub created_at: Micros,
}

impl Account {
    /// What the person is shown as. It names nobody: only the id and an identity do.
    pub fn shown(&self) -> &str {
        self.display.as_deref().unwrap_or(self.email.as_str())
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It may sign in.
    Active,
    /// It may not, and has no sessions: an operator said so, whatever its provider says.
    Disabled {
        /// Since when.
        at: Micros,
    },
    /// It may not, and has no sessions: its identity provider said so (SCIM).
    Deactivated {
        /// Since when.
        at: Micros,
    },
}

/// A password's hash as a PHC string. `Debug` hides it, memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

/// A text that is no argon2id PHC string. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id hash in PHC form")]
pub struct PasswordHashError;

impl PasswordHash {
    /// Accepts a PHC string of argon2id; whoever verifies with it parses the rest.
    ///
    /// # Errors
    /// [`PasswordHashError`] for any other scheme.
    pub fn parse(phc: String) -> Result<Self, PasswordHashError> {
        let phc = Zeroizing::new(phc);
        if phc.starts_with("$argon2id$") && phc.len() <= 512 { Ok(Self(phc)) } else { Err(PasswordHashError) }
    }

    /// The PHC string.
    ///
    /// # Security
    /// Only for the verifier and the store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What a new account is made from.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What the person signs in with.
    pub email: Email,
    /// The roles to give.
    pub roles: Vec<RoleName>,
    /// The password's hash, where the person has a password.
    pub password: Option<PasswordHash>,
}

/// A role that follows from being signed in or not, and cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role `{0}` cannot be given: who has it follows from being signed in")]
pub struct RolesError(pub RoleName);

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// The tenant has an account with this address.
    #[error("there is an account `{0}` already")]
    EmailTaken(Email),
    /// The domain is that of accounts which identity providers vouch for.
    #[error("the address `{0}` is kept for people of identity providers")]
    AddressReserved(Email),
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    TenantUnknown(TenantId),
    /// A role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateAccountError {
    /// The tenant has no such account.
    #[error("there is no account `{0}`")]
    AccountUnknown(PrincipalId),
    /// The person signs in by an identity provider, and by nothing else.
    #[error("`{0}` signs in by an identity provider and can have no password; link the person to a local account")]
    AddressReserved(Email),
    /// A role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

impl From<OperatorError> for CreateAccountError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

impl From<OperatorError> for UpdateAccountError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Entropy(error) => Self::Entropy(error),
            OperatorError::Store(error) => Self::Store(error),
        }
    }
}

impl From<NoticeError> for UpdateAccountError {
    fn from(error: NoticeError) -> Self {
        match error {
            NoticeError::Entropy(error) => Self::Entropy(error),
            NoticeError::Store(error) => Self::Store(error),
        }
    }
}
