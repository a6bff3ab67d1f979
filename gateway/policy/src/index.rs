//! The policies that can apply to an action, by whom they can apply to: only these are evaluated.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Effect, Entities, EntityUid, Policy, PolicyId, PolicySet,
    PolicySetError, PrincipalConstraint, Request, Response,
};

use crate::reads::Reads;

/// The policies whose action scope admits one action.
///
/// A policy left out is one whose scope is false for the request, and a scope cannot err: leaving it out changes
/// neither the decision, nor what determined it, nor its errors.
#[derive(Clone, Debug)]
pub(crate) struct ActionPolicies {
    /// Those that any principal's request may satisfy.
    common: PolicySet,
    /// Those that only this entity, or what is in it, may satisfy: the matrix's, by role.
    by_group: HashMap<EntityUid, PolicySet>,
    reads: Reads,
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
    /// Chooses the policies that can apply to an action, given the groups that it is in.
    ///
    /// # Errors
    /// Two policies have one id, or one is linked from a template.
    pub(crate) fn select<'p>(
        all: impl IntoIterator<Item = &'p Policy>,
        action: &EntityUid,
        groups: &BTreeSet<EntityUid>,
    ) -> Result<Self, Box<PolicySetError>> {
        let mut selected = Self { common: PolicySet::new(), by_group: HashMap::new(), reads: Reads::default() };
        let is_admitted = |uid: &EntityUid| uid == action || groups.contains(uid);
        for policy in all {
            let applies = match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => uid == *action,
                ActionConstraint::In(uids) => uids.iter().any(is_admitted),
            };
            if !applies {
                continue;
            }
            selected.reads = selected.reads.union(Reads::of(policy));
            match policy.principal_constraint() {
                PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {
                    selected.common.add(policy.clone()).map_err(Box::new)?
                }
                PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => {
                    selected.by_group.entry(uid).or_default().add(policy.clone()).map_err(Box::new)?;
                }
            }
        }
        Ok(selected)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Policy> {
        std::iter::once(&self.common).chain(self.by_group.values()).flat_map(PolicySet::policies)
    }

    /// What these policies read.
    pub(crate) fn reads(&self) -> Reads {
        self.reads
    }

    /// Decides as Cedar would decide with all policies. `groups` is the principal itself and all that it is in.
    pub(crate) fn is_authorized<'g>(
        &self,
        request: &Request,
        groups: impl IntoIterator<Item = &'g EntityUid>,
        entities: &Entities,
    ) -> Answer {
        let authorizer = Authorizer::new();
        let own = groups.into_iter().filter_map(|group| self.by_group.get(group));
        let mut answers = Answers::default();
        for set in std::iter::once(&self.common).chain(own) {
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
