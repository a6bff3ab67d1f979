//! Programs that act for themselves, and their keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cedargate_migrations::StoreError;
use cedargate_model::{ApiKeyId, Micros, PrincipalId, RoleName, TenantId};

use crate::{AccountState, EntropyError, OperatorError, RolesError};

/// The longest life of a key. Whoever holds one must have a way to get the next, and use it now and then.
pub const API_KEY_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How many keys of one account may count at once. Two are enough to change one for another.
pub const API_KEYS_MAX: usize = 20;

/// A service account: a principal that is no person. Nobody can sign in as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The principal that it is.
    pub id: PrincipalId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// What operators call it.
    pub name: ServiceAccountName,
    /// The roles that it was given, sorted. It has no others.
    pub roles: Vec<RoleName>,
    /// Whether it may be used.
    pub state: AccountState,
    /// Grows with every change of what the principal is.
    pub version: i64,
    /// When it was created.
    pub created_at: Micros,
}

/// A service account's name: 1 to 63 of `a-z`, `0-9` and inner `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountName(Arc<str>);

/// Why a text is no name of a service account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a service account's name: use 1 to 63 of a-z, 0-9 and inner `-`")]
pub struct ServiceAccountNameError(pub String);

impl ServiceAccountName {
    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// Anything else, with the text quoted and cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, ServiceAccountNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let well_formed =
            (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
        if well_formed { Ok(Self(text.into())) } else { Err(ServiceAccountNameError(text.chars().take(80).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceAccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key of a service account, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which the secret names and the record says.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: PrincipalId,
    /// What it is for, in a few words.
    pub name: ApiKeyName,
    /// What it is narrowed to, sorted; none where it has all that the account has.
    pub roles: Option<Vec<RoleName>>,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it counts for nothing.
    pub expires_at: Micros,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// What a key is for, in a few words: 1 to 60 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyName(String);

/// Why a text is no key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to 60 characters on one line")]
pub struct ApiKeyNameError;

impl ApiKeyName {
    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// [`ApiKeyNameError`].
    pub fn parse(text: &str) -> Result<Self, ApiKeyNameError> {
        let text = text.trim();
        let well_formed = (1..=60).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if well_formed { Ok(Self(text.to_owned())) } else { Err(ApiKeyNameError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a new key is made from.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is for.
    pub name: ApiKeyName,
    /// What to narrow it to; none for all that the account has.
    pub roles: Option<Vec<RoleName>>,
    /// How long it counts.
    pub lifetime: Duration,
}

/// Why a service account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateServiceAccountError {
    /// The tenant has one of this name.
    #[error("there is a service account `{0}` already")]
    NameTaken(ServiceAccountName),
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
    #[error("the service account could not be stored")]
    Store(#[from] StoreError),
}

/// Why a service account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateServiceAccountError {
    /// The tenant has no such service account.
    #[error("there is no service account `{0}`")]
    AccountUnknown(PrincipalId),
    /// A role that cannot be given.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// No id could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the service account could not be stored")]
    Store(#[from] StoreError),
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateApiKeyError {
    /// The tenant has no such service account, or it is disabled.
    #[error("the service account `{0}` is not there, or is disabled")]
    AccountUnusable(PrincipalId),
    /// Narrowed to what the account has not: the key would have nothing of it.
    #[error("the service account has no role `{0}`: a key can only narrow")]
    RoleMissing(RoleName),
    /// Narrowed to nothing.
    #[error("a key that is narrowed to no role permits nothing")]
    RolesEmpty,
    /// Longer than a key may count, or not at all.
    #[error("a key counts for a minute to {} days", API_KEY_LIFETIME_MAX.as_secs() / 86_400)]
    LifetimeOutOfBounds,
    /// The account has as many keys as may count at once.
    #[error("the service account has {API_KEYS_MAX} keys that count: revoke one first")]
    TooMany,
    /// No secret could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error("the key could not be stored")]
    Store(#[from] StoreError),
}

/// What keeps an operator's act from being left for the record keeps it from being done.
macro_rules! from_operator_error {
    ($($error:ident)+) => {
        $(impl From<OperatorError> for $error {
            fn from(error: OperatorError) -> Self {
                match error {
                    OperatorError::Entropy(error) => Self::Entropy(error),
                    OperatorError::Store(error) => Self::Store(error),
                }
            }
        })+
    };
}

from_operator_error! { CreateServiceAccountError UpdateServiceAccountError CreateApiKeyError }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_label_and_one_line() {
        for good in ["a", "stock-sync", "a1", &"x".repeat(63)] {
            assert_eq!(ServiceAccountName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "-a", "a-", "a.b", "a_b", "a@b", &"x".repeat(64)] {
            assert!(ServiceAccountName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(ApiKeyName::parse(" nightly export ").unwrap().as_str(), "nightly export");
        for bad in ["", " ", "a\nb", &"x".repeat(61)] {
            assert!(ApiKeyName::parse(bad).is_err(), "{bad}");
        }
    }
}
