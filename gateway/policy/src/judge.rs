//! Deciding: a plain function of a snapshot, a caller, a routed request and a context.

use std::cell::OnceCell;
use std::sync::Arc;

use cedar_policy::{Authorizer, Context as CedarContext, Entities, EntityId, EntityUid, Policy, PolicySet, Request};
use cedargate_model::{Caller, Credential, DecisionId, PolicyId, SnapshotId};

use crate::build::Action;
use crate::entities::{self, Asker, Authn, ShowError};
use crate::index::Answer;
use crate::reads::Reads;
use crate::verdict::{Allowed, Basis, Denied, Failed, Needed, StepUp, Verdict};
use crate::{Query, Snapshot};

/// A verdict before it has a decision's id: what the cache keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allow(Arc<[PolicyId]>),
    StepUp(Needed, Arc<[PolicyId]>),
    SignIn(Arc<[PolicyId]>),
    Deny(Arc<[PolicyId]>),
    Failed(Vec<String>),
}

impl Outcome {
    pub(crate) fn into_verdict(self, decision: DecisionId, snapshot: SnapshotId) -> Verdict {
        let basis = |determined_by| Basis::new(decision, snapshot, determined_by);
        match self {
            Self::Allow(by) => Verdict::Allow(Allowed::new(basis(by))),
            Self::StepUp(needed, by) => Verdict::StepUp(StepUp::new(basis(by), needed)),
            Self::SignIn(by) => Verdict::SignIn(Denied::new(basis(by))),
            Self::Deny(by) => Verdict::Deny(Denied::new(basis(by))),
            Self::Failed(errors) => Verdict::Failed(Failed::new(basis([].into()), errors)),
        }
    }
}

/// Decides.
pub(crate) fn judge(snapshot: &Snapshot, query: &Query<'_>) -> Outcome {
    let Some(action) = snapshot.action(query) else {
        let message = format!("route `{}` is another snapshot's", query.routed.route().id);
        return Outcome::Failed(vec![message]);
    };
    if is_kept_from(action, query.caller) {
        return Outcome::Deny(Arc::new([]));
    }
    Case::open(snapshot, action, query).judge()
}

/// Whether a request satisfies a policy, of the snapshot or not; none where it cannot be evaluated.
pub(crate) fn satisfies(snapshot: &Snapshot, query: &Query<'_>, policy: &Policy) -> Option<bool> {
    let case = Case::open(snapshot, snapshot.action(query)?, query);
    let request = case.request(&Authn::of(query.caller, query.context.now)).ok()?;
    let set = PolicySet::from_policies([policy.clone()]).ok()?;
    let response = Authorizer::new().is_authorized(&request, &set, case.entities().ok()?);
    let evaluated = response.diagnostics().errors().next().is_none();
    evaluated.then(|| response.diagnostics().reason().next().is_some())
}

/// Whether an action is for people alone, and a program for itself asks. Policies were validated for the principals that the schema
/// names; where it does not name service accounts, a permit that names no type would let them in unseen.
fn is_kept_from(action: &Action, caller: &Caller) -> bool {
    let Some(principal) = caller.principal() else { return false };
    match principal.credential {
        Credential::Session | Credential::SessionToken => false,
        Credential::ApiKey
        | Credential::KeyToken
        | Credential::WorkloadToken
        | Credential::IssuerToken
        | Credential::Certificate => !action.facts.service_accounts,
        Credential::ScimToken => !action.facts.scim_tokens,
    }
}

/// One question, shown to Cedar where its answer is not settled by scopes and tenants alone.
struct Case<'a> {
    snapshot: &'a Snapshot,
    action: &'a Action,
    query: &'a Query<'a>,
    asker: Asker,
    resource: EntityUid,
    entities: OnceCell<Entities>,
}

impl<'a> Case<'a> {
    fn open(snapshot: &'a Snapshot, action: &'a Action, query: &'a Query<'a>) -> Self {
        let asker = Asker::new(query.caller, snapshot.tenant_uid());
        let routed = query.routed.resource();
        let resource = EntityUid::from_type_name_and_id(routed.kind.name.clone(), EntityId::new(&routed.id));
        Self { snapshot, action, query, asker, resource, entities: OnceCell::new() }
    }

    /// The entities that Cedar is shown, made when they are first needed.
    fn entities(&self) -> Result<&Entities, ShowError> {
        if let Some(entities) = self.entities.get() {
            return Ok(entities);
        }
        let resource = entities::resource_entity(self.resource.clone(), self.snapshot.tenant_uid())?;
        let entities = self.action.entities.clone().add_entities([self.asker.entity()?, resource], None)?;
        Ok(self.entities.get_or_init(|| entities))
    }

    fn judge(&self) -> Outcome {
        let authn = Authn::of(self.query.caller, self.query.context.now);
        let answer = match self.ask(&authn) {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failed(vec![error.to_string()]),
        };
        if !answer.errors.is_empty() {
            return Outcome::Failed(answer.errors);
        }
        let determined_by = self.snapshot.ids(&answer.determined_by);
        if answer.permitted {
            return Outcome::Allow(determined_by);
        }
        match self.query.caller {
            Caller::Anonymous => Outcome::SignIn(determined_by),
            // A program has no second factor to prove, and gets no fresher by asking again.
            Caller::Principal(principal) if !principal.credential.is_of_person() => Outcome::Deny(determined_by),
            Caller::Principal(_) => match self.lowest_permitted(&authn, self.action.policies.reads()) {
                Some(needed) => Outcome::StepUp(needed, determined_by),
                None => Outcome::Deny(determined_by),
            },
        }
    }

    fn request(&self, authn: &Authn) -> Result<Request, ShowError> {
        let context: CedarContext = entities::cedar_context(authn, self.query.context)?;
        let action = self.action.facts.uid.clone();
        Ok(Request::new(self.asker.uid.clone(), action, self.resource.clone(), context, None)?)
    }

    fn ask(&self, authn: &Authn) -> Result<Answer, ShowError> {
        let groups = std::iter::once(&self.asker.uid).chain(&self.asker.roles);
        // A snapshot's resources are its tenant's.
        let same_tenant = self.asker.tenant == *self.snapshot.tenant_uid();
        let narrowed = self.action.policies.narrow(&self.asker.uid, groups, same_tenant);
        match narrowed.settled() {
            Some(answer) => Ok(answer),
            None => Ok(narrowed.evaluate(&self.request(authn)?, self.entities()?)),
        }
    }

    /// The weakest sign-in of the ladder that would be permitted: first a fresher one of the same level, then
    /// stronger ones, each as old as the present one and then fresher. What no policy reads is not tried.
    fn lowest_permitted(&self, present: &Authn, reads: Reads) -> Option<Needed> {
        let Reads { strength, age, .. } = reads;
        let ladder = self.snapshot.ladder();
        let stronger = ladder.strengths.iter().filter(|step| strength && step.level > present.level).map(|step| {
            let methods = present.methods.iter().chain(&step.methods).copied().collect();
            Authn { level: step.level, methods, age_seconds: present.age_seconds }
        });
        for sign_in in std::iter::once(present.clone()).chain(stronger) {
            if sign_in != *present && self.permits(&sign_in) {
                return Some(Needed { level: sign_in.level, max_age_seconds: None });
            }
            for seconds in ladder.fresh_seconds.iter().filter(|_| age) {
                let age_seconds = i64::try_from(*seconds).unwrap_or(i64::MAX);
                let fresher = Authn { age_seconds, ..sign_in.clone() };
                if age_seconds < present.age_seconds && self.permits(&fresher) {
                    return Some(Needed { level: fresher.level, max_age_seconds: Some(*seconds) });
                }
            }
        }
        None
    }

    /// Whether it would be permitted; a sign-in under which a policy errs is none that can be asked for.
    fn permits(&self, authn: &Authn) -> bool {
        self.ask(authn).is_ok_and(|answer| answer.permitted && answer.errors.is_empty())
    }
}

/// The same question asked in every way that must not matter.
#[cfg(test)]
pub(crate) mod every_way {
    use cedar_policy::Authorizer;

    use super::*;

    /// Cedar's answer by the policies that can apply, and by all of them.
    pub(crate) fn answers(snapshot: &Snapshot, query: &Query<'_>) -> (Answer, Answer) {
        let case = Case::open(snapshot, snapshot.action(query).unwrap(), query);
        let authn = Authn::of(query.caller, query.context.now);
        let indexed = case.ask(&authn).unwrap();

        let all = cedar_policy::PolicySet::from_policies(snapshot.all_policies().cloned()).unwrap();
        let context = entities::cedar_context(&authn, query.context).unwrap();
        let action = case.action.facts.uid.clone();
        let request = Request::new(case.asker.uid.clone(), action, case.resource.clone(), context, None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &all, case.entities().unwrap());
        let mut errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        errors.sort();
        let full = Answer {
            permitted: response.decision() == cedar_policy::Decision::Allow,
            determined_by: response.diagnostics().reason().cloned().collect(),
            errors,
        };
        (indexed, full)
    }

    /// The sign-in that is asked for, trying what the policies read, and trying everything.
    pub(crate) fn needed(snapshot: &Snapshot, query: &Query<'_>) -> (Option<Needed>, Option<Needed>) {
        let case = Case::open(snapshot, snapshot.action(query).unwrap(), query);
        let authn = Authn::of(query.caller, query.context.now);
        let pruned = case.lowest_permitted(&authn, case.action.policies.reads());
        (pruned, case.lowest_permitted(&authn, Reads::EVERYTHING))
    }
}
