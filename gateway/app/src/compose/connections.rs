//! From configured connections to the ones at work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use cedargate_idp_adapters::connection::{Client, Connection, ConnectionKind, Connections, LiveConnection};
use cedargate_idp_adapters::oidc::{OidcClient, ProviderHttp};
use cedargate_idp_adapters::saml::SamlClient;
use cedargate_model::RoleName;

use super::StartError;
use super::reload::{self, Stamp};
use super::sites::known_roles;
use crate::config::{ConnectionFiles, ConnectionsError, EachRead, Environment, SecretUse, TenantConnections};

/// Reads every tenant's connections, and checks them against the roles that there are.
pub(crate) fn read(
    files: &ConnectionFiles,
    policies: &Path,
    secrets: SecretUse,
) -> Result<TenantConnections, StartError> {
    if files.dir.is_none() {
        return Ok(BTreeMap::new());
    }
    let roles = roles(policies)?;
    Ok(files.load(&roles, &Environment::of_process(), secrets)?)
}

/// The same for a gateway that runs: one tenant's mistakes are not another's.
fn read_each(files: &ConnectionFiles, policies: &Path) -> Result<EachRead, StartError> {
    if files.dir.is_none() {
        return Ok(EachRead::default());
    }
    let roles = roles(policies)?;
    Ok(files.load_each(&roles, &Environment::of_process(), SecretUse::Needed)?)
}

fn roles(policies: &Path) -> Result<Vec<RoleName>, StartError> {
    known_roles(policies).map_err(|problems| StartError::Policies { dir: policies.to_owned(), problems })
}

/// Puts them to work. A connection that is as it was before keeps what is known of its provider.
pub(super) fn live(tenants: TenantConnections, former: &Connections) -> Result<Connections, StartError> {
    let needs_tls = |connection: &Connection| match &connection.kind {
        ConnectionKind::Oidc(settings) => settings.issuer.url().is_tls(),
        // It is never called: the browser carries everything.
        ConnectionKind::Saml(_) => false,
    };
    let http = ProviderHttp::new(tenants.values().flatten().any(needs_tls))?;
    let mut made = BTreeMap::new();
    for (tenant, connections) in tenants {
        let live = connections.into_iter().map(|connection| {
            let as_before = former.find(&tenant, connection.name.as_str());
            if let Some(same) = as_before.filter(|live| live.connection == connection) {
                return Arc::clone(same);
            }
            let client = match &connection.kind {
                ConnectionKind::Oidc(settings) => {
                    Client::Oidc(Box::new(OidcClient::new(settings.clone(), http.clone())))
                }
                ConnectionKind::Saml(settings) => Client::Saml(Arc::new(SamlClient::new(settings.clone()))),
            };
            Arc::new(LiveConnection { connection, client })
        });
        let live: Vec<_> = live.collect();
        made.insert(tenant, live);
    }
    Ok(Connections::new(made))
}

/// The connections' files, watched, and the connections that are at work.
pub(super) struct Watched {
    files: ConnectionFiles,
    policies: PathBuf,
    shared: Arc<ArcSwap<Connections>>,
    /// What was looked at last, whether it was without mistake or not.
    seen: BTreeMap<PathBuf, Stamp>,
    /// Whether it could not be read then. That may pass without any file changing, so it is tried at each look again, and reported once.
    unread: bool,
}

impl Watched {
    pub(super) fn new(files: ConnectionFiles, policies: PathBuf, shared: Arc<ArcSwap<Connections>>) -> Self {
        let seen = marks(&files);
        Self { files, policies, shared, seen, unread: false }
    }

    /// Waits until what was changed is no longer being written.
    pub(super) fn settle(&self) {
        reload::settle(&self.seen, || marks(&self.files), || thread::sleep(reload::SETTLE));
    }

    /// Takes up changed files. Where a tenant's has mistakes, what was live of it stays.
    pub(super) fn look(&mut self, asked: bool) {
        let now = marks(&self.files);
        let is_same = now == std::mem::replace(&mut self.seen, now.clone());
        if is_same && !asked && !self.unread {
            return;
        }
        let was_unread = std::mem::take(&mut self.unread);
        let is_news = asked || !(is_same && was_unread);
        let failed = |error: StartError| {
            if is_news {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    error.type = "connections_reload_failed",
                    "the connections to identity providers have mistakes: what was live stays"
                );
            }
        };
        let former = self.shared.load();
        let made = read_each(&self.files, &self.policies);
        let made = made.and_then(|EachRead { tenants, mistaken, mistakes }| {
            Ok((live(tenants, &former)?.with_former(mistaken, &former), mistakes))
        });
        match made {
            Ok((connections, mistakes)) => {
                let count = connections.count();
                self.shared.store(Arc::new(connections));
                tracing::info!(cedargate.connections = count, "the connections to identity providers are taken up");
                if !mistakes.is_empty() {
                    failed(ConnectionsError::Mistaken(mistakes).into());
                }
            }
            Err(error) => {
                self.unread = true;
                failed(error);
            }
        }
    }
}

/// The marks of the tenants' files, and of the secrets where these stand beside them.
fn marks(files: &ConnectionFiles) -> BTreeMap<PathBuf, Stamp> {
    files.dir.as_deref().map(reload::stamps).unwrap_or_default()
}

impl StartError {
    /// Whether a mistake in a connection's file is to blame.
    pub(super) fn is_mistaken_connection(error: &ConnectionsError) -> bool {
        match error {
            ConnectionsError::Mistaken(_) => true,
            ConnectionsError::Unreadable { .. } => false,
        }
    }
}
