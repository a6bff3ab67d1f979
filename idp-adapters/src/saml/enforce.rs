//! What has to hold of an answer beside its signature: checked here, whatever a library checks.

use std::time::Duration;

use cedargate_identity::Issuer;
use cedargate_model::{Micros, SigninReason};

use super::names::{BEARER, TRANSIENT};
use super::read::{Envelope, NameId, SamlAssertion};

/// How old an answer may be. What comes later is refused, so an assertion's id has to be remembered for no longer than this and twice the
/// clock's skew.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// What an answer is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'e> {
    /// Who the gateway is.
    pub(crate) audience: &'e str,
    /// Where the answer arrived.
    pub(crate) acs: &'e str,
    /// Who the provider is.
    pub(crate) idp: &'e Issuer,
    /// The id of the request that it answers; none where nobody asked.
    pub(crate) request: Option<&'e str>,
    /// Whether the message around the assertion is signed.
    pub(crate) envelope_signed: bool,
    pub(crate) skew: Duration,
    pub(crate) now: Micros,
}

impl Expected<'_> {
    /// Checks the answer, and the assertion in it.
    ///
    /// # Errors
    /// The reason for the record.
    pub(crate) fn check(&self, envelope: &Envelope, assertion: &SamlAssertion) -> Result<(), SigninReason> {
        self.check_envelope(envelope)?;
        if assertion.issuer != self.idp.as_str() {
            return Err(SigninReason::SamlIssuer);
        }
        self.check_age(assertion.issue_instant)?;
        self.check_confirmation(assertion)?;
        self.check_conditions(assertion)?;
        if assertion.authn.instant > self.now.after(self.skew) {
            return Err(SigninReason::SamlNotYet);
        }
        if assertion.authn.session_not_on_or_after.is_some_and(|end| self.is_over(end)) {
            return Err(SigninReason::SamlSessionOver);
        }
        self.check_qualifiers(&assertion.name_id)?;
        // Somebody else tomorrow: such a name is nobody's account.
        if assertion.name_id.format.as_deref() == Some(TRANSIENT) {
            return Err(SigninReason::SubjectInvalid);
        }
        Ok(())
    }

    pub(crate) fn check_envelope(&self, envelope: &Envelope) -> Result<(), SigninReason> {
        if !envelope.is_success() {
            return Err(SigninReason::SamlStatus);
        }
        self.check_address(envelope)?;
        if envelope.in_response_to.as_deref() != self.request {
            return Err(SigninReason::SamlInResponseTo);
        }
        self.check_age(envelope.issue_instant)
    }

    /// What holds of any message: it is the provider's, and addressed to where it arrived. Signed messages say so (SAML Bindings
    /// §3.4.5.2, §3.5.5.2).
    pub(crate) fn check_address(&self, envelope: &Envelope) -> Result<(), SigninReason> {
        match &envelope.destination {
            Some(destination) if destination == self.acs => {}
            None if !self.envelope_signed => {}
            Some(_) | None => return Err(SigninReason::SamlDestination),
        }
        match &envelope.issuer {
            Some(issuer) if issuer == self.idp.as_str() => Ok(()),
            None if !self.envelope_signed => Ok(()),
            Some(_) | None => Err(SigninReason::SamlIssuer),
        }
    }

    pub(crate) fn check_age(&self, issued: Micros) -> Result<(), SigninReason> {
        let is_young = issued <= self.now.after(self.skew) && self.now <= issued.after(AGE_MAX).after(self.skew);
        if is_young { Ok(()) } else { Err(SigninReason::SamlIssueInstant) }
    }

    /// SAML Profiles §4.1.4.2: a bearer, for this place, for this request, for a time.
    fn check_confirmation(&self, assertion: &SamlAssertion) -> Result<(), SigninReason> {
        let confirmation = &assertion.confirmation;
        if confirmation.method != BEARER || confirmation.not_before.is_some() {
            return Err(SigninReason::SamlConfirmation);
        }
        if confirmation.recipient.as_deref() != Some(self.acs) {
            return Err(SigninReason::SamlRecipient);
        }
        if confirmation.in_response_to.as_deref() != self.request {
            return Err(SigninReason::SamlInResponseTo);
        }
        match confirmation.not_on_or_after {
            None => Err(SigninReason::SamlConfirmation),
            Some(end) if self.is_over(end) => Err(SigninReason::SamlExpired),
            Some(_) => Ok(()),
        }
    }

    fn check_conditions(&self, assertion: &SamlAssertion) -> Result<(), SigninReason> {
        let conditions = assertion.conditions.as_ref().ok_or(SigninReason::SamlConditions)?;
        if !conditions.audiences.iter().any(|audience| audience == self.audience) {
            return Err(SigninReason::SamlAudience);
        }
        if conditions.not_before.is_some_and(|begin| begin > self.now.after(self.skew)) {
            return Err(SigninReason::SamlNotYet);
        }
        match conditions.not_on_or_after.is_some_and(|end| self.is_over(end)) {
            true => Err(SigninReason::SamlExpired),
            false => Ok(()),
        }
    }

    /// A name that another provider gave, or for another service, is another person's (SAML Core §2.2.2, §8.3.7).
    fn check_qualifiers(&self, name_id: &NameId) -> Result<(), SigninReason> {
        let is_by_provider = name_id.name_qualifier.as_deref().is_none_or(|by| by == self.idp.as_str());
        let is_for_us = name_id.sp_name_qualifier.as_deref().is_none_or(|to| to == self.audience);
        if is_by_provider && is_for_us { Ok(()) } else { Err(SigninReason::SamlNameId) }
    }

    pub(crate) fn is_over(&self, end: Micros) -> bool {
        self.now >= end.after(self.skew)
    }
}
