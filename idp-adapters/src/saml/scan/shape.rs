//! What may stand in which element, as data.

use cedargate_model::SigninReason;
use roxmltree::Node;

use crate::saml::names::{ASSERTION, DSIG, DSIG11, PROTOCOL, XENC, XENC11, XML};

/// An element as it has to be.
pub(super) struct Shape {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    /// Its attributes that belong to no namespace. Others that do belong to one are somebody's extension, and nobody reads them.
    pub(super) attributes: &'static [&'static str],
    pub(super) content: Content,
    /// What is wrong where it is not so.
    pub(super) reason: SigninReason,
}

/// What stands in an element.
pub(super) enum Content {
    /// Nothing.
    Empty,
    /// Text alone: never an element, so that nobody reads half of it.
    Text,
    /// Elements of these kinds, as many as there may be, in any order, and nothing else.
    Parts(&'static [Part]),
    /// A value of somebody else's making. The rules for the whole message hold in it, too.
    Open,
}

/// So many of these.
pub(super) struct Part {
    pub(super) shape: &'static Shape,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// Exactly one.
pub(super) const fn one(shape: &'static Shape) -> Part {
    Part { shape, min: 1, max: 1 }
}

/// One, or none.
pub(super) const fn maybe(shape: &'static Shape) -> Part {
    Part { shape, min: 0, max: 1 }
}

/// Any number.
pub(super) const fn any(shape: &'static Shape) -> Part {
    Part { shape, min: 0, max: usize::MAX }
}

impl Shape {
    /// Whether an element has this name.
    pub(super) fn names(&self, node: Node<'_, '_>) -> bool {
        node.has_tag_name((self.namespace, self.name))
    }

    /// Holds an element and all that is in it against its shape.
    ///
    /// Recurses as deep as shapes do, which is a handful of levels, whatever the message.
    pub(super) fn check(&self, node: Node<'_, '_>) -> Result<(), SigninReason> {
        let foreign = |attribute: roxmltree::Attribute<'_, '_>| match attribute.namespace() {
            None => !self.attributes.contains(&attribute.name()),
            // An id or a base of XML's own would change what a reference means. The twin of an attribute of ours is one to a reader
            // that ignores namespaces, and which of the two comes first is not signed.
            Some(XML) => attribute.name() != "lang",
            Some(_) => {
                matches!(self.namespace, DSIG | DSIG11 | XENC | XENC11) || self.attributes.contains(&attribute.name())
            }
        };
        if node.attributes().any(foreign) {
            return Err(self.reason);
        }
        match self.content {
            Content::Empty if node.children().next().is_some_and(|child| !is_blank(child)) => Err(self.reason),
            Content::Text if node.children().any(|child| !child.is_text()) => Err(self.reason),
            Content::Open if node.descendants().any(is_of_the_protocol) => Err(self.reason),
            Content::Empty | Content::Text | Content::Open => Ok(()),
            Content::Parts(parts) => self.check_parts(node, parts),
        }
    }

    fn check_parts(&self, node: Node<'_, '_>, parts: &[Part]) -> Result<(), SigninReason> {
        for child in node.children() {
            match parts.iter().find(|part| part.shape.names(child)) {
                Some(part) => part.shape.check(child)?,
                None if is_blank(child) => {}
                None => return Err(self.reason),
            }
        }
        let count = |part: &Part| node.children().filter(|child| part.shape.names(*child)).count();
        match parts.iter().all(|part| (part.min..=part.max).contains(&count(part))) {
            true => Ok(()),
            false => Err(self.reason),
        }
    }
}

/// What a reader that looks everywhere could take for a part of the message. A NameID may be a value (`eduPersonTargetedID`).
fn is_of_the_protocol(node: Node<'_, '_>) -> bool {
    match node.tag_name().namespace() {
        Some(ASSERTION) => !matches!(node.tag_name().name(), "AttributeValue" | "NameID"),
        Some(PROTOCOL) => node.tag_name().name() != "StatusDetail",
        Some(DSIG | DSIG11 | XENC | XENC11) => true,
        Some(_) | None => false,
    }
}

/// White space between elements.
fn is_blank(node: Node<'_, '_>) -> bool {
    node.is_text() && node.text().is_none_or(|text| text.bytes().all(|b| b.is_ascii_whitespace()))
}
