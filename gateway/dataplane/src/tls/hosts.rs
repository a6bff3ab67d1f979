//! Which certificate a host's clients get: an immutable table behind an atomic pointer, built aside and swapped in.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedargate_model::Host;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::certificate::{Certificate, CertificateFiles, ClientAuthorityFile, TlsError, chain};
use super::client;

/// Every certificate that clients may be shown.
pub struct TlsHosts {
    files: Vec<CertificateFiles>,
    authorities: Vec<ClientAuthorityFile>,
    protocols: Vec<Vec<u8>>,
    live: ArcSwap<Table>,
    loaded: Mutex<Loaded>,
}

/// Verifies the certificates of clients.
type Verifier = Arc<dyn ClientCertVerifier>;

/// Who may have issued them.
type Issuers = Arc<[CertificateDer<'static>]>;

/// What was read last and could be used.
#[derive(Clone)]
struct Loaded {
    /// In the order of the files.
    certificates: Vec<Certificate>,
    /// Who verifies the clients of which host.
    verifiers: Vec<(String, Verifier, Issuers)>,
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
    /// The hosts that ask clients for certificates.
    asking: Arc<HashSet<String>>,
    /// Who may have issued what they are shown.
    issuers: HashMap<String, Issuers>,
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
    /// Reads every certificate, and the authorities of those that clients are asked for. `http2` offers HTTP/2 beside HTTP/1.1
    /// (ALPN).
    ///
    /// # Errors
    /// The first file that cannot be used, two certificates for one name, or a host that asks and has none.
    pub fn load(
        files: Vec<CertificateFiles>,
        authorities: Vec<ClientAuthorityFile>,
        http2: bool,
    ) -> Result<Self, TlsError> {
        let certificates = files.iter().map(Certificate::load).collect::<Result<Vec<_>, _>>()?;
        let loaded = Loaded { certificates, verifiers: verifiers(&authorities)? };
        let protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let live = ArcSwap::from_pointee(Table::build(&loaded, &protocols)?);
        Ok(Self { files, authorities, protocols, live, loaded: Mutex::new(loaded) })
    }

    /// Reads every certificate anew and takes up those that can be used. A name's former certificate stays where its new
    /// one cannot be used, and all former authorities where one of the new ones cannot. Connections that are open keep what
    /// they were opened with.
    ///
    /// Returns what could not be used; nothing where all is well.
    pub fn reload(&self) -> Vec<TlsError> {
        // One at a time, or an older reading could be swapped in last.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failed = Vec::new();
        let mut fresh = loaded.clone();
        for (files, certificate) in self.files.iter().zip(&mut fresh.certificates) {
            match Certificate::load(files) {
                Ok(read) => *certificate = read,
                Err(error) => failed.push(error),
            }
        }
        match verifiers(&self.authorities) {
            Ok(verifiers) => fresh.verifiers = verifiers,
            Err(error) => failed.push(error),
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
    fn those_that_fit(&self, loaded: &Loaded, fresh: Loaded, failed: &mut Vec<TlsError>) -> Loaded {
        let mut fitting = Loaded { certificates: loaded.certificates.clone(), verifiers: fresh.verifiers };
        for (at, certificate) in fresh.certificates.into_iter().enumerate() {
            let mut tried = fitting.clone();
            tried.certificates.splice(at..=at, [certificate]);
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

    /// The hosts that ask clients for certificates.
    pub(super) fn asking(&self) -> Arc<HashSet<String>> {
        self.live.load().asking.clone()
    }

    /// Who may have issued what this host is shown.
    pub(super) fn authorities_of(&self, host: &Host) -> Option<Issuers> {
        self.live.load().issuers.get(host.name()).cloned()
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
    fn build(loaded: &Loaded, protocols: &[Vec<u8>]) -> Result<Self, TlsError> {
        let asking = loaded.verifiers.iter().map(|(host, ..)| host.clone()).collect();
        let issuers = loaded.verifiers.iter().map(|(host, _, issuers)| (host.clone(), Arc::clone(issuers))).collect();
        let (exact, wildcard, expiry) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut table = Self { exact, wildcard, default: None, asking: Arc::new(asking), issuers, expiry };
        let mut owners: HashMap<&str, &Certificate> = HashMap::new();
        let mut default: Option<&Certificate> = None;
        for certificate in &loaded.certificates {
            let settings = Arc::new(settings(certificate, protocols, None)?);
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
        for (host, verifier, _) in &loaded.verifiers {
            let above = host.split_once('.').map(|(_, above)| format!("*.{above}"));
            let own = owners.get(host.as_str()).or_else(|| owners.get(above.as_deref()?));
            let own = own.ok_or_else(|| TlsError::AsksWithoutCertificate { host: host.clone() })?;
            table.exact.insert(host.clone(), Arc::new(settings(own, protocols, Some(verifier.clone()))?));
        }
        table.expiry.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(table)
    }
}

/// TLS 1.2 and 1.3 with rustls' suites: forward secrecy and authenticated encryption only, no renegotiation, no
/// compression, no early data.
fn settings(
    certificate: &Certificate,
    protocols: &[Vec<u8>],
    asking: Option<Verifier>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    let resolver = Arc::new(SingleCertAndKey::from(certificate.key.clone()));
    let mut settings = match asking {
        // Tickets that hold the session themselves, under keys of these settings alone that change every six hours.
        None => {
            let mut settings = builder.with_no_client_auth().with_cert_resolver(resolver);
            settings.ticketer = ring::Ticketer::new()?;
            settings
        }
        // A session that is resumed is not verified again: neither what has expired since nor what another authority issued.
        Some(verifier) => {
            let mut settings = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
            settings.session_storage = Arc::new(NoServerSessionStorage {});
            settings.send_tls13_tickets = 0;
            settings
        }
    };
    settings.alpn_protocols = protocols.to_vec();
    Ok(settings)
}

fn verifiers(authorities: &[ClientAuthorityFile]) -> Result<Vec<(String, Verifier, Issuers)>, TlsError> {
    let verifier = |file: &ClientAuthorityFile| {
        let issuers: Issuers = chain(&file.authorities)?.into();
        Ok((file.host.name().to_owned(), client::verifier(&file.authorities, &issuers)?, issuers))
    };
    authorities.iter().map(verifier).collect()
}

#[cfg(test)]
mod tests;
