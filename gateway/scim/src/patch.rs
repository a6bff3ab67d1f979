//! Patches (RFC 7644 §3.5.2), as RFC 7644 writes them and as Entra ID and Okta do.

mod apply;
mod values;

use serde_json::{Map, Value};

use crate::ResourceKind;
use crate::error::{ScimError, ScimType, quoted};
use crate::path::{PatchPath, invalid};
use crate::resource::{Resource, check_resource, check_schemas};

/// The most operations of a patch.
pub const OPERATIONS_MAX: usize = 1_000;

/// How many values the operations of one patch look at, all together: each reads the list that it changes, which a group's members may make
/// long, and sign-ins wait meanwhile.
const VALUES_MAX: usize = 250_000;

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Changes to a resource, in their order.
#[derive(Clone, Debug)]
pub struct Patch {
    kind: ResourceKind,
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    verb: Verb,
    path: Option<PatchPath>,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// `invalidSyntax` for what is no patch, `invalidPath` for a path that leads nowhere, `noTarget` for a removal of everything.
    pub fn read(kind: ResourceKind, body: &Value) -> Result<Self, ScimError> {
        let Some(body) = body.as_object() else { return Err(syntax("send one JSON object")) };
        check_schemas(body, PATCH_OP)?;
        let Some(Value::Array(operations)) = member(body, "Operations") else {
            return Err(syntax("`Operations` is missing, or no list"));
        };
        if operations.len() > OPERATIONS_MAX {
            return Err(syntax(&format!("a patch has at most {OPERATIONS_MAX} operations")));
        }
        let operations = operations.iter().map(|operation| Operation::read(kind, operation));
        Ok(Self { kind, operations: operations.collect::<Result<_, _>>()? })
    }

    /// Changes a resource. All operations count, or none: after an error what it was given is to be thrown away.
    ///
    /// # Errors
    /// `mutability`, `noTarget`, `invalidValue`.
    pub fn apply(&self, resource: &mut Resource) -> Result<(), ScimError> {
        let mut looked_at = 0;
        for operation in &self.operations {
            // Each change reads the whole list that it is about.
            let values = resource.values().map(|value| value.as_array().map_or(1, Vec::len)).sum::<usize>();
            looked_at += values.saturating_mul(operation.changes());
            if looked_at > VALUES_MAX {
                let detail = format!("the operations look at more than {VALUES_MAX} values; send fewer at a time");
                return Err(ScimError::bad(ScimType::TooMany, detail));
            }
            operation.apply(self.kind, resource)?;
        }
        check_resource(self.kind, resource)
    }
}

impl Operation {
    fn read(kind: ResourceKind, operation: &Value) -> Result<Self, ScimError> {
        let Some(operation) = operation.as_object() else { return Err(syntax("an operation is an object")) };
        let verb = match member(operation, "op") {
            // In any case: Entra ID begins with a capital.
            Some(Value::String(word)) if word.eq_ignore_ascii_case("add") => Verb::Add,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("replace") => Verb::Replace,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("remove") => Verb::Remove,
            _ => return Err(syntax("`op` is add, replace or remove")),
        };
        let path = match member(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.is_empty() => None,
            Some(Value::String(path)) => Some(PatchPath::parse(kind, path)?.ok_or_else(|| invalid(path))?),
            Some(_) => return Err(syntax("`path` is a text")),
        };
        let value = member(operation, "value").cloned();
        match (verb, &path, &value) {
            (Verb::Remove, None, _) => Err(ScimError::bad(ScimType::NoTarget, "a removal has a `path`")),
            (Verb::Add | Verb::Replace, _, None) => {
                Err(ScimError::bad(ScimType::InvalidValue, "an addition or replacement has a `value`"))
            }
            (Verb::Add | Verb::Replace, None, Some(value)) if !value.is_object() => {
                Err(ScimError::bad(ScimType::InvalidValue, "without a `path`, `value` is an object"))
            }
            _ => Ok(Self { verb, path, value }),
        }
    }

    /// At how many places it changes something at most: without a path to one attribute, at as many as its value has members.
    fn changes(&self) -> usize {
        match (&self.path, &self.value) {
            (None | Some(PatchPath::Extension(_)), Some(Value::Object(members))) => members.len().max(1),
            _ => 1,
        }
    }

    fn apply(&self, kind: ResourceKind, resource: &mut Resource) -> Result<(), ScimError> {
        match (&self.path, &self.value) {
            (Some(path), value) => apply::at(self.verb, path, value.as_ref(), resource, Insisting::Yes),
            (None, Some(Value::Object(members))) => {
                for (name, value) in members {
                    // As in a whole resource, what nobody knows is passed over.
                    if let Some(path) = PatchPath::parse(kind, name)? {
                        apply::at(self.verb, &path, Some(value), resource, Insisting::No)?;
                    }
                }
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}

/// Whether a client means an attribute that it cannot change, or sends it along with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insisting {
    Yes,
    No,
}

/// A member by its name in any case.
fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn syntax(detail: &str) -> ScimError {
    ScimError::bad(ScimType::InvalidSyntax, quoted(detail))
}

#[cfg(test)]
mod tests;
