//! Proving by a credential: who one is, or that one still is.

use cedargate_identity::{
    AccountState, CeremonyPurpose, Grounds, Holder, Ready, SealedCredential, UseCredentialError, UsedCredential,
    UserHandle, WebauthnKind,
};
use cedargate_model::{PrincipalId, SigninReason};
use uuid::Uuid;
use webauthn_rs_core::error::WebauthnError as CoreError;
use webauthn_rs_core::proto::{AuthenticationState, Credential, PublicKeyCredential, UserVerificationPolicy};

use super::answer::{self, Act};
use super::refused::{RefusedAnswer, WebauthnError, reason_of};
use super::state::Assertion;
use super::{Asking, BegunCeremony, Webauthn, proven, refuse};
use crate::in_browser::Begun;
use crate::second::Proven;
use crate::{Authenticated, InBrowser};

/// Under which name the failures of people count whom nobody knows yet.
const STRANGER: &str = "a passkey's owner";

/// Somebody whom a passkey proved.
#[derive(Debug)]
#[must_use]
pub struct PasskeySignIn {
    /// Who, and how strongly.
    pub authenticated: Authenticated,
    /// By which passkey.
    pub proven: Proven,
    /// What a session by it rests on: it begins only where that still stands, and uses up what counts once.
    pub grounds: Grounds,
}

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
        let (asked, options) = Self::ask(asking, known, UserVerificationPolicy::Preferred)?;
        let state = Assertion { asked };
        let id = self.keep(tenant, CeremonyPurpose::StepUp, holder.session, &state, asking.now).await?;
        Ok(BegunCeremony { id, options })
    }

    /// Judges what an authenticator answered for somebody who is signed in. It counts once that is committed.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn finish_step_up(
        &self,
        asking: Asking<'_>,
        holder: Holder,
        ceremony: Uuid,
        answered: &str,
    ) -> Result<(Proven, Ready<()>), WebauthnError> {
        Self::throttled(&self.signed_in, asking, &holder.account.to_string(), async {
            let (purpose, session) = (CeremonyPurpose::StepUp, holder.session);
            let state: Assertion = self.take(asking.tenant, ceremony, purpose, session, asking.now).await?;
            let (answered, sealed, handle) = self.read(asking, answered).await?;
            if sealed.account != holder.account {
                return refuse(SigninReason::CredentialOfAnother);
            }
            // Authenticators leave it out where the credential was named to them (WebAuthn §7.2, step 6).
            let handle_fits = answered.get_user_unique_id().is_none_or(|said| said == handle.0);
            let (proven, used) = self.judge(asking, &state.asked, &answered, &sealed, handle_fits)?;
            let counts = self.factors.use_credential(asking.tenant, sealed.account, used, asking.now).await;
            let counts = counts.map_err(|error| uncounted(error, &sealed))?;
            Ok((proven, counts))
        })
        .await
    }

    /// Asks anybody for a passkey of theirs for this host, in a browser that keeps what was asked. Nothing is written.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn begin_sign_in(&self, asking: Asking<'_>) -> Result<(BegunCeremony, InBrowser), WebauthnError> {
        // No list: which credentials there are, the authenticator finds out, and nobody else.
        let (asked, options) = Self::ask(asking, Vec::new(), UserVerificationPolicy::Required)?;
        let id = self.ceremonies.draw_id(asking.now).map_err(WebauthnError::broken)?;
        let (begun, name) = (Begun::ByPasskey, id.to_string());
        let kept = self.kept.keep(asking.tenant, begun, &name, &Assertion { asked }, asking.now);
        Ok((BegunCeremony { id, options }, kept.map_err(WebauthnError::broken)?))
    }

    /// Judges what an authenticator answered for somebody who signs in. It counts with the session that begins by it.
    ///
    /// An account that an identity provider speaks for is refused: whether its person still may sign in, the provider alone knows.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn finish_sign_in(
        &self,
        asking: Asking<'_>,
        kept: Option<&InBrowser>,
        ceremony: Uuid,
        answered: &str,
    ) -> Result<PasskeySignIn, WebauthnError> {
        // Before anything is counted: whoever asked for nothing here slows nobody down, and is the limiter's.
        let (begun, name) = (Begun::ByPasskey, ceremony.to_string());
        let found = self.kept.find::<Assertion>(asking.tenant, begun, &name, kept, asking.now).await?;
        Self::throttled(&self.signing_in, asking, STRANGER, async {
            let (answered, sealed, handle) = self.read(asking, answered).await?;
            if sealed.kind != WebauthnKind::Passkey {
                return refuse(SigninReason::CredentialNotPasswordless);
            }
            let handle_fits = answered.get_user_unique_id().is_some_and(|said| said == handle.0);
            let (proven, used) = self.judge(asking, &found.what.asked, &answered, &sealed, handle_fits)?;
            let version = self.may_sign_in(asking, &proven, sealed.account).await?;
            let authenticated = Authenticated { principal: sealed.account, strength: proven.strength.clone() };
            let grounds = Grounds { version: Some(version), credential: Some(used), once: vec![found.once] };
            Ok(PasskeySignIn { authenticated, proven, grounds })
        })
        .await
    }

    fn ask(
        asking: Asking<'_>,
        known: Vec<Credential>,
        user_verification: UserVerificationPolicy,
    ) -> Result<(AuthenticationState, serde_json::Value), WebauthnError> {
        let core = &asking.relying_party.core;
        let builder = core.new_challenge_authenticate_builder(known, Some(user_verification));
        let builder = builder.map_err(WebauthnError::broken)?.allow_backup_eligible_upgrade(false);
        let (options, mut asked) = core.generate_challenge_authenticate(builder).map_err(WebauthnError::broken)?;
        asked.set_allowed_credentials(Vec::new());
        Ok((asked, serde_json::to_value(options.public_key).map_err(WebauthnError::broken)?))
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

    fn judge(
        &self,
        asking: Asking<'_>,
        asked: &AuthenticationState,
        answered: &PublicKeyCredential,
        sealed: &SealedCredential,
        handle_fits: bool,
    ) -> Result<(Proven, UsedCredential), WebauthnError> {
        let refused = |reason, person| refused_of(sealed, reason, person);
        if !handle_fits {
            return Err(refused(SigninReason::UserHandleMismatch, None));
        }
        let credential = self.open(asking.tenant, sealed).map_err(|error| {
            // A row that was put in another's place, which sealing is there to notice: the record hears of it, too.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                error.type = "credential_unreadable",
                cedargate.factor = %sealed.id,
                "a stored credential does not open"
            );
            refused(SigninReason::CredentialUnreadable, None)
        })?;
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
        let used = UsedCredential { factor: sealed.id, sign_count: verified.counter() };
        Ok((proven(sealed.kind, sealed.id, &credential), used))
    }

    /// Says of which version the account is by which that was judged.
    async fn may_sign_in(
        &self,
        asking: Asking<'_>,
        proven: &Proven,
        account: PrincipalId,
    ) -> Result<i64, WebauthnError> {
        let found = self.accounts.find(asking.tenant, account).await?;
        let reason = match found {
            Some(found) if found.state != AccountState::Active => SigninReason::AccountDisabled,
            Some(found) if found.password.is_none() => SigninReason::AccountOfProvider,
            Some(found) => return Ok(found.version),
            None => SigninReason::AccountDisabled,
        };
        Err(RefusedAnswer { reason, kind: proven.kind, factor: proven.factor, person: Some(account) }.into())
    }
}

fn refused_of(sealed: &SealedCredential, reason: SigninReason, person: Option<PrincipalId>) -> WebauthnError {
    RefusedAnswer { reason, kind: sealed.kind.proof(), factor: Some(sealed.id), person }.into()
}

/// What is said of a right signature that does not count.
fn uncounted(error: UseCredentialError, sealed: &SealedCredential) -> WebauthnError {
    match error {
        UseCredentialError::Regressed => refused_of(sealed, SigninReason::CounterRegressed, Some(sealed.account)),
        // Removed a moment ago, which is nobody's copy.
        UseCredentialError::Gone => refused_of(sealed, SigninReason::CredentialUnknown, Some(sealed.account)),
        UseCredentialError::Store(error) => WebauthnError::Store(error),
    }
}
