//! Signature wrapping: what is signed stands in the message, and something else stands where readers look.

use cedargate_model::SigninReason as Reason;

use super::Forge;

/// The parts of an honest message that wrapping rearranges.
struct Parts {
    forge: Forge,
    /// The assertion's signature.
    signature: String,
    /// The assertion, without it.
    original: String,
    /// The assertion, with it.
    signed: String,
    /// What the attacker would like to be read.
    evil: String,
    evil_before: String,
    evil_after: String,
}

fn parts() -> Parts {
    let forge = Forge::new();
    let piece = forge.said().assertion();
    let evil = forge.evil();
    Parts {
        signature: forge.idp.signature(&piece),
        original: piece.unsigned(),
        signed: forge.idp.sign(&piece),
        evil: evil.unsigned(),
        evil_before: evil.before,
        evil_after: evil.after,
        forge,
    }
}

impl Parts {
    #[track_caller]
    fn refuses(&self, around: &str, reason: Reason) {
        self.forge.refuses(&self.forge.said().response(around).unsigned(), reason);
    }

    /// A signature with something in it that no signature has.
    fn signature_holding(&self, held: &str) -> String {
        self.signature.replace("</ds:Signature>", &format!("<ds:Object>{held}</ds:Object></ds:Signature>"))
    }
}

/// XSW 1 and 2: the signed message stands beside or in its signature, in a message of the attacker's.
#[test]
fn a_signed_message_within_another_message_is_refused() {
    let forge = Forge::new();
    let said = forge.said();
    let honest = said.response(&said.assertion().unsigned());
    let (signature, original) = (forge.idp.signature(&honest), honest.unsigned());
    let mut evil = forge.said();
    evil.response_id = "_evil_response".to_owned();
    let evil = evil.response(&forge.evil().unsigned());
    let held = signature.replace("</ds:Signature>", &format!("<ds:Object>{original}</ds:Object></ds:Signature>"));
    forge.refuses(&format!("{}{held}{}", evil.before, evil.after), Reason::SamlAssertionCount);
    forge.refuses(&format!("{}{signature}{original}{}", evil.before, evil.after), Reason::SamlAssertionCount);
    // The signature as it was, over the attacker's message.
    forge.refuses(&format!("{}{signature}{}", evil.before, evil.after), Reason::SamlReference);
}

/// XSW 3.
#[test]
fn an_assertion_before_or_behind_the_signed_one_is_refused() {
    let parts = parts();
    parts.refuses(&format!("{}{}", parts.evil, parts.signed), Reason::SamlAssertionCount);
    parts.refuses(&format!("{}{}", parts.signed, parts.evil), Reason::SamlAssertionCount);
}

/// XSW 4.
#[test]
fn an_assertion_around_the_signed_one_is_refused() {
    let parts = parts();
    let around = format!("{}{}", parts.evil_before, parts.evil_after);
    let around = around.replace("</saml:Assertion>", &format!("{}</saml:Assertion>", parts.signed));
    parts.refuses(&around, Reason::SamlAssertionCount);
}

/// XSW 5.
#[test]
fn a_signature_in_another_assertion_than_its_own_is_refused() {
    let parts = parts();
    let moved = format!("{}{}{}", parts.evil_before, parts.signature, parts.evil_after);
    parts.refuses(&format!("{moved}{}", parts.original), Reason::SamlAssertionCount);
    parts.refuses(&moved, Reason::SamlReference);
}

/// XSW 6 and 8.
#[test]
fn an_assertion_within_a_signature_is_refused() {
    let parts = parts();
    let holding = parts.signature_holding(&parts.original);
    parts.refuses(&format!("{}{holding}{}", parts.evil_before, parts.evil_after), Reason::SamlAssertionCount);
    let beside = parts.signature.replace("</ds:Signature>", &format!("{}</ds:Signature>", parts.original));
    parts.refuses(&format!("{}{beside}{}", parts.evil_before, parts.evil_after), Reason::SamlAssertionCount);
    // Even where nothing is in it.
    let held = parts.signature_holding("");
    let piece = parts.forge.said().assertion();
    parts.refuses(&format!("{}{held}{}", piece.before, piece.after), Reason::SamlSignatureShape);
}

/// XSW 7.
#[test]
fn an_assertion_within_extensions_is_refused() {
    let parts = parts();
    let extended = |within: &str| {
        let response = parts.forge.said().response(&parts.signed);
        format!("{}<samlp:Extensions>{within}</samlp:Extensions>{}", response.before, response.after)
    };
    parts.forge.refuses(&extended(&parts.evil), Reason::SamlAssertionCount);
    parts.forge.refuses(&extended(""), Reason::SamlStructure);
}

#[test]
fn an_assertion_hidden_where_values_stand_is_refused() {
    let parts = parts();
    let hide = |within: String| parts.original.replace("ada@acme.example", &within);
    let forge = &parts.forge;
    parts.refuses(&hide(parts.evil.clone()), Reason::SamlAssertionCount);
    for within in
        ["<saml:Subject></saml:Subject>", "<samlp:Status xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>"]
    {
        forge.refuses(&forge.said().response(&hide(within.to_owned())).unsigned(), Reason::SamlStructure);
    }
    let foreign =
        parts.evil.replace("saml:Assertion", "x:Assertion").replace("xmlns:saml", "xmlns:x=\"urn:x\" xmlns:saml");
    parts.refuses(&format!("{}{foreign}", parts.signed), Reason::SamlAssertionCount);
    let status = forge.said().response("").unsigned();
    let detail = format!("</samlp:StatusCode><samlp:StatusDetail>{}</samlp:StatusDetail>", parts.signed);
    forge.refuses(&status.replace("</samlp:StatusCode>", &detail), Reason::SamlStructure);
    forge.refuses(&status, Reason::SamlAssertionCount);
}

#[test]
fn two_elements_with_one_id_are_refused() {
    let parts = parts();
    for attribute in ["ID", "Id", "id", "iD", "xml:id", "AssertionID"] {
        let twice = parts.signed.replace(
            "<saml:AttributeValue>ada",
            &format!("<saml:AttributeValue><x {attribute}=\"_assertion\"></x>ada"),
        );
        parts.refuses(&twice, Reason::SamlId);
    }
    let mut said = parts.forge.said();
    said.response_id = said.assertion_id.clone();
    parts.forge.refuses(&said.response(&parts.signed).unsigned(), Reason::SamlId);
    for id in ["", "1", "a b", "a:b", "ä", "a'b"] {
        let named = parts.signed.replace("ID=\"_assertion\"", &format!("ID=\"{id}\""));
        parts.refuses(&named, Reason::SamlId);
    }
    parts.refuses(&parts.signed.replace(" ID=\"_assertion\"", ""), Reason::SamlId);
}
