//! Where secrets are sealed that have to be read again.

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
}

/// A secret could not be sealed or opened. No retry helps.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret could not be sealed or opened")]
pub struct VaultError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
