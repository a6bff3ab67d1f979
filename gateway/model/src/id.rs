//! Names for things. Each kind of id is its own type, so that one cannot be passed for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[doc = $doc:literal] $name:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// Identifies a tenant for ever; its name may change, this does not.
    TenantId;
    /// Identifies a person or machine within its tenant. UUIDv7.
    PrincipalId;
    /// Identifies a session in logs and audit events. It is not the secret that the cookie carries.
    SessionId;
    /// Identifies an API key of a service account. It is not the secret. UUIDv7.
    ApiKeyId;
    /// Identifies a connection's token for SCIM. It is not the secret. UUIDv7.
    ScimTokenId;
    /// Identifies a group that an identity provider made by SCIM. UUIDv7.
    ScimGroupId;
    /// Identifies what a session was exchanged for: a family of access and refresh tokens. UUIDv7.
    GrantId;
    /// Identifies one access token. UUIDv7.
    TokenId;
    /// Identifies a factor that a person signs in with: an authenticator app, a passkey. UUIDv7.
    FactorId;
    /// Identifies one decision, allowed or refused. UUIDv7, so that ids sort by time.
    DecisionId;
    /// Identifies one exchange with a client. UUIDv7.
    RequestId;
    /// Identifies one audit event. UUIDv7.
    EventId;
    /// Identifies a change of a tenant's policies. UUIDv7.
    ChangeId;
}

macro_rules! text_id {
    ($(#[doc = $doc:literal] $name:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    )*};
}

text_id! {
    /// A Cedar policy's `@id`, for example `inventory/matrix/clerk/UpdateItem`.
    PolicyId;
    /// A route as its file names it, `<service>.<OperationId>`: a closed set, so it may label a metric.
    RouteId;
    /// Names a tenant's snapshot by the content it was built from: lower-case hexadecimal SHA-256, 64 characters.
    SnapshotId;
    /// Names a proposed policy set by its content: lower-case hexadecimal SHA-256, 64 characters.
    PolicySetId;
}

/// A tenant's short name, as it stands in host names: 1 to 63 of `a-z`, `0-9` and inner `-` (RFC 1123 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantName(Arc<str>);

/// Why a text is no tenant name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tenant name: use 1 to 63 of a-z, 0-9 and inner `-`")]
pub struct TenantNameError(pub String);

impl TenantName {
    /// Accepts a name that is one lower-case DNS label.
    ///
    /// # Errors
    /// Anything else, with the text quoted and cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, TenantNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let well_formed =
            (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
        if well_formed { Ok(Self(text.into())) } else { Err(TenantNameError(text.chars().take(80).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TenantName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_name_is_one_dns_label() {
        for good in ["a", "acme", "a-1", &"x".repeat(63)] {
            assert_eq!(TenantName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Acme", "-a", "a-", "a.b", "a_b", "ä", &"x".repeat(64)] {
            assert!(TenantName::parse(bad).is_err(), "{bad}");
        }
    }
}
