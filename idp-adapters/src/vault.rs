//! Where secrets are sealed that have to be read again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Seals secrets for the store. The app implements it with the master key.
pub trait Vault: Send + Sync {
    /// Seals a secret under a name, which has to be said again to open it: so that one row's secret cannot stand in another.
    ///
    /// # Errors
    /// [`VaultError`].
    fn seal(&self, name: &str, secret: &str) -> Result<String, VaultError>;

    /// Opens what was sealed under the same name.
    ///
    /// # Errors
    /// [`VaultError`] where it was sealed under another name or key, or was changed.
    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError>;

    /// Seals something that a browser keeps, as a short text of base64url without padding. Nothing that is sealed for the store opens as
    /// such, or the other way about.
    ///
    /// # Errors
    /// [`VaultError`].
    fn seal_for_browser(&self, name: &str, secret: &str) -> Result<String, VaultError> {
        self.seal(&in_browser(name), secret).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what was sealed for a browser under the same name.
    ///
    /// # Errors
    /// [`VaultError`] where it was sealed under another name or key, or was changed.
    fn open_from_browser(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|error| VaultError(error.into()))?;
        let sealed = String::from_utf8(sealed).map_err(|error| VaultError(error.into()))?;
        self.open(&in_browser(name), &sealed)
    }
}

fn in_browser(name: &str) -> String {
    format!("in a browser: {name}")
}

/// A secret could not be sealed or opened. No retry helps.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be sealed or opened")]
pub struct VaultError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
