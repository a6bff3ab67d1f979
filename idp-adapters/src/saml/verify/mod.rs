//! Whether every signature of a scanned message is the provider's: by one library, and where it is built in by a second one that has
//! nothing in common with the first. Both take what was scanned, so neither sees anything that was not.

mod first;
#[cfg(feature = "saml-second-verifier")]
pub(super) mod second;

use super::certificate::SamlCertificate;
use super::scan::Scanned;
use crate::Refused;

/// Verifies every signature of a message, each by one of these certificates.
///
/// What comes back is nothing: the scan has said already what each signature is of, and that is held against what the verifiers found.
///
/// # Errors
/// `saml_signature` where one is not the provider's; `saml_verifiers_differ` where a verifier looked elsewhere than the scan, or the two
/// do not agree; `saml_verifier_away` where the second one does not answer.
pub(crate) fn verify(scanned: &Scanned<'_>, certificates: &[SamlCertificate]) -> Result<(), Refused> {
    let valid_by = first::verify(scanned, certificates)?;
    // What the first one refuses is refused whatever the other says; so C never sees what a stranger wrote.
    #[cfg(feature = "saml-second-verifier")]
    second::agree(scanned, &valid_by)?;
    drop(valid_by);
    Ok(())
}
