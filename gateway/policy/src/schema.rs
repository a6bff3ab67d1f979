//! The schema of a tenant: the platform's namespace and one for each module.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Entities, EntityTypeName, EntityUid, Schema, SchemaFragment};

use crate::cedar_problem;
use crate::entities;
use crate::nesting::{self, Language};
use crate::{Place, Problems};

/// The platform's namespace.
pub(crate) const PLATFORM_NAMESPACE: &str = "Cedargate";

/// A module's schema, by itself well-formed.
#[derive(Debug)]
pub(crate) struct ModuleSchema {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) namespace: String,
    fragment: SchemaFragment,
}

impl ModuleSchema {
    /// Reads a schema file, which has exactly one namespace.
    ///
    /// # Errors
    /// Every mistake that Cedar finds, and a file with none or several namespaces.
    pub(crate) fn parse(file: &Arc<str>, text: &Arc<str>) -> Result<Self, Problems> {
        nesting::check(file, text, Language::Schema)?;
        let mut problems = Problems::none();
        let fragment = match SchemaFragment::from_cedarschema_str(text) {
            Ok((fragment, warnings)) => {
                for warning in warnings {
                    add(&warning, file, text, &mut problems);
                }
                fragment
            }
            Err(error) => {
                add(&error, file, text, &mut problems);
                return Err(problems.sorted());
            }
        };
        let namespaces: BTreeSet<String> =
            fragment.namespaces().flatten().map(|namespace| namespace.to_string()).collect();
        let namespace = namespaces.first().cloned().unwrap_or_default();
        if namespaces.len() != 1 || fragment.namespaces().any(|namespace| namespace.is_none()) {
            problems.add(
                Place::start_of(Arc::clone(file)),
                "a schema file has exactly one `namespace`, and nothing outside it",
            );
        }
        problems.into_result(Self { file: Arc::clone(file), text: Arc::clone(text), namespace, fragment })
    }

    /// Where a declaration of this name begins, by the first time that it stands in the text as a word of its own.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut found = self.text.match_indices(name).map(|(at, _)| at).filter(|at| {
            let before = self.text.get(..*at).and_then(|text| text.chars().next_back());
            let behind = self.text.get(at + name.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(is_word) && !behind.is_some_and(is_word)
        });
        Place::at(&self.file, &self.text, found.next().unwrap_or(0))
    }
}

/// One action of a module.
#[derive(Clone, Debug)]
pub(crate) struct ActionFacts {
    pub(crate) uid: EntityUid,
    /// As Cedar writes it: `Inventory::Action::"UpdateItem"`.
    pub(crate) text: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) resource_types: Vec<EntityTypeName>,
    /// Whether it is for service accounts, too. To an action that is not, no policy lets one.
    pub(crate) service_accounts: bool,
    /// Whether it is for identity providers that tell about their people, too.
    pub(crate) scim_tokens: bool,
    pub(crate) groups: BTreeSet<EntityUid>,
    /// All actions of the schema and their groups, as entities.
    pub(crate) schema_actions: Arc<Entities>,
    pub(crate) place: Place,
}

/// The schema of a tenant and what it says of each module's actions.
#[derive(Debug)]
pub(crate) struct LinkedSchema {
    pub(crate) schema: Schema,
    /// By namespace, each in the order of their names.
    pub(crate) actions: BTreeMap<String, Vec<ActionFacts>>,
}

impl LinkedSchema {
    /// Puts the schemas together and checks that every request that can be decided conforms.
    ///
    /// # Errors
    /// Every mistake that shows only together: an unknown type, an action that does not apply to users and anonymous
    /// callers, a resource or a context of another shape than the gateway's.
    pub(crate) fn link(platform: &ModuleSchema, modules: &[&ModuleSchema]) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        if platform.namespace != PLATFORM_NAMESPACE {
            let message = format!("the platform's namespace is `{PLATFORM_NAMESPACE}`");
            problems.add(Place::start_of(Arc::clone(&platform.file)), message);
        }
        for (n, module) in modules.iter().enumerate() {
            let before = std::iter::once(platform).chain(modules.iter().copied().take(n));
            if let Some(other) = before.into_iter().find(|other| other.namespace == module.namespace) {
                let message = format!("the namespace `{}` belongs to {}", module.namespace, other.file);
                problems.add(module.place_of(&module.namespace), message);
            }
        }
        // One by one first: a mistake is then known to be this file's.
        for module in modules {
            if let Err(error) = Schema::from_schema_fragments([platform.fragment.clone(), module.fragment.clone()]) {
                add(&error, &module.file, &module.text, &mut problems);
            }
        }
        if !problems.is_empty() {
            return Err(problems.sorted());
        }
        let all = std::iter::once(platform).chain(modules.iter().copied());
        let schema = match Schema::from_schema_fragments(all.map(|module| module.fragment.clone())) {
            Ok(schema) => schema,
            Err(error) => {
                problems
                    .add(Place::start_of(Arc::clone(&platform.file)), format!("together with the modules: {error}"));
                return Err(problems.sorted());
            }
        };
        let mut actions = BTreeMap::new();
        for module in modules {
            let facts = actions_of(&schema, module, &mut problems);
            actions.insert(module.namespace.clone(), facts);
        }
        problems.into_result(Self { schema, actions })
    }

    /// Whether an action of a namespace applies to a resource type.
    pub(crate) fn resource_type(&self, action: &ActionFacts, namespace: &str, name: &str) -> Option<EntityTypeName> {
        let full: EntityTypeName = format!("{namespace}::{name}").parse().ok()?;
        action.resource_types.contains(&full).then_some(full)
    }
}

/// The actions of a module; its action groups, which apply to nothing, are not among them.
fn actions_of(schema: &Schema, module: &ModuleSchema, problems: &mut Problems) -> Vec<ActionFacts> {
    let Ok(entities) = schema.action_entities() else {
        problems.add(Place::start_of(Arc::clone(&module.file)), "the schema's action groups cannot be resolved");
        return Vec::new();
    };
    let entities = Arc::new(entities);
    let mut uids: Vec<&EntityUid> = schema.actions().filter(|uid| is_in_namespace(uid, &module.namespace)).collect();
    uids.sort();
    let mut facts = Vec::new();
    for uid in uids {
        let resource_types: BTreeSet<EntityTypeName> =
            schema.resources_for_action(uid).into_iter().flatten().cloned().collect();
        let place = module.place_of(uid.id().unescaped());
        let applies = schema.principals_for_action(uid).into_iter().flatten().cloned().collect::<BTreeSet<_>>();
        if applies.is_empty() && resource_types.is_empty() {
            continue;
        }
        let name = uid.id().unescaped();
        if !crate::matrix::is_action_name(name) {
            problems.add(place.clone(), format!("action `{name}`: use letters, digits and `_`"));
        }
        let service_accounts = applies.contains(entities::service_account_type());
        let mut due = entities::principal_types();
        let scim_tokens = applies.contains(entities::scim_token_type());
        due.extend(scim_tokens.then(|| entities::scim_token_type().clone()));
        due.extend(service_accounts.then(|| entities::service_account_type().clone()));
        if applies != due {
            let message = format!(
                "action `{name}` must apply to `Cedargate::User` and `Cedargate::Anonymous`, may apply to \
                 `Cedargate::ServiceAccount` and `Cedargate::ScimToken`, and to no other principal"
            );
            problems.add(place.clone(), message);
        } else if let Err(message) = entities::check_conformance(schema, uid, &resource_types, &applies) {
            problems.add(place.clone(), format!("action `{name}`: {message}"));
        }
        let groups: BTreeSet<EntityUid> = entities.ancestors(uid).into_iter().flatten().cloned().collect();
        facts.push(ActionFacts {
            text: uid.to_string().into(),
            name: name.into(),
            uid: uid.clone(),
            resource_types: resource_types.into_iter().collect(),
            service_accounts,
            scim_tokens,
            groups,
            schema_actions: Arc::clone(&entities),
            place,
        });
    }
    facts
}

fn is_in_namespace(uid: &EntityUid, namespace: &str) -> bool {
    uid.type_name().namespace() == namespace
}

fn add(error: &(impl miette::Diagnostic + ?Sized), file: &Arc<str>, text: &str, problems: &mut Problems) {
    let (offset, message) = cedar_problem::of(error);
    problems.add(Place::at(file, text, offset.unwrap_or(0)), message);
}
