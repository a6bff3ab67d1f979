//! The gateway's own key as SP: it signs requests, and opens assertions that are encrypted to it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::certificate::{SamlCertificate, SamlCertificateError};
use super::names::{DSIG, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256};
use crate::Refused;
use cedargate_model::SigninReason;

/// A key and the certificate in which providers get its public half. `Debug` hides it; memory is wiped on drop. Cheap to clone.
#[derive(Clone)]
pub struct SpKey(Option<Arc<Inner>>);

struct Inner {
    pem: Zeroizing<String>,
    pair: RsaKeyPair,
    certificate: SamlCertificate,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SpKeyError {
    /// The key's file holds none.
    #[error("no unencrypted RSA key of 2048 bits or more in PKCS #8 (`-----BEGIN PRIVATE KEY-----`)")]
    Key,
    /// The certificate's file holds none.
    #[error(transparent)]
    Certificate(#[from] SamlCertificateError),
    /// They do not belong together.
    #[error("the certificate is another key's")]
    Mismatch,
}

impl SpKey {
    /// Accepts a key and its certificate, as PEM.
    ///
    /// # Errors
    /// [`SpKeyError`].
    pub fn parse(key: &str, certificate: &str) -> Result<Self, SpKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(|_| SpKeyError::Key)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| SpKeyError::Key)?;
        if pair.public_modulus_len() < KeySize::Rsa2048.len() {
            return Err(SpKeyError::Key);
        }
        let certificate = SamlCertificate::parse_pem(certificate)?;
        // The certificate's key is this one, wrapped: its octets end with it.
        if !certificate.public_key().ends_with(pair.public_key().as_ref()) {
            return Err(SpKeyError::Mismatch);
        }
        Ok(Self(Some(Arc::new(Inner { pem: pem_of(der.secret_pkcs8_der()), pair, certificate }))))
    }

    /// No key, where none is used: a preview signs nothing and opens nothing.
    pub fn unused() -> Self {
        Self(None)
    }

    /// The certificate.
    pub fn certificate(&self) -> Option<&SamlCertificate> {
        self.0.as_ref().map(|inner| &inner.certificate)
    }

    /// The key, for whatever decrypts.
    pub(crate) fn pem(&self) -> &str {
        self.0.as_ref().map_or("", |inner| &inner.pem)
    }

    /// Signs octets with RSA and SHA-256.
    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, Refused> {
        let inner = self.0.as_ref().ok_or(SigninReason::ClientRefused)?;
        let mut signature = vec![0; inner.pair.public_modulus_len()];
        let signed = inner.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature);
        signed.map_err(|error| Refused::because(SigninReason::ClientRefused, error))?;
        Ok(signature)
    }

    /// The signature element of a message that is written here: `before` and `after` are the message around it, in the form that exclusive
    /// canonicalisation would give them.
    pub(crate) fn signature_element(&self, id: &str, before: &str, after: &str) -> Result<String, Refused> {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        digest.update(before.as_bytes());
        digest.update(after.as_bytes());
        let digest = STANDARD.encode(digest.finish());
        let info = format!(
            "<ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod>\
             <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
             <ds:Transform Algorithm=\"{EXC_C14N}\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>\
             </ds:Reference></ds:SignedInfo>"
        );
        // By itself it says its namespace; within the signature that has said it already.
        let value = self.sign(format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">{info}").as_bytes())?;
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>{info}<ds:SignatureValue>{}</ds:SignatureValue>\
             <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
            STANDARD.encode(value),
            self.certificate().map(SamlCertificate::to_base64).unwrap_or_default(),
        ))
    }
}

/// The key as PEM in its one strict form: lines of 64. Files come in looser ones.
fn pem_of(der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

impl PartialEq for SpKey {
    fn eq(&self, other: &Self) -> bool {
        // A certificate stands for its key: that was checked.
        self.certificate() == other.certificate()
    }
}

impl Eq for SpKey {}

impl fmt::Debug for SpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpKey(..)")
    }
}
