//! TLS towards services: whom we trust, which name they must prove, and what we show them.
//!
//! Always true: a service's certificate is verified, chain and name. Pingora's connector takes an empty name for leave to verify
//! nothing, and changes underscores in one: a [`ServerName`] has neither.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{self, CertificateDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::{TlsError, chain, private_key};

/// How a service is reached with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Which name its certificate must be for; it is also asked for (SNI), unless it is an address.
    pub server_name: ServerName,
    /// Who may have issued it.
    pub authorities: Authorities,
    /// What we show it where it asks for a certificate; none where it need not.
    pub client: Option<ClientCertificateFiles>,
}

impl UpstreamTls {
    /// The files that it is made with, for those who watch them.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let authorities = match &self.authorities {
            Authorities::File(path) => Some(path),
            Authorities::System => None,
        };
        let client = self.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        authorities.into_iter().chain(client)
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those of a PEM file, and nobody else.
    File(PathBuf),
    /// Those that the system trusts.
    System,
}

/// A client certificate as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificateFiles {
    /// The chain, the client's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A name that certificates are issued for: a DNS name in lower case, or an address. Never empty, and without underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name that a certificate is issued for; write a DNS name or an address")]
pub struct ServerNameError;

impl ServerName {
    /// Parses a DNS name or an address.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, ServerNameError> {
        let name = text.to_ascii_lowercase();
        // Pingora makes a hyphen of an underscore in the first label: that would be another name's certificate.
        if name.contains('_') || name.ends_with('.') || pki_types::ServerName::try_from(name.as_str()).is_err() {
            return Err(ServerNameError);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What connections to one service are made with, replaced whole when files change.
pub(super) struct LiveTls {
    settings: UpstreamTls,
    live: ArcSwap<Material>,
}

/// What was read from the files.
pub(super) struct Material {
    /// None for the system's.
    pub(super) authorities: Option<Arc<[WrappedX509]>>,
    pub(super) client: Option<Arc<CertKey>>,
    /// No two are alike. Connections are kept for reuse by it: one that was made with other certificates is not taken.
    pub(super) generation: u64,
}

impl LiveTls {
    pub(super) fn load(settings: UpstreamTls) -> Result<Self, TlsError> {
        let live = ArcSwap::from_pointee(Material::load(&settings)?);
        Ok(Self { settings, live })
    }

    /// Reads the files anew. What was there before stays where they cannot be used.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.live.store(Arc::new(Material::load(&self.settings)?));
        Ok(())
    }

    pub(super) fn server_name(&self) -> &str {
        self.settings.server_name.as_str()
    }

    pub(super) fn material(&self) -> Arc<Material> {
        self.live.load_full()
    }
}

impl Material {
    /// Reads everything and checks all that would make a connection fail, or Pingora panic, later.
    fn load(settings: &UpstreamTls) -> Result<Self, TlsError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let authorities = match &settings.authorities {
            Authorities::File(path) => Some(authorities(path)?),
            Authorities::System => None,
        };
        let client = settings.client.as_ref().map(client).transpose()?.map(Arc::new);
        Ok(Self { authorities, client, generation: NEXT.fetch_add(1, Ordering::Relaxed) })
    }
}

fn authorities(path: &Path) -> Result<Arc<[WrappedX509]>, TlsError> {
    let chain = chain(path)?;
    let malformed = || TlsError::Malformed { path: path.to_owned() };
    let mut roots = RootCertStore::empty();
    for certificate in &chain {
        roots.add(certificate.clone()).map_err(|_| malformed())?;
    }
    Ok(wrapped(&chain).ok_or_else(malformed)?.into())
}

fn client(files: &ClientCertificateFiles) -> Result<CertKey, TlsError> {
    let (chain, key) = (chain(&files.certificate)?, private_key(&files.key)?);
    wrapped(&chain).ok_or_else(|| TlsError::Malformed { path: files.certificate.clone() })?;
    let octets = key.secret_der().to_vec();
    CertifiedKey::from_der(chain.clone(), key, &ring::default_provider()).map_err(|source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })?;
    // Pingora guesses the key's kind from its octets.
    if pki_types::PrivateKeyDer::try_from(octets.as_slice()).is_err() {
        return Err(TlsError::NotPem { path: files.key.clone(), wanted: "private key" });
    }
    Ok(CertKey::new(chain.iter().map(|certificate| certificate.to_vec()).collect(), octets))
}

/// Certificates as Pingora has them, which panics where one cannot be parsed. `None` for such a one.
fn wrapped(chain: &[CertificateDer<'static>]) -> Option<Vec<WrappedX509>> {
    let wrap = |certificate: &CertificateDer<'static>| {
        X509Certificate::from_der(certificate).ok()?;
        Some(WrappedX509::new(certificate.to_vec(), parse_x509))
    };
    chain.iter().map(wrap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_not_be_verified_is_no_name() {
        for text in ["", "_", "a_b.example.com", "a b", "*", "*.example.com", "example.com:443", "[::1]", "a..b", "x."]
        {
            assert_eq!(ServerName::parse(text), Err(ServerNameError), "{text}");
        }
        for (text, name) in [("Example.COM", "example.com"), ("10.0.0.7", "10.0.0.7"), ("::1", "::1"), ("db", "db")] {
            assert_eq!(ServerName::parse(text).unwrap().as_str(), name);
        }
    }
}
