//! The control plane: one more upstream of the walk, on a socket that only this user reaches.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use async_trait::async_trait;
use axum::Router;
use cedargate_audit::{Priority, Spool};
use cedargate_controlplane::{RecordUnavailable, Recorder};
use cedargate_model::{Event, EventBody};
use pingora::services::listening::Service;

use super::http_app::HttpApp;

/// The socket's name in the state directory.
pub(super) const CONTROL_SOCKET: &str = "control.sock";

/// Threads of the control plane. What takes long, password hashes, runs beside them.
const THREADS: usize = 1;

/// Records what the control plane does in the gateway's one record.
pub(super) struct SpoolRecorder(pub(super) Spool);

#[async_trait]
impl Recorder for SpoolRecorder {
    async fn record(&self, event: Event) -> Result<(), RecordUnavailable> {
        let unavailable = |error| RecordUnavailable(Box::new(error));
        let ticket = self.0.record(&event, priority(&event)).map_err(unavailable)?;
        ticket.durable().await.map(drop).map_err(unavailable)
    }
}

/// Strangers who fail to sign in leave room for people who are known.
fn priority(event: &Event) -> Priority {
    match &event.body {
        EventBody::Signin(signin) if signin.principal.is_none() => Priority::Unknown,
        EventBody::Admission(done) if done.principal.is_none() => Priority::Unknown,
        EventBody::Token(done) if done.principal.is_none() => Priority::Unknown,
        _ => Priority::Known,
    }
}

/// The router as a service on its socket.
pub(super) fn service(router: Router, socket: &Path) -> Service<HttpApp> {
    let mut service = Service::new("control plane".to_owned(), HttpApp::new(router));
    service.add_uds(&socket.to_string_lossy(), Some(Permissions::from_mode(0o600)));
    service.threads = Some(THREADS);
    service
}
