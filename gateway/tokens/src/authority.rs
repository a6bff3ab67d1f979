//! Issuing and verifying, each a plain function of keys and a time.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_assertion::{Jwks, KeyId, SigningKeys};
use cedargate_model::{AccessToken, Micros, TenantId, TenantName};
use zeroize::Zeroizing;

use crate::claims::{ALG, Claims, Header, TYP, TokenRefused};

/// How long a token counts. What it was issued for is looked at whenever it is shown, so that this bounds only how long a stolen one
/// is of use to somebody whom nobody has noticed.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The longest token that is issued or read, in octets. One that is narrowed to 20 roles takes about 1,000.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;

/// How far the clocks of gateways that share keys may differ.
const LEEWAY_SECONDS: i64 = 30;

/// Where tenants are: each token is issued at one's address, for that address.
#[derive(Clone, Debug)]
pub struct TenantUrls {
    scheme: Arc<str>,
    authority: Arc<str>,
}

impl TenantUrls {
    /// The tenants below a domain, with its port where it has one: `https`, `gateway.example:8443`.
    pub fn new(scheme: impl Into<Arc<str>>, authority: impl Into<Arc<str>>) -> Self {
        Self { scheme: scheme.into(), authority: authority.into() }
    }

    /// A tenant's address: `https://acme.gateway.example:8443`.
    pub fn of(&self, tenant: &TenantName) -> String {
        format!("{}://{tenant}.{}", self.scheme, self.authority)
    }
}

/// Which key signed a verified token, and when it says that it did: what has to be known of it for as long as it holds something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedBy {
    kid: KeyId,
    issued_at_seconds: i64,
}

/// Issues and verifies access tokens.
#[derive(Clone, Debug)]
pub struct TokenAuthority {
    urls: TenantUrls,
    keys: SigningKeys,
    /// The keys that verify: the one that signs, and those before it whose tokens may still be about.
    verifying: Jwks,
    /// For how long another gateway may go on signing with a key that is replaced.
    overlap: Duration,
    /// The encoded header, which depends on the key alone.
    header: Arc<str>,
}

/// Why no token was issued. A defect of ours, or more roles than there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueTokenError {
    /// The claims could not be written.
    #[error("the claims could not be encoded")]
    Encoding,
    /// The token would be over its bound.
    #[error("a token of {0} octets is over its bound of {TOKEN_BYTES_MAX}")]
    TooLarge(usize),
}

impl TokenAuthority {
    /// An authority that signs with the current one of these keys. They must be drawn for this and sign nothing else. Gateways that
    /// share them take up another one within `overlap`.
    pub fn new(urls: TenantUrls, keys: SigningKeys, overlap: Duration) -> Self {
        let header = Header { alg: ALG.into(), typ: TYP.into(), kid: keys.kid().to_string() };
        // Strings only: serialisation cannot fail, and an empty header would be refused by every reader.
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default());
        Self { urls, verifying: keys.jwks(), keys, overlap, header: header.into() }
    }

    /// The same with other keys, which verify what these have signed as long as they know them.
    #[must_use]
    pub fn with_keys(&self, keys: SigningKeys) -> Self {
        Self::new(self.urls.clone(), keys, self.overlap)
    }

    /// The key that signs, and those before it.
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// The name of the key that signs.
    pub fn kid(&self) -> KeyId {
        self.keys.kid()
    }

    /// A tenant's address, which is its tokens' issuer and audience.
    pub fn url(&self, tenant: &TenantName) -> String {
        self.urls.of(tenant)
    }

    /// Signs a token.
    ///
    /// # Errors
    /// [`IssueTokenError`].
    pub fn issue(
        &self,
        token: &AccessToken,
        tenant: TenantId,
        name: &TenantName,
    ) -> Result<Zeroizing<String>, IssueTokenError> {
        let claims = Claims::of(token, self.urls.of(name), tenant.to_string());
        let payload = serde_json::to_vec(&claims).map_err(|_| IssueTokenError::Encoding)?;
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(payload));
        let text = Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.keys.sign(signed.as_bytes()))));
        if text.len() > TOKEN_BYTES_MAX { Err(IssueTokenError::TooLarge(text.len())) } else { Ok(text) }
    }

    /// Verifies a token that was shown at a tenant's address.
    ///
    /// # Security
    /// It says what was issued and not what is so now: look up what it was issued for.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(
        &self,
        text: &str,
        tenant: TenantId,
        name: &TenantName,
        now: Micros,
    ) -> Result<AccessToken, TokenRefused> {
        self.verify_signed(text, tenant, name, now).map(|(token, _)| token)
    }

    /// The same, with what [`check_signed`](Self::check_signed) asks for later.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify_signed(
        &self,
        text: &str,
        tenant: TenantId,
        name: &TenantName,
        now: Micros,
    ) -> Result<(AccessToken, SignedBy), TokenRefused> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefused::Malformed)?;
        let kid = kid(&decode(header)?)?;
        let (signature, payload) = (decode(signature)?, decode(payload)?);
        match self.verifying.verifies(kid, signed.as_bytes(), &signature) {
            None => return Err(TokenRefused::KeyUnknown),
            Some(false) => return Err(TokenRefused::Signature),
            Some(true) => {}
        }
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenRefused::Claims)?;
        let url = self.urls.of(name);
        check(&claims, &url, &tenant.to_string(), now.epoch_seconds())?;
        let signed = SignedBy { kid, issued_at_seconds: claims.iat };
        self.check_retired(signed)?;
        Ok((claims.read().ok_or(TokenRefused::Claims)?, signed))
    }

    /// Whether a token that was verified before would be believed to be of its key still. Its own time is not looked at.
    ///
    /// # Errors
    /// `KeyUnknown` and `KeyRetired`.
    pub fn check_signed(&self, signed: SignedBy) -> Result<(), TokenRefused> {
        if !self.verifying.kids().any(|kid| kid == signed.kid) {
            return Err(TokenRefused::KeyUnknown);
        }
        self.check_retired(signed)
    }
}

impl TokenAuthority {
    /// A key that was replaced, because it leaked perhaps, is good for what it signed by then, and for nothing that says to be younger.
    fn check_retired(&self, signed: SignedBy) -> Result<(), TokenRefused> {
        let SignedBy { kid, issued_at_seconds } = signed;
        if kid == self.keys.kid() {
            return Ok(());
        }
        let retired_at = self.keys.retired_at(kid).ok_or(TokenRefused::KeyRetired)?;
        let last = retired_at.after(self.overlap).epoch_seconds().saturating_add(LEEWAY_SECONDS);
        if issued_at_seconds > last { Err(TokenRefused::KeyRetired) } else { Ok(()) }
    }
}

/// The key that a header names, once it is known to be one of ours. The algorithm is compared before anything is done with it: no
/// key can be used as the secret of an HMAC.
fn kid(json: &[u8]) -> Result<KeyId, TokenRefused> {
    let header: serde_json::Value = serde_json::from_slice(json).map_err(|_| TokenRefused::Malformed)?;
    if header.get("alg").and_then(|alg| alg.as_str()) != Some(ALG) {
        return Err(TokenRefused::Algorithm);
    }
    if header.get("typ").and_then(|typ| typ.as_str()) != Some(TYP) {
        return Err(TokenRefused::Type);
    }
    // From the text and not from the value above, which has already dropped repeated members.
    let header: Header = serde_json::from_slice(json).map_err(|_| TokenRefused::Header)?;
    KeyId::parse(&header.kid).ok_or(TokenRefused::Header)
}

fn check(claims: &Claims, url: &str, tenant: &str, now_seconds: i64) -> Result<(), TokenRefused> {
    if claims.iss != url {
        return Err(TokenRefused::Issuer);
    }
    if claims.aud != url {
        return Err(TokenRefused::Audience);
    }
    if claims.tenant != tenant {
        return Err(TokenRefused::Tenant);
    }
    if claims.iat > now_seconds.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenRefused::NotYetValid);
    }
    let lives_too_long = claims.exp.saturating_sub(claims.iat) > LIFETIME.as_secs().cast_signed();
    // No leeway: who issues it also verifies it, and a token that is renewed early costs nothing.
    if now_seconds >= claims.exp || lives_too_long { Err(TokenRefused::Expired) } else { Ok(()) }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenRefused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed)
}
