//! Passkeys and security keys (WebAuthn Level 3): to sign in with, and to prove beside a sign-in.
//!
//! Four things are always true of what stands here:
//! - the RP ID is the host that was asked, never a domain above it, and the origin is that host's alone, with the scheme and port
//!   of the configuration: what was made for one tenant is nothing to another;
//! - what an authenticator was asked is sealed, in the store or in the browser that asks, and is good for one answer that is right, of one
//!   session or one browser;
//! - a signature counter only grows, whichever gateway it is shown to: the store says so;
//! - each thing that can be wrong has a reason of its own for the record, and whoever sent it learns none of them.
//!
//! `webauthn-rs-core` reads what authenticators send and verifies signatures; decision 8 says why it and not the crate around it.
//! Attestation is neither asked for nor kept.

mod answer;
mod assertion;
mod refused;
mod registration;
mod relying_party;
mod state;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{Accounts, Factors, SealedCredential, WebauthnCeremonies, WebauthnKind};
use cedargate_model::{AuthnMethod, AuthnStrength, FactorId, Micros, PrincipalId, SigninReason, TenantId};
use uuid::Uuid;
use webauthn_rs_core::proto::Credential;

pub use assertion::PasskeySignIn;
pub use refused::{RefusedAnswer, WebauthnError};
pub use registration::{NewCredential, Registrant};
pub use relying_party::{PublicPlace, RelyingParty};

use crate::local::{DelayCurve, DelaySettings};
use crate::second::Proven;
use crate::throttle::{Admission, Throttle};
use crate::{BrowserKept, Vault};

/// What a verified person, or a second thing that they have, is good for (NIST SP 800-63B-4 §2.2). Level 3 asks for keys that
/// cannot leave their hardware, and without attestation that is an authenticator's word alone.
const LEVEL: u8 = 2;

/// Nobody guesses a signature, so nobody is delayed for another's attempts: addresses alone are, for the work that they make.
const ATTEMPTS: DelayCurve = DelayCurve { first_delayed: u32::MAX, delay_max: Duration::ZERO };

/// What is asked of whom: to which tenant, at which of its hosts, from where and when.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The host and origin that the person is at.
    pub relying_party: &'a RelyingParty,
    /// The client's address.
    pub client: IpAddr,
    /// The present moment.
    pub now: Micros,
}

/// A ceremony that was begun: for the browser to pass on to an authenticator, and to bring back.
#[derive(Clone, Debug)]
pub struct BegunCeremony {
    /// Its id.
    pub id: Uuid,
    /// The options for `navigator.credentials`, as JSON (WebAuthn §5.1.8, §5.1.9).
    pub options: serde_json::Value,
}

/// WebAuthn credentials in a store. Cheap to clone; clones share delays.
#[derive(Clone)]
pub struct Webauthn {
    factors: Factors,
    accounts: Accounts,
    ceremonies: WebauthnCeremonies,
    vault: Arc<dyn Vault>,
    place: PublicPlace,
    kept: BrowserKept,
    signing_in: Arc<Throttle>,
    /// Apart from the other: whoever fails to sign in from an address keeps nobody there from proving again who they are.
    signed_in: Arc<Throttle>,
}

impl Webauthn {
    /// The credentials of a store, sealed in this vault, for hosts that people reach at this place. Browsers keep what people who sign
    /// in were asked.
    pub fn new(
        factors: Factors,
        accounts: Accounts,
        ceremonies: WebauthnCeremonies,
        vault: Arc<dyn Vault>,
        kept: BrowserKept,
        place: PublicPlace,
    ) -> Self {
        let throttle =
            || Arc::new(Throttle::of_tenants_apart(DelaySettings { account: ATTEMPTS, ..DelaySettings::default() }));
        let (signing_in, signed_in) = (throttle(), throttle());
        Self { factors, accounts, ceremonies, vault, place, kept, signing_in, signed_in }
    }

    /// The relying party that a host is; none where the host is an address, which no authenticator takes.
    pub fn relying_party(&self, host: &str) -> Option<RelyingParty> {
        self.place.relying_party(host)
    }

    /// Opens a credential of the store, with the signature counter that the store knows.
    fn open(&self, tenant: TenantId, sealed: &SealedCredential) -> Result<Credential, WebauthnError> {
        let name = sealed_name(tenant, sealed.account, sealed.id);
        let text = self.vault.open(&name, &sealed.sealed_key).map_err(WebauthnError::broken)?;
        let mut credential: Credential = serde_json::from_str(&text).map_err(WebauthnError::broken)?;
        if credential.cred_id != sealed.credential_id {
            return Err(WebauthnError::broken("a stored credential is another's"));
        }
        credential.counter = sealed.sign_count;
        Ok(credential)
    }

    /// Judges unless there were too many failures from this address before.
    async fn throttled<T>(
        throttle: &Throttle,
        asking: Asking<'_>,
        whose: &str,
        judging: impl Future<Output = Result<T, WebauthnError>>,
    ) -> Result<T, WebauthnError> {
        let attempt = match throttle.admit(asking.tenant, whose, asking.client, asking.now) {
            Admission::Admitted(attempt) => attempt,
            Admission::Delayed { retry_after } => return Err(WebauthnError::Delayed { retry_after }),
        };
        let judged = judging.await;
        match &judged {
            Ok(_) => throttle.succeeded(attempt),
            // Counted as a failure already.
            Err(WebauthnError::Refused(_)) => {}
            Err(_) => throttle.not_tried(attempt),
        }
        judged
    }
}

impl fmt::Debug for Webauthn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webauthn").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What a credential proves. A key that may be copied between devices says so, and policies hear it (RFC 8176 §2). That one stays in its
/// hardware is an authenticator's own word, which a program may give as well: without attestation it proves possession, and no more.
fn proven(kind: WebauthnKind, factor: FactorId, credential: &Credential) -> Proven {
    let method = if credential.backup_eligible { AuthnMethod::Swk } else { AuthnMethod::Pop };
    let strength = AuthnStrength { level: LEVEL, methods: vec![method] };
    Proven { kind: kind.proof(), factor: Some(factor), strength }
}

/// What a credential is sealed for: this row of this person of this tenant.
fn sealed_name(tenant: TenantId, account: PrincipalId, factor: FactorId) -> String {
    format!("webauthn {tenant} {account} {factor}")
}

fn refuse<T>(reason: SigninReason) -> Result<T, WebauthnError> {
    Err(RefusedAnswer::for_reason(reason).into())
}
