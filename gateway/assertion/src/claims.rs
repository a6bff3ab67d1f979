//! The assertion as it stands on the wire: header and claims, and the compact form around them (RFC 7515 §7.1).

use serde::{Deserialize, Serialize};

/// The `typ` of every assertion: no other token of the house is taken for one, and the other way round (RFC 8725 §3.11).
pub(crate) const TYP: &str = "cedargate-identity+jwt";

/// The one algorithm: Ed25519 (RFC 8037 §3.1).
pub(crate) const ALG: &str = "EdDSA";

/// The `sub` of callers without credentials. It cannot be a principal's id, which is a UUID.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// The whole protected header. A token with any further member is refused: `jwk`, `jku`, `x5u` and `crit` are ways to
/// let a token choose how it is checked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: String,
    pub(crate) kid: String,
}

/// The claims, in the order in which they are written. Members that we do not know are ignored (RFC 7519 §4), so that
/// the gateway may be newer than a service.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) tenant: String,
    pub(crate) tenant_name: String,
    pub(crate) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    pub(crate) acr: String,
    pub(crate) amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<i64>,
    pub(crate) iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
    pub(crate) exp: i64,
}

/// The `acr` of an authentication assurance level (NIST SP 800-63B-4): `aal1` to `aal3`, `aal0` without credentials.
pub(crate) fn acr(level: u8) -> String {
    format!("aal{level}")
}

/// The level of an `acr`; none where it is not one of ours.
pub(crate) fn level(acr: &str) -> Option<u8> {
    match acr {
        "aal0" => Some(0),
        "aal1" => Some(1),
        "aal2" => Some(2),
        "aal3" => Some(3),
        _ => None,
    }
}
