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

    fn seal_for_browser(&self, name: &str, secret: &str) -> Result<String, VaultError> {
        seal::seal_short(&self.0, name, secret).map_err(failed)
    }

    fn open_from_browser(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        seal::open_short(&self.0, name, sealed).map_err(failed)
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

    #[test]
    fn what_a_browser_keeps_is_short_and_opens_under_its_name_alone() {
        let [vault, another] =
            ["0123456789abcdef", "fedcba9876543210"].map(|key| StoreVault(MasterKey::parse(&key.repeat(4)).unwrap()));
        let secret = "x".repeat(2_600);
        let sealed = vault.seal_for_browser("a sign-in", &secret).unwrap();
        assert!(sealed.len() < 3_600, "it has to fit into a cookie: {}", sealed.len());
        assert!(sealed.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')));
        assert_eq!(*vault.open_from_browser("a sign-in", &sealed).unwrap(), secret);
        assert!(vault.open_from_browser("another", &sealed).is_err());
        assert!(another.open_from_browser("a sign-in", &sealed).is_err());
        let kept = vault.seal("a sign-in", "secret").unwrap();
        assert!(vault.open_from_browser("a sign-in", &kept).is_err());
        assert!(vault.open("a sign-in", &sealed).is_err());
        for at in [0, 40, sealed.len() / 2, sealed.len() - 1] {
            let mut octets = sealed.clone().into_bytes();
            octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
            assert!(vault.open_from_browser("a sign-in", &String::from_utf8(octets).unwrap()).is_err(), "{at}");
        }
        for nothing in ["", "A", "AAAA", "====", "not base64!"] {
            assert!(vault.open_from_browser("a sign-in", nothing).is_err(), "{nothing}");
        }
    }
}
