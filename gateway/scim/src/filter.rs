//! Filters (RFC 7644 §3.4.2.2): read once, with every attribute known and every value of its kind; then asked of resources.

mod eval;
mod parse;

use serde_json::{Map, Value};

use crate::ResourceKind;
use crate::error::ScimError;
use crate::schema::{Attribute, Place};

pub use parse::FILTER_BYTES_MAX;
pub(crate) use parse::{Parser, Within};

/// A filter of one kind of resource.
#[derive(Clone, Debug)]
pub struct Filter {
    kind: ResourceKind,
    node: Node,
}

/// A part of a filter. As deep as it was written, which is bounded: `and` and `or` are flat.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// One value of a list for which all of this holds: `emails[type eq "work" and primary eq true]`.
    Has(Place, Box<Node>),
    Test(Place, Test),
}

/// What is asked of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Present,
    Compare(Operator, Comparand),
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Comparand {
    /// As it was written, and as it is compared: in lower case where the attribute's case does not matter.
    Text {
        written: String,
        compared: String,
        case_exact: bool,
    },
    Boolean(bool),
    Moment(i64),
    Nothing,
}

/// What a store can find resources by, without looking at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKey<'f> {
    /// The resource's own id.
    Id(&'f str),
    /// What the provider calls it.
    ExternalId(&'f str),
    /// What the provider signs a user in as, or what a group is called; in lower case.
    Name(&'f str),
    /// A member of a group.
    Member(&'f str),
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// `invalidFilter`, for what is too long, too deep, of unknown attributes, or not of their kind.
    pub fn parse(kind: ResourceKind, text: &str) -> Result<Self, ScimError> {
        Parser::new(text, Within::Resource(kind))?.whole().map(|node| Self { kind, node })
    }

    /// Whether a resource is one that is asked for, with what the gateway says of it: `id`, `meta`, `active`.
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        eval::holds(&self.node, resource)
    }

    /// Whether a part of a filter holds for one value of a list.
    pub(crate) fn node_holds(node: &Node, value: &Map<String, Value>) -> bool {
        eval::holds(node, value)
    }

    /// By what the resources can be found; they have to be asked all the same. None where all have to be looked at.
    pub fn index_key(&self) -> Option<IndexKey<'_>> {
        match &self.node {
            // What holds for all parts holds for this one.
            Node::All(nodes) => nodes.iter().find_map(|node| index_key(self.kind, node)),
            node => index_key(self.kind, node),
        }
    }
}

fn index_key(kind: ResourceKind, node: &Node) -> Option<IndexKey<'_>> {
    let Node::Test(place, Test::Compare(Operator::Equal, Comparand::Text { written, compared, .. })) = node else {
        return None;
    };
    let is_value = |sub: Option<&Attribute>| sub.is_none_or(|sub| sub.name == "value");
    match (place.extension, place.attribute.name, place.sub) {
        (None, "id", None) => Some(IndexKey::Id(written)),
        (None, "externalId", None) => Some(IndexKey::ExternalId(written)),
        (None, "userName", None) => Some(IndexKey::Name(compared)),
        (None, "displayName", None) if kind == ResourceKind::Group => Some(IndexKey::Name(compared)),
        (None, "members", sub) if is_value(sub) => Some(IndexKey::Member(written)),
        _ => None,
    }
}
