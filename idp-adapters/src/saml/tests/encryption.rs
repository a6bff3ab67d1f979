//! Ciphertexts of people who do not have the key, and plaintexts of people who do.

use cedargate_model::SigninReason as Reason;

use super::super::names::{GCM, KEY_TRANSPORTS, XENC};
use super::super::testing::{encrypted, encrypted_by};
use super::{Forge, gateway_key, stranger};

#[track_caller]
fn refuses(sealed: &str, reason: Reason) {
    let forge = Forge::new();
    forge.refuses(&forge.said().response(sealed).unsigned(), reason);
    // And where the message around it is honestly signed.
    forge.refuses(&forge.idp.sign(&forge.said().response(sealed)), reason);
}

fn sealed() -> String {
    let forge = Forge::new();
    encrypted(&forge.idp.sign(&forge.said().assertion()), &gateway_key())
}

/// A ciphertext with its octets changed.
fn with_value(at: usize, value: &str) -> String {
    let sealed = sealed();
    let start = sealed.match_indices("CipherValue>").nth(at).unwrap().0 + "CipherValue>".len();
    let end = start + sealed[start..].find("</").unwrap();
    format!("{}{value}{}", &sealed[..start], &sealed[end..])
}

#[test]
fn a_hostile_ciphertext_is_refused_and_panics_nothing() {
    // The wrapped key is the first value, the text the third tag.
    for at in [0, 2] {
        for value in [
            "",
            "A",
            "AA==",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "!!!!",
            "&#0;",
            &"AAAA".repeat(64),
            &"AAAA".repeat(2000),
        ] {
            let reason = if value == "&#0;" { Reason::SamlXml } else { Reason::SamlDecryption };
            refuses(&with_value(at, value), reason);
        }
    }
    refuses(&encrypted("x", &stranger().key), Reason::SamlDecryption);
}

#[test]
fn only_known_ciphers_and_key_transports_are_tried() {
    for other in [
        "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
        "http://www.w3.org/2001/04/xmlenc#kw-aes256",
        "http://www.w3.org/2009/xmlenc11#aes192-gcm",
        "",
    ] {
        refuses(&sealed().replace(GCM[1], other), Reason::SamlEncryption);
    }
    for other in ["http://www.w3.org/2001/04/xmlenc#rsa-1_5", "http://www.w3.org/2001/04/xmlenc#kw-aes128", ""] {
        refuses(&sealed().replace(KEY_TRANSPORTS[0], other), Reason::SamlEncryption);
    }
}

#[test]
fn a_key_or_text_that_stands_elsewhere_is_refused() {
    for (from, to) in [
        ("<xenc:CipherValue>", "<xenc:CipherReference URI=\"http://127.0.0.1:1/\"/><xenc:CipherValue>"),
        ("<xenc:EncryptedKey>", "<ds:RetrievalMethod URI=\"#x\"/><xenc:EncryptedKey>"),
        ("<xenc:EncryptedKey>", "<ds:KeyName>x</ds:KeyName><xenc:EncryptedKey>"),
        (
            "</saml:EncryptedAssertion>",
            "<xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"/></saml:EncryptedAssertion>",
        ),
    ] {
        assert!(sealed().contains(from), "{from}");
        refuses(&sealed().replace(from, to), Reason::SamlEncryption);
    }
    let sealed = sealed();
    let key = sealed.find("<ds:KeyInfo").unwrap();
    let end = sealed.find("</ds:KeyInfo>").unwrap() + "</ds:KeyInfo>".len();
    refuses(&format!("{}{}", &sealed[..key], &sealed[end..]), Reason::SamlEncryption);
}

/// Whoever has the gateway's certificate can encrypt: that says nothing about who wrote it.
#[test]
fn what_was_encrypted_is_scanned_and_verified_as_anything_else() {
    let forge = Forge::new();
    let said = forge.said();
    let honest = said.assertion();
    let signed = forge.idp.sign(&honest);
    let seal = |plain: &str| said.response(&encrypted(plain, &gateway_key())).unsigned();
    forge.refuses(&seal(&honest.unsigned()), Reason::SamlUnsigned);
    forge.refuses(&seal(&stranger().sign(&honest)), Reason::SamlSignature);
    forge.refuses(&seal(&signed.replace(">ada<", ">root<")), Reason::SamlSignature);
    forge.refuses(&seal(&signed.replace(">ada<", ">ada<!----><")), Reason::SamlMarkup);
    forge.refuses(&seal(&format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{signed}")), Reason::SamlDoctype);
    forge.refuses(&seal(&format!("{signed}{}", forge.evil().unsigned())), Reason::SamlXml);
    forge.refuses(&seal("text"), Reason::SamlXml);
    forge.refuses(&seal(""), Reason::SamlXml);
    forge.refuses(&seal(&said.response(&signed).unsigned()), Reason::SamlKind);
    let within = signed.replace("ada@acme.example", &format!("<x:y xmlns:x=\"{XENC}\"/>"));
    forge.refuses(&seal(&within), Reason::SamlStructure);
    let signature = forge.idp.signature(&honest);
    let evil = forge.evil();
    forge.refuses(&seal(&format!("{}{signature}{}", evil.before, evil.after)), Reason::SamlReference);
    // A plain assertion beside the encrypted one.
    forge.refuses(
        &said.response(&format!("{}{}", encrypted(&signed, &gateway_key()), evil.unsigned())).unsigned(),
        Reason::SamlAssertionCount,
    );
}

#[test]
fn an_assertion_in_the_clear_is_refused_where_it_has_to_be_encrypted() {
    let mut forge = Forge::new();
    forge.settings.encrypted_only = true;
    forge.refuses(&forge.assertion_signed(|_| {}), Reason::SamlEncryption);
    forge.refuses(&forge.response_signed(|_| {}), Reason::SamlEncryption);
    let said = forge.said();
    let message =
        said.response(&encrypted_by(&forge.idp.sign(&said.assertion()), &gateway_key(), GCM[0], KEY_TRANSPORTS[0]));
    assert!(forge.judge(&message.unsigned()).is_ok());
}
