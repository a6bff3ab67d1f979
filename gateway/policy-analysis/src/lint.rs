//! Policies that say nothing, or more than their author may know.

use std::collections::BTreeSet;
use std::fmt;

use cedar_policy::{Effect, EntityTypeName, Policy, PolicyId, PrincipalConstraint};
use cedargate_policy::{Model, ModelAction, ModelPolicy, Place, Whose};
use serde::Serialize;

use crate::solver::{Analyst, Answer, Asking, Question};
use crate::world::{PutError, World};

/// The guard-rails that shadow no cell of a role, for requests within a tenant by somebody who signed in.
const HARMLESS: [&str; 2] = ["platform/tenant-isolation", "platform/anonymous-only-public"];
/// Every person of the tenant, whatever their roles and however they signed in.
const EVERY_PERSON: &str = "permit (principal is Cedargate::User, action, resource) \
                            when { principal.tenant == resource.tenant };";

/// Something that a policy's author should look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lint {
    /// Where the policy, its cell or the role stands.
    #[serde(flatten)]
    pub place: Place,
    /// Which policy or role.
    pub id: String,
    /// What it is.
    pub kind: LintKind,
    /// The same in a sentence.
    pub message: String,
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LintKind {
    /// A permit that no request satisfies.
    NeverApplies,
    /// A permit all of whose requests are forbidden.
    Shadowed,
    /// A forbid of nothing that would be allowed without it.
    ForbidsNothing,
    /// A permit for every person of the tenant, outside the matrix, where it could be seen.
    AllowsEveryone,
    /// A role that no policy gives anything.
    DeadRole,
    /// The solver does not know.
    Undecided,
}

/// What was found of a tenant's policies.
#[derive(Clone, Debug, Serialize)]
pub struct Lints {
    /// Whose policies.
    pub tenant: String,
    /// Sorted by place.
    pub lints: Vec<Lint>,
    /// How many policies were looked at.
    pub policies: usize,
    /// How many questions the solver was asked.
    pub questions: usize,
    /// How long it took.
    pub millis: u128,
}

impl Analyst {
    /// Looks at every policy of a tenant, but for the guard-rails, which hold for tenants to come as well.
    pub fn lint(&self, model: &Model) -> Lints {
        let mut asking = self.begin();
        let mut lints: Vec<Lint> = dead_roles(model).collect();
        let actions: Vec<ModelAction<'_>> = model.actions().collect();
        let mut policies = 0;
        for policy in model.policies().filter(|policy| policy.whose != Whose::Platform) {
            policies += 1;
            let name = PolicyId::new(policy.id.as_str());
            let about: Vec<ModelAction<'_>> =
                actions.iter().copied().filter(|action| action.policies().contains_key(policy.id.as_str())).collect();
            let found = match policy.policy.effect() {
                Effect::Permit => permit(model, policy, &about, &mut asking),
                Effect::Forbid => forbid(model, &name, &about, &mut asking),
            };
            let found = found.unwrap_or_else(|error| Some((LintKind::Undecided, error.to_string())));
            lints.extend(found.map(|(kind, message)| Lint {
                place: policy.place.clone(),
                id: policy.id.to_string(),
                kind,
                message: format!("policy `{}` {message}", policy.id),
            }));
        }
        lints.sort();
        Lints {
            tenant: model.snapshot().tenant().name.to_string(),
            lints,
            policies,
            questions: asking.questions(),
            millis: asking.elapsed().as_millis(),
        }
    }
}

type Found = Option<(LintKind, String)>;

fn permit(
    model: &Model,
    policy: ModelPolicy<'_>,
    about: &[ModelAction<'_>],
    asking: &mut Asking<'_>,
) -> Result<Found, PutError> {
    if policy.whose == Whose::Author
        && let Some(found) = allows_everyone(model, policy.policy, about, asking)?
    {
        return Ok(Some(found));
    }
    let mut shadows = BTreeSet::new();
    let mut worlds = Vec::new();
    for action in about {
        // That a tenant forbids what a module permits is what tenants' policies are for.
        let counts = |forbid: &&Policy| is_tenants(policy.id.as_str()) || !is_tenants(forbid.id().as_ref());
        let all = action.policies().into_values();
        let forbids: Vec<&Policy> = all.filter(|p| p.effect() == Effect::Forbid).filter(counts).collect();
        let harmless = |forbid: &&Policy| HARMLESS.contains(&AsRef::<str>::as_ref(forbid.id()));
        // Most cells: one role, no condition, and nothing about the action is forbidden. There is nothing to ask.
        if policy.whose == Whose::Cell && is_plain_role(policy.policy) && forbids.iter().all(harmless) {
            return Ok(None);
        }
        for kind in kinds(policy.policy, *action) {
            let world = World::new(model, *action, kind)?;
            let set = world.compile(forbids.iter().copied().chain([policy.policy]))?;
            match asking.ask(Question::AlwaysDenies(&set)) {
                Answer::Not(_) => return Ok(None),
                Answer::Undecided(why) => return Ok(Some((LintKind::Undecided, format!("was not looked at: {why}")))),
                Answer::Holds => {}
            }
            shadows.extend(forbids.iter().map(|forbid| forbid.id().to_string()));
            worlds.push(world);
        }
    }
    for world in worlds {
        let set = world.compile([policy.policy])?;
        if let Answer::Not(_) = asking.ask(Question::AlwaysDenies(&set)) {
            let shadows: Vec<String> = shadows.into_iter().collect();
            let message =
                format!("permits nothing: all that it permits is forbidden, by one of {}", shadows.join(", "));
            return Ok(Some((LintKind::Shadowed, message)));
        }
    }
    Ok(Some((LintKind::NeverApplies, "never applies: no request that can arrive satisfies it".to_owned())))
}

fn allows_everyone(
    model: &Model,
    policy: &Policy,
    about: &[ModelAction<'_>],
    asking: &mut Asking<'_>,
) -> Result<Found, PutError> {
    let Ok(everyone) = Policy::parse(Some(PolicyId::new("everyone")), EVERY_PERSON) else { return Ok(None) };
    for action in about {
        for kind in kinds(policy, *action).into_iter().filter(|kind| kind.basename() == "User") {
            let world = World::new(model, *action, kind)?;
            let (all, alone) = (world.compile([&everyone])?, world.compile([policy])?);
            if let Answer::Holds = asking.ask(Question::Implies(&all, &alone)) {
                let message = format!(
                    "allows everyone to `{}`; if that is meant, say so in the matrix, for `member`",
                    action.name()
                );
                return Ok(Some((LintKind::AllowsEveryone, message)));
            }
        }
    }
    Ok(None)
}

fn forbid(
    model: &Model,
    name: &PolicyId,
    about: &[ModelAction<'_>],
    asking: &mut Asking<'_>,
) -> Result<Found, PutError> {
    for action in about {
        let policies = action.policies();
        for kind in action.principal_types() {
            let world = World::new(model, *action, kind)?;
            let with = world.compile(policies.values().copied())?;
            let without = world.compile(policies.values().copied().filter(|policy| policy.id() != name))?;
            match asking.ask(Question::Implies(&without, &with)) {
                Answer::Not(_) => return Ok(None),
                Answer::Undecided(why) => return Ok(Some((LintKind::Undecided, format!("was not looked at: {why}")))),
                Answer::Holds => {}
            }
        }
    }
    Ok(Some((LintKind::ForbidsNothing, "forbids nothing: without it, the same would be allowed".to_owned())))
}

/// The kinds of principals that a policy's scope admits.
fn kinds(policy: &Policy, action: ModelAction<'_>) -> Vec<EntityTypeName> {
    let all = action.principal_types().into_iter();
    match policy.principal_constraint() {
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => all.filter(|k| *k == kind).collect(),
        PrincipalConstraint::Eq(uid) => all.filter(|kind| kind == uid.type_name()).collect(),
        PrincipalConstraint::In(role) => {
            let anonymous = role.id().unescaped() == "anonymous";
            all.filter(|kind| (kind.basename() == "Anonymous") == anonymous && kind.basename() != "ScimToken").collect()
        }
        PrincipalConstraint::Any => all.collect(),
    }
}

/// Whether it is for one role of people who signed in, without a condition.
fn is_plain_role(policy: &Policy) -> bool {
    let PrincipalConstraint::In(role) = policy.principal_constraint() else { return false };
    let conditions =
        policy.to_json().ok().and_then(|json| json.get("conditions").and_then(|c| c.as_array().map(Vec::len)));
    role.id().unescaped() != "anonymous" && conditions == Some(0)
}

fn is_tenants(id: &str) -> bool {
    id.starts_with("tenants/")
}

/// Roles that no policy names. A tenant without any role in its policies, as the bare host, has no use for them.
fn dead_roles(model: &Model) -> impl Iterator<Item = Lint> {
    let named: BTreeSet<String> = model
        .policies()
        .filter(|policy| policy.policy.effect() == Effect::Permit)
        .flat_map(|policy| policy.policy.entity_literals())
        .filter(|uid| uid.type_name().basename() == "Role")
        .map(|uid| uid.id().unescaped().to_owned())
        .collect();
    let is_given = |role: &str| matches!(role, "anonymous" | "member");
    let has_roles = named.iter().any(|role| !is_given(role));
    let roles = model.snapshot().roles().iter();
    roles.filter(move |role| has_roles && !is_given(role.name.as_str()) && !named.contains(role.name.as_str())).map(
        |role| Lint {
            place: role.place.clone(),
            id: role.name.to_string(),
            kind: LintKind::DeadRole,
            message: format!("role `{}` is dead: no policy gives it anything", role.name),
        },
    )
}

impl fmt::Display for Lints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lint in &self.lints {
            writeln!(f, "{}: {}", lint.place, lint.message)?;
        }
        write!(
            f,
            "{}: {} policies, {} to look at, {} questions to the solver, {} ms",
            self.tenant,
            self.policies,
            self.lints.len(),
            self.questions,
            self.millis
        )
    }
}
