//! The decision point: which route a request takes, and whether its tenant's Cedar policies permit it.
//!
//! Three things are always true of it:
//! - a [`Snapshot`] exists only if every text that it was built from is without mistakes; [`Problems`] lists all of them
//!   with their places;
//! - an [`Allowed`] is made by a permit and by nothing else: no policy, an evaluation error or a route of another
//!   snapshot each end in another [`Verdict`];
//! - neither the cache ([`Decisions`]) nor the index of policies changes a verdict or what determined it.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use cedargate_model::{Caller, DecisionId, Micros, NormalizedPath};
//! use cedargate_policy::{Context, Decisions, Query, Routing, Snapshot, Sources, TenantScope, Verdict, WafFindings};
//! use http::Method;
//!
//! let sources = Sources::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"))?;
//! let snapshot = Snapshot::build(&sources, &TenantScope::bare_host())?;
//! let decisions = Decisions::new(1 << 20);
//!
//! let path = NormalizedPath::parse("/")?;
//! let Routing::Found(routed) = snapshot.routes().find(&Method::GET, &path) else { panic!("no route") };
//! let context = Context { now: Micros(0), client: IpAddr::from([127, 0, 0, 1]), certificate: None, waf: WafFindings::default() };
//! let query = Query { caller: &Caller::Anonymous, routed: &routed, context: &context };
//! match decisions.decide(&snapshot, &query, DecisionId(uuid::Uuid::now_v7())) {
//!     Verdict::Allow(allowed) => {
//!         assert_eq!(allowed.determined_by()[0].as_str(), "directory/matrix/anonymous/ListTenants");
//!     }
//!     refused => panic!("{refused:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To let policies see something new of a request: add it to `Cedargate::Context` in the platform's schema, to
//! [`Context`], to `entities.rs` where it is shown to Cedar, and to `reads.rs`, where it must count as volatile unless it
//! is put into the cache's key. Until it is there it counts as reading everything, which is slow and correct.

mod alternatives;
mod authored;
mod build;
mod cedar_problem;
#[cfg(test)]
mod corpus;
mod decisions;
mod entities;
mod index;
mod judge;
mod matrix;
mod model;
mod nesting;
mod platform;
mod problem;
#[cfg(test)]
mod properties;
mod property;
mod proposal;
mod query;
mod reads;
mod recorded;
mod replay;
mod routes;
mod schema;
mod scope;
mod snapshot;
mod sources;
mod toml_text;
mod verdict;

pub use alternatives::Alternative;
pub use authored::Whose;
pub use decisions::{CacheStats, Decisions};
pub use matrix::{Cell, CellError, CompiledCell, Matrix, MatrixTarget};
pub use model::{Model, ModelAction, ModelPolicy};
pub use platform::Role;
pub use problem::{Place, Problem, Problems};
pub use property::Property;
pub use proposal::{Difference, Proposal};
pub use query::{Context, Query, WafFindings};
pub use recorded::{AskedAgain, Callers, Decided, Recorded, RecordedError};
pub use replay::{Change, Group, Replay, Replayed};
pub use routes::{
    InspectionMode, OnExcess, Origin, OriginError, Resource, Route, RouteInspection, Routed, Routes, Routing, Upgrade,
};
pub use scope::TenantScope;
pub use snapshot::Snapshot;
pub use sources::Sources;
pub use toml_text::TomlText;
pub use verdict::{Allowed, Basis, Denied, Failed, Needed, StepUp, Verdict};
