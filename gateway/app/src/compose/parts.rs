//! From checked configuration to the data plane's own types.

use std::sync::Arc;

use cedargate_audit::SpoolSettings;
use cedargate_controlplane::ServiceLink;
use cedargate_dataplane::{
    Address, HeadLimits, Listener, Protocol, Quotas, Rate, RateLimiter, ServerSettings, Settings, StreamLimits,
    TlsHosts, TrustedProxies, UpstreamSettings, Upstreams,
};
use cedargate_waf::Engine;

use super::StartError;
use super::control::CONTROL_SOCKET;
use crate::config::{self, Backend, Config, OWN_SERVICE, Upstream, check_socket_path};

/// Bounds and times of the data plane.
pub(crate) fn settings(config: &Config) -> Result<Settings, StartError> {
    let limits = &config.limits;
    Ok(Settings {
        head: HeadLimits {
            line_bytes_max: limits.line_bytes_max,
            head_bytes_max: limits.head_bytes_max,
            headers_max: limits.headers_max,
        },
        head_timeout: limits.head_timeout,
        streams: StreamLimits {
            streams_max: limits.streams_max,
            control_frames_max: limits.control_frames_max,
            resets_max: limits.stream_resets_max,
        },
        connections_max: limits.connections_max,
        address_connections_max: limits.address_connections_max,
        handshake_timeout: limits.handshake_timeout,
        idle_timeout: limits.idle_timeout,
        body_timeout: limits.body_timeout,
        trusted_proxies: TrustedProxies::parse(&config.listen.trusted_proxies)?,
        inspection_threshold: config.inspection.threshold,
        rules: config.inspection.rules.clone(),
        access_log: config.telemetry.access_log,
        danger_inspection_off: config.danger.inspection_off,
    })
}

/// Inspection. The gateway's own cookies are random and secret: nobody needs to look at them.
pub(crate) fn engine() -> Result<Engine, StartError> {
    let own_cookies = ["__Host-cedargate", "cedargate"].map(ToOwned::to_owned).to_vec();
    Ok(Engine::new(cedargate_waf::Settings { own_cookies, ..Default::default() })?)
}

pub(super) fn addresses(config: &Config) -> Result<RateLimiter, StartError> {
    Ok(RateLimiter::new(rate(config.limits.address)?, config.limits.rate_keys_max))
}

pub(super) fn quotas(config: &Config) -> Result<Quotas, StartError> {
    let limits = &config.limits;
    Ok(Quotas::new(rate(limits.principal)?, rate(limits.tenant)?, limits.rate_keys_max, Quotas::TENANTS_MAX))
}

fn rate(rate: config::Rate) -> Result<Rate, StartError> {
    Ok(Rate::new(rate.requests, rate.window_seconds)?)
}

/// Every service, the gateway's own among them.
pub(super) fn upstreams(config: &Config) -> Result<Upstreams, StartError> {
    let socket = config.store.state_dir.join(CONTROL_SOCKET);
    check_socket_path(&socket).map_err(StartError::SocketPath)?;
    let own = UpstreamSettings {
        addresses: vec![Address::Unix(socket)],
        protocol: Protocol::Http1,
        tls: None,
        health_path: None,
        // It lives and dies with this process.
        health_interval: None,
        connect_timeout: std::time::Duration::from_secs(1),
        idle_timeout: std::time::Duration::from_secs(30),
    };
    let configured = config.upstreams.iter().map(|(name, upstream)| (name.clone(), upstream_settings(upstream)));
    Ok(Upstreams::new(std::iter::once((OWN_SERVICE.to_owned(), own)).chain(configured))?)
}

fn upstream_settings(upstream: &Upstream) -> UpstreamSettings {
    let address = |backend: &Backend| match backend {
        Backend::Tcp(address) => Address::Tcp(*address),
        Backend::Unix(path) => Address::Unix(path.clone()),
    };
    UpstreamSettings {
        addresses: upstream.addresses.iter().map(address).collect(),
        protocol: upstream.protocol,
        tls: upstream.tls.clone(),
        health_path: upstream.health_path.clone(),
        health_interval: Some(upstream.health_interval),
        connect_timeout: upstream.connect_timeout,
        idle_timeout: upstream.idle_timeout,
    }
}

/// What the portal links to.
pub(super) fn service_links(config: &Config) -> Vec<ServiceLink> {
    let portals = config.upstreams.values().filter_map(|upstream| upstream.portal.as_ref());
    portals
        .map(|portal| ServiceLink {
            title: portal.title.clone(),
            about: portal.about.clone(),
            href: portal.path.clone(),
        })
        .collect()
}

pub(super) fn spool(config: &Config) -> SpoolSettings {
    let audit = &config.audit;
    SpoolSettings {
        dir: audit.dir.clone(),
        instance: audit.instance.clone(),
        segment_bytes: audit.segment_bytes,
        head_interval: audit.head_interval,
        queue_bytes_max: audit.queue_bytes_max,
        commit_interval: audit.commit_interval,
        fold_after: audit.fold_after,
        danger_sync_delay: config.danger.sync_delay,
    }
}

pub(super) fn server(config: &Config, tls: Option<Arc<TlsHosts>>) -> ServerSettings {
    let listener = |listener: &config::Listener| Listener {
        address: listener.address,
        tls: listener.tls,
        prior_knowledge: listener.prior_knowledge,
    };
    ServerSettings {
        listeners: config.listen.listeners.iter().map(listener).collect(),
        tls,
        threads: config.listen.threads,
        upstream_connections_idle_max: config.limits.upstream_connections_idle_max,
        drain_timeout: config.listen.drain_timeout,
    }
}
