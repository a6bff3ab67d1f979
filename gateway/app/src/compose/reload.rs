//! What may change while the gateway runs: policies, tenants, keys.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_assertion::{Issuer, Verifier};
use cedargate_controlplane::AUDIENCE;
use cedargate_dataplane::{Gateway, Sites, TlsHosts};
use cedargate_identity::{Tenant, Tenants};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::connections::Watched;
use super::key_record::KeyRecord;
use super::live_sets::LiveSets;
use super::rule_sets::RuleLoader;
use super::serve::write_jwks;
use super::sites::{Loaded, SiteLoader};
use super::token_keys::{TokenKeyRing, is_withdrawn};
use super::workloads::WatchedWorkloads;
use super::{StartError, certificates};
use crate::keys::{KeyRing, Purpose};

/// Watches, builds aside, and swaps in what passed every check.
pub(super) struct Reloader {
    pub(super) gateway: Arc<Gateway>,
    pub(super) loader: SiteLoader,
    pub(super) rules: RuleLoader,
    pub(super) tenants: Tenants,
    pub(super) sets: LiveSets,
    pub(super) policies: PathBuf,
    pub(super) ring: KeyRing,
    pub(super) key_record: Arc<KeyRecord>,
    pub(super) token_keys: Arc<TokenKeyRing>,
    pub(super) verifier: Arc<ArcSwap<Verifier>>,
    pub(super) jwks_file: PathBuf,
    pub(super) tls: Option<Arc<TlsHosts>>,
    /// The files of certificates and keys, towards clients and towards services.
    pub(super) certificates: Vec<PathBuf>,
    pub(super) connections: Watched,
    pub(super) workloads: WatchedWorkloads,
    /// What was looked at last, whether it could be built or not: a mistake is reported once.
    pub(super) seen: Seen,
    /// The identity keys that could not be taken up: they are tried at each look again, and reported once.
    pub(super) failed_identity_key: Option<Option<Stamp>>,
}

/// How long files must stay as they are before they are read: half a file is well-formed, too, and may forbid less.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// How often the store is asked which policy sets are live: with what building takes, a change is there within a second.
const SETS_EVERY: Duration = Duration::from_millis(250);

/// How often at most that is waited for. Files that never rest are read as they are.
const SETTLE_TRIES: usize = 50;

/// What tells whether anything changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    tenants: Vec<Tenant>,
    files: BTreeMap<PathBuf, Stamp>,
    identity_key: Option<Stamp>,
    certificates: BTreeMap<PathBuf, Stamp>,
    /// Whether other policy sets are live than the sites were loaded with.
    sets_changed: bool,
}

/// A file's outer marks. A changed text always changes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Seen {
    /// Has the sites loaded anew by the next look.
    fn forget_sites(&mut self) {
        self.sets_changed = true;
    }

    pub(super) fn of(tenants: Vec<Tenant>, policies: &Path, ring: &KeyRing, watched: &[PathBuf]) -> Self {
        let files = stamps(policies);
        let identity_key = ring.metadata(Purpose::Identity).as_ref().map(Stamp::of);
        Self { tenants, files, identity_key, certificates: tls_stamps(watched), sets_changed: false }
    }

    pub(super) fn identity_key(&self) -> Option<Stamp> {
        self.identity_key
    }
}

pub(super) fn stamps(policies: &Path) -> BTreeMap<PathBuf, Stamp> {
    let mut files = BTreeMap::new();
    stamp(policies, 0, &mut files);
    files
}

/// The marks of certificates and keys. A file that is not there has none, which is a change, too.
fn tls_stamps(files: &[PathBuf]) -> BTreeMap<PathBuf, Stamp> {
    files.iter().filter_map(|path| Some((path.clone(), Stamp::of(&fs::metadata(path).ok()?)))).collect()
}

/// Waits until what was changed is no longer being written: until `look` shows the same twice.
pub(super) fn settle<T: PartialEq>(seen: &T, look: impl Fn() -> T, pause: impl Fn()) {
    let mut before = look();
    if before == *seen {
        return;
    }
    for _ in 0..SETTLE_TRIES {
        pause();
        let now = look();
        if now == before {
            return;
        }
        before = now;
    }
}

/// As deep as policy directories go.
const DEPTH_MAX: usize = 4;

fn stamp(directory: &Path, depth: usize, files: &mut BTreeMap<PathBuf, Stamp>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        // Follows links, as the reader of policies does: mounted configuration is made of them.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth < DEPTH_MAX {
            stamp(&path, depth + 1, files);
        } else {
            files.insert(path, Stamp::of(&metadata));
        }
    }
}

impl Reloader {
    /// Looks every `interval`, and at once on SIGHUP, for ever.
    pub(super) async fn run(mut self, interval: Duration) -> Result<(), StartError> {
        let doing = "the handler of SIGHUP";
        let mut hangups = signal(SignalKind::hangup()).map_err(|source| StartError::Machine { doing, source })?;
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = tokio::time::interval(SETS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sets_changed = false;
        loop {
            let asked = tokio::select! {
                _ = ticks.tick() => false,
                _ = looks.tick() => {
                    // The store that is away is told of where the tenants are listed.
                    sets_changed |= self.sets.look().await.unwrap_or(false);
                    if !sets_changed {
                        continue;
                    }
                    false
                }
                _ = hangups.recv() => {
                    tracing::info!("SIGHUP: reading policies, tenants, keys and certificates anew");
                    true
                }
            };
            let mut listed = true;
            let tenants = match self.tenants.list().await {
                Ok(tenants) => tenants,
                Err(error) => {
                    listed = false;
                    tracing::warn!(error = &error as &dyn std::error::Error, "the tenants cannot be listed");
                    // Policies, keys and certificates are in files: they change without the store, too.
                    self.seen.tenants.clone()
                }
            };
            if listed && std::mem::take(&mut sets_changed) {
                self.seen.forget_sites();
                self.loader.take_sets(self.sets.of(&tenants));
            }
            // Building is work of milliseconds to seconds, beside nobody's request.
            let worked = tokio::task::spawn_blocking(move || {
                settle(&self.seen.files, || stamps(&self.policies), || thread::sleep(SETTLE));
                // Certificate and key are two files: whoever renews them writes one after the other.
                settle(&self.seen.certificates, || tls_stamps(&self.certificates), || thread::sleep(SETTLE));
                self.connections.settle();
                self.workloads.settle();
                self.look(tenants, asked);
                self
            });
            match worked.await {
                Ok(reloader) => self = reloader,
                Err(source) => {
                    tracing::error!(error = %source, "reloading has ended");
                    let source = std::io::Error::other(source);
                    return Err(StartError::Machine { doing: "reloading", source });
                }
            }
        }
    }

    /// Takes up what has changed since the last look.
    pub(super) fn look(&mut self, tenants: Vec<Tenant>, asked: bool) {
        let now = Seen::of(tenants, &self.policies, &self.ring, &self.certificates);
        let before = std::mem::replace(&mut self.seen, now);
        if asked || before.sets_changed || (&before.tenants, &before.files) != (&self.seen.tenants, &self.seen.files) {
            self.load_sites();
        }
        self.look_at_rules(asked);
        self.connections.look(asked);
        self.workloads.look(asked);
        if asked || self.failed_identity_key.is_some() || before.identity_key != self.seen.identity_key {
            let is_news = asked || self.failed_identity_key != Some(self.seen.identity_key);
            let is_done = self.load_identity_key(is_news);
            self.failed_identity_key = (!is_done).then_some(self.seen.identity_key);
        }
        self.token_keys.look(asked);
        if asked || before.certificates != self.seen.certificates {
            if let Some(hosts) = &self.tls {
                certificates::reload(hosts, &self.gateway.metrics);
            }
            certificates::reload_upstreams(&self.gateway);
        }
    }

    fn load_sites(&mut self) {
        match self.loader.load(&self.seen.tenants) {
            Err(error) => {
                self.gateway.metrics.policy_reload_failed();
                tracing::error!(
                    error.type = "policy_reload_failed",
                    problems = %error,
                    "the policies have mistakes: what was live stays"
                );
            }
            Ok(Loaded { sites, failed, without_snapshot, changed, services }) => {
                self.gateway.metrics.policies_taken_up(failed.is_empty());
                for failed in failed {
                    self.gateway.metrics.policy_reload_failed();
                    report_failed(&failed.tenant, &failed.problems);
                }
                warn_of_unknown_services(&self.gateway, services.iter().map(AsRef::as_ref));
                let count = sites.iter().count();
                self.gateway.sites.store(Arc::new(sites));
                tracing::info!(
                    cedargate.sites = count,
                    cedargate.sites.changed = changed,
                    cedargate.sites.without_snapshot = without_snapshot,
                    "tenants and policies are taken up"
                );
            }
        }
    }

    /// After the sites: a new route may name a rule set that nobody used.
    fn look_at_rules(&mut self, asked: bool) {
        let sites = self.gateway.sites.load_full();
        self.rules.look(&self.gateway, rule_sets_of(&sites), asked);
    }

    /// Publishes before it signs: a service that meets the new key's name must be able to find it. Whether everything is done; a failure
    /// `is_news` once. What is withdrawn waits neither for the file nor for the record.
    fn load_identity_key(&self, is_news: bool) -> bool {
        let keys = match self.ring.identity() {
            Ok(keys) => keys,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                if is_news {
                    tracing::error!(error, "the identity key cannot be opened: the former one stays");
                }
                return false;
            }
        };
        let former = self.gateway.issuer.load();
        let is_same = *former.keys() == keys;
        if is_same && self.failed_identity_key.is_none() {
            return true;
        }
        let published = write_jwks(&self.jwks_file, &keys);
        if let Err(error) = &published
            && is_news
        {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "the public keys cannot be published: a new key does not sign yet");
        }
        let is_done = published.is_ok() && self.key_record.taken_up(Purpose::Identity, &keys, is_news);
        if is_same || !(is_done || is_withdrawn(former.keys(), &keys)) {
            return is_done;
        }
        let issuer = Issuer::new(former.url(), keys);
        self.verifier.store(Arc::new(Verifier::new(issuer.url(), AUDIENCE, issuer.keys().jwks())));
        tracing::info!(cedargate.key.id = %issuer.keys().kid(), "the identity keys are taken up");
        self.gateway.issuer.store(Arc::new(issuer));
        is_done
    }
}

/// The rule sets that routes name.
pub(super) fn rule_sets_of(sites: &Sites) -> impl Iterator<Item = &str> {
    let snapshots = sites.iter().filter_map(|site| site.snapshot.as_ref());
    snapshots.flat_map(|snapshot| snapshot.routes().all()).filter_map(|route| route.inspection.rules.as_deref())
}

pub(super) fn report_failed(tenant: &str, problems: &cedargate_policy::Problems) {
    tracing::error!(
        error.type = "policy_reload_failed",
        cedargate.tenant = tenant,
        problems = %problems,
        "the tenant's policies have mistakes: what was live for it stays"
    );
}

/// A route may lead to a service that no upstream is configured for: it answers 503, and the operator should know.
pub(super) fn warn_of_unknown_services<'a>(gateway: &Gateway, services: impl Iterator<Item = &'a str>) {
    let known = gateway.upstreams.services();
    for service in services.filter(|service| !known.contains(service)) {
        tracing::warn!(
            cedargate.service = service,
            "routes lead to a service that `[upstreams]` does not have: they answer 503"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// How often it paused over what the looks show, one after the other.
    fn pauses(shown: &[u8]) -> usize {
        let (looks, pauses) = (RefCell::new(shown.iter().copied()), Cell::new(0));
        settle(&0, || looks.borrow_mut().next().unwrap_or(9), || pauses.set(pauses.get() + 1));
        assert_eq!(looks.borrow_mut().next(), None, "it ended early");
        pauses.get()
    }

    #[test]
    fn files_are_read_once_they_rest() {
        assert_eq!(pauses(&[0]), 0);
        assert_eq!(pauses(&[1, 1]), 1);
        assert_eq!(pauses(&[1, 2, 3, 3]), 3);
    }

    #[test]
    fn files_that_never_rest_are_read_all_the_same() {
        let never: Vec<u8> = (0..=SETTLE_TRIES).map(|look| u8::try_from(look % 2 + 1).unwrap()).collect();
        assert_eq!(pauses(&never), SETTLE_TRIES);
    }
}
