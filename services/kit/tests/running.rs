//! A service as a process sees it: where it listens, how it starts without its gateway, how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use cedargate_assertion::{Issuer, JWKS_BYTES_MAX, SigningKeys, VerifyError};
use cedargate_kit::testing::{ISSUER, tenant};
use cedargate_kit::{Bound, IdentifyError, KeySource, KeySourceError, Keys, Listen, ListenError, ListenParseError};
use cedargate_model::{Caller, Micros};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

const NOW: Micros = Micros(1_790_000_000_000_000);

fn later(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

#[test]
fn a_service_listens_on_this_machine_only() {
    for (text, why) in [
        ("", ListenParseError::Unknown),
        ("unix:", ListenParseError::Unknown),
        ("/run/service.sock", ListenParseError::Unknown),
        ("localhost:80", ListenParseError::Unknown),
        ("127.0.0.1", ListenParseError::Unknown),
        ("0.0.0.0:80", ListenParseError::NotLoopback),
        ("[::]:80", ListenParseError::NotLoopback),
        ("192.0.2.1:80", ListenParseError::NotLoopback),
    ] {
        assert_eq!(text.parse::<Listen>(), Err(why), "{text}");
    }
    assert!("[::1]:8081".parse::<Listen>().is_ok());
}

#[test]
fn keys_come_from_a_file_or_from_this_machine() {
    for (text, why) in [
        ("", KeySourceError::Unknown),
        ("file:", KeySourceError::Unknown),
        ("https://127.0.0.1/jwks.json", KeySourceError::Unknown),
        ("http://gateway.example/jwks.json", KeySourceError::NotLoopback),
        ("http://10.0.0.1/jwks.json", KeySourceError::NotLoopback),
        ("http://localhost.attacker.example/", KeySourceError::NotLoopback),
        ("http://127.0.0.1@attacker.example/", KeySourceError::NotLoopback),
    ] {
        assert_eq!(text.parse::<KeySource>(), Err(why), "{text}");
    }
    for text in ["file:var/jwks.json", "http://127.0.0.1:8080/x", "http://[::1]:8080/x", "http://acme.localhost/x"] {
        assert!(text.parse::<KeySource>().is_ok(), "{text}");
    }
}

#[tokio::test]
async fn a_socket_is_for_its_owner_and_group_in_a_directory_for_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/inventory.sock");
    let _bound = Listen::Unix(path.clone()).bind().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the socket of a dead process stays behind");
    let _first = Listen::Unix(path.clone()).bind().await.unwrap();
    assert!(matches!(Listen::Unix(path.clone()).bind().await, Err(ListenError::InUse(_))));
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    assert!(matches!(Listen::Unix(path.clone()).bind().await, Err(ListenError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "data");
}

fn issue(keys: &SigningKeys, now: Micros) -> Arc<str> {
    let issuer = Issuer::new(ISSUER, keys.clone());
    issuer.issue(&Caller::Anonymous, &tenant(1, "acme"), "inventory", now).unwrap().token
}

fn keys_from(source: &str) -> Keys {
    Keys::new(source.parse().unwrap(), ISSUER, "inventory").unwrap()
}

#[tokio::test]
async fn a_service_starts_before_its_gateway_and_verifies_once_the_keys_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let keys = keys_from(&format!("file:{}", path.display()));
    let signing = SigningKeys::from_seed(&[7; 32]);
    let token = issue(&signing, NOW);
    assert!(keys.refresh().await.is_err());
    assert!(matches!(keys.identify(&token, NOW).await, Err(IdentifyError::KeysMissing)));

    std::fs::write(&path, signing.jwks().to_json()).unwrap();
    keys.refresh().await.unwrap();
    assert!(keys.identify(&token, NOW).await.is_ok());
}

#[tokio::test]
async fn a_key_set_that_cannot_be_read_leaves_the_former_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let signing = SigningKeys::from_seed(&[7; 32]);
    std::fs::write(&path, signing.jwks().to_json()).unwrap();
    let keys = keys_from(&format!("file:{}", path.display()));
    keys.refresh().await.unwrap();
    for broken in ["", "{}", &" ".repeat(JWKS_BYTES_MAX * 4)] {
        std::fs::write(&path, broken).unwrap();
        assert!(keys.refresh().await.is_err());
        assert!(keys.identify(&issue(&signing, NOW), NOW).await.is_ok());
    }
}

#[tokio::test]
async fn a_withdrawn_key_counts_for_nothing_after_the_next_refresh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let old = SigningKeys::from_seed(&[7; 32]);
    let rotated = old.succeeded_by(SigningKeys::from_seed(&[8; 32]));
    std::fs::write(&path, rotated.jwks().to_json()).unwrap();
    let keys = keys_from(&format!("file:{}", path.display()));
    keys.refresh().await.unwrap();
    assert!(keys.identify(&issue(&old, NOW), NOW).await.is_ok());

    std::fs::write(&path, rotated.withdraw(old.kid()).unwrap().jwks().to_json()).unwrap();
    keys.refresh().await.unwrap();
    let refused = keys.identify(&issue(&old, later(60)), later(60)).await.unwrap_err();
    assert!(matches!(refused, IdentifyError::Refused(VerifyError::KeyUnknown { .. })));
}

/// Answers every connection with `body` and counts them.
async fn gateway(body: impl Into<String>) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("http://gateway.localhost:{}/jwks.json", listener.local_addr().unwrap().port());
    let (asked, body) = (Arc::<std::sync::atomic::AtomicUsize>::default(), body.into());
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut head = [0; 4_096];
            let _read = stream.read(&mut head).await;
            let _written = stream.write_all(body.as_bytes()).await;
        }
    });
    (source, asked)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn keys_are_fetched_from_the_gateway() {
    let signing = SigningKeys::from_seed(&[7; 32]);
    let (source, _) = gateway(answer("200 OK", &signing.jwks().to_json())).await;
    let keys = keys_from(&source);
    keys.refresh().await.unwrap();
    assert!(keys.identify(&issue(&signing, NOW), NOW).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_refused() {
    let jwks = SigningKeys::from_seed(&[7; 32]).jwks().to_json();
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(1024 * 1024));
    let elsewhere = format!("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: {}\r\n\r\n{jwks}", jwks.len());
    for body in [answer("503 Away", &jwks), answer("200 OK", "<html>"), endless, elsewhere, String::new()] {
        let (source, asked) = gateway(body.clone()).await;
        let keys = keys_from(&source);
        assert!(keys.refresh().await.is_err(), "{:.40}", body);
        assert!(!keys.are_loaded());
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1, "no redirect, no retry");
    }
}

/// Whoever sends tokens with invented key names must not make the service hammer the gateway.
#[tokio::test]
async fn unknown_keys_ask_for_the_key_set_only_every_few_seconds() {
    let signing = SigningKeys::from_seed(&[7; 32]);
    let (source, asked) = gateway(answer("200 OK", &signing.jwks().to_json())).await;
    let keys = Arc::new(keys_from(&source));
    keys.refresh().await.unwrap();
    let attempts = (0..50_u8).map(|seed| {
        let (keys, token) = (Arc::clone(&keys), issue(&SigningKeys::from_seed(&[seed.wrapping_add(100); 32]), NOW));
        tokio::spawn(async move { keys.identify(&token, later(6)).await.is_err() })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        assert!(attempt.await.unwrap());
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2, "the first read, and one for all of these");
    assert!(keys.identify(&issue(&signing, NOW), later(6)).await.is_ok());
}

#[tokio::test]
async fn a_service_serves_on_tcp_and_says_where() {
    let bound = "127.0.0.1:0".parse::<Listen>().unwrap().bind().await.unwrap();
    let Bound::Tcp(listener) = bound else { panic!("a TCP address binds a TCP socket") };
    assert!(listener.local_addr().unwrap().ip().is_loopback());
}
