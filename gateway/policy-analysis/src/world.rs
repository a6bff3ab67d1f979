//! Requests as they can arrive: what the gateway guarantees of each, told to the solver.

use cedar_policy::{EntityTypeName, ParseErrors, Policy, PolicyId, PolicySet, PolicySetError, RequestEnv};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, err::Error as SymccError};
use cedargate_policy::{Model, ModelAction};

/// The age in seconds of an anonymous caller's sign-in, and the largest that any has.
const NEVER_SECONDS: u64 = 1 << 32;
/// The assumptions' own id, which no policy of a directory can have.
const ASSUMED: &str = "assumed";

/// The requests of one kind of principal for one action.
///
/// A schema can describe more than ever arrives: somebody who is both signed in and anonymous, a level of 17, a page that
/// is not there. Answers about those would be noise. What is assumed here is what `entities.rs` and the routes of
/// `cedargate-policy` make true of each request, and every example is put to them afterwards.
#[derive(Clone, Debug)]
pub(crate) struct World<'m> {
    model: &'m Model,
    env: RequestEnv,
    assumed: Policy,
}

/// Why a question cannot be put. Boxed: these are large, and rare.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("what is assumed cannot be written: {0}")]
    Assumed(Box<ParseErrors>),
    #[error("the policies do not fit together: {0}")]
    Together(Box<PolicySetError>),
    #[error("it cannot be put to the solver: {0}")]
    Compile(Box<SymccError>),
}

impl<'m> World<'m> {
    pub(crate) fn new(
        model: &'m Model,
        action: ModelAction<'m>,
        principal_type: EntityTypeName,
    ) -> Result<Self, PutError> {
        let env = RequestEnv::new(principal_type.clone(), action.uid().clone(), action.resource_type().clone());
        let text = assumptions(model, action, &principal_type);
        let assumed = Policy::parse(Some(PolicyId::new(ASSUMED)), text);
        let assumed = assumed.map_err(|error| PutError::Assumed(Box::new(error)))?;
        Ok(Self { model, env, assumed })
    }

    /// A set as it decides here: with all that never arrives forbidden.
    pub(crate) fn compile<'p>(
        &self,
        policies: impl IntoIterator<Item = &'p Policy>,
    ) -> Result<CompiledPolicySet, PutError> {
        let all = policies.into_iter().cloned().chain([self.assumed.clone()]);
        let set = PolicySet::from_policies(all).map_err(|error| PutError::Together(Box::new(error)))?;
        let compiled = CompiledPolicySet::compile(&set, &self.env, self.model.schema());
        compiled.map_err(|error| PutError::Compile(Box::new(error)))
    }

    /// One policy by itself.
    pub(crate) fn compile_alone(&self, policy: &Policy) -> Result<CompiledPolicy, PutError> {
        let compiled = CompiledPolicy::compile(policy, &self.env, self.model.schema());
        compiled.map_err(|error| PutError::Compile(Box::new(error)))
    }
}

/// The kinds of principals that an action applies to, people first: a person is easier to think of than a program.
pub(crate) fn people_first(kinds: impl IntoIterator<Item = EntityTypeName>) -> Vec<EntityTypeName> {
    let mut kinds: Vec<EntityTypeName> = kinds.into_iter().collect();
    kinds.sort_by_key(|kind| (kind.basename() != "User", kind.to_string()));
    kinds.dedup();
    kinds
}

fn assumptions(model: &Model, action: ModelAction<'_>, principal_type: &EntityTypeName) -> String {
    let tenant = format!("Cedargate::Tenant::\"{}\"", model.snapshot().tenant().id);
    let mut all = vec![
        format!("resource.tenant == {tenant}"),
        "context.waf.score >= 0 && context.waf.score <= 4294967295".to_owned(),
        "context.now >= datetime(\"1970-01-01T00:00:00Z\") && context.now <= datetime(\"9999-12-31T23:59:59Z\")"
            .to_owned(),
        "[\"fed\", \"hwk\", \"otp\", \"pop\", \"pwd\", \"swk\"].containsAll(context.authn.methods)".to_owned(),
    ];
    let kind = action.resource_type();
    match action.route().fixed_resource() {
        Some(id) => all.push(format!("resource == {kind}::\"{}\"", id.escape_debug())),
        None => all.push(format!("resource != {kind}::\"\"")),
    }
    let in_role = |role: &str| format!("principal in Cedargate::Role::\"{role}\"");
    let age = format!("context.authn.age_seconds >= 0 && context.authn.age_seconds <= {NEVER_SECONDS}");
    match principal_type.basename() {
        "User" => {
            all.push(format!("!({})", in_role("anonymous")));
            all.push("context.authn.level >= 1 && context.authn.level <= 3".to_owned());
            all.push(age);
        }
        "ServiceAccount" => {
            all.push(format!("!({}) && !({})", in_role("anonymous"), in_role("member")));
            all.push("context.authn.level == 1".to_owned());
            all.push(age);
        }
        "Anonymous" => {
            all.push("principal == Cedargate::Anonymous::\"anonymous\"".to_owned());
            all.push(format!("principal.tenant == {tenant}"));
            all.push(in_role("anonymous"));
            let others = model.snapshot().roles().iter().filter(|role| role.name.as_str() != "anonymous");
            all.extend(others.map(|role| format!("!({})", in_role(role.name.as_str()))));
            all.push(format!("context.authn.level == 0 && context.authn.age_seconds == {NEVER_SECONDS}"));
            all.push("context.authn.methods.isEmpty()".to_owned());
        }
        // An identity provider is in no role, by the schema.
        _ => all.push(format!("context.authn.level == 1 && {age}")),
    }
    format!("forbid (principal, action, resource)\nunless {{\n  {}\n}};", all.join(" &&\n  "))
}
