//! From configured issuers of programs' tokens to the ones at work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use cedargate_idp_adapters::oidc::ProviderHttp;
use cedargate_idp_adapters::workload::{KeySource, WorkloadSettings, Workloads};

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

/// The issuers' files, watched, and the issuers that are at work.
pub(super) struct WatchedWorkloads {
    files: WorkloadFiles,
    shared: Arc<ArcSwap<Workloads>>,
    /// What was looked at last, whether it was without mistake or not.
    seen: BTreeMap<PathBuf, Stamp>,
    /// Whether it could not be read then. That may pass without any file changing, so it is tried at each look again, and reported once.
    unread: bool,
}

impl WatchedWorkloads {
    pub(super) fn new(files: WorkloadFiles, shared: Arc<ArcSwap<Workloads>>) -> Self {
        let seen = marks(&files);
        Self { files, shared, seen, unread: false }
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
        match live(&self.files, &self.shared.load()) {
            Ok(workloads) => {
                let count = workloads.count();
                self.shared.store(Arc::new(workloads));
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
