//! Standing properties: what is declared to hold of every decision, whatever the policies say today.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Effect, EntityUid, Policy, Schema};
use cedargate_model::PolicyId;

use crate::authored::{self, FileRule, SourcedPolicy, Whose};
use crate::build;
use crate::entities;
use crate::sources::{PLATFORM, PROPERTIES, TENANTS};
use crate::{Place, Problems, Snapshot, Sources};

/// The most properties of one tenant.
const PROPERTIES_MAX: usize = 500;

/// A property, written as the policy that must change nothing: a `forbid` says that what it matches is never allowed
/// anyway, a `permit` that what it matches is always allowed. It decides nothing itself.
#[derive(Clone, Debug)]
pub struct Property {
    /// `properties/<file>/<name>`.
    pub id: PolicyId,
    /// What it says, in a sentence.
    pub says: Arc<str>,
    /// As Cedar has it.
    pub policy: Policy,
    /// Where it stands.
    pub place: Place,
}

impl Property {
    /// Whether it says that something is never allowed; otherwise that something always is.
    pub fn is_never(&self) -> bool {
        self.policy.effect() == Effect::Forbid
    }
}

/// Reads the properties of the platform, of a tenant's modules and of the tenant itself, and checks them as policies are.
///
/// # Errors
/// Every mistake, with its place: also a file that is about no module and no tenant, and a property without `@description`.
pub(crate) fn read(sources: &Sources, snapshot: &Snapshot, schema: &Schema) -> Result<Vec<Property>, Problems> {
    let mut problems = Problems::none();
    let (modules, tenants) = (sources.modules(), sources.tenants());
    let scope = snapshot.tenant();
    let mut read: Vec<SourcedPolicy> = Vec::new();
    for (file, text) in sources.below(PROPERTIES) {
        let about = file.strip_prefix("properties/").and_then(|rest| rest.strip_suffix(".cedar")).unwrap_or_default();
        let applies = match about.strip_prefix("tenants/") {
            Some(tenant) if tenants.contains(tenant) || scope.name.as_str() == tenant => scope.name.as_str() == tenant,
            None if about == PLATFORM => true,
            None if modules.contains(about) => scope.modules.contains(about),
            Some(_) | None => {
                let message =
                    format!("`{about}` is neither `{PLATFORM}`, a module nor `{TENANTS}/<a tenant with a folder>`");
                problems.add(Place::start_of(Arc::clone(file)), message);
                continue;
            }
        };
        if applies {
            let whose = if about == PLATFORM { Whose::Platform } else { Whose::Author };
            // A platform's policy only forbids; a platform's property may say either.
            let rule = FileRule { id_prefix: &format!("{PROPERTIES}/{about}/"), whose: Whose::Author };
            let parsed = problems.absorb(authored::parse_file(file, text, rule)).unwrap_or_default();
            read.extend(parsed.into_iter().map(|sourced| SourcedPolicy { whose, ..sourced }));
        }
    }
    if read.len() > PROPERTIES_MAX {
        problems.add(Place::start_of(PROPERTIES), format!("more than {PROPERTIES_MAX} properties"));
        return Err(problems.sorted());
    }
    for property in read.iter().filter(|property| property.description.is_none()) {
        problems.add(property.place.clone(), "the annotation `@description` is missing: say in a sentence what holds");
    }
    let roles: BTreeSet<&str> = snapshot.roles().iter().map(|role| role.name.as_str()).collect();
    let role_type = entities::role_type();
    let is_role = |uid: &EntityUid| uid.type_name() != &role_type || roles.contains(uid.id().unescaped());
    let by_id: BTreeMap<PolicyId, SourcedPolicy> =
        problems.absorb(authored::collect(read, is_role)).unwrap_or_default();
    problems.absorb(build::validate(schema, &by_id));
    let properties = by_id.into_iter().map(|(id, sourced)| Property {
        id,
        says: sourced.description.unwrap_or_default(),
        policy: sourced.policy,
        place: sourced.place,
    });
    problems.into_result(properties.collect())
}
