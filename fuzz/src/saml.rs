//! SAML messages: what passes the scan is what was sent, and each of its signatures is of an element that is there.

use cedargate_idp_adapters::saml::{Answer, IdpMetadata, MESSAGE_BYTES_MAX, MessageKind, preview, scan};

/// One message, as each kind that there is, and as metadata.
pub fn saml(data: &[u8]) {
    use MessageKind::{Assertion, LogoutRequest, LogoutResponse, Response};
    for kind in [Response, Assertion, LogoutRequest, LogoutResponse] {
        let Ok(scanned) = scan(data, kind) else { continue };
        assert_eq!(scanned.text().as_bytes(), data, "another text than was sent");
        assert!(data.len() <= MESSAGE_BYTES_MAX);
        assert!(!["<!", "<!--", "<![CDATA["].iter().any(|markup| scanned.text().contains(markup)), "markup passed");
        assert!(scanned.signatures().len() <= 2, "more signatures than two");
        for signature in scanned.signatures() {
            let signed = scanned.text().get(signature.signs.clone()).unwrap_or_default();
            assert!(signed.starts_with('<') && signed.ends_with('>'), "a signature of no element");
            assert!(signed.contains(&signature.id), "a signature of an element without its id");
            assert!(signed.matches(":Signature").count() + signed.matches("<Signature").count() >= 1);
        }
    }
    let _ = preview(data);
    let _ = IdpMetadata::parse(data);
    // As a form's field has it: base64 or not.
    if let Ok(field) = std::str::from_utf8(data) {
        let _ = Answer::read(field);
    }
}
