//! What policies were shown of a caller, kept so that a decision can be made again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AuthnMethod, Micros, PolicyId, RoleName, SnapshotId, TenantId};

/// What a decision was made from beside what its event says already: principal, level, credential, address, certificate,
/// path and what the inspection found.
///
/// The event's snapshot names policy set and schema by their content. The entities are these facts themselves: principal
/// and resource with the tenant, the roles that the principal was in. Nothing of it is secret, all of it is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Which facts these are: [`Facts::VERSION`]. A reader does not decide again by a version that it does not know.
    pub v: u8,
    /// The tenant, as policies know it.
    pub tenant: TenantId,
    /// The moment that policies were shown, in full: they see whole seconds of it.
    pub now: Micros,
    /// The roles that the principal had, sorted; without those that everybody has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// How it had signed in, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<AuthnMethod>,
    /// When it last proved who it is; none for anonymous callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<Micros>,
}

/// What a policy set that is evaluated in the shadow of the live one decided otherwise. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadowed {
    /// The snapshot in the shadow.
    pub snapshot: SnapshotId,
    /// What it decided: `allow`, `step_up`, `sign_in`, `deny`, `failed`, or `no_route` where none of its routes leads there.
    pub decided: Arc<str>,
    /// By which policies, sorted.
    #[serde(default, skip_serializing_if = "<[PolicyId]>::is_empty")]
    pub determined_by: Arc<[PolicyId]>,
}

impl Facts {
    /// The version that is written today.
    pub const VERSION: u8 = 1;
}
