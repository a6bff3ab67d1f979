//! Certificates that clients show: who may have issued them, and what they say.

use std::path::Path;
use std::sync::Arc;

use cedargate_identity::{KeyDigest, ShownCertificate};
use cedargate_model::{ClientCertificate, Micros};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName};

use super::certificate::{TlsError, chain};

/// Asks for a certificate of these authorities. A client without one gets as far as the routes, which may insist; one with a bad
/// certificate does not get a connection.
pub(super) fn verifier(
    path: &Path,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate.clone()).map_err(|_| TlsError::Malformed { path: path.to_owned() })?;
    }
    let provider = Arc::new(ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
    builder.build().map_err(|source| TlsError::Authorities { path: path.to_owned(), source })
}

/// What a verified certificate says. `None` if it says more than is kept, or what cannot be read: nobody is let in as somebody whom
/// half a name describes.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = distinguished_name(parsed.subject())?;
    let mut names = match parsed.subject_alternative_name().ok()? {
        Some(extension) => extension.value.general_names.iter().filter_map(name).collect::<Option<Vec<_>>>()?,
        None => Vec::new(),
    };
    names.sort();
    names.dedup();
    let fits =
        |text: &String| text.len() <= ClientCertificate::SUBJECT_BYTES_MAX && !text.chars().any(char::is_control);
    let is_within = names.len() <= ClientCertificate::NAMES_MAX && names.iter().chain([&subject]).all(fits);
    let fingerprint = Sha256::digest(certificate).iter().map(|octet| format!("{octet:02x}")).collect();
    is_within.then_some(ClientCertificate { fingerprint, subject, names })
}

/// A verified certificate as service accounts are known by it, with the key that signed it: of those that came with it, or of the host's
/// authorities. Anybody can send somebody else's certificate along, and nobody can have signed with that key. `None` if it cannot be
/// read.
pub(super) fn shown(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'static>]) -> Option<ShownCertificate> {
    let (certificate, others) = chain.split_first()?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let issuers = others.iter().take(CHAIN_MAX).chain(authorities);
    let issuer = issuers.filter_map(|issuer| {
        let (_, issuer) = X509Certificate::from_der(issuer).ok()?;
        has_signed(&issuer, &parsed).then(|| digest_of(&issuer))
    });
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    if let Some(extension) = parsed.subject_alternative_name().ok()? {
        for name in &extension.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns.push(name.to_ascii_lowercase()),
                _ => {}
            }
        }
    }
    for names in [&mut uris, &mut dns] {
        names.sort();
        names.dedup();
    }
    // Each is asked for.
    if uris.len().saturating_add(dns.len()) > ClientCertificate::NAMES_MAX {
        return None;
    }
    Some(ShownCertificate {
        fingerprint: Sha256::digest(certificate).into(),
        key: digest_of(&parsed),
        issuer: issuer.into_iter().next(),
        uris,
        dns,
        not_after: Micros(parsed.validity().not_after.timestamp().saturating_mul(1_000_000)),
    })
}

/// How many certificates of a chain are looked at.
const CHAIN_MAX: usize = 8;

/// The digest of a certificate's own key, as [`cedargate_identity::CertificateRule`] keeps it.
///
/// # Errors
/// [`TlsError`] where the file holds no certificate.
pub fn certificate_key(path: &Path) -> Result<KeyDigest, TlsError> {
    let malformed = || TlsError::Malformed { path: path.to_owned() };
    let certificates = chain(path)?;
    let first = certificates.first().ok_or_else(malformed)?;
    let (_, parsed) = X509Certificate::from_der(first).map_err(|_| malformed())?;
    Ok(digest_of(&parsed))
}

fn digest_of(certificate: &X509Certificate<'_>) -> KeyDigest {
    KeyDigest(Sha256::digest(certificate.public_key().raw).into())
}

/// Whether this key signed this certificate, by any algorithm that a handshake takes.
fn has_signed(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    if issuer.subject().as_raw() != certificate.issuer().as_raw() {
        return false;
    }
    let (key, signature) = (&issuer.public_key().subject_public_key.data, &certificate.signature_value.data);
    let signed = certificate.tbs_certificate.as_ref();
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| algorithm.verify_signature(key, signed, signature).is_ok())
}

/// A distinguished name as text, in the certificate's order. What would end a value or begin another is escaped as in RFC 4514 §2.4:
/// `CN=robot, O=Admin` is never a name whose common name is `robot, O=Admin`.
fn distinguished_name(name: &X509Name<'_>) -> Option<String> {
    let attribute = |attribute: &AttributeTypeAndValue<'_>| {
        let oid = attribute.attr_type();
        let kind = oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned);
        let mut escaped = format!("{kind}=");
        for letter in attribute.as_str().ok()?.chars() {
            if matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#') {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        Some(escaped)
    };
    let part = |part: &RelativeDistinguishedName<'_>| part.iter().map(attribute).collect::<Option<Vec<_>>>();
    let parts = name.iter().map(|each| Some(part(each)?.join("+"))).collect::<Option<Vec<_>>>()?;
    Some(parts.join(", "))
}

/// A name of a kind that policies know. `Some(None)` for one that cannot be read.
fn name(name: &GeneralName<'_>) -> Option<Option<String>> {
    match name {
        GeneralName::DNSName(name) => Some(Some(format!("dns:{}", name.to_ascii_lowercase()))),
        GeneralName::RFC822Name(name) => Some(Some(format!("email:{name}"))),
        GeneralName::URI(uri) => Some(Some(format!("uri:{uri}"))),
        GeneralName::IPAddress(octets) => Some(address(octets).map(|address| format!("ip:{address}"))),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<std::net::IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(Into::into),
        _ => <[u8; 16]>::try_from(octets).ok().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn issued(change: impl FnOnce(&mut CertificateParams)) -> Option<ClientCertificate> {
        let mut params = CertificateParams::default();
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        facts(certificate.der())
    }

    #[test]
    fn a_certificate_is_told_by_its_names() {
        let told = issued(|params| {
            params.distinguished_name.push(DnType::CommonName, "robot");
            let names = [
                SanType::URI("spiffe://example/robot".try_into().unwrap()),
                SanType::DnsName("Robot.example".try_into().unwrap()),
                SanType::IpAddress([10, 0, 0, 7].into()),
                SanType::Rfc822Name("robot@example".try_into().unwrap()),
            ];
            params.subject_alt_names = names.to_vec();
        });
        let told = told.unwrap();
        assert!(told.subject.ends_with("CN=robot"), "{}", told.subject);
        assert_eq!(
            told.names,
            ["dns:robot.example", "email:robot@example", "ip:10.0.0.7", "uri:spiffe://example/robot"]
        );
        assert_eq!(told.fingerprint.len(), 64);
    }

    #[test]
    fn a_name_that_stands_often_is_one_name_and_too_many_are_none() {
        let named = |count: usize, repeated: usize| {
            let mut params = CertificateParams::default();
            let names =
                (0..count * repeated).map(|n| SanType::DnsName(format!("r{}.example", n % count).try_into().unwrap()));
            params.subject_alt_names = names.collect();
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            shown(&[certificate.der().clone()], &[]).map(|shown| shown.dns.len())
        };
        assert_eq!(named(1, 5_000), Some(1));
        assert_eq!(named(ClientCertificate::NAMES_MAX, 2), Some(ClientCertificate::NAMES_MAX));
        assert_eq!(named(ClientCertificate::NAMES_MAX + 1, 1), None);
    }

    /// An authority, and what it issued to a robot.
    fn authority(name: &str) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap().der().clone();
        let issuer = rcgen::Issuer::new(params, key);
        let mut robot = CertificateParams::default();
        let uri = SanType::URI("spiffe://example/robot".try_into().unwrap());
        robot.subject_alt_names = vec![uri, SanType::DnsName("Robot.example".try_into().unwrap())];
        let issued = robot.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        (own, issued.der().clone())
    }

    #[test]
    fn a_certificates_issuer_is_whoever_signed_it_and_not_whoever_it_came_with() {
        let ((ours, robot), (theirs, impostor)) = (authority("ca"), authority("ca"));
        let authorities = [ours.clone(), theirs.clone()];
        let digest = |certificate: &CertificateDer<'_>| digest_of(&X509Certificate::from_der(certificate).unwrap().1);
        let told = shown(&[robot], &authorities).unwrap();
        assert_eq!(
            (told.issuer, &*told.uris, &*told.dns),
            (Some(digest(&ours)), &["spiffe://example/robot".to_owned()][..], &["robot.example".to_owned()][..])
        );
        let forged = shown(&[impostor.clone(), ours], &authorities).unwrap();
        assert_eq!(forged.issuer, Some(digest(&theirs)), "of the same name, with another key");
        assert_eq!(shown(&[impostor], &[]).unwrap().issuer, None);
    }

    #[test]
    fn a_value_cannot_pass_for_another_attribute() {
        let told = issued(|params| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, r#"robot, O=Admin+OU=\"x"#);
        });
        assert_eq!(told.unwrap().subject, r#"CN=robot\, O\=Admin\+OU\=\\\"x"#);
    }

    #[test]
    fn a_certificate_that_says_too_much_says_nothing() {
        let long = issued(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "x".repeat(ClientCertificate::SUBJECT_BYTES_MAX));
        });
        assert_eq!(long, None);
        let many = issued(|params| {
            let name = |n| SanType::DnsName(format!("a{n}.example").try_into().unwrap());
            params.subject_alt_names = (0..=ClientCertificate::NAMES_MAX).map(name).collect();
        });
        assert_eq!(many, None);
        let broken = issued(|params| params.distinguished_name.push(DnType::CommonName, "a\nb"));
        assert_eq!(broken, None);
    }
}
