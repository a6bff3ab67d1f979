//! From configured issuers of programs' tokens to the ones at work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use cedargate_identity::Sessions;
use cedargate_idp_adapters::oidc::ProviderHttp;
use cedargate_idp_adapters::workload::{KeySource, WorkloadSettings, Workloads};
use cedargate_model::{Clock as _, SystemClock};
use tokio::time::MissedTickBehavior;

use super::StartError;
use super::reload::{self, Stamp};
use crate::config::{Environment, WorkloadFiles, WorkloadsError};

/// Reads every tenant's issuers and puts them to work. One that is as it was before keeps what is known of its keys.
pub(super) fn live(files: &WorkloadFiles, former: &Workloads) -> Result<Workloads, StartError> {
    let tenants = files.load(&Environment::of_process())?;
    let needs_tls = |settings: &WorkloadSettings| match &settings.keys {
        KeySource::Discovery(issuer) => issuer.url().is_tls(),
        KeySource::Url(url) => url.is_tls(),
        KeySource::Pinned(_) => false,
    };
    let http = ProviderHttp::new(tenants.values().flatten().any(needs_tls))?;
    Ok(Workloads::new(tenants, &http, former))
}

/// How often it is looked whether keys are missing or soon old.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Keeps the keys known of issuers whose JWTs count at the door, for ever. Drop the future to stop it.
pub(super) async fn keep_keys(shared: Arc<ArcSwap<Workloads>>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = shared.load_full();
        tokio::select! {
            _ = ticks.tick() => {}
            () = now.wanted() => {}
        }
        shared.load_full().refresh(SystemClock.now()).await;
    }
}

/// The issuers' files, watched, and the issuers that are at work.
pub(super) struct WatchedWorkloads {
    files: WorkloadFiles,
    shared: Arc<ArcSwap<Workloads>>,
    sessions: Sessions,
    /// What was looked at last, whether it was without mistake or not.
    seen: BTreeMap<PathBuf, Stamp>,
    /// Whether it could not be read then. That may pass without any file changing, so it is tried at each look again, and reported once.
    unread: bool,
}

impl WatchedWorkloads {
    pub(super) fn new(files: WorkloadFiles, shared: Arc<ArcSwap<Workloads>>, sessions: Sessions) -> Self {
        let seen = marks(&files);
        Self { files, shared, sessions, seen, unread: false }
    }

    /// Waits until what was changed is no longer being written.
    pub(super) fn settle(&self) {
        reload::settle(&self.seen, || marks(&self.files), || thread::sleep(reload::SETTLE));
    }

    /// Takes up changed files. Where they have mistakes, what was live stays.
    pub(super) fn look(&mut self, asked: bool) {
        let now = marks(&self.files);
        let is_same = now == std::mem::replace(&mut self.seen, now.clone());
        if is_same && !asked && !self.unread {
            return;
        }
        let was_unread = std::mem::take(&mut self.unread);
        let is_news = asked || !(is_same && was_unread);
        let former = self.shared.load();
        match live(&self.files, &former) {
            Ok(workloads) => {
                let (count, is_removed) = (workloads.count(), !workloads.keep_all_of(&former));
                self.shared.store(Arc::new(workloads));
                if is_removed {
                    // What a rule let in that is gone would be remembered.
                    self.sessions.read_all_again();
                }
                tracing::info!(cedargate.issuers = count, "the issuers that vouch for programs are taken up");
            }
            Err(error) => {
                self.unread = !matches!(&error, StartError::Workloads(WorkloadsError::Mistaken(_)));
                if is_news {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        error.type = "workloads_reload_failed",
                        "the issuers that vouch for programs have mistakes: what was live stays"
                    );
                }
            }
        }
    }
}

/// The marks of the tenants' files, and of key sets where these stand beside them.
fn marks(files: &WorkloadFiles) -> BTreeMap<PathBuf, Stamp> {
    files.dir.as_deref().map(reload::stamps).unwrap_or_default()
}
