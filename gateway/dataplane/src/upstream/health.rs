//! Is a backend healthy? It is asked in the way in which requests are sent: same protocol, same TLS.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::connectors::{TransportConnector, http};
use pingora::http::RequestHeader;
use pingora::lb::health_check::HealthCheck;
use pingora::lb::{Backend, LoadBalancer, selection::RoundRobin};
use pingora::protocols::http::client::HttpSession;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::reach::{Protocol, Reach};

/// Connects for the checks of every service; keeps nothing.
pub(super) struct Connectors {
    transport: TransportConnector,
    http: http::Connector,
}

impl Connectors {
    pub(super) fn new() -> Self {
        Self { transport: TransportConnector::new(None), http: http::Connector::new(None) }
    }
}

/// Asks one service's backends.
pub(super) struct Check {
    pub(super) service: String,
    pub(super) reach: Arc<Reach>,
    /// What is asked for; none asks only whether a connection can be made, its TLS included.
    pub(super) request: Option<RequestHeader>,
    pub(super) connectors: Arc<Connectors>,
}

impl Check {
    /// The request for a health path.
    pub(super) fn request(service: &str, path: &str) -> Option<RequestHeader> {
        let path: ::http::uri::PathAndQuery = path.parse().ok()?;
        let mut request = RequestHeader::build("GET", path.as_str().as_bytes(), None).ok()?;
        request.append_header(::http::header::HOST, service).ok()?;
        Some(request)
    }

    async fn ask(&self, target: &Backend) -> Result<()> {
        let unusable = || Error::explain(ErrorType::InternalError, "an unusable address");
        let mut peer = self.reach.peer(&target.addr).ok_or_else(unusable)?;
        // One to a connection: none is kept.
        peer.options.max_h2_streams = 1;
        let Some(request) = &self.request else {
            return self.connectors.transport.new_stream(&*peer).await.map(drop);
        };
        let (mut session, _) = self.connectors.http.get_http_session(&*peer).await?;
        if self.reach.protocol == Protocol::Http2 && !matches!(session, HttpSession::H2(_)) {
            return Error::e_explain(ErrorType::H2Error, "HTTP/2 was not agreed on");
        }
        session.write_request_header(Box::new(request.clone())).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map(|response| response.status.as_u16());
        if status != Some(200) {
            return Error::e_explain(ErrorType::HTTPStatus(status.unwrap_or_default()), "not 200");
        }
        while session.read_response_body().await?.is_some() {}
        Ok(())
    }
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> Result<()> {
        // Once for the connection, once for the answer.
        let patience = 2 * self.reach.connect_timeout;
        let late = |_| Error::explain(ErrorType::ReadTimedout, "no answer to a health check in time");
        timeout(patience, self.ask(target)).await.map_err(late)?
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let (service, address) = (self.service.as_str(), target.addr.to_string());
        if healthy {
            tracing::info!(cedargate.service = service, server.address = address, "a backend is healthy");
        } else {
            tracing::warn!(cedargate.service = service, server.address = address, "a backend is not healthy");
        }
    }

    fn health_threshold(&self, _healthy: bool) -> usize {
        1
    }
}

/// Runs the health checks of all services until shutdown.
pub struct HealthChecks {
    pub(super) balancers: Vec<Arc<LoadBalancer<RoundRobin>>>,
}

#[async_trait]
impl BackgroundService for HealthChecks {
    async fn start(&self, shutdown: ShutdownWatch) {
        let mut checks = Vec::new();
        for balancer in &self.balancers {
            let (balancer, shutdown) = (balancer.clone(), shutdown.clone());
            checks.push(tokio::spawn(async move { balancer.start(shutdown).await }));
        }
        for check in checks {
            if let Err(error) = check.await {
                tracing::error!(%error, "a health check ended");
            }
        }
    }
}
