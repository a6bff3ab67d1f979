//! Whom an identity provider means.

use std::fmt;

use cedargate_model::ConnectionName;

/// Somebody at an identity provider: by which connection, by whose word, and who.
///
/// All three together name one person. An e-mail address names nobody: providers let people choose theirs, and give one
/// that was left to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The connection.
    pub connection: ConnectionName,
    /// The issuer, or the entity that a SAML assertion is of.
    pub issuer: Issuer,
    /// The subject.
    pub subject: Subject,
}

/// Who says so: an issuer's URL or entity's id, exactly as it was configured. 1 to 512 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(String);

/// Who it is at the provider: 1 to 255 visible ASCII characters, compared exactly (OIDC Core §2, `sub`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(String);

/// A text that cannot be part of an identity. It is not repeated: it may be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not an issuer.
    #[error("an issuer has 1 to 512 visible ASCII characters")]
    Issuer,
    /// Not a subject.
    #[error("a subject has 1 to 255 visible ASCII characters")]
    Subject,
}

impl Issuer {
    /// Accepts an issuer.
    ///
    /// # Errors
    /// [`IdentityError::Issuer`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if is_plain(text, 512) { Ok(Self(text.to_owned())) } else { Err(IdentityError::Issuer) }
    }

    /// The issuer as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// Accepts a subject. Nothing is trimmed, folded or normalised: two spellings are two people.
    ///
    /// # Errors
    /// [`IdentityError::Subject`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if is_plain(text, 255) { Ok(Self(text.to_owned())) } else { Err(IdentityError::Subject) }
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A space inside is allowed: some directories use distinguished names.
fn is_plain(text: &str, max: usize) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_graphic());
    (1..=max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_could_be_taken_for_another_is_none() {
        assert_eq!(Subject::parse("CN=Ada L, O=Acme").unwrap().as_str(), "CN=Ada L, O=Acme");
        for text in ["", " ", " ada", "ada ", "ada\0", "a\nb", "ad\u{e4}", "\u{200b}ada", &"a".repeat(256)] {
            assert_eq!(Subject::parse(text), Err(IdentityError::Subject), "{text:?}");
        }
        assert!(Issuer::parse(&"a".repeat(513)).is_err());
    }
}
