//! Which passwords may be set.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_identity::Email;
use cedargate_model::TenantName;
use unicode_normalization::UnicodeNormalization as _;

use super::{NewPassword, NewPasswordError, PASSWORD_CHARS_MIN};
use crate::breached::{Breach, BreachedError, BreachedPasswords};

/// What a password must be to be set, wherever it is set (NIST SP 800-63B-4 §3.1.1.2): long enough, none that was stolen somewhere, and
/// not made of the person's address. There are no rules about kinds of characters.
#[derive(Clone, Debug)]
pub struct PasswordRules {
    breached: Arc<BreachedPasswords>,
    /// What tenants ask beyond [`PASSWORD_CHARS_MIN`]. A shorter one would be a single factor, too: who has a second one is not known yet.
    chars_min: Arc<BTreeMap<TenantName, usize>>,
}

/// Why a password is not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordRefused {
    /// It breaks a rule that holds everywhere.
    #[error(transparent)]
    Rule(#[from] NewPasswordError),
    /// The tenant asks for more.
    #[error("a password has at least {0} characters here; several words make a good one")]
    TooShortHere(usize),
    /// It stands in a list of stolen ones.
    #[error("this password was stolen somewhere and is known to those who guess; choose another one")]
    Breached,
    /// The address is in it.
    #[error("a password has nothing of the e-mail address in it")]
    OwnAddress,
    /// The list cannot be asked.
    #[error("it cannot be told whether this password was stolen somewhere; try again later")]
    Unknown(#[source] BreachedError),
}

impl PasswordRules {
    /// Rules by a list of stolen passwords, and by what tenants ask.
    pub fn new(breached: BreachedPasswords, chars_min: BTreeMap<TenantName, usize>) -> Self {
        Self { breached: Arc::new(breached), chars_min: Arc::new(chars_min) }
    }

    /// How many characters a tenant's passwords have at least.
    pub fn chars_min(&self, tenant: &TenantName) -> usize {
        self.chars_min.get(tenant).copied().unwrap_or(0).max(PASSWORD_CHARS_MIN)
    }

    /// Accepts a password for somebody with this address.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub async fn accept(&self, tenant: &TenantName, text: &str, email: &Email) -> Result<NewPassword, PasswordRefused> {
        let password = NewPassword::parse(text)?;
        let chars_min = self.chars_min(tenant);
        if password.expose().nfkc().count() < chars_min {
            return Err(PasswordRefused::TooShortHere(chars_min));
        }
        if is_made_of(password.expose(), email) {
            return Err(PasswordRefused::OwnAddress);
        }
        match self.breached.look_for(&password).await {
            Ok(Breach::NotKnown) => Ok(password),
            Ok(Breach::Known) => Err(PasswordRefused::Breached),
            Err(error) => Err(PasswordRefused::Unknown(error)),
        }
    }
}

impl Default for PasswordRules {
    /// No list, and no tenant that asks for more.
    fn default() -> Self {
        Self::new(BreachedPasswords::none(), BTreeMap::new())
    }
}

/// Whether the address is what a password is made of. A local part of three letters may be a word like any other.
fn is_made_of(password: &str, email: &Email) -> bool {
    const TELLING: usize = 5;
    let password = password.to_lowercase();
    let local = email.as_str().split('@').next().unwrap_or_default();
    let telling = local.len() >= TELLING && password.len() < local.len() * 2 + TELLING;
    password.contains(email.as_str()) || (telling && password.contains(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_may_ask_for_more_and_not_for_less() {
        let [acme, globex, initech] = ["acme", "globex", "initech"].map(|name| TenantName::parse(name).unwrap());
        let chars_min = BTreeMap::from([(acme.clone(), 20), (globex.clone(), 8)]);
        let rules = PasswordRules::new(BreachedPasswords::none(), chars_min);
        let ada = Email::parse("ada@example.com").unwrap();
        let sixteen = "correct horse ba";
        assert!(matches!(rules.accept(&acme, sixteen, &ada).await, Err(PasswordRefused::TooShortHere(20))));
        assert!(rules.accept(&acme, "correct horse battery", &ada).await.is_ok());
        assert!(rules.accept(&initech, sixteen, &ada).await.is_ok());
        let fourteen = &sixteen[..14];
        for tenant in [&globex, &initech] {
            let refused = rules.accept(tenant, fourteen, &ada).await;
            assert!(matches!(refused, Err(PasswordRefused::Rule(NewPasswordError::TooShort))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn the_own_address_makes_no_password() {
        let acme = TenantName::parse("acme").unwrap();
        let rules = PasswordRules::default();
        let ada = Email::parse("lovelace@example.com").unwrap();
        for text in ["lovelace@example.com", "My Lovelace@Example.com", "lovelace-2026!!"] {
            assert!(matches!(rules.accept(&acme, text, &ada).await, Err(PasswordRefused::OwnAddress)), "{text}");
        }
        assert!(rules.accept(&acme, "the engine of lovelace weaves patterns", &ada).await.is_ok());
    }
}
