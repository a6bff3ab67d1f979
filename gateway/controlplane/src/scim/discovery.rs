//! What the service says of itself.

use axum::extract::Path;
use axum::response::Response;
use cedargate_scim::{ScimError, resource_type, resource_types, schema, schemas, service_provider_config};
use http::StatusCode;
use serde_json::Value;

use super::admit::Caller;
use super::reply::{Refused, json};

pub(super) async fn config(caller: Caller) -> Response {
    json(StatusCode::OK, &service_provider_config(&caller.base()))
}

pub(super) async fn types(caller: Caller) -> Result<Response, Refused> {
    all(&caller, resource_types(&caller.base()))
}

pub(super) async fn one_type(caller: Caller, Path(name): Path<String>) -> Result<Response, Refused> {
    one(resource_type(&name, &caller.base()))
}

pub(super) async fn schemas_of(caller: Caller) -> Result<Response, Refused> {
    all(&caller, schemas(&caller.base()))
}

pub(super) async fn one_schema(caller: Caller, Path(urn): Path<String>) -> Result<Response, Refused> {
    one(schema(&urn, &caller.base()))
}

/// These are never filtered (RFC 7644 §4).
fn all(caller: &Caller, body: Value) -> Result<Response, Refused> {
    let query = caller.query.as_deref().unwrap_or_default();
    match url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "filter") {
        true => Err(ScimError::plain(403, "this is not filtered").into()),
        false => Ok(json(StatusCode::OK, &body)),
    }
}

fn one(body: Option<Value>) -> Result<Response, Refused> {
    let body = body.ok_or_else(ScimError::not_found)?;
    Ok(json(StatusCode::OK, &body))
}
