//! The first verifier: every signature of a scanned message, by the provider's keys and nobody else's.

use bergshamra_dsig::DsigContext;
use bergshamra_dsig::verify::{VerifyResult, verify_all_document_with_source};
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_x509_cert_der;
use bergshamra_xml::Document;
use bergshamra_xml::uppsala;
use cedargate_model::SigninReason;

use super::certificate::SamlCertificate;
use super::scan::{Scanned, SignatureAt};
use crate::Refused;

/// Verifies every signature of a message, each by one of these certificates.
///
/// What comes back is nothing: the scan has said already what each signature is of, and here it is held against what the verifier
/// resolved.
///
/// # Errors
/// `saml_signature` where one is not the provider's; `saml_verifiers_differ` where the verifier looked elsewhere than the scan.
pub(crate) fn verify(scanned: &Scanned<'_>, certificates: &[SamlCertificate]) -> Result<(), Refused> {
    if scanned.signatures().is_empty() {
        return Err(SigninReason::SamlUnsigned.into());
    }
    let unread = |error: &dyn std::fmt::Display| Refused::because(SigninReason::SamlSignature, error.to_string());
    let document = uppsala::parse(scanned.text()).map_err(|error| unread(&error))?;
    let mut verified = vec![false; scanned.signatures().len()];
    for certificate in certificates {
        let mut keys = KeysManager::new();
        keys.add_key(load_x509_cert_der(certificate.der()).map_err(|error| unread(&error))?);
        // `insecure` leaves out what says nothing here: who issued the certificate, and until when. The metadata is what is trusted.
        let context = DsigContext::new(keys)
            .with_trusted_keys_only(true)
            .with_strict_verification(true)
            .with_require_reference_digests(true)
            .with_insecure(true);
        let results = verify_all_document_with_source(&context, &document, Some(scanned.text()));
        let results = results.map_err(|error| unread(&error))?;
        if results.len() != verified.len() {
            return Err(SigninReason::SamlVerifiersDiffer.into());
        }
        for ((result, signature), verified) in results.iter().zip(scanned.signatures()).zip(&mut verified) {
            *verified |= is_of(&document, result, signature)?;
        }
    }
    match verified.iter().all(|verified| *verified) {
        true => Ok(()),
        false => Err(SigninReason::SamlSignature.into()),
    }
}

/// Whether a signature is valid; then it is of the element that the scan says, which is its parent.
fn is_of(document: &Document<'_>, result: &VerifyResult, expected: &SignatureAt) -> Result<bool, SigninReason> {
    let VerifyResult::Valid { signature_node, references, .. } = result else { return Ok(false) };
    let [reference] = references.as_slice() else { return Err(SigninReason::SamlVerifiersDiffer) };
    let signed = document.parent(*signature_node);
    let agrees = reference.digest_verified
        && signed.is_some()
        && reference.resolved_node == signed
        && signed.and_then(|signed| document.get_attribute(signed, "ID")) == Some(&*expected.id)
        && signed.and_then(|signed| document.node_range(signed)) == Some(expected.signs.clone());
    if agrees { Ok(true) } else { Err(SigninReason::SamlVerifiersDiffer) }
}
