//! What passes between the gateway and the provider behind the browser's back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate_identity::Subject;
use cedargate_model::{Micros, SigninReason};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::address::ProviderUrl;
use super::client_key::ASSERTION_TYPE;
use super::http::{Answer, CallError, ProviderHttp};
use super::provider::Provider;
use super::settings::{ClientAuthentication, ClientSecret, OidcSettings, ProofAudience};
use crate::Refused;
use crate::connection::Claims;

/// What a code was redeemed for.
pub(crate) struct Tokens {
    pub(crate) id_token: String,
    pub(crate) access_token: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// The longest reference that is sent on by the browser.
const REQUEST_URI_BYTES_MAX: usize = 1024;

#[derive(Deserialize)]
struct PushAnswer {
    request_uri: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("the token endpoint answered {0} without an `error`")]
    Status(StatusCode),
    #[error("the token endpoint refused with `{0}`")]
    Error(String),
    #[error("the token endpoint's answer has no ID token; is `openid` among the scopes that it grants?")]
    NoIdToken,
    #[error("the userinfo endpoint answered {0}")]
    Userinfo(StatusCode),
    #[error("the reference to what was pushed is empty, longer than {REQUEST_URI_BYTES_MAX} octets, or no URI")]
    Reference,
    #[error("there is no userinfo endpoint, or no access token for it")]
    NoUserinfo,
}

/// Redeems a code (OIDC Core §3.1.3). It is sent once: a provider that sees it twice may take back what it gave for it.
pub(crate) async fn redeem(
    http: &ProviderHttp,
    provider: &Provider,
    settings: &OidcSettings,
    code: &str,
    verifier: &str,
    redirect_uri: &str,
    now: Micros,
) -> Result<Tokens, Refused> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
    ];
    let answer = post(http, provider, settings, &provider.token_endpoint, &fields, now).await?;
    if answer.status != StatusCode::OK {
        return Err(refusal(&answer));
    }
    let unreadable = |error: serde_json::Error| Refused::because(SigninReason::TokenMalformed, error);
    let answer: TokenAnswer = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let id_token =
        answer.id_token.ok_or_else(|| Refused::because(SigninReason::TokenMalformed, ExchangeError::NoIdToken))?;
    Ok(Tokens { id_token, access_token: answer.access_token.map(Zeroizing::new) })
}

/// Pushes what is asked to the provider, and gets a reference to it for the browser (RFC 9126 §2): what is asked is then neither the
/// browser's to change nor anybody's to read on the way.
///
/// A provider that refuses is not asked in the open instead: whoever keeps the gateway from pushing would decide that.
pub(crate) async fn push(
    http: &ProviderHttp,
    provider: &Provider,
    settings: &OidcSettings,
    to: &ProviderUrl,
    fields: &[(&str, &str)],
    now: Micros,
) -> Result<String, Refused> {
    let answer = post(http, provider, settings, to, fields, now).await?;
    // RFC 9126 says 201; some say 200.
    if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
        return Err(refusal(&answer));
    }
    let unreadable = |error: serde_json::Error| Refused::because(SigninReason::ProviderUnavailable, error);
    let PushAnswer { request_uri } = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let is_plain = request_uri.bytes().all(|byte| byte.is_ascii_graphic());
    match is_plain && (1..=REQUEST_URI_BYTES_MAX).contains(&request_uri.len()) {
        true => Ok(request_uri),
        false => Err(Refused::because(SigninReason::ProviderUnavailable, ExchangeError::Reference)),
    }
}

/// Posts to an endpoint that wants to know which client it is.
async fn post(
    http: &ProviderHttp,
    provider: &Provider,
    settings: &OidcSettings,
    to: &ProviderUrl,
    fields: &[(&str, &str)],
    now: Micros,
) -> Result<Answer, Refused> {
    let mut fields = fields.to_vec();
    let proof;
    let authorization = match &settings.authentication {
        ClientAuthentication::SecretBasic(secret) => Some(basic(&settings.client_id, secret)?),
        ClientAuthentication::SecretPost(secret) => {
            fields.extend([("client_id", &*settings.client_id), ("client_secret", secret.expose())]);
            None
        }
        ClientAuthentication::PrivateKeyJwt { keys, audience } => {
            let audience = match audience {
                ProofAudience::Issuer => settings.issuer.issuer().as_str(),
                ProofAudience::TokenEndpoint => provider.token_endpoint.url().as_str(),
            };
            proof = keys.prove(&settings.client_id, audience, now)?;
            fields.extend([
                ("client_id", &*settings.client_id),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &*proof),
            ]);
            None
        }
    };
    http.post_form(to, &fields, authorization).await.map_err(away)
}

/// Asks for what the ID token does not say. The answer is of the same person, or it is no answer (OIDC Core §5.3.2).
pub(crate) async fn userinfo(
    http: &ProviderHttp,
    provider: &Provider,
    access_token: Option<&str>,
    subject: &Subject,
) -> Result<Claims, Refused> {
    let (Some(endpoint), Some(token)) = (&provider.userinfo_endpoint, access_token) else {
        return Err(Refused::because(SigninReason::ProviderUnavailable, ExchangeError::NoUserinfo));
    };
    let answer = http.get(endpoint, Some(token)).await.map_err(away)?;
    if answer.status != StatusCode::OK {
        return Err(Refused::because(SigninReason::ProviderUnavailable, ExchangeError::Userinfo(answer.status)));
    }
    let unreadable = |error: serde_json::Error| Refused::because(SigninReason::ProviderUnavailable, error);
    let claims: Claims = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    if claims.get("sub").and_then(|sub| sub.as_str()) != Some(subject.as_str()) {
        return Err(SigninReason::UserinfoSubject.into());
    }
    Ok(claims)
}

/// Client id and secret, each form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &ClientSecret) -> Result<HeaderValue, Refused> {
    let encode = |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encode(client_id), *encode(secret.expose())));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value =
        HeaderValue::from_str(&text).map_err(|error| Refused::because(SigninReason::ClientRefused, error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a token endpoint's refusal means (RFC 6749 §5.2). Of its text only the code is kept: the rest is the provider's to word.
fn refusal(answer: &Answer) -> Refused {
    let Ok(TokenError { error }) = serde_json::from_slice(&answer.body) else {
        return Refused::because(SigninReason::ProviderUnavailable, ExchangeError::Status(answer.status));
    };
    let reason = match error.as_str() {
        "invalid_grant" => SigninReason::CodeRefused,
        "invalid_client" | "unauthorized_client" => SigninReason::ClientRefused,
        _ => SigninReason::ProviderUnavailable,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let error: String = error.chars().filter(|c| plain(*c)).take(64).collect();
    Refused::because(reason, ExchangeError::Error(error))
}

fn away(error: CallError) -> Refused {
    Refused::because(SigninReason::ProviderUnavailable, error)
}
