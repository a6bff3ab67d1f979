//! Which policy sets are live by the store, for tenants whose policies were changed through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_identity::{LivePolicies, PolicyChangeError, PolicyChanges, StoreError, Tenant};
use cedargate_model::{ChangeId, PolicySetId, TenantId};
use cedargate_policy::{Place, Problems, Proposal};

/// What is live and what is evaluated beside it, as it was last seen.
pub(crate) struct LiveSets {
    changes: PolicyChanges,
    seen: Vec<(TenantId, LivePolicies)>,
    /// Sets that were read. They never change, so each is read once.
    kept: BTreeMap<(TenantId, ChangeId), (PolicySetId, Arc<str>)>,
}

/// A tenant's sets; none means the policy directory, or nothing in the shadow.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetsOf {
    pub(crate) live: Option<Result<Arc<Proposal>, Problems>>,
    pub(crate) shadow: Option<Result<Arc<Proposal>, Problems>>,
}

impl LiveSets {
    pub(crate) fn new(changes: PolicyChanges) -> Self {
        Self { changes, seen: Vec::new(), kept: BTreeMap::new() }
    }

    /// Looks whether something else is live than was seen last, and if so reads it.
    ///
    /// # Errors
    /// The store's; then nothing new was seen, and the next look looks again.
    pub(crate) async fn look(&mut self) -> Result<bool, StoreError> {
        let seen = self.changes.all_live().await?;
        if seen == self.seen {
            return Ok(false);
        }
        let mut kept = BTreeMap::new();
        for (tenant, live) in &seen {
            for change in [live.change, live.shadow].into_iter().flatten() {
                let key = (*tenant, change);
                let texts = match self.kept.remove(&key) {
                    Some(texts) => texts,
                    None => match self.changes.texts(*tenant, change).await {
                        Ok((set, texts)) => (set, Arc::from(texts)),
                        Err(PolicyChangeError::Store(error)) => return Err(error),
                        // It was live a moment ago: what is live now is seen by the next look.
                        Err(_) => return Ok(false),
                    },
                };
                kept.insert(key, texts);
            }
        }
        (self.seen, self.kept) = (seen, kept);
        Ok(true)
    }

    /// The sets of these tenants.
    pub(crate) fn of(&self, tenants: &[Tenant]) -> BTreeMap<TenantId, SetsOf> {
        let of = |tenant: &Tenant| {
            let (_, live) = self.seen.iter().find(|(id, _)| *id == tenant.id)?;
            let read = |change: Option<ChangeId>| {
                let change = change?;
                // Never the directory instead: it may permit what the set forbids.
                let Some((set, texts)) = self.kept.get(&(tenant.id, change)) else { return Some(Err(unread(change))) };
                Some(Proposal::from_json(texts, set, &tenant.name).map(Arc::new))
            };
            Some((tenant.id, SetsOf { live: read(live.change), shadow: read(live.shadow) }))
        };
        tenants.iter().filter_map(of).collect()
    }
}

fn unread(change: ChangeId) -> Problems {
    let mut problems = Problems::none();
    problems.add(Place::start_of("."), format!("the set of change {change} was not read"));
    problems
}
