//! What every way in has in common.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use cedargate_identity::StoreError;
use cedargate_model::{AuthnStrength, Micros, PrincipalId, TenantId};

/// One way of proving who one is.
pub trait SignInAdapter: Send + Sync {
    /// What a person presents.
    type Proof: Send;

    /// Judges a proof for a tenant's people, presented from an address.
    ///
    /// # Errors
    /// [`SignInError`]. Dropping the future counts the attempt as failed where attempts are counted.
    fn sign_in(
        &self,
        tenant: TenantId,
        proof: Self::Proof,
        client: IpAddr,
        now: Micros,
    ) -> impl Future<Output = Result<Authenticated, SignInError>> + Send;
}

/// Somebody who has just proved who they are. What a session may be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Authenticated {
    /// Who.
    pub principal: PrincipalId,
    /// How strongly.
    pub strength: AuthnStrength,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The proof proves nothing. Never says more: not whether there is such an account.
    #[error("the sign-in failed")]
    Failed,
    /// Too many failures: not even tried. The same whether or not there is such an account.
    #[error("too many failed sign-ins, the next is due in {} s", retry_after.as_secs())]
    Delayed {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many sign-ins at once. A retry helps.
    #[error("too many sign-ins at once")]
    Busy,
    /// The store failed. A retry may help.
    #[error("the account could not be read")]
    Store(#[from] StoreError),
    /// We are broken: a stored hash is malformed, or a worker was lost.
    #[error("the proof could not be judged")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}
