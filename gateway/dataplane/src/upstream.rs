//! Where services are: addresses, health, and the connection to one of them.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr as InetAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use cedargate_model::{Refusal, RefusalCode};
use cedargate_policy::Route;
use pingora::lb::discovery::Static;
use pingora::lb::health_check::{HealthCheck, HealthObserve, HttpHealthCheck, TcpHealthCheck};
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, Extensions, LoadBalancer};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

/// How many backends are looked at for a healthy one.
const SELECT_ATTEMPTS_MAX: usize = 16;

/// How long neither side of an upgraded connection may say anything. Protocols on it have pings of their own.
pub(crate) const TUNNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Where one backend of a service listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A TCP socket.
    Tcp(InetAddr),
    /// A Unix socket, so that nothing else on the network reaches the service.
    Unix(PathBuf),
}

/// How a service is reached.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Its backends, at least one.
    pub addresses: Vec<Address>,
    /// The path that answers 200 while a backend is healthy; none asks only whether it accepts connections.
    pub health_path: Option<String>,
    /// How often health is asked; none takes the backends for healthy and leaves it to connecting to find out.
    pub health_interval: Option<Duration>,
    /// For establishing a connection.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Duration,
}

/// Why an upstream could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A socket path that no socket can have.
    #[error("upstream `{service}`: `{path}` is no socket path")]
    SocketPath {
        /// The service.
        service: String,
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// No address at all.
    #[error("upstream `{service}` has no address")]
    Empty {
        /// The service.
        service: String,
    },
    /// The health path is no path.
    #[error("upstream `{service}`: the health path `{path}` is malformed")]
    HealthPath {
        /// The service.
        service: String,
        /// The path.
        path: String,
    },
}

/// All services, by name.
pub struct Upstreams {
    by_service: HashMap<String, Upstream>,
}

struct Upstream {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    settings: UpstreamSettings,
}

impl Upstreams {
    /// Sets up every service's backends. Call [`Upstreams::health`] for the checks to run.
    ///
    /// # Errors
    /// The first service whose settings cannot be used.
    pub fn new(services: impl IntoIterator<Item = (String, UpstreamSettings)>) -> Result<Self, UpstreamError> {
        let mut by_service = HashMap::new();
        for (service, settings) in services {
            let balancer = Arc::new(balancer(&service, &settings)?);
            by_service.insert(service, Upstream { balancer, settings });
        }
        Ok(Self { by_service })
    }

    /// The services' names, sorted.
    pub fn services(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.by_service.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// How many backends of each service are healthy, and how many are not.
    pub fn backends(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.by_service.iter().map(|(service, upstream)| {
            let backends = upstream.balancer.backends();
            let all = backends.get_backend();
            let healthy = all.iter().filter(|backend| backends.ready(backend)).count();
            (service.as_str(), healthy, all.len() - healthy)
        })
    }

    /// The active health checks, to be run beside the proxy.
    pub fn health(&self) -> HealthChecks {
        HealthChecks { balancers: self.by_service.values().map(|upstream| upstream.balancer.clone()).collect() }
    }

    /// A healthy backend of a route's service.
    ///
    /// # Errors
    /// 503 if the service has none.
    pub(crate) fn select(&self, route: &Route) -> Result<Box<HttpPeer>, Refusal> {
        let unavailable =
            |why: &str| Refusal::new(RefusalCode::UpstreamUnavailable, format!("{why} `{}`", route.service));
        let upstream =
            self.by_service.get(&*route.service).ok_or_else(|| unavailable("no upstream is configured for"))?;
        let backend =
            upstream.balancer.select(&[], SELECT_ATTEMPTS_MAX).ok_or_else(|| unavailable("no healthy backend of"))?;
        let mut peer = peer(&backend.addr).ok_or_else(|| unavailable("an unusable address of"))?;
        let options = &mut peer.options;
        options.connection_timeout = Some(upstream.settings.connect_timeout);
        options.total_connection_timeout = Some(upstream.settings.connect_timeout);
        options.idle_timeout = Some(upstream.settings.idle_timeout);
        options.write_timeout = Some(route.timeout);
        (options.read_timeout, options.http_upstream_request_policy) = match route.upgrade {
            Some(_) => (Some(TUNNEL_IDLE_TIMEOUT), HttpUpstreamRequestPolicy::standard()),
            None => (Some(route.timeout), HttpUpstreamRequestPolicy::deny_upgrades()),
        };
        Ok(peer)
    }
}

fn peer(address: &SocketAddr) -> Option<Box<HttpPeer>> {
    match address {
        SocketAddr::Inet(address) => Some(Box::new(HttpPeer::new(address, false, String::new()))),
        SocketAddr::Unix(address) => {
            let path = address.as_pathname()?.to_str()?;
            HttpPeer::new_uds(path, false, String::new()).ok().map(Box::new)
        }
    }
}

fn balancer(service: &str, settings: &UpstreamSettings) -> Result<LoadBalancer<RoundRobin>, UpstreamError> {
    let mut backends = BTreeSet::new();
    for address in &settings.addresses {
        let addr = match address {
            Address::Tcp(address) => SocketAddr::Inet(*address),
            Address::Unix(path) => SocketAddr::Unix(UnixAddr::from_pathname(path).map_err(|source| {
                UpstreamError::SocketPath { service: service.to_owned(), path: path.display().to_string(), source }
            })?),
        };
        backends.insert(Backend { addr, weight: 1, ext: Extensions::new() });
    }
    if backends.is_empty() {
        return Err(UpstreamError::Empty { service: service.to_owned() });
    }
    let mut backends = Backends::new(Static::new(backends));
    if settings.health_interval.is_some() {
        backends.set_health_check(health_check(service, settings)?);
    }
    let mut balancer = LoadBalancer::from_backends(backends);
    balancer.health_check_frequency = settings.health_interval;
    balancer.parallel_health_check = true;
    // The backends are a fixed list, so one look publishes them, and no request comes before it.
    let _ = pin!(balancer.update()).poll(&mut Context::from_waker(Waker::noop()));
    Ok(balancer)
}

fn health_check(
    service: &str,
    settings: &UpstreamSettings,
) -> Result<Box<dyn HealthCheck + Send + Sync>, UpstreamError> {
    let observer = Box::new(HealthLog { service: service.to_owned() });
    let Some(path) = &settings.health_path else {
        let mut check = TcpHealthCheck::new();
        check.health_changed_callback = Some(observer);
        check.peer_template.options.connection_timeout = Some(settings.connect_timeout);
        return Ok(check);
    };
    let mut check = HttpHealthCheck::new(service, false);
    check.health_changed_callback = Some(observer);
    check.peer_template.options.connection_timeout = Some(settings.connect_timeout);
    check.peer_template.options.read_timeout = Some(settings.connect_timeout);
    let uri =
        path.parse().map_err(|_| UpstreamError::HealthPath { service: service.to_owned(), path: path.clone() })?;
    check.req.set_uri(uri);
    Ok(Box::new(check))
}

/// Says in the log when a backend comes or goes.
struct HealthLog {
    service: String,
}

#[async_trait]
impl HealthObserve for HealthLog {
    async fn observe(&self, backend: &Backend, healthy: bool) {
        let address = backend.addr.to_string();
        if healthy {
            tracing::info!(cedargate.service = self.service, server.address = address, "a backend is healthy");
        } else {
            tracing::warn!(cedargate.service = self.service, server.address = address, "a backend is not healthy");
        }
    }
}

/// Runs the health checks of all services until shutdown.
pub struct HealthChecks {
    balancers: Vec<Arc<LoadBalancer<RoundRobin>>>,
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
