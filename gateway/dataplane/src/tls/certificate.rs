//! One certificate chain with its private key, read from PEM files and checked before it serves anybody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_model::Host;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain as PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key as PEM.
    pub key: PathBuf,
    /// Whether clients get it who name no host, or one that no other certificate has.
    pub default: bool,
}

/// Whose certificates the clients of a host are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthorityFile {
    /// The host.
    pub host: Host,
    /// The authorities as PEM.
    pub authorities: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file `{}` of a certificate cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("the file `{}` holds no {wanted} as PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// The certificate's encoding is broken.
    #[error("the certificate `{}` is malformed", path.display())]
    Malformed {
        /// Its file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or the key is of a kind that cannot sign.
    #[error("the certificate `{}` and the key `{}` cannot be used together", certificate.display(), key.display())]
    Unusable {
        /// The chain's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The certificate names no DNS name, so it would never be chosen.
    #[error("the certificate `{}` names no host: it needs a subject alternative name", path.display())]
    NamesNoHost {
        /// Its file.
        path: PathBuf,
    },
    /// Two certificates for one name: which of them clients get would be chance.
    #[error("`{host}` has two certificates: `{}` and `{}`", first.display(), second.display())]
    HostTwice {
        /// The name.
        host: String,
        /// The one's file.
        first: PathBuf,
        /// The other's file.
        second: PathBuf,
    },
    /// Two certificates are the default.
    #[error("`{}` and `{}` are both the default certificate", first.display(), second.display())]
    DefaultTwice {
        /// The one's file.
        first: PathBuf,
        /// The other's file.
        second: PathBuf,
    },
    /// A host asks for certificates and has none to show itself.
    #[error("`{host}` asks clients for certificates and has no certificate of its own")]
    AsksWithoutCertificate {
        /// The host.
        host: String,
    },
    /// The authorities of client certificates cannot be used.
    #[error("the authorities in `{}` cannot be used", path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// rustls refuses the settings.
    #[error("TLS cannot be set up")]
    Settings(#[from] rustls::Error),
}

/// A certificate that is ready to serve.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) files: CertificateFiles,
    pub(super) key: Arc<CertifiedKey>,
    /// The host names that it is for, in canonical form; `*.example` for every name one label below `example`.
    pub(super) names: Vec<String>,
    /// From when on it is valid, in seconds since 1970.
    pub(super) valid_from: i64,
    /// Until when.
    pub(super) valid_to: i64,
}

impl Certificate {
    /// Reads both files and checks that they belong together.
    pub(super) fn load(files: &CertificateFiles) -> Result<Self, TlsError> {
        let (chain, key) = (chain(&files.certificate)?, private_key(&files.key)?);
        let malformed = || TlsError::Malformed { path: files.certificate.clone() };
        let (names, valid_from, valid_to) = {
            let own = chain.first().ok_or_else(malformed)?;
            let (_, parsed) = X509Certificate::from_der(own).map_err(|_| malformed())?;
            let validity = parsed.validity();
            (names(&parsed), validity.not_before.timestamp(), validity.not_after.timestamp())
        };
        if names.is_empty() {
            return Err(TlsError::NamesNoHost { path: files.certificate.clone() });
        }
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| {
            TlsError::Unusable { certificate: files.certificate.clone(), key: files.key.clone(), source }
        })?;
        Ok(Self { files: files.clone(), key: Arc::new(key), names, valid_from, valid_to })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

/// Every certificate of a PEM file.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem { path: path.to_owned(), wanted: "certificate" };
    let pem = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| not_pem())?;
    if chain.is_empty() { Err(not_pem()) } else { Ok(chain) }
}

/// The one private key of a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NotPem { path: path.to_owned(), wanted: "private key" })
}

/// The DNS names that a certificate is for. What is no host name (an address, `*` alone) is never asked for by SNI.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let mut names: Vec<_> = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => canonical_name(name),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn canonical_name(name: &str) -> Option<String> {
    let (star, rest) = match name.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", name),
    };
    let host = Host::parse(rest).ok().filter(|host| host.port().is_none())?;
    Some(format!("{star}{}", host.name()))
}
