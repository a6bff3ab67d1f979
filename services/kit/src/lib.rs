//! What every service behind Cedargate shares: verified identity, transactions, errors, audit outbox.
//!
//! Always true of a service built on it:
//! - no handler runs, and no body is read, before the gateway's assertion for this very service was verified;
//! - a handler reaches its own tenant's rows only: `$1` of every query is the tenant, bound by the transaction;
//! - a change and its audit entry become durable together: [`Change::commit`] is the only way and wants the [`Act`].
//!
//! A handler extracts, calls and renders:
//!
//! ```
//! use axum::routing::get;
//! use axum::{Json, Router};
//! use cedargate_kit::{Act, Fields, JsonBody, Kit, Problem, Tenant};
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
//! async fn create_note(tenant: Tenant, JsonBody(new): JsonBody<NewNote>) -> Result<(), Problem> {
//!     let mut fields = Fields::default();
//!     let text = fields.required("text", new.text, |text: String| {
//!         if text.len() <= 200 { Ok(text) } else { Err("use at most 200 bytes") }
//!     });
//!     let (text,) = fields.finish((text,))?;
//!
//!     let mut change = tenant.begin().await?;
//!     change.query(INSERT).bind(text).execute().await?;
//!     let act = Act { action: "CreateNote", resource: "Notes::Board".into(), detail: serde_json::json!({}) };
//!     change.commit(act).await
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
mod fields;
mod health;
mod identity;
mod keys;
mod kit;
mod listen;
mod log;
mod outbox;
mod page;
pub mod problem;
mod resource_id;
mod serve;
mod tenant;
#[cfg(feature = "testing")]
pub mod testing;

pub use body::JsonBody;
pub use cedargate_assertion::{AssertedSubject, Identity, TenantScope};
pub use fields::{Checked, Fields};
pub use identity::{Caller, Decision};
pub use keys::{IdentifyError, KeySource, KeySourceError, Keys, LoopbackUrl, RefreshError};
pub use kit::{BODY_BYTES_MAX, Kit};
pub use listen::{Bound, Listen, ListenError, ListenParseError};
pub use log::LOG_FILTER_VARIABLE;
pub use outbox::{Act, OUTBOX};
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, Page, PageParams, PageRequest};
pub use problem::{FieldError, Problem, ProblemBody, ProblemKind};
pub use resource_id::ResourceId;
pub use serve::{GRACE, ServeError, ServeOptions, Service, StoreOption, open_store, report};
pub use tenant::{Change, Tenant};
