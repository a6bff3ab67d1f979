//! What a person who is signed in proves beside: codes of an authenticator app (RFC 6238), recovery codes.
//!
//! Three things are always true of what stands here:
//! - a code counts once, whichever gateway it is shown to: the store says so, and nothing else does;
//! - guessing gets slower with every failure, for the address and, where a code is short, for the account, at all gateways of a store
//!   together: whoever guesses at an app's codes keeps nobody from using a recovery code;
//! - a secret is in clear for as long as a code is computed.

mod code;
mod totp;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{EnrolError, Enrolled, FactorName, Factors, Holder, HolderError, Ready, SealedTotp, Shown};
use cedargate_model::{AuthnMethod, AuthnStrength, FactorId, Micros, PrincipalId, ProofKind, TenantId};

pub use code::PresentedCode;
pub use totp::TotpKey;

use crate::Client;
use crate::guessing::Guessing;
use crate::local::DelayCurve;
use crate::{SignInError, Vault, VaultError};

/// The assurance level of a password and a code (NIST SP 800-63B-4 §2.2.1).
const LEVEL: u8 = 2;

/// Six digits, of which three count at a time: after some wrong ones one each hour, 24 a day.
const TOTP_GUESSES: DelayCurve = DelayCurve { first_delayed: 5, delay_max: Duration::from_secs(60 * 60) };

/// Second factors in a store. Cheap to clone; clones share delays.
#[derive(Clone)]
pub struct SecondFactors {
    factors: Factors,
    vault: Arc<dyn Vault>,
    totp: Arc<Guessing>,
    recovery: Arc<Guessing>,
    enrolling: Arc<Guessing>,
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

/// Why an enrolment is not finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The code proves nothing, or cannot be judged.
    #[error(transparent)]
    Proof(SignInError),
    /// The session, the account or the store does not allow it.
    #[error(transparent)]
    Enrol(EnrolError),
}

impl SecondFactors {
    /// The second factors of a store, with their secrets sealed in this vault.
    pub fn new(factors: Factors, vault: Arc<dyn Vault>) -> Self {
        let totp = Guessing::at(ProofKind::Totp, TOTP_GUESSES, factors.guesses());
        // Nobody guesses 120 bits, so nobody is delayed for another's guesses: addresses alone are.
        let recovery = Guessing::at_what_nobody_guesses();
        let enrolling = Guessing::at_what_nobody_guesses();
        let (totp, recovery, enrolling) = (Arc::new(totp), Arc::new(recovery), Arc::new(enrolling));
        Self { factors, vault, totp, recovery, enrolling }
    }

    /// Where they are kept.
    pub fn store(&self) -> &Factors {
        &self.factors
    }

    /// Begins to enrol an authenticator app: draws its key, and keeps it for this session until a code of it was shown.
    ///
    /// # Security
    /// The caller has judged what it says was `shown`, in this request.
    ///
    /// # Errors
    /// [`EnrolTotpError`].
    pub async fn begin(
        &self,
        holder: Holder,
        name: FactorName,
        shown: Shown,
        now: Micros,
    ) -> Result<FactorId, EnrolTotpError> {
        let id = self.factors.draw_id(now).map_err(EnrolError::Entropy)?;
        let key = TotpKey::draw().map_err(EnrolTotpError::Entropy)?;
        let name_of_row = sealed_name(holder.tenant, holder.account, id);
        let sealed_secret = self.vault.seal(&name_of_row, &key.to_base32())?;
        self.factors.begin_totp(holder, &SealedTotp { id, name, sealed_secret }, shown, now).await?;
        Ok(id)
    }

    /// The session's enrolment with this id, while it is open.
    ///
    /// # Errors
    /// [`SignInError::Store`], [`SignInError::Broken`].
    pub async fn enrolment(
        &self,
        holder: Holder,
        factor: FactorId,
        now: Micros,
    ) -> Result<Option<Enrolment>, SignInError> {
        match self.factors.pending_totp(holder, factor, now).await? {
            None => Ok(None),
            Some(sealed) => {
                let key = self.open(holder.tenant, holder.account, &sealed)?;
                Ok(Some(Enrolment { name: sealed.name, key }))
            }
        }
    }

    /// Finishes an enrolment by a code of the app. The code counts as used. The caller makes the event durable and commits.
    ///
    /// # Errors
    /// [`FinishError`]; the proof is `Failed` also where nothing is open under this id.
    pub async fn finish(
        &self,
        holder: Holder,
        factor: FactorId,
        code: &PresentedCode,
        client: Client,
        now: Micros,
    ) -> Result<(Ready<Enrolled>, Proven), FinishError> {
        let Holder { tenant, account, .. } = holder;
        // Before anything is judged: whoever may not is told so, whatever the code.
        match self.factors.may_change(holder, now).await {
            Ok(()) | Err(HolderError::SessionOver) => {}
            Err(error) => return Err(FinishError::Enrol(error.into())),
        }
        // A code of one's own enrolment is nobody's to guess: it neither counts as a guess at the account's factors nor forgets any.
        let step = self.enrolling.judged(tenant, account, client, now, async {
            let Some(enrolment) = self.enrolment(holder, factor, now).await? else { return Ok(None) };
            Ok(code.as_totp().and_then(|code| enrolment.key.step_of(code, now)))
        });
        let step = step.await.map_err(FinishError::Proof)?;
        let enrolled = self.factors.confirm_totp(holder, factor, step, now).await.map_err(FinishError::Enrol)?;
        // Of two at once, one finished it.
        let enrolled = enrolled.ok_or(FinishError::Proof(SignInError::Failed))?;
        Ok((enrolled, Proven::by_code(ProofKind::Totp, Some(factor))))
    }

    /// Judges a code of a person who is signed in. It is spent once that is committed, with what comes of it.
    ///
    /// # Errors
    /// [`SignInError`]; `Failed` whatever is wrong with it: no such code, used already, no such factor.
    pub async fn prove(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        code: &PresentedCode,
        client: Client,
        now: Micros,
    ) -> Result<(Proven, Ready<()>), SignInError> {
        let guessing = match code.kind() {
            ProofKind::RecoveryCode => &self.recovery,
            ProofKind::Totp | ProofKind::Password | ProofKind::Passkey | ProofKind::SecurityKey => &self.totp,
        };
        let judged = guessing.judged_with(tenant, account, client, now, async {
            if let Some(code) = code.as_totp() {
                return self.prove_totp(tenant, account, code, now).await;
            }
            let Some(code) = code.as_recovery() else { return Ok(None) };
            let spent = self.factors.spend_recovery_code(tenant, account, code).await?;
            Ok(spent.map(|spent| (Proven::by_code(ProofKind::RecoveryCode, None), spent)))
        });
        judged.await
    }

    async fn prove_totp(
        &self,
        tenant: TenantId,
        account: PrincipalId,
        code: &str,
        now: Micros,
    ) -> Result<Option<(Proven, Ready<()>)>, SignInError> {
        let mut right = Vec::new();
        // All of them, so that the time it takes does not tell which of several apps is the right one.
        for sealed in self.factors.totps(tenant, account).await? {
            let step = self.open(tenant, account, &sealed)?.step_of(code, now);
            right.extend(step.map(|step| (sealed.id, step)));
        }
        for (factor, step) in right {
            if let Some(spent) = self.factors.spend_totp(tenant, account, factor, step, now).await? {
                return Ok(Some((Proven::by_code(ProofKind::Totp, Some(factor)), spent)));
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
