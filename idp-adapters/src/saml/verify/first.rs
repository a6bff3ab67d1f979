//! The first verifier: every signature of a scanned message, by the provider's keys and nobody else's.

use bergshamra_dsig::DsigContext;
use bergshamra_dsig::verify::{VerifyResult, verify_all_document_with_source};
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_x509_cert_der;
use bergshamra_xml::Document;
use bergshamra_xml::uppsala;
use cedargate_model::SigninReason;

use super::super::certificate::SamlCertificate;
use super::super::scan::{Scanned, SignatureAt};
use crate::Refused;

/// Verifies every signature of a message; says by which certificates.
///
/// # Errors
/// `saml_signature` where one is not the provider's; `saml_verifiers_differ` where the verifier looked elsewhere than the scan.
pub(super) fn verify<'c>(
    scanned: &Scanned<'_>,
    certificates: &'c [SamlCertificate],
) -> Result<Vec<&'c SamlCertificate>, Refused> {
    if scanned.signatures().is_empty() {
        return Err(SigninReason::SamlUnsigned.into());
    }
    let unread = |error: &dyn std::fmt::Display| Refused::because(SigninReason::SamlSignature, error.to_string());
    let document = uppsala::parse(scanned.text()).map_err(|error| unread(&error))?;
    let mut verified = vec![false; scanned.signatures().len()];
    let mut valid_by = Vec::new();
    for certificate in certificates {
        // Read once already, when it was taken up; one that cannot be read keeps no other from being tried.
        let Ok(key) = load_x509_cert_der(certificate.der()) else { continue };
        let mut keys = KeysManager::new();
        keys.add_key(key);
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
            if !*verified && is_of(&document, result, signature)? {
                *verified = true;
                valid_by.push(certificate);
            }
        }
        if verified.iter().all(|verified| *verified) {
            valid_by.dedup();
            return Ok(valid_by);
        }
    }
    Err(SigninReason::SamlSignature.into())
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
