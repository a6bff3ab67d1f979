//! What a verified assertion says.

use cedargate_model::{Micros, PrincipalId, RoleName, SessionId, TenantId, TenantName};

use crate::VerifyError;
use crate::claims::{ANONYMOUS, Claims, level};

/// Whose data a request is about: the tenant of the host that it came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantScope {
    /// The tenant's id: what rows carry.
    pub id: TenantId,
    /// The tenant's name: what people read.
    pub name: TenantName,
}

/// Who is asking, in which tenant, how strongly known. Exists only as the outcome of a verification.
///
/// Nothing here belongs to a single request; the decision's id travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The tenant. A service reads and writes rows of this one only.
    pub tenant: TenantScope,
    /// Who it is.
    pub subject: AssertedSubject,
    /// The roles in that tenant, sorted. Whether they permit something was the gateway's decision.
    pub roles: Vec<RoleName>,
    /// Authentication assurance level (NIST SP 800-63B-4), 1 to 3; 0 for anonymous callers.
    pub level: u8,
    /// The methods of the sign-in, as `amr` values (RFC 8176). May hold ones that this version does not know.
    pub methods: Vec<String>,
    /// When the assertion was issued, in whole seconds.
    pub issued_at: Micros,
    /// From when on the assertion counts for nothing, in whole seconds.
    pub expires_at: Micros,
}

/// The asserted `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssertedSubject {
    /// Nobody signed in; the tenant's policies permit this to anyone.
    Anonymous,
    /// A person or machine.
    Principal {
        /// The principal's id, stable for ever.
        id: PrincipalId,
        /// The session that it acts in, for correlation. It is not a secret.
        session: SessionId,
        /// When it last proved who it is, in whole seconds.
        authenticated_at: Micros,
    },
}

impl Identity {
    /// The principal's id; none for anonymous callers.
    pub fn principal(&self) -> Option<PrincipalId> {
        match self.subject {
            AssertedSubject::Anonymous => None,
            AssertedSubject::Principal { id, .. } => Some(id),
        }
    }

    /// Reads claims whose signature was verified.
    pub(crate) fn read(claims: Claims) -> Result<Self, VerifyError> {
        let malformed = |claim| VerifyError::ClaimInvalid { claim };
        let level = level(&claims.acr).ok_or_else(|| malformed("acr"))?;
        let tenant = TenantScope {
            id: claims.tenant.parse().map_err(|_| malformed("tenant"))?,
            name: TenantName::parse(&claims.tenant_name).map_err(|_| malformed("tenant_name"))?,
        };
        let roles: Result<Vec<_>, _> = claims.roles.iter().map(|role| RoleName::parse(role)).collect();
        Ok(Self {
            tenant,
            subject: subject(&claims, level)?,
            roles: roles.map_err(|_| malformed("roles"))?,
            level,
            methods: claims.amr,
            issued_at: from_seconds(claims.iat),
            expires_at: from_seconds(claims.exp),
        })
    }
}

/// Either all the claims of a sign-in are there, or none is.
fn subject(claims: &Claims, level: u8) -> Result<AssertedSubject, VerifyError> {
    let malformed = |claim| VerifyError::ClaimInvalid { claim };
    match (claims.sub.as_str(), &claims.sid, claims.auth_time) {
        (ANONYMOUS, None, None) if level == 0 => Ok(AssertedSubject::Anonymous),
        (ANONYMOUS, ..) => Err(malformed("sub")),
        (_, Some(_), Some(_)) if level == 0 => Err(malformed("acr")),
        (id, Some(session), Some(at)) => Ok(AssertedSubject::Principal {
            id: id.parse().map_err(|_| malformed("sub"))?,
            session: session.parse().map_err(|_| malformed("sid"))?,
            authenticated_at: from_seconds(at),
        }),
        (_, None, _) => Err(malformed("sid")),
        (_, _, None) => Err(malformed("auth_time")),
    }
}

fn from_seconds(seconds: i64) -> Micros {
    Micros(seconds.saturating_mul(1_000_000))
}
