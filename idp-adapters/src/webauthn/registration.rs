//! Adding a passkey or a security key.

use cedargate_identity::{
    CeremonyPurpose, Enrolled, FactorName, Holder, Ready, SealedCredential, Shown, UserHandleError, WebauthnKind,
};
use cedargate_model::SigninReason;
use uuid::Uuid;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AuthenticatorAttachment, AuthenticatorTransport, COSEAlgorithm, CredProtect,
    Credential, CredentialProtectionPolicy, ParsedAttestation, PublicKeyCredentialHints, RegisterPublicKeyCredential,
    RequestRegistrationExtensions, UserVerificationPolicy,
};

use super::answer::{self, Act};
use super::refused::{WebauthnError, reason_of};
use super::state::Registration;
use super::{Asking, BegunCeremony, Webauthn, proven, refuse, sealed_name};
use crate::second::Proven;

/// The longest credential id that a relying party takes (WebAuthn §7.1, step 25).
const CREDENTIAL_ID_BYTES_MAX: usize = 1023;

/// Who adds a credential, and what authenticators show them as.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'r> {
    /// Who, in which session.
    pub holder: Holder,
    /// What the person showed in the request that asks for it.
    pub confirmed: Shown,
    /// What the person is called on their devices.
    pub called: &'r str,
}

/// What is to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewCredential<'n> {
    /// Of which kind.
    pub kind: WebauthnKind,
    /// What its person calls it.
    pub name: &'n FactorName,
}

impl Webauthn {
    /// Begins to add a credential. Authenticators that hold one of this person's already are told not to make another.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn begin_registration(
        &self,
        asking: Asking<'_>,
        registrant: Registrant<'_>,
        new: NewCredential<'_>,
    ) -> Result<BegunCeremony, WebauthnError> {
        let Asking { tenant, relying_party: party, now, .. } = asking;
        let Holder { account, session, .. } = registrant.holder;
        self.factors.may_add_credential(registrant.holder, registrant.confirmed, now).await?;
        let handle = self.factors.user_handle(tenant, account, now).await.map_err(|error| match error {
            UserHandleError::Store(error) => WebauthnError::Store(error),
            UserHandleError::Entropy(error) => WebauthnError::broken(error),
        })?;
        let known = self.factors.credentials(tenant, account, &party.id).await?;
        let known = known.into_iter().map(|credential| credential.credential_id).collect();
        let wanted = Wanted::of(new.kind);
        let builder = party
            .core
            .new_challenge_register_builder(&handle.0, registrant.called, registrant.called)
            .map_err(WebauthnError::broken)?
            .attestation(AttestationConveyancePreference::None)
            .credential_algorithms(COSEAlgorithm::secure_algs())
            .require_resident_key(wanted.resident_key)
            .user_verification_policy(wanted.user_verification)
            .authenticator_attachment(wanted.attachment)
            .hints(wanted.hints)
            .exclude_credentials(Some(known))
            .reject_synchronised_authenticators(false)
            .extensions(Some(wanted.extensions));
        let (options, asked) = party.core.generate_challenge_register(builder).map_err(WebauthnError::broken)?;
        let state = Registration::new(new.name, new.kind, asked);
        let id = self.keep(tenant, CeremonyPurpose::Enrolment, session, &state, now).await?;
        let options = serde_json::to_value(options.public_key).map_err(WebauthnError::broken)?;
        Ok(BegunCeremony { id, options })
    }

    /// Finishes adding a credential by what its authenticator answered, once that is committed. That proves that the person has it,
    /// too.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub async fn finish_registration(
        &self,
        asking: Asking<'_>,
        holder: Holder,
        ceremony: Uuid,
        answered: &str,
    ) -> Result<(Ready<Enrolled>, Proven), WebauthnError> {
        let Asking { tenant, relying_party: party, now, .. } = asking;
        let purpose = CeremonyPurpose::Enrolment;
        let state: Registration = self.take(tenant, ceremony, purpose, holder.session, now).await?;
        let (name, kind) = (state.name()?, state.kind());

        let answered: RegisterPublicKeyCredential =
            answer::read(answered, |answered: &RegisterPublicKeyCredential| &answered.type_)?;
        answer::check_client_data(&answered.response.client_data_json, Act::Create, party)?;
        // The verifier tells this like another algorithm; and the tenant may know it as somebody else's.
        if self.factors.find_credential(tenant, &answered.raw_id).await?.is_some() {
            return refuse(SigninReason::CredentialKnown);
        }
        let registered = party.core.register_credential(&answered, &state.asked, None);
        let mut credential = registered.or_else(|error| refuse(reason_of(&error)))?;
        check_kind(kind, &credential, &answered)?;
        // Nobody asked for it, nobody checked whom it is from, and it may tell one device from another.
        credential.attestation = ParsedAttestation::default();
        // Each once, and none that nobody knows: a hint for browsers, of which an authenticator may send any number.
        if let Some(transports) = &mut credential.transports {
            let mut known = Vec::new();
            for transport in transports.drain(..) {
                if transport != AuthenticatorTransport::Unknown && !known.contains(&transport) {
                    known.push(transport);
                }
            }
            *transports = known;
        }

        let id = self.factors.draw_id(now).map_err(WebauthnError::broken)?;
        let text = serde_json::to_string(&credential).map_err(WebauthnError::broken)?;
        let sealed_name = sealed_name(tenant, holder.account, id);
        let new = SealedCredential {
            id,
            account: holder.account,
            kind,
            name,
            rp_id: party.id.clone(),
            credential_id: credential.cred_id.clone(),
            sealed_key: self.vault.seal(&sealed_name, &text).map_err(WebauthnError::broken)?,
            sign_count: credential.counter,
        };
        let enrolled = self.factors.add_credential(holder, &new, now).await?;
        Ok((enrolled, proven(kind, id, &credential)))
    }
}

/// What is asked of an authenticator for a kind of credential.
struct Wanted {
    resident_key: bool,
    user_verification: UserVerificationPolicy,
    attachment: Option<AuthenticatorAttachment>,
    hints: Option<Vec<PublicKeyCredentialHints>>,
    extensions: RequestRegistrationExtensions,
}

impl Wanted {
    fn of(kind: WebauthnKind) -> Self {
        let extensions = |cred_protect| RequestRegistrationExtensions {
            cred_protect,
            uvm: None,
            cred_props: Some(true),
            min_pin_length: None,
            hmac_create_secret: None,
        };
        match kind {
            // Found by the authenticator itself, and given to its verified person alone: then it is enough to sign in.
            WebauthnKind::Passkey => Self {
                resident_key: true,
                user_verification: UserVerificationPolicy::Required,
                attachment: None,
                hints: None,
                extensions: extensions(Some(CredProtect {
                    credential_protection_policy: CredentialProtectionPolicy::UserVerificationRequired,
                    enforce_credential_protection_policy: Some(false),
                })),
            },
            // Verifies its person if it can, and from then on it has to; else a touch will do, beside a password.
            WebauthnKind::SecurityKey => Self {
                resident_key: false,
                user_verification: UserVerificationPolicy::Preferred,
                attachment: Some(AuthenticatorAttachment::CrossPlatform),
                hints: Some(vec![PublicKeyCredentialHints::SecurityKey]),
                extensions: extensions(None),
            },
        }
    }
}

/// What was made is what was asked for.
fn check_kind(
    kind: WebauthnKind,
    credential: &Credential,
    answered: &RegisterPublicKeyCredential,
) -> Result<(), WebauthnError> {
    if credential.cred_id.is_empty() || credential.cred_id.len() > CREDENTIAL_ID_BYTES_MAX {
        return refuse(SigninReason::CredentialMalformed);
    }
    if answered.raw_id != credential.cred_id {
        return refuse(SigninReason::CredentialMalformed);
    }
    match kind {
        WebauthnKind::SecurityKey => Ok(()),
        // INVARIANT (a passkey verifies its person): checked by the verifier, and again here, where it is relied on.
        WebauthnKind::Passkey if !credential.user_verified => refuse(SigninReason::UserNotVerified),
        WebauthnKind::Passkey => {
            let kept = answered.extensions.cred_props.as_ref().and_then(|props| props.rk);
            if kept == Some(false) { refuse(SigninReason::CredentialNotPasswordless) } else { Ok(()) }
        }
    }
}
