//! Why a provider's word was not believed.

use std::error::Error;

use cedargate_model::SigninReason;

/// A sign-in, or a sign-out by a provider, that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("refused: {reason}")]
pub struct Refused {
    /// Why, for the record.
    pub reason: SigninReason,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Refused {
    /// With what was behind it, for the operator's log.
    pub(crate) fn because(reason: SigninReason, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { reason, cause: Some(cause.into()) }
    }
}

impl From<SigninReason> for Refused {
    fn from(reason: SigninReason) -> Self {
        Self { reason, cause: None }
    }
}
