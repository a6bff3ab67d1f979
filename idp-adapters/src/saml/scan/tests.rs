use cedargate_model::SigninReason as Reason;
use proptest::prelude::*;

use super::*;

const RESPONSE: &str = r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_a" Version="2.0" IssueInstant="2027-01-15T08:00:00Z"><samlp:Status><samlp:StatusCode Value="x"/></samlp:Status></samlp:Response>"#;

fn judge(text: &str) -> Result<(), Reason> {
    scan(text.as_bytes(), MessageKind::Response).map(drop)
}

#[test]
fn what_is_more_than_elements_attributes_and_text_is_refused() {
    assert_eq!(judge(RESPONSE), Ok(()));
    for declaration in [r#"<?xml version="1.0"?>"#, "<?xml version='1.0' encoding='utf-8' standalone=\"no\" ?>\r\n"] {
        assert_eq!(judge(&format!("{declaration}{RESPONSE}")), Ok(()), "{declaration}");
    }
    for (text, reason) in [
        (String::new(), Reason::SamlXml),
        ("x".to_owned(), Reason::SamlXml),
        (format!("\u{feff}{RESPONSE}"), Reason::SamlEncoding),
        (format!("<!DOCTYPE Response>{RESPONSE}"), Reason::SamlDoctype),
        (format!("<!doctype Response>{RESPONSE}"), Reason::SamlDoctype),
        (format!("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]>{RESPONSE}"), Reason::SamlDoctype),
        (format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{RESPONSE}"), Reason::SamlDoctype),
        (format!("<!DOCTYPE x PUBLIC \"a\" \"http://127.0.0.1:1/\">{RESPONSE}"), Reason::SamlDoctype),
        (format!("<!-- x -->{RESPONSE}"), Reason::SamlMarkup),
        (format!("{RESPONSE}<!-- x -->"), Reason::SamlMarkup),
        (format!("<?x y?>{RESPONSE}"), Reason::SamlMarkup),
        (format!("<?xml-stylesheet href=\"x\"?>{RESPONSE}"), Reason::SamlMarkup),
        (format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{RESPONSE}"), Reason::SamlEncoding),
        (format!("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>{RESPONSE}"), Reason::SamlEncoding),
        (format!("<?xml version=\"1.1\"?>{RESPONSE}"), Reason::SamlEncoding),
        (format!("{RESPONSE}{RESPONSE}"), Reason::SamlXml),
        (format!("{RESPONSE}x"), Reason::SamlXml),
        (RESPONSE.replace("</samlp:Status>", "<![CDATA[x]]></samlp:Status>"), Reason::SamlMarkup),
        (RESPONSE.replace("</samlp:Status>", "</samlp:Other>"), Reason::SamlXml),
        (RESPONSE.replace("</samlp:Response>", ""), Reason::SamlXml),
        (RESPONSE.replace("Value=\"x\"", "Value=\"&a;\""), Reason::SamlXml),
        (RESPONSE.replace("Value=\"x\"", "Value=\"<\""), Reason::SamlXml),
        (RESPONSE.replace("Value=\"x\"", "Value=x"), Reason::SamlXml),
        (RESPONSE.replace("samlp:", "q:"), Reason::SamlXml),
        (RESPONSE.replace("SAML:2.0:protocol", "SAML:1.0:protocol"), Reason::SamlKind),
        (RESPONSE.replace("samlp:Status>", "samlp:Extensions>"), Reason::SamlStructure),
        (RESPONSE.replace("<samlp:Status>", "text<samlp:Status>"), Reason::SamlStructure),
        (RESPONSE.replace("ID=\"_a\"", "ID=\"_a\" Evil=\"x\""), Reason::SamlStructure),
        (RESPONSE.replace("ID=\"_a\"", "ID=\"_a\" xml:base=\"http://x\""), Reason::SamlStructure),
        (RESPONSE.replace("ID=\"_a\"", ""), Reason::SamlId),
        (RESPONSE.replace("ID=\"_a\"", "ID=\"_a\" xmlns:x=\"u\" x:ID=\"_b\""), Reason::SamlStructure),
        (RESPONSE.replace("Value=\"x\"", "xmlns:x=\"u\" x:Value=\"y\" Value=\"x\""), Reason::SamlStructure),
        (RESPONSE.replace("Value=\"x\"", "Value=\"x\ny\""), Reason::SamlMarkup),
        (
            RESPONSE.replace(
                "Value=\"x\"/>",
                &format!("Value=\"x\">{}</samlp:StatusCode>", "<a xmlns:b=\"u\"/>".repeat(256)),
            ),
            Reason::SamlBounds,
        ),
        (
            RESPONSE.replace(
                "<samlp:Status>",
                &format!("<InclusiveNamespaces PrefixList=\"{}\"/><samlp:Status>", "a ".repeat(17)),
            ),
            Reason::SamlBounds,
        ),
        (
            RESPONSE.replace("<samlp:Status>", "<InclusiveNamespaces PrefixList=\"a b\"/><samlp:Status>"),
            Reason::SamlStructure,
        ),
        (" ".repeat(MESSAGE_BYTES_MAX + 1), Reason::SamlBounds),
    ] {
        assert_eq!(judge(&text), Err(reason), "{text:.300}");
    }
    assert_eq!(scan(b"\xff\xfe<", MessageKind::Response).map(drop), Err(Reason::SamlEncoding));
    for kind in [MessageKind::Assertion, MessageKind::LogoutRequest, MessageKind::LogoutResponse] {
        assert_eq!(scan(RESPONSE.as_bytes(), kind).map(drop), Err(Reason::SamlKind));
    }
}

/// A `>` or a `/>` within quotes is no end of a tag.
#[test]
fn quotes_hide_no_depth() {
    for open in ["<a b=\">\">", "<a b='/>'>", "<a b=\"'/>\">", "<a>"] {
        assert_eq!(judge(&format!("{}{}", open.repeat(40), "</a>".repeat(40))), Err(Reason::SamlBounds), "{open}");
    }
    assert_eq!(judge("<a b='/>'/>"), Err(Reason::SamlKind));
}

/// What is refused for its size is refused in little time: no parser sees it.
#[test]
fn bombs_are_refused_before_they_are_built() {
    let attributes: String = (0..20).map(|n| format!(" a{n}=\"\"")).collect();
    let wide = RESPONSE.replace(" ID=", &format!("{attributes} ID="));
    for bomb in [
        "<a>".repeat(30_000),
        format!("<a{}/>", " b=\"c\"".repeat(5_000)),
        "<a xmlns:b=\"c\">".repeat(8_000),
        format!("<a b=\"{}\"/>", "x".repeat(5_000)),
        format!("<a>{}</a>", "<b/>".repeat(20_000)),
        wide,
    ] {
        assert_eq!(judge(&bomb), Err(Reason::SamlBounds), "{bomb:.80}");
    }
    let laughs = (1..20).map(|n| format!("<!ENTITY l{n} \"&l{};&l{};\">", n - 1, n - 1)).collect::<String>();
    assert_eq!(judge(&format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]>{RESPONSE}")), Err(Reason::SamlDoctype));
}

proptest! {
    #[test]
    fn nothing_panics_and_what_passes_has_its_parts_in_their_places(text in "(<[/!?]?[a-zA-Z:]{1,6}( ID=\"[_a-z]{0,2}\")?/?>|[a-z&;<> ]{0,4}|\\PC){0,20}") {
        let _ = judge(&text);
    }

    #[test]
    fn whatever_is_changed_in_a_message_it_is_judged(at in 0_usize..220, octet in any::<u8>()) {
        let mut octets = RESPONSE.as_bytes().to_vec();
        if let Some(place) = octets.get_mut(at) {
            *place = octet;
        }
        if let Ok(scanned) = scan(&octets, MessageKind::Response) {
            prop_assert_eq!(scanned.text().as_bytes(), &*octets);
            prop_assert!(scanned.signatures().is_empty());
        }
    }
}
