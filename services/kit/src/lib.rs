//! What every service behind Cedargate shares: verified identity, transactions, errors, audit outbox.
//!
//! Always true of a service built on it:
//! - no handler runs, and no body is read, before the gateway's assertion for this very service was verified;
//! - a handler reaches its own tenant's rows only: `$1` of every query is the tenant, bound by the transaction;
//! - a change and its audit entry become durable together: [`Change::commit`] is the only way and wants the [`Act`];
//! - a request with an `Idempotency-Key` acts once, however often it is sent: its answer is durable with its act.
//!
//! A handler extracts, calls and renders:
//!
//! ```
//! use axum::routing::get;
//! use axum::{Json, Router};
//! use cedargate_kit::{Act, Fields, JsonBody, Kit, Problem, Reply, Tenant};
//! use serde::Deserialize;
//!
//! /// Fields are `Option`s so that everything that is wrong with them is reported at once.
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct NewNote {
//!     text: Option<String>,
//! }
//!
//! const COUNT: &str = "SELECT count(*) FROM notes WHERE tenant_id = $1";
//!
//! async fn count_notes(tenant: Tenant) -> Result<Json<i64>, Problem> {
//!     let (count,) = tenant.read().await?.query(COUNT).fetch_one::<(i64,)>().await?;
//!     Ok(Json(count))
//! }
//!
//! const INSERT: &str = "INSERT INTO notes (tenant_id, text) VALUES ($1, $2)";
//!
//! async fn create_note(tenant: Tenant, JsonBody(new): JsonBody<NewNote>) -> Result<Reply, Problem> {
//!     let mut fields = Fields::default();
//!     let text = fields.required("text", new.text, |text: String| {
//!         if text.len() <= 200 { Ok(text) } else { Err("use at most 200 bytes") }
//!     });
//!     let (text,) = fields.finish((text,))?;
//!
//!     let mut change = tenant.begin().await?;
//!     change.query(INSERT).bind(text).execute().await?;
//!     let act = Act { action: "CreateNote", resource: "Notes::Board".into(), detail: serde_json::json!({}) };
//!     change.commit(act, Reply::no_content()).await
//! }
//!
//! fn routes() -> Router<Kit> {
//!     Router::new().route("/notes", get(count_notes).post(create_note))
//! }
//! ```
//!
//! To write the next service: copy the shape of `services/inventory` (routes and their OpenAPI document, one module per
//! noun, a `MigrationSet`), describe it as a [`Service`], and let `main` call [`Service::serve`].
//! `docs/guides/service-developer.md` walks through it.

mod body;
pub mod etag;
mod fields;
mod headers;
mod health;
pub mod idempotency;
mod identity;
mod keys;
mod kit;
mod list;
mod listen;
mod log;
mod outbox;
pub mod problem;
mod relay;
mod reply;
mod resource_id;
mod serve;
mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
mod trace;

pub use body::JsonBody;
pub use cedargate_assertion::{AssertedSubject, Identity, TenantScope};
pub use etag::{IfMatch, IfNoneMatch, Matched, Version};
pub use fields::{Checked, Fields};
pub use headers::{IdempotencyParams, IfMatchParams, IfMatchRequiredParams, IfNoneMatchParams};
pub use idempotency::IDEMPOTENCY;
pub use identity::{Caller, Decision};
pub use keys::{IdentifyError, KeySource, KeySourceError, Keys, LoopbackUrl, RefreshError};
pub use kit::{BODY_BYTES_MAX, Kit};
pub use list::{
    CURSOR_SECRET, Filter, FilterKind, LIMIT_DEFAULT, LIMIT_MAX, ListParams, ListRequest, Listed, Page, Place, Sort,
};
pub use listen::{Bound, Listen, ListenError, ListenParseError};
pub use log::LOG_FILTER_VARIABLE;
pub use outbox::{Act, OUTBOX};
pub use problem::{FieldError, Problem, ProblemBody, ProblemKind};
pub use relay::{DestinationParseError, Place as EventsPlace};
pub use reply::{REPLAYED_HEADER, Reply};
pub use resource_id::ResourceId;
pub use serve::{EventsOptions, GRACE, SCHEMAS, ServeError, ServeOptions, Service, StoreOption, open_store, report};
pub use tenant::{Change, Tenant};
pub use trace::{TelemetryError, TelemetryOptions};
