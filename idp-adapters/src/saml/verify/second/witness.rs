//! Who a message is about, as libxml2 reads it. It has nothing in common with our own reader but the names of the elements.

use libxml::parser::Parser;
use libxml::tree::Node;

use super::super::super::names::{ASSERTION, PROTOCOL};
use super::super::super::read::NameId;

/// Who it is, by whose word, and what is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::saml) struct Witnessed {
    pub(super) issuer: Option<String>,
    pub(super) name_id: Option<NameId>,
    pub(super) sessions: Vec<String>,
    pub(super) attributes: Vec<(String, Vec<String>)>,
}

impl Witnessed {
    /// Reads a message in canonical form: there, attributes without a namespace stand before all others.
    pub(super) fn read(canonical: &str) -> Result<Self, String> {
        let document = Parser::default().parse_string(canonical).map_err(|error| error.to_string())?;
        let root = document.get_root_element().ok_or("there is no root")?;
        let assertion = match is(&root, ASSERTION, "Assertion") {
            true => Some(root.clone()),
            false => child(&root, ASSERTION, "Assertion"),
        };
        let said = assertion.as_ref().unwrap_or(&root);
        let subject = child(said, ASSERTION, "Subject");
        let index =
            child(said, ASSERTION, "AuthnStatement").and_then(|statement| statement.get_attribute("SessionIndex"));
        let indexes = children(said, PROTOCOL, "SessionIndex").map(|index| index.get_content());
        Ok(Self {
            issuer: child(said, ASSERTION, "Issuer").map(|issuer| trimmed(&issuer)),
            name_id: child(subject.as_ref().unwrap_or(said), ASSERTION, "NameID").map(|name| name_id(&name)),
            sessions: index.into_iter().chain(indexes).collect(),
            attributes: attributes(said),
        })
    }
}

fn name_id(node: &Node) -> NameId {
    NameId {
        value: node.get_content(),
        format: node.get_attribute("Format"),
        name_qualifier: node.get_attribute("NameQualifier"),
        sp_name_qualifier: node.get_attribute("SPNameQualifier"),
    }
}

fn attributes(said: &Node) -> Vec<(String, Vec<String>)> {
    let Some(statement) = child(said, ASSERTION, "AttributeStatement") else { return Vec::new() };
    let named = |node: Node| {
        let values = children(&node, ASSERTION, "AttributeValue").filter(|value| value.get_child_elements().is_empty());
        node.get_attribute("Name").map(|name| (name, values.map(|value| value.get_content()).collect()))
    };
    children(&statement, ASSERTION, "Attribute").filter_map(named).collect()
}

fn trimmed(node: &Node) -> String {
    node.get_content().trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

fn is(node: &Node, namespace: &str, name: &str) -> bool {
    node.get_name() == name && node.get_namespace().is_some_and(|found| found.get_href() == namespace)
}

fn child(node: &Node, namespace: &'static str, name: &'static str) -> Option<Node> {
    children(node, namespace, name).next()
}

fn children(node: &Node, namespace: &'static str, name: &'static str) -> impl Iterator<Item = Node> {
    node.get_child_elements().into_iter().filter(move |child| is(child, namespace, name))
}
