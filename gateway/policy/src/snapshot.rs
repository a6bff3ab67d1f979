//! A tenant's snapshot: everything that its decisions are made from, immutable.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{EntityUid, Schema};
use cedargate_model::{DecisionId, PolicyId, SnapshotId};

use crate::authored::SourcedPolicy;
use crate::build::{self, Action, Built};
use crate::entities;
use crate::judge::{self, Outcome};
use crate::platform::{Ladder, Role};
use crate::{Place, Problems, Query, Routes, Sources, TenantScope, Verdict};

/// What a tenant's requests are routed and decided by. Immutable and shared by `Arc`; a change builds a new one.
pub struct Snapshot {
    id: SnapshotId,
    tenant: TenantScope,
    tenant_uid: EntityUid,
    routes: Routes,
    roles: Vec<Role>,
    ladder: Ladder,
    actions: Vec<Action>,
    policies: BTreeMap<PolicyId, SourcedPolicy>,
    /// Cedar's ids as ours, so that naming what determined a decision copies no text.
    ids: HashMap<cedar_policy::PolicyId, PolicyId>,
}

impl Snapshot {
    /// Builds a tenant's snapshot and checks everything there is to check.
    ///
    /// # Errors
    /// Every mistake in the texts that concern this tenant, with its place.
    pub fn build(sources: &Sources, tenant: &TenantScope) -> Result<Self, Problems> {
        build::build(sources, tenant).map(|built| Self::of(built, tenant).0)
    }

    /// The snapshot of what was built, and the schema that it was checked against.
    pub(crate) fn of(built: Built, tenant: &TenantScope) -> (Self, Schema) {
        let Built { id, routes, roles, ladder, actions, policies, schema } = built;
        let ids = policies.keys().map(|id| (cedar_policy::PolicyId::new(id.as_str()), id.clone())).collect();
        let snapshot = Self {
            id,
            tenant: tenant.clone(),
            tenant_uid: entities::tenant_uid(tenant.id),
            routes,
            roles,
            ladder,
            actions,
            policies,
            ids,
        };
        (snapshot, schema)
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
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Decides, without a cache.
    pub fn decide(&self, query: &Query<'_>, decision: DecisionId) -> Verdict {
        self.judge(query).into_verdict(decision, self.id.clone())
    }

    /// The ids of all policies, sorted.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyId> {
        self.policies.keys()
    }

    /// A policy as Cedar text.
    pub fn policy_text(&self, id: &PolicyId) -> Option<&str> {
        self.policies.get(id).map(|policy| &*policy.text)
    }

    /// What a policy's `@description` says.
    pub fn policy_description(&self, id: &PolicyId) -> Option<&str> {
        self.policies.get(id).and_then(|policy| policy.description.as_deref())
    }

    /// Where a policy stands: its text, or its cell in a matrix.
    pub fn policy_place(&self, id: &PolicyId) -> Option<&Place> {
        self.policies.get(id).map(|policy| &policy.place)
    }

    pub(crate) fn judge(&self, query: &Query<'_>) -> Outcome {
        judge::judge(self, query)
    }

    /// The action that a route of this snapshot asks for; none where the route is another snapshot's.
    pub(crate) fn action(&self, query: &Query<'_>) -> Option<&Action> {
        let route = query.routed.route();
        if route.snapshot != self.id {
            return None;
        }
        self.actions.get(route.action_index)
    }

    pub(crate) fn tenant_uid(&self) -> &EntityUid {
        &self.tenant_uid
    }

    pub(crate) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Our ids for Cedar's, sorted.
    pub(crate) fn ids<'i>(&self, ids: impl IntoIterator<Item = &'i cedar_policy::PolicyId>) -> Arc<[PolicyId]> {
        let mut named: Vec<PolicyId> = ids.into_iter().filter_map(|id| self.ids.get(id).cloned()).collect();
        named.sort();
        named.into()
    }

    /// The actions, each with the policies that can apply to it.
    pub(crate) fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Every policy and where it comes from.
    pub(crate) fn sourced(&self) -> &BTreeMap<PolicyId, SourcedPolicy> {
        &self.policies
    }

    #[cfg(test)]
    pub(crate) fn all_policies(&self) -> impl Iterator<Item = &cedar_policy::Policy> {
        self.policies.values().map(|sourced| &sourced.policy)
    }

    /// The same with these policies only, whether or not they are valid.
    #[cfg(test)]
    pub(crate) fn with_policies(mut self, policies: &[cedar_policy::Policy]) -> Self {
        let source = |policy: &cedar_policy::Policy| {
            let id: PolicyId = AsRef::<str>::as_ref(policy.id()).into();
            let place = Place::start_of("generated.cedar");
            let sourced = SourcedPolicy::cell(&id, &policy.to_string(), &place).unwrap();
            (id, sourced)
        };
        self.policies = policies.iter().map(source).collect();
        self.ids = policies.iter().map(|p| (p.id().clone(), AsRef::<str>::as_ref(p.id()).into())).collect();
        for action in &mut self.actions {
            *action = Action::new(action.facts.clone(), policies).unwrap();
        }
        self
    }
}

impl fmt::Debug for Snapshot {
    /// Names it; what it holds would fill pages of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("id", &self.id).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
