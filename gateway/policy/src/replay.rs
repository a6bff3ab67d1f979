//! Recorded decisions, made again by a proposed policy set: whose requests would be answered otherwise?

use std::collections::{BTreeMap, HashMap};

use cedargate_model::{DecisionId, Micros, PolicyId, PrincipalId, TenantName};
use serde::{Deserialize, Serialize};

use crate::judge::Outcome;
use crate::recorded::{Callers, Decided, Recorded, RecordedError};
use crate::{Decisions, Problems, Snapshot, Sources, TenantScope};

/// The memory for decisions that are alike, in octets.
const CACHE_BYTES: u64 = 64 << 20;
/// The most changed requests that are told one by one; all are counted.
const CHANGES_MAX: usize = 10_000;
/// The most groups that changed requests are counted in.
const GROUPS_MAX: usize = 50_000;

/// Puts recorded decisions to a proposed set, one after the other, by the tenant that each is of.
pub struct Replay<'s> {
    sources: &'s Sources,
    only: Option<TenantName>,
    snapshots: HashMap<String, Snapshot>,
    decisions: Decisions,
    callers: Callers,
    groups: HashMap<GroupKey, u64>,
    replayed: Replayed,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replayed {
    /// Decisions of policies that were read.
    pub decisions: u64,
    /// Those that would be decided as they were.
    pub unchanged: u64,
    /// Those that would not.
    pub changed: u64,
    /// Those that cannot be decided again, because an older gateway did not record what policies were shown.
    pub without_facts: u64,
    /// Those that cannot be read.
    pub unreadable: u64,
    /// Changed requests, counted by what changes, route, roles and person; most frequent first.
    pub groups: Vec<Group>,
    /// Changed requests one by one, in the record's order: the first ten thousand.
    pub changes: Vec<Change>,
}

/// Requests that change alike.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The tenant.
    pub tenant: String,
    /// What was decided.
    pub was: Decided,
    /// What would be.
    pub now: Decided,
    /// The route that they took.
    pub route: String,
    /// The roles that the principal had, sorted.
    pub roles: Vec<String>,
    /// Who; none for anonymous callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
}

/// A request that would be decided otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The decision as it was recorded.
    pub decision: DecisionId,
    /// When, in microseconds since 1970.
    pub at: Micros,
    /// The tenant.
    pub tenant: String,
    /// Who; none for anonymous callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The roles that the principal had.
    pub roles: Vec<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The route that it took.
    pub route: String,
    /// What was decided.
    pub was: Decided,
    /// By which policies; none where nothing permitted.
    pub was_by: Vec<PolicyId>,
    /// What would be.
    pub now: Decided,
    /// By which policies; none where nothing permits.
    pub now_by: Vec<PolicyId>,
}

#[derive(PartialEq, Eq, Hash)]
struct GroupKey {
    tenant: String,
    was: Decided,
    now: Decided,
    route: String,
    roles: Vec<String>,
    principal: Option<PrincipalId>,
}

impl<'s> Replay<'s> {
    /// Begins, for all tenants or for one.
    pub fn new(sources: &'s Sources, only: Option<TenantName>) -> Self {
        Self {
            sources,
            only,
            snapshots: HashMap::new(),
            decisions: Decisions::new(CACHE_BYTES),
            callers: Callers::default(),
            groups: HashMap::new(),
            replayed: Replayed::default(),
        }
    }

    /// Takes one event's octets, as the audit log has them. What is not a decision of policies is passed over.
    ///
    /// # Errors
    /// The mistakes of the proposed set, once a decision of the tenant that they concern is met.
    pub fn take(&mut self, event: &[u8]) -> Result<(), Problems> {
        let recorded = match Recorded::read(event) {
            Ok(Some(recorded)) => recorded,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.note(&error);
                return Ok(());
            }
        };
        if self.only.as_ref().is_some_and(|only| only.as_str() != recorded.tenant()) {
            return Ok(());
        }
        self.replayed.decisions += 1;
        if !self.snapshots.contains_key(recorded.tenant()) {
            let Ok(name) = TenantName::parse(recorded.tenant()) else {
                self.replayed.unreadable += 1;
                return Ok(());
            };
            let scope = TenantScope::of_all_modules(self.sources, recorded.tenant_id(), name);
            self.snapshots.insert(recorded.tenant().to_owned(), Snapshot::build(self.sources, &scope)?);
        }
        let Some(snapshot) = self.snapshots.get(recorded.tenant()) else { return Ok(()) };
        let (now, now_by) = match recorded.ask_again(snapshot, &mut self.callers) {
            Ok(None) => (Decided::NoRoute, None),
            Ok(Some(asked)) => decided(self.decisions.outcome(snapshot, &asked.query())),
            Err(_) => {
                self.replayed.unreadable += 1;
                return Ok(());
            }
        };
        if now == recorded.decided() {
            self.replayed.unchanged += 1;
        } else {
            let now_by = now_by.map(|by| by.to_vec()).unwrap_or_default();
            self.changed(event, &recorded, now, now_by);
        }
        Ok(())
    }

    /// What came of all that was taken.
    pub fn finish(self) -> Replayed {
        let Self { groups, mut replayed, .. } = self;
        let told = |(key, count)| {
            let GroupKey { tenant, was, now, route, roles, principal } = key;
            Group { count, tenant, was, now, route, roles, principal }
        };
        replayed.groups = groups.into_iter().map(told).collect();
        replayed.groups.sort_by(|one, two| {
            let key = |group: &Group| {
                (group.tenant.clone(), group.was, group.now, group.route.clone(), group.roles.clone(), group.principal)
            };
            two.count.cmp(&one.count).then_with(|| key(one).cmp(&key(two)))
        });
        replayed
    }

    fn note(&mut self, error: &RecordedError) {
        match error {
            RecordedError::WithoutFacts => self.replayed.without_facts += 1,
            RecordedError::Malformed(_) | RecordedError::VersionUnknown(_) | RecordedError::Value(_) => {
                self.replayed.unreadable += 1;
            }
        }
    }

    fn changed(&mut self, event: &[u8], recorded: &Recorded<'_>, now: Decided, now_by: Vec<PolicyId>) {
        self.replayed.changed += 1;
        let key = GroupKey {
            tenant: recorded.tenant().to_owned(),
            was: recorded.decided(),
            now,
            route: recorded.route().to_owned(),
            roles: recorded.roles().map(str::to_owned).collect(),
            principal: recorded.principal(),
        };
        let room = self.groups.len() < GROUPS_MAX;
        if let Some(count) = self.groups.get_mut(&key) {
            *count += 1;
        } else if room {
            self.groups.insert(key, 1);
        }
        if self.replayed.changes.len() >= CHANGES_MAX {
            return;
        }
        // Only what changes is asked for this.
        let was_by = serde_json::from_slice::<DeterminedBy>(event).map(|by| by.determined_by).unwrap_or_default();
        self.replayed.changes.push(Change {
            decision: recorded.decision(),
            at: recorded.at(),
            tenant: recorded.tenant().to_owned(),
            principal: recorded.principal(),
            roles: recorded.roles().map(str::to_owned).collect(),
            method: recorded.method().to_owned(),
            path: recorded.path().to_owned(),
            route: recorded.route().to_owned(),
            was: recorded.decided(),
            was_by,
            now,
            now_by,
        });
    }
}

impl Replayed {
    /// How many requests would change, by what changes: `allow -> deny`.
    pub fn by_kind(&self) -> BTreeMap<(Decided, Decided), u64> {
        let mut kinds = BTreeMap::new();
        for group in &self.groups {
            *kinds.entry((group.was, group.now)).or_default() += group.count;
        }
        kinds
    }
}

#[derive(Deserialize)]
struct DeterminedBy {
    #[serde(default)]
    determined_by: Vec<PolicyId>,
}

fn decided(outcome: Outcome) -> (Decided, Option<std::sync::Arc<[PolicyId]>>) {
    match outcome {
        Outcome::Allow(by) => (Decided::Allow, Some(by)),
        Outcome::StepUp(_, by) => (Decided::StepUp, Some(by)),
        Outcome::SignIn(by) => (Decided::SignIn, Some(by)),
        Outcome::Deny(by) => (Decided::Deny, Some(by)),
        Outcome::Failed(_) => (Decided::Failed, None),
    }
}

#[cfg(test)]
mod tests;
