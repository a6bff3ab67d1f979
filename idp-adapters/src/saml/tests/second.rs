//! The second verifier: what it is held to, and that it can do nothing but compute.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::{fs, thread};

use cedargate_model::SigninReason as Reason;

use super::super::scan::{MessageKind, Scanned, scan};
use super::super::verify::second::confined::{self, Question};
use super::super::verify::second::{Disagreement, agree, compare};
use super::{Forge, idp, stranger};

fn scanned(message: &str) -> Scanned<'_> {
    scan(message.as_bytes(), MessageKind::Response).unwrap()
}

fn question(text: &str) -> Question {
    let certificate = idp().key.certificate().unwrap();
    Question { text: text.to_owned(), certificates: vec![certificate.der().to_vec()] }
}

/// libxml2 does not canonicalise a namespace that is a relative address, the first verifier does: one would take this, one would not.
#[test]
fn what_one_verifier_takes_and_the_other_does_not_is_refused() {
    let forge = Forge::new();
    let odd = "<saml:AttributeValue><x:y xmlns:x=\"relative\"></x:y></saml:AttributeValue></saml:Attribute>";
    let change = |said: &mut super::super::testing::Said| {
        said.attributes = said.attributes.replacen("</saml:Attribute>", odd, 1);
    };
    forge.refuses(&forge.assertion_signed(change), Reason::SamlVerifiersDiffer);
    forge.refuses(&forge.response_signed(change), Reason::SamlVerifiersDiffer);
    let as_usual = |said: &mut super::super::testing::Said| {
        said.attributes = said.attributes.replacen("</saml:Attribute>", &odd.replace("relative", "urn:x"), 1);
    };
    assert!(forge.judge(&forge.assertion_signed(as_usual)).is_ok());
}

#[test]
fn a_signature_that_only_the_first_verifier_takes_is_refused() {
    let forge = Forge::new();
    let message = forge.assertion_signed(|_| {});
    let by = |certificate| agree(&scanned(&message), &[certificate]).map_err(|refused| refused.reason);
    assert_eq!(by(idp().key.certificate().unwrap()), Ok(()));
    assert_eq!(by(stranger().key.certificate().unwrap()), Err(Reason::SamlVerifiersDiffer));
    assert_eq!(agree(&scanned(&message), &[]).map_err(|refused| refused.reason), Err(Reason::SamlVerifiersDiffer));
}

/// What was hashed is read again, by our reader and by libxml2, and each has to say what was read of the message.
#[test]
fn what_the_verifiers_read_differently_is_refused() {
    let forge = Forge::new();
    let honest = forge.assertion_signed(|_| {});
    let answer = || confined::ask(question(&honest)).unwrap().unwrap();
    assert!(compare(&scanned(&honest), &answer()).is_ok());
    for (from, to) in
        [(">ada<", ">eve<"), ("warehouse", "heads"), ("_session", "_other"), ("persistent", "emailAddress")]
    {
        assert!(honest.contains(from));
        let other = honest.replace(from, to);
        assert!(matches!(compare(&scanned(&other), &answer()), Err(Disagreement::Reading)), "{to}");
    }
    for change in [
        |answer: &mut confined::Answer| answer.name_id_mut().value = "eve".to_owned(),
        |answer: &mut confined::Answer| answer.name_id_mut().sp_name_qualifier = Some("urn:x".to_owned()),
    ] {
        let mut answer = answer();
        change(&mut answer);
        assert!(matches!(compare(&scanned(&honest), &answer), Err(Disagreement::Identity)));
    }
}

/// On a thread of its own: what it gives up it never has again.
#[test]
fn where_the_second_verifier_runs_nothing_can_be_opened() {
    let kinds = thread::spawn(|| {
        confined::confine().unwrap();
        [
            fs::File::open("/etc/passwd").err(),
            fs::File::create("/tmp/cedargate-confined").err(),
            TcpStream::connect("127.0.0.1:1").err(),
            TcpListener::bind("127.0.0.1:0").err(),
            Command::new("/bin/true").spawn().err(),
        ]
        .map(|error| error.map(|error| error.kind()))
    });
    assert_eq!(kinds.join().unwrap(), [Some(ErrorKind::PermissionDenied); 5]);
}

/// Past the scan, which refuses all of these: even then it fetches nothing.
#[test]
fn what_a_message_names_is_never_fetched_by_the_second_verifier() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = format!("http://{}/x", listener.local_addr().unwrap());
    let honest = Forge::new().assertion_signed(|_| {});
    for hostile in [
        honest.replace("URI=\"#_assertion\"", &format!("URI=\"{at}\"")),
        honest.replace("URI=\"#_assertion\"", "URI=\"file:///etc/passwd\""),
        format!("<!DOCTYPE x [<!ENTITY y SYSTEM \"{at}\">]>{}", honest.replace(">ada<", ">&y;<")),
        format!("<!DOCTYPE x SYSTEM \"{at}\">{honest}"),
        honest.replace("<ds:KeyInfo>", &format!("<ds:KeyInfo><ds:RetrievalMethod URI=\"{at}\"/>")),
    ] {
        assert_ne!(hostile, honest);
        let _whatever = confined::ask(question(&hostile)).unwrap();
        assert_eq!(listener.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "{hostile}");
    }
    // It is none the worse for it.
    assert!(confined::ask(question(&honest)).unwrap().is_ok());
}
