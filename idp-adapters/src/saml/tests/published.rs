//! Metadata that is fetched: who may say what a provider signs with.

use cedargate_model::SigninReason as Reason;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::metadata::duration;
use super::super::published::{Published, RefreshError};
use super::super::testing::{ENTITY_ID, field};
use super::super::{Answer, SamlCertificate, SpKey};
use super::{Forge, NOW, connection, gateway_key, idp, sp, stranger};
use crate::oidc::{ProviderHttp, ProviderUrl};

fn pinned(key: &SpKey) -> Vec<SamlCertificate> {
    vec![key.certificate().unwrap().clone()]
}

/// The provider's metadata with a stranger's certificate, which is its next one, signed by a key that is neither.
fn next() -> String {
    idp().sign_published(&[&idp().key, &stranger().key], &gateway_key(), "")
}

#[test]
fn the_next_certificate_counts_once_metadata_with_it_was_taken_up() {
    let forge = Forge::new();
    let client = forge.client();
    let by_next = || {
        let said = forge.said();
        said.response(&stranger().sign(&said.assertion())).unsigned()
    };
    let judge = |message: &str| {
        let answer = Answer::read(&field(message)).unwrap();
        client
            .believe(&connection(), &sp(), &answer, forge.attempt.as_ref(), NOW)
            .map(drop)
            .map_err(|error| error.reason)
    };
    let published = |text: &str| client.judge_published(text.as_bytes(), &pinned(&gateway_key()), NOW).unwrap();
    assert_eq!(judge(&by_next()), Err(Reason::SamlSignature));
    let news = published(&next()).unwrap();
    assert_eq!((news.signing.len(), news.removed.len()), (2, 0));
    assert_eq!(judge(&by_next()), Err(Reason::SamlSignature), "before it is taken up");
    client.take_up(news);
    assert!(published(&next()).is_none(), "no news");
    assert_eq!(judge(&by_next()), Ok(()));
    assert_eq!(judge(&forge.assertion_signed(|_| {})), Ok(()), "the one of now signs on");
    // And then without the former one.
    let news = published(&idp().sign_published(&[&stranger().key], &gateway_key(), "")).unwrap();
    assert_eq!(news.removed.len(), 1);
    client.take_up(news);
    assert_eq!(judge(&forge.assertion_signed(|_| {})), Err(Reason::SamlSignature));
}

#[test]
fn metadata_that_no_pinned_certificate_signed_as_a_whole_changes_nothing() {
    let client = Forge::new().client();
    let known = client.metadata();
    let good = next();
    let root = |with: &str| good.replacen("<md:IDPSSODescriptor", &format!("{with}<md:IDPSSODescriptor"), 1);
    let end = "</ds:Signature>";
    let signature = &good[good.find("<ds:Signature ").unwrap()..good.find(end).unwrap() + end.len()];
    for (text, reason) in [
        (good.replace(signature, ""), Reason::SamlUnsigned),
        (good.replace("https://idp.example/sso", "https://evil.example/sso"), Reason::SamlSignature),
        (idp().sign_published(&[&idp().key], &stranger().key, ""), Reason::SamlSignature),
        (root("<!-- -->"), Reason::SamlMarkup),
        (format!("<!DOCTYPE x>{good}"), Reason::SamlDoctype),
        (good.replace("URI=\"#_published\"", "URI=\"\""), Reason::SamlReference),
        (good.replace("md:EntityDescriptor", "md:EntitiesDescriptor"), Reason::SamlKind),
    ] {
        assert_ne!(text, good, "{reason:?}");
        match client.judge_published(text.as_bytes(), &pinned(&gateway_key()), NOW) {
            Err(RefreshError::Signature(refused)) => assert_eq!(refused.reason, reason, "{text}"),
            other => panic!("{reason:?}: {other:?}"),
        }
    }
    assert_eq!(client.metadata(), known);
}

#[test]
fn metadata_of_another_provider_or_of_the_past_changes_nothing() {
    let mut forge = Forge::new();
    let over = idp().sign_published(&[&stranger().key], &gateway_key(), " validUntil=\"2020-01-01T00:00:00Z\"");
    let judge =
        |forge: &Forge, text: &str| forge.client().judge_published(text.as_bytes(), &pinned(&gateway_key()), NOW);
    assert!(matches!(judge(&forge, &over), Err(RefreshError::Over)));
    forge.settings.metadata.entity_id = cedargate_identity::Issuer::parse("https://other.example").unwrap();
    assert!(matches!(judge(&forge, &next()), Err(RefreshError::Entity(of)) if of == ENTITY_ID));
}

#[tokio::test]
async fn what_an_address_answers_is_taken_where_nothing_is_pinned_and_changes_nothing_where_it_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = ProviderUrl::parse(&format!("http://{}/metadata", listener.local_addr().unwrap())).unwrap();
    let body =
        idp().metadata_xml(&[&idp().key, &stranger().key]).replace(" entityID", " cacheDuration=\"PT10M\" entityID");
    let good = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let answers = [good, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()];
    let serving = tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut forge = Forge::new();
    forge.settings.published = Some(Published { url, pinned: vec![] });
    let client = forge.client();
    assert_eq!(client.refresh_every().as_secs(), 3_600);
    let http = ProviderHttp::new(false).unwrap();
    client.take_up(client.refresh(&http, NOW).await.unwrap().unwrap());
    let known = client.metadata();
    assert_eq!((known.signing.len(), client.refresh_every().as_secs()), (2, 600));
    assert!(matches!(client.refresh(&http, NOW).await, Err(RefreshError::Status(status)) if status == 404));
    serving.await.unwrap();
    assert!(matches!(client.refresh(&http, NOW).await, Err(RefreshError::Away(_))), "nobody listens");
    assert_eq!(client.metadata(), known);
}

#[test]
fn how_long_it_may_be_kept_is_read_in_units_of_a_certain_length() {
    let seconds = |text| duration(text).map(|read| read.as_secs());
    for (text, read) in [("PT1H", 3_600), ("P1D", 86_400), ("P1DT2H3M4.5S", 93_784), ("PT90S", 90), ("PT15M", 900)] {
        assert_eq!(seconds(text), Some(read), "{text}");
    }
    for text in
        ["", "P", "PT", "1H", "P1Y", "P1M", "-PT1H", "PT1H1H", "PT1S1H", "PTxS", "PT0S", "P99999999999999999999D"]
    {
        assert_eq!(seconds(text), None, "{text}");
    }
}
