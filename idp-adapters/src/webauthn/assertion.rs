//! Proving by a credential: who one is, or that one still is.

use cedargate_identity::{
    AccountState, BrowserSecret, CeremonyBinding, CeremonyPurpose, Holder, SealedCredential, UserHandle, WebauthnKind,
};
use cedargate_model::{PrincipalId, SigninReason};
use uuid::Uuid;
use webauthn_rs_core::error::WebauthnError as CoreError;
use webauthn_rs_core::proto::{AuthenticationState, Credential, PublicKeyCredential, UserVerificationPolicy};

use super::answer::{self, Act};
use super::refused::{RefusedAnswer, WebauthnError, reason_of};
use super::state::Assertion;
use super::{Asking, BegunCeremony, Webauthn, proven, refuse};
use crate::Authenticated;
use crate::second::Proven;

/// Under which name the failures of people count whom nobody knows yet.
const STRANGER: &str = "a passkey's owner";

impl Webauthn {
    /// Asks somebody who is signed in for one of their credentials for this host.
    ///
    /// # Errors
    /// [`WebauthnError`]; `Refused` where they have none.
    pub async fn begin_step_up(&self, asking: Asking<'_>, holder: Holder) -> Result<BegunCeremony, WebauthnError> {
        let Asking { tenant, relying_party: party, .. } = asking;
        let sealed = self.factors.credentials(tenant, holder.account, &party.id).await?;
        if sealed.is_empty() {
            return refuse(SigninReason::CredentialUnknown);
        }
        let known = sealed.iter().map(|sealed| self.open(tenant, sealed)).collect::<Result<Vec<_>, _>>()?;
        // Passkeys have to verify all the same: what a credential was made with is held to.
        let binding = CeremonyBinding::Session(holder.session);
        self.begin(asking, CeremonyPurpose::StepUp, binding, known, UserVerificationPolicy::Preferred).await
    }

    /// Judges what an authenticator answered for somebody who is signed in.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn finish_step_up(
        &self,
        asking: Asking<'_>,
        holder: Holder,
        ceremony: Uuid,
        answered: &str,
    ) -> Result<Proven, WebauthnError> {
        self.throttled(asking, &holder.account.to_string(), async {
            let (purpose, session) = (CeremonyPurpose::StepUp, Some(holder.session));
            let state: Assertion = self.take(asking.tenant, ceremony, purpose, session, None, asking.now).await?;
            let (answered, sealed, handle) = self.read(asking, answered).await?;
            if sealed.account != holder.account {
                return refuse(SigninReason::CredentialOfAnother);
            }
            // Authenticators leave it out where the credential was named to them (WebAuthn §7.2, step 6).
            let handle_fits = answered.get_user_unique_id().is_none_or(|said| said == handle.0);
            self.judge(asking, &state.asked, &answered, &sealed, handle_fits).await
        })
        .await
    }

    /// Asks anybody for a passkey of theirs for this host, in a browser that keeps the secret.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn begin_sign_in(&self, asking: Asking<'_>) -> Result<(BegunCeremony, BrowserSecret), WebauthnError> {
        let browser = BrowserSecret::draw().map_err(WebauthnError::broken)?;
        let binding = CeremonyBinding::Browser(&browser);
        // No list: which credentials there are, the authenticator finds out, and nobody else.
        let asked = UserVerificationPolicy::Required;
        let begun = self.begin(asking, CeremonyPurpose::SignIn, binding, Vec::new(), asked).await?;
        Ok((begun, browser))
    }

    /// Judges what an authenticator answered for somebody who signs in.
    ///
    /// An account that an identity provider speaks for is refused: whether its person still may sign in, the provider alone knows.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn finish_sign_in(
        &self,
        asking: Asking<'_>,
        browser: Option<&BrowserSecret>,
        ceremony: Uuid,
        answered: &str,
    ) -> Result<Authenticated, WebauthnError> {
        self.throttled(asking, STRANGER, async {
            let browser = browser.ok_or(RefusedAnswer::for_reason(SigninReason::BrowserMismatch))?;
            let purpose = CeremonyPurpose::SignIn;
            let state: Assertion = self.take(asking.tenant, ceremony, purpose, None, Some(browser), asking.now).await?;
            let (answered, sealed, handle) = self.read(asking, answered).await?;
            if sealed.kind != WebauthnKind::Passkey {
                return refuse(SigninReason::CredentialNotPasswordless);
            }
            let handle_fits = answered.get_user_unique_id().is_some_and(|said| said == handle.0);
            let proven = self.judge(asking, &state.asked, &answered, &sealed, handle_fits).await?;
            self.may_sign_in(asking, &proven, sealed.account).await?;
            Ok(Authenticated { principal: sealed.account, strength: proven.strength })
        })
        .await
    }

    async fn begin(
        &self,
        asking: Asking<'_>,
        purpose: CeremonyPurpose,
        binding: CeremonyBinding<'_>,
        known: Vec<Credential>,
        user_verification: UserVerificationPolicy,
    ) -> Result<BegunCeremony, WebauthnError> {
        let core = &asking.relying_party.core;
        let builder = core.new_challenge_authenticate_builder(known, Some(user_verification));
        let builder = builder.map_err(WebauthnError::broken)?.allow_backup_eligible_upgrade(false);
        let (options, mut asked) = core.generate_challenge_authenticate(builder).map_err(WebauthnError::broken)?;
        asked.set_allowed_credentials(Vec::new());
        let id = self.keep(asking.tenant, purpose, binding, &Assertion { asked }, asking.now).await?;
        let options = serde_json::to_value(options.public_key).map_err(WebauthnError::broken)?;
        Ok(BegunCeremony { id, options })
    }

    /// The answer, and the credential of this host that it names.
    async fn read(
        &self,
        asking: Asking<'_>,
        answered: &str,
    ) -> Result<(PublicKeyCredential, SealedCredential, UserHandle), WebauthnError> {
        let answered: PublicKeyCredential = answer::read(answered, |answered: &PublicKeyCredential| &answered.type_)?;
        answer::check_client_data(&answered.response.client_data_json, Act::Get, asking.relying_party)?;
        match self.factors.find_credential(asking.tenant, answered.get_credential_id()).await? {
            // Another host of the tenant's is another relying party.
            Some((sealed, _)) if sealed.rp_id != asking.relying_party.id => refuse(SigninReason::RpIdMismatch),
            Some((sealed, handle)) => Ok((answered, sealed, handle)),
            None => refuse(SigninReason::CredentialUnknown),
        }
    }

    async fn judge(
        &self,
        asking: Asking<'_>,
        asked: &AuthenticationState,
        answered: &PublicKeyCredential,
        sealed: &SealedCredential,
        handle_fits: bool,
    ) -> Result<Proven, WebauthnError> {
        let refused = |reason, person| {
            let (kind, factor) = (sealed.kind.proof(), Some(sealed.id));
            WebauthnError::from(RefusedAnswer { reason, kind, factor, person })
        };
        if !handle_fits {
            return Err(refused(SigninReason::UserHandleMismatch, None));
        }
        let credential = self.open(asking.tenant, sealed)?;
        let verified = asking.relying_party.core.authenticate_single_credential(answered, asked, &credential);
        let verified = verified.map_err(|error| {
            // The counter is looked at last, when the signature is known to be right.
            let is_signed = matches!(error, CoreError::CredentialPossibleCompromise);
            refused(reason_of(&error), is_signed.then_some(sealed.account))
        })?;
        // INVARIANT (a passkey verifies its person): checked by the verifier, and again here, where it is relied on.
        if sealed.kind == WebauthnKind::Passkey && !verified.user_verified() {
            return Err(refused(SigninReason::UserNotVerified, None));
        }
        let counter = verified.counter();
        let counts = self.factors.use_credential(asking.tenant, sealed.account, sealed.id, counter, asking.now).await?;
        if !counts {
            return Err(refused(SigninReason::CounterRegressed, Some(sealed.account)));
        }
        Ok(proven(sealed.kind, sealed.id, &credential))
    }

    async fn may_sign_in(
        &self,
        asking: Asking<'_>,
        proven: &Proven,
        account: PrincipalId,
    ) -> Result<(), WebauthnError> {
        let found = self.accounts.find(asking.tenant, account).await?;
        let reason = match found {
            Some(found) if found.state != AccountState::Active => SigninReason::AccountDisabled,
            Some(found) if found.password.is_none() => SigninReason::AccountOfProvider,
            Some(_) => return Ok(()),
            None => SigninReason::AccountDisabled,
        };
        Err(RefusedAnswer { reason, kind: proven.kind, factor: proven.factor, person: Some(account) }.into())
    }
}
