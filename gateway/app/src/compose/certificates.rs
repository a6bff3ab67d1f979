//! The certificates that clients are shown: read at start, watched, and told to the operator.

use std::path::PathBuf;
use std::sync::Arc;

use cedargate_dataplane::{CertificateFiles, Gateway, HostExpiry, Metrics, TlsHosts, UpstreamTls};
use cedargate_model::{Clock as _, Micros, SystemClock};

use super::StartError;
use crate::config::Config;

/// A certificate that ends within so many days is spoken of: half of what is usually left when renewal begins.
const ENDING_DAYS: i64 = 14;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The files of certificates and keys, towards clients and towards services, for those who watch them.
pub(super) fn watched(config: &Config) -> Vec<PathBuf> {
    let own = config.listen.certificates.iter().flat_map(|certificate| [&certificate.certificate, &certificate.key]);
    let upstreams = config.upstreams.values().filter_map(|upstream| upstream.tls.as_ref()).flat_map(UpstreamTls::files);
    let clients = config.listen.client_certificates.iter().map(|asked| &asked.authorities);
    own.chain(clients).chain(upstreams).cloned().collect()
}

/// Reads every certificate; none where no listener has TLS.
pub(super) fn load(config: &Config) -> Result<Option<Arc<TlsHosts>>, StartError> {
    if !config.listen.listeners.iter().any(|listener| listener.tls) {
        return Ok(None);
    }
    let files = config.listen.certificates.iter().map(|certificate| CertificateFiles {
        certificate: certificate.certificate.clone(),
        key: certificate.key.clone(),
        default: certificate.default,
    });
    Ok(Some(Arc::new(TlsHosts::load(files.collect(), config.listen.client_certificates.clone(), config.listen.http2)?)))
}

/// Counts and says until when certificates are valid.
pub(super) fn tell(hosts: &TlsHosts, metrics: &Metrics) {
    let expiry = hosts.expiry();
    metrics.certificates(&expiry);
    for warning in warnings(&expiry, SystemClock.now()) {
        tracing::warn!("{warning}");
    }
}

/// What an operator should know of certificates that serve.
pub(super) fn warnings(expiry: &[HostExpiry], now: Micros) -> Vec<String> {
    let now = now.0 / 1_000_000;
    let warn = |host: &HostExpiry| {
        let (name, file) = (&host.host, host.certificate.display());
        let left = host.valid_to - now;
        match left {
            _ if host.valid_from > now => Some(format!("the certificate of `{name}` is not valid yet (`{file}`)")),
            ..0 => Some(format!("the certificate of `{name}` has expired (`{file}`)")),
            _ if left < ENDING_DAYS * DAY_SECONDS => {
                Some(format!("the certificate of `{name}` expires in {} days (`{file}`)", left / DAY_SECONDS))
            }
            _ => None,
        }
    };
    expiry.iter().filter_map(warn).collect()
}

/// Takes up what has changed of TLS to services.
pub(super) fn reload_upstreams(gateway: &Gateway) {
    for error in gateway.upstreams.reload_tls() {
        gateway.metrics.tls_reload_failed();
        tracing::error!(
            error.type = "tls_reload_failed",
            error = &error as &dyn std::error::Error,
            "a service's TLS cannot be taken up: the former one stays"
        );
    }
}

/// Takes up what has changed of TLS to clients.
pub(super) fn reload(hosts: &TlsHosts, metrics: &Metrics) {
    let failed = hosts.reload();
    for error in &failed {
        metrics.tls_reload_failed();
        tracing::error!(
            error.type = "tls_reload_failed",
            error = error as &dyn std::error::Error,
            "a certificate cannot be taken up: the former one stays"
        );
    }
    tell(hosts, metrics);
    let names = hosts.expiry().len();
    tracing::info!(cedargate.tls.hosts = names, cedargate.tls.failed = failed.len(), "certificates were read anew");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(valid_from: i64, valid_to: i64) -> Option<String> {
        let host = HostExpiry { host: "a.example".into(), valid_from, valid_to, certificate: "a.pem".into() };
        let mut warnings = warnings(&[host], Micros(1_000 * DAY_SECONDS * 1_000_000));
        assert!(warnings.len() <= 1);
        warnings.pop()
    }

    #[test]
    fn what_is_not_valid_now_or_not_for_long_is_told() {
        let day = DAY_SECONDS;
        assert!(warned(1_001 * day, 2_000 * day).unwrap().contains("not valid yet"));
        assert!(warned(0, 999 * day).unwrap().contains("has expired"));
        assert!(warned(0, 1_013 * day).unwrap().contains("expires in 13 days"));
        assert_eq!(warned(0, 1_014 * day), None);
    }
}
