//! An identity provider that does whatever a test wants, on a socket of this machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// As it should be.
    Properly,
    /// By a key that is not published, under the published one's name.
    ByAnother,
    /// By HMAC with the public key for a secret (RS/HS confusion, with the key that there is).
    ByPublicKey,
    /// Not at all.
    Not,
}

/// What the provider does. A test changes it between two steps.
pub(crate) struct Conduct {
    /// Claims that are set beside the ordinary ones; `null` takes one away.
    pub(crate) claims: Value,
    /// Members that are set in the token's header.
    pub(crate) header: Value,
    pub(crate) signed: Signed,
    /// Replaces the whole ID token; an empty one leaves it out.
    pub(crate) id_token: Option<String>,
    /// Members that are set in the description.
    pub(crate) description: Value,
    pub(crate) userinfo: Value,
    /// Where the token endpoint redirects to, if it does.
    pub(crate) redirects_to: Option<String>,
    key: SigningKey,
    kid: String,
    codes: HashMap<String, Code>,
    /// What was pushed last (RFC 9126), and how that is answered.
    pub(crate) pushed: HashMap<String, String>,
    pub(crate) push_status: StatusCode,
    calls: Vec<&'static str>,
}

struct Code {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    now_seconds: i64,
}

#[derive(Clone)]
pub(crate) struct Provider {
    address: SocketAddr,
    conduct: Arc<Mutex<Conduct>>,
}

/// What the gateway sent the browser with.
pub(crate) struct Sent {
    pub(crate) parameters: HashMap<String, String>,
}

impl Sent {
    pub(crate) fn of(location: &str) -> Self {
        let url = url::Url::parse(location).unwrap();
        Self { parameters: url.query_pairs().into_owned().collect() }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let conduct = Conduct {
            claims: json!({}),
            header: json!({}),
            signed: Signed::Properly,
            id_token: None,
            description: json!({}),
            userinfo: json!({}),
            redirects_to: None,
            key: SigningKey::from_bytes(&[1; 32]),
            kid: "one".to_owned(),
            codes: HashMap::new(),
            pushed: HashMap::new(),
            push_status: StatusCode::CREATED,
            calls: Vec::new(),
        };
        let provider = Self { address, conduct: Arc::new(Mutex::new(conduct)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .route("/par", post(push))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn conduct(&self) -> MutexGuard<'_, Conduct> {
        self.conduct.lock().unwrap()
    }

    /// How often each endpoint was called since the last time.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.conduct().calls)
    }

    /// Another key from now on, under another name.
    pub(crate) fn rotate(&self, octet: u8) {
        let mut conduct = self.conduct();
        conduct.key = SigningKey::from_bytes(&[octet; 32]);
        conduct.kid = format!("key {octet}");
    }

    /// Signs somebody in at the provider: a code for what the gateway asked.
    pub(crate) fn code(&self, sent: &Sent, now_seconds: i64) -> String {
        let mut conduct = self.conduct();
        let code = format!("code-{}", conduct.codes.len());
        let entry = Code {
            nonce: sent.get("nonce").to_owned(),
            challenge: sent.get("code_challenge").to_owned(),
            redirect_uri: sent.get("redirect_uri").to_owned(),
            now_seconds,
        };
        conduct.codes.insert(code.clone(), entry);
        code
    }

    /// A token of these claims, signed as the conduct says.
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        let conduct = self.conduct();
        let alg = match conduct.signed {
            Signed::Properly | Signed::ByAnother => "EdDSA",
            Signed::ByPublicKey => "HS256",
            Signed::Not => "none",
        };
        let mut head = json!({ "alg": alg, "kid": conduct.kid, "typ": typ });
        merge(&mut head, &conduct.header);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&head), encode(claims));
        let signature = match conduct.signed {
            Signed::Properly => conduct.key.sign(signed.as_bytes()).to_bytes().to_vec(),
            Signed::ByAnother => SigningKey::from_bytes(&[9; 32]).sign(signed.as_bytes()).to_bytes().to_vec(),
            Signed::ByPublicKey => {
                let mut mac = Hmac::<Sha256>::new_from_slice(conduct.key.verifying_key().as_bytes()).unwrap();
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
            Signed::Not => Vec::new(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Sets members; `null` takes one away.
pub(crate) fn merge(into: &mut Value, members: &Value) {
    let into: &mut Map<String, Value> = into.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(into.remove(name)),
            value => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn describe(State(provider): State<Provider>) -> Response {
    let issuer = provider.issuer();
    let mut conduct = provider.conduct();
    conduct.calls.push("description");
    let mut description = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/end"),
        "jwks_uri": format!("{issuer}/jwks"),
        "authorization_response_iss_parameter_supported": true,
    });
    merge(&mut description, &conduct.description);
    answer(&description)
}

async fn keys(State(provider): State<Provider>) -> Response {
    let mut conduct = provider.conduct();
    conduct.calls.push("keys");
    let x = URL_SAFE_NO_PAD.encode(conduct.key.verifying_key().as_bytes());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": conduct.kid, "use": "sig", "alg": "EdDSA", "x": x });
    answer(&json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "secret" }, key] }))
}

async fn push(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let mut conduct = provider.conduct();
    conduct.calls.push("push");
    if headers.get(header::AUTHORIZATION).is_none_or(|sent| *sent != *client()) {
        return (StatusCode::UNAUTHORIZED, answer(&json!({ "error": "invalid_client" }))).into_response();
    }
    conduct.pushed = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    (conduct.push_status, answer(&json!({ "request_uri": "urn:pushed:1", "expires_in": 60 }))).into_response()
}

/// How the one client there is says who it is.
fn client() -> String {
    format!("Basic {}", STANDARD.encode("cedar+gate:s%3Acret"))
}

/// As strict as a provider should be: a code once, for the client, the address and the verifier that it is for.
async fn token(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    provider.conduct().calls.push("token");
    if let Some(elsewhere) = provider.conduct().redirects_to.clone() {
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, elsewhere)]).into_response();
    }
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, answer(&json!({ "error": error }))).into_response();
    if headers.get(header::AUTHORIZATION).is_none_or(|sent| *sent != *client()) {
        return refuse("invalid_client");
    }
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let Some(code) = provider.conduct().codes.remove(field("code")) else { return refuse("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    if challenge != code.challenge || field("redirect_uri") != code.redirect_uri {
        return refuse("invalid_grant");
    }
    let at_hash = URL_SAFE_NO_PAD.encode(sha2::Sha512::digest("an access token").get(..32).unwrap());
    let mut claims = json!({
        "iss": provider.issuer(),
        "aud": "cedar gate",
        "sub": "00u1",
        "sid": "s1",
        "iat": code.now_seconds,
        "exp": code.now_seconds + 300,
        "auth_time": code.now_seconds - 60,
        "nonce": code.nonce,
        "at_hash": at_hash,
        "email": "ada@example.com",
        "groups": ["warehouse"],
    });
    merge(&mut claims, &provider.conduct().claims);
    let id_token = provider.sign("JWT", &claims);
    let id_token = provider.conduct().id_token.clone().unwrap_or(id_token);
    let mut tokens = json!({ "access_token": "an access token", "token_type": "Bearer" });
    if !id_token.is_empty() {
        merge(&mut tokens, &json!({ "id_token": id_token }));
    }
    answer(&tokens)
}

async fn userinfo(State(provider): State<Provider>) -> Response {
    provider.conduct().calls.push("userinfo");
    let userinfo = provider.conduct().userinfo.clone();
    answer(&userinfo)
}
