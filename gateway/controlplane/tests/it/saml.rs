//! Sign-in by a SAML provider that says whatever it likes, honestly signed, over a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cedargate_idp_adapters::connection::{
    Admission, ClaimMatch, ClaimPath, Client, Connection, ConnectionKind, Connections, LiveConnection, RoleRule,
};
use cedargate_idp_adapters::saml::testing::{ENTITY_ID, Said, TestIdp, field, key_and_certificate, request_in};
use cedargate_idp_adapters::saml::{Binding, SamlClient, SamlSettings, Sp, SpKey};
use cedargate_model::{Clock, ConnectionName, RoleName, Signin, SigninReason, SigninResult};
use http::StatusCode;

use crate::house::{Answer, House, PASSWORD, assert_looks_as_any_failure, credentials};

const COOKIE: &str = "cedargate-signin";
const ORIGIN: &str = "http://acme.localhost:8080";

/// acme's people at a SAML provider: `corp` is the connection, `other` another one to the same provider.
struct Saml {
    house: House,
    idp: TestIdp,
}

/// A sign-in that has been sent to the provider.
struct Under {
    id: String,
    cookie: String,
}

fn sp() -> Sp {
    Sp::of(ORIGIN, &ConnectionName::parse("corp").unwrap())
}

impl Saml {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl Fn(&mut SamlSettings)) -> Self {
        let saml = Self { house: House::new().await, idp: TestIdp::default() };
        let (key, certificate) = key_and_certificate();
        let mut settings = SamlSettings {
            metadata: saml.idp.metadata(),
            published: None,
            key: SpKey::parse(&key, &certificate).unwrap(),
            clock_skew: Duration::from_secs(60),
            unsolicited: false,
            encrypted_only: false,
            cbc: false,
            name_id_format: None,
        };
        change(&mut settings);
        let rule = |value: &str, role: &str| RoleRule {
            when: ClaimMatch { claim: ClaimPath::parse("groups").unwrap(), value: value.to_owned() },
            role: RoleName::parse(role).unwrap(),
        };
        let live = ["corp", "other"].map(|name| {
            let connection = Connection {
                name: ConnectionName::parse(name).unwrap(),
                title: "Corp & Co".to_owned(),
                email_domains: vec![],
                admission: Admission::Anyone,
                required: vec![],
                roles: vec![rule("warehouse", "clerk"), rule("heads", "manager")],
                strengths: vec![],
                provisioning: None,
                kind: ConnectionKind::Saml(settings.clone()),
            };
            let client = Client::Saml(Arc::new(SamlClient::new(settings.clone())));
            Arc::new(LiveConnection { connection, client })
        });
        let tenants = BTreeMap::from([(saml.house.acme.name.clone(), live.to_vec())]);
        saml.house.connections.store(Arc::new(Connections::new(tenants)));
        saml
    }

    async fn begin(&self, target: &str) -> Under {
        let answer = self.house.at(&self.house.acme).browser().get(target).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let set = answer.header("set-cookie").unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=None; Secure; Max-Age=900"), "{set}");
        let cookie = format!("{COOKIE}={}", answer.cookie_named(COOKIE).unwrap());
        Under { id: request_in(answer.header("location").unwrap()).0, cookie }
    }

    fn said(&self, request: Option<&str>) -> Said {
        Said::honest(&sp(), request, self.house.clock.now())
    }

    fn signed(&self, said: &Said) -> String {
        field(&said.response(&self.idp.sign(&said.assertion())).unsigned())
    }

    async fn post(&self, connection: &str, cookie: Option<&str>, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let visitor = self.house.at(&self.house.acme).browser();
        let visitor = cookie.map_or_else(|| visitor.clone(), |cookie| visitor.clone().holding(cookie));
        visitor.post_form(&format!("/auth/saml/{connection}/acs"), &body).await
    }

    async fn bring(&self, under: &Under, message: &str) -> Answer {
        self.post("corp", Some(&under.cookie), &[("SAMLResponse", message)]).await
    }

    /// The whole way, honestly but for what is changed.
    async fn sign_in(&self, assertion: &str, change: impl Fn(&mut Said)) -> Answer {
        let under = self.begin("/auth/sso/corp?return_to=/inventory/items").await;
        let mut said = self.said(Some(&under.id));
        said.assertion_id = assertion.to_owned();
        change(&mut said);
        self.bring(&under, &self.signed(&said)).await
    }

    #[track_caller]
    fn event(&self) -> Signin {
        let [event] = <[_; 1]>::try_from(self.house.recorder.take()).unwrap();
        event
    }

    /// The same page as every failure, nobody signed in, and the reason in the record alone.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer, reason: SigninReason) {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{reason}: {}", answer.body);
        assert_looks_as_any_failure(answer);
        assert!(answer.body.contains("sso_failed") && !answer.body.contains(reason.as_str()), "{reason}");
        assert_eq!(answer.cookie_named("cedargate"), None, "{reason}");
        let event = self.event();
        assert_eq!((event.result, event.reason, event.principal), (SigninResult::Failed, Some(reason), None));
    }
}

#[tokio::test]
async fn a_person_of_a_saml_provider_arrives_with_the_roles_of_their_groups() {
    let saml = Saml::new().await;
    let answer = saml.sign_in("_1", |_| {}).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/inventory/items")));
    let cookie = answer.cookie_named("cedargate").unwrap();
    assert!(saml.house.knows(&cookie).await);
    let event = saml.event();
    assert_eq!((event.result, event.reason), (SigninResult::Succeeded, None));
    assert_eq!(event.connection.unwrap().as_str(), "corp");
    let roles = async |cookie: &str| {
        let token = cedargate_identity::PresentedToken::parse(cookie).unwrap();
        let found =
            saml.house.sessions.find(saml.house.acme.id, &token, saml.house.clock.now()).await.unwrap().unwrap();
        let roles = found.roles.iter().map(ToString::to_string).collect::<Vec<_>>();
        (found.id, found.display.to_string(), roles)
    };
    let (id, display, held) = roles(&cookie).await;
    assert_eq!((display.as_str(), held), ("ada@acme.example", vec!["clerk".to_owned(), "member".to_owned()]));
    // Another group at the provider, another role here; the person is who they were.
    let answer = saml.sign_in("_2", |said| said.attributes = said.attributes.replace("warehouse", "heads")).await;
    let (same, _, held) = roles(&answer.cookie_named("cedargate").unwrap()).await;
    assert_eq!((same, held), (id, vec!["manager".to_owned(), "member".to_owned()]));
}

#[tokio::test]
async fn an_answer_counts_once_for_one_browser_and_one_connection() {
    let saml = Saml::new().await;
    let under = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&under.id)));
    assert_eq!(saml.bring(&under, &message).await.status, StatusCode::SEE_OTHER);
    let _ = saml.event();
    saml.assert_refused(&saml.bring(&under, &message).await, SigninReason::StateSpent);

    // The same assertion, for another attempt.
    let again = saml.begin("/auth/sso/corp").await;
    saml.assert_refused(
        &saml.bring(&again, &saml.signed(&saml.said(Some(&again.id)))).await,
        SigninReason::SamlReplayed,
    );

    let mine = saml.begin("/auth/sso/corp").await;
    let theirs = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&mine.id)));
    let answer = saml.post("corp", Some(&theirs.cookie), &[("SAMLResponse", &message)]).await;
    saml.assert_refused(&answer, SigninReason::BrowserMismatch);
    let mine = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&mine.id)));
    saml.assert_refused(&saml.post("corp", None, &[("SAMLResponse", &message)]).await, SigninReason::BrowserMismatch);
    let mine = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&mine.id)));
    let answer = saml.post("other", Some(&mine.cookie), &[("SAMLResponse", &message)]).await;
    saml.assert_refused(&answer, SigninReason::ConnectionMismatch);
    let mine = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&mine.id)));
    saml.house.advance(Duration::from_secs(15 * 60));
    saml.assert_refused(&saml.bring(&mine, &message).await, SigninReason::StateExpired);
}

#[tokio::test]
async fn what_is_no_answer_looks_as_any_failure() {
    let saml = Saml::new().await;
    for (connection, fields, reason) in [
        ("nobody", vec![("SAMLResponse", "AAAA")], SigninReason::ConnectionUnknown),
        ("corp", vec![], SigninReason::SamlEncoding),
        ("corp", vec![("SAMLResponse", "!")], SigninReason::SamlEncoding),
        ("corp", vec![("SAMLResponse", "AAAA"), ("SAMLResponse", "AAAA")], SigninReason::SamlEncoding),
        ("corp", vec![("SAMLResponse", "PGEvPg==")], SigninReason::SamlKind),
    ] {
        saml.assert_refused(&saml.post(connection, None, &fields).await, reason);
    }
    let unknown = saml.signed(&saml.said(Some("_none")));
    saml.assert_refused(&saml.post("corp", None, &[("SAMLResponse", &unknown)]).await, SigninReason::BrowserMismatch);
    let unsolicited = saml.signed(&saml.said(None));
    saml.assert_refused(
        &saml.post("corp", None, &[("SAMLResponse", &unsolicited)]).await,
        SigninReason::SamlUnsolicited,
    );
    let answer = saml.sign_in("_1", |said| said.conditions = said.conditions.replace("/corp/", "/other/")).await;
    saml.assert_refused(&answer, SigninReason::SamlAudience);
}

#[tokio::test]
async fn a_sign_in_that_began_at_the_provider_leads_nowhere_else() {
    let saml = Saml::with(|settings| settings.unsolicited = true).await;
    for (number, (state, to)) in [
        ("/inventory/items?a=b", "/inventory/items?a=b"),
        ("http://acme.localhost:8080/inventory/items", "/inventory/items"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("http://acme.localhost:8080.evil.example/", "/"),
        ("http://acme.localhost:8080@evil.example/", "/"),
        ("http://acme.localhost:8080//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/auth/logout", "/"),
        ("", "/"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut said = saml.said(None);
        said.assertion_id = format!("_{number}");
        let answer = saml.post("corp", None, &[("SAMLResponse", &saml.signed(&said)), ("RelayState", state)]).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some(to)), "{state}");
    }
    let replayed = saml.signed(&saml.said(None));
    assert_eq!(saml.post("corp", None, &[("SAMLResponse", &replayed)]).await.status, StatusCode::SEE_OTHER);
    let _ = saml.house.recorder.take();
    saml.assert_refused(&saml.post("corp", None, &[("SAMLResponse", &replayed)]).await, SigninReason::SamlReplayed);
}

#[tokio::test]
async fn whoever_confirms_who_they_are_is_who_they_were_and_their_session_is_replaced() {
    let saml = Saml::new().await;
    let first = saml.sign_in("_1", |_| {}).await.cookie_named("cedargate").unwrap();
    let begin = async |cookie: &str| {
        let visitor = saml.house.at(&saml.house.acme).browser().with_cookie(cookie);
        let answer = visitor.get("/auth/sso/corp?max_age=300").await;
        let (id, request) = request_in(answer.header("location").unwrap());
        assert!(request.contains(" ForceAuthn=\"true\""), "{request}");
        Under { id, cookie: format!("{COOKIE}={}", answer.cookie_named(COOKIE).unwrap()) }
    };
    let _ = saml.house.recorder.take();
    let under = begin(&first).await;
    let mut said = saml.said(Some(&under.id));
    said.assertion_id = "_2".to_owned();
    said.name_id = "eve".to_owned();
    saml.assert_refused(&saml.bring(&under, &saml.signed(&said)).await, SigninReason::PersonDiffers);
    let under = begin(&first).await;
    let mut said = saml.said(Some(&under.id));
    said.assertion_id = "_3".to_owned();
    let second = saml.bring(&under, &saml.signed(&said)).await.cookie_named("cedargate").unwrap();
    // The form brought no session cookie, and the session ended all the same.
    assert!(saml.house.knows(&second).await && !saml.house.knows(&first).await);
}

#[tokio::test]
async fn a_session_ends_when_the_providers_does() {
    let saml = Saml::new().await;
    let end = |said: &mut Said| said.session_ends = Some(said.issued.after(Duration::from_secs(600)));
    let cookie = saml.sign_in("_1", end).await.cookie_named("cedargate").unwrap();
    saml.house.advance(Duration::from_secs(599));
    assert!(saml.house.knows(&cookie).await);
    saml.house.advance(Duration::from_secs(1));
    assert!(!saml.house.knows(&cookie).await);
}

#[tokio::test]
async fn the_provider_ends_sessions_by_a_signed_request_once() {
    let saml = Saml::new().await;
    let cookie = saml.sign_in("_1", |_| {}).await.cookie_named("cedargate").unwrap();
    let _ = saml.event();
    let visitor = saml.house.at(&saml.house.acme).browser();
    let now = saml.house.clock.now();
    let get = async |query: &str| visitor.get(&format!("/auth/saml/corp/slo?{query}")).await;
    let refused = |answer: &Answer, reason| {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert!(answer.body.contains("logout_request_refused") && !answer.body.contains("saml_"), "{}", answer.body);
        let event = saml.event();
        assert_eq!((event.result, event.reason), (SigninResult::EndingRefused, Some(reason)));
    };
    let good = saml.idp.logout_query(&sp(), "ada", Some("_session"), "_out", now);
    let forged = TestIdp::default().logout_query(&sp(), "ada", Some("_session"), "_out", now);
    refused(&get(&forged).await, SigninReason::SamlSignature);
    refused(&get(good.split("&SigAlg").next().unwrap()).await, SigninReason::SamlUnsigned);
    refused(&get("").await, SigninReason::SamlEncoding);
    assert!(saml.house.knows(&cookie).await);

    let answer = get(&good).await;
    let to = answer.header("location").unwrap();
    assert!(to.starts_with("https://idp.example/slo?SAMLResponse=") && to.contains("&RelayState=x+y&"), "{to}");
    assert!(!saml.house.knows(&cookie).await);
    let event = saml.event();
    assert_eq!(event.result, SigninResult::EndedByProvider);
    refused(&get(&good).await, SigninReason::SamlReplayed);
}

/// Who looks at the answer again, and whose cookie is forgotten: nobody but those whose session has ended.
#[tokio::test]
async fn a_request_to_end_another_session_signs_this_browser_out_of_nothing() {
    let saml = Saml::new().await;
    let own = saml.sign_in("_1", |_| {}).await.cookie_named("cedargate").unwrap();
    let other = |said: &mut Said| (said.name_id, said.session_index) = ("eve".to_owned(), "_eve".to_owned());
    let eve = saml.sign_in("_2", other).await.cookie_named("cedargate").unwrap();
    let visitor = saml.house.at(&saml.house.acme).browser().with_cookie(&own);
    let now = saml.house.clock.now();
    let get = async |name: &str, session: &str, id: &str| {
        let query = saml.idp.logout_query(&sp(), name, Some(session), id, now);
        visitor.get(&format!("/auth/saml/corp/slo?{query}")).await
    };
    let answer = get("eve", "_eve", "_out").await;
    assert_eq!((answer.status, answer.cookie_named("cedargate")), (StatusCode::SEE_OTHER, None));
    assert!(saml.house.knows(&own).await && !saml.house.knows(&eve).await);
    let answer = get("ada", "_session", "_out2").await;
    assert_eq!(answer.cookie_named("cedargate").as_deref(), Some(""));
}

#[tokio::test]
async fn a_request_that_cannot_be_recorded_ends_nothing_and_may_come_again() {
    let saml = Saml::new().await;
    let cookie = saml.sign_in("_1", |_| {}).await.cookie_named("cedargate").unwrap();
    let visitor = saml.house.at(&saml.house.acme).browser();
    let query = saml.idp.logout_query(&sp(), "ada", None, "_out", saml.house.clock.now());
    let target = format!("/auth/saml/corp/slo?{query}");
    saml.house.recorder.broken.store(true, Ordering::SeqCst);
    assert_eq!(visitor.get(&target).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(saml.house.knows(&cookie).await);
    saml.house.recorder.broken.store(false, Ordering::SeqCst);
    assert_eq!(visitor.get(&target).await.status, StatusCode::SEE_OTHER);
    assert!(!saml.house.knows(&cookie).await);
}

#[tokio::test]
async fn an_answer_that_was_held_back_over_a_logout_signs_nobody_in() {
    let saml = Saml::new().await;
    let under = saml.begin("/auth/sso/corp").await;
    let held_back = saml.signed(&saml.said(Some(&under.id)));
    saml.house.advance(Duration::from_secs(2));
    let query = saml.idp.logout_query(&sp(), "ada", Some("_session"), "_out", saml.house.clock.now());
    let answer = saml.house.at(&saml.house.acme).browser().get(&format!("/auth/saml/corp/slo?{query}")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let event = saml.event();
    assert_eq!((event.result, event.session), (SigninResult::EndedByProvider, None), "believed, and nobody was there");
    saml.assert_refused(&saml.bring(&under, &held_back).await, SigninReason::SamlSessionOver);
    // Whoever signs in anew does.
    assert_eq!(saml.sign_in("_2", |_| {}).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_name_in_another_format_than_at_first_is_nobodys() {
    let saml = Saml::new().await;
    assert_eq!(saml.sign_in("_1", |_| {}).await.status, StatusCode::SEE_OTHER);
    let _ = saml.event();
    let other = |said: &mut Said| said.format = said.format.replace("persistent", "unspecified");
    saml.assert_refused(&saml.sign_in("_2", other).await, SigninReason::SamlNameId);
}

/// Two messages at once is what a connection may have read: others wait, and give up before anything is spent.
#[tokio::test]
async fn whoever_waits_in_vain_for_a_turn_may_bring_the_answer_again() {
    let saml = Saml::new().await;
    let connections = saml.house.connections.load_full();
    let client = |name| connections.find(&saml.house.acme.name, name).unwrap().saml().unwrap();
    let held = [client("corp").turn().await.unwrap(), client("corp").turn().await.unwrap()];
    let under = saml.begin("/auth/sso/corp").await;
    let message = saml.signed(&saml.said(Some(&under.id)));
    let (answer, other) = tokio::join!(saml.bring(&under, &message), client("other").turn());
    assert!(other.is_ok(), "another connection has turns of its own");
    saml.assert_refused(&answer, SigninReason::SamlBusy);
    drop(held);
    assert_eq!(saml.bring(&under, &message).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn whoever_signs_out_here_is_led_to_the_provider_and_back() {
    let saml = Saml::new().await;
    let cookie = saml.sign_in("_1", |_| {}).await.cookie_named("cedargate").unwrap();
    let visitor = saml.house.at(&saml.house.acme).browser();
    let page = visitor.clone().with_cookie(&cookie).post("/auth/logout").await;
    assert!(!saml.house.knows(&cookie).await);
    let href = page.body.split("href=\"").find(|part| part.starts_with("https://idp.example/slo?")).unwrap();
    let href = href.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let (_, request) = request_in(&href);
    assert!(request.contains(">ada</saml:NameID>") && request.contains("<samlp:SessionIndex>_session<"), "{request}");
    for path in ["/auth/saml/corp/slo?SAMLResponse=x"] {
        assert_eq!(visitor.get(path).await.header("location"), Some("/auth/login"));
    }
    assert_eq!(
        visitor.post_form("/auth/saml/corp/slo", "SAMLResponse=x").await.header("location"),
        Some("/auth/login")
    );
}

#[tokio::test]
async fn the_gateways_metadata_says_where_answers_go() {
    let saml = Saml::new().await;
    let visitor = saml.house.at(&saml.house.acme);
    let page = visitor.get("/auth/saml/corp/metadata").await;
    assert_eq!(page.header("content-type"), Some("application/samlmetadata+xml"));
    for part in [
        "entityID=\"http://acme.localhost:8080/auth/saml/corp/metadata\"",
        "Location=\"http://acme.localhost:8080/auth/saml/corp/acs\"",
        "Location=\"http://acme.localhost:8080/auth/saml/corp/slo\"",
        "use=\"signing\"",
        "use=\"encryption\"",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    assert_eq!(visitor.get("/auth/saml/nobody/metadata").await.status, StatusCode::NOT_FOUND);
    assert_ne!(ENTITY_ID, sp().entity_id);
    // A password is no way around: the page of every tenant offers both.
    let login = visitor.clone().browser().get("/auth/login").await;
    assert!(login.body.contains("/auth/sso/corp"), "{}", login.body);
    let answer = visitor.post_json("/auth/login", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_provider_that_wants_a_form_gets_one_and_the_page_can_do_nothing_else() {
    let saml = Saml::with(|settings| settings.metadata.sign_on.binding = Binding::Post).await;
    let page = saml.house.at(&saml.house.acme).browser().get("/auth/sso/corp").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-security-policy").unwrap().contains("form-action https://idp.example;"));
    assert!(page.body.contains("name=\"SAMLRequest\"") && !page.body.contains("<script"), "{}", page.body);
    assert!(page.cookie_named(COOKIE).is_some());
}
