//! A tenant's snapshot: everything that its decisions are made from, immutable.

use cedargate_model::{DecisionId, PolicyId, RoleName, SnapshotId};

use crate::{Problems, Query, Routes, Sources, TenantScope, Verdict};

/// What a tenant's requests are routed and decided by. Immutable and shared by `Arc`; a change builds a new one.
#[derive(Debug)]
pub struct Snapshot {
    id: SnapshotId,
    tenant: TenantScope,
    routes: Routes,
}

impl Snapshot {
    /// Builds a tenant's snapshot and checks everything there is to check.
    ///
    /// # Errors
    /// Every mistake in the texts that concern this tenant, with its place.
    pub fn build(sources: &Sources, tenant: &TenantScope) -> Result<Self, Problems> {
        let _ = (sources, tenant);
        Err(Problems::none())
    }

    /// Names the exact content that this was built from: SHA-256 over the texts and the tenant's scope.
    pub fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantScope {
        &self.tenant
    }

    /// Its routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The roles that there are, in the order of `roles.toml`.
    pub fn roles(&self) -> &[RoleName] {
        &[]
    }

    /// Decides, without a cache.
    pub fn decide(&self, query: &Query<'_>, decision: DecisionId) -> Verdict {
        let _ = query;
        let basis = crate::verdict::Basis::new(decision, self.id.clone(), [].into());
        Verdict::Failed(crate::verdict::Failed::new(basis, vec!["not yet".into()]))
    }

    /// A policy as Cedar text.
    pub fn policy_text(&self, id: &PolicyId) -> Option<&str> {
        let _ = id;
        None
    }

    /// What a policy's `@description` says.
    pub fn policy_description(&self, id: &PolicyId) -> Option<&str> {
        let _ = id;
        None
    }
}
