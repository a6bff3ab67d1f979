//! The operator's listener: `/healthz`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use cedargate_dataplane::{Gateway, Sites};
use cedargate_migrations::{GATEWAY, Pool};
use pingora::services::listening::Service;
use serde::Serialize;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::figures::Figures;
use super::http_app::HttpApp;
use super::signals::Stop;

/// How long the gateway's own listeners may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// What the operator's listener looks at.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) gateway: Arc<Gateway>,
    pub(super) pool: Pool,
    /// Where clients connect.
    pub(super) listeners: Arc<[SocketAddr]>,
    /// Where the control plane answers.
    pub(super) control: Arc<Path>,
    /// Whether the process was asked to end.
    pub(super) stop: Stop,
    /// What the metrics are read from.
    pub(super) figures: Figures,
}

impl Admin {
    /// Whether every listener takes a connection, and so does the control plane.
    async fn is_listening(&self) -> bool {
        let connect = async {
            for listener in self.listeners.iter() {
                TcpStream::connect(listener).await?;
            }
            UnixStream::connect(&self.control).await
        };
        matches!(timeout(CONNECT_TIMEOUT, connect).await, Ok(Ok(_)))
    }
}

/// What the probes answer.
#[derive(Debug, Serialize)]
struct Health {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// The listener as a service.
pub(super) fn service(admin: Admin, address: SocketAddr) -> Service<HttpApp> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(admin);
    let mut service = Service::new("operator".to_owned(), HttpApp::new(router));
    service.add_tcp(&address.to_string());
    service.threads = Some(1);
    service
}

/// The process answers, and its store does.
async fn healthz(State(admin): State<Admin>) -> Response {
    let store = Check::of("store", admin.pool.ping().await.is_ok(), "the store does not answer");
    health(vec![Check::of("process", true, ""), store])
}

/// The gateway may be sent requests.
async fn readyz(State(admin): State<Admin>) -> Response {
    let migrated = admin.pool.migrated(&GATEWAY).await.is_ok_and(|migrated| migrated.is_current());
    health(vec![
        Check::of("listeners", admin.is_listening().await, "a listener does not accept connections yet"),
        Check::of("migrations", migrated, "the store does not answer, or lacks migrations"),
        Check::of("spool", admin.gateway.spool.writable(), "the audit log cannot be written"),
        snapshots(&admin.gateway.sites.load()),
        Check::of("accepting", !admin.stop.is_asked(), "the gateway is shutting down"),
    ])
}

/// Somebody can be answered. A tenant whose first policies have mistakes is refused by itself; it takes nobody else's
/// gateway away.
fn snapshots(sites: &Sites) -> Check {
    let (loaded, missing): (Vec<_>, Vec<_>) = sites.iter().partition(|site| site.snapshot.is_some());
    let detail = match missing.len() {
        0 => String::new(),
        count => format!("{count} tenants have no snapshot; see the log"),
    };
    Check { name: "snapshots", ok: !loaded.is_empty(), detail }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    admin.figures.refresh().await;
    match admin.gateway.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn health(checks: Vec<Check>) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(Health { ok, checks })).into_response()
}

impl Check {
    /// `otherwise` is said where it fails.
    fn of(name: &'static str, ok: bool, otherwise: &'static str) -> Self {
        Self { name, ok, detail: if ok { String::new() } else { otherwise.to_owned() } }
    }
}
