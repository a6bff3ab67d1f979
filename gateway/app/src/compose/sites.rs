//! From tenants and policy texts to who answers where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_dataplane::{PolicyShadow, Site, Sites};
use cedargate_identity::{MEMBER, Tenant, directory};
use cedargate_model::{RoleName, TenantId};
use cedargate_policy::{Problems, Proposal, Snapshot, Sources, TenantScope};

use super::StartError;
use super::live_sets::SetsOf;
use crate::config::BaseUrl;

/// Builds sites, and remembers what was built last: a change that has mistakes leaves it as it was.
pub(crate) struct SiteLoader {
    policies: PathBuf,
    base: BaseUrl,
    /// The snapshots that are live.
    live: BTreeMap<TenantId, Arc<Snapshot>>,
    /// What the store says that is live, of tenants whose policies were changed through it.
    sets: BTreeMap<TenantId, SetsOf>,
    /// Of how many of a hundred requests a set in the shadow is asked.
    shadow_percent: u8,
}

/// What came of a load.
pub(crate) struct Loaded {
    pub(crate) sites: Sites,
    /// The tenants whose policies have mistakes. They keep their former snapshot, if they had one.
    pub(crate) failed: Vec<FailedTenant>,
    /// The tenants that have no snapshot at all.
    pub(crate) without_snapshot: usize,
    /// How many tenants have another snapshot than before.
    pub(crate) changed: usize,
    /// The services that any tenant's routes lead to.
    pub(crate) services: BTreeSet<Arc<str>>,
}

/// A tenant whose policies have mistakes.
pub(crate) struct FailedTenant {
    pub(crate) tenant: String,
    pub(crate) problems: Problems,
}

impl SiteLoader {
    pub(crate) fn new(policies: impl Into<PathBuf>, base: BaseUrl) -> Self {
        Self { policies: policies.into(), base, live: BTreeMap::new(), sets: BTreeMap::new(), shadow_percent: 0 }
    }

    /// Of how many of a hundred requests a set in the shadow is asked.
    pub(super) fn with_shadow_percent(mut self, percent: u8) -> Self {
        self.shadow_percent = percent;
        self
    }

    /// Takes what the store says that is live, for the loads from now on.
    pub(crate) fn take_sets(&mut self, sets: BTreeMap<TenantId, SetsOf>) {
        self.sets = sets;
    }

    /// Builds the sites of these tenants and of the bare host.
    ///
    /// # Errors
    /// The policy directory as a whole cannot be read: nothing has changed then.
    pub(crate) fn load(&mut self, tenants: &[Tenant]) -> Result<Loaded, StartError> {
        let unread = |problems| StartError::Policies { dir: self.policies.clone(), problems };
        let sources = Sources::read(&self.policies).map_err(unread)?;
        let mut loaded = Loaded {
            sites: Sites::default(),
            failed: Vec::new(),
            without_snapshot: 0,
            changed: 0,
            services: BTreeSet::new(),
        };
        let mut live = BTreeMap::new();
        let bare = directory();
        let mut sites = Vec::with_capacity(tenants.len() + 1);
        for tenant in std::iter::once(&bare).chain(tenants) {
            let snapshot = self.snapshot(&sources, tenant, &mut loaded);
            if let Some(snapshot) = &snapshot {
                loaded.services.extend(snapshot.routes().all().iter().map(|route| Arc::clone(&route.service)));
                live.insert(tenant.id, Arc::clone(snapshot));
            } else {
                loaded.without_snapshot += 1;
            }
            let shadow = self.shadow(&sources, tenant, &mut loaded);
            let (name, hosts) = (tenant.name.clone(), self.hosts(tenant));
            sites.push(Site { tenant: tenant.id, name, hosts, snapshot, shadow });
        }
        loaded.sites = Sites::new(sites, self.base.port());
        self.live = live;
        Ok(loaded)
    }

    /// The tenant's new snapshot, or the one that is live while the new one has mistakes.
    fn snapshot(&self, sources: &Sources, tenant: &Tenant, loaded: &mut Loaded) -> Option<Arc<Snapshot>> {
        let live = self.live.get(&tenant.id);
        let set = self.sets.get(&tenant.id).and_then(|sets| sets.live.as_ref());
        let built = match set {
            None => build(sources, tenant),
            Some(set) => of_set(sources, set, tenant),
        };
        match built {
            // The same texts: keeping the snapshot keeps its routes and what is cached of its decisions.
            Ok(built) => match live.filter(|live| live.id() == built.id()) {
                Some(live) => Some(Arc::clone(live)),
                None => {
                    loaded.changed += 1;
                    Some(Arc::new(built))
                }
            },
            Err(problems) => {
                loaded.failed.push(FailedTenant { tenant: tenant.name.to_string(), problems });
                live.cloned()
            }
        }
    }

    /// What is evaluated beside it. Whatever is wrong with that changes nothing of what decides.
    fn shadow(&self, sources: &Sources, tenant: &Tenant, loaded: &mut Loaded) -> Option<PolicyShadow> {
        let set = self.sets.get(&tenant.id)?.shadow.as_ref()?;
        match of_set(sources, set, tenant) {
            Ok(snapshot) => Some(PolicyShadow { snapshot: Arc::new(snapshot), percent: self.shadow_percent }),
            Err(problems) => {
                loaded.failed.push(FailedTenant { tenant: format!("{} (in the shadow)", tenant.name), problems });
                None
            }
        }
    }

    fn hosts(&self, tenant: &Tenant) -> Vec<String> {
        if tenant.id == directory().id {
            return vec![self.base.domain().to_owned()];
        }
        std::iter::once(self.base.tenant_domain(&tenant.name)).chain(tenant.hosts.iter().cloned()).collect()
    }
}

fn build(sources: &Sources, tenant: &Tenant) -> Result<Snapshot, Problems> {
    Snapshot::build(sources, &TenantScope::of_all_modules(sources, tenant.id, tenant.name.clone()))
}

/// From a set of the store, with the guard-rails and roles of this installation.
fn of_set(sources: &Sources, set: &Result<Arc<Proposal>, Problems>, tenant: &Tenant) -> Result<Snapshot, Problems> {
    let set = set.as_ref().map_err(Clone::clone)?;
    build(&set.with_platform_of(sources)?, tenant)
}

/// The roles that an account can be given.
pub(crate) fn known_roles(policies: &Path) -> Result<Vec<RoleName>, Problems> {
    let snapshot = Snapshot::build(&Sources::read(policies)?, &TenantScope::bare_host())?;
    let follows_from_signin = |role: &RoleName| matches!(role.as_str(), MEMBER | RoleName::ANONYMOUS);
    let names = snapshot.roles().iter().map(|role| role.name.clone());
    Ok(names.filter(|role| !follows_from_signin(role)).collect())
}
