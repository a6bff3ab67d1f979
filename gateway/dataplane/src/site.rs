//! Which tenant answers at which host: an immutable table behind an atomic pointer.

use std::collections::HashMap;
use std::sync::Arc;

use cedargate_model::{Host, TenantId, TenantName};
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
    /// What is evaluated beside it, with no effect.
    pub shadow: Option<PolicyShadow>,
}

/// A policy set in the shadow of the live one.
#[derive(Clone, Debug)]
pub struct PolicyShadow {
    /// What would decide.
    pub snapshot: Arc<Snapshot>,
    /// Of how many of a hundred requests it is asked.
    pub percent: u8,
}

/// Every site, by host.
#[derive(Default)]
pub struct Sites {
    by_host: HashMap<String, Arc<Site>>,
    port: u16,
}

impl Sites {
    /// Builds the table. `port` is the one that clients see, which is the only one that `Host` may name: services build
    /// links from it. Where two sites claim a host the first one keeps it; the store forbids that by a constraint.
    pub fn new(sites: impl IntoIterator<Item = Site>, port: u16) -> Self {
        let mut by_host = HashMap::new();
        for site in sites {
            let site = Arc::new(site);
            for host in &site.hosts {
                by_host.entry(host.clone()).or_insert_with(|| site.clone());
            }
        }
        Self { by_host, port }
    }

    /// The site that is addressed so.
    pub fn at(&self, host: &Host) -> Option<&Arc<Site>> {
        if host.port().is_some_and(|port| port != self.port) {
            return None;
        }
        self.by_host.get(host.name())
    }

    /// The name of the tenant that has this id and is served here.
    pub fn name_of(&self, tenant: TenantId) -> Option<TenantName> {
        self.by_host.values().find(|site| site.tenant == tenant).map(|site| site.name.clone())
    }

    /// Every site once, in the order of its first host.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        let mut sites: Vec<_> =
            self.by_host.iter().filter(|(host, site)| site.hosts.first() == Some(host)).map(|(_, site)| site).collect();
        sites.sort_by(|a, b| a.hosts.cmp(&b.hosts));
        sites.into_iter()
    }
}
