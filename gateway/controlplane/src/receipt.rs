//! Receipts: the proof that the event which an answer names is in the record.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use cedargate_model::{EventId, RefusalCode, TenantName};
use http::{HeaderMap, header};

use crate::page::refusal;
use crate::problem::{FAILED, Problem};
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;

/// Proves what is recorded, tenant by tenant. The app implements it with the archive of the record.
///
/// Both may read files, and are called where that is no harm.
pub trait Receipts: Send + Sync {
    /// The proof that an event is in the tenant's tree, as JSON; none where no event of the tenant with this id is sealed.
    ///
    /// # Errors
    /// The archive cannot be read, or does not hold.
    fn prove(&self, tenant: &TenantName, event: EventId) -> Result<Option<String>, ReceiptsUnavailable>;

    /// The signed checkpoint of the tenant's tree; none before the first.
    ///
    /// # Errors
    /// The archive cannot be read.
    fn checkpoint(&self, tenant: &TenantName) -> Result<Option<String>, ReceiptsUnavailable>;
}

/// The archive of the record cannot say.
#[derive(Debug, thiserror::Error)]
#[error("the archive of the record cannot say")]
pub struct ReceiptsUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// `GET /audit/receipt/{id}`. What is another tenant's, unknown or not sealed yet is all the same: there is nothing here.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = id.parse::<EventId>().ok();
    let receipts = Arc::clone(&control_plane.receipts);
    let headers_of_proof = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private, no-store")];
    answer(visit, headers, headers_of_proof, move |tenant| match asked {
        Some(event) => receipts.prove(&tenant, event),
        None => Ok(None),
    })
    .await
}

/// `GET /.well-known/cedargate/checkpoint`. A signed note: a size and a hash, for anybody to keep.
pub(crate) async fn checkpoint(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    headers: HeaderMap,
) -> Response {
    let receipts = Arc::clone(&control_plane.receipts);
    let headers_of_note =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=5")];
    answer(visit, headers, headers_of_note, move |tenant| receipts.checkpoint(&tenant)).await
}

async fn answer(
    visit: Visit,
    headers: HeaderMap,
    found_headers: [(header::HeaderName, &'static str); 2],
    look: impl FnOnce(TenantName) -> Result<Option<String>, ReceiptsUnavailable> + Send + 'static,
) -> Response {
    let found = match visit.site() {
        Site::Tenant(tenant) => {
            let name = tenant.name.clone();
            // Files are read.
            match tokio::task::spawn_blocking(move || look(name)).await {
                Ok(found) => found.map_err(|error| Problem::new(FAILED).because(error)),
                Err(error) => Err(Problem::new(FAILED).because(error)),
            }
        }
        Site::Directory => Ok(None),
    };
    let problem = match found {
        Ok(Some(text)) => return (found_headers, text).into_response(),
        Ok(None) => Problem::new(RefusalCode::RouteUnknown),
        Err(problem) => problem,
    };
    refusal::answer(Wanted::of(&headers), problem.of_request(visit.request))
}
