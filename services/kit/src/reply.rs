//! What a handler answers with, as a value that can be kept and sent again.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::etag::{IfNoneMatch, Version};
use crate::problem::{ANSWER_FAILED, Problem};

/// Marks an answer that was given before, to an earlier request with the same `Idempotency-Key`.
pub const REPLAYED_HEADER: &str = "idempotency-replayed";

/// An answer that is no refusal: status, `Location`, `ETag` and a JSON body.
///
/// ```
/// use cedargate_kit::{Reply, Version};
///
/// let reply = Reply::ok(&["milk"]).unwrap().version(Version(3));
/// assert_eq!(reply.body(), br#"["milk"]"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) version: Option<Version>,
    pub(crate) body: Bytes,
    pub(crate) is_replayed: bool,
}

impl Reply {
    /// 200 with a body.
    ///
    /// # Errors
    /// `answer_failed` where the value has no JSON form: we are broken.
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::new(ANSWER_FAILED).caused_by(error))?;
        Ok(Self { status: StatusCode::OK, location: None, version: None, body: body.into(), is_replayed: false })
    }

    /// 201 with a body.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn created(body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { status: StatusCode::CREATED, ..Self::ok(body)? })
    }

    /// 204.
    pub fn no_content() -> Self {
        let body = Bytes::new();
        Self { status: StatusCode::NO_CONTENT, location: None, version: None, body, is_replayed: false }
    }

    /// The same, with where it is.
    #[must_use]
    pub fn location(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The same, with the `ETag` of this version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// The same, or 304 if the client has this version already. For GET.
    #[must_use]
    pub fn unless(mut self, condition: &IfNoneMatch) -> Self {
        if self.version.is_some_and(|version| condition.has(version)) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Bytes::new();
        }
        self
    }

    /// The body as it is sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        put(&mut headers, header::LOCATION, self.location);
        put(&mut headers, header::ETAG, self.version.map(Version::etag));
        if self.is_replayed {
            headers.insert(HeaderName::from_static(REPLAYED_HEADER), HeaderValue::from_static("true"));
        }
        if self.body.is_empty() {
            return (self.status, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (self.status, headers, self.body).into_response()
    }
}

/// Both are made of our own paths, ids and digits, which header values may hold; anything else is not sent.
fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}
