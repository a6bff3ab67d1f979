//! What a provider publishes of itself (SAML Metadata): who it is, where it is asked, what it signs with.

use std::time::Duration;

use cedargate_identity::Issuer;
use cedargate_model::Micros;
use roxmltree::{Document, Node, ParsingOptions};

use super::certificate::SamlCertificate;
use super::names::{DSIG, METADATA, POST_BINDING, PROTOCOL, REDIRECT_BINDING};
use super::read::utc;
use crate::oidc::{ProviderUrl, ProviderUrlError};

/// The longest metadata file, in octets: one provider's, with a handful of certificates. A federation's is not for this.
const METADATA_BYTES_MAX: usize = 256 * 1024;

/// How many certificates a provider may sign with at one time.
const CERTIFICATES_MAX: usize = 8;

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdpMetadata {
    /// Who it is.
    pub entity_id: Issuer,
    /// What it signs with: several while it changes over from one to the next.
    pub signing: Vec<SamlCertificate>,
    /// Where it is asked to sign somebody in.
    pub sign_on: Endpoint,
    /// Where it is told that somebody signs out, if it wants to know.
    pub logout: Option<Endpoint>,
    /// Where answers about signing out go, if that is another place.
    pub logout_response: Option<ProviderUrl>,
    /// Until when all this is good, if it says.
    pub valid_until: Option<Micros>,
    /// How long it may be kept without being asked for again, if it says so in days, hours, minutes and seconds.
    pub cache_for: Option<Duration>,
}

/// An address, and how the browser takes a message there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub url: ProviderUrl,
    /// How it gets there.
    pub binding: Binding,
}

/// How a browser takes a message somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// By a redirect, in the query.
    Redirect,
    /// By a form.
    Post,
}

/// Why a file is no metadata of a provider that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Longer than one provider's metadata is.
    #[error("longer than {METADATA_BYTES_MAX} octets: name a file with one provider's metadata, not a federation's")]
    TooLarge,
    /// No XML, or more than that.
    #[error("not XML without document type: {0}")]
    Xml(String),
    /// Something else.
    #[error("the root is not an `EntityDescriptor` of SAML 2.0 metadata")]
    Root,
    /// No `entityID`, or one that cannot be kept.
    #[error("`entityID` is missing, or no text of at most 512 visible ASCII characters")]
    EntityId,
    /// Not a provider.
    #[error("it has no `IDPSSODescriptor` for SAML 2.0, or several: this is not an identity provider's metadata")]
    Descriptor,
    /// A certificate is of no use.
    #[error("signing certificate {number}: {source}")]
    Certificate {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: super::SamlCertificateError,
    },
    /// Nothing to verify with.
    #[error("it has no signing certificate: nothing that it signs could be told from a forgery")]
    NoCertificate,
    /// Too many.
    #[error("it has more than {CERTIFICATES_MAX} signing certificates")]
    TooManyCertificates,
    /// Nowhere to ask.
    #[error("it has no `SingleSignOnService` by HTTP-Redirect or HTTP-POST")]
    NoSignOn,
    /// An address that cannot be asked.
    #[error("`{element}`: {source}")]
    Address {
        /// Which element names it.
        element: &'static str,
        /// Why.
        source: ProviderUrlError,
    },
    /// `validUntil` is no moment in UTC.
    #[error("`validUntil` is not a time in UTC, such as `2030-01-01T00:00:00Z`")]
    ValidUntil,
}

impl IdpMetadata {
    /// Reads a provider's metadata.
    ///
    /// The file is trusted as the configuration is: a signature in it is not looked at. Certificates without a `use` sign, too.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn parse(octets: &[u8]) -> Result<Self, MetadataError> {
        if octets.len() > METADATA_BYTES_MAX {
            return Err(MetadataError::TooLarge);
        }
        let malformed = |error: &dyn std::fmt::Display| MetadataError::Xml(error.to_string());
        let text = std::str::from_utf8(octets).map_err(|error| malformed(&error))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let options = ParsingOptions { nodes_limit: 20_000, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| malformed(&error))?;
        let root = document.root_element();
        if !root.has_tag_name((METADATA, "EntityDescriptor")) {
            return Err(MetadataError::Root);
        }
        let entity_id = root.attribute("entityID").unwrap_or_default();
        let mut descriptors = children(root, "IDPSSODescriptor").filter(speaks_saml_2);
        let (Some(idp), None) = (descriptors.next(), descriptors.next()) else {
            return Err(MetadataError::Descriptor);
        };
        let logout = endpoint(idp, "SingleLogoutService")?;
        Ok(Self {
            entity_id: Issuer::parse(entity_id).map_err(|_| MetadataError::EntityId)?,
            signing: certificates(idp)?,
            sign_on: endpoint(idp, "SingleSignOnService")?.map(|(at, _)| at).ok_or(MetadataError::NoSignOn)?,
            logout_response: logout.as_ref().and_then(|(_, response)| response.clone()),
            logout: logout.map(|(at, _)| at),
            valid_until: valid_until(&[root, idp])?,
            cache_for: cache_for(&[root, idp]),
        })
    }

    /// Whether it is still good.
    pub fn is_valid(&self, now: Micros) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }
}

fn children<'a, 'x>(node: Node<'a, 'x>, name: &'static str) -> impl Iterator<Item = Node<'a, 'x>> {
    node.children().filter(move |child| child.has_tag_name((METADATA, name)))
}

fn speaks_saml_2(node: &Node<'_, '_>) -> bool {
    node.attribute("protocolSupportEnumeration")
        .is_some_and(|protocols| protocols.split_whitespace().any(|p| p == PROTOCOL))
}

fn certificates(idp: Node<'_, '_>) -> Result<Vec<SamlCertificate>, MetadataError> {
    let signs = |key: &Node<'_, '_>| key.attribute("use").is_none_or(|usage| usage == "signing");
    let texts = children(idp, "KeyDescriptor").filter(signs).flat_map(|key| {
        key.descendants().filter(|node| node.has_tag_name((DSIG, "X509Certificate"))).filter_map(|node| node.text())
    });
    let mut certificates = Vec::new();
    for (at, text) in texts.enumerate() {
        let number = at + 1;
        let certificate = SamlCertificate::parse_base64(text);
        let certificate = certificate.map_err(|source| MetadataError::Certificate { number, source })?;
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    match certificates.len() {
        0 => Err(MetadataError::NoCertificate),
        1..=CERTIFICATES_MAX => Ok(certificates),
        _ => Err(MetadataError::TooManyCertificates),
    }
}

/// The first endpoint by redirect, else by form; with where answers go.
fn endpoint(
    idp: Node<'_, '_>,
    element: &'static str,
) -> Result<Option<(Endpoint, Option<ProviderUrl>)>, MetadataError> {
    let by = |urn: &str| children(idp, element).find(|node| node.attribute("Binding") == Some(urn));
    let found = match (by(REDIRECT_BINDING), by(POST_BINDING)) {
        (Some(node), _) => Some((node, Binding::Redirect)),
        (None, Some(node)) => Some((node, Binding::Post)),
        (None, None) => None,
    };
    let Some((node, binding)) = found else { return Ok(None) };
    let address = |text: &str| ProviderUrl::parse(text).map_err(|source| MetadataError::Address { element, source });
    let url = address(node.attribute("Location").unwrap_or_default())?;
    let response = node.attribute("ResponseLocation").map(address).transpose()?;
    Ok(Some((Endpoint { url, binding }, response)))
}

/// The earliest that is said.
/// The shortest `cacheDuration`. It says how often it is polite to ask, so that one that cannot be read says nothing.
fn cache_for(nodes: &[Node<'_, '_>]) -> Option<Duration> {
    nodes.iter().filter_map(|node| duration(node.attribute("cacheDuration")?)).min()
}

/// A duration of XML Schema (§3.2.6) in days and less: years and months are of no certain length.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (days, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    let mut seconds: u64 = 0;
    for (part, units) in [(days, &[('D', 86_400)][..]), (time, &[('H', 3_600), ('M', 60), ('S', 1)][..])] {
        let mut rest = part;
        for (unit, worth) in units {
            let Some((number, behind)) = rest.split_once(*unit) else { continue };
            let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
            seconds = seconds.checked_add(whole.parse::<u64>().ok()?.checked_mul(*worth)?)?;
            rest = behind;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn valid_until(nodes: &[Node<'_, '_>]) -> Result<Option<Micros>, MetadataError> {
    let said = nodes.iter().filter_map(|node| node.attribute("validUntil"));
    let moments = said.map(|text| utc(text).ok_or(MetadataError::ValidUntil));
    Ok(moments.collect::<Result<Vec<_>, _>>()?.into_iter().min())
}
