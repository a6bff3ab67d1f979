//! The internal HTTP surface: one route.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use cedargate_model::Clock;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::answer::Answer;
use crate::credential::Credential;
use crate::credential_file::CredentialFile;
use crate::desk::Desk;
use crate::rate::Rates;
use crate::{ServiceName, TakeError};

/// The most octets of one batch.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// The most events of one batch.
pub const BATCH_EVENTS_MAX: usize = 256;

/// How long a batch may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the route needs.
pub struct Surface {
    /// Who takes events.
    pub desk: Desk,
    /// Who may speak.
    pub credentials: CredentialFile,
    /// How many events a second one service may hand over for long.
    pub events_per_second: u32,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

struct Shared {
    surface: Surface,
    rates: Rates,
}

/// The internal surface's routes. They must be served where services alone connect: nothing here knows about clients.
pub fn router(surface: Surface) -> Router {
    let rates = Rates::new(surface.events_per_second);
    let shared = Arc::new(Shared { surface, rates });
    Router::new()
        .route("/events", post(events))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .with_state(shared)
}

async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let service = shared.authenticate(&headers)?;
    if !is_ndjson(&headers) {
        return Err(Refusal::TypeUnknown);
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BATCH_BYTES_MAX) {
        return Err(Refusal::BatchTooLarge);
    }
    let turn = shared.surface.desk.turn(&service).ok_or(Refusal::Busy)?;
    let arrived = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BATCH_BYTES_MAX)).await;
    let batch = arrived.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::BatchTooLarge)?;
    let lines: Vec<_> = batch.split(|octet| *octet == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.is_empty() {
        return Err(Refusal::BatchEmpty);
    }
    if lines.len() > BATCH_EVENTS_MAX {
        return Err(Refusal::BatchTooLarge);
    }
    shared.rates.spend(&service, lines.len(), shared.surface.clock.now()).map_err(Refusal::TooMany)?;
    let lines = lines.into_iter().map(<[u8]>::to_vec).collect();
    let answers: Vec<Answer> = turn.take(lines).await.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            error.type = "service_events_unavailable",
            cedargate.service = service.as_str(),
            "a service's events could not be taken"
        );
        match error {
            TakeError::Unreadable(_) | TakeError::BrokeDown(_) => Refusal::RecordUnavailable,
        }
    })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "results": answers }))).into_response())
}

impl Shared {
    /// Whose batch it is, before anything of it is read.
    fn authenticate(&self, headers: &HeaderMap) -> Result<ServiceName, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::CredentialMissing) };
        let book = self.surface.credentials.current().map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                error.type = "service_credentials_unavailable",
                "nobody is heard: the services' credentials cannot be read"
            );
            Refusal::CredentialsUnavailable
        })?;
        let presented = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).and_then(Credential::parse);
        let known = presented.as_ref().and_then(|presented| book.authenticate(presented));
        known.map(|entry| entry.service.clone()).ok_or_else(|| {
            tracing::warn!(
                error.type = "service_credential_invalid",
                cedargate.credential.id = presented.as_ref().map(|presented| presented.id().as_str()),
                "somebody without a credential that counts wants to be heard as a service"
            );
            Refusal::CredentialInvalid
        })
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-ndjson"))
}

/// Why nothing of a batch was looked at.
#[derive(Debug)]
enum Refusal {
    CredentialMissing,
    CredentialInvalid,
    CredentialsUnavailable,
    TypeUnknown,
    BatchEmpty,
    BatchTooLarge,
    TooSlow,
    TooMany(Duration),
    Busy,
    RecordUnavailable,
    NotFound,
    MethodNotAllowed,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, title) = match &self {
            Self::CredentialMissing => (
                StatusCode::UNAUTHORIZED,
                "credential_missing",
                "Send the service's credential: Authorization: Bearer cgs_…",
            ),
            Self::CredentialInvalid => {
                (StatusCode::UNAUTHORIZED, "credential_invalid", "This credential does not count (any more).")
            }
            Self::CredentialsUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "credentials_unavailable", "The gateway cannot read its credentials.")
            }
            Self::TypeUnknown => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "type_unknown", "Send application/x-ndjson, one event a line.")
            }
            Self::BatchEmpty => (StatusCode::BAD_REQUEST, "batch_empty", "There is no event in this batch."),
            Self::BatchTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", "A batch has at most 256 events and 1 MiB.")
            }
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "batch_too_slow", "The batch did not arrive within 10 seconds.")
            }
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_exceeded", "This service says too much at once."),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "An earlier batch of this service is not done yet, or too many arrive at once.",
            ),
            Self::RecordUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "record_unavailable", "The record cannot be used at the moment.")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is POST /events here."),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "There is POST /events here.")
            }
        };
        let body = json!({ "status": status.as_u16(), "code": code, "title": title }).to_string();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let wait = match self {
            Self::TooMany(wait) => Some(wait.as_secs().saturating_add(1)),
            Self::Busy | Self::RecordUnavailable | Self::CredentialsUnavailable => Some(1),
            _ => None,
        };
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        response
    }
}
