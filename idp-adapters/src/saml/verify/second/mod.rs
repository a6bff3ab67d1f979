//! The second verifier: `samael`, with libxml2, xmlsec1 and OpenSSL below it.
//!
//! It is held to two things. Every signature is valid for it, too. And the octets that it hashed, read again here and read by libxml2,
//! say what was read of the message: the same person, by the same provider, with the same attributes.
//!
//! By itself it would take much that must be refused, and open what a reference names. So it sees only what passed the scan and the first
//! verifier, and runs where nothing can be opened: [`confined`].

pub(in crate::saml) mod confined;
mod witness;

use cedargate_model::SigninReason;

use self::witness::Witnessed;
use super::super::certificate::SamlCertificate;
use super::super::metadata::IdpMetadata;
use super::super::read::{Envelope, LogoutSubject, SamlAssertion};
use super::super::scan::{MessageKind, Scanned, scan};
use crate::Refused;

/// What a message says in the parts that are signed.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    /// The message around the assertion, where that is signed.
    envelope: Option<Envelope>,
    assertion: Option<SamlAssertion>,
    logout: Option<LogoutSubject>,
    published: Option<IdpMetadata>,
}

/// Has the second verifier look at a message that the first one believes, by the certificates that this found.
///
/// # Errors
/// `saml_verifiers_differ` where it does not agree, `saml_verifier_away` where it does not answer.
pub(in crate::saml) fn agree(scanned: &Scanned<'_>, certificates: &[&SamlCertificate]) -> Result<(), Refused> {
    // What nobody can read is refused for that, whoever signed it.
    let _readable = Reading::of(scanned, is_whole(scanned))?;
    let question = confined::Question {
        text: scanned.text().to_owned(),
        certificates: certificates.iter().map(|certificate| certificate.der().to_vec()).collect(),
    };
    let answer = confined::ask(question).map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the second verifier of SAML messages does not answer"
        );
        Refused::because(SigninReason::SamlVerifierAway, error)
    })?;
    let agreed = answer.map_err(Disagreement::Refused).and_then(|answer| compare(scanned, &answer));
    agreed.map_err(|error| {
        // Somebody should look: one of the two libraries has a hole, or refuses a provider that is honest.
        tracing::error!(error = &error as &dyn std::error::Error, "the two verifiers of SAML messages do not agree");
        Refused::because(SigninReason::SamlVerifiersDiffer, error)
    })
}

/// In what the two verifiers do not agree.
#[derive(Debug, thiserror::Error)]
pub(in crate::saml) enum Disagreement {
    #[error("the second verifier refuses what the first one takes: {0}")]
    Refused(String),
    #[error("what the second verifier hashed would not pass the scan ({0})")]
    Unscanned(SigninReason),
    #[error("what the second verifier hashed reads differently")]
    Reading,
    #[error("libxml2 reads another identity in what was hashed")]
    Identity,
}

/// Holds what the second verifier hashed against what the scan saw.
pub(in crate::saml) fn compare(scanned: &Scanned<'_>, answer: &confined::Answer) -> Result<(), Disagreement> {
    let is_whole = is_whole(scanned);
    let kind = if is_whole { scanned.kind() } else { MessageKind::Assertion };
    let hashed = scan(answer.canonical.as_bytes(), kind).map_err(Disagreement::Unscanned)?;
    let read = |scanned| Reading::of(scanned, is_whole).map_err(Disagreement::Unscanned);
    let reading = read(scanned)?;
    if reading != read(&hashed)? {
        return Err(Disagreement::Reading);
    }
    match reading.identity() == answer.witnessed {
        true => Ok(()),
        false => Err(Disagreement::Identity),
    }
}

/// Whether the message is signed, and not the assertion in it alone.
fn is_whole(scanned: &Scanned<'_>) -> bool {
    scanned.signatures().iter().any(|signature| !signature.of_assertion)
}

impl Reading {
    fn of(scanned: &Scanned<'_>, is_whole: bool) -> Result<Self, SigninReason> {
        let is_logout = matches!(scanned.kind(), MessageKind::LogoutRequest);
        let is_published = matches!(scanned.kind(), MessageKind::Published);
        let published = is_published.then(|| IdpMetadata::parse(scanned.text().as_bytes())).transpose();
        Ok(Self {
            published: published.map_err(|_| SigninReason::SamlMetadata)?,
            envelope: (is_whole && !is_published).then(|| Envelope::read(scanned)).transpose()?,
            assertion: scanned.assertion().map(|_| SamlAssertion::read(scanned)).transpose()?,
            logout: is_logout.then(|| LogoutSubject::read(scanned)).transpose()?,
        })
    }

    /// What libxml2 has to read, too.
    fn identity(self) -> Witnessed {
        let of_message = self.envelope.and_then(|envelope| envelope.issuer);
        match (self.assertion, self.logout) {
            (Some(assertion), _) => Witnessed {
                issuer: Some(assertion.issuer),
                name_id: Some(assertion.name_id),
                sessions: assertion.authn.session_index.into_iter().collect(),
                attributes: assertion.attributes,
            },
            (None, Some(logout)) => Witnessed {
                issuer: of_message,
                name_id: Some(logout.name_id),
                sessions: logout.session_indexes,
                attributes: Vec::new(),
            },
            // What is encrypted is read once it is not.
            (None, None) => Witnessed { issuer: of_message, ..Witnessed::default() },
        }
    }
}
