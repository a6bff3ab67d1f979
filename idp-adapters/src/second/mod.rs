//! What a person who is signed in proves beside: codes of an authenticator app (RFC 6238), recovery codes.
//!
//! Three things are always true of what stands here:
//! - a code counts once, whichever gateway it is shown to: the store says so, and nothing else does;
//! - guessing gets slower with every failure, for the address and, where a code is short, for the account: whoever guesses at
//!   an app's codes keeps nobody from using a recovery code;
//! - a secret is in clear for as long as a code is computed.

mod code;
mod totp;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{EnrolError, FactorName, Factors, SealedTotp};
use cedargate_model::{AuthnMethod, AuthnStrength, FactorId, Micros, PrincipalId, ProofKind, TenantId};

pub use code::PresentedCode;
pub use totp::TotpKey;

use crate::local::{DelayCurve, DelaySettings};
use crate::throttle::{Admission, Throttle};
use crate::{SignInError, Vault, VaultError};

/// The assurance level of a password and a code (NIST SP 800-63B-4 §2.2.1).
const LEVEL: u8 = 2;

/// Six digits, of which three count at a time: after some wrong ones one each hour, 24 a day.
const TOTP_GUESSES: DelayCurve = DelayCurve { first_delayed: 5, delay_max: Duration::from_secs(60 * 60) };

/// Nobody guesses 120 bits, so nobody is delayed for another's guesses: addresses alone are.
const RECOVERY_GUESSES: DelayCurve = DelayCurve { first_delayed: u32::MAX, delay_max: Duration::ZERO };

/// Far longer than the longest delay: waiting must not buy more guesses than going on.
const GUESSES_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Second factors in a store. Cheap to clone; clones share delays.
#[derive(Clone)]
pub struct SecondFactors {
    factors: Factors,
    vault: Arc<dyn Vault>,
    totp: Arc<Throttle>,
    recovery: Arc<Throttle>,
}

/// Somebody has just proved something beside their sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Proven {
    /// What kind of proof it was.
    pub kind: ProofKind,
    /// By which factor, where it is one of several.
    pub factor: Option<FactorId>,
    /// How strong it is.
    pub strength: AuthnStrength,
}

/// An enrolment that was begun: what the person's app has to know.
#[derive(Debug)]
pub struct Enrolment {
    /// What the person calls the app.
    pub name: FactorName,
    /// The key.
    pub key: TotpKey,
}

/// Why no authenticator app can be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolTotpError {
    /// The account, the store or the randomness does not allow it.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// No key could be drawn.
    #[error("the operating system gives no random numbers")]
    Entropy(#[source] getrandom::Error),
    /// The key could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl SecondFactors {
    /// The second factors of a store, with their secrets sealed in this vault.
    pub fn new(factors: Factors, vault: Arc<dyn Vault>) -> Self {
        let [totp, recovery] = [TOTP_GUESSES, RECOVERY_GUESSES].map(|account| {
            let delays = DelaySettings { account, forget_after: GUESSES_REMEMBERED, ..DelaySettings::default() };
            Arc::new(Throttle::new(delays))
        });
        Self { factors, vault, totp, recovery }
    }

    /// Where they are kept.
    pub fn store(&self) -> &Factors {
        &self.factors
    }

    /// Begins to enrol an authenticator app: draws its key, and keeps it until a code of it was shown.
    ///
    /// # Errors
    /// [`EnrolTotpError`].
    pub async fn begin(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        name: FactorName,
        now: Micros,
    ) -> Result<FactorId, EnrolTotpError> {
        let id = self.factors.draw_id(now).map_err(EnrolError::Entropy)?;
        let key = TotpKey::draw().map_err(EnrolTotpError::Entropy)?;
        let sealed_secret = self.vault.seal(&sealed_name(tenant, account, id), &key.to_base32())?;
        self.factors.begin_totp(tenant, account, &SealedTotp { id, name, sealed_secret }, now).await?;
        Ok(id)
    }

    /// The enrolment with this id, while it is open.
    ///
    /// # Errors
    /// [`SignInError::Store`], [`SignInError::Broken`].
    pub async fn enrolment(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        now: Micros,
    ) -> Result<Option<Enrolment>, SignInError> {
        match self.factors.pending_totp(tenant, account, factor, now).await? {
            None => Ok(None),
            Some(sealed) => {
                let key = self.open(tenant, account, &sealed)?;
                Ok(Some(Enrolment { name: sealed.name, key }))
            }
        }
    }

    /// Finishes an enrolment by a code of the app. The code counts as used.
    ///
    /// # Errors
    /// [`SignInError`]; `Failed` also where nothing is open under this id.
    pub async fn finish(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        factor: FactorId,
        code: &PresentedCode,
        client: IpAddr,
        now: Micros,
    ) -> Result<Proven, SignInError> {
        throttled(&self.totp, tenant, account, client, now, async {
            let Some(enrolment) = self.enrolment(tenant, account, factor, now).await? else { return Ok(None) };
            let Some(step) = code.as_totp().and_then(|code| enrolment.key.step_of(code, now)) else { return Ok(None) };
            let finished = self.factors.confirm_totp(tenant, account, factor, step, now).await?;
            Ok(finished.then(|| Proven::by_code(ProofKind::Totp, Some(factor))))
        })
        .await
    }

    /// Judges a code of a person who is signed in.
    ///
    /// # Errors
    /// [`SignInError`]; `Failed` whatever is wrong with it: no such code, used already, no such factor.
    pub async fn prove(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        code: &PresentedCode,
        client: IpAddr,
        now: Micros,
    ) -> Result<Proven, SignInError> {
        let throttle = match code.kind() {
            ProofKind::RecoveryCode => &self.recovery,
            ProofKind::Totp | ProofKind::Password => &self.totp,
        };
        throttled(throttle, tenant, account, client, now, async {
            if let Some(code) = code.as_totp() {
                return self.prove_totp(tenant, account, code, now).await;
            }
            let Some(code) = code.as_recovery() else { return Ok(None) };
            let spent = self.factors.spend_recovery_code(tenant, account, code).await?;
            Ok(spent.then(|| Proven::by_code(ProofKind::RecoveryCode, None)))
        })
        .await
    }

    async fn prove_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        code: &str,
        now: Micros,
    ) -> Result<Option<Proven>, SignInError> {
        let mut right = Vec::new();
        // All of them, so that the time it takes does not tell which of several apps is the right one.
        for sealed in self.factors.totps(tenant, account).await? {
            let step = self.open(tenant, account, &sealed)?.step_of(code, now);
            right.extend(step.map(|step| (sealed.id, step)));
        }
        for (factor, step) in right {
            if self.factors.spend_totp(tenant, account, factor, step, now).await? {
                return Ok(Some(Proven::by_code(ProofKind::Totp, Some(factor))));
            }
        }
        Ok(None)
    }

    fn open(&self, tenant: TenantId, account: PrincipalId, sealed: &SealedTotp) -> Result<TotpKey, SignInError> {
        let broken = |error: VaultError| SignInError::Broken(Box::new(error));
        let name = sealed_name(tenant, account, sealed.id);
        let secret = self.vault.open(&name, &sealed.sealed_secret).map_err(broken)?;
        TotpKey::parse(&secret).ok_or_else(|| SignInError::Broken("a stored key of an app is malformed".into()))
    }
}

impl fmt::Debug for SecondFactors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactors").finish_non_exhaustive()
    }
}

impl Proven {
    fn by_code(kind: ProofKind, factor: Option<FactorId>) -> Self {
        // A recovery code is used once, and that is all that `otp` says (RFC 8176 §2).
        Self { kind, factor, strength: AuthnStrength { level: LEVEL, methods: vec![AuthnMethod::Otp] } }
    }
}

/// What an app's secret is sealed for: this row of this person of this tenant.
fn sealed_name(tenant: TenantId, account: PrincipalId, factor: FactorId) -> String {
    format!("totp {tenant} {account} {factor}")
}

/// Judges unless there were too many failures before.
async fn throttled(
    throttle: &Throttle,
    tenant: TenantId,
    account: PrincipalId,
    client: IpAddr,
    now: Micros,
    judging: impl Future<Output = Result<Option<Proven>, SignInError>>,
) -> Result<Proven, SignInError> {
    let attempt = match throttle.admit(tenant, &account.to_string(), client, now) {
        Admission::Admitted(attempt) => attempt,
        Admission::Delayed { retry_after } => return Err(SignInError::Delayed { retry_after }),
    };
    // The attempt was counted as a failure beforehand, so that many at once cannot outrun the count.
    match judging.await {
        Ok(Some(proven)) => {
            throttle.succeeded(attempt);
            Ok(proven)
        }
        Ok(None) => Err(SignInError::Failed),
        Err(error) => {
            throttle.not_tried(attempt);
            Err(error)
        }
    }
}
