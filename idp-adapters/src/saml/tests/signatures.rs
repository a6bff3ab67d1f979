//! Signatures that sign something else, in another way, with another key, or nothing.

use cedargate_model::SigninReason as Reason;

use super::super::names::{DSIG, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256};
use super::{Forge, gateway_key, idp, stranger};

/// An honest message with its assertion signed, and a text in it that an attacker changes.
fn changed(from: &str, to: &str) -> (Forge, String) {
    let forge = Forge::new();
    let message = forge.assertion_signed(|_| {});
    assert!(message.contains(from), "{from}");
    (forge, message.replace(from, to))
}

#[track_caller]
fn refuses(from: &str, to: &str, reason: Reason) {
    let (forge, message) = changed(from, to);
    forge.refuses(&message, reason);
}

#[test]
fn what_nobody_signed_is_refused_with_and_without_certificates_in_it() {
    let forge = Forge::new();
    let said = forge.said();
    forge.refuses(&said.response(&said.assertion().unsigned()).unsigned(), Reason::SamlUnsigned);
    let with_key = said.assertion().unsigned().replace(
        "</saml:Issuer><saml:Subject>",
        &format!(
            "</saml:Issuer><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo><saml:Subject>",
            idp().key.certificate().unwrap().to_base64()
        ),
    );
    forge.refuses(&said.response(&with_key).unsigned(), Reason::SamlStructure);
    refuses(
        "<ds:SignatureValue>",
        "<ds:SignatureValue></ds:SignatureValue><ds:SignatureValue>",
        Reason::SamlSignatureShape,
    );
}

/// The certificate that a message brings is its sender's to choose.
#[test]
fn a_signature_by_another_key_is_refused_whatever_certificate_it_brings() {
    let forge = Forge::new();
    let said = forge.said();
    for other in [stranger().key.clone(), gateway_key()] {
        let piece = said.assertion();
        let signature = other.signature_element(&piece.id, &piece.before, &piece.after).unwrap();
        let message = said.response(&format!("{}{signature}{}", piece.before, piece.after)).unsigned();
        forge.refuses(&message, Reason::SamlSignature);
        let ours = other.certificate().unwrap().to_base64();
        forge.refuses(&message.replace(&ours, &idp().key.certificate().unwrap().to_base64()), Reason::SamlSignature);
    }
}

#[test]
fn what_was_changed_after_it_was_signed_is_refused() {
    refuses(">ada<", ">root<", Reason::SamlSignature);
    refuses("warehouse", "warehouse ", Reason::SamlSignature);
    refuses("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", Reason::SamlSignature);
    refuses("<ds:DigestValue>", "<ds:DigestValue>AAAA", Reason::SamlSignature);
    let forge = Forge::new();
    let message = forge.response_signed(|_| {});
    forge.refuses(&message.replace(">ada<", ">root<"), Reason::SamlSignature);
    // Of two signatures both have to be good.
    let said = forge.said();
    let both = forge.idp.sign(&said.response(&stranger().sign(&said.assertion())));
    forge.refuses(&both, Reason::SamlSignature);
    let both = stranger().sign(&said.response(&forge.idp.sign(&said.assertion())));
    forge.refuses(&both, Reason::SamlSignature);
}

#[test]
fn a_signature_without_the_letter_of_its_profile_is_refused() {
    for weak in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "",
    ] {
        refuses(RSA_SHA256, weak, Reason::SamlAlgorithm);
    }
    for weak in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5", ""] {
        refuses(SHA256, weak, Reason::SamlAlgorithm);
    }
    refuses(
        "</ds:SignatureMethod>",
        "<ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>",
        Reason::SamlAlgorithm,
    );
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    refuses(
        "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#",
        &format!("CanonicalizationMethod Algorithm=\"{inclusive}"),
        Reason::SamlTransform,
    );
    refuses(
        "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#",
        "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        Reason::SamlTransform,
    );
}

#[test]
fn a_reference_to_anything_but_the_parent_is_refused() {
    for uri in [
        "",
        "#",
        "#_response",
        "#_assertion2",
        "_assertion",
        "#xpointer(/)",
        "#xpointer(id('_assertion'))",
        "http://127.0.0.1:1/x",
        "https://idp.example/#_assertion",
        "file:///etc/passwd",
        "//idp.example/x",
        "cid:x",
        "/etc/passwd",
    ] {
        refuses("Reference URI=\"#_assertion\"", &format!("Reference URI=\"{uri}\""), Reason::SamlReference);
    }
    refuses("Reference URI=\"#_assertion\"", "Reference", Reason::SamlReference);
    refuses("Reference URI=", "Reference Type=\"urn:x\" URI=", Reason::SamlReference);
    let (forge, message) = changed("<ds:Reference", "<ds:Reference");
    let start = message.find("<ds:Reference").unwrap();
    let end = message.find("</ds:Reference>").unwrap() + "</ds:Reference>".len();
    let twice = format!("{}{}{}", &message[..end], &message[start..end], &message[end..]);
    forge.refuses(&twice, Reason::SamlReference);
    forge.refuses(&format!("{}{}", &message[..start], &message[end..]), Reason::SamlReference);
}

#[test]
fn a_transform_beyond_the_two_is_refused_and_nothing_is_computed() {
    let enveloped = format!("<ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>");
    let canonical = format!("<ds:Transform Algorithm=\"{EXC_C14N}\"></ds:Transform>");
    let transform =
        |algorithm: &str, within: &str| format!("<ds:Transform Algorithm=\"{algorithm}\">{within}</ds:Transform>");
    let xpath = "http://www.w3.org/TR/1999/REC-xpath-19991116";
    let xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116";
    let slow = format!("<ds:XPath>{}</ds:XPath>", "count(//.)+".repeat(500));
    for other in [
        transform(xpath, &slow),
        transform(xslt, "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"/>"),
        transform("http://www.w3.org/2002/06/xmldsig-filter2", ""),
        transform("http://www.w3.org/2000/09/xmldsig#base64", ""),
        transform(&format!("{EXC_C14N}WithComments"), ""),
        enveloped.clone(),
        String::new(),
        "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>".to_owned(),
    ] {
        refuses(&canonical, &other, Reason::SamlTransform);
    }
    refuses(&canonical, &format!("{canonical}{}", transform(xslt, "")), Reason::SamlTransform);
    refuses(&canonical, &canonical.repeat(300), Reason::SamlTransform);
    refuses(&enveloped, &canonical, Reason::SamlTransform);
    refuses(&format!("{enveloped}{canonical}"), &format!("{canonical}{enveloped}"), Reason::SamlTransform);
}

#[test]
fn a_key_that_stands_elsewhere_is_refused() {
    for pointer in [
        "<ds:RetrievalMethod URI=\"http://127.0.0.1:1/key\"></ds:RetrievalMethod>",
        "<ds:RetrievalMethod URI=\"file:///etc/passwd\" Type=\"http://www.w3.org/2000/09/xmldsig#rawX509Certificate\"/>",
        "<dsig11:KeyInfoReference xmlns:dsig11=\"http://www.w3.org/2009/xmldsig11#\" URI=\"#x\"/>",
        "<xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"/>",
        "<ds:MgmtData>x</ds:MgmtData>",
    ] {
        refuses("<ds:KeyInfo>", &format!("<ds:KeyInfo>{pointer}"), Reason::SamlSignatureShape);
    }
    refuses("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object><ds:Manifest/></ds:Object>", Reason::SamlSignatureShape);
}

#[test]
fn a_signature_where_none_stands_is_refused() {
    let forge = Forge::new();
    let said = forge.said();
    let piece = said.assertion();
    let signature = forge.idp.signature(&piece);
    let at = |place: &str| {
        let text = piece.unsigned();
        assert!(text.contains(place), "{place}");
        said.response(&text.replacen(place, &format!("{signature}{place}"), 1)).unsigned()
    };
    for (place, reason) in [
        ("<saml:Issuer>", Reason::SamlSignatureShape),
        ("<saml:Conditions", Reason::SamlSignatureShape),
        ("<saml:NameID", Reason::SamlSignatureShape),
        ("<saml:Audience>", Reason::SamlSignatureShape),
        ("</saml:SubjectConfirmationData>", Reason::SamlSignatureShape),
        ("ada@acme.example", Reason::SamlSignatureShape),
    ] {
        forge.refuses(&at(place), reason);
    }
    let twice = format!("{}{signature}{signature}{}", piece.before, piece.after);
    forge.refuses(&said.response(&twice).unsigned(), Reason::SamlStructure);
}

/// Where there is no certificate, there is no connection.
#[test]
fn metadata_without_a_certificate_is_none() {
    use super::super::{IdpMetadata, MetadataError};
    let without = idp().metadata_xml(&[]);
    assert_eq!(IdpMetadata::parse(without.as_bytes()), Err(MetadataError::NoCertificate));
    let only_encrypts = idp().metadata_xml(&[&idp().key]).replace("use=\"signing\"", "use=\"encryption\"");
    assert_eq!(IdpMetadata::parse(only_encrypts.as_bytes()), Err(MetadataError::NoCertificate));
}

/// A certificate on a curve of its own (brainpoolP256r1), which the verifier cannot read: said when it is imported, not at a sign-in.
#[test]
fn a_certificate_that_cannot_verify_is_refused_at_import() {
    const BRAINPOOL: &str = "
MIIBgzCCASqgAwIBAgIUBxGgNF++Tfuzo+VZGTC3zJQqf7AwCgYIKoZIzj0EAwIwFjEUMBIGA1UEAwwLaWRwLmV4YW1wbGUwIBcNMjYxMTIwMT
c0NzI0WhgPMjEyNjEwMjcxNzQ3MjRaMBYxFDASBgNVBAMMC2lkcC5leGFtcGxlMFowFAYHKoZIzj0CAQYJKyQDAwIIAQEHA0IABJ8n+HCuQYQm
7LeNKE9E//jvMhuZSWqn0JJ4JfqO8pWOCUX77GHv5VyXlkCL5PptMRfAJgS2u0mzT1lvaeR3D92jUzBRMB0GA1UdDgQWBBQqB6zK8rLxCu8YeU
bM3PBKBP2a6zAfBgNVHSMEGDAWgBQqB6zK8rLxCu8YeUbM3PBKBP2a6zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIDMvfRg4
NGmQl6Hs/jmYOZ2h/FOPTSjH0DHH3H5hQZ6wAiA3ZrpCnWbZIwpapdwhItSohDJy4StYuvwwCW7gYqtbAQ==";
    use super::super::{SamlCertificate, SamlCertificateError};
    assert_eq!(SamlCertificate::parse_base64(BRAINPOOL).err(), Some(SamlCertificateError::Key));
}
