//! The strict pre-scan: what every message passes before any verifier sees it, and every decrypted assertion again.
//!
//! Wrapping attacks live on a verifier and a reader that look at different places. So there is one place here: a message has one
//! assertion where assertions stand, its ids are unique, and each signature is of the element that it stands in, by its id, with
//! transforms that leave the content as it is. What a verifier then finds signed can only be what is read.

mod grammar;
mod published;
mod shape;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::ops::Range;

use cedargate_model::SigninReason;
use roxmltree::{Document, Node, NodeId, ParsingOptions};

pub use self::published::scan_published;
use self::shape::Shape;
pub use self::text::MESSAGE_BYTES_MAX;
use super::names::{ASSERTION, CBC, DIGEST_METHODS, DSIG, ENVELOPED, EXC_C14N, GCM, KEY_TRANSPORTS, SIGNATURE_METHODS};

/// How many nodes a message may have: a person in a thousand groups is three thousand.
const NODES_MAX: u32 = 16_000;

/// How many attributes an element may have; SAML's own have six.
const ATTRIBUTES_MAX: usize = 16;

/// What kind of message is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// The answer to a request to sign somebody in, or one that nobody asked for.
    Response,
    /// An assertion by itself: what comes out of an encrypted one.
    Assertion,
    /// The provider ends a session.
    LogoutRequest,
    /// The provider answers that it ended one.
    LogoutResponse,
    /// What a provider publishes of itself, signed.
    Published,
}

/// A message that passed the pre-scan, and where in it is what is signed.
#[derive(Debug)]
pub struct Scanned<'x> {
    document: Document<'x>,
    kind: MessageKind,
    assertion: Option<NodeId>,
    encrypted: Option<NodeId>,
    signatures: Vec<SignatureAt>,
}

/// A signature, and the one element that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureAt {
    /// The id of the element that it signs, which is its parent.
    pub id: String,
    /// Where that element stands in the text.
    pub signs: Range<usize>,
    /// Whether it signs the assertion, rather than the message around it.
    pub of_assertion: bool,
}

/// Scans a message.
///
/// # Errors
/// The reason for the record. Takes time and memory in proportion to the message's length, whatever it says.
pub fn scan(octets: &[u8], kind: MessageKind) -> Result<Scanned<'_>, SigninReason> {
    let Some(shape) = kind.shape() else { return scan_published(octets) };
    let text = text::check(octets)?;
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached | roxmltree::Error::AttributesLimitReached => SigninReason::SamlBounds,
        _ => SigninReason::SamlXml,
    })?;
    let root = document.root_element();
    if !shape.names(root) {
        return Err(SigninReason::SamlKind);
    }
    check_everywhere(&document, kind)?;
    shape.check(root)?;
    let assertion = match kind {
        MessageKind::Assertion => Some(root),
        MessageKind::Response => child(root, "Assertion"),
        MessageKind::LogoutRequest | MessageKind::LogoutResponse | MessageKind::Published => None,
    };
    let encrypted = child(root, "EncryptedAssertion");
    check_versions(root, assertion)?;
    if let Some(encrypted) = encrypted {
        check_encryption(encrypted)?;
    }
    let mut signatures = Vec::new();
    for signed in [Some(root), assertion.filter(|assertion| *assertion != root)].into_iter().flatten() {
        check_place(signed)?;
        signatures.extend(signature_of(signed, Some(signed) == assertion)?);
    }
    let (assertion, encrypted) = (assertion.map(|node| node.id()), encrypted.map(|node| node.id()));
    Ok(Scanned { document, kind, assertion, encrypted, signatures })
}

impl MessageKind {
    /// What may stand in it; none where that is anybody's extension.
    fn shape(self) -> Option<&'static Shape> {
        match self {
            Self::Response => Some(&grammar::RESPONSE),
            Self::Assertion => Some(&grammar::SAML_ASSERTION),
            Self::LogoutRequest => Some(&grammar::LOGOUT_REQUEST),
            Self::LogoutResponse => Some(&grammar::LOGOUT_RESPONSE),
            Self::Published => None,
        }
    }

    /// How many assertions belong into it.
    fn assertions(self) -> usize {
        match self {
            Self::Assertion => 1,
            Self::Response | Self::LogoutRequest | Self::LogoutResponse | Self::Published => 0,
        }
    }
}

impl<'x> Scanned<'x> {
    /// The text that was scanned, the same octets.
    pub fn text(&self) -> &str {
        self.document.input_text()
    }

    /// What kind of message it is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Its signatures: at most two.
    pub fn signatures(&self) -> &[SignatureAt] {
        &self.signatures
    }

    /// Whether the assertion is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted.is_some()
    }

    pub(crate) fn root(&self) -> Node<'_, 'x> {
        self.document.root_element()
    }

    pub(crate) fn assertion(&self) -> Option<Node<'_, 'x>> {
        self.assertion.and_then(|id| self.document.get_node(id))
    }

    pub(crate) fn encrypted(&self) -> Option<Node<'_, 'x>> {
        self.encrypted.and_then(|id| self.document.get_node(id))
    }
}

/// What must hold of every element, wherever it stands: also in the parts that are of somebody else's making.
fn check_everywhere(document: &Document<'_>, kind: MessageKind) -> Result<(), SigninReason> {
    let (mut ids, mut assertions, mut signatures) = (BTreeSet::new(), 0, 0);
    for node in document.descendants() {
        if node.is_comment() || node.is_pi() {
            return Err(SigninReason::SamlMarkup);
        }
        if node.attributes().len() > ATTRIBUTES_MAX {
            return Err(SigninReason::SamlBounds);
        }
        for attribute in node.attributes() {
            // Whatever some reader may take for an id: no two of them are the same.
            let name = attribute.name();
            let is_id = name.eq_ignore_ascii_case("id") || name.eq_ignore_ascii_case("assertionid");
            if is_id && !(is_ncname(attribute.value()) && ids.insert(attribute.value())) {
                return Err(SigninReason::SamlId);
            }
        }
        // By their local names: a reader that ignores namespaces is to find no other one.
        match node.tag_name().name() {
            "Assertion" | "EncryptedAssertion" => assertions += 1,
            "InclusiveNamespaces" => check_prefixes(node)?,
            "Signature" => {
                signatures += 1;
                let parent = node.parent_element();
                let belongs = parent.is_some_and(|parent| {
                    parent == document.root_element() || parent.has_tag_name((ASSERTION, "Assertion"))
                });
                if !belongs || node.tag_name().namespace() != Some(DSIG) || signatures > 2 {
                    return Err(SigninReason::SamlSignatureShape);
                }
            }
            _ => {}
        }
    }
    let expected = match kind {
        MessageKind::Response => 0..=1,
        other => other.assertions()..=other.assertions(),
    };
    if expected.contains(&assertions) { Ok(()) } else { Err(SigninReason::SamlAssertionCount) }
}

/// Canonicalisation looks at each prefix for each element, before it is known whose signature it is.
fn check_prefixes(node: Node<'_, '_>) -> Result<(), SigninReason> {
    const PREFIXES_MAX: usize = 16;
    const PREFIXES_BYTES_MAX: usize = 256;
    let prefixes = node.attributes().find(|attribute| attribute.name() == "PrefixList");
    let prefixes = prefixes.map_or("", |attribute| attribute.value());
    match prefixes.len() > PREFIXES_BYTES_MAX || prefixes.split_ascii_whitespace().count() > PREFIXES_MAX {
        true => Err(SigninReason::SamlBounds),
        false => Ok(()),
    }
}

/// Where a message's signature stands, every schema says: right behind the issuer.
fn check_place(signed: Node<'_, '_>) -> Result<(), SigninReason> {
    let before = dsig(signed, "Signature").map(|signature| signature.prev_sibling_element());
    match before.is_some_and(|before| before.is_none_or(|before| !before.has_tag_name((ASSERTION, "Issuer")))) {
        true => Err(SigninReason::SamlSignatureShape),
        false => Ok(()),
    }
}

/// The signature of an element. It signs its parent and nothing else.
fn signature_of(signed: Node<'_, '_>, of_assertion: bool) -> Result<Option<SignatureAt>, SigninReason> {
    let Some(signature) = signed.children().find(|node| node.has_tag_name((DSIG, "Signature"))) else {
        return Ok(None);
    };
    let id = signed.attribute("ID").ok_or(SigninReason::SamlId)?;
    let algorithm = |node: Option<Node<'_, '_>>| node.and_then(|node| node.attribute("Algorithm").map(str::to_owned));
    let info = dsig(signature, "SignedInfo").ok_or(SigninReason::SamlSignatureShape)?;
    if algorithm(dsig(info, "CanonicalizationMethod")).as_deref() != Some(EXC_C14N) {
        return Err(SigninReason::SamlTransform);
    }
    let method = algorithm(dsig(info, "SignatureMethod")).unwrap_or_default();
    if !SIGNATURE_METHODS.contains(&&*method) {
        return Err(SigninReason::SamlAlgorithm);
    }
    let reference = dsig(info, "Reference").ok_or(SigninReason::SamlReference)?;
    // Never empty, never an address, never an expression: the one id that is its parent's.
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(SigninReason::SamlReference);
    }
    let transforms = dsig(reference, "Transforms").ok_or(SigninReason::SamlTransform)?;
    let transforms = transforms.children().filter(Node::is_element).map(|node| node.attribute("Algorithm"));
    if !transforms.eq([Some(ENVELOPED), Some(EXC_C14N)]) {
        return Err(SigninReason::SamlTransform);
    }
    let digest = algorithm(dsig(reference, "DigestMethod")).unwrap_or_default();
    if !DIGEST_METHODS.contains(&&*digest) {
        return Err(SigninReason::SamlAlgorithm);
    }
    Ok(Some(SignatureAt { id: id.to_owned(), signs: signed.range(), of_assertion }))
}

fn check_encryption(encrypted: Node<'_, '_>) -> Result<(), SigninReason> {
    for node in encrypted.descendants().filter(|node| node.tag_name().name() == "EncryptionMethod") {
        let algorithm = node.attribute("Algorithm").unwrap_or_default();
        let is_of_key = node.parent_element().is_some_and(|parent| parent.tag_name().name() == "EncryptedKey");
        let is_known = match is_of_key {
            true => KEY_TRANSPORTS.contains(&algorithm),
            false => GCM.contains(&algorithm) || CBC.contains(&algorithm),
        };
        if !is_known {
            return Err(SigninReason::SamlEncryption);
        }
    }
    Ok(())
}

fn check_versions(root: Node<'_, '_>, assertion: Option<Node<'_, '_>>) -> Result<(), SigninReason> {
    for node in [Some(root), assertion].into_iter().flatten() {
        if node.attribute("Version") != Some("2.0") {
            return Err(SigninReason::SamlStructure);
        }
        if node.attribute("ID").is_none() {
            return Err(SigninReason::SamlId);
        }
    }
    let nameless = |node: Node<'_, '_>| node.has_tag_name((ASSERTION, "NameID")) && node.text().is_none();
    match assertion.unwrap_or(root).descendants().any(nameless) {
        true => Err(SigninReason::SamlNameId),
        false => Ok(()),
    }
}

fn child<'a, 'x>(node: Node<'a, 'x>, name: &str) -> Option<Node<'a, 'x>> {
    node.children().find(|child| child.has_tag_name((ASSERTION, name)))
}

fn dsig<'a, 'x>(node: Node<'a, 'x>, name: &str) -> Option<Node<'a, 'x>> {
    node.children().find(|child| child.has_tag_name((DSIG, name)))
}

/// An id as XML wants it, in ASCII.
fn is_ncname(text: &str) -> bool {
    let is_start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let is_inner = |b: u8| is_start(b) || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=256).contains(&text.len()) && text.bytes().next().is_some_and(is_start) && text.bytes().all(is_inner)
}
