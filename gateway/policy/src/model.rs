//! A snapshot together with what proofs about it need: the schema, and the policies as Cedar has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{EntityTypeName, EntityUid, Policy, Schema};
use cedargate_model::PolicyId;

use crate::authored::Whose;
use crate::build::{self, Action};
use crate::property::{self, Property};
use crate::{Place, Problems, Query, Route, Snapshot, Sources, TenantScope, judge};

/// A snapshot that can be looked into. Decisions need none of this: it is for analysis, lints and explanations.
#[derive(Debug)]
pub struct Model {
    snapshot: Snapshot,
    schema: Schema,
    properties: Vec<Property>,
}

impl Model {
    /// Builds a tenant's snapshot, keeps its schema, and reads the standing properties that are about the tenant.
    ///
    /// # Errors
    /// Every mistake in the texts that concern this tenant, with its place.
    pub fn build(sources: &Sources, tenant: &TenantScope) -> Result<Self, Problems> {
        let (snapshot, schema) = Snapshot::of(build::build(sources, tenant)?, tenant);
        let properties = property::read(sources, &snapshot, &schema)?;
        Ok(Self { snapshot, schema, properties })
    }

    /// The snapshot, which decides as it would live.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The tenant's schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What is declared to hold of every decision, by id.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// The actions, in the order of the modules and their names.
    pub fn actions(&self) -> impl Iterator<Item = ModelAction<'_>> {
        self.snapshot.actions().iter().filter_map(|action| {
            let route = self.snapshot.routes().all().iter().find(|route| route.action == action.facts.text)?;
            Some(ModelAction { action, route, model: self })
        })
    }

    /// Every policy, by id.
    pub fn policies(&self) -> impl Iterator<Item = ModelPolicy<'_>> {
        self.snapshot.sourced().iter().map(|(id, sourced)| ModelPolicy {
            id,
            policy: &sourced.policy,
            place: &sourced.place,
            whose: sourced.whose,
        })
    }

    /// Whether a policy, of the snapshot or not, is satisfied by a request; none where it cannot be evaluated.
    pub fn satisfies(&self, query: &Query<'_>, policy: &Policy) -> Option<bool> {
        judge::satisfies(&self.snapshot, query, policy)
    }
}

/// An action, its route, and the policies that can apply to it.
#[derive(Clone, Copy, Debug)]
pub struct ModelAction<'m> {
    action: &'m Action,
    route: &'m Arc<Route>,
    model: &'m Model,
}

impl<'m> ModelAction<'m> {
    /// `Inventory::Action::"GetItem"`.
    pub fn uid(&self) -> &'m EntityUid {
        &self.action.facts.uid
    }

    /// `GetItem`.
    pub fn name(&self) -> &'m str {
        &self.action.facts.name
    }

    /// The one route that asks for it.
    pub fn route(&self) -> &'m Arc<Route> {
        self.route
    }

    /// The type of its route's resource.
    pub fn resource_type(&self) -> &'m EntityTypeName {
        &self.route.resource.kind.name
    }

    /// The types of principals that it applies to, sorted.
    pub fn principal_types(&self) -> BTreeSet<EntityTypeName> {
        self.model.schema.principals_for_action(self.uid()).into_iter().flatten().cloned().collect()
    }

    /// The groups of actions that it is in.
    pub fn groups(&self) -> &'m BTreeSet<EntityUid> {
        &self.action.facts.groups
    }

    /// The policies whose action scope admits it, by id. The others are false for each of its requests.
    pub fn policies(&self) -> BTreeMap<String, &'m Policy> {
        let all = self.model.snapshot.sourced();
        let ids = self.action.policies.ids().iter().map(AsRef::<str>::as_ref);
        ids.filter_map(|id| Some((id.to_owned(), &all.get(&PolicyId::from(id))?.policy))).collect()
    }
}

/// A policy and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct ModelPolicy<'m> {
    /// Its id.
    pub id: &'m PolicyId,
    /// As Cedar has it.
    pub policy: &'m Policy,
    /// Its text, or its cell in a matrix.
    pub place: &'m Place,
    /// Who answers for it.
    pub whose: Whose,
}
