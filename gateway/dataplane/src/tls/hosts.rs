//! Which certificate a host's clients get: an immutable table behind an atomic pointer, built aside and swapped in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedargate_model::Host;
use rustls::crypto::ring;
use rustls::server::ServerConfig;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::certificate::{Certificate, CertificateFiles, TlsError};

/// Every certificate that clients may be shown.
pub struct TlsHosts {
    files: Vec<CertificateFiles>,
    protocols: Vec<Vec<u8>>,
    live: ArcSwap<Table>,
    /// What was read last and could be used, in the order of `files`.
    loaded: Mutex<Vec<Certificate>>,
}

/// Until when a host's certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostExpiry {
    /// The host name as the certificate has it.
    pub host: String,
    /// From when on, in seconds since 1970.
    pub valid_from: i64,
    /// Until when, in seconds since 1970.
    pub valid_to: i64,
    /// The certificate's file.
    pub certificate: PathBuf,
}

/// The settings for each name.
struct Table {
    /// By whole name.
    exact: HashMap<String, Arc<ServerConfig>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<ServerConfig>>,
    /// For everybody else.
    default: Option<Arc<ServerConfig>>,
    expiry: Vec<HostExpiry>,
}

/// What the ClientHello's name leads to.
pub(super) enum Chosen {
    Settings(Arc<ServerConfig>),
    /// It names no host.
    Nameless,
    /// There is no certificate for the host that it names.
    Unknown,
}

impl TlsHosts {
    /// Reads every certificate. `http2` offers HTTP/2 beside HTTP/1.1 (ALPN).
    ///
    /// # Errors
    /// The first certificate that cannot be used, or two for one name.
    pub fn load(files: Vec<CertificateFiles>, http2: bool) -> Result<Self, TlsError> {
        let loaded = files.iter().map(Certificate::load).collect::<Result<Vec<_>, _>>()?;
        let protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let live = ArcSwap::from_pointee(Table::build(&loaded, &protocols)?);
        Ok(Self { files, protocols, live, loaded: Mutex::new(loaded) })
    }

    /// Reads every certificate anew and takes up those that can be used. A name's former certificate stays where its new
    /// one cannot be used. Connections that are open keep what they were opened with.
    ///
    /// Returns what could not be used; nothing where all is well.
    pub fn reload(&self) -> Vec<TlsError> {
        // One at a time, or an older reading could be swapped in last.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failed = Vec::new();
        let mut fresh = Vec::with_capacity(self.files.len());
        for (files, former) in self.files.iter().zip(loaded.iter()) {
            match Certificate::load(files) {
                Ok(certificate) => fresh.push(certificate),
                Err(error) => {
                    failed.push(error);
                    fresh.push(former.clone());
                }
            }
        }
        if Table::build(&fresh, &self.protocols).is_err() {
            fresh = self.those_that_fit(&loaded, fresh, &mut failed);
        }
        match Table::build(&fresh, &self.protocols) {
            Ok(table) => {
                self.live.store(Arc::new(table));
                *loaded = fresh;
            }
            Err(error) => failed.push(error),
        }
        failed
    }

    /// Of new certificates that cannot all serve together, those that can: each takes its former one's place unless it
    /// collides with the others.
    fn those_that_fit(
        &self,
        loaded: &[Certificate],
        fresh: Vec<Certificate>,
        failed: &mut Vec<TlsError>,
    ) -> Vec<Certificate> {
        let mut fitting = loaded.to_vec();
        for (at, certificate) in fresh.into_iter().enumerate() {
            let mut tried = fitting.clone();
            tried.splice(at..=at, [certificate]);
            match Table::build(&tried, &self.protocols) {
                Ok(_) => fitting = tried,
                Err(error) => failed.push(error),
            }
        }
        fitting
    }

    /// Until when what serves now is valid, by name.
    pub fn expiry(&self) -> Vec<HostExpiry> {
        self.live.load().expiry.clone()
    }

    /// The settings for a client that asks for this name.
    pub(super) fn choose(&self, name: Option<&str>) -> Chosen {
        let table = self.live.load();
        let default = || table.default.clone();
        // The name is compared as `Host` is, so that the two can agree.
        let host = match name.map(Host::parse) {
            None => return default().map_or(Chosen::Nameless, Chosen::Settings),
            Some(Err(_)) => return Chosen::Unknown,
            Some(Ok(host)) => host,
        };
        let above = host.name().split_once('.').map(|(_, above)| above);
        let found = table.exact.get(host.name()).or_else(|| table.wildcard.get(above?)).cloned();
        found.or_else(default).map_or(Chosen::Unknown, Chosen::Settings)
    }
}

impl Table {
    fn build(certificates: &[Certificate], protocols: &[Vec<u8>]) -> Result<Self, TlsError> {
        let mut table = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: None, expiry: Vec::new() };
        let mut owners: HashMap<&str, &Certificate> = HashMap::new();
        let mut default: Option<&Certificate> = None;
        for certificate in certificates {
            let settings = Arc::new(settings(certificate, protocols)?);
            let second = certificate.files.certificate.clone();
            for name in &certificate.names {
                if let Some(first) = owners.insert(name, certificate) {
                    let first = first.files.certificate.clone();
                    return Err(TlsError::HostTwice { host: name.clone(), first, second });
                }
                table.expiry.push(HostExpiry {
                    host: name.clone(),
                    valid_from: certificate.valid_from,
                    valid_to: certificate.valid_to,
                    certificate: second.clone(),
                });
                match name.strip_prefix("*.") {
                    Some(above) => table.wildcard.insert(above.to_owned(), settings.clone()),
                    None => table.exact.insert(name.clone(), settings.clone()),
                };
            }
            if certificate.files.default {
                if let Some(first) = default.replace(certificate) {
                    return Err(TlsError::DefaultTwice { first: first.files.certificate.clone(), second });
                }
                table.default = Some(settings);
            }
        }
        table.expiry.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(table)
    }
}

/// TLS 1.2 and 1.3 with rustls' suites: forward secrecy and authenticated encryption only, no renegotiation, no
/// compression, no early data.
fn settings(certificate: &Certificate, protocols: &[Vec<u8>]) -> Result<ServerConfig, TlsError> {
    let mut settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key.clone())));
    settings.alpn_protocols = protocols.to_vec();
    // Tickets that hold the session themselves, under keys of these settings alone that change every six hours.
    settings.ticketer = ring::Ticketer::new()?;
    Ok(settings)
}

#[cfg(test)]
mod tests;
