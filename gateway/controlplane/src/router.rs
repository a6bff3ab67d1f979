//! Which handler answers what.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use cedargate_assertion::Verifier;
use cedargate_identity::{Sessions, Tenants};
use cedargate_idp_adapters::local::LocalAccounts;
use cedargate_model::Clock;

use crate::Recorder;

/// The audience of the assertions that this room accepts: the name of the gateway's own service in its routes.
pub const AUDIENCE: &str = "gateway";

/// What the handlers work with.
#[derive(Clone)]
pub struct ControlPlane {
    /// Sessions, shared with the data plane: what ends here ends there at once.
    pub sessions: Sessions,
    /// Sign-in with a password.
    pub local: LocalAccounts,
    /// The tenants that the bare host lists.
    pub tenants: Tenants,
    /// Verifies assertions for [`AUDIENCE`], and holds the keys that are published. Replaced when keys rotate.
    pub verifier: Arc<ArcSwap<Verifier>>,
    /// Where sign-ins are recorded.
    pub recorder: Arc<dyn Recorder>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// The services that the portal links to.
    pub services: Vec<ServiceLink>,
}

/// A service as the portal shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLink {
    /// Its name for people.
    pub title: String,
    /// What one finds there, in a few words.
    pub about: String,
    /// Where it begins, as a path of the tenant's host.
    pub href: String,
}

/// The gateway's own HTTP surface. Serve it on a private socket only.
pub fn router(control_plane: ControlPlane) -> Router {
    Router::new().with_state(Arc::new(control_plane))
}
