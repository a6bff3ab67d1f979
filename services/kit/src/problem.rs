//! What a client is told when something is refused or fails (RFC 9457).

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use cedargate_migrations::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// One kind of refusal or failure: its stable code, its status, and the one plain sentence that clients read.
///
/// Declare each as a constant beside the code that answers with it; programs depend on `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The HTTP status.
    pub status: StatusCode,
    /// Lower-case words joined by `_`.
    pub code: &'static str,
    /// A sentence for people: nothing of the inside.
    pub sentence: &'static str,
}

impl ProblemKind {
    /// A kind of problem.
    pub const fn new(status: StatusCode, code: &'static str, sentence: &'static str) -> Self {
        Self { status, code, sentence }
    }
}

/// No `Cedargate-Identity` arrived: the request did not come through the gateway.
pub const IDENTITY_MISSING: ProblemKind =
    ProblemKind::new(StatusCode::UNAUTHORIZED, "identity_missing", "This service answers only behind its gateway.");
/// The assertion is not acceptable. Why is the log's business.
pub const IDENTITY_INVALID: ProblemKind =
    ProblemKind::new(StatusCode::UNAUTHORIZED, "identity_invalid", "The identity assertion is not accepted.");
/// The gateway's keys have not been read yet.
pub const IDENTITY_KEYS_MISSING: ProblemKind = ProblemKind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "identity_keys_missing",
    "Identities cannot be verified right now.",
);
/// No `Cedargate-Decision` arrived beside the assertion.
pub const DECISION_MISSING: ProblemKind =
    ProblemKind::new(StatusCode::UNAUTHORIZED, "decision_missing", "The request names no decision of the gateway.");
/// Nothing has this address, or nothing of this tenant has this id.
pub const NOT_FOUND: ProblemKind =
    ProblemKind::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.");
/// The address is known, the method is not.
pub const METHOD_NOT_ALLOWED: ProblemKind =
    ProblemKind::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not accept that method.");
/// A query parameter is wrong.
pub const QUERY_INVALID: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "query_invalid", "A query parameter is not accepted.");
/// The body is not `application/json`.
pub const CONTENT_TYPE_UNSUPPORTED: ProblemKind = ProblemKind::new(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "content_type_unsupported",
    "Send the body as `application/json`.",
);
/// The body is not a JSON object, or could not be read.
pub const BODY_MALFORMED: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "body_malformed", "The body is not a valid JSON object.");
/// The body is over the service's bound.
pub const BODY_TOO_LARGE: ProblemKind =
    ProblemKind::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.");
/// Fields of the body are missing, unknown or wrong; `errors` names them.
pub const FIELDS_INVALID: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "fields_invalid", "Fields of the request are not accepted.");
/// The store does not answer, or is busy. Nothing was changed.
pub const STORE_UNAVAILABLE: ProblemKind = ProblemKind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "store_unavailable",
    "The service cannot reach its data right now. Nothing was changed.",
);
/// The store refused a statement: we are broken. Nothing was changed.
pub const STORE_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", "The service failed. Nothing was changed.");

/// An answer could not be written: we are broken. Nothing was changed.
pub const ANSWER_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::INTERNAL_SERVER_ERROR, "answer_failed", "The service failed. Nothing was changed.");

/// A refusal or failure on its way to the client.
///
/// It has two voices: kind and field errors are rendered, the cause is only logged, once, with the exchange's line.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    errors: Vec<FieldError>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// One field that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name, or its path in the body: `quantity`, `lines[2].lot`.
    pub field: String,
    /// What is wrong with it and what would be right.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, errors: Vec::new(), cause: None }
    }

    /// The same, naming a field that is not accepted.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        self.errors.push(FieldError { field: field.into(), detail: detail.into() });
        self
    }

    /// The same, with the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The fields that it names.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind)
    }
}

/// For the `?` on statements that cannot conflict. Where a conflict is the client's doing, match
/// [`StoreError::Conflict`] first and answer with a kind of your own.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = if error.is_retryable() { STORE_UNAVAILABLE } else { STORE_FAILED };
        Self::new(kind).caused_by(error)
    }
}

/// The body of a refusal, `application/problem+json` (RFC 9457 §3), with the members that the gateway's refusals have.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:cedargate:problem:` and the code.
    #[serde(rename = "type")]
    type_uri: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// One plain sentence.
    detail: &'static str,
    /// The stable code.
    code: &'static str,
    /// The fields that are not accepted, if it is about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// What the log learns of a problem: left in the response's extensions for the exchange's line.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) code: &'static str,
    pub(crate) cause: Option<Arc<str>>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { kind, errors, cause } = self;
        let body = ProblemBody {
            type_uri: format!("urn:cedargate:problem:{}", kind.code),
            title: kind.status.canonical_reason().unwrap_or("Refused"),
            status: kind.status.as_u16(),
            detail: kind.sentence,
            code: kind.code,
            errors,
        };
        let logged = Logged { code: kind.code, cause: cause.map(|cause| chain(&*cause).into()) };
        let mut response = (kind.status, axum::Json(body)).into_response();
        response.extensions_mut().insert(logged);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if kind.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 wants a challenge; a client can only meet it by going through the gateway.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Cedargate-Identity"));
        }
        if kind.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An error and all its sources in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
