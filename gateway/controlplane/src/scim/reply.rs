//! What clients are told, in SCIM's own form.

use axum::response::{IntoResponse, Response};
use cedargate_identity::{ProvisionError, StoreError};
use cedargate_scim::ScimError;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// A refusal or failure on its way to the client. What went wrong on our side is logged and never told.
#[derive(Debug)]
pub(super) struct Refused {
    error: ScimError,
    retry_after_seconds: Option<u64>,
}

impl Refused {
    /// Our fault, or our store's: the client may try again.
    pub(super) fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(error = cause, "what a provider told could not be done");
        Self { error: ScimError::plain(503, "try again in a moment"), retry_after_seconds: Some(5) }
    }
}

impl From<ScimError> for Refused {
    fn from(error: ScimError) -> Self {
        Self { error, retry_after_seconds: None }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<ProvisionError> for Refused {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Refused(error) => error.into(),
            ProvisionError::TokenOver => ScimError::plain(401, "the token counts no more").into(),
            ProvisionError::Roles(_) | ProvisionError::Entropy(_) | ProvisionError::Store(_) => {
                Self::unavailable(&error)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &self.error.to_value());
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="cedargate""#));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A body as `application/scim+json`. People's data: nothing on the way keeps it.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A resource with its ETag, and where it is if it was just made.
pub(super) fn resource(status: StatusCode, body: &Value, version: &str, location: Option<&str>) -> Response {
    let mut response = json(status, body);
    for (name, value) in [(header::ETAG, Some(version)), (header::LOCATION, location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The client has it already.
pub(super) fn unchanged(version: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(version) = HeaderValue::from_str(version) {
        response.headers_mut().insert(header::ETAG, version);
    }
    response
}
