//! What can be wrong.

use std::error::Error;
use std::time::Duration;

use cedargate_identity::{AddCredentialError, BeginCeremonyError, HolderError, SpendCeremonyError, StoreError};
use cedargate_model::{FactorId, PrincipalId, ProofKind, SigninReason};
use webauthn_rs_core::error::WebauthnError as CoreError;

use crate::FindError;

/// An answer that proved nothing, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedAnswer {
    /// What was wrong.
    pub reason: SigninReason,
    /// What kind of proof it was meant to be, as far as that is known.
    pub kind: ProofKind,
    /// The credential that it names, where the account has it.
    pub factor: Option<FactorId>,
    /// Whose key signed it, where that was verified before it was refused.
    pub person: Option<PrincipalId>,
}

/// Why nothing was proved, or nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum WebauthnError {
    /// The answer proves nothing. Whoever sent it is told no more than that.
    #[error("the authenticator's answer proves nothing: {}", .0.reason)]
    Refused(RefusedAnswer),
    /// Too many failures from this address: not even tried.
    #[error("too many failures, the next attempt is due in {} s", retry_after.as_secs())]
    Delayed {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The account has as many factors as it may have.
    #[error("the account has as many factors as it may have")]
    TooMany,
    /// The session may add no factor.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// The session is over.
    #[error("the session is over")]
    SessionGone,
    /// The store failed. A retry may help.
    #[error("credentials could not be read or written")]
    Store(#[from] StoreError),
    /// We are broken: no randomness, or something stored does not open.
    #[error("the answer could not be judged")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl RefusedAnswer {
    /// Nothing more is known than what was wrong.
    pub(super) fn for_reason(reason: SigninReason) -> Self {
        Self { reason, kind: ProofKind::Passkey, factor: None, person: None }
    }
}

impl From<RefusedAnswer> for WebauthnError {
    fn from(refused: RefusedAnswer) -> Self {
        Self::Refused(refused)
    }
}

impl WebauthnError {
    pub(super) fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

impl From<BeginCeremonyError> for WebauthnError {
    fn from(error: BeginCeremonyError) -> Self {
        match error {
            BeginCeremonyError::SessionGone(_) => Self::SessionGone,
            BeginCeremonyError::Store(error) => Self::Store(error),
        }
    }
}

impl From<AddCredentialError> for WebauthnError {
    fn from(error: AddCredentialError) -> Self {
        match error {
            AddCredentialError::Known => RefusedAnswer::for_reason(SigninReason::CredentialKnown).into(),
            AddCredentialError::TooMany => Self::TooMany,
            AddCredentialError::Holder(error) => Self::Holder(error),
            AddCredentialError::Entropy(error) => Self::broken(error),
            AddCredentialError::Store(error) => Self::Store(error),
        }
    }
}

impl From<SpendCeremonyError> for WebauthnError {
    fn from(error: SpendCeremonyError) -> Self {
        let reason = match error {
            SpendCeremonyError::Unknown => SigninReason::CeremonyUnknown,
            SpendCeremonyError::Spent => SigninReason::CeremonySpent,
            SpendCeremonyError::Expired => SigninReason::CeremonyExpired,
            SpendCeremonyError::Store(error) => return Self::Store(error),
        };
        RefusedAnswer::for_reason(reason).into()
    }
}

impl From<FindError> for WebauthnError {
    fn from(error: FindError) -> Self {
        let reason = match error {
            FindError::BrowserDiffers => SigninReason::BrowserMismatch,
            FindError::Expired => SigninReason::CeremonyExpired,
            FindError::Spent => SigninReason::CeremonySpent,
            // Passkeys are asked for by no connection.
            FindError::ConnectionDiffers => SigninReason::CeremonyUnknown,
            FindError::Store(error) => return Self::Store(error),
        };
        RefusedAnswer::for_reason(reason).into()
    }
}

/// The reason for the record. What the verifier says beyond these is that it cannot read what it was given.
pub(super) fn reason_of(error: &CoreError) -> SigninReason {
    match error {
        CoreError::InvalidClientDataType => SigninReason::ClientDataType,
        CoreError::MismatchedChallenge => SigninReason::ChallengeMismatch,
        CoreError::InvalidRPOrigin => SigninReason::ClientDataOrigin,
        CoreError::CredentialCrossOrigin => SigninReason::ClientDataCrossOrigin,
        CoreError::InvalidRPIDHash => SigninReason::RpIdMismatch,
        CoreError::UserNotPresent => SigninReason::UserNotPresent,
        CoreError::UserNotVerified => SigninReason::UserNotVerified,
        CoreError::CredentialNotFound => SigninReason::CredentialUnknown,
        CoreError::CredentialAlteredAlgFromRequest => SigninReason::CredentialAlgorithm,
        CoreError::CredentialBackupEligibilityInconsistent | CoreError::CredentialMayNotBeHardwareBound => {
            SigninReason::CredentialChanged
        }
        CoreError::CredentialPossibleCompromise => SigninReason::CounterRegressed,
        CoreError::AuthenticationFailure => SigninReason::SignatureInvalid,
        // Somebody else's enumeration, and the rest of it is about texts that cannot be read.
        _ => SigninReason::CredentialMalformed,
    }
}
