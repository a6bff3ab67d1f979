//! What is configured of an OpenID provider.

use std::fmt;
use std::time::Duration;

use cedargate_identity::Issuer;
use zeroize::Zeroizing;

use super::address::{ProviderUrl, ProviderUrlError};
use super::client_key::ClientKeys;

/// How far a provider's clock may be off, at most: beyond it, a token's times mean nothing.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);

/// What is configured of an OpenID provider. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// Who the provider is. Its answers and tokens must say exactly this.
    pub issuer: OidcIssuer,
    /// What the gateway is called there.
    pub client_id: String,
    /// How the gateway proves that it is this client.
    pub authentication: ClientAuthentication,
    /// What is asked for; `openid` is among it.
    pub scopes: Vec<String>,
    /// How far the provider's clock may be off: at most [`CLOCK_SKEW_MAX`].
    pub clock_skew: Duration,
    /// Whether what is asked is pushed to the provider behind the browser's back, where it offers that (RFC 9126).
    pub pushed: bool,
    /// Whether the userinfo endpoint is asked for claims that the ID token does not have.
    pub userinfo: bool,
}

/// An issuer: a URL that can be called, kept as it was written, because it is compared as text (OIDC Core §2, `iss`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcIssuer {
    issuer: Issuer,
    url: ProviderUrl,
}

/// Why a text is no issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcIssuerError {
    /// It cannot be called.
    #[error(transparent)]
    Url(#[from] ProviderUrlError),
    /// It is no issuer for another reason.
    #[error("an issuer is a URL without query and fragment, of at most 512 characters")]
    Shape,
}

/// How the gateway proves to a token endpoint which client it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// A secret, in the `Authorization` header (RFC 6749 §2.3.1).
    SecretBasic(ClientSecret),
    /// A secret, in the body: for providers that cannot read the header.
    SecretPost(ClientSecret),
    /// A proof signed by a key of the gateway's own (RFC 7523 §2.2): no secret is sent, and none is kept at the provider.
    PrivateKeyJwt {
        /// The keys.
        keys: ClientKeys,
        /// What a proof is addressed to.
        audience: ProofAudience,
    },
}

/// What a proof of the client is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofAudience {
    /// The provider: a proof that another one comes by is of no use to it (RFC 7523bis).
    Issuer,
    /// Its token endpoint: for providers that ask for this.
    TokenEndpoint,
}

/// A client's secret. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(Zeroizing<String>);

impl OidcIssuer {
    /// Accepts an issuer.
    ///
    /// # Errors
    /// [`OidcIssuerError`].
    pub fn parse(text: &str) -> Result<Self, OidcIssuerError> {
        let url = ProviderUrl::parse(text)?;
        if url.url().query().is_some() {
            return Err(OidcIssuerError::Shape);
        }
        let issuer = Issuer::parse(text).map_err(|_| OidcIssuerError::Shape)?;
        Ok(Self { issuer, url })
    }

    /// The issuer as it is compared and kept.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where it is.
    pub fn url(&self) -> &ProviderUrl {
        &self.url
    }
}

impl ClientSecret {
    /// A secret as the provider gave it, without the line's end of the file that it came from. `None` where nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        (!text.is_empty()).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret.
    ///
    /// # Security
    /// Only for the provider's token endpoint.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

#[cfg(test)]
impl OidcSettings {
    pub(crate) fn for_tests(issuer: &str) -> Self {
        Self {
            issuer: OidcIssuer::parse(issuer).unwrap(),
            client_id: "cedargate".to_owned(),
            authentication: ClientAuthentication::SecretBasic(ClientSecret::new("s3cret").unwrap()),
            scopes: vec!["openid".to_owned()],
            clock_skew: Duration::from_secs(60),
            pushed: true,
            userinfo: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_as_it_is_written() {
        for text in ["https://idp.example", "https://idp.example/", "https://IDP.example/tenant/v2.0"] {
            assert_eq!(OidcIssuer::parse(text).unwrap().issuer().as_str(), text);
        }
        for text in ["https://idp.example/?a=b", "https://idp.example/#a", "http://idp.example", "idp.example", ""] {
            assert!(OidcIssuer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        assert!(!format!("{:?}", OidcSettings::for_tests("https://idp.example")).contains("s3cret"));
        assert_eq!(ClientSecret::new("\r\n"), None);
        assert_eq!(ClientSecret::new(" a b \n").unwrap().expose(), " a b ");
    }
}
