//! The internal listener: services say there what they did. Clients have no way to it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use cedargate_audit::Spool;
use cedargate_dataplane::{Gateway, metrics};
use cedargate_ingest::{CredentialFile, Desk, DeskSettings, Outcome, Surface, router};
use cedargate_model::TenantId;
use pingora::services::listening::Service;

use super::http_app::HttpApp;
use super::{StartError, listeners};
use crate::config::{Backend, Config};

/// Threads of the listener. Reading the record goes on beside them.
const THREADS: usize = 1;

/// How long after its request's body has arrived a decision stands in the record at the latest.
const RECORDED_AFTER_BODY: Duration = Duration::from_secs(10);

/// Whether the place can be had, asked before the server starts.
pub(super) fn check_place(config: &Config) -> Result<(), StartError> {
    match &config.ingest.listen {
        Backend::Unix(socket) => listeners::check_socket(socket),
        Backend::Tcp(address) => listeners::bind("ingest.listen", *address),
    }
}

/// The listener as a service; none where nothing is recorded, for then nothing that is said would be kept.
pub(super) fn service(config: &Config, gateway: &Arc<Gateway>, spool: Spool) -> Option<Service<HttpApp>> {
    if config.danger.recording_off {
        return None;
    }
    let (tenants, counted) = (Arc::clone(gateway), Arc::clone(gateway));
    let desk = Desk::new(DeskSettings {
        spool,
        audit_dir: config.audit.dir.clone(),
        tenants: Arc::new(move |tenant: TenantId| tenants.sites.load().name_of(tenant)),
        count: Arc::new(move |outcome, events| counted.metrics.count(metrics::SERVICE_EVENTS, &[outcome], events)),
        clock: Arc::clone(&gateway.clock),
        recorded_within: config.limits.body_timeout.saturating_add(RECORDED_AFTER_BODY),
    });
    for word in Outcome::WORDS {
        gateway.metrics.count(metrics::SERVICE_EVENTS, &[word], 0);
    }
    let surface = Surface {
        desk,
        credentials: CredentialFile::new(&config.ingest.credentials_file),
        events_per_second: config.ingest.events_per_second,
        clock: Arc::clone(&gateway.clock),
    };
    let mut service = Service::new("service events".to_owned(), HttpApp::new(router(surface)));
    match &config.ingest.listen {
        // Who may connect must still show a credential; the mode keeps everybody else from even trying.
        Backend::Unix(socket) => service.add_uds(&socket.to_string_lossy(), Some(Permissions::from_mode(0o660))),
        Backend::Tcp(address) => service.add_tcp(&address.to_string()),
    }
    service.threads = Some(THREADS);
    Some(service)
}
