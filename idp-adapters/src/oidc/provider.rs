//! What a provider says about itself: its endpoints and its keys, fetched when they are needed and kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_model::{Micros, SigninReason};
use http::StatusCode;
use openidconnect::JsonWebKey as _;
use openidconnect::core::CoreJsonWebKey;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::address::ProviderUrl;
use super::http::ProviderHttp;
use super::settings::OidcIssuer;
use crate::Refused;

/// How long endpoints and keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long they are used while the provider does not say them again.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How often at most keys are fetched because a token names one that is not known: anybody can send such a token.
const REFETCH_EVERY: Duration = Duration::from_secs(30);

/// How long a failure is remembered, so that a provider that is down is not called by everybody who comes.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// How many keys of a set are read.
const KEYS_MAX: usize = 100;

/// A provider as it described itself.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) authorization_endpoint: ProviderUrl,
    pub(crate) token_endpoint: ProviderUrl,
    /// Where what is asked may be pushed (RFC 9126 §5).
    pub(crate) push_endpoint: Option<ProviderUrl>,
    /// Whether it takes nothing that was not.
    pub(crate) push_required: bool,
    pub(crate) userinfo_endpoint: Option<ProviderUrl>,
    pub(crate) end_session_endpoint: Option<ProviderUrl>,
    /// Whether it promises `iss` in its answers (RFC 9207 §3).
    pub(crate) says_issuer: bool,
    pub(crate) keys: Vec<CoreJsonWebKey>,
    jwks_uri: ProviderUrl,
    fetched_at: Micros,
}

/// What is known of one provider at the time.
#[derive(Debug, Default)]
pub(crate) struct Known {
    current: ArcSwapOption<Provider>,
    /// Whoever holds it asks the provider; everybody else waits for what comes of that.
    asking: Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    failed_at: Option<Micros>,
    refetched_at: Option<Micros>,
    refetch_failed_at: Option<Micros>,
}

impl Known {
    /// The provider, as fresh as it has to be.
    pub(crate) async fn provider(
        &self,
        issuer: &OidcIssuer,
        http: &ProviderHttp,
        now: Micros,
    ) -> Result<Arc<Provider>, Refused> {
        let young = |age: Duration| self.current.load_full().filter(|known| now.since(known.fetched_at) < age);
        if let Some(known) = young(FRESH) {
            return Ok(known);
        }
        // While somebody asks, what was known last still serves; only where nothing is known does everybody wait for the answer.
        let mut asking = match (self.asking.try_lock(), young(STALE_MAX)) {
            (Ok(asking), _) => asking,
            (Err(_), Some(known)) => return Ok(known),
            (Err(_), None) => self.asking.lock().await,
        };
        if let Some(known) = young(FRESH) {
            return Ok(known);
        }
        if asking.failed_at.is_some_and(|at| now.since(at) < RETRY_AFTER) {
            return young(STALE_MAX).ok_or(SigninReason::ProviderUnavailable.into());
        }
        let began = Instant::now();
        match Provider::discover(issuer, http, now).await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                self.current.store(Some(Arc::clone(&provider)));
                asking.failed_at = None;
                Ok(provider)
            }
            Err(error) => {
                // From the end of the attempt on: one that took long must not be tried again by each of those who waited for it.
                asking.failed_at = Some(now.after(began.elapsed()));
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(
                    error = cause,
                    cedargate.issuer = %issuer.issuer(),
                    "a provider's description cannot be had"
                );
                young(STALE_MAX).ok_or(error)
            }
        }
    }

    /// The provider with the key of this name, fetching its keys anew where it is not among them: so a rotation needs no restart.
    /// Without a name, or where it stays unknown, whatever is known.
    pub(crate) async fn with_key(
        &self,
        issuer: &OidcIssuer,
        http: &ProviderHttp,
        kid: Option<&str>,
        now: Micros,
    ) -> Result<Arc<Provider>, Refused> {
        let provider = self.provider(issuer, http, now).await?;
        let Some(kid) = kid.filter(|kid| !provider.has_key(kid)) else { return Ok(provider) };
        let mut asking = self.asking.lock().await;
        // Somebody else may have asked while we waited.
        let provider = self.current.load_full().unwrap_or(provider);
        let asked_lately = asking.refetched_at.is_some_and(|at| now.since(at) < REFETCH_EVERY);
        let failed_lately = asking.refetch_failed_at.is_some_and(|at| now.since(at) < RETRY_AFTER);
        if provider.has_key(kid) || asked_lately || failed_lately {
            return Ok(provider);
        }
        let began = Instant::now();
        match provider.with_keys_of_now(http).await {
            Ok(renewed) => {
                let renewed = Arc::new(renewed);
                self.current.store(Some(Arc::clone(&renewed)));
                asking.refetched_at = Some(now);
                tracing::info!(cedargate.issuer = %issuer.issuer(), "a provider's keys were fetched anew");
                Ok(renewed)
            }
            Err(error) => {
                // No answer is none: the key that was looked for may be there a moment later.
                asking.refetch_failed_at = Some(now.after(began.elapsed()));
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, cedargate.issuer = %issuer.issuer(), "a provider's keys cannot be fetched");
                Ok(provider)
            }
        }
    }
}

/// The part of the discovery document that matters (OIDC Discovery §3).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Debug, thiserror::Error)]
enum DescriptionError {
    #[error("the provider answered {0}")]
    Status(StatusCode),
    #[error("the answer is no JSON of the expected form")]
    Json(#[from] serde_json::Error),
    #[error("it describes the issuer `{0}`, and the configured one is `{1}`")]
    Issuer(String, String),
    #[error("its `{field}` is no address that may be called")]
    Address {
        field: &'static str,
        #[source]
        source: super::address::ProviderUrlError,
    },
    #[error("it publishes no key that a token can be verified with")]
    Keyless,
}

impl Provider {
    async fn discover(issuer: &OidcIssuer, http: &ProviderHttp, now: Micros) -> Result<Self, Refused> {
        let from = format!("{}/.well-known/openid-configuration", issuer.issuer().as_str().trim_end_matches('/'));
        let from = issuer.url().endpoint(&from).map_err(unavailable)?;
        let document = fetch(http, &from).await?;
        let document: Description =
            serde_json::from_slice(&document).map_err(|e| unavailable(DescriptionError::Json(e)))?;
        // Exactly: a document of another issuer could name anybody's keys (OIDC Discovery §4.3).
        if document.issuer != issuer.issuer().as_str() {
            let configured = issuer.issuer().to_string();
            return Err(unavailable(DescriptionError::Issuer(document.issuer, configured)));
        }
        let endpoint = |field, text: &str| {
            issuer.url().endpoint(text).map_err(|source| unavailable(DescriptionError::Address { field, source }))
        };
        let optional = |field, text: Option<String>| text.map(|text| endpoint(field, &text)).transpose();
        let jwks_uri = endpoint("jwks_uri", &document.jwks_uri)?;
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
            token_endpoint: endpoint("token_endpoint", &document.token_endpoint)?,
            push_endpoint: optional(
                "pushed_authorization_request_endpoint",
                document.pushed_authorization_request_endpoint,
            )?,
            push_required: document.require_pushed_authorization_requests,
            userinfo_endpoint: optional("userinfo_endpoint", document.userinfo_endpoint)?,
            end_session_endpoint: optional("end_session_endpoint", document.end_session_endpoint)?,
            says_issuer: document.authorization_response_iss_parameter_supported,
            keys: fetch_keys(http, &jwks_uri).await?,
            jwks_uri,
            fetched_at: now,
        })
    }

    async fn with_keys_of_now(&self, http: &ProviderHttp) -> Result<Self, Refused> {
        Ok(Self {
            keys: fetch_keys(http, &self.jwks_uri).await?,
            authorization_endpoint: self.authorization_endpoint.clone(),
            token_endpoint: self.token_endpoint.clone(),
            push_endpoint: self.push_endpoint.clone(),
            push_required: self.push_required,
            userinfo_endpoint: self.userinfo_endpoint.clone(),
            end_session_endpoint: self.end_session_endpoint.clone(),
            says_issuer: self.says_issuer,
            jwks_uri: self.jwks_uri.clone(),
            fetched_at: self.fetched_at,
        })
    }

    fn has_key(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.key_id().is_some_and(|id| id.as_str() == kid))
    }
}

pub(crate) async fn fetch(http: &ProviderHttp, from: &ProviderUrl) -> Result<bytes::Bytes, Refused> {
    let answer = http.get(from, None).await.map_err(unavailable)?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        status => Err(unavailable(DescriptionError::Status(status))),
    }
}

pub(crate) async fn fetch_keys(http: &ProviderHttp, from: &ProviderUrl) -> Result<Vec<CoreJsonWebKey>, Refused> {
    let set = fetch(http, from).await?;
    let keys = key_set(&set).map_err(|error| unavailable(DescriptionError::Json(error)))?;
    if keys.is_empty() { Err(unavailable(DescriptionError::Keyless)) } else { Ok(keys) }
}

/// The keys of a set that tokens may be verified with.
pub(crate) fn key_set(text: &[u8]) -> Result<Vec<CoreJsonWebKey>, serde_json::Error> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<Value>,
    }
    let set: KeySet = serde_json::from_slice(text)?;
    Ok(set.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect())
}

/// A key that tokens may be verified with. Others are passed over: sets hold keys for encryption, and of kinds to come.
fn usable(key: Value) -> Option<CoreJsonWebKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let is_strong = match text("kty")? {
        // NIST SP 800-131A: 2048 bits at least. Over 8192 one verification would take long.
        "RSA" => {
            let modulus = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
            let length = modulus.iter().skip_while(|octet| **octet == 0).count();
            (256..=1024).contains(&length)
        }
        "EC" => matches!(text("crv")?, "P-256" | "P-384"),
        "OKP" => text("crv")? == "Ed25519",
        // A symmetric key in a public set is nobody's secret.
        _ => false,
    };
    if !is_strong {
        return None;
    }
    // Private members have no business here, and the library would keep them.
    let mut key = key;
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        key.as_object_mut()?.remove(private);
    }
    serde_json::from_value(key).ok()
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Refused {
    Refused::because(SigninReason::ProviderUnavailable, cause)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_proves_nothing_is_passed_over() {
        let modulus = |octets: usize| URL_SAFE_NO_PAD.encode(vec![0xff; octets]);
        let padded = URL_SAFE_NO_PAD.encode([vec![0; 200], vec![0xff; 64]].concat());
        for key in [
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "1" }),
            json!({ "kty": "RSA", "n": modulus(128), "e": "AQAB" }),
            json!({ "kty": "RSA", "n": padded, "e": "AQAB" }),
            json!({ "kty": "RSA", "n": modulus(1025), "e": "AQAB" }),
            json!({ "kty": "RSA", "n": modulus(256), "e": "AQAB", "use": "enc" }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
            json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }),
            json!({ "kty": "AKP" }),
            json!({}),
            json!("RSA"),
        ] {
            assert!(usable(key.clone()).is_none(), "{key}");
        }
        assert!(usable(json!({ "kty": "RSA", "n": modulus(256), "e": "AQAB", "use": "sig", "kid": "1" })).is_some());
    }
}
