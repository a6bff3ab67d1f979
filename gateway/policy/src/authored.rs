//! Policies that people write: the `*.cedar` files.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Effect, EntityUid, Policy, PolicySet};
use cedargate_model::PolicyId;

use crate::cedar_problem;
use crate::nesting::{self, Language};
use crate::problem::{Lines, PROBLEMS_MAX};
use crate::{Place, Problems};

/// The annotation that names a policy. Required.
const ID: &str = "id";
/// The annotation that says what a policy is for.
const DESCRIPTION: &str = "description";
/// The longest last part of a policy's id.
const ID_PART_MAX: usize = 64;

/// A policy, named by its `@id`, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct SourcedPolicy {
    pub(crate) id: PolicyId,
    pub(crate) policy: Policy,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) text: Arc<str>,
    pub(crate) place: Place,
    /// The text that Cedar's offsets count in, where it stands in a file as it is.
    pub(crate) source: Option<Arc<str>>,
    /// What is said in front of Cedar's message.
    pub(crate) whose: Whose,
}

/// Who answers for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The platform: a guard-rail, a `forbid` that holds for every tenant and may be idle for some.
    Platform,
    /// A module or a tenant, in a `*.cedar` file.
    Author,
    /// A cell of a matrix.
    Cell,
}

/// What a file's policies must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileRule<'a> {
    /// What every id begins with, slash included: `inventory/`.
    pub(crate) id_prefix: &'a str,
    pub(crate) whose: Whose,
}

/// Reads the policies of a file.
///
/// # Errors
/// Every mistake: in syntax, a template, an annotation that is unknown or missing, an id outside its folder.
pub(crate) fn parse_file(file: &Arc<str>, text: &Arc<str>, rule: FileRule<'_>) -> Result<Vec<SourcedPolicy>, Problems> {
    nesting::check(file, text, Language::Policy)?;
    let mut problems = Problems::none();
    let set: PolicySet = match text.parse() {
        Ok(set) => set,
        Err(errors) => {
            let errors: cedar_policy::ParseErrors = errors;
            for error in errors.iter().take(PROBLEMS_MAX) {
                let (offset, message) = cedar_problem::of(error);
                problems.add(Place::at(file, text, offset.unwrap_or(0)), message);
            }
            return Err(problems.sorted());
        }
    };
    let lines = Lines::of(text);
    for template in set.templates() {
        let place = lines.place(file, template.as_ref().loc().map_or(0, |loc| loc.start()));
        problems.add(place, "a template; write a policy without `?principal` and `?resource`");
    }
    let mut read = Vec::new();
    for policy in set.policies() {
        let place = lines.place(file, policy.as_ref().loc().map_or(0, |loc| loc.start()));
        if rule.whose == Whose::Platform && policy.effect() == Effect::Permit {
            problems.add(place.clone(), "a guard-rail is a `forbid`; permits belong to modules and tenants");
        }
        for (name, _) in policy.annotations().filter(|(name, _)| !matches!(*name, ID | DESCRIPTION)) {
            problems.add(place.clone(), format!("unknown annotation `@{name}`, expected `@id` or `@description`"));
        }
        match policy.annotation(ID) {
            None => problems.add(place, "the annotation `@id` is missing"),
            Some(id) if !is_id(id, rule.id_prefix) => {
                let message =
                    format!("`@id(\"{id}\")`: write `{}` and 1 to {ID_PART_MAX} of a-z, 0-9 and `-`", rule.id_prefix);
                problems.add(place, message);
            }
            Some(id) => read.push(SourcedPolicy::authored(id, policy, place, text, rule.whose)),
        }
    }
    problems.into_result(read)
}

impl SourcedPolicy {
    fn authored(id: &str, policy: &Policy, place: Place, source: &Arc<str>, whose: Whose) -> Self {
        Self {
            id: id.into(),
            policy: policy.new_id(cedar_policy::PolicyId::new(id)),
            description: policy.annotation(DESCRIPTION).map(Arc::from),
            text: policy.to_string().into(),
            place,
            source: Some(Arc::clone(source)),
            whose,
        }
    }

    /// Takes a cell that a matrix has compiled.
    ///
    /// # Errors
    /// The text is none of a policy, which only a condition can bring about.
    pub(crate) fn cell(id: &PolicyId, text: &str, place: &Place) -> Result<Self, Problems> {
        let parsed = Policy::parse(Some(cedar_policy::PolicyId::new(id.as_str())), text);
        let policy = parsed.map_err(|error| {
            let mut problems = Problems::none();
            problems.add(place.clone(), format!("the condition of this cell is not one of a policy: {error}"));
            problems
        })?;
        Ok(Self {
            id: id.clone(),
            description: policy.annotation(DESCRIPTION).map(Arc::from),
            policy,
            text: text.into(),
            place: place.clone(),
            source: None,
            whose: Whose::Cell,
        })
    }

    /// Where one of Cedar's offsets into this policy's source is.
    pub(crate) fn place_at(&self, offset: Option<usize>) -> Place {
        match (&self.source, offset) {
            (Some(source), Some(offset)) => Place::at(&self.place.file, source, offset),
            _ => self.place.clone(),
        }
    }
}

/// Puts policies together.
///
/// # Errors
/// Every id that is taken, and every role that does not exist.
pub(crate) fn collect(
    policies: Vec<SourcedPolicy>,
    is_role: impl Fn(&EntityUid) -> bool,
) -> Result<BTreeMap<PolicyId, SourcedPolicy>, Problems> {
    let mut problems = Problems::none();
    let mut by_id: BTreeMap<PolicyId, SourcedPolicy> = BTreeMap::new();
    for policy in policies {
        for role in policy.policy.entity_literals().iter().filter(|uid| !is_role(uid)) {
            let message = format!("there is no role `{}` in platform/roles.toml", role.id().unescaped());
            problems.add(policy.place.clone(), message);
        }
        if let Some(other) = by_id.get(&policy.id) {
            let message = format!("`@id(\"{}\")` is taken by the policy at {}", policy.id, other.place);
            problems.add(policy.place.clone(), message);
        } else {
            by_id.insert(policy.id.clone(), policy);
        }
    }
    problems.into_result(by_id)
}

/// One part behind the folder: ids with more parts are the matrices'.
fn is_id(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|part| {
        (1..=ID_PART_MAX).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, whose: Whose) -> String {
        parse_file(&"p.cedar".into(), &text.into(), FileRule { id_prefix: "inventory/", whose })
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_policy_says_its_name_and_nothing_unknown() {
        let text = "@id(\"inventory/a\")\n@advice(\"mfa\")\npermit(principal, action, resource);\n\
                    permit(principal, action, resource);\n  @id(\"other/a\")\nforbid(principal, action, resource);\n";
        assert_eq!(
            problems(text, Whose::Author),
            "p.cedar:1:1: unknown annotation `@advice`, expected `@id` or `@description`\n\
             p.cedar:4:1: the annotation `@id` is missing\n\
             p.cedar:5:3: `@id(\"other/a\")`: write `inventory/` and 1 to 64 of a-z, 0-9 and `-`"
        );
    }

    #[test]
    fn nobody_can_take_the_id_of_a_cell() {
        let text = "@id(\"inventory/matrix/clerk/UpdateItem\")\nforbid(principal, action, resource);\n";
        assert!(problems(text, Whose::Author).starts_with("p.cedar:1:1: `@id("));
    }

    #[test]
    fn a_guard_rail_forbids() {
        let text = "@id(\"inventory/a\")\npermit(principal, action, resource);\n";
        assert!(problems(text, Whose::Platform).contains("a guard-rail is a `forbid`"));
    }

    #[test]
    fn a_template_is_refused() {
        let text = "@id(\"inventory/a\")\nforbid(principal == ?principal, action, resource);\n";
        assert!(problems(text, Whose::Author).starts_with("p.cedar:1:1: a template"));
    }

    #[test]
    fn broken_syntax_has_its_place() {
        assert!(problems("\n\npermit(principal, action resource);\n", Whose::Author).starts_with("p.cedar:3:26: "));
    }
}
