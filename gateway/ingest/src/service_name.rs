//! A service's name.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A service as routes and upstreams name it: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ServiceName(Arc<str>);

/// Why a text is no service's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    /// Not of these characters, or too long.
    #[error("`{0}` is not a service's name: use 1 to 64 of a-z, 0-9, `-` and `_`, as in `[upstreams.NAME]`")]
    Malformed(String),
    /// The gateway says itself what it does.
    #[error("`gateway` is the gateway itself, which needs no credential")]
    Gateway,
}

impl ServiceName {
    /// Accepts a service's name.
    ///
    /// # Errors
    /// [`ServiceNameError`], with the text cut to 80 characters.
    pub fn parse(text: &str) -> Result<Self, ServiceNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !((1..=64).contains(&text.len()) && text.bytes().all(inner)) {
            return Err(ServiceNameError::Malformed(text.chars().take(80).collect()));
        }
        if text == "gateway" { Err(ServiceNameError::Gateway) } else { Ok(Self(text.into())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServiceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
