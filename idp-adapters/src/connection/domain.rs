//! The domain of people's addresses.

use std::fmt;

/// A domain name in lower-case ASCII, of at least two labels: `acme.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailDomain(String);

/// Why a text is no domain of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a domain of addresses; write it as `acme.example`, in ASCII (`xn--` where it is not)")]
pub struct EmailDomainError(String);

impl EmailDomain {
    /// Accepts a domain and brings it into lower case.
    ///
    /// # Errors
    /// [`EmailDomainError`].
    pub fn parse(text: &str) -> Result<Self, EmailDomainError> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= 253 && text.contains('.') && text.split('.').all(label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(EmailDomainError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_domains_are_domains() {
        assert_eq!(EmailDomain::parse("Acme.Example").unwrap().to_string(), "acme.example");
        for text in
            ["", "acme", "@acme.example", ".example", "acme.", "a..b", "a b.c", "*.acme.example", "-a.b", "ä.example"]
        {
            assert!(EmailDomain::parse(text).is_err(), "{text}");
        }
    }
}
