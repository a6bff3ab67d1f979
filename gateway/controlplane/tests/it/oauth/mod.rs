//! Tokens for programs: every way of not getting one, what becomes of those that were issued, and what stands in the record.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod families;
mod issuers;
mod rates;
mod revoking;

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
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
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
            TokenReason::AssertionMalformed,
            400,
            "invalid_grant",
        ),
        (
            exchange(&unknown, "urn:ietf:params:oauth:token-type:saml2"),
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
                accounts.enable(house.acme.id, account, house.clock.now()).await.unwrap();
                let _ = accounts.revoke_key(house.acme.id, id.parse().unwrap(), house.clock.now()).await.unwrap();
            }
        }
        house.sessions.listen(house.clock.now()).await.unwrap();
        let answer = ask(&house, &pairs).await;
        let [event] = &*house.recorder.take_tokens() else { panic!() };
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(event.act, TokenAct::Refused { by: Some(GrantType::ClientCredentials), reason });
        assert_eq!(event.api_key.map(|key| key.to_string()), Some(id.clone()), "whose key it was");
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
async fn clients_read_what_there_is_and_that_there_is_no_password_grant() {
    let house = House::new().await;
    let answer = house.at(&house.acme).get("/.well-known/oauth-authorization-server").await;
    let body = answer.json();
    assert_eq!(body["issuer"], "http://acme.localhost:8080");
    assert_eq!(body["token_endpoint"], "http://acme.localhost:8080/auth/token");
    assert_eq!(body["grant_types_supported"], json!(["client_credentials", "refresh_token", EXCHANGE, JWT_BEARER]));
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
