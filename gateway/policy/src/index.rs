//! The policies that can apply to an action, by whom they can apply to: only these are looked at, and of them only those are
//! evaluated whose answer their scope does not say already.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, PolicySetError, PrincipalConstraint, Request, ResourceConstraint, Response,
};
use serde_json::{Value, json};

use crate::reads::Reads;

/// The policies whose action scope admits one action.
///
/// A policy left out is one whose scope is false for the request, and a scope cannot err: leaving it out changes
/// neither the decision, nor what determined it, nor its errors. A policy that is settled is one whose scope is all that it
/// says, or whose one condition compares the tenants, which every principal and resource has: neither can err.
#[derive(Clone, Debug)]
pub(crate) struct ActionPolicies {
    /// Those that any principal's request may satisfy.
    common: PolicySet,
    /// Those that only principals of a type may satisfy.
    by_type: HashMap<EntityTypeName, PolicySet>,
    /// Those that only this entity, or what is in it, may satisfy: the matrix's, by role.
    by_group: HashMap<EntityUid, PolicySet>,
    /// Permits that whatever is this entity, or in it, satisfies: the matrix's cells without a condition.
    settled: HashMap<EntityUid, Vec<PolicyId>>,
    /// Policies that are satisfied where the principal's and the resource's tenant are the same, or where they are not.
    by_tenant: Vec<ByTenant>,
    /// All of them.
    ids: BTreeSet<PolicyId>,
    reads: Reads,
}

#[derive(Clone, Debug)]
struct ByTenant {
    id: PolicyId,
    effect: Effect,
    /// Whether it is satisfied where they are the same.
    same: bool,
}

/// Cedar's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) permitted: bool,
    /// The satisfied forbids if there are any, else the satisfied permits; sorted.
    pub(crate) determined_by: BTreeSet<PolicyId>,
    /// Every policy whose evaluation erred, and how.
    pub(crate) errors: Vec<String>,
}

impl ActionPolicies {
    /// Chooses the policies that can apply to an action, given the groups that it is in and the types of its resources. Without
    /// these, requests are not the gateway's, and of tenants nothing is known either.
    ///
    /// # Errors
    /// Two policies have one id, or one is linked from a template.
    pub(crate) fn select<'p>(
        all: impl IntoIterator<Item = &'p Policy>,
        action: &EntityUid,
        groups: &BTreeSet<EntityUid>,
        resource_types: Option<&[EntityTypeName]>,
    ) -> Result<Self, Box<PolicySetError>> {
        let mut selected = Self {
            common: PolicySet::new(),
            by_type: HashMap::new(),
            by_group: HashMap::new(),
            settled: HashMap::new(),
            by_tenant: Vec::new(),
            ids: BTreeSet::new(),
            reads: Reads::default(),
        };
        let is_admitted = |uid: &EntityUid| uid == action || groups.contains(uid);
        for policy in all {
            let applies = match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => uid == *action,
                ActionConstraint::In(uids) => uids.iter().any(is_admitted),
            };
            if applies && admits(resource_types, &policy.resource_constraint()) {
                selected.add(policy, resource_types.is_some())?;
            }
        }
        Ok(selected)
    }

    fn add(&mut self, policy: &Policy, has_tenants: bool) -> Result<(), Box<PolicySetError>> {
        self.ids.insert(policy.id().clone());
        self.reads = self.reads.union(Reads::of(policy));
        let rest = Rest::of(policy, has_tenants);
        let set = match (policy.principal_constraint(), rest) {
            (PrincipalConstraint::Any, Rest::Tenants { same }) => {
                self.by_tenant.push(ByTenant { id: policy.id().clone(), effect: policy.effect(), same });
                return Ok(());
            }
            (PrincipalConstraint::In(uid), Rest::Nothing) if policy.effect() == Effect::Permit => {
                self.settled.entry(uid).or_default().push(policy.id().clone());
                return Ok(());
            }
            (PrincipalConstraint::Any, _) => &mut self.common,
            (PrincipalConstraint::Is(kind), _) => self.by_type.entry(kind).or_default(),
            (PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid), _) => {
                self.by_group.entry(uid).or_default()
            }
        };
        set.add(policy.clone()).map_err(Box::new)
    }

    /// Those that are ever evaluated.
    pub(crate) fn evaluated(&self) -> impl Iterator<Item = &Policy> {
        let sets = std::iter::once(&self.common).chain(self.by_type.values()).chain(self.by_group.values());
        sets.flat_map(PolicySet::policies)
    }

    /// The ids of all of them.
    pub(crate) fn ids(&self) -> &BTreeSet<PolicyId> {
        &self.ids
    }

    /// What these policies read.
    pub(crate) fn reads(&self) -> Reads {
        self.reads
    }

    /// What is left to evaluate for a principal that is in `groups`, its own uid among them, and what is settled.
    pub(crate) fn narrow<'a, 'g>(
        &'a self,
        principal: &EntityUid,
        groups: impl IntoIterator<Item = &'g EntityUid> + Clone,
        same_tenant: bool,
    ) -> Narrowed<'a> {
        let mut narrowed = Narrowed { sets: Vec::new(), permits: Vec::new(), forbids: Vec::new() };
        for policy in self.by_tenant.iter().filter(|policy| policy.same == same_tenant) {
            match policy.effect {
                Effect::Permit => narrowed.permits.push(&policy.id),
                Effect::Forbid => narrowed.forbids.push(&policy.id),
            }
        }
        let common = Some(&self.common).filter(|set| !set.is_empty());
        narrowed.sets.extend(common.into_iter().chain(self.by_type.get(principal.type_name())));
        for group in groups {
            narrowed.sets.extend(self.by_group.get(group));
            narrowed.permits.extend(self.settled.get(group).into_iter().flatten());
        }
        narrowed
    }

    /// Decides as Cedar would decide with all policies. `groups` is the principal itself and all that it is in.
    #[cfg(test)]
    pub(crate) fn is_authorized<'g>(
        &self,
        request: &Request,
        groups: impl IntoIterator<Item = &'g EntityUid> + Clone,
        entities: &Entities,
    ) -> Answer {
        let Some(principal) = request.principal() else { panic!("a principal that is not known") };
        self.narrow(principal, groups, true).evaluate(request, entities)
    }
}

/// Whether a resource scope can be true of any request about resources of these types.
fn admits(types: Option<&[EntityTypeName]>, scope: &ResourceConstraint) -> bool {
    let is_among = |kind: &EntityTypeName| types.is_none_or(|types| types.contains(kind));
    match scope {
        ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => is_among(kind),
        ResourceConstraint::Eq(uid) => is_among(uid.type_name()),
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
    }
}

/// What a policy says beside the scopes of its principal and its action.
enum Rest {
    Nothing,
    /// Only whether the principal's tenant is the resource's.
    Tenants {
        same: bool,
    },
    More,
}

impl Rest {
    fn of(policy: &Policy, has_tenants: bool) -> Self {
        if policy.resource_constraint() != ResourceConstraint::Any {
            return Self::More;
        }
        let Ok(json) = policy.to_json() else { return Self::More };
        match json.get("conditions").and_then(Value::as_array).map(Vec::as_slice) {
            Some([]) => Self::Nothing,
            Some([condition]) if has_tenants && condition.get("body").is_some_and(compares_tenants) => {
                match condition.get("kind").and_then(Value::as_str) {
                    Some("when") => Self::Tenants { same: true },
                    Some("unless") => Self::Tenants { same: false },
                    _ => Self::More,
                }
            }
            _ => Self::More,
        }
    }
}

/// `principal.tenant == resource.tenant`, either way round.
fn compares_tenants(body: &Value) -> bool {
    let tenant = |of: &str| json!({ ".": { "left": { "Var": of }, "attr": "tenant" } });
    let (own, its) = (tenant("principal"), tenant("resource"));
    *body == json!({ "==": { "left": &own, "right": &its } }) || *body == json!({ "==": { "left": its, "right": own } })
}

/// What can apply to one request.
pub(crate) struct Narrowed<'a> {
    sets: Vec<&'a PolicySet>,
    permits: Vec<&'a PolicyId>,
    forbids: Vec<&'a PolicyId>,
}

impl Narrowed<'_> {
    /// The answer where nothing is left to evaluate.
    pub(crate) fn settled(&self) -> Option<Answer> {
        self.sets.is_empty().then(|| Answers::of(self).combined())
    }

    /// The answer, by evaluating what is left.
    pub(crate) fn evaluate(&self, request: &Request, entities: &Entities) -> Answer {
        let authorizer = Authorizer::new();
        let mut answers = Answers::of(self);
        for set in &self.sets {
            answers.add(&authorizer.is_authorized(request, set, entities), set);
        }
        answers.combined()
    }
}

/// Answers about parts of a policy set.
#[derive(Default)]
struct Answers {
    permits: BTreeSet<PolicyId>,
    forbids: BTreeSet<PolicyId>,
    errors: Vec<String>,
}

impl Answers {
    fn of(narrowed: &Narrowed<'_>) -> Self {
        let own = |ids: &[&PolicyId]| ids.iter().map(|id| (*id).clone()).collect();
        Self { permits: own(&narrowed.permits), forbids: own(&narrowed.forbids), errors: Vec::new() }
    }

    fn add(&mut self, response: &Response, set: &PolicySet) {
        self.errors.extend(response.diagnostics().errors().map(AuthorizationError::to_string));
        for id in response.diagnostics().reason() {
            // A part whose answer is a deny names its satisfied forbids only, and then no permit counts anywhere.
            match set.policy(id).map(Policy::effect) {
                Some(Effect::Permit) => self.permits.insert(id.clone()),
                Some(Effect::Forbid) | None => self.forbids.insert(id.clone()),
            };
        }
    }

    fn combined(mut self) -> Answer {
        self.errors.sort();
        let permitted = self.forbids.is_empty() && !self.permits.is_empty();
        let determined_by = if self.forbids.is_empty() { self.permits } else { self.forbids };
        Answer { permitted, determined_by, errors: self.errors }
    }
}
