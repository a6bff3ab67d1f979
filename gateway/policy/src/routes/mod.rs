//! Routes: which action on which resource a method and path ask for.

pub(crate) mod file;
mod route;
mod table;

pub use route::{InspectionMode, OnExcess, Origin, OriginError, Resource, Route, RouteInspection, Routed, Upgrade};
pub(crate) use route::{ResourceIdRule, ResourceKind, ResourceRule};
pub(crate) use table::RoutesBuilder;
pub use table::{Routes, Routing};
