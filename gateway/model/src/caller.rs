//! Who is asking.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Micros, PrincipalId, SessionId, TenantId, TenantName};

/// Whoever sent a request, once authentication has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No credentials were presented. What anonymous callers may do is a Cedar permit like any other.
    Anonymous,
    /// A person or machine, known by a session or token.
    Principal(Arc<Principal>),
}

impl Caller {
    /// The principal, if there is one.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        match self {
            Self::Anonymous => None,
            Self::Principal(principal) => Some(principal),
        }
    }
}

/// A person or machine of one tenant, as it signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The principal's own id.
    pub id: PrincipalId,
    /// The tenant that it belongs to. It is never another tenant's principal.
    pub tenant: TenantId,
    /// That tenant's name.
    pub tenant_name: TenantName,
    /// What a person is shown as: the e-mail address of a local account.
    pub display: String,
    /// Its roles in the tenant, sorted and without repeats.
    pub roles: Vec<RoleName>,
    /// The session that it acts in. A program's is what it shows: the key, or the family of its tokens.
    pub session: SessionId,
    /// By what it is known.
    pub credential: Credential,
    /// How strongly it signed in.
    pub strength: AuthnStrength,
    /// When it last proved who it is.
    pub authenticated_at: Micros,
    /// When the account or its roles last changed: with the ids it names this exact principal in caches.
    pub version: i64,
}

/// By what a principal is known, which also says what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A person, by the cookie of a session. The browser sends it along, whoever makes it ask.
    #[default]
    Session,
    /// A person, by an access token that their session was exchanged for.
    SessionToken,
    /// A service account, by an API key.
    ApiKey,
    /// A service account, by an access token that it got for an API key.
    KeyToken,
    /// A service account, by an access token that it got for the word of an issuer elsewhere.
    WorkloadToken,
    /// A service account, by the word of an issuer elsewhere as it is.
    IssuerToken,
    /// A service account, by the certificate that its connection was made with. A browser shows one unasked, whoever makes it ask.
    Certificate,
    /// An identity provider that tells the gateway about its people, by its connection's token for SCIM.
    ScimToken,
}

impl Credential {
    /// The name that the record and operators read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SessionToken => "session_token",
            Self::ApiKey => "api_key",
            Self::KeyToken => "key_token",
            Self::WorkloadToken => "workload_token",
            Self::IssuerToken => "issuer_token",
            Self::Certificate => "certificate",
            Self::ScimToken => "scim_token",
        }
    }

    /// Whether it is a session's cookie.
    pub fn is_session(&self) -> bool {
        *self == Self::Session
    }

    /// Whether it says that a person asks, and not a program for itself.
    pub fn is_of_person(self) -> bool {
        match self {
            Self::Session | Self::SessionToken => true,
            Self::ApiKey
            | Self::KeyToken
            | Self::WorkloadToken
            | Self::IssuerToken
            | Self::ScimToken
            | Self::Certificate => false,
        }
    }

    /// Whether it came in an `Authorization` header. No browser adds one to what a page makes it send: whoever shows it meant to.
    pub fn is_bearer(self) -> bool {
        match self {
            Self::Session | Self::Certificate => false,
            Self::SessionToken
            | Self::ApiKey
            | Self::KeyToken
            | Self::WorkloadToken
            | Self::IssuerToken
            | Self::ScimToken => true,
        }
    }
}

/// How strongly a principal signed in, as policies see it in `context.authn`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthnStrength {
    /// NIST SP 800-63B-4 authentication assurance level: 1, 2 or 3. Anonymous callers have 0.
    pub level: u8,
    /// The methods used, sorted and without repeats.
    pub methods: Vec<AuthnMethod>,
}

/// One way of proving who one is, by its `amr` value (RFC 8176 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthnMethod {
    /// A password.
    Pwd,
    /// A one-time password.
    Otp,
    /// A key that stays in hardware, by the word of somebody who vouches for that.
    Hwk,
    /// Single sign-on at another identity provider.
    Fed,
    /// A key that its keeper may copy between devices: passkeys that are synchronised.
    Swk,
    /// A key that stays in one authenticator, as that says of itself: security keys, and passkeys of one device. Nobody vouches for it.
    Pop,
}

impl AuthnMethod {
    /// The `amr` value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
            Self::Otp => "otp",
            Self::Hwk => "hwk",
            Self::Fed => "fed",
            Self::Swk => "swk",
            Self::Pop => "pop",
        }
    }
}

/// A role's name: 1 to 64 of `a-z`, `0-9`, `-` and `_`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(Arc<str>);

/// Why a text is no role name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role name: use 1 to 64 of a-z, 0-9, `-` and `_`, starting with a letter")]
pub struct RoleNameError(pub String);

impl RoleName {
    /// The role that every caller without credentials has, and nobody else.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// Accepts a well-formed role name.
    ///
    /// # Errors
    /// Anything else, with the text quoted and cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, RoleNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let well_formed =
            text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(inner);
        if well_formed { Ok(Self(text.into())) } else { Err(RoleNameError(text.chars().take(80).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoleName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
