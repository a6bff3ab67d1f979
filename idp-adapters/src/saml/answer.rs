//! An answer of the IdP, from a form's field to who signed in.

use std::sync::Arc;
use std::time::Duration;

use cedargate_identity::{Attempt, Identity, Subject};
use cedargate_model::{ConnectionName, Micros, SigninReason};
use serde_json::Value;
use zeroize::Zeroizing;

use super::binding::posted;
use super::certificate::SamlCertificate;
use super::client::{SamlClient, Sp};
use super::decrypt::decrypt;
use super::enforce::{AGE_MAX, Expected};
use super::read::{Envelope, NameId, SamlAssertion};
use super::scan::{MessageKind, Scanned, scan};
use super::turn::Turn;
use super::verify::verify;
use crate::Refused;
use crate::connection::Claims;

/// The longest format of a NameID that is kept.
const NAME_ID_FORMAT_BYTES_MAX: usize = 512;

/// For how much longer than it could be taken a message's id is remembered: another gateway's clock may be behind this one's, and the
/// skew that is allowed may be raised meanwhile.
const REMEMBER_LONGER: Duration = Duration::from_secs(5 * 60);

/// Until when a message's id is remembered that is taken now. Later, it is refused for its age.
pub(super) fn remember_until(now: Micros, skew: Duration) -> Micros {
    now.after(AGE_MAX).after(skew).after(skew).after(REMEMBER_LONGER)
}

/// An answer that passed the scan, and is not believed yet.
#[derive(Clone, Debug)]
pub struct Answer {
    octets: Vec<u8>,
    envelope: Envelope,
}

/// An answer that is believed, once: its assertion is still to be spent.
#[derive(Debug)]
#[must_use]
pub struct Believed {
    /// The assertion's id. It has to be spent before anybody is signed in by it.
    pub assertion_id: String,
    /// Until when it has to be remembered: later, it is refused for its age.
    pub remember_until: Micros,
    /// When the IdP said it, by its clock.
    pub issued_at: Micros,
    /// Who.
    pub identity: Identity,
    /// Who, with all that qualifies the name: what the IdP wants to hear when the person signs out.
    pub name_id: NameId,
    /// The IdP's own session (`SessionIndex`), if it says.
    pub provider_session: Option<Subject>,
    /// What the IdP says, for the connection's rules.
    pub claims: Claims,
    /// When the person last proved to the IdP who they are.
    pub auth_time: Micros,
    /// When the session has to be over, if the IdP says.
    pub ends_by: Option<Micros>,
}

impl Answer {
    /// Reads the field `SAMLResponse`.
    ///
    /// # Errors
    /// [`Refused`], by the scan.
    pub fn read(field: &str) -> Result<Self, Refused> {
        let octets = posted(field)?;
        let envelope = Envelope::read(&scan(&octets, MessageKind::Response)?)?;
        Ok(Self { octets, envelope })
    }

    /// The `state` of the attempt that it says it answers; none where it answers nothing. Anybody may have written it.
    pub fn unverified_state(&self) -> Option<&str> {
        // What does not begin as ours do is the state of no attempt, and is found to be so.
        self.envelope.in_response_to.as_deref().map(|id| id.strip_prefix('_').unwrap_or_default())
    }
}

impl SamlClient {
    /// Reads the field `SAMLResponse`, as [`Answer::read`] does, in its turn.
    ///
    /// # Errors
    /// [`Refused`], by the scan.
    pub async fn read(&self, turn: &Turn, field: String) -> Result<Answer, Refused> {
        turn.work(move || Answer::read(&field)).await
    }

    /// Believes an answer, or says why not.
    ///
    /// Whose attempt it answers, by its `state` and the browser's cookie, is found out and spent already; none where the answer says that
    /// it answers nothing.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    ///
    /// # Cancel safety
    /// Verifying goes on to its end on a thread of its own, and comes to nothing.
    pub async fn complete(
        self: &Arc<Self>,
        turn: Turn,
        connection: &ConnectionName,
        sp: &Sp,
        answer: Answer,
        attempt: Option<&Attempt>,
        now: Micros,
    ) -> Result<Believed, Refused> {
        let client = Arc::clone(self);
        let (connection, sp, attempt) = (connection.clone(), sp.clone(), attempt.cloned());
        turn.work(move || client.believe(&connection, &sp, &answer, attempt.as_ref(), now)).await
    }

    /// What [`SamlClient::complete`] does, on this thread.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    pub fn believe(
        &self,
        connection: &ConnectionName,
        sp: &Sp,
        answer: &Answer,
        attempt: Option<&Attempt>,
        now: Micros,
    ) -> Result<Believed, Refused> {
        let settings = &self.settings;
        if attempt.is_none() && (answer.envelope.in_response_to.is_some() || !settings.unsolicited) {
            return Err(SigninReason::SamlUnsolicited.into());
        }
        let metadata = self.metadata();
        if !metadata.is_valid(now) {
            return Err(SigninReason::SamlMetadata.into());
        }
        let message = scan(&answer.octets, MessageKind::Response)?;
        let expected = Expected {
            audience: &sp.entity_id,
            acs: &sp.acs,
            idp: &metadata.entity_id,
            request: attempt.and(answer.envelope.in_response_to.as_deref()),
            envelope_signed: message.signatures().iter().any(|signature| !signature.of_assertion),
            skew: settings.clock_skew,
            now,
        };
        // A refusal of the IdP's has no assertion: say that first, whoever wrote it.
        expected.check_envelope(&answer.envelope)?;
        let assertion = self.assertion(&message, &metadata.signing)?;
        expected.check(&answer.envelope, &assertion)?;
        if let Some(max_age) = attempt.and_then(|attempt| attempt.max_age_seconds) {
            let allowed = Duration::from_secs(max_age.into()) + settings.clock_skew;
            if now.since(assertion.authn.instant) > allowed {
                return Err(SigninReason::AuthTimeTooOld.into());
            }
        }
        // Asked for is not given: whoever can have the provider answer in another format chooses, in some, what it says.
        if settings.name_id_format.is_some() && assertion.name_id.format != settings.name_id_format {
            return Err(SigninReason::SamlNameId.into());
        }
        // An identity keeps the format of its first arrival, whether one is asked for or not.
        if assertion.name_id.format().len() > NAME_ID_FORMAT_BYTES_MAX {
            return Err(SigninReason::SamlNameId.into());
        }
        let subject = Subject::parse(&assertion.name_id.value).map_err(|_| SigninReason::SubjectInvalid)?;
        let session = assertion.authn.session_index.as_deref().map(Subject::parse).transpose();
        let identity = Identity { connection: connection.clone(), issuer: metadata.entity_id.clone(), subject };
        Ok(Believed {
            remember_until: remember_until(now, settings.clock_skew),
            issued_at: assertion.issue_instant,
            identity,
            provider_session: session.map_err(|_| SigninReason::SubjectInvalid)?,
            claims: claims(&assertion),
            auth_time: assertion.authn.instant,
            ends_by: assertion.authn.session_not_on_or_after,
            name_id: assertion.name_id,
            assertion_id: assertion.id,
        })
    }

    /// The assertion of a message, verified: signed itself, or in a message that is.
    fn assertion(&self, message: &Scanned<'_>, signing: &[SamlCertificate]) -> Result<SamlAssertion, Refused> {
        let settings = &self.settings;
        // Whatever is signed in the message is verified before anything of it is decrypted.
        if !message.signatures().is_empty() {
            verify(message, signing)?;
        }
        if !message.is_encrypted() {
            return match (settings.encrypted_only, message.assertion().is_some(), message.signatures()) {
                (true, _, _) => Err(SigninReason::SamlEncryption.into()),
                (false, false, _) => Err(SigninReason::SamlAssertionCount.into()),
                // Either signature covers it: its own, or that of the message that it stands in.
                (false, true, []) => Err(SigninReason::SamlUnsigned.into()),
                (false, true, _) => Ok(SamlAssertion::read(message)?),
            };
        }
        let plain: Zeroizing<Vec<u8>> = decrypt(message, &settings.key, settings.cbc)?;
        let assertion = scan(&plain, MessageKind::Assertion)?;
        match (assertion.signatures(), message.signatures()) {
            ([], []) => Err(SigninReason::SamlUnsigned.into()),
            // The ciphertext is signed.
            ([], _) => Ok(SamlAssertion::read(&assertion)?),
            (_, _) => {
                verify(&assertion, signing)?;
                Ok(SamlAssertion::read(&assertion)?)
            }
        }
    }
}

/// An assertion as rules read it: its attributes by their names, and what the statement says about the sign-in. What the IdP's
/// administrator calls an attribute does not get in the way of the latter.
pub(super) fn claims(assertion: &SamlAssertion) -> Claims {
    let mut claims = Claims::new();
    for (name, values) in &assertion.attributes {
        let values = values.iter().cloned().map(Value::String);
        match claims.get_mut(name) {
            Some(Value::Array(known)) => known.extend(values),
            Some(_) | None => drop(claims.insert(name.clone(), Value::Array(values.collect()))),
        }
    }
    for value in claims.values_mut() {
        if let Value::Array(values) = value
            && let [single] = values.as_mut_slice()
        {
            *value = single.take();
        }
    }
    for (name, value) in [
        ("acr", assertion.authn.class.clone()),
        ("name_id", Some(assertion.name_id.value.clone())),
        ("name_id_format", assertion.name_id.format.clone()),
        ("amr", None),
        ("auth_time", None),
    ] {
        match value {
            Some(value) => drop(claims.insert(name.to_owned(), Value::String(value))),
            None => drop(claims.remove(name)),
        }
    }
    claims
}
