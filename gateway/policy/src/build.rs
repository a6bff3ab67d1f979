//! Building a snapshot: every text that concerns a tenant, read, checked by itself and checked together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{
    Entities, EntityUid, Policy, PolicySet, PolicySetError, Schema, ValidationMode, ValidationWarning, Validator,
};
use cedargate_model::{PolicyId, RouteId, SnapshotId};
use sha2::{Digest, Sha256};

use crate::authored::{self, FileRule, SourcedPolicy, Whose};
use crate::cedar_problem;
use crate::entities;
use crate::index::ActionPolicies;
use crate::matrix::{Matrix, MatrixTarget};
use crate::platform::{self, Ladder, Role};
use crate::routes::file::{DeclaredId, DeclaredRoute, RouteFile};
use crate::routes::{InspectionMode, ResourceIdRule, ResourceKind, ResourceRule, Route, Routes, RoutesBuilder};
use crate::schema::{ActionFacts, LinkedSchema, ModuleSchema};
use crate::sources::{PLATFORM, TENANTS};
use crate::{Place, Problems, Sources, TenantScope};

/// How many attributes deep a policy may look. At one, everything that it can ask of is shown to it.
const DEREFERENCES_MAX: u32 = 1;

/// The most policies of a snapshot, the cells of its matrices among them.
const POLICIES_MAX: usize = 10_000;
/// The most actions, and so routes, of a snapshot.
const ACTIONS_MAX: usize = 4_000;

/// Everything that a snapshot is made of.
pub(crate) struct Built {
    pub(crate) id: SnapshotId,
    pub(crate) routes: Routes,
    pub(crate) roles: Vec<Role>,
    pub(crate) ladder: Ladder,
    pub(crate) actions: Vec<Action>,
    pub(crate) policies: BTreeMap<PolicyId, SourcedPolicy>,
    /// For proofs; decisions need it no more.
    pub(crate) schema: Schema,
}

/// An action and the policies that can apply to it.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) facts: ActionFacts,
    pub(crate) policies: ActionPolicies,
    /// The action, its groups, and the actions that its policies name: `in` between two actions must not depend on which
    /// one is asked for.
    pub(crate) entities: Entities,
}

impl Action {
    /// An action with those of all policies that can apply to it.
    ///
    /// # Errors
    /// What Cedar says where they do not fit together.
    pub(crate) fn new<'p>(
        facts: ActionFacts,
        policies: impl IntoIterator<Item = &'p Policy>,
    ) -> Result<Self, ActionError> {
        let mut shown: BTreeSet<EntityUid> = facts.groups.iter().chain([&facts.uid]).cloned().collect();
        let types = Some(facts.resource_types.as_slice());
        let policies = ActionPolicies::select(policies, &facts.uid, &facts.groups, types)?;
        for named in policies.evaluated().flat_map(Policy::entity_literals) {
            shown.extend(facts.schema_actions.ancestors(&named).into_iter().flatten().cloned());
            shown.insert(named);
        }
        let shown = facts.schema_actions.iter().filter(|entity| shown.contains(&entity.uid())).cloned();
        let entities = Entities::from_entities(shown, None).map_err(Box::new)?;
        Ok(Self { facts, policies, entities })
    }
}

/// Why an action's policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActionError {
    #[error(transparent)]
    Policies(#[from] Box<PolicySetError>),
    #[error(transparent)]
    Entities(#[from] Box<EntitiesError>),
}

/// Reads and checks everything.
///
/// # Errors
/// Every mistake. What can be read goes on being checked when something else cannot.
pub(crate) fn build(sources: &Sources, tenant: &TenantScope) -> Result<Built, Problems> {
    let mut problems = Problems::none();
    let platform = problems.absorb(Platform::read(sources));
    let mut modules = Vec::new();
    for name in &tenant.modules {
        modules.extend(problems.absorb(Module::read(sources, name)));
    }
    let mut policies = problems.absorb(tenant_policies(sources, tenant)).unwrap_or_default();
    let overrides = problems.absorb(tenant_matrices(sources, tenant)).unwrap_or_default();
    let (Some(platform), true) = (platform, problems.is_empty()) else { return Err(problems.sorted()) };

    let schemas: Vec<&ModuleSchema> = modules.iter().map(|module| &module.schema).collect();
    let linked = LinkedSchema::link(&platform.schema, &schemas)?;
    let id = snapshot_id(sources, tenant);

    policies.extend(platform.guard_rails);
    let count = linked.actions.values().map(Vec::len).sum::<usize>();
    if count > ACTIONS_MAX {
        problems.add(Place::start_of("."), format!("{count} actions; at most {ACTIONS_MAX}"));
        return Err(problems.sorted());
    }
    let mut actions = Vec::new();
    let mut routes = RoutesBuilder::default();
    let mut scored = Vec::new();
    for module in modules {
        let facts = linked.actions.get(&module.schema.namespace).map(Vec::as_slice).unwrap_or_default();
        let matrix =
            EffectiveMatrix { module: &module, tenant, own: overrides.get(&module.name), roles: &platform.roles };
        policies.extend(problems.absorb(matrix.compile(facts)).unwrap_or_default());
        let binding = Binding { snapshot: &id, module: &module, linked: &linked, facts, first_action: actions.len() };
        scored.extend(problems.absorb(binding.bind(&mut routes)).unwrap_or_default());
        actions.extend(facts.iter().cloned());
        policies.extend(module.policies);
    }
    let role_type = entities::role_type();
    let is_role = |uid: &EntityUid| {
        uid.type_name() != &role_type || platform.roles.iter().any(|role| role.name.as_str() == uid.id().unescaped())
    };
    if policies.len() > POLICIES_MAX {
        let message = format!("{} policies with the matrices' cells; at most {POLICIES_MAX}", policies.len());
        problems.add(Place::start_of("."), message);
        return Err(problems.sorted());
    }
    let policies = problems.absorb(authored::collect(policies, is_role)).unwrap_or_default();
    problems.absorb(validate(&linked.schema, &policies));
    let (actions, routes) = (problems.absorb(index(actions, &policies)), problems.absorb(finish(routes)));
    for (index, place) in scored {
        if let Some(action) =
            actions.as_ref().and_then(|actions| actions.get(index)).filter(|a| !a.policies.reads().waf)
        {
            let message = format!(
                "mode `score` leaves attacks to Cedar, and no policy about `{}` reads `context.waf`",
                action.facts.name
            );
            problems.add(place, message);
        }
    }
    match (actions, routes, problems.is_empty()) {
        (Some(actions), Some(routes), true) => {
            let (roles, ladder, schema) = (platform.roles, platform.ladder, linked.schema);
            Ok(Built { id, routes, roles, ladder, actions, policies, schema })
        }
        _ => Err(problems.sorted()),
    }
}

struct Platform {
    schema: ModuleSchema,
    roles: Vec<Role>,
    ladder: Ladder,
    guard_rails: Vec<SourcedPolicy>,
}

impl Platform {
    fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        let schema = problems.absorb(required(sources, "platform/schema.cedarschema", ModuleSchema::parse));
        let roles = problems.absorb(required(sources, "platform/roles.toml", |f, t| platform::parse_roles(f, t)));
        let ladder = problems.absorb(required(sources, "platform/step-up.toml", |f, t| platform::parse_ladder(f, t)));
        let rule = FileRule { id_prefix: "platform/", whose: Whose::Platform };
        let guard_rails = problems.absorb(cedar_files(sources, PLATFORM, rule));
        for id in platform::GUARD_RAILS_REQUIRED {
            if guard_rails.as_ref().is_some_and(|all| !all.iter().any(|rail| rail.id.as_str() == id)) {
                problems.add(Place::start_of(PLATFORM), format!("the guard-rail `{id}` is missing"));
            }
        }
        let guard_rails = guard_rails.unwrap_or_default();
        match (schema, roles, ladder) {
            (Some(schema), Some(roles), Some(ladder)) => {
                problems.into_result(Self { schema, roles, ladder, guard_rails })
            }
            _ => Err(problems.sorted()),
        }
    }
}

struct Module {
    name: Arc<str>,
    schema: ModuleSchema,
    routes_file: Arc<str>,
    routes: RouteFile,
    matrix: Matrix,
    policies: Vec<SourcedPolicy>,
}

impl Module {
    fn read(sources: &Sources, name: &Arc<str>) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        if !sources.modules().contains(name) {
            problems.add(Place::start_of(Arc::clone(name)), format!("there is no module `{name}`"));
            return Err(problems);
        }
        let schema = problems.absorb(required(sources, &format!("{name}/schema.cedarschema"), ModuleSchema::parse));
        let routes_file = format!("{name}/routes.toml");
        let routes = problems.absorb(required(sources, &routes_file, |f, t| RouteFile::parse(f, t)));
        let matrix = problems.absorb(required(sources, &format!("{name}/matrix.txt"), |f, t| Matrix::parse(t, f)));
        let rule = FileRule { id_prefix: &format!("{name}/"), whose: Whose::Author };
        let policies = problems.absorb(cedar_files(sources, name, rule)).unwrap_or_default();
        match (schema, routes, matrix) {
            (Some(schema), Some(routes), Some(matrix)) => problems.into_result(Self {
                name: Arc::clone(name),
                schema,
                routes_file: routes_file.into(),
                routes,
                matrix,
                policies,
            }),
            _ => Err(problems.sorted()),
        }
    }
}

fn required<T>(
    sources: &Sources,
    path: &str,
    parse: impl FnOnce(&Arc<str>, &Arc<str>) -> Result<T, Problems>,
) -> Result<T, Problems> {
    match sources.text(path) {
        Some((file, text)) => parse(file, text),
        None => {
            let mut problems = Problems::none();
            problems.add(Place::start_of(path), "the file is missing");
            Err(problems)
        }
    }
}

fn cedar_files(sources: &Sources, folder: &str, rule: FileRule<'_>) -> Result<Vec<SourcedPolicy>, Problems> {
    let mut problems = Problems::none();
    let mut policies = Vec::new();
    for (file, text) in sources.below(folder).filter(|(file, _)| file.ends_with(".cedar")) {
        policies.extend(problems.absorb(authored::parse_file(file, text, rule)).unwrap_or_default());
    }
    problems.into_result(policies)
}

fn tenant_policies(sources: &Sources, tenant: &TenantScope) -> Result<Vec<SourcedPolicy>, Problems> {
    let rule = FileRule { id_prefix: &format!("{TENANTS}/{}/", tenant.name), whose: Whose::Author };
    cedar_files(sources, &format!("{TENANTS}/{}", tenant.name), rule)
}

/// The tenant's own matrices, by module.
fn tenant_matrices(sources: &Sources, tenant: &TenantScope) -> Result<BTreeMap<Arc<str>, Matrix>, Problems> {
    let mut problems = Problems::none();
    let mut matrices = BTreeMap::new();
    let folder = format!("{TENANTS}/{}", tenant.name);
    for (file, text) in sources.below(&folder) {
        let name = file.rsplit('/').next().and_then(|name| name.strip_suffix(".matrix.txt"));
        let Some(name) = name else { continue };
        if !tenant.modules.contains(name) {
            problems.add(Place::start_of(Arc::clone(file)), format!("the tenant has no module `{name}`"));
        }
        if let Some(matrix) = problems.absorb(Matrix::parse(text, file)) {
            matrices.insert(Arc::from(name), matrix);
        }
    }
    problems.into_result(matrices)
}

/// A module's matrix with the cells that a tenant has of its own.
struct EffectiveMatrix<'a> {
    module: &'a Module,
    tenant: &'a TenantScope,
    own: Option<&'a Matrix>,
    roles: &'a [Role],
}

impl EffectiveMatrix<'_> {
    /// The policies of all cells.
    ///
    /// # Errors
    /// A role or action that has no column or row, or that does not exist.
    fn compile(&self, facts: &[ActionFacts]) -> Result<Vec<SourcedPolicy>, Problems> {
        let mut problems = Problems::none();
        let matrix = &self.module.matrix;
        self.check_names(matrix, facts, &mut problems);
        for role in self.roles.iter().filter(|role| !matrix.roles().any(|other| *other == role.name)) {
            problems.add(Place::start_of(matrix.file()), format!("role `{}` has no column", role.name));
        }
        for action in facts.iter().filter(|action| !matrix.actions().any(|other| *other == action.name)) {
            problems.add(Place::start_of(matrix.file()), format!("action `{}` has no row", action.name));
        }
        if let Some(own) = self.own {
            self.check_names(own, facts, &mut problems);
        }

        let namespace = self.module.schema.namespace.as_str();
        let base_prefix = format!("{}/matrix", self.module.name);
        let own_prefix = format!("{TENANTS}/{}/{base_prefix}", self.tenant.name);
        let is_replaced = |role: &str, action: &str| self.own.is_some_and(|own| own.cell(role, action).is_some());
        let base = matrix.compile(MatrixTarget { namespace, id_prefix: &base_prefix }).into_iter();
        let base = base.filter(|cell| !is_replaced(cell.role.as_str(), &cell.action));
        let own = self.own.map(|own| own.compile(MatrixTarget { namespace, id_prefix: &own_prefix }));
        let mut policies = Vec::new();
        for cell in base.chain(own.unwrap_or_default()) {
            if let Some(text) = &cell.policy {
                policies.extend(problems.absorb(SourcedPolicy::cell(&cell.id, text, &cell.place)));
            }
        }
        problems.into_result(policies)
    }

    fn check_names(&self, matrix: &Matrix, facts: &[ActionFacts], problems: &mut Problems) {
        for (role, place) in matrix.placed_roles() {
            if !self.roles.iter().any(|other| other.name == *role) {
                problems.add(place.clone(), format!("there is no role `{role}` in platform/roles.toml"));
            }
        }
        for (action, place) in matrix.placed_actions() {
            if !facts.iter().any(|other| other.name == *action) {
                problems.add(place.clone(), format!("there is no action `{action}` in {}", self.module.schema.file));
            }
        }
    }
}

/// A module's routes meet its schema.
struct Binding<'a> {
    snapshot: &'a SnapshotId,
    module: &'a Module,
    linked: &'a LinkedSchema,
    facts: &'a [ActionFacts],
    first_action: usize,
}

impl Binding<'_> {
    /// Adds the module's routes, and gives the actions whose requests are inspected in mode `score`.
    fn bind(&self, routes: &mut RoutesBuilder) -> Result<Vec<(usize, Place)>, Problems> {
        let mut problems = Problems::none();
        let mut scored = Vec::new();
        let mut routed: BTreeMap<&str, &Place> = BTreeMap::new();
        for declared in &self.module.routes.routes {
            if let Some(other) = routed.insert(&declared.action, &declared.place) {
                let message = format!("action `{}` has a route already, at {other}", declared.action);
                problems.add(declared.action_place.clone(), message);
                continue;
            }
            match self.route(declared) {
                Ok(route) => {
                    if route.inspection.mode == InspectionMode::Score {
                        scored.push((route.action_index, declared.place.clone()));
                    }
                    if let Err(other) = routes.add(declared.pattern.clone(), Arc::new(route)) {
                        let message = format!("{} {} is route `{}` already", declared.method, declared.path, other.id);
                        problems.add(declared.place.clone(), message);
                    }
                }
                Err((place, message)) => problems.add(place, message),
            }
        }
        for action in self.facts.iter().filter(|action| !routed.contains_key(&*action.name)) {
            let message = format!("action `{}` has no route in {}", action.name, self.module.routes_file);
            problems.add(action.place.clone(), message);
        }
        problems.into_result(scored)
    }

    fn route(&self, declared: &DeclaredRoute) -> Result<Route, (Place, String)> {
        let (module, schema) = (&self.module.name, &self.module.schema);
        let index = self.facts.iter().position(|action| action.name == declared.action);
        let Some((index, action)) = index.and_then(|index| Some((index, self.facts.get(index)?))) else {
            let message = format!("there is no action `{}` in {}", declared.action, schema.file);
            return Err((declared.action_place.clone(), message));
        };
        let Some(kind) = self.linked.resource_type(action, &schema.namespace, &declared.resource_type) else {
            let message =
                format!("action `{}` does not apply to `{}` in {}", action.name, declared.resource_type, schema.file);
            return Err((declared.resource_place.clone(), message));
        };
        Ok(Route {
            id: RouteId(format!("{module}.{}", action.name).into()),
            module: Arc::clone(module),
            service: Arc::clone(&self.module.routes.service),
            method: declared.method.clone(),
            path: Arc::clone(&declared.path),
            action: Arc::clone(&action.text),
            upgrade: declared.upgrade,
            grpc: declared.grpc,
            client_certificate: declared.client_certificate,
            any_site: declared.any_site,
            cors: declared.cors.clone(),
            inspection: declared.inspection.clone(),
            timeout: declared.timeout,
            resource: ResourceRule {
                kind: ResourceKind { text: kind.to_string().into(), name: kind },
                id: match &declared.resource_id {
                    DeclaredId::Fixed(id) => ResourceIdRule::Fixed(Arc::clone(id)),
                    DeclaredId::Parameter(position) => ResourceIdRule::Parameter(*position),
                },
            },
            snapshot: self.snapshot.clone(),
            action_index: self.first_action + index,
        })
    }
}

fn finish(routes: RoutesBuilder) -> Result<Routes, Problems> {
    routes.finish().map_err(|(place_of, error)| {
        let mut problems = Problems::none();
        problems.add(Place::start_of("routes.toml"), format!("path `{place_of}`: {error}"));
        problems
    })
}

/// Strict validation (Cedar skips a policy that errs, so nothing that could err may become live).
pub(crate) fn validate(schema: &Schema, policies: &BTreeMap<PolicyId, SourcedPolicy>) -> Result<(), Problems> {
    let mut problems = Problems::none();
    let set = match PolicySet::from_policies(policies.values().map(|sourced| sourced.policy.clone())) {
        Ok(set) => set,
        Err(error) => {
            problems.add(Place::start_of("."), format!("the policies do not fit together: {error}"));
            return Err(problems);
        }
    };
    let mut add = |id: &cedar_policy::PolicyId, error: &dyn miette::Diagnostic| {
        let (offset, message) = cedar_problem::of(error);
        let id: &str = id.as_ref();
        match policies.get(&PolicyId::from(id)) {
            Some(sourced) => problems.add(sourced.place_at(offset), message),
            None => problems.add(Place::start_of("."), message),
        }
    };
    let validator = Validator::new(schema.clone());
    let result = validator.validate_with_level(&set, ValidationMode::Strict, DEREFERENCES_MAX);
    for error in result.validation_errors() {
        add(error.policy_id(), error);
    }
    for warning in result.validation_warnings() {
        let id: &str = warning.policy_id().as_ref();
        let whose = policies.get(&PolicyId::from(id)).map(|sourced| sourced.whose);
        // A guard-rail holds for tenants and modules to come, and may have nothing to forbid in this one.
        let is_idle_guard_rail =
            matches!(warning, ValidationWarning::ImpossiblePolicy(_)) && whose == Some(Whose::Platform);
        if !is_idle_guard_rail {
            add(warning.policy_id(), warning);
        }
    }
    problems.into_result(())
}

fn index(actions: Vec<ActionFacts>, policies: &BTreeMap<PolicyId, SourcedPolicy>) -> Result<Vec<Action>, Problems> {
    let mut problems = Problems::none();
    let mut indexed = Vec::new();
    for facts in actions {
        let all = policies.values().map(|sourced| &sourced.policy);
        let place = facts.place.clone();
        match Action::new(facts, all) {
            Ok(action) => indexed.push(action),
            Err(error) => problems.add(place, format!("its policies do not fit together: {error}")),
        }
    }
    problems.into_result(indexed)
}

/// SHA-256 over the scope and every text that it takes in, each with its length, so that no two contents collide.
fn snapshot_id(sources: &Sources, tenant: &TenantScope) -> SnapshotId {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    add(b"cedargate snapshot 1");
    add(tenant.id.0.as_bytes());
    add(tenant.name.as_str().as_bytes());
    add(&u64::try_from(tenant.modules.len()).unwrap_or(u64::MAX).to_be_bytes());
    tenant.modules.iter().for_each(|module| add(module.as_bytes()));
    let own = format!("{TENANTS}/{}", tenant.name);
    let folders: BTreeSet<&str> =
        [PLATFORM, own.as_str()].into_iter().chain(tenant.modules.iter().map(|module| &**module)).collect();
    for folder in folders {
        for (path, text) in sources.below(folder) {
            add(path.as_bytes());
            add(text.as_bytes());
        }
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    SnapshotId::from(hex.as_str())
}
