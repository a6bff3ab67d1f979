use cedargate_model::SigninReason;
use serde_json::json;

use super::super::names::{CBC, GCM, KEY_TRANSPORTS};
use super::super::testing::{encrypted, encrypted_by, field};
use super::super::{Answer, IdpMetadata};
use super::{Forge, NOW, connection, gateway_key, later, sp, stranger};

#[test]
fn an_answer_is_believed_whichever_part_of_it_is_signed() {
    let forge = Forge::new();
    let said = forge.said();
    let signed_assertion = forge.idp.sign(&said.assertion());
    for message in [
        said.response(&signed_assertion).unsigned(),
        forge.idp.sign(&said.response(&said.assertion().unsigned())),
        forge.idp.sign(&said.response(&signed_assertion)),
    ] {
        let believed = forge.judge(&message).unwrap();
        assert_eq!(believed.identity.subject.as_str(), "ada");
        assert_eq!(believed.identity.issuer.as_str(), super::super::testing::ENTITY_ID);
        assert_eq!(believed.assertion_id, "_assertion");
        assert_eq!(believed.provider_session.as_ref().unwrap().as_str(), "_session");
        assert_eq!((believed.auth_time, believed.ends_by), (NOW, None));
        assert_eq!(believed.claims.get("groups"), Some(&json!(["warehouse", "office"])));
        assert_eq!(believed.claims.get("email"), Some(&json!("ada@acme.example")));
        assert!(believed.remember_until > later(600));
    }
}

#[test]
fn an_encrypted_assertion_is_believed_if_it_or_its_ciphertext_is_signed() {
    let forge = Forge::new();
    let said = forge.said();
    let (plain, signed) = (said.assertion().unsigned(), forge.idp.sign(&said.assertion()));
    for cipher in GCM {
        for transport in KEY_TRANSPORTS {
            let sealed = encrypted_by(&signed, &gateway_key(), cipher, transport);
            assert_eq!(forge.judge(&said.response(&sealed).unsigned()).unwrap().identity.subject.as_str(), "ada");
        }
    }
    for assertion in [&plain, &signed] {
        let message = forge.idp.sign(&said.response(&encrypted(assertion, &gateway_key())));
        assert_eq!(forge.judge(&message).unwrap().identity.subject.as_str(), "ada");
    }
}

#[test]
fn a_cipher_that_does_not_notice_changes_is_taken_where_that_is_configured() {
    let mut forge = Forge::new();
    let said = forge.said();
    let signed = forge.idp.sign(&said.assertion());
    for cipher in CBC {
        forge.settings.cbc = false;
        let message = said.response(&encrypted_by(&signed, &gateway_key(), cipher, KEY_TRANSPORTS[0])).unsigned();
        forge.refuses(&message, SigninReason::SamlEncryption);
        forge.settings.cbc = true;
        assert!(forge.judge(&message).is_ok(), "{cipher}");
    }
}

#[test]
fn several_certificates_are_good_while_one_takes_the_place_of_another() {
    let mut forge = Forge::new();
    let message = forge.assertion_signed(|_| {});
    let with = |keys: &[_]| IdpMetadata::parse(forge.idp.metadata_xml(keys).as_bytes()).unwrap();
    let (only_new, both) = (with(&[&stranger().key]), with(&[&stranger().key, &forge.idp.key]));
    forge.settings.metadata = both;
    assert!(forge.judge(&message).is_ok());
    forge.settings.metadata = only_new;
    forge.refuses(&message, SigninReason::SamlSignature);
}

#[test]
fn nobody_asked_and_the_connection_takes_that() {
    let mut forge = Forge::new();
    forge.attempt = None;
    forge.settings.unsolicited = true;
    assert!(forge.judge(&forge.assertion_signed(|_| {})).is_ok());
    // What answers somebody's request is no answer to nobody's.
    let answers = forge.assertion_signed(|said| said.in_response_to = Some(super::REQUEST.to_owned()));
    forge.refuses(&answers, SigninReason::SamlUnsolicited);
    let answers = forge.assertion_signed(|said| said.confirmed_in_response_to = Some(super::REQUEST.to_owned()));
    forge.refuses(&answers, SigninReason::SamlInResponseTo);
    forge.settings.unsolicited = false;
    forge.refuses(&forge.assertion_signed(|_| {}), SigninReason::SamlUnsolicited);
}

#[test]
fn attributes_of_one_name_are_one_claim_and_none_is_taken_for_the_statement() {
    let forge = Forge::new();
    let attribute = |name: &str, value: &str| {
        format!("<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>")
    };
    let message = forge.assertion_signed(|said| {
        said.attributes = format!(
            "<saml:AttributeStatement>{}{}{}{}</saml:AttributeStatement>",
            attribute("Role", "a"),
            attribute("Role", "b"),
            attribute("acr", "strongest"),
            attribute("auth_time", "1"),
        );
    });
    let claims = forge.judge(&message).unwrap().claims;
    assert_eq!(claims.get("Role"), Some(&json!(["a", "b"])));
    assert_eq!(claims.get("acr"), Some(&json!("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")));
    assert_eq!(claims.get("auth_time"), None);
    assert_eq!(claims.get("name_id"), Some(&json!("ada")));
}

#[tokio::test]
async fn verifying_happens_beside_the_callers_thread() {
    let forge = Forge::new();
    let answer = Answer::read(&field(&forge.assertion_signed(|_| {}))).unwrap();
    assert_eq!(answer.unverified_state(), Some("state"));
    let client = forge.client();
    let turn = client.turn().await.unwrap();
    let believed = client.complete(turn, &connection(), &sp(), answer, forge.attempt.as_ref(), NOW).await.unwrap();
    assert_eq!(believed.identity.subject.as_str(), "ada");
}
