//! Secrets that the store keeps, sealed under the master key as the keys in their files are.

use cedargate_idp_adapters::{Vault, VaultError};
use zeroize::Zeroizing;

use super::MasterKey;
use super::seal::{self, SealError};

/// Seals for the store. Gateways that share one need the same master key.
pub(crate) struct StoreVault(pub(super) MasterKey);

impl Vault for StoreVault {
    fn seal(&self, name: &str, secret: &str) -> Result<String, VaultError> {
        seal::seal(&self.0, name, secret).map_err(failed)
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        seal::open(&self.0, name, sealed).map_err(failed)
    }
}

fn failed(error: SealError) -> VaultError {
    VaultError(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_name_alone() {
        let vault = StoreVault(MasterKey::parse(&"0123456789abcdef".repeat(4)).unwrap());
        let sealed = vault.seal("totp of ada", "secret").unwrap();
        assert!(!sealed.contains("secret") && sealed.len() < 600, "{sealed}");
        assert_eq!(*vault.open("totp of ada", &sealed).unwrap(), "secret");
        assert!(vault.open("totp of bob", &sealed).is_err());
    }
}
