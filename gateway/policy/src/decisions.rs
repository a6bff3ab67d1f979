//! Decisions, cached so that nobody can tell.
//!
//! INVARIANT (cached equals fresh): a kept outcome is given again only to a question that agrees with the first one in
//! everything that the policies applicable to its action read. What is always in the key: the snapshot, the route (which
//! is the action and the resource's type), the principal with its tenant, roles, version and strength. The resource's
//! id is in it where a policy reads it. Where a policy reads the moment (time, age, address, WAF score) nothing is kept.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedargate_model::{Caller, DecisionId, Principal, SnapshotId};
use equivalent::Equivalent;
use moka::sync::Cache;

use crate::judge::Outcome;
use crate::{Query, Snapshot, Verdict};

/// Caches decisions of all tenants' snapshots, bounded by the memory that they take.
///
/// A replaced snapshot's decisions are never found again, for its id is in the key; they leave as others come. They hold
/// its id and the names of its policies, never the snapshot.
#[derive(Debug)]
pub struct Decisions {
    outcomes: Cache<Key, Outcome>,
    hits: AtomicU64,
    misses: AtomicU64,
    uncacheable: AtomicU64,
}

/// How often the cache answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Decisions that were found.
    pub hits: u64,
    /// Decisions that had to be made and could be kept.
    pub misses: u64,
    /// Decisions that depend on the moment (time, age, address, WAF score) and are never kept.
    pub uncacheable: u64,
    /// How many are kept now, about.
    pub entries: u64,
    /// The octets that these take, about.
    pub bytes: u64,
}

impl Decisions {
    /// A cache that takes at most about so many octets; with `0` none are kept.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            outcomes: Cache::builder().max_capacity(bytes_max).weigher(weight).build(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            uncacheable: AtomicU64::new(0),
        }
    }

    /// Decides, from the cache where the policies that apply read nothing that has changed.
    pub fn decide(&self, snapshot: &Snapshot, query: &Query<'_>, decision: DecisionId) -> Verdict {
        self.outcome(snapshot, query).into_verdict(decision, snapshot.id().clone())
    }

    /// How often it helped.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            uncacheable: self.uncacheable.load(Ordering::Relaxed),
            entries: self.outcomes.entry_count(),
            bytes: self.outcomes.weighted_size(),
        }
    }

    pub(crate) fn outcome(&self, snapshot: &Snapshot, query: &Query<'_>) -> Outcome {
        let reads = snapshot.action(query).map(|action| action.policies.reads());
        let Some(reads) = reads.filter(|reads| !reads.is_volatile()) else {
            self.uncacheable.fetch_add(1, Ordering::Relaxed);
            return snapshot.judge(query);
        };
        let asked = Asked {
            snapshot: snapshot.id(),
            route: query.routed.route().action_index,
            resource: reads.resource.then(|| &**query.routed.resource().id()),
            principal: query.caller.principal().map(|principal| &**principal),
        };
        if let Some(outcome) = self.outcomes.get(&asked) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return outcome;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let outcome = snapshot.judge(query);
        // An evaluation that erred is an alert each time it happens.
        if !matches!(outcome, Outcome::Failed(_)) {
            self.outcomes.insert(asked.to_key(query), outcome.clone());
        }
        outcome
    }
}

/// A question as it is kept.
#[derive(Debug)]
struct Key {
    snapshot: SnapshotId,
    route: usize,
    resource: Option<Arc<str>>,
    principal: Option<Arc<Principal>>,
}

/// What the cache itself takes for each entry: its table, its queues and the entry's own allocations. Measured with a
/// counting allocator, which `tests/memory.rs` goes on doing.
const ENTRY_BYTES: usize = 520;
/// The two counts in front of what an `Arc` holds.
const ARC_BYTES: usize = 16;

/// The octets that an entry takes. The principal is counted in full although its session may hold it, too: a session that
/// has ended leaves it to the cache alone.
fn weight(key: &Key, outcome: &Outcome) -> u32 {
    let resource = key.resource.as_ref().map_or(0, |id| ARC_BYTES + id.len());
    let principal = key.principal.as_ref().map_or(0, |principal| principal_bytes(principal));
    let determined_by = match outcome {
        Outcome::Allow(by) | Outcome::StepUp(_, by) | Outcome::SignIn(by) | Outcome::Deny(by) => {
            ARC_BYTES + size_of_val(&**by)
        }
        Outcome::Failed(errors) => errors.iter().map(|error| size_of_val(error) + error.len()).sum(),
    };
    u32::try_from(ENTRY_BYTES + resource + principal + determined_by).unwrap_or(u32::MAX)
}

fn principal_bytes(principal: &Principal) -> usize {
    let Principal { tenant_name, display, roles, strength, .. } = principal;
    let names = roles.iter().map(|role| size_of_val(role) + ARC_BYTES + role.as_str().len()).sum::<usize>();
    let texts = ARC_BYTES + tenant_name.as_str().len() + display.len();
    ARC_BYTES + size_of_val(principal) + texts + names + size_of_val(strength.methods.as_slice())
}

/// A question as it is asked: the same without owning anything, so that a hit allocates nothing.
struct Asked<'a> {
    snapshot: &'a SnapshotId,
    route: usize,
    resource: Option<&'a str>,
    principal: Option<&'a Principal>,
}

impl Asked<'_> {
    fn to_key(&self, query: &Query<'_>) -> Key {
        Key {
            snapshot: self.snapshot.clone(),
            route: self.route,
            resource: self.resource.map(|_| Arc::clone(query.routed.resource().id())),
            principal: match query.caller {
                Caller::Anonymous => None,
                Caller::Principal(principal) => Some(Arc::clone(principal)),
            },
        }
    }
}

impl Key {
    fn asked(&self) -> Asked<'_> {
        Asked {
            snapshot: &self.snapshot,
            route: self.route,
            resource: self.resource.as_deref(),
            principal: self.principal.as_deref(),
        }
    }
}

impl PartialEq for Asked<'_> {
    /// In full: questions whose hashes agree are told apart here.
    fn eq(&self, other: &Self) -> bool {
        let same_principal = match (self.principal, other.principal) {
            (None, None) => true,
            (Some(one), Some(two)) => std::ptr::eq(one, two) || shows_the_same(one, two),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_principal
            && self.route == other.route
            && self.resource == other.resource
            && self.snapshot == other.snapshot
    }
}

/// Whether policies see the same principal. The session, the name that a person is shown as and the time of the
/// sign-in are not shown to policies that are cached.
fn shows_the_same(one: &Principal, two: &Principal) -> bool {
    one.id == two.id
        && one.version == two.version
        && one.tenant == two.tenant
        && one.strength == two.strength
        && one.roles == two.roles
        && one.credential == two.credential
}

impl Hash for Asked<'_> {
    /// Over what tells most questions apart; equality does the rest.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.snapshot.hash(state);
        self.route.hash(state);
        self.resource.hash(state);
        if let Some(principal) = self.principal {
            principal.id.hash(state);
            principal.version.hash(state);
            principal.strength.level.hash(state);
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.asked() == other.asked()
    }
}

impl Eq for Key {}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.asked()
    }
}
