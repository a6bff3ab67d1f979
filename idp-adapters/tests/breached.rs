//! Passwords that were stolen somewhere: by a local copy of the list, and by a real HTTP server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use cedargate_identity::Email;
use cedargate_idp_adapters::breached::{
    Breach, BreachedError, BreachedPasswords, BreachedSource, RangeService, WhenUnavailable,
};
use cedargate_idp_adapters::captcha::{Captcha, Puzzle};
use cedargate_idp_adapters::local::{NewPassword, PasswordRefused, PasswordRules};
use cedargate_model::TenantName;
use tempfile::TempDir;

/// Its SHA-1 is `STOLEN_RANGE` and then `STOLEN_REST`.
const STOLEN: &str = "correct horse battery staple";
const STOLEN_RANGE: &str = "ABF7A";
const STOLEN_REST: &str = "AD6438836DBE526AA231ABDE2D0EEF74D42";
const UNKNOWN: &str = "nobody ever chose this one before me";

fn password(text: &str) -> NewPassword {
    NewPassword::parse(text).unwrap()
}

/// A copy of the list with one range in it.
fn copy(name: &str, range: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), range).unwrap();
    directory
}

fn by_copy(directory: &TempDir, unavailable: WhenUnavailable) -> BreachedPasswords {
    BreachedPasswords::new(BreachedSource::Directory(directory.path().to_owned()), unavailable)
}

/// A server that gives one answer to each request, and says what was asked.
fn serve(answer: String) -> (BreachedPasswords, Receiver<Vec<String>>) {
    let (base, asks) = serve_at(answer);
    let service = RangeService::new(&format!("{base}/range/")).unwrap();
    (BreachedPasswords::new(BreachedSource::Service(service), WhenUnavailable::Refuse), asks)
}

fn serve_at(answer: String) -> (String, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (asked, asks) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let _gone = stream.write_all(answer.as_bytes());
            if asked.send(head).is_err() {
                return;
            }
        }
    });
    (base, asks)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_stolen_password_is_found_in_a_local_copy_by_either_name() {
    for name in [STOLEN_RANGE.to_owned(), format!("{STOLEN_RANGE}.txt")] {
        let directory = copy(&name, &format!("{}:3\r\n{STOLEN_REST}:47\r\n", "0".repeat(35)));
        let list = by_copy(&directory, WhenUnavailable::Refuse);
        assert_eq!(list.look_for(&password(STOLEN)).await.unwrap(), Breach::Known, "{name}");
    }
    let without = copy(STOLEN_RANGE, &format!("{}:3\r\n", "0".repeat(35)));
    let list = by_copy(&without, WhenUnavailable::Refuse);
    assert_eq!(list.look_for(&password(STOLEN)).await.unwrap(), Breach::NotKnown);
}

#[tokio::test]
async fn a_copy_that_is_not_whole_refuses_or_accepts_as_configured() {
    let empty = tempfile::tempdir().unwrap();
    let malformed = copy(STOLEN_RANGE, "<html>moved</html>");
    let long = copy(STOLEN_RANGE, &"0".repeat(600 * 1024));
    for directory in [&empty, &malformed, &long] {
        assert!(by_copy(directory, WhenUnavailable::Refuse).look_for(&password(STOLEN)).await.is_err());
        let accepted = by_copy(directory, WhenUnavailable::Accept).look_for(&password(STOLEN)).await;
        assert_eq!(accepted.unwrap(), Breach::NotKnown);
    }
}

#[tokio::test]
async fn a_service_learns_a_range_and_nothing_else() {
    let (list, asks) = serve(answer("200 OK", &format!("{}:0\r\n{STOLEN_REST}:47\r\n", "A".repeat(35))));
    assert_eq!(list.look_for(&password(STOLEN)).await.unwrap(), Breach::Known);
    let head = asks.recv().unwrap();
    assert_eq!(head[0], format!("GET /range/{STOLEN_RANGE} HTTP/1.1"));
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("add-padding: true")), "{head:?}");
    assert!(!head.iter().any(|line| line.contains(&STOLEN_REST[..6]) || line.contains("horse")), "{head:?}");
    assert_eq!(list.look_for(&password(UNKNOWN)).await.unwrap(), Breach::NotKnown);
}

#[tokio::test]
async fn a_service_that_fails_or_answers_nonsense_sets_no_password() {
    for bad in [
        answer("500 Internal Server Error", ""),
        answer("404 Not Found", ""),
        answer("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        answer("200 OK", "<html>sign in to the wireless network</html>"),
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123".to_owned(),
    ] {
        let (list, _asks) = serve(bad.clone());
        assert!(list.look_for(&password(STOLEN)).await.is_err(), "{bad}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = RangeService::new(&format!("http://{nobody}/range")).unwrap();
    let list = BreachedPasswords::new(BreachedSource::Service(service), WhenUnavailable::Refuse);
    assert!(matches!(list.look_for(&password(STOLEN)).await, Err(BreachedError::Service(_))));
}

#[test]
fn a_service_is_called_only_where_one_may_be() {
    for base in ["http://passwords.example/range", "https://169.254.169.254/range", "ftp://localhost/", "passwords"] {
        assert!(RangeService::new(base).is_err(), "{base}");
    }
    assert!(RangeService::new("http://localhost:1/range").is_ok());
}

#[tokio::test]
async fn the_rules_refuse_what_was_stolen_and_what_cannot_be_looked_for() {
    let (acme, ada) = (TenantName::parse("acme").unwrap(), Email::parse("ada@example.com").unwrap());
    let directory = copy(STOLEN_RANGE, &format!("{STOLEN_REST}:47\n"));
    let rules = PasswordRules::new(by_copy(&directory, WhenUnavailable::Refuse), BTreeMap::new());
    assert!(matches!(rules.accept(&acme, STOLEN, &ada).await, Err(PasswordRefused::Breached)));
    assert!(matches!(rules.accept(&acme, UNKNOWN, &ada).await, Err(PasswordRefused::Unknown(_))));
    let rules = PasswordRules::new(by_copy(&directory, WhenUnavailable::Accept), BTreeMap::new());
    assert!(matches!(rules.accept(&acme, STOLEN, &ada).await, Err(PasswordRefused::Breached)));
    assert!(rules.accept(&acme, UNKNOWN, &ada).await.is_ok());
}

#[tokio::test]
async fn a_puzzle_is_solved_only_where_its_service_says_so() {
    let client = std::net::IpAddr::from([192, 0, 2, 1]);
    let secret = || zeroize::Zeroizing::new("a secret".to_owned());
    for (given, expected) in [
        (answer("200 OK", r#"{"success": true, "hostname": "acme"}"#), Some(Puzzle::Solved)),
        (answer("200 OK", r#"{"success": false}"#), Some(Puzzle::Unsolved)),
        (answer("200 OK", r#"{"success": "true"}"#), None),
        (answer("200 OK", "yes"), None),
        (answer("500 Internal Server Error", r#"{"success": true}"#), None),
    ] {
        let (base, _asks) = serve_at(given.clone());
        let captcha = Captcha::new(&format!("{base}/siteverify"), secret()).unwrap();
        assert_eq!(captcha.judge("what the browser got", client).await.ok(), expected, "{given}");
    }
    let (base, asks) = serve_at(answer("200 OK", r#"{"success": true}"#));
    let captcha = Captcha::new(&base, secret()).unwrap();
    assert_eq!(captcha.judge("", client).await.unwrap(), Puzzle::Unsolved, "nobody is asked about nothing");
    assert!(asks.try_recv().is_err());
    assert!(Captcha::new("http://captcha.example/siteverify", secret()).is_err());
}
