//! The name of a tenant's way to an identity provider.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A connection's name within its tenant: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
///
/// It stands in the address that the provider sends people back to, and it is a part of who they are: a renamed
/// connection is another one, with other people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionName(Arc<str>);

/// Why a text is no name of a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a connection's name: use 1 to 32 of a-z, 0-9 and `-`, beginning with a letter")]
pub struct ConnectionNameError(pub String);

impl ConnectionName {
    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// Anything else, with the text quoted and cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, ConnectionNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= 32 && text.bytes().all(inner) {
            Ok(Self(text.into()))
        } else {
            Err(ConnectionNameError(text.chars().take(80).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConnectionName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_otherwise_in_an_address_is_no_name() {
        assert_eq!(ConnectionName::parse("okta-2").unwrap().as_str(), "okta-2");
        for text in ["", "2okta", "-okta", "Okta", "ok ta", "ok/ta", "ok.ta", "ok_ta", "%6fkta", "öl", &"a".repeat(33)]
        {
            assert!(ConnectionName::parse(text).is_err(), "{text}");
        }
    }
}
