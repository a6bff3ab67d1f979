//! Tokens for programs: every way of not getting one, what becomes of those that were issued, and what stands in the record.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_identity::{ApiKeyName, NewApiKey, ProgramRefused, ServiceAccountName, ServiceAccounts, ShownToken};
use cedargate_model::{
    AccessToken, Clock as _, Credential, GrantType, Principal, PrincipalId, RoleName, TokenAct, TokenReason,
    TokenSource,
};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::house::{Answer, House};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SESSION: &str = "urn:cedargate:params:oauth:token-type:session";

/// A service account of acme with a key.
struct Program {
    account: PrincipalId,
    id: String,
    key: String,
}

async fn program(house: &House) -> Program {
    let accounts = ServiceAccounts::new(house.pool.clone());
    let roles = ["clerk", "viewer"].map(|role| RoleName::parse(role).unwrap()).to_vec();
    let name = ServiceAccountName::parse("sync").unwrap();
    let account = accounts.create(house.acme.id, name, roles, house.clock.now()).await.unwrap().id;
    let new = NewApiKey { name: ApiKeyName::parse("t").unwrap(), roles: None, lifetime: Duration::from_secs(86_400) };
    let (key, secret) = accounts.create_key(house.acme.id, account, new, house.clock.now()).await.unwrap();
    Program { account, id: key.id.to_string(), key: secret.expose().to_string() }
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn ask(house: &House, pairs: &[(&str, &str)]) -> Answer {
    house.at(&house.acme).post_form("/auth/token", &form(pairs)).await
}

async fn ask_as(house: &House, authorization: &str, pairs: &[(&str, &str)]) -> Answer {
    let visitor = house.at(&house.acme);
    let request = visitor.request("POST", "/auth/token").await;
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    visitor.send(request.header(header::AUTHORIZATION, authorization).body(Body::from(form(pairs))).unwrap()).await
}

/// Whom the data plane would know by an access token.
async fn known(house: &House, text: &str) -> Result<std::sync::Arc<Principal>, String> {
    let now = house.clock.now();
    let token = read(house, text)?;
    let found = house.sessions.find_token(house.acme.id, ShownToken::of(text), &token, now).await;
    found.map_err(|error| error.to_string())
}

fn read(house: &House, text: &str) -> Result<AccessToken, String> {
    let now = house.clock.now();
    house.tokens.load().verify(text, house.acme.id, &house.acme.name, now).map_err(|error| error.to_string())
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The only event since the last look, which must be a refusal.
fn refusal(house: &House) -> (Option<GrantType>, TokenReason) {
    match house.recorder.take_tokens().as_slice() {
        [only] => match only.act {
            TokenAct::Refused { by, reason } => (by, reason),
            ref other => panic!("{other:?}"),
        },
        events => panic!("{events:?}"),
    }
}

#[tokio::test]
async fn a_program_gets_a_token_for_its_key_and_no_refresh_token() {
    let house = House::new().await;
    let Program { account, id, key } = program(&house).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
    let grant = ("grant_type", "client_credentials");
    for answer in [
        ask_as(&house, &basic, &[grant]).await,
        ask(&house, &[grant, ("client_id", &id), ("client_secret", &key)]).await,
    ] {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
        let body = answer.json();
        assert_eq!(
            (&body["token_type"], &body["expires_in"], &body["scope"]),
            (&json!("Bearer"), &json!(300), &json!("clerk viewer"))
        );
        assert_eq!(body["refresh_token"], Value::Null);
        let principal = known(&house, &text(&answer, "access_token")).await.unwrap();
        assert_eq!((principal.id, principal.credential), (account, Credential::KeyToken));
    }
    let events = house.recorder.take_tokens();
    assert_eq!(events.len(), 2, "{events:?}");
    for issued in events {
        assert_eq!((issued.principal, issued.api_key.unwrap().to_string()), (Some(account), id.clone()));
        assert!(matches!(issued.act, TokenAct::Issued { by: GrantType::ClientCredentials, .. }));
    }
    let narrow = ask(&house, &[grant, ("client_id", &id), ("client_secret", &key), ("scope", "viewer viewer")]).await;
    assert_eq!(text(&narrow, "scope"), "viewer");
    let principal = known(&house, &text(&narrow, "access_token")).await.unwrap();
    assert_eq!(principal.roles, [RoleName::parse("viewer").unwrap()]);
}

#[tokio::test]
async fn each_refusal_has_its_own_reason_in_the_record_and_clients_hear_one_of_few_words() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let stranger = program_of_globex(&house).await;
    let (start, end) = key.split_at(60);
    let mistyped = format!("{start}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
    let client = [("client_id", &*id), ("client_secret", &*key)];
    let by_key = [&[("grant_type", "client_credentials")], &client[..]].concat();
    let of = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let with = |more: (&'static str, &str)| of(&[&by_key[..], &[more]].concat());
    let credentials = |id: &str, secret: &str| {
        of(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)])
    };
    let exchange = |token: &str, kind: &str| {
        of(&[("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", kind)])
    };
    let unknown = "A".repeat(43);
    let by = Some(GrantType::ClientCredentials);
    let by_exchange = Some(GrantType::TokenExchange);
    let by_refresh = Some(GrantType::RefreshToken);
    for (pairs, by, reason, status, error) in [
        (of(&[]), None, TokenReason::RequestMalformed, 400, "invalid_request"),
        (
            of(&[("grant_type", "password"), ("username", "ada@example.com"), ("password", "x")]),
            None,
            TokenReason::GrantUnsupported,
            400,
            "unsupported_grant_type",
        ),
        (
            of(&[("grant_type", "authorization_code"), ("code", "x")]),
            None,
            TokenReason::GrantUnsupported,
            400,
            "unsupported_grant_type",
        ),
        (with(("grant_type", "client_credentials")), None, TokenReason::RequestMalformed, 400, "invalid_request"),
        (of(&[("grant_type", "client_credentials")]), by, TokenReason::ClientMissing, 401, "invalid_client"),
        (credentials(&id, "hunter2"), by, TokenReason::SecretMalformed, 401, "invalid_client"),
        (credentials(&id, &mistyped), by, TokenReason::SecretMalformed, 401, "invalid_client"),
        (credentials(&stranger.id, &stranger.key), by, TokenReason::KeyUnknown, 401, "invalid_client"),
        (credentials(&stranger.id, &key), by, TokenReason::ClientMismatch, 401, "invalid_client"),
        (credentials("sync", &key), by, TokenReason::ClientMismatch, 401, "invalid_client"),
        (with(("scope", "admin")), by, TokenReason::ScopeInvalid, 400, "invalid_scope"),
        (with(("scope", "member")), by, TokenReason::ScopeInvalid, 400, "invalid_scope"),
        (with(("scope", "clerk  viewer")), by, TokenReason::ScopeInvalid, 400, "invalid_scope"),
        (with(("resource", "https://elsewhere.example")), by, TokenReason::TargetInvalid, 400, "invalid_target"),
        (with(("audience", "inventory")), by, TokenReason::TargetInvalid, 400, "invalid_target"),
        (exchange(&unknown, SESSION), by_exchange, TokenReason::SessionUnknown, 400, "invalid_grant"),
        (exchange("x", SESSION), by_exchange, TokenReason::SessionUnknown, 400, "invalid_grant"),
        (exchange(&key, SESSION), by_exchange, TokenReason::SessionUnknown, 400, "invalid_grant"),
        (
            exchange(&unknown, "urn:ietf:params:oauth:token-type:jwt"),
            by_exchange,
            TokenReason::RequestMalformed,
            400,
            "invalid_request",
        ),
        (of(&[("grant_type", "refresh_token")]), by_refresh, TokenReason::RequestMalformed, 400, "invalid_request"),
        (
            of(&[("grant_type", "refresh_token"), ("refresh_token", &key)]),
            by_refresh,
            TokenReason::RefreshUnknown,
            400,
            "invalid_grant",
        ),
        (
            of(&[&[("grant_type", "refresh_token"), ("refresh_token", "x")], &client[..]].concat()),
            by_refresh,
            TokenReason::CredentialsAmbiguous,
            400,
            "invalid_request",
        ),
    ] {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = ask(&house, &pairs).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({ "error": error })), "{reason:?}");
        assert_eq!(refusal(&house), (by, reason), "{pairs:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        house.advance(Duration::from_secs(61));
    }
    let basic = format!("Basic {}", STANDARD.encode("a:b"));
    let refused = ask_as(&house, &basic, &[("grant_type", "client_credentials")]).await;
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"cedargate\""));
    let _ = refusal(&house);
    let twice = ask_as(&house, &basic, &by_key).await;
    assert_eq!((twice.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::CredentialsAmbiguous));
}

async fn program_of_globex(house: &House) -> Program {
    let accounts = ServiceAccounts::new(house.pool.clone());
    let name = ServiceAccountName::parse("sync").unwrap();
    let account = accounts.create(house.globex.id, name, vec![], house.clock.now()).await.unwrap().id;
    let new = NewApiKey { name: ApiKeyName::parse("t").unwrap(), roles: None, lifetime: Duration::from_secs(86_400) };
    let (key, secret) = accounts.create_key(house.globex.id, account, new, house.clock.now()).await.unwrap();
    Program { account, id: key.id.to_string(), key: secret.expose().to_string() }
}

#[tokio::test]
async fn a_key_that_has_ended_gets_nothing_and_ends_its_tokens() {
    let house = House::new().await;
    let Program { account, id, key } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let token = text(&ask(&house, &pairs).await, "access_token");
    let _ = house.recorder.take_tokens();
    let accounts = ServiceAccounts::new(house.pool.clone());
    for (reason, refused) in [
        (TokenReason::AccountDisabled, ProgramRefused::AccountDisabled),
        (TokenReason::KeyRevoked, ProgramRefused::Revoked),
    ] {
        match reason {
            TokenReason::AccountDisabled => accounts.disable(house.acme.id, account, house.clock.now()).await.unwrap(),
            _ => {
                accounts.enable(house.acme.id, account).await.unwrap();
                let _ = accounts.revoke_key(house.acme.id, id.parse().unwrap(), house.clock.now()).await.unwrap();
            }
        }
        house.sessions.listen(house.clock.now()).await.unwrap();
        let answer = ask(&house, &pairs).await;
        assert_eq!((answer.status, refusal(&house).1), (StatusCode::UNAUTHORIZED, reason));
        assert!(known(&house, &token).await.unwrap_err().contains(refused.as_str()));
    }
}

/// Ada's session, exchanged.
async fn exchanged(house: &House, more: &[(&str, &str)]) -> Answer {
    let cookie = house.sign_ada_in().await;
    let pairs = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let _ = house.recorder.take_tokens();
    ask(house, &[&pairs[..], more].concat()).await
}

async fn refresh(house: &House, token: &str) -> Answer {
    ask(house, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

#[tokio::test]
async fn a_session_is_exchanged_for_tokens_that_end_with_it() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    let pairs = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let answer = ask(&house, &pairs).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(text(&answer, "issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(text(&answer, "scope"), "clerk");
    let token = text(&answer, "access_token");
    let principal = known(&house, &token).await.unwrap();
    assert_eq!((principal.id, principal.credential), (house.ada, Credential::SessionToken));
    assert_eq!(
        principal.roles,
        [RoleName::parse("clerk").unwrap()],
        "no member: what is for a browser is closed to it"
    );
    let TokenSource::Session(grant) = read(&house, &token).unwrap().source else { panic!() };
    let [issued] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!((issued.principal, issued.grant), (Some(house.ada), Some(grant)));

    let next = text(&refresh(&house, &text(&answer, "refresh_token")).await, "refresh_token");
    let session = house.sessions.list(house.acme.id, house.ada, house.clock.now()).await.unwrap().remove(0).id;
    assert!(house.sessions.end(house.acme.id, session).await.unwrap());
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &token).await.unwrap_err().contains("unknown"));
    assert_eq!(refresh(&house, &next).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_cookie_that_a_browser_sends_along_is_no_session_to_exchange() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    let body = form(&[("grant_type", EXCHANGE), ("subject_token_type", SESSION)]);
    let answer = house.at(&house.acme).with_cookie(&cookie).post_form("/auth/token", &body).await;
    assert_eq!((answer.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::RequestMalformed));
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_ends_its_whole_family() {
    let house = House::new().await;
    let first = exchanged(&house, &[]).await;
    let stolen = text(&first, "refresh_token");
    let second = house.at(&house.acme).post_form("/auth/refresh", &form(&[("refresh_token", &stolen)])).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.body);
    let third = refresh(&house, &text(&second, "refresh_token")).await;
    let (live, next) = (text(&third, "access_token"), text(&third, "refresh_token"));
    assert!(known(&house, &live).await.is_ok());
    let other = exchanged(&house, &[]).await;
    let _ = house.recorder.take_tokens();

    let again = refresh(&house, &stolen).await;
    assert_eq!((again.status, again.json()), (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" })));
    let [reused] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!((&reused.act, reused.principal), (&TokenAct::Reused, Some(house.ada)));
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &live).await.is_err(), "the thief's and the owner's alike");
    assert_eq!(
        (refresh(&house, &next).await.status, refusal(&house).1),
        (StatusCode::BAD_REQUEST, TokenReason::RefreshUnknown)
    );
    assert!(known(&house, &text(&other, "access_token")).await.is_ok(), "another family is another matter");
}

#[tokio::test]
async fn a_family_stays_as_narrow_as_it_began() {
    let house = House::new().await;
    let wide = exchanged(&house, &[("scope", "manager")]).await;
    assert_eq!((wide.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::ScopeInvalid));
    let narrow = exchanged(&house, &[("scope", "clerk")]).await;
    let _ = house.recorder.take_tokens();
    let token = text(&narrow, "refresh_token");
    let wider = ask(&house, &[("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", "clerk")]).await;
    assert_eq!((wider.status, refusal(&house).1), (StatusCode::BAD_REQUEST, TokenReason::ScopeInvalid));
    let next = refresh(&house, &token).await;
    assert_eq!(text(&next, "scope"), "clerk");
    let roles = house
        .accounts
        .set_roles(house.acme.id, house.ada, vec![RoleName::parse("viewer").unwrap()], house.clock.now())
        .await;
    roles.unwrap();
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert_eq!(known(&house, &text(&next, "access_token")).await.unwrap().roles, [], "what the person lost, it lost");
}

#[tokio::test]
async fn a_family_does_not_widen_with_its_person() {
    let house = House::new().await;
    let first = exchanged(&house, &[]).await;
    assert_eq!(text(&first, "scope"), "clerk");
    let roles = |names: &[&str]| names.iter().map(|name| RoleName::parse(name).unwrap()).collect::<Vec<_>>();
    house.accounts.set_roles(house.acme.id, house.ada, roles(&["clerk", "manager"]), house.clock.now()).await.unwrap();
    let next = refresh(&house, &text(&first, "refresh_token")).await;
    assert_eq!(text(&next, "scope"), "clerk", "what the person was given since was not granted to the program");
    assert_eq!(known(&house, &text(&next, "access_token")).await.unwrap().roles, roles(&["clerk"]));

    house.accounts.set_roles(house.acme.id, house.ada, roles(&["manager"]), house.clock.now()).await.unwrap();
    let last = refresh(&house, &text(&next, "refresh_token")).await;
    assert_eq!((last.status, last.json()["scope"].clone()), (StatusCode::OK, json!("")), "told as it is by now");
    assert_eq!(known(&house, &text(&last, "access_token")).await.unwrap().roles, []);

    house.accounts.set_roles(house.acme.id, house.ada, vec![], house.clock.now()).await.unwrap();
    let none = exchanged(&house, &[]).await;
    assert_eq!((none.status, none.json()["scope"].clone()), (StatusCode::OK, json!("")));
    house.accounts.set_roles(house.acme.id, house.ada, roles(&["manager"]), house.clock.now()).await.unwrap();
    assert_eq!(known(&house, &text(&none, "access_token")).await.unwrap().roles, [], "of nothing comes nothing");
}

#[tokio::test]
async fn a_token_that_is_revoked_here_is_over_here_at_once() {
    let house = House::new().await;
    let now = house.clock.now();
    let recalled = |text: &str| house.sessions.recall_token(house.acme.id, ShownToken::of(text), now).is_some();
    let revoke =
        async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await.status;
    let tokens = async || {
        let answer = exchanged(&house, &[]).await;
        let (access, next) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
        known(&house, &access).await.unwrap();
        assert!(recalled(&access), "in memory");
        (access, next)
    };
    // Once: nothing of what follows is heard of.
    house.sessions.listen(now).await.unwrap();

    let (access, _) = tokens().await;
    assert_eq!(revoke(&access).await, StatusCode::OK);
    assert!(!recalled(&access), "the token itself");

    let (access, next) = tokens().await;
    assert_eq!(revoke(&next).await, StatusCode::OK);
    assert!(!recalled(&access), "its family");

    let (access, next) = tokens().await;
    assert_eq!(refresh(&house, &next).await.status, StatusCode::OK);
    assert_eq!(refresh(&house, &next).await.status, StatusCode::BAD_REQUEST);
    assert!(!recalled(&access), "its family, by reuse");

    let (access, _) = tokens().await;
    assert!(house.sessions.end_all(house.acme.id, house.ada).await.unwrap() > 0);
    assert!(!recalled(&access), "its person's sessions");

    let (access, _) = tokens().await;
    let session = house.sessions.list(house.acme.id, house.ada, now).await.unwrap().remove(0).id;
    assert!(house.sessions.end(house.acme.id, session).await.unwrap());
    assert!(!recalled(&access), "its session");
}

#[tokio::test]
async fn whoever_knows_no_refresh_token_takes_no_turn_of_a_writer() {
    let house = House::new().await;
    let token = text(&exchanged(&house, &[]).await, "refresh_token");
    let revoke = form(&[("token", &token)]);
    assert_eq!(house.at(&house.acme).post_form("/auth/revoke", &revoke).await.status, StatusCode::OK);
    let _ = house.recorder.take_tokens();
    let mut writer = house.pool.tenant(house.acme.id).begin().await.unwrap();
    // From here on the turn is this one's.
    let left = writer.query("SELECT COUNT(*) FROM token_grants WHERE tenant_id = $1").fetch_one::<(i64,)>().await;
    assert_eq!(left.unwrap(), (0,));
    // Well-formed, and of no family: behind the writer it would get no answer but that the store is busy.
    assert_eq!(refresh(&house, &token).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&house).1, TokenReason::RefreshUnknown);
    assert_eq!(house.at(&house.acme).post_form("/auth/revoke", &revoke).await.status, StatusCode::OK);
    drop(writer);
}

#[tokio::test]
async fn an_idle_session_keeps_no_program_going() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let _ = house.recorder.take_tokens();
    house.advance(Duration::from_secs(61 * 60));
    assert_eq!(refresh(&house, &text(&answer, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&house).1, TokenReason::RefreshExpired);
}

#[tokio::test]
async fn whoever_holds_a_token_may_end_it() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let (access, next) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let _ = house.recorder.take_tokens();
    let revoke =
        async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await.status;
    for worthless in ["x", "a.b.c", "cgr_x", &"A".repeat(3_000)] {
        assert_eq!(revoke(worthless).await, StatusCode::OK, "{worthless:.40}");
    }
    assert_eq!(house.recorder.take_tokens(), []);
    assert!(known(&house, &access).await.is_ok());

    assert_eq!(revoke(&access).await, StatusCode::OK);
    let [revoked] = &*house.recorder.take_tokens() else { panic!() };
    assert_eq!(revoked.act, TokenAct::Revoked { token: read(&house, &access).unwrap().id });
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &access).await.unwrap_err().contains("revoked"));

    let other = refresh(&house, &next).await;
    let _ = house.recorder.take_tokens();
    assert_eq!(revoke(&text(&other, "refresh_token")).await, StatusCode::OK);
    assert_eq!(house.recorder.take_tokens()[0].act, TokenAct::GrantRevoked);
    house.sessions.listen(house.clock.now()).await.unwrap();
    assert!(known(&house, &text(&other, "access_token")).await.unwrap_err().contains("unknown"));
    let nothing = house.at(&house.acme).post_form("/auth/revoke", "").await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_issued() {
    let house = House::new().await;
    let cookie = house.sign_in_unrecorded().await;
    house.recorder.broken.store(true, Ordering::SeqCst);
    let pairs = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let answer = ask(&house, &pairs).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.body.contains("cgr_"), "{}", answer.body);
    let mut tx = house.pool.read_system().await.unwrap();
    let left = tx.query("SELECT COUNT(*) FROM token_grants").fetch_one::<(i64,)>().await.unwrap().0;
    assert_eq!(left, 0, "a family that nobody holds");
}

#[tokio::test]
async fn an_address_that_fails_too_often_waits_and_its_neighbours_with_good_credentials_do_not() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let cookie = house.sign_ada_in().await;
    let _ = house.recorder.take();
    for _ in 0..30 {
        assert_eq!(ask(&house, &[]).await.status, StatusCode::BAD_REQUEST);
    }
    let _ = house.recorder.take_tokens();
    let guess = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", "hunter2")];
    let waits = ask(&house, &guess).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waits.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(refusal(&house), (Some(GrantType::ClientCredentials), TokenReason::RateExceeded));

    assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK, "the same address, a good key");
    let exchange = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let exchanged = ask(&house, &exchange).await;
    assert_eq!(exchanged.status, StatusCode::OK, "a good session");
    assert_eq!(refresh(&house, &text(&exchanged, "refresh_token")).await.status, StatusCode::OK);

    assert_eq!(ask(&house, &guess).await.status, StatusCode::TOO_MANY_REQUESTS);
    house.advance(Duration::from_secs(61));
    assert_eq!(ask(&house, &guess).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_good_key_may_not_have_is_no_failure_of_its_address() {
    let house = House::new().await;
    let Program { account, id, key } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    for more in [("scope", "admin"), ("audience", "inventory")].iter().cycle().take(40) {
        assert_eq!(ask(&house, &[&pairs[..], &[*more]].concat()).await.status, StatusCode::BAD_REQUEST);
    }
    let refused = house.recorder.take_tokens();
    let whose = |event: &cedargate_model::TokenEvent| {
        event.principal == Some(account) && event.api_key.is_some_and(|key| key.to_string() == id)
    };
    assert!(refused.len() == 40 && refused.iter().all(whose), "the record says whose key it was");
    assert_eq!(ask(&house, &[]).await.status, StatusCode::BAD_REQUEST, "others behind the address are not silenced");
    for _ in 40..120 {
        assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK);
    }
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::TOO_MANY_REQUESTS, "each counts for the client itself");
}

#[tokio::test]
async fn a_proof_that_the_grant_does_not_take_is_refused_and_not_overlooked() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let first = exchanged(&house, &[]).await;
    let (cookie, token) = (house.sign_ada_in().await, text(&first, "refresh_token"));
    let _ = house.recorder.take();
    let by_key = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let by_session = [("grant_type", EXCHANGE), ("subject_token", &*cookie), ("subject_token_type", SESSION)];
    let by_refresh = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    for (pairs, more) in [
        (&by_key[..], ("subject_token", &*cookie)),
        (&by_key[..], ("actor_token", "x")),
        (&by_key[..], ("refresh_token", &*token)),
        (&by_key[..], ("client_assertion", "x")),
        (&by_session[..], ("refresh_token", &*token)),
        (&by_session[..], ("client_assertion", "x")),
        (&by_refresh[..], ("subject_token", &*cookie)),
        (&by_refresh[..], ("client_assertion", "x")),
    ] {
        let answer = ask(&house, &[pairs, &[more]].concat()).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::BAD_REQUEST, json!({ "error": "invalid_request" })));
        assert_eq!(refusal(&house).1, TokenReason::CredentialsAmbiguous, "{more:?}");
    }
    for pairs in [&by_key[..], &by_session, &by_refresh] {
        assert_eq!(ask(&house, pairs).await.status, StatusCode::OK, "nothing was spent");
    }
}

#[tokio::test]
async fn revoking_in_vain_is_counted_and_revoking_a_key_is_not_claimed() {
    let house = House::new().await;
    let Program { id, key, .. } = program(&house).await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let token = text(&ask(&house, &pairs).await, "access_token");
    let _ = house.recorder.take_tokens();
    let revoke = async |token: &str| house.at(&house.acme).post_form("/auth/revoke", &form(&[("token", token)])).await;
    let unsupported = revoke(&key).await;
    assert_eq!(
        (unsupported.status, unsupported.json()),
        (StatusCode::BAD_REQUEST, json!({ "error": "unsupported_token_type" }))
    );
    assert_eq!(ask(&house, &pairs).await.status, StatusCode::OK, "the key counts on");
    for _ in 1..30 {
        assert_eq!(revoke("cgr_x").await.status, StatusCode::OK);
    }
    let waits = revoke("cgr_x").await;
    assert_eq!((waits.status, waits.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("61")));
    assert_eq!(revoke(&token).await.status, StatusCode::OK, "what counts can be ended from anywhere");
    assert!(known(&house, &token).await.unwrap_err().contains("revoked"));
    for _ in 1..120 {
        assert_eq!(revoke(&token).await.status, StatusCode::OK);
    }
    assert_eq!(revoke(&token).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn clients_read_what_there_is_and_that_there_is_no_password_grant() {
    let house = House::new().await;
    let answer = house.at(&house.acme).get("/.well-known/oauth-authorization-server").await;
    let body = answer.json();
    assert_eq!(body["issuer"], "http://acme.localhost:8080");
    assert_eq!(body["token_endpoint"], "http://acme.localhost:8080/auth/token");
    assert_eq!(body["grant_types_supported"], json!(["client_credentials", "refresh_token", EXCHANGE]));
    assert_eq!(house.at_directory().get("/.well-known/oauth-authorization-server").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.at_directory().post_form("/auth/token", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn neither_kind_of_token_is_taken_for_the_other() {
    let house = House::new().await;
    let answer = exchanged(&house, &[]).await;
    let access = text(&answer, "access_token");
    let visitor = house.at(&house.acme);
    let request = visitor.request("GET", "/").await.body(Body::empty()).unwrap();
    let assertion = request.headers()["cedargate-identity"].to_str().unwrap().to_owned();
    assert_eq!(read(&house, &assertion), Err("type".to_owned()));
    let mut request = visitor.request("GET", "/").await.body(Body::empty()).unwrap();
    request.headers_mut().insert("cedargate-identity", access.parse().unwrap());
    assert_eq!(visitor.send(request).await.status, StatusCode::UNAUTHORIZED);
}
