//! What a form or a program sent.

use axum::extract::{FromRequest, Request};
use axum::{Form, Json};
use cedargate_model::RefusalCode;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::{Problem, REQUEST_MALFORMED, SIGNIN_TYPE_UNSUPPORTED};

/// Reads a form, or the same as JSON. A body without a type and without octets has no fields.
///
/// # Errors
/// What a rejection says may quote the body, and the body may hold a secret: only its status goes on.
pub(crate) async fn submitted<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    let is = |expected: &[u8]| kind.as_ref().is_some_and(|kind| kind.starts_with(expected));
    if is(b"application/json") {
        Json::from_request(request, &()).await.map(|Json(body)| body).map_err(|rejected| malformed(rejected.status()))
    } else if is(b"application/x-www-form-urlencoded") {
        Form::from_request(request, &()).await.map(|Form(body)| body).map_err(|rejected| malformed(rejected.status()))
    } else {
        Err(Problem::new(SIGNIN_TYPE_UNSUPPORTED))
    }
}

fn malformed(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(RefusalCode::BodyTooLarge),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(SIGNIN_TYPE_UNSUPPORTED),
        _ => Problem::new(REQUEST_MALFORMED),
    }
}
