//! Which tenant answers at which host: an immutable table behind an atomic pointer.

use std::collections::HashMap;
use std::sync::Arc;

use cedargate_model::{TenantId, TenantName};
use cedargate_policy::Snapshot;

/// What stands at a host: a tenant with its snapshot.
pub struct Site {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: TenantName,
    /// The hosts that it answers to, lower-case and without port.
    pub hosts: Vec<String>,
    /// What decides for it; none while its policies do not build, and then every request is refused.
    pub snapshot: Option<Arc<Snapshot>>,
}

/// Every site, by host.
#[derive(Default)]
pub struct Sites {
    by_host: HashMap<String, Arc<Site>>,
}

impl Sites {
    /// Builds the table. Where two sites claim a host the first one keeps it; the store forbids that by a constraint.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        let mut by_host = HashMap::new();
        for site in sites {
            let site = Arc::new(site);
            for host in &site.hosts {
                by_host.entry(host.clone()).or_insert_with(|| site.clone());
            }
        }
        Self { by_host }
    }

    /// The site at `host`, which is in canonical form and without port.
    pub fn at(&self, host: &str) -> Option<&Arc<Site>> {
        self.by_host.get(host)
    }

    /// Whether there is a site, and every site has a snapshot: part of readiness.
    pub fn all_loaded(&self) -> bool {
        !self.by_host.is_empty() && self.by_host.values().all(|site| site.snapshot.is_some())
    }

    /// Every site once, in the order of its first host.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        let mut sites: Vec<_> =
            self.by_host.iter().filter(|(host, site)| site.hosts.first() == Some(host)).map(|(_, site)| site).collect();
        sites.sort_by(|a, b| a.hosts.cmp(&b.hosts));
        sites.into_iter()
    }
}
