//! Certificates: containers of public keys, trusted because of where they stand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra_keys::loader::load_x509_cert_der;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The shortest RSA key that is trusted, in bits (NIST SP 800-131A).
const RSA_BITS_MIN: usize = 2048;

/// A certificate whose key may verify what a provider signs.
///
/// Who issued it and until when it is good means nothing: the metadata says that it is the provider's (SAML Metadata Interoperability
/// Profile §2.6.1).
#[derive(Clone, PartialEq, Eq)]
pub struct SamlCertificate(Vec<u8>);

/// Why a certificate is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamlCertificateError {
    /// It is none.
    #[error("not an X.509 certificate")]
    Malformed,
    /// Its key is too short, or of a kind that nobody signs with here.
    #[error("the certificate's key is neither RSA of at least {RSA_BITS_MIN} bits nor on a NIST curve")]
    Key,
}

impl SamlCertificate {
    /// Accepts a certificate as metadata has it: base64, with white space anywhere.
    ///
    /// # Errors
    /// [`SamlCertificateError`].
    pub fn parse_base64(text: &str) -> Result<Self, SamlCertificateError> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Self::from_der(STANDARD.decode(text).map_err(|_| SamlCertificateError::Malformed)?)
    }

    /// Accepts a certificate as a PEM file has it.
    ///
    /// # Errors
    /// [`SamlCertificateError`].
    pub fn parse_pem(text: &str) -> Result<Self, SamlCertificateError> {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| SamlCertificateError::Malformed)?;
        Self::from_der(der.to_vec())
    }

    fn from_der(der: Vec<u8>) -> Result<Self, SamlCertificateError> {
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| SamlCertificateError::Malformed)?;
        let key = certificate.public_key().parsed().map_err(|_| SamlCertificateError::Key)?;
        let is_usable = match key {
            PublicKey::RSA(key) => key.key_size() >= RSA_BITS_MIN,
            PublicKey::EC(point) => point.key_size() >= 256,
            PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_) | PublicKey::Unknown(_) => false,
        };
        // By what will verify with it, too: a key that this cannot read would be found out at a sign-in.
        let is_usable = is_usable && load_x509_cert_der(&der).is_ok();
        match (rest.is_empty(), is_usable) {
            (false, _) => Err(SamlCertificateError::Malformed),
            (true, false) => Err(SamlCertificateError::Key),
            (true, true) => Ok(Self(der)),
        }
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// The certificate as metadata has it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// Its public key in DER (`SubjectPublicKeyInfo`).
    pub(crate) fn public_key(&self) -> Vec<u8> {
        X509Certificate::from_der(&self.0).map(|(_, read)| read.public_key().raw.to_vec()).unwrap_or_default()
    }

    /// When the certificate itself says that it is over, in epoch seconds: for operators, who like to know.
    pub fn not_after_seconds(&self) -> i64 {
        X509Certificate::from_der(&self.0).map_or(i64::MAX, |(_, read)| read.validity().not_after.timestamp())
    }
}

impl std::fmt::Debug for SamlCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SamlCertificate({} octets)", self.0.len())
    }
}
