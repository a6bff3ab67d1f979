//! The gateway as a Pingora server: listeners in front, health checks beside, and a shutdown that finishes what it began.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server as PingoraServer, ShutdownSignal, ShutdownSignalWatch};
use pingora::services::ServiceWithDependents;
use pingora::services::background::GenBackgroundService;
use pingora::services::listening::Service;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::open::OpenExchanges;
use crate::proxy::Proxy;
use crate::stage::accept::{Door, Draining, Traffic};
use crate::tls::TlsHosts;

/// How often the drain looks whether requests are still in flight.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// How much of an answer is gathered before it is sent to a client, in octets. With Pingora's own 1,460 the head that the
/// gateway leaves and a small body are two sends: two system calls, two segments and two wakes of the client.
const CLIENT_WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// An address that clients connect to.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Address and port.
    pub address: std::net::SocketAddr,
    /// Whether they speak TLS, or plain HTTP.
    pub tls: bool,
    /// Whether HTTP/2 may begin without TLS having agreed on it (prior knowledge).
    pub prior_knowledge: bool,
}

/// How the server runs.
#[derive(Clone)]
pub struct ServerSettings {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// The certificates, where any listener has TLS.
    pub tls: Option<Arc<TlsHosts>>,
    /// Proxy threads.
    pub threads: usize,
    /// Idle connections kept to all upstreams together.
    pub upstream_connections_idle_max: usize,
    /// How long requests in flight may take to finish at shutdown.
    pub drain_timeout: Duration,
}

/// A server that is set up and not yet running.
pub struct Server {
    inner: PingoraServer,
    draining: Draining,
    traffic: Traffic,
    drain_timeout: Duration,
}

impl Server {
    /// Puts the gateway behind its listeners.
    pub fn new(gateway: Arc<Gateway>, settings: &ServerSettings) -> Self {
        let conf = ServerConf {
            threads: settings.threads,
            work_stealing: false,
            upstream_keepalive_pool_size: settings.upstream_connections_idle_max,
            grace_period_seconds: Some(0),
            graceful_shutdown_timeout_seconds: Some(1),
            ..ServerConf::default()
        };
        let mut inner = PingoraServer::new_with_opt_and_conf(None, conf);
        inner.bootstrap();

        let draining = Draining::new();
        let open = Arc::<OpenExchanges>::default();
        let proxy = Proxy { gateway: gateway.clone(), open: Arc::clone(&open) };
        let proxy = Arc::new(http_proxy(&inner.configuration, proxy));
        let health = gateway.upstreams.health();
        let (listeners, tls) = (settings.listeners.clone(), settings.tls.clone());
        let door = Door::new(proxy, gateway, draining.clone(), open, listeners, tls);
        let traffic = door.traffic();
        let mut service = Service::new("gateway".to_owned(), door);
        for listener in &settings.listeners {
            // Plain for TLS too: the door does the handshake, since it depends on the host.
            let endpoint = ListenerConfig::tcp(listener.address.to_string())
                .l4_buffer(L4BufferSettings { read: None, write: Some(CLIENT_WRITE_BUFFER_BYTES) });
            service.add_listener(endpoint);
        }
        inner.add_service(service);
        inner.add_service(GenBackgroundService::new("upstream health".to_owned(), Arc::new(health)));
        Self { inner, draining, traffic, drain_timeout: settings.drain_timeout }
    }

    /// How busy the listeners are.
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Adds another service to the process: the control plane's socket, the operator's listener.
    pub fn add(&mut self, service: impl ServiceWithDependents + 'static) {
        self.inner.add_service(service);
    }

    /// Serves until `asked` rises above zero, then lets requests in flight finish. Asked twice, it ends at once.
    pub fn run(self, asked: watch::Receiver<u32>) {
        let Self { inner, draining, drain_timeout, traffic: _ } = self;
        inner.run(RunArgs { shutdown_signal: Box::new(DrainWhenAsked { asked, draining, drain_timeout }) });
    }
}

/// Waits to be asked, then for the requests in flight.
struct DrainWhenAsked {
    asked: watch::Receiver<u32>,
    draining: Draining,
    drain_timeout: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for DrainWhenAsked {
    async fn recv(&self) -> ShutdownSignal {
        let mut asked = self.asked.clone();
        // An error says that nobody is left who could ask: as good as being asked.
        let _ = asked.wait_for(|times| *times > 0).await;
        tracing::info!(in_flight = self.draining.in_flight(), "shutting down: finishing requests in flight");
        self.draining.close();
        tokio::select! {
            () = self.drained() => {}
            _ = asked.wait_for(|times| *times > 1) => {
                tracing::warn!(in_flight = self.draining.in_flight(), "shut down at once: asked a second time");
            }
        }
        // Graceful, because only then Pingora tells its accept loops to end; its own waiting is set to nothing.
        ShutdownSignal::GracefulTerminate
    }
}

impl DrainWhenAsked {
    async fn drained(&self) {
        let begun = Instant::now();
        while self.draining.in_flight() > 0 {
            if begun.elapsed() > self.drain_timeout {
                tracing::warn!(
                    in_flight = self.draining.in_flight(),
                    "requests were cut: they outlasted the drain time"
                );
                return;
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        tracing::info!("every request in flight has finished");
    }
}
