//! The scan of signed metadata: what holds of every message holds of it, but for what stands in it, which is anybody's extension.

use cedargate_model::SigninReason;
use roxmltree::{Document, ParsingOptions};

use super::{MessageKind, NODES_MAX, Scanned, check_everywhere, dsig, grammar, signature_of, text};
use crate::saml::names::{DSIG, METADATA};

/// Scans one provider's metadata. Whoever is to be believed by it has to verify the signature, which is of all of it.
///
/// # Errors
/// The reason why it would be refused as a message.
pub fn scan_published(octets: &[u8]) -> Result<Scanned<'_>, SigninReason> {
    let text = text::check(octets)?;
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| SigninReason::SamlXml)?;
    let root = document.root_element();
    if !root.has_tag_name((METADATA, "EntityDescriptor")) {
        return Err(SigninReason::SamlKind);
    }
    check_everywhere(&document, MessageKind::Published)?;
    let mut signatures = Vec::new();
    if let Some(signature) = dsig(root, "Signature") {
        // First of all (SAML Metadata §2.3.2): what follows it is what it is of.
        if signature.prev_sibling_element().is_some() {
            return Err(SigninReason::SamlSignatureShape);
        }
        grammar::SIGNATURE.check(signature)?;
        signatures.extend(signature_of(root, false)?);
    }
    // One signature, and it is the root's: another one would be of nothing that is read here.
    let found = document.descendants().filter(|node| node.tag_name().name() == "Signature");
    if found.filter(|node| node.tag_name().namespace() == Some(DSIG)).count() != signatures.len() {
        return Err(SigninReason::SamlSignatureShape);
    }
    Ok(Scanned { document, kind: MessageKind::Published, assertion: None, encrypted: None, signatures })
}
