//! Reading a request's body.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::{BODY_MALFORMED, BODY_TOO_LARGE, CONTENT_TYPE_UNSUPPORTED, FIELDS_INVALID, Problem};

/// A body that is a JSON object. Put it last among a handler's arguments.
///
/// Give the type `#[serde(deny_unknown_fields)]`, so that a misspelt field is an error, and make its fields `Option`s
/// that [`Fields`](crate::Fields) then checks, so that all mistakes are reported at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(CONTENT_TYPE_UNSUPPORTED.into());
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        read(&body).map(Self)
    }
}

/// Why the body did not arrive: too long, or broken off.
pub(crate) fn unreadable(rejection: BytesRejection) -> Problem {
    let kind = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { BODY_TOO_LARGE } else { BODY_MALFORMED };
    Problem::new(kind).caused_by(rejection)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would also read a struct from an array of its fields' values: a second form that nobody documents.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(BODY_MALFORMED.into());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // What is wrong with the object as a whole, a field given twice, has no path; the detail names it.
        let path = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_else(|| "body".into());
        let error = error.into_inner();
        if error.is_data() {
            Problem::new(FIELDS_INVALID).field(path, expectation(&error)).caused_by(error)
        } else {
            Problem::new(BODY_MALFORMED).caused_by(error)
        }
    })?;
    json.end().map_err(|error| Problem::new(BODY_MALFORMED).caused_by(error))?;
    Ok(value)
}

/// What was expected, without the place, which counts lines that the client may never have seen, and bounded, since it
/// quotes the client's text.
fn expectation(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    text.chars().take(200).collect()
}
