//! The decision point: routes, Cedar snapshots, the permission matrix and cached decisions.

mod decisions;
mod problem;
mod query;
mod routes;
mod scope;
mod snapshot;
mod sources;
mod verdict;

pub use decisions::{CacheStats, Decisions};
pub use problem::{Place, Problem, Problems};
pub use query::{Context, Query};
pub use routes::{
    InspectionMode, OnExcess, Origin, OriginError, Resource, Route, RouteInspection, Routed, Routes, Routing, Upgrade,
};
pub use scope::TenantScope;
pub use snapshot::Snapshot;
pub use sources::Sources;
pub use verdict::{Allowed, Basis, Denied, Failed, Needed, StepUp, Verdict};
