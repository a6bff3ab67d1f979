//! What an access token says, once it was verified.

use crate::{ApiKeyId, GrantId, Micros, PrincipalId, RoleName, TokenId};

/// A short-lived token that a program shows instead of what it was issued for. It says what was so when it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its own id (`jti`).
    pub id: TokenId,
    /// Who its bearer was.
    pub subject: PrincipalId,
    /// What it was issued for: when that ends, it does.
    pub source: TokenSource,
    /// What it is narrowed to; none where it is not.
    pub roles: Option<Vec<RoleName>>,
    /// When it was issued, in whole seconds.
    pub issued_at: Micros,
    /// From when on it counts for nothing, in whole seconds.
    pub expires_at: Micros,
}

/// What a token was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenSource {
    /// A service account's key, which was shown for it.
    ApiKey(ApiKeyId),
    /// A service account, for which an issuer elsewhere vouched.
    Workload(PrincipalId),
    /// A person's session, which was exchanged for it and for a refresh token.
    Session(GrantId),
}
