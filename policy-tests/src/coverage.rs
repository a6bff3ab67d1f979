//! What the cases cover, and what they leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedargate_model::{PolicyId, RoleName};
use cedargate_policy::{Place, Snapshot, Sources, TenantScope};

use crate::report::{Report, below};

/// Collects what is there and what was shown.
#[derive(Default)]
pub(crate) struct Coverage {
    /// Every policy of every snapshot, and where it stands.
    policies: BTreeMap<PolicyId, Place>,
    decided: BTreeSet<PolicyId>,
    /// Every module's actions and the place of its matrix, and every role.
    actions: BTreeMap<Arc<str>, BTreeSet<String>>,
    roles: BTreeSet<RoleName>,
    cells: BTreeSet<(String, RoleName, String)>,
    tenants: BTreeSet<Arc<str>>,
    modules: BTreeSet<Arc<str>>,
}

impl Coverage {
    /// A tenant that has a case file.
    pub(crate) fn tenant(&mut self, scope: &TenantScope) {
        self.tenants.insert(scope.name.as_str().into());
        self.modules.extend(scope.modules.iter().cloned());
    }

    /// What a snapshot holds that cases must show.
    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) {
        for id in snapshot.policies() {
            if let Some(place) = snapshot.policy_place(id) {
                self.policies.insert(id.clone(), place.clone());
            }
        }
        self.roles.extend(snapshot.roles().iter().map(|role| role.name.clone()));
        for route in snapshot.routes().all() {
            let action = route.id.as_str().rsplit('.').next().unwrap_or_default().to_owned();
            self.actions.entry(Arc::clone(&route.module)).or_default().insert(action);
        }
    }

    /// A cell of a table was compared.
    pub(crate) fn cell(&mut self, module: &str, role: &RoleName, action: &str) {
        self.cells.insert((module.to_owned(), role.clone(), action.to_owned()));
    }

    /// A policy decided as a case says.
    pub(crate) fn decided(&mut self, id: &PolicyId) {
        self.decided.insert(id.clone());
    }

    /// Says what is left out.
    pub(crate) fn report(self, sources: &Sources, policies: &str, report: &mut Report) {
        for module in sources.modules().difference(&self.modules) {
            let place = Place::start_of(format!("{module}/matrix.txt"));
            report.find(below(policies, &place), format!("no case file has the module `{module}`"));
        }
        for tenant in sources.tenants().difference(&self.tenants) {
            let place = Place::start_of(format!("tenants/{tenant}"));
            report.find(below(policies, &place), format!("no case file is about the tenant `{tenant}`"));
        }
        for (module, actions) in &self.actions {
            for action in actions {
                let missing: Vec<&str> = self
                    .roles
                    .iter()
                    .filter(|role| !self.cells.contains(&(module.to_string(), (*role).clone(), action.clone())))
                    .map(RoleName::as_str)
                    .collect();
                if !missing.is_empty() {
                    let place = Place::start_of(format!("{module}/matrix.txt"));
                    let message = format!("no table of cases shows `{action}` for {}", missing.join(", "));
                    report.find(below(policies, &place), message);
                }
            }
        }
        report.policies_covered = self.policies.keys().filter(|id| self.decided.contains(*id)).count();
        for (id, place) in self.policies.iter().filter(|(id, _)| !self.decided.contains(*id)) {
            report.find(below(policies, place), format!("policy `{id}` decides no case"));
        }
    }
}
