//! Every way of not being vouched for. The issuers are of this process: their keys are pinned, or at a server of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_identity::ServiceAccountName;
use cedargate_model::{ConnectionName, Micros, TenantName, TokenReason};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::connection::{ClaimMatch, ClaimPath};
use crate::oidc::ProviderUrl;

const NOW: Micros = Micros(1_790_000_000_000_000);
const URL: &str = "https://acme.gateway.example";
const ISSUER: &str = "https://token.ci.example";

/// A key of an issuer's, which can sign and be published.
struct Key {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn draw(kid: &'static str) -> Self {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { kid, pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap() }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let coordinate = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256",
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]) })
    }

    fn signed(&self, header: &Value, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid })
    }

    fn assertion(&self, claims: &Value) -> String {
        self.signed(&self.header(), &claims.to_string())
    }
}

fn set(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

fn claims() -> Value {
    let now = NOW.epoch_seconds();
    json!({
        "iss": ISSUER, "aud": URL, "sub": "repo:acme/shop:ref:refs/heads/main", "jti": "1", "environment": "production",
        "iat": now - 10, "nbf": now - 10, "exp": now + 290,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn acme() -> TenantName {
    TenantName::parse("acme").unwrap()
}

fn settings(name: &str, account: &str, keys: KeySource) -> WorkloadSettings {
    let rule =
        |claim: &str, value: &str| ClaimMatch { claim: ClaimPath::parse(claim).unwrap(), value: value.to_owned() };
    WorkloadSettings {
        name: ConnectionName::parse(name).unwrap(),
        issuer: ISSUER.to_owned(),
        audience: None,
        keys,
        algorithms: vec![WorkloadAlgorithm::Es256],
        required: vec![rule("sub", "repo:acme/shop:ref:refs/heads/main"), rule("environment", "production")],
        service_account: ServiceAccountName::parse(account).unwrap(),
        lifetime_max: Duration::from_secs(600),
        leeway: Duration::from_secs(30),
        once: true,
        at_the_door: false,
    }
}

fn pinned(key: &Key) -> KeySource {
    KeySource::Pinned(PinnedKeys::parse(&set(&[key])).unwrap())
}

fn workloads(issuers: Vec<WorkloadSettings>) -> Workloads {
    let http = ProviderHttp::new(false).unwrap();
    Workloads::new(BTreeMap::from([(acme(), issuers)]), &http, &Workloads::default())
}

async fn refused(workloads: &Workloads, text: &str) -> Option<TokenReason> {
    workloads.judge(&acme(), URL, text, NOW).await.err().map(|refused| refused.reason)
}

#[tokio::test]
async fn whoever_an_issuer_vouches_for_is_one_service_account() {
    let key = Key::draw("1");
    let workloads = workloads(vec![settings("ci", "deployer", pinned(&key))]);
    let vouched = workloads.judge(&acme(), URL, &key.assertion(&claims()), NOW).await.unwrap();
    assert_eq!((vouched.issuer.as_str(), vouched.service_account.as_str()), ("ci", "deployer"));
    assert_eq!(vouched.expires_at, Micros(NOW.0 + 290_000_000));
    assert!(vouched.once.is_some());
    for same in [with("aud", json!([URL])), without("nbf"), with("iat", json!(NOW.epoch_seconds() as f64 - 0.5))] {
        assert_eq!(refused(&workloads, &key.assertion(&same)).await, None, "{same}");
    }
    assert_eq!(refused(&workloads, &key.signed(&json!({ "alg": "ES256" }), &claims().to_string())).await, None);
}

#[tokio::test]
async fn a_header_that_tries_anything_is_refused_by_its_own_word() {
    let key = Key::draw("1");
    let workloads = workloads(vec![settings("ci", "deployer", pinned(&key))]);
    let header = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        header
    };
    for (header, why) in [
        (header("alg", json!("none")), TokenReason::AssertionAlgorithm),
        (header("alg", json!("None")), TokenReason::AssertionAlgorithm),
        (header("alg", json!("HS256")), TokenReason::AssertionAlgorithm),
        (header("alg", json!("es256")), TokenReason::AssertionAlgorithm),
        (header("alg", json!("RS256")), TokenReason::AssertionAlgorithm),
        (header("alg", json!(["ES256"])), TokenReason::AssertionMalformed),
        (header("jku", json!("https://evil.example/keys")), TokenReason::AssertionHeader),
        (header("x5u", json!("https://evil.example/chain")), TokenReason::AssertionHeader),
        (header("jwk", Key::draw("evil").jwk()), TokenReason::AssertionHeader),
        (header("x5c", json!(["MII"])), TokenReason::AssertionHeader),
        (header("crit", json!(["exp"])), TokenReason::AssertionHeader),
        (header("b64", json!(false)), TokenReason::AssertionHeader),
        (header("zip", json!("DEF")), TokenReason::AssertionHeader),
        (header("typ", json!("at+jwt")), TokenReason::AssertionType),
        (header("typ", json!("cedargate-identity+jwt")), TokenReason::AssertionType),
        (header("typ", json!("application/logout+jwt")), TokenReason::AssertionType),
        (header("kid", json!("2")), TokenReason::AssertionKeyUnknown),
        (header("kid", json!("../1")), TokenReason::AssertionKeyUnknown),
        (header("kid", json!("1' OR 1=1 --")), TokenReason::AssertionKeyUnknown),
        (header("kid", json!(1)), TokenReason::AssertionMalformed),
    ] {
        assert_eq!(refused(&workloads, &key.signed(&header, &claims().to_string())).await, Some(why), "{header}");
    }
    // A public key is no secret: signed as an HMAC under it, in every spelling that somebody might try.
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": "1" }).to_string());
    let text = format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(claims().to_string()));
    assert_eq!(refused(&workloads, &text).await, Some(TokenReason::AssertionAlgorithm));
}

#[tokio::test]
async fn what_is_signed_must_be_the_issuers_for_here_and_for_now() {
    let key = Key::draw("1");
    let workloads = workloads(vec![settings("ci", "deployer", pinned(&key))]);
    let now = NOW.epoch_seconds();
    for (claims, why) in [
        (with("iss", json!("https://token.ci.example/")), TokenReason::AssertionIssuer),
        (with("iss", json!("https://other.example")), TokenReason::AssertionIssuer),
        (without("iss"), TokenReason::AssertionIssuer),
        (with("aud", json!("https://globex.gateway.example")), TokenReason::AssertionAudience),
        (with("aud", json!([URL, "https://elsewhere.example"])), TokenReason::AssertionAudience),
        (with("aud", json!([])), TokenReason::AssertionAudience),
        (without("aud"), TokenReason::AssertionAudience),
        (with("exp", json!(now - 30)), TokenReason::AssertionExpired),
        (with("exp", json!(i64::MIN)), TokenReason::AssertionExpired),
        (without("exp"), TokenReason::AssertionClaims),
        (with("exp", json!("soon")), TokenReason::AssertionClaims),
        (with("iat", json!(now + 31)), TokenReason::AssertionNotYetValid),
        (with("nbf", json!(now + 31)), TokenReason::AssertionNotYetValid),
        (without("iat"), TokenReason::AssertionClaims),
        (with("exp", json!(now + 600)), TokenReason::AssertionLifetime),
        (with("exp", json!(i64::MAX)), TokenReason::AssertionLifetime),
        (with("sub", json!("repo:acme/shop:ref:refs/heads/evil")), TokenReason::AssertionClaims),
        (with("sub", json!("Repo:acme/shop:ref:refs/heads/main")), TokenReason::AssertionClaims),
        (with("sub", json!("")), TokenReason::AssertionClaims),
        (without("environment"), TokenReason::AssertionClaims),
        (without("jti"), TokenReason::AssertionClaims),
        (with("jti", json!("x".repeat(2_000))), TokenReason::AssertionClaims),
    ] {
        assert_eq!(refused(&workloads, &key.assertion(&claims)).await, Some(why), "{claims}");
    }
    let twice = claims().to_string().replacen('{', "{\"sub\":\"repo:evil/evil\",", 1);
    assert_eq!(refused(&workloads, &key.signed(&key.header(), &twice)).await, Some(TokenReason::AssertionMalformed));
    let forged = Key::draw("1").assertion(&claims());
    assert_eq!(refused(&workloads, &forged).await, Some(TokenReason::AssertionSignature));
    assert_eq!(refused(&workloads, &"a".repeat(ASSERTION_BYTES_MAX + 1)).await, Some(TokenReason::AssertionMalformed));
}

#[tokio::test]
async fn no_tenants_issuer_is_anothers() {
    let key = Key::draw("1");
    let workloads = workloads(vec![settings("ci", "deployer", pinned(&key))]);
    let globex = TenantName::parse("globex").unwrap();
    let url = "https://globex.gateway.example";
    for text in [key.assertion(&claims()), key.assertion(&with("aud", json!(url)))] {
        let refused = workloads.judge(&globex, url, &text, NOW).await.unwrap_err();
        assert_eq!((refused.reason, refused.issuer), (TokenReason::AssertionIssuer, None));
    }
}

#[tokio::test]
async fn an_assertion_that_stands_for_two_accounts_stands_for_none() {
    let key = Key::draw("1");
    let mut reader = settings("ci-reader", "reader", pinned(&key));
    reader.required.truncate(1);
    let both = workloads(vec![settings("ci", "deployer", pinned(&key)), reader]);
    assert_eq!(refused(&both, &key.assertion(&claims())).await, Some(TokenReason::AssertionAmbiguous));
    let staging = with("environment", json!("staging"));
    let vouched = both.judge(&acme(), URL, &key.assertion(&staging), NOW).await.unwrap();
    assert_eq!(vouched.service_account.as_str(), "reader", "the one that fits");
}

#[tokio::test]
async fn keys_of_another_kind_verify_nothing() {
    let key = Key::draw("1");
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let other = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(other.public_key().as_ref());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] }).to_string();
    let workloads = workloads(vec![settings("ci", "deployer", KeySource::Pinned(PinnedKeys::parse(&keys).unwrap()))]);
    assert_eq!(refused(&workloads, &key.assertion(&claims())).await, Some(TokenReason::AssertionSignature));
    for none in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "[]", ""] {
        assert_eq!(PinnedKeys::parse(none), Err(PinnedKeysError), "{none}");
    }
}

/// An issuer's keys at an address of this machine, and how often they were asked for.
async fn served(keys: Arc<ArcSwap<String>>) -> (ProviderUrl, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = ProviderUrl::parse(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let body = keys.load();
            let answer = match body.is_empty() {
                true => "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
                false => {
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                }
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_rotated_key_is_fetched_and_an_unknown_one_asked_for_once_in_a_while() {
    let (first, second) = (Key::draw("1"), Key::draw("2"));
    let keys = Arc::new(ArcSwap::from_pointee(set(&[&first])));
    let (url, asked) = served(Arc::clone(&keys)).await;
    let workloads = workloads(vec![settings("ci", "deployer", KeySource::Url(url))]);
    let at = async |text: String, seconds: i64| {
        let judged = workloads.judge(&acme(), URL, &text, Micros(NOW.0 + seconds * 1_000_000)).await;
        judged.err().map(|refused| refused.reason)
    };
    for _ in 0..3 {
        assert_eq!(at(first.assertion(&claims()), 0).await, None);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "keys are kept");
    for _ in 0..20 {
        assert_eq!(at(second.assertion(&claims()), 1).await, Some(TokenReason::AssertionKeyUnknown));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one time is in reserve, and no more");
    keys.store(Arc::new(set(&[&first, &second])));
    assert_eq!(at(second.assertion(&claims()), 31).await, None, "a rotation without a restart");
    assert_eq!(asked.load(Ordering::SeqCst), 3);

    keys.store(Arc::default());
    let later = |seconds: i64| {
        let at = NOW.epoch_seconds() + seconds;
        let mut claims = with("iat", json!(at));
        (claims["nbf"], claims["exp"]) = (json!(at), json!(at + 300));
        second.assertion(&claims)
    };
    assert_eq!(at(later(4_000), 4_000).await, None, "an issuer that is down is believed for a day");
    assert_eq!(at(later(100_000), 100_000).await, Some(TokenReason::IssuerUnavailable));
}

fn at_the_door(name: &str, account: &str, keys: KeySource) -> WorkloadSettings {
    WorkloadSettings { at_the_door: true, once: false, ..settings(name, account, keys) }
}

#[tokio::test]
async fn at_the_door_nobody_waits_for_keys_that_are_fetched_aside() {
    let (first, second) = (Key::draw("1"), Key::draw("2"));
    let keys = Arc::new(ArcSwap::from_pointee(set(&[&first])));
    let (url, asked) = served(Arc::clone(&keys)).await;
    let workloads = workloads(vec![at_the_door("ci", "deployer", KeySource::Url(url))]);
    let door = |text: &str, seconds: i64| {
        let judged = workloads.judge_at_the_door(&acme(), URL, text, Micros(NOW.0 + seconds * 1_000_000));
        judged.err().map(|refused| refused.reason)
    };
    let text = first.assertion(&claims());
    assert_eq!(door(&text, 0), Some(TokenReason::IssuerUnavailable));
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody is asked on the way in");
    workloads.wanted().await;
    workloads.refresh(NOW).await;
    assert_eq!(door(&text, 0), None);
    workloads.refresh(Micros(NOW.0 + 1_000_000)).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nothing is wanted");

    keys.store(Arc::new(set(&[&second])));
    assert_eq!(door(&second.assertion(&claims()), 2), Some(TokenReason::AssertionKeyUnknown));
    workloads.wanted().await;
    workloads.refresh(Micros(NOW.0 + 2_000_000)).await;
    assert_eq!(door(&second.assertion(&claims()), 2), None);
    assert_eq!(door(&text, 2), Some(TokenReason::AssertionKeyUnknown), "and the former one is gone");
    for _ in 0..20 {
        assert_eq!(door(&text, 3), Some(TokenReason::AssertionKeyUnknown));
        workloads.refresh(Micros(NOW.0 + 3_000_000)).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "no more often than an unknown name has it asked for");
}

#[tokio::test]
async fn what_would_be_refused_for_what_it_says_has_nobody_asked_and_one_issuer_is_asked_once() {
    let key = Key::draw("1");
    let (url, asked) = served(Arc::new(ArcSwap::from_pointee(set(&[&key])))).await;
    let rules = ["deployer", "reader"].map(|account| {
        let mut settings = settings(account, account, KeySource::Url(url.clone()));
        settings.required[1].value = account.to_owned();
        settings
    });
    let workloads = workloads(rules.to_vec());
    let of = |environment: &str| key.assertion(&with("environment", json!(environment)));
    assert_eq!(refused(&workloads, &of("staging")).await, Some(TokenReason::AssertionClaims));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for account in ["deployer", "reader"] {
        let vouched = workloads.judge(&acme(), URL, &of(account), NOW).await.unwrap();
        assert_eq!(vouched.service_account.as_str(), account);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn at_the_door_the_same_is_refused_as_for_an_exchange_and_whatever_no_rule_has_there() {
    let key = Key::draw("1");
    let door = workloads(vec![at_the_door("ci", "deployer", pinned(&key))]);
    let judge = |workloads: &Workloads, text: &str| {
        workloads.judge_at_the_door(&acme(), URL, text, NOW).err().map(|refused| refused.reason)
    };
    let good = key.assertion(&claims());
    assert_eq!(judge(&door, &good), None);
    assert!(door.is_for_the_door(&acme(), &good));
    for bad in [
        with("aud", json!([URL, "https://other.example"])),
        with("exp", json!(NOW.epoch_seconds() - 60)),
        with("environment", json!("staging")),
        without("iat"),
    ] {
        let text = key.assertion(&bad);
        assert_eq!(judge(&door, &text), refused(&door, &text).await, "{bad}");
        assert!(judge(&door, &text).is_some());
    }
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[9] ^= 1;
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(judge(&door, &forged), Some(TokenReason::AssertionSignature));

    let elsewhere = TenantName::parse("globex").unwrap();
    assert!(!door.is_for_the_door(&elsewhere, &good));
    let by_exchange = workloads(vec![settings("ci", "deployer", pinned(&key))]);
    assert!(!by_exchange.is_for_the_door(&acme(), &good));
    assert_eq!(judge(&by_exchange, &good), Some(TokenReason::AssertionIssuer));

    let rule = door.judge_at_the_door(&acme(), URL, &good, NOW).unwrap().rule;
    let same = door.danger_judge_verified(&acme(), URL, &forged, NOW).unwrap().rule;
    assert!(Arc::ptr_eq(&rule, &same) && door.has(&acme(), &rule));
    assert!(!by_exchange.has(&acme(), &rule) && !by_exchange.keep_all_of(&door) && door.keep_all_of(&by_exchange));
}

#[tokio::test]
async fn an_issuer_as_it_was_before_keeps_its_keys() {
    let key = Key::draw("1");
    let (url, asked) = served(Arc::new(ArcSwap::from_pointee(set(&[&key])))).await;
    let http = ProviderHttp::new(false).unwrap();
    let made = |former: &Workloads, lifetime: u64| {
        let mut settings = settings("ci", "deployer", KeySource::Url(url.clone()));
        settings.lifetime_max = Duration::from_secs(lifetime);
        Workloads::new(BTreeMap::from([(acme(), vec![settings])]), &http, former)
    };
    let first = made(&Workloads::default(), 600);
    assert_eq!(refused(&first, &key.assertion(&claims())).await, None);
    assert_eq!(refused(&made(&first, 600), &key.assertion(&claims())).await, None);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(refused(&made(&first, 100), &key.assertion(&claims())).await, Some(TokenReason::AssertionLifetime));
}

/// Project Wycheproof's JSON Web Signature vectors: whatever key an issuer has and whatever they try, none of them is an assertion, and
/// of those that are marked as forged none passes the signature.
#[tokio::test]
async fn no_vector_of_wycheproof_vouches_for_anybody() {
    const TEST_DATA: &str = "CEDARGATE_TEST_DATA";
    let Some(directory) = std::env::var_os(TEST_DATA) else {
        println!("skipped: 401 Wycheproof JWS vectors; set {TEST_DATA} to the directory that holds `vectors/jose`");
        return;
    };
    let path = std::path::Path::new(&directory).join("vectors/jose/json_web_signature_test.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut tried = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        // A secret is no key of an issuer's: then whatever is signed with it meets a key of ours.
        let own = set(&[&Key::draw("1")]);
        let pinned =
            PinnedKeys::parse(&json!({ "keys": [key] }).to_string()).or_else(|_| PinnedKeys::parse(&own)).unwrap();
        let mut settings = settings("ci", "deployer", KeySource::Pinned(pinned));
        settings.algorithms = WorkloadAlgorithm::ALL.to_vec();
        for test in group["tests"].as_array().unwrap() {
            tried += 1;
            let text = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), ToOwned::to_owned);
            let Ok(assertion) = assertion::UnverifiedAssertion::parse(&text) else { continue };
            let live = LiveWorkload::new(settings.clone(), None, &ProviderHttp::new(false).unwrap());
            assert!(live.judge(&assertion, URL, NOW).await.is_err());
            let keys = live.keys.known(None, NOW).unwrap();
            let Err(reason) = assertion.check_signature(&keys) else {
                assert_ne!(test["result"], "invalid", "{}", test["comment"]);
                continue;
            };
            if test["result"] == "invalid" {
                let is_refused = matches!(
                    reason,
                    TokenReason::AssertionSignature
                        | TokenReason::AssertionKeyUnknown
                        | TokenReason::AssertionAlgorithm
                );
                assert!(is_refused, "{}: {}", test["comment"], reason.as_str());
            }
        }
    }
    assert_eq!(vectors["numberOfTests"], tried);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_more_than_refused(text in "\\PC{0,40}|[A-Za-z0-9_.-]{0,90}", header in "[ -~]{0,60}", claims in "[ -~]{0,60}") {
        for text in [text, format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))] {
            let _ = assertion::UnverifiedAssertion::parse(&text);
        }
    }
}
