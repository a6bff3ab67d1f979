//! The IdP ends sessions; nobody else does.

use cedargate_identity::{Ending, Subject};
use cedargate_model::{Micros, SigninReason as Reason};
use url::Url;

use super::super::binding::redirect;
use super::super::message::{Draft, logout_request};
use super::super::testing::{ENTITY_ID, LOGOUT, field};
use super::super::{Ends, LogoutMessage, NameId, Outgoing, Parameter, SpKey};
use super::{Forge, NOW, gateway_key, idp, later, sp, stranger};

fn ada() -> NameId {
    NameId { value: "ada".to_owned(), format: None, name_qualifier: None, sp_name_qualifier: None }
}

fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

fn draft(at: Micros, issuer: &str, destination: &str, session: Option<&str>) -> Draft {
    logout_request("_logout".to_owned(), at, destination, issuer, &ada(), session)
}

fn query(draft: &Draft, key: &SpKey) -> String {
    let url = Url::parse(&sp().slo).unwrap();
    redirect(&url, Parameter::Request, &draft.unsigned(), Some("back to you"), key).unwrap().query().unwrap().to_owned()
}

fn judge(message: LogoutMessage) -> Result<Ends, Reason> {
    Forge::new().client().believe_logout(&sp(), &message, NOW).map_err(|refused| refused.reason)
}

fn posted(message: &str) -> LogoutMessage {
    LogoutMessage::Field { message: field(message), relay_state: None }
}

#[test]
fn the_provider_ends_a_session_or_all_of_them() {
    let one = draft(NOW, ENTITY_ID, &sp().slo, Some("_session"));
    let ends = judge(LogoutMessage::Query(query(&one, &idp().key))).unwrap();
    let session = Ending::ProviderSession { session: subject("_session"), subject: Some(subject("ada")) };
    assert_eq!((ends.request_id.as_str(), ends.relay_state.as_deref()), ("_logout", Some("back to you")));
    assert_eq!(ends.endings, [session]);
    let all = draft(NOW, ENTITY_ID, &sp().slo, None);
    assert_eq!(judge(posted(&all.signed(&idp().key).unwrap())).unwrap().endings, [Ending::Subject(subject("ada"))]);
}

#[test]
fn a_request_that_the_provider_did_not_sign_ends_nothing() {
    let honest = draft(NOW, ENTITY_ID, &sp().slo, None);
    let good = query(&honest, &idp().key);
    let unsigned = good.split("&SigAlg").next().unwrap().to_owned();
    assert_eq!(judge(LogoutMessage::Query(unsigned)), Err(Reason::SamlUnsigned));
    assert_eq!(judge(posted(&honest.unsigned())), Err(Reason::SamlUnsigned));
    assert_eq!(judge(LogoutMessage::Query(query(&honest, &stranger().key))), Err(Reason::SamlSignature));
    assert_eq!(judge(posted(&honest.signed(&stranger().key).unwrap())), Err(Reason::SamlSignature));
    for (from, to, reason) in [
        ("back+to+you", "elsewhere", Reason::SamlSignature),
        ("rsa-sha256", "rsa-sha512", Reason::SamlSignature),
        ("rsa-sha256", "rsa-sha1", Reason::SamlAlgorithm),
        ("xmldsig-more%23rsa-sha256", "xmldsig-more%23hmac-sha256", Reason::SamlAlgorithm),
        ("&SigAlg", "&SAMLRequest=AAAA&SigAlg", Reason::SamlEncoding),
        ("&SigAlg", "&RelayState=a&SigAlg", Reason::SamlEncoding),
        ("SAMLRequest=", "SAMLRequest=AAAA", Reason::SamlEncoding),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        assert_eq!(judge(LogoutMessage::Query(good.replacen(from, to, 1))), Err(reason), "{from} to {to}");
    }
    assert_eq!(judge(LogoutMessage::Query(String::new())), Err(Reason::SamlEncoding));
}

#[test]
fn a_request_for_another_place_or_time_or_of_another_kind_ends_nothing() {
    let slo = sp().slo;
    for (draft, reason) in [
        (draft(NOW, ENTITY_ID, "https://globex.gateway.example/auth/saml/corp/slo", None), Reason::SamlDestination),
        (draft(NOW, "https://evil.example/metadata", &slo, None), Reason::SamlIssuer),
        (draft(later(61), ENTITY_ID, &slo, None), Reason::SamlIssueInstant),
        (draft(later(-661), ENTITY_ID, &slo, None), Reason::SamlIssueInstant),
    ] {
        assert_eq!(judge(LogoutMessage::Query(query(&draft, &idp().key))), Err(reason));
        assert_eq!(judge(posted(&draft.signed(&idp().key).unwrap())), Err(reason));
    }
    let forge = Forge::new();
    assert_eq!(judge(posted(&forge.response_signed(|_| {}))), Err(Reason::SamlKind));
    assert_eq!(judge(posted(&forge.idp.sign(&forge.said().assertion()))), Err(Reason::SamlKind));
}

/// Nothing that inflates to more than a message is inflated to its end.
#[test]
fn a_bomb_in_a_query_is_refused() {
    use base64::Engine as _;
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 50 * 1024 * 1024], 9);
    let bomb = base64::engine::general_purpose::STANDARD.encode(bomb);
    let bomb: String = url::form_urlencoded::byte_serialize(bomb.as_bytes()).collect();
    assert_eq!(judge(LogoutMessage::Query(format!("SAMLRequest={bomb}"))), Err(Reason::SamlEncoding));
}

/// What we ask for is what we would take: the same strict rules hold for what is written here.
#[test]
fn our_own_requests_and_answers_pass_the_scan_and_the_verifier() {
    use super::super::scan::{MessageKind, scan};
    use super::super::verify::verify;
    let forge = Forge::new();
    let draft = super::super::message::logout_response("_x".to_owned(), NOW, LOGOUT, &sp().entity_id, "_logout");
    for (message, kind) in [
        (draft.signed(&gateway_key()).unwrap(), MessageKind::LogoutResponse),
        (
            logout_request("_y".to_owned(), NOW, LOGOUT, "urn:a&b", &ada(), Some("<&>\""))
                .signed(&gateway_key())
                .unwrap(),
            MessageKind::LogoutRequest,
        ),
    ] {
        let scanned = scan(message.as_bytes(), kind).unwrap();
        verify(&scanned, &[gateway_key().certificate().unwrap().clone()]).unwrap();
    }
    let Some(Outgoing::Redirect(url)) = forge.client().logout_request(&sp(), &ada(), None, "state", NOW).unwrap()
    else {
        panic!("no redirect");
    };
    assert!(url.as_str().starts_with("https://idp.example/slo?SAMLRequest="), "{url}");
    let read = super::super::binding::Redirected::read(url.query().unwrap(), Parameter::Request).unwrap();
    read.verify(&[gateway_key().certificate().unwrap().clone()]).unwrap();
}
