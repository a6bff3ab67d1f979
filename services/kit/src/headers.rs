//! The header fields of changes and reads, for OpenAPI documents.
#![expect(dead_code, reason = "these types only describe parameters")]

use utoipa::IntoParams;

/// `Idempotency-Key`: what every change can be sent with.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyParams {
    /// Names this act: sent again with the same key within a day, it is answered again and not done again.
    #[param(rename = "Idempotency-Key", max_length = 130)]
    idempotency_key: Option<String>,
}

/// `If-Match`, where a change can do without.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatchParams {
    /// The `ETag` of what the change was decided on; 412 if it is another one by now.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// `If-Match`, where a change requires it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatchRequiredParams {
    /// The `ETag` of what the change was decided on; 412 if it is another one by now, 428 without one.
    #[param(rename = "If-Match")]
    if_match: String,
}

/// `If-None-Match` of a read.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchParams {
    /// The `ETag` of what the client has; 304 if that is still so.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}
