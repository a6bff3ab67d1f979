//! What a scanned message says, as values. Where something stands is the scan's to know; nothing is looked for here.

use cedargate_model::{Micros, SigninReason};
use chrono::DateTime;
use roxmltree::Node;
use serde::{Deserialize, Serialize};

use super::names::{ASSERTION, PROTOCOL, SUCCESS, UNSPECIFIED};
use super::scan::Scanned;

/// What the message around an assertion says. Where the assertion alone is signed, anybody may have written this: it is only ever
/// grounds to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    pub(crate) issue_instant: Micros,
    pub(crate) destination: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) issuer: Option<String>,
    /// The status codes, the outer one first; none where the message has no status.
    pub(crate) status: Vec<String>,
    /// Until when a request is good.
    pub(crate) not_on_or_after: Option<Micros>,
}

/// What an assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SamlAssertion {
    pub(crate) id: String,
    pub(crate) issue_instant: Micros,
    pub(crate) issuer: String,
    pub(crate) name_id: NameId,
    pub(crate) confirmation: Confirmation,
    pub(crate) conditions: Option<Conditions>,
    pub(crate) authn: Authn,
    /// Names and values as they stand, in order. A name may come several times.
    pub(crate) attributes: Vec<(String, Vec<String>)>,
}

/// Who it is, and in which of the provider's senses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// The name itself.
    pub value: String,
    /// Its kind: a URN.
    pub format: Option<String>,
    /// By whom the name is good.
    pub name_qualifier: Option<String>,
    /// For whom it is good.
    pub sp_name_qualifier: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) method: String,
    pub(crate) recipient: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) not_before: Option<Micros>,
    pub(crate) not_on_or_after: Option<Micros>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) not_before: Option<Micros>,
    pub(crate) not_on_or_after: Option<Micros>,
    pub(crate) audiences: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authn {
    pub(crate) instant: Micros,
    pub(crate) session_index: Option<String>,
    pub(crate) session_not_on_or_after: Option<Micros>,
    pub(crate) class: Option<String>,
}

/// What a request to end sessions says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogoutSubject {
    pub(crate) name_id: NameId,
    pub(crate) session_indexes: Vec<String>,
}

impl NameId {
    /// Its kind: where none is said, `unspecified` (SAML Core §8.3).
    pub fn format(&self) -> &str {
        self.format.as_deref().unwrap_or(UNSPECIFIED)
    }

    /// As it is kept beside a session: the IdP wants to hear all of it again when the person signs out.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept; none where it is something else.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Envelope {
    pub(crate) fn read(scanned: &Scanned<'_>) -> Result<Self, SigninReason> {
        let root = scanned.root();
        Ok(Self {
            id: attribute(root, "ID").ok_or(SigninReason::SamlId)?,
            issue_instant: instant(root, "IssueInstant")?.ok_or(SigninReason::SamlStructure)?,
            destination: attribute(root, "Destination"),
            in_response_to: attribute(root, "InResponseTo"),
            issuer: saml(root, "Issuer").map(trimmed),
            status: statuses(root),
            not_on_or_after: instant(root, "NotOnOrAfter")?,
        })
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.first().is_some_and(|code| code == SUCCESS)
    }
}

impl SamlAssertion {
    pub(crate) fn read(scanned: &Scanned<'_>) -> Result<Self, SigninReason> {
        let assertion = scanned.assertion().ok_or(SigninReason::SamlAssertionCount)?;
        let subject = saml(assertion, "Subject").ok_or(SigninReason::SamlStructure)?;
        Ok(Self {
            id: attribute(assertion, "ID").ok_or(SigninReason::SamlId)?,
            issue_instant: instant(assertion, "IssueInstant")?.ok_or(SigninReason::SamlStructure)?,
            issuer: saml(assertion, "Issuer").map(trimmed).ok_or(SigninReason::SamlIssuer)?,
            name_id: name_id(subject)?,
            confirmation: confirmation(subject)?,
            conditions: saml(assertion, "Conditions").map(conditions).transpose()?,
            authn: authn(assertion)?,
            attributes: attributes(assertion),
        })
    }
}

impl LogoutSubject {
    pub(crate) fn read(scanned: &Scanned<'_>) -> Result<Self, SigninReason> {
        let root = scanned.root();
        let indexes = root.children().filter(|node| node.has_tag_name((PROTOCOL, "SessionIndex")));
        Ok(Self { name_id: name_id(root)?, session_indexes: indexes.map(text).collect() })
    }
}

fn name_id(within: Node<'_, '_>) -> Result<NameId, SigninReason> {
    let node = saml(within, "NameID").ok_or(SigninReason::SamlNameId)?;
    Ok(NameId {
        value: text(node),
        format: attribute(node, "Format"),
        name_qualifier: attribute(node, "NameQualifier"),
        sp_name_qualifier: attribute(node, "SPNameQualifier"),
    })
}

fn confirmation(subject: Node<'_, '_>) -> Result<Confirmation, SigninReason> {
    let node = saml(subject, "SubjectConfirmation").ok_or(SigninReason::SamlConfirmation)?;
    let data = saml(node, "SubjectConfirmationData").ok_or(SigninReason::SamlConfirmation)?;
    Ok(Confirmation {
        method: attribute(node, "Method").unwrap_or_default(),
        recipient: attribute(data, "Recipient"),
        in_response_to: attribute(data, "InResponseTo"),
        not_before: instant(data, "NotBefore")?,
        not_on_or_after: instant(data, "NotOnOrAfter")?,
    })
}

fn conditions(node: Node<'_, '_>) -> Result<Conditions, SigninReason> {
    let restriction = saml(node, "AudienceRestriction");
    let audiences = restriction.into_iter().flat_map(|node| node.children());
    let audiences = audiences.filter(|node| node.has_tag_name((ASSERTION, "Audience")));
    Ok(Conditions {
        not_before: instant(node, "NotBefore")?,
        not_on_or_after: instant(node, "NotOnOrAfter")?,
        audiences: audiences.map(trimmed).collect(),
    })
}

fn authn(assertion: Node<'_, '_>) -> Result<Authn, SigninReason> {
    let node = saml(assertion, "AuthnStatement").ok_or(SigninReason::SamlStructure)?;
    let context = saml(node, "AuthnContext");
    Ok(Authn {
        instant: instant(node, "AuthnInstant")?.ok_or(SigninReason::SamlStructure)?,
        session_index: attribute(node, "SessionIndex"),
        session_not_on_or_after: instant(node, "SessionNotOnOrAfter")?,
        class: context.and_then(|context| saml(context, "AuthnContextClassRef")).map(trimmed),
    })
}

fn attributes(assertion: Node<'_, '_>) -> Vec<(String, Vec<String>)> {
    let statement = saml(assertion, "AttributeStatement");
    let named = |node: &Node<'_, '_>| node.has_tag_name((ASSERTION, "Attribute"));
    // A value that is not text alone says nothing that rules could read.
    let value = |node: &Node<'_, '_>| {
        node.has_tag_name((ASSERTION, "AttributeValue")) && node.children().all(|child| child.is_text())
    };
    let read = |node: Node<'_, '_>| {
        let values = node.children().filter(value).map(text).collect();
        attribute(node, "Name").map(|name| (name, values))
    };
    statement.into_iter().flat_map(|node| node.children()).filter(named).filter_map(read).collect()
}

fn statuses(root: Node<'_, '_>) -> Vec<String> {
    let code = |node: Node<'_, '_>| node.has_tag_name((PROTOCOL, "StatusCode"));
    let status = root.children().find(|node| node.has_tag_name((PROTOCOL, "Status")));
    let outer = status.and_then(|status| status.children().find(|node| code(*node)));
    let inner = outer.and_then(|outer| outer.children().find(|node| code(*node)));
    [outer, inner].into_iter().flatten().filter_map(|node| attribute(node, "Value")).collect()
}

fn saml<'a, 'x>(within: Node<'a, 'x>, name: &str) -> Option<Node<'a, 'x>> {
    within.children().find(|node| node.has_tag_name((ASSERTION, name)))
}

fn attribute(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

/// All of an element's text. There is nothing else in it.
fn text(node: Node<'_, '_>) -> String {
    node.children().filter_map(|child| child.text()).collect()
}

/// The text of a URI, around which a writer may have broken lines.
fn trimmed(node: Node<'_, '_>) -> String {
    text(node).trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

/// A moment, in UTC as SAML has it (SAML Core §1.3.3). Another zone is refused rather than converted.
fn instant(node: Node<'_, '_>, name: &str) -> Result<Option<Micros>, SigninReason> {
    let Some(said) = node.attribute(name) else { return Ok(None) };
    utc(said).map(Some).ok_or(SigninReason::SamlStructure)
}

/// A moment as `2027-01-15T08:00:00Z`, with or without a fraction, and in no other form that some reader takes.
pub(super) fn utc(text: &str) -> Option<Micros> {
    let is_plain = text.as_bytes().get(10) == Some(&b'T') && text.ends_with('Z');
    let moment = is_plain.then(|| DateTime::parse_from_rfc3339(text).ok()).flatten()?;
    Some(Micros(moment.timestamp_micros()))
}
