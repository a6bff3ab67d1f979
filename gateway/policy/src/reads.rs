//! What a policy reads of a request, found in its text: the reason why a cached decision equals a fresh one.
//!
//! The analysis errs to one side. Reads that it recognises are counted exactly; anything else that mentions `context`
//! or `resource` counts as reading all of it. Principal and action stand in every cache key and are not counted.

use cedar_policy::Policy;
use serde_json::Value;

/// What policies read of a request, beside its principal, its action and its resource's type and tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Which resource it is.
    pub(crate) resource: bool,
    /// `context.authn.level` or `context.authn.methods`.
    pub(crate) strength: bool,
    /// `context.authn.age_seconds`.
    pub(crate) age: bool,
    /// `context.client` or `context.now`.
    pub(crate) moment: bool,
    /// `context.waf`.
    pub(crate) waf: bool,
}

impl Reads {
    pub(crate) const EVERYTHING: Self = Self { resource: true, strength: true, age: true, moment: true, waf: true };
    const ALL_CONTEXT: Self = Self { resource: false, ..Self::EVERYTHING };

    /// What a policy reads.
    pub(crate) fn of(policy: &Policy) -> Self {
        match policy.to_json() {
            Ok(json) => {
                let mut reads = Self::default();
                reads.visit_policy(&json);
                reads
            }
            // A policy that cannot be looked into may read everything.
            Err(_) => Self::EVERYTHING,
        }
    }

    /// What either reads.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            resource: self.resource || other.resource,
            strength: self.strength || other.strength,
            age: self.age || other.age,
            moment: self.moment || other.moment,
            waf: self.waf || other.waf,
        }
    }

    /// Whether a decision holds only for the moment it was made at.
    pub(crate) fn is_volatile(self) -> bool {
        self.age || self.moment || self.waf
    }

    fn add(&mut self, more: Self) {
        *self = self.union(more);
    }

    fn visit_policy(&mut self, policy: &Value) {
        // The scope: a resource constraint other than its type is about which one it is.
        let resource = &policy["resource"];
        let is_type_only = resource["op"] == "is" && resource.get("in").is_none();
        self.resource |= !(resource["op"] == "All" || is_type_only);
        self.visit(&policy["conditions"]);
    }

    fn visit(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(known) = recognised(value) {
                    return self.add(known);
                }
                self.resource |= object.get("__entity").is_some_and(may_be_the_resource);
                match value["Var"].as_str() {
                    Some("context") => self.add(Self::ALL_CONTEXT),
                    Some("resource") => self.resource = true,
                    _ => object.values().for_each(|inner| self.visit(inner)),
                }
            }
            Value::Array(array) => array.iter().for_each(|inner| self.visit(inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The expressions whose reads are known exactly.
fn recognised(expression: &Value) -> Option<Reads> {
    let nothing = Reads::default();
    let Some((target, attribute)) = attribute_access(expression) else {
        // `resource is T`: the type is the route's.
        let test = expression.get("is")?;
        return (is_variable(&test["left"], "resource") && test.get("in").is_none()).then_some(nothing);
    };
    if is_variable(target, "resource") {
        // Every resource that a snapshot decides about belongs to the snapshot's tenant.
        return (attribute == "tenant").then_some(nothing);
    }
    if is_variable(target, "context") {
        return match attribute {
            "authn" => Some(Reads { strength: true, age: true, ..nothing }),
            "client" | "now" => Some(Reads { moment: true, ..nothing }),
            "waf" => Some(Reads { waf: true, ..nothing }),
            _ => None,
        };
    }
    let (outer, section) = attribute_access(target)?;
    match (is_variable(outer, "context"), section, attribute) {
        (true, "authn", "level" | "methods") => Some(Reads { strength: true, ..nothing }),
        (true, "authn", "age_seconds") => Some(Reads { age: true, ..nothing }),
        _ => None,
    }
}

/// Whether a literal may name the very resource that is asked about. Then an attribute of it is there for one resource
/// and missing for another, so that the decision depends on which it is.
fn may_be_the_resource(literal: &Value) -> bool {
    let kind = literal["type"].as_str().unwrap_or_default();
    let namespace = kind.rsplit_once("::").map_or("", |(namespace, _)| namespace);
    namespace != "Cedargate" && !kind.ends_with("::Action")
}

/// `left.attr`, and nothing beside it.
fn attribute_access(expression: &Value) -> Option<(&Value, &str)> {
    let object = expression.as_object().filter(|object| object.len() == 1)?;
    let access = object.get(".")?;
    Some((access.get("left")?, access.get("attr")?.as_str()?))
}

fn is_variable(expression: &Value, name: &str) -> bool {
    expression.as_object().is_some_and(|object| object.len() == 1) && expression["Var"] == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(rest: &str) -> Reads {
        Reads::of(&Policy::parse(None, format!("permit (principal, action, {rest};")).unwrap())
    }

    #[test]
    fn what_cannot_be_told_apart_counts_as_everything() {
        for (rest, expected) in [
            ("resource) when { context == context }", Reads { resource: false, ..Reads::EVERYTHING }),
            ("resource) when { context has authn }", Reads::ALL_CONTEXT),
            ("resource) when { context.other == 1 }", Reads::ALL_CONTEXT),
            ("resource) when { context has certificate }", Reads::ALL_CONTEXT),
            ("resource) when { context.certificate.subject == \"CN=a\" }", Reads::ALL_CONTEXT),
            ("resource) when { context[\"authn\"].level == 1 }", Reads { strength: true, ..Reads::default() }),
            (
                "resource) when { context.authn == context.authn }",
                Reads { strength: true, age: true, ..Reads::default() },
            ),
            ("resource) when { context.authn has level }", Reads { strength: true, age: true, ..Reads::default() }),
            ("resource) when { {x: context}.x.authn.level == 1 }", Reads::ALL_CONTEXT),
            ("resource) when { (if true then context else context).authn.level == 1 }", Reads::ALL_CONTEXT),
            ("resource) when { [context.authn.age_seconds].contains(3) }", Reads { age: true, ..Reads::default() }),
            ("resource) when { context.waf.score > 3 }", Reads { waf: true, ..Reads::default() }),
            ("resource) when { context.client.isLoopback() }", Reads { moment: true, ..Reads::default() }),
            ("resource) unless { context.now < datetime(\"2030-01-01\") }", Reads { moment: true, ..Reads::default() }),
            ("resource) when { resource == principal }", Reads { resource: true, ..Reads::default() }),
            ("resource) when { resource in principal }", Reads { resource: true, ..Reads::default() }),
            ("resource) when { resource is A::B in A::B::\"x\" }", Reads { resource: true, ..Reads::default() }),
            ("resource) when { resource has tenant }", Reads { resource: true, ..Reads::default() }),
            ("resource) when { resource.name == \"x\" }", Reads { resource: true, ..Reads::default() }),
            ("resource) when { A::\"x\".tenant == principal.tenant }", Reads { resource: true, ..Reads::default() }),
            ("resource == A::\"x\")", Reads { resource: true, ..Reads::default() }),
            ("resource in A::\"x\")", Reads { resource: true, ..Reads::default() }),
            ("resource is A in A::\"x\")", Reads { resource: true, ..Reads::default() }),
        ] {
            assert_eq!(reads(rest), expected, "{rest}");
        }
    }

    #[test]
    fn tenant_and_type_of_the_resource_and_the_principal_are_in_every_key() {
        for rest in [
            "resource)",
            "resource is A)",
            "resource) when { principal.tenant == resource.tenant }",
            "resource) when { resource is A && principal in Cedargate::Role::\"x\" }",
            "resource) when { action in A::Action::\"x\" }",
            "resource) when { \"context\" == \"resource\" }",
        ] {
            assert_eq!(reads(rest), Reads::default(), "{rest}");
        }
    }
}
