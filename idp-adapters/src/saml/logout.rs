//! The IdP says that somebody signed out there (SAML Profiles §4.4).

use std::sync::Arc;

use cedargate_identity::{Ending, Subject};
use cedargate_model::{Micros, SigninReason};

use super::answer::remember_until;
use super::binding::{Parameter, Redirected, posted};
use super::client::{SamlClient, Sp};
use super::enforce::Expected;
use super::read::{Envelope, LogoutSubject};
use super::scan::{MessageKind, scan};
use super::verify::verify;
use crate::Refused;

/// How many sessions one request may name.
const SESSIONS_MAX: usize = 16;

/// A request of the IdP, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutMessage {
    /// In a raw query.
    Query(String),
    /// In the field `SAMLRequest` of a form.
    Field {
        /// The field.
        message: String,
        /// What the IdP wants back with the answer.
        relay_state: Option<String>,
    },
}

/// What the IdP ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ends {
    /// The request's id: it counts once, and the answer names it.
    pub request_id: String,
    /// When the provider issued it.
    pub issued_at: Micros,
    /// Until when it has to be remembered: later, it is refused for its age.
    pub remember_until: Micros,
    /// The sessions.
    pub endings: Vec<Ending>,
    /// What the IdP wants back with the answer.
    pub relay_state: Option<String>,
}

impl SamlClient {
    /// Believes a request to end sessions, or says why not. It has to be signed.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    pub async fn logout(self: &Arc<Self>, sp: &Sp, message: LogoutMessage, now: Micros) -> Result<Ends, Refused> {
        let turn = self.turn().await?;
        let (client, sp) = (Arc::clone(self), sp.clone());
        turn.work(move || client.believe_logout(&sp, &message, now)).await
    }

    /// What [`SamlClient::logout`] does, on this thread.
    ///
    /// # Errors
    /// [`Refused`], with the reason for the record.
    pub fn believe_logout(&self, sp: &Sp, message: &LogoutMessage, now: Micros) -> Result<Ends, Refused> {
        let settings = &self.settings;
        let metadata = self.metadata();
        if !metadata.is_valid(now) {
            return Err(SigninReason::SamlMetadata.into());
        }
        let (octets, relay_state, beside) = match message {
            LogoutMessage::Query(query) => {
                let redirected = Redirected::read(query, Parameter::Request)?;
                (redirected.message()?, redirected.relay_state.clone(), Some(redirected))
            }
            LogoutMessage::Field { message, relay_state } => (posted(message)?, relay_state.clone(), None),
        };
        let scanned = scan(&octets, MessageKind::LogoutRequest)?;
        match &beside {
            Some(redirected) if redirected.is_signed() => redirected.verify(&metadata.signing)?,
            Some(_) | None => verify(&scanned, &metadata.signing)?,
        }
        let envelope = Envelope::read(&scanned)?;
        let expected = Expected {
            audience: &sp.entity_id,
            acs: &sp.slo,
            idp: &metadata.entity_id,
            request: None,
            envelope_signed: true,
            skew: settings.clock_skew,
            now,
        };
        expected.check_address(&envelope)?;
        expected.check_age(envelope.issue_instant)?;
        if envelope.not_on_or_after.is_some_and(|end| expected.is_over(end)) {
            return Err(SigninReason::SamlExpired.into());
        }
        Ok(Ends {
            endings: endings(&LogoutSubject::read(&scanned)?)?,
            request_id: envelope.id,
            issued_at: envelope.issue_instant,
            remember_until: remember_until(now, settings.clock_skew),
            relay_state,
        })
    }
}

fn endings(subject: &LogoutSubject) -> Result<Vec<Ending>, SigninReason> {
    let parse = |text: &str| Subject::parse(text).map_err(|_| SigninReason::SubjectInvalid);
    let person = parse(&subject.name_id.value)?;
    match subject.session_indexes.as_slice() {
        [] => Ok(vec![Ending::Subject(person)]),
        indexes if indexes.len() > SESSIONS_MAX => Err(SigninReason::SamlBounds),
        indexes => indexes
            .iter()
            .map(|index| Ok(Ending::ProviderSession { session: parse(index)?, subject: Some(person.clone()) }))
            .collect(),
    }
}
