//! What is honestly signed, and says something else than it has to.

use cedargate_model::SigninReason as Reason;

use super::super::message::instant;
use super::super::names::{SUCCESS, TRANSIENT};
use super::super::testing::Said;
use super::{Forge, NOW, later, sp};

/// Refused whichever part is signed.
#[track_caller]
fn refuses(change: impl Fn(&mut Said), reason: Reason) {
    let forge = Forge::new();
    forge.refuses(&forge.assertion_signed(&change), reason);
    forge.refuses(&forge.response_signed(&change), reason);
}

#[track_caller]
fn accepts(change: impl Fn(&mut Said)) {
    let forge = Forge::new();
    for message in [forge.assertion_signed(&change), forge.response_signed(&change)] {
        assert!(forge.judge(&message).is_ok(), "{message}");
    }
}

/// Where the assertion alone is signed, what is around it is anybody's word, and still has to be right.
#[test]
fn an_answer_for_somebody_else_is_refused() {
    for elsewhere in
        ["https://globex.gateway.example/auth/saml/corp/acs", "", "https://acme.gateway.example/auth/saml/corp/acs/"]
    {
        refuses(|said| said.destination = elsewhere.to_owned(), Reason::SamlDestination);
        refuses(|said| said.recipient = elsewhere.to_owned(), Reason::SamlRecipient);
    }
    refuses(
        |said| said.conditions = said.conditions.replace("/auth/saml/corp/metadata", "/auth/saml/other/metadata"),
        Reason::SamlAudience,
    );
    refuses(|said| said.conditions = said.conditions.replace("https://acme", "http://acme"), Reason::SamlAudience);
    let other = format!("<saml:Audience>urn:other</saml:Audience><saml:Audience>{}</saml:Audience>", sp().entity_id);
    accepts(|said| {
        let own = format!("<saml:Audience>{}</saml:Audience>", sp().entity_id);
        said.conditions = said.conditions.replace(&own, &other);
    });
}

#[test]
fn an_answer_that_is_signed_says_where_it_goes_and_who_it_is_from() {
    let forge = Forge::new();
    let said = forge.said();
    let mut piece = said.response(&said.assertion().unsigned());
    piece.before = piece.before.replace(&format!(" Destination=\"{}\"", said.destination), "");
    forge.refuses(&forge.idp.sign(&piece), Reason::SamlDestination);
    let mut piece = said.response(&forge.idp.sign(&said.assertion()));
    piece.before = piece.before.replace(&format!(" Destination=\"{}\"", said.destination), "");
    assert!(forge.judge(&piece.unsigned()).is_ok());
}

#[test]
fn an_answer_of_another_provider_is_refused() {
    for other in ["https://evil.example/metadata", "", "https://idp.example/metadata/"] {
        refuses(|said| said.issuer = other.to_owned(), Reason::SamlIssuer);
        refuses(|said| said.response_issuer = other.to_owned(), Reason::SamlIssuer);
    }
}

#[test]
fn a_refusal_of_the_provider_signs_nobody_in() {
    for status in [
        "urn:oasis:names:tc:SAML:2.0:status:Responder",
        "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed",
        "",
        "urn:oasis:names:tc:SAML:2.0:status:success",
    ] {
        refuses(|said| said.status = status.to_owned(), Reason::SamlStatus);
    }
    let forge = Forge::new();
    let message =
        forge.assertion_signed(|said| said.status = "urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned());
    let inner = format!("<samlp:StatusCode Value=\"{SUCCESS}\"></samlp:StatusCode></samlp:StatusCode>");
    forge.refuses(&message.replace("</samlp:StatusCode>", &inner), Reason::SamlStatus);
}

#[test]
fn an_answer_to_another_request_or_to_none_is_refused() {
    for other in [Some("_other".to_owned()), None] {
        refuses(|said| said.confirmed_in_response_to = other.clone(), Reason::SamlInResponseTo);
    }
    // Without it in the message, nobody's attempt was looked for.
    let mut forge = Forge::new();
    let message = forge.assertion_signed(|said| said.in_response_to = None);
    forge.attempt = None;
    forge.refuses(&message, Reason::SamlUnsolicited);
}

#[test]
fn an_answer_out_of_its_time_is_refused() {
    refuses(|said| said.issued = later(61), Reason::SamlIssueInstant);
    refuses(|said| said.issued = later(-661), Reason::SamlIssueInstant);
    refuses(|said| said.not_on_or_after = later(-60), Reason::SamlExpired);
    refuses(|said| said.authn_instant = later(61), Reason::SamlNotYet);
    refuses(|said| said.session_ends = Some(later(-60)), Reason::SamlSessionOver);
    let conditions = |said: &mut Said, begin: i64, end: i64| {
        let own = instant(NOW);
        said.conditions = said.conditions.replace(
            &format!("NotBefore=\"{own}\" NotOnOrAfter=\"{}\"", instant(later(300))),
            &format!("NotBefore=\"{}\" NotOnOrAfter=\"{}\"", instant(later(begin)), instant(later(end))),
        );
    };
    refuses(|said| conditions(said, 61, 300), Reason::SamlNotYet);
    refuses(|said| conditions(said, -300, -60), Reason::SamlExpired);
    // The clocks may be off by a minute.
    accepts(|said| conditions(said, 60, 300));
    accepts(|said| conditions(said, -300, -59));
    accepts(|said| said.issued = later(60));
    accepts(|said| said.session_ends = Some(later(3600)));
    for zoned in
        ["2027-01-15T08:00:00+01:00", "2027-01-15 08:00:00Z", "2027-01-15T08:00:00", "", "Z", "2027-13-01T00:00:00Z"]
    {
        let forge = Forge::new();
        let mut said = forge.said();
        said.conditions = said.conditions.replacen(&instant(NOW), zoned, 1);
        forge.refuses(&said.response(&forge.idp.sign(&said.assertion())).unsigned(), Reason::SamlStructure);
    }
}

#[test]
fn a_sign_in_that_is_too_old_for_what_was_asked_is_refused() {
    let mut forge = Forge::new();
    if let Some(attempt) = &mut forge.attempt {
        attempt.max_age_seconds = Some(300);
    }
    assert!(forge.judge(&forge.assertion_signed(|said| said.authn_instant = later(-360))).is_ok());
    forge.refuses(&forge.assertion_signed(|said| said.authn_instant = later(-361)), Reason::AuthTimeTooOld);
}

#[test]
fn conditions_that_are_missing_or_not_known_are_refused() {
    refuses(|said| said.conditions = String::new(), Reason::SamlConditions);
    refuses(|said| said.conditions = "<saml:Conditions></saml:Conditions>".to_owned(), Reason::SamlAudience);
    refuses(|said| said.conditions = said.conditions.repeat(2), Reason::SamlStructure);
    for unknown in ["<saml:Condition></saml:Condition>", "<x:Odd xmlns:x=\"urn:x\"></x:Odd>", "text"] {
        let end = format!("{unknown}</saml:Conditions>");
        refuses(|said| said.conditions = said.conditions.replace("</saml:Conditions>", &end), Reason::SamlConditions);
    }
    let end = "<saml:OneTimeUse></saml:OneTimeUse></saml:Conditions>";
    accepts(|said| said.conditions = said.conditions.replace("</saml:Conditions>", end));
}

#[test]
fn an_assertion_that_anybody_may_not_bring_is_refused() {
    for method in ["holder-of-key", "sender-vouches"] {
        let method = format!("urn:oasis:names:tc:SAML:2.0:cm:{method}");
        refuses(|said| said.method.clone_from(&method), Reason::SamlConfirmation);
    }
    let forge = Forge::new();
    for (from, to) in [
        (" NotOnOrAfter", " NotBefore=\"2027-01-15T08:00:00Z\" NotOnOrAfter"),
        (&*format!(" NotOnOrAfter=\"{}\" Recipient", instant(later(300))), " Recipient"),
    ] {
        let mut piece = forge.said().assertion();
        let (subject, rest) = piece.after.split_once("</saml:Subject>").unwrap();
        assert!(subject.contains(from));
        piece.after = format!("{}</saml:Subject>{rest}", subject.replace(from, to));
        forge.refuses(&forge.said().response(&forge.idp.sign(&piece)).unsigned(), Reason::SamlConfirmation);
    }
}

/// A name that is qualified for another service, or by another provider, is another person's.
#[test]
fn a_name_for_somebody_else_is_refused() {
    let qualified = |said: &mut Said, by: &str| said.format.push_str(by);
    for by in [
        "\" NameQualifier=\"https://evil.example\" SPNameQualifier=\"",
        "\" SPNameQualifier=\"urn:affiliation",
        "\" NameQualifier=\"",
    ] {
        refuses(|said| qualified(said, by), Reason::SamlNameId);
    }
    let ours =
        format!("\" NameQualifier=\"{}\" SPNameQualifier=\"{}", super::super::testing::ENTITY_ID, sp().entity_id);
    accepts(|said| qualified(said, &ours));
    // Longer than what is kept of it.
    refuses(|said| said.format = format!("urn:{}", "x".repeat(509)), Reason::SamlNameId);
}

/// The reading before a comment, and the one around it, are two people.
#[test]
fn a_name_that_can_be_read_in_two_ways_is_refused() {
    for (name, reason) in [
        ("ada<!---->@evil.example", Reason::SamlMarkup),
        ("<!-- x -->", Reason::SamlMarkup),
        ("<![CDATA[ada]]>", Reason::SamlMarkup),
        ("ada<?x y?>", Reason::SamlMarkup),
        ("ada<x></x>", Reason::SamlNameId),
        ("<saml:NameID>ada</saml:NameID>", Reason::SamlNameId),
        ("", Reason::SamlNameId),
        (" ", Reason::SubjectInvalid),
        (" ada", Reason::SubjectInvalid),
        ("ada\n", Reason::SubjectInvalid),
        ("ad\u{e4}", Reason::SubjectInvalid),
        ("ada&#0;", Reason::SamlXml),
        ("&ada;", Reason::SamlXml),
        ("a\u{200b}da", Reason::SubjectInvalid),
    ] {
        refuses(|said| said.name_id = name.to_owned(), reason);
    }
    refuses(|said| said.name_id = "a".repeat(256), Reason::SubjectInvalid);
    refuses(|said| said.format = TRANSIENT.to_owned(), Reason::SubjectInvalid);
    accepts(|said| said.name_id = "CN=Ada &amp; Co, O=Acme".to_owned());
}

/// Whoever can have the provider answer in a format of their choice is, in some, whoever they say.
#[test]
fn a_name_in_another_format_than_the_configured_one_is_nobodys() {
    let mut forge = Forge::new();
    let honest = forge.said().format;
    forge.settings.name_id_format = Some(honest.clone());
    assert!(forge.judge(&forge.assertion_signed(|_| {})).is_ok());
    let unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    assert_ne!(honest, unspecified);
    forge.refuses(&forge.assertion_signed(|said| said.format = unspecified.to_owned()), Reason::SamlNameId);
    forge.refuses(&forge.response_signed(|said| said.format = unspecified.to_owned()), Reason::SamlNameId);
}

#[test]
fn what_stands_twice_is_refused() {
    let forge = Forge::new();
    let said = forge.said();
    let assertion = forge.idp.sign(&said.assertion());
    for element in [
        "Issuer",
        "Subject",
        "NameID",
        "SubjectConfirmation",
        "SubjectConfirmationData",
        "AuthnStatement",
        "AuthnContext",
        "AttributeStatement",
        "AudienceRestriction",
    ] {
        let start = assertion.find(&format!("<saml:{element}")).unwrap();
        let end_tag = format!("</saml:{element}>");
        let end = assertion.find(&end_tag).unwrap() + end_tag.len();
        let twice = format!("{}{}{}", &assertion[..end], &assertion[start..end], &assertion[end..]);
        let judged = forge.judge(&said.response(&twice).unsigned()).map(|believed| believed.identity);
        let allowed = [Reason::SamlStructure, Reason::SamlConditions, Reason::SamlSignatureShape];
        assert!(judged.is_err_and(|reason| allowed.contains(&reason)), "{element}");
    }
    let message = said.response(&assertion).unsigned();
    forge.refuses(
        &message.replace("<samlp:Status>", "<samlp:Status></samlp:Status><samlp:Status>"),
        Reason::SamlStructure,
    );
    forge.refuses(&message.replace("Version=\"2.0\"", "Version=\"1.1\""), Reason::SamlStructure);
    forge.refuses(&message.replace("<samlp:Response ", "<samlp:Response Version=\"2.0\" "), Reason::SamlXml);
}

#[test]
fn metadata_whose_time_is_over_signs_nobody_in() {
    let mut forge = Forge::new();
    let message = forge.assertion_signed(|_| {});
    forge.settings.metadata.valid_until = Some(later(1));
    assert!(forge.judge(&message).is_ok());
    forge.settings.metadata.valid_until = Some(NOW);
    forge.refuses(&message, Reason::SamlMetadata);
}
