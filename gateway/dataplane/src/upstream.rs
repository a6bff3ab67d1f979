//! Where services are: addresses, health, and the connection to one of them.

mod health;
mod reach;
mod tls;
mod tunnel;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr as InetAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use cedargate_model::{Refusal, RefusalCode};
use cedargate_policy::Route;
use http::Version;
use pingora::lb::discovery::Static;
use pingora::lb::health_check::HealthCheck;
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, Extensions, LoadBalancer};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

use self::health::{Check, Connectors};
use self::reach::Reach;
use self::tunnel::Gated;
use crate::tls::TlsError;

pub use self::health::HealthChecks;
pub use self::reach::Protocol;
pub use self::tls::{Authorities, ClientCertificateFiles, ServerName, ServerNameError, UpstreamTls};
pub(crate) use self::tunnel::Gate;

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
    /// What they speak.
    pub protocol: Protocol,
    /// TLS to them; none for connections that nobody else can listen to.
    pub tls: Option<UpstreamTls>,
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
    /// TLS to the service cannot be set up.
    #[error("upstream `{service}`: TLS cannot be set up")]
    Tls {
        /// The service.
        service: String,
        /// Why not.
        #[source]
        source: Box<TlsError>,
    },
}

/// All services, by name.
pub struct Upstreams {
    by_service: HashMap<String, Upstream>,
}

struct Upstream {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    reach: Arc<Reach>,
    idle_timeout: Duration,
}

impl Upstreams {
    /// Sets up every service's backends. Call [`Upstreams::health`] for the checks to run.
    ///
    /// # Errors
    /// The first service whose settings cannot be used.
    pub fn new(services: impl IntoIterator<Item = (String, UpstreamSettings)>) -> Result<Self, UpstreamError> {
        let connectors = Arc::new(Connectors::new());
        let mut by_service = HashMap::new();
        for (service, settings) in services {
            let reach = Reach::new(settings.protocol, settings.tls.clone(), settings.connect_timeout);
            let reach = reach.map_err(|source| tls_error(&service, source))?;
            let reach = Arc::new(reach);
            let balancer = Arc::new(balancer(&service, &settings, &reach, &connectors)?);
            by_service.insert(service, Upstream { balancer, reach, idle_timeout: settings.idle_timeout });
        }
        Ok(Self { by_service })
    }

    /// Reads the files of TLS to services anew. New connections are made with what is there now; where that cannot be used,
    /// with what was.
    ///
    /// Returns what could not be used; nothing where all is well.
    pub fn reload_tls(&self) -> Vec<UpstreamError> {
        let reload = |(service, upstream): (&String, &Upstream)| {
            let failed = upstream.reach.tls.as_ref()?.reload().err()?;
            Some(tls_error(service, failed))
        };
        self.by_service.iter().filter_map(reload).collect()
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

    /// A healthy backend of a route's service. An upgrade has a connection of its own, which its gate holds shut for a moment.
    ///
    /// # Errors
    /// 503 if the service has none; 502 for an upgrade of a service that speaks HTTP/2, which has none, and for gRPC where it
    /// speaks HTTP/1.1.
    pub(crate) fn select(&self, route: &Route, upgrade: Option<&Arc<Gate>>) -> Result<Box<HttpPeer>, Refusal> {
        let unavailable =
            |why: &str| Refusal::new(RefusalCode::UpstreamUnavailable, format!("{why} `{}`", route.service));
        let upstream =
            self.by_service.get(&*route.service).ok_or_else(|| unavailable("no upstream is configured for"))?;
        if upgrade.is_some() && upstream.reach.protocol == Protocol::Http2 {
            return Err(Refusal::new(RefusalCode::UpstreamFailed, "an upgrade, and the service speaks HTTP/2"));
        }
        if route.grpc && upstream.reach.protocol == Protocol::Http1 {
            return Err(Refusal::new(RefusalCode::UpstreamFailed, "gRPC, and the service speaks HTTP/1.1"));
        }
        let backend =
            upstream.balancer.select(&[], SELECT_ATTEMPTS_MAX).ok_or_else(|| unavailable("no healthy backend of"))?;
        let mut peer = upstream.reach.peer(&backend.addr).ok_or_else(|| unavailable("an unusable address of"))?;
        let options = &mut peer.options;
        options.idle_timeout = Some(upstream.idle_timeout);
        if let Some(gate) = upgrade {
            options.custom_l4 = Some(Arc::new(Gated(Arc::clone(gate))));
            options.idle_timeout = Some(Duration::ZERO);
            peer.group_key = !peer.group_key;
        }
        let options = &mut peer.options;
        options.write_timeout = Some(route.timeout);
        (options.read_timeout, options.http_upstream_request_policy) = match route.upgrade {
            Some(_) => (Some(TUNNEL_IDLE_TIMEOUT), HttpUpstreamRequestPolicy::standard()),
            None => (Some(route.timeout), HttpUpstreamRequestPolicy::deny_upgrades()),
        };
        Ok(peer)
    }

    /// Holds a connection to what its service is said to speak: Pingora goes on in HTTP/1.1 where a handshake did not agree on
    /// HTTP/2, and what depends on it, trailers foremost, would be lost without a word.
    ///
    /// # Errors
    /// 502 where they differ.
    pub(crate) fn agree(&self, service: &str, version: Version) -> Result<(), Refusal> {
        match self.by_service.get(service).map(|upstream| upstream.reach.protocol) {
            Some(Protocol::Http2) if version != Version::HTTP_2 => {
                Err(Refusal::new(RefusalCode::UpstreamFailed, "the service did not agree on HTTP/2"))
            }
            Some(Protocol::Http1 | Protocol::Http2) | None => Ok(()),
        }
    }
}

fn tls_error(service: &str, source: TlsError) -> UpstreamError {
    UpstreamError::Tls { service: service.to_owned(), source: Box::new(source) }
}

fn balancer(
    service: &str,
    settings: &UpstreamSettings,
    reach: &Arc<Reach>,
    connectors: &Arc<Connectors>,
) -> Result<LoadBalancer<RoundRobin>, UpstreamError> {
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
        backends.set_health_check(health_check(service, settings, reach, connectors)?);
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
    reach: &Arc<Reach>,
    connectors: &Arc<Connectors>,
) -> Result<Box<dyn HealthCheck + Send + Sync>, UpstreamError> {
    let malformed = |path: &String| UpstreamError::HealthPath { service: service.to_owned(), path: path.clone() };
    let request = settings.health_path.as_ref();
    let request = request.map(|path| Check::request(service, path).ok_or_else(|| malformed(path))).transpose()?;
    let (reach, connectors) = (reach.clone(), connectors.clone());
    Ok(Box::new(Check { service: service.to_owned(), reach, request, connectors }))
}
