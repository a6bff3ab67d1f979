//! The gateway's side: from a caller to a signed assertion.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::{Caller, Micros, RoleName, TenantId};
use http::HeaderValue;

use crate::claims::{ALG, ANONYMOUS, Claims, Header, TYP, acr};
use crate::{KeyId, SigningKeys, TenantScope};

/// How long an assertion counts. Long enough that signing is rare, short enough that a stolen one is soon worthless;
/// what a session may do is decided by the gateway on every request all the same.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The longest assertion that is issued or read, in bytes. One with 20 roles takes about 1,000.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Issues assertions under one issuer URL.
#[derive(Clone, Debug)]
pub struct Issuer {
    url: Arc<str>,
    keys: SigningKeys,
    /// The encoded header, which depends on the key alone.
    header: Arc<str>,
}

/// A signed assertion. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The value of `Cedargate-Identity`.
    pub token: Arc<str>,
    /// The same as a header takes it, made once for all requests that carry it.
    pub header: HeaderValue,
    /// When it was issued, in whole seconds.
    pub issued_at: Micros,
    /// From when on a new one should be issued: half its life.
    pub renew_at: Micros,
    /// From when on it counts for nothing.
    pub expires_at: Micros,
    /// The key that signed it.
    pub kid: KeyId,
}

/// Why no assertion was issued. Each is a defect on the gateway's side, so that a request must end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The caller is a principal of another tenant than the one asked for.
    #[error("a principal of tenant `{principal}` cannot be asserted in tenant `{tenant}`")]
    TenantMismatch {
        /// The principal's own tenant.
        principal: TenantId,
        /// The tenant asked for.
        tenant: TenantId,
    },
    /// No audience was named.
    #[error("an assertion needs an audience")]
    AudienceMissing,
    /// So many roles that the assertion would not fit.
    #[error("an assertion of {bytes} bytes is over its bound of {TOKEN_BYTES_MAX}: the caller has too many roles")]
    TooLarge {
        /// How long it would have been.
        bytes: usize,
    },
    /// The claims could not be written.
    #[error("the claims could not be encoded")]
    Encoding,
}

impl Issuer {
    /// An issuer whose assertions say `iss: url`.
    pub fn new(url: impl Into<Arc<str>>, keys: SigningKeys) -> Self {
        let header = Header { alg: ALG.into(), typ: TYP.into(), kid: keys.kid().to_string() };
        // Strings only: serialisation cannot fail, and an empty header would be refused by every verifier.
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default());
        Self { url: url.into(), keys, header: header.into() }
    }

    /// The issuer URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The keys that it signs with and publishes.
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Issues an assertion about `caller` in `tenant` for one service.
    ///
    /// # Errors
    /// `TenantMismatch` if the caller is another tenant's principal; see [`IssueError`] for the rest.
    pub fn issue(
        &self,
        caller: &Caller,
        tenant: &TenantScope,
        audience: &str,
        now: Micros,
    ) -> Result<Issued, IssueError> {
        let claims = self.claims(caller, tenant, audience, now)?;
        let payload = serde_json::to_vec(&claims).map_err(|_| IssueError::Encoding)?;
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(payload));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.keys.sign(signed.as_bytes())));
        if token.len() > TOKEN_BYTES_MAX {
            return Err(IssueError::TooLarge { bytes: token.len() });
        }
        let issued_at = Micros(claims.iat.saturating_mul(1_000_000));
        // Dots, hyphens, underscores, letters and digits are always a value.
        let mut header = HeaderValue::from_str(&token).map_err(|_| IssueError::Encoding)?;
        header.set_sensitive(true);
        Ok(Issued {
            token: token.into(),
            header,
            issued_at,
            renew_at: issued_at.after(LIFETIME / 2),
            expires_at: issued_at.after(LIFETIME),
            kid: self.keys.kid(),
        })
    }

    fn claims(&self, caller: &Caller, tenant: &TenantScope, audience: &str, now: Micros) -> Result<Claims, IssueError> {
        if audience.is_empty() {
            return Err(IssueError::AudienceMissing);
        }
        let iat = now.epoch_seconds();
        let anonymous = Claims {
            iss: self.url.to_string(),
            aud: audience.to_owned(),
            sub: ANONYMOUS.to_owned(),
            tenant: tenant.id.to_string(),
            tenant_name: tenant.name.to_string(),
            roles: vec![RoleName::ANONYMOUS.to_owned()],
            sid: None,
            acr: acr(0),
            amr: Vec::new(),
            auth_time: None,
            iat,
            nbf: None,
            exp: iat.saturating_add(LIFETIME.as_secs().cast_signed()),
        };
        match caller {
            Caller::Anonymous => Ok(anonymous),
            Caller::Principal(principal) if principal.tenant != tenant.id => {
                Err(IssueError::TenantMismatch { principal: principal.tenant, tenant: tenant.id })
            }
            Caller::Principal(principal) => Ok(Claims {
                sub: principal.id.to_string(),
                roles: principal.roles.iter().map(ToString::to_string).collect(),
                sid: Some(principal.session.to_string()),
                acr: acr(principal.strength.level),
                amr: principal.strength.methods.iter().map(|method| method.as_str().to_owned()).collect(),
                auth_time: Some(principal.authenticated_at.epoch_seconds()),
                ..anonymous
            }),
        }
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("kid", &self.kid)
            .field("renew_at", &self.renew_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
