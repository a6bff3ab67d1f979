//! An axum router as a service of the Pingora server: same process, same shutdown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;

/// From a connection's first octet of a head to its last.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A router that answers HTTP/1.1 on whatever stream a listener gives it.
pub(super) struct HttpApp {
    router: Router,
}

impl HttpApp {
    pub(super) fn new(router: Router) -> Self {
        Self { router }
    }
}

#[async_trait]
impl ServerApp for HttpApp {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut shutdown = shutdown.clone();
        let stopped = async move {
            // A server that is gone has stopped, too.
            let _stopped = shutdown.wait_for(|stopping| *stopping).await;
        };
        // A client that breaks off, or sends what is no HTTP, has nobody to complain to here.
        tokio::select! {
            _served = connection.as_mut() => {}
            () = stopped => {
                connection.as_mut().graceful_shutdown();
                let _served = connection.await;
            }
        }
        None
    }
}
