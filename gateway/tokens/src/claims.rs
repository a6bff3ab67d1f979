//! A token as it stands on the wire, and each way in which one can be wrong.

use cedargate_model::{AccessToken, ApiKeyId, GrantId, Micros, PrincipalId, RoleName, TokenId, TokenSource};
use serde::{Deserialize, Serialize};

/// The `typ` of every token (RFC 9068 §2.1): no assertion and no ID token is taken for one (RFC 8725 §3.11).
pub(crate) const TYP: &str = "at+jwt";

/// The one algorithm: Ed25519 (RFC 8037 §3.1).
pub(crate) const ALG: &str = "EdDSA";

/// The whole protected header. A token with any further member is refused: `jwk`, `jku`, `x5u` and `crit` are ways to let a token
/// choose how it is checked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: String,
    pub(crate) kid: String,
}

/// The claims, in the order in which they are written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    /// What the token was issued for (RFC 9068 §2.2): a key's id, that of what a session was exchanged for, or a service account's.
    pub(crate) client_id: String,
    /// Which of them: `api_key`, `session` or `workload`.
    pub(crate) client_kind: String,
    /// The tenant's id: its name, which `iss` has, may become another's.
    pub(crate) tenant: String,
    pub(crate) jti: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// The roles that it is narrowed to, with one space between (RFC 9068 §2.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
}

/// Why a token proves nothing. For the record: who shows it learns only that it is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Longer than any token, not three base64url parts, or the first two are not the JSON they should be.
    #[error("malformed")]
    Malformed,
    /// Another algorithm than Ed25519, `none` included.
    #[error("algorithm")]
    Algorithm,
    /// Another kind of token: an ID token, an assertion of ours.
    #[error("type")]
    Type,
    /// A header member beside `alg`, `typ` and `kid`, or one of them missing.
    #[error("header")]
    Header,
    /// Signed with a key that is not one of ours, or no more.
    #[error("key_unknown")]
    KeyUnknown,
    /// Signed with a key of ours that had signed its last by then.
    #[error("key_retired")]
    KeyRetired,
    /// The signature is not the key's over this text.
    #[error("signature")]
    Signature,
    /// Signed by us, and not what we sign.
    #[error("claims")]
    Claims,
    /// Issued at another tenant's address.
    #[error("issuer")]
    Issuer,
    /// Issued for something else.
    #[error("audience")]
    Audience,
    /// Issued for another tenant, which had this name before.
    #[error("tenant")]
    Tenant,
    /// Issued in the future, beyond what clocks of gateways may differ.
    #[error("not_yet_valid")]
    NotYetValid,
    /// Past its life.
    #[error("expired")]
    Expired,
}

const API_KEY: &str = "api_key";
const SESSION: &str = "session";
const WORKLOAD: &str = "workload";

impl Claims {
    /// What a token says, for this issuer and tenant.
    pub(crate) fn of(token: &AccessToken, url: String, tenant: String) -> Self {
        let (client_id, client_kind) = match token.source {
            TokenSource::ApiKey(key) => (key.to_string(), API_KEY),
            TokenSource::Session(grant) => (grant.to_string(), SESSION),
            TokenSource::Workload(account) => (account.to_string(), WORKLOAD),
        };
        let scope = |roles: &Vec<RoleName>| roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ");
        Self {
            aud: url.clone(),
            iss: url,
            sub: token.subject.to_string(),
            client_id,
            client_kind: client_kind.to_owned(),
            tenant,
            jti: token.id.to_string(),
            iat: token.issued_at.epoch_seconds(),
            exp: token.expires_at.epoch_seconds(),
            scope: token.roles.as_ref().map(scope),
        }
    }

    /// Reads claims whose signature was verified.
    pub(crate) fn read(self) -> Option<AccessToken> {
        let source = match &*self.client_kind {
            API_KEY => TokenSource::ApiKey(self.client_id.parse::<ApiKeyId>().ok()?),
            SESSION => TokenSource::Session(self.client_id.parse::<GrantId>().ok()?),
            WORKLOAD => TokenSource::Workload(self.client_id.parse::<PrincipalId>().ok()?),
            _ => return None,
        };
        let roles = |scope: String| scope.split(' ').map(|role| RoleName::parse(role).ok()).collect::<Option<Vec<_>>>();
        let roles = match self.scope {
            None => None,
            Some(scope) => Some(roles(scope)?),
        };
        Some(AccessToken {
            id: self.jti.parse::<TokenId>().ok()?,
            subject: self.sub.parse().ok()?,
            source,
            roles,
            issued_at: from_seconds(self.iat),
            expires_at: from_seconds(self.exp),
        })
    }
}

fn from_seconds(seconds: i64) -> Micros {
    Micros(seconds.saturating_mul(1_000_000))
}
