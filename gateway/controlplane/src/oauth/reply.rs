//! What a client of the token endpoint is told (RFC 6749 §5).

use axum::Json;
use axum::response::{IntoResponse, Response};
use cedargate_model::TokenReason;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use zeroize::Zeroizing;

/// Tokens that were issued.
pub(super) struct Tokens {
    pub(super) access_token: Zeroizing<String>,
    pub(super) expires_in: u64,
    /// The roles that it has, with one space between.
    pub(super) scope: String,
    pub(super) refresh_token: Option<Zeroizing<String>>,
    /// What kind of token this is, where another was exchanged for it (RFC 8693 §2.2.1).
    pub(super) issued_token_type: Option<&'static str>,
}

/// The same as it is sent.
#[derive(Serialize)]
struct TokensBody<'t> {
    access_token: &'t str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// A refusal as the standard words it. Whatever was wrong with a client, a session or a refresh token, it is told in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OauthError {
    status: StatusCode,
    error: &'static str,
    /// Whether the client authenticated in the `Authorization` header, and is to be told in one (§5.2).
    basic: bool,
    retry_after_seconds: Option<u64>,
}

impl OauthError {
    pub(super) fn new(reason: TokenReason, basic: bool) -> Self {
        let (status, error) = match reason {
            TokenReason::RequestMalformed | TokenReason::CredentialsAmbiguous => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            TokenReason::GrantUnsupported => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            TokenReason::ClientMissing
            | TokenReason::SecretMalformed
            | TokenReason::KeyUnknown
            | TokenReason::KeyExpired
            | TokenReason::KeyRevoked
            | TokenReason::AccountDisabled
            | TokenReason::ClientMismatch => (StatusCode::UNAUTHORIZED, "invalid_client"),
            TokenReason::ScopeInvalid => (StatusCode::BAD_REQUEST, "invalid_scope"),
            TokenReason::TargetInvalid => (StatusCode::BAD_REQUEST, "invalid_target"),
            TokenReason::SessionUnknown | TokenReason::RefreshUnknown | TokenReason::RefreshExpired => {
                (StatusCode::BAD_REQUEST, "invalid_grant")
            }
            TokenReason::AssertionMalformed
            | TokenReason::AssertionAlgorithm
            | TokenReason::AssertionType
            | TokenReason::AssertionHeader
            | TokenReason::AssertionIssuer
            | TokenReason::AssertionKeyUnknown
            | TokenReason::AssertionSignature
            | TokenReason::AssertionAudience
            | TokenReason::AssertionExpired
            | TokenReason::AssertionNotYetValid
            | TokenReason::AssertionLifetime
            | TokenReason::AssertionClaims
            | TokenReason::AssertionAmbiguous
            | TokenReason::AssertionReplayed => (StatusCode::BAD_REQUEST, "invalid_grant"),
            TokenReason::IssuerUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            TokenReason::RateExceeded => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        };
        Self { status, error, basic, retry_after_seconds: None }
    }

    /// A refresh token that was used before, told as one that there never was.
    pub(super) fn reused() -> Self {
        Self::new(TokenReason::RefreshUnknown, false)
    }

    /// No token that could be revoked (RFC 7009 §2.2.1).
    pub(super) fn unsupported_token_type() -> Self {
        Self { error: "unsupported_token_type", ..Self::new(TokenReason::RequestMalformed, false) }
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.error })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 wants a challenge with every 401; §5.2 wants the client's own scheme.
            let challenge = if self.basic { r#"Basic realm="cedargate""# } else { r#"Bearer realm="cedargate""# };
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        unkept(response)
    }
}

impl IntoResponse for Tokens {
    fn into_response(self) -> Response {
        let body = TokensBody {
            access_token: &self.access_token,
            token_type: "Bearer",
            expires_in: self.expires_in,
            scope: &self.scope,
            refresh_token: self.refresh_token.as_ref().map(|token| token.as_str()),
            issued_token_type: self.issued_token_type,
        };
        unkept(Json(body).into_response())
    }
}

/// Nothing on the way keeps it (§5.1).
pub(super) fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
