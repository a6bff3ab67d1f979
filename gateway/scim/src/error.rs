//! What a client is told when something is refused (RFC 7644 §3.12).

use std::fmt;

use serde_json::{Value, json};

/// How much of what a client sent is repeated to it, in characters.
const QUOTED_MAX: usize = 80;

/// A refusal in SCIM's own words. Everything in it may be shown to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// What kind of mistake it was, where the standard has a word for it.
    pub kind: Option<ScimType>,
    /// What was wrong, and where.
    pub detail: String,
}

/// The standard's words for mistakes (RFC 7644 §3.12, table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The filter cannot be read, or is not supported.
    InvalidFilter,
    /// A filter would have to look at too many resources.
    TooMany,
    /// A value is another resource's already.
    Uniqueness,
    /// An attribute that clients cannot change.
    Mutability,
    /// The body has not the form that it must have.
    InvalidSyntax,
    /// A patch's path cannot be read, or leads nowhere.
    InvalidPath,
    /// A patch's path finds no value to change.
    NoTarget,
    /// A value is missing, or not one of its attribute.
    InvalidValue,
}

impl ScimType {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }
}

impl fmt::Display for ScimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ScimError {
    /// A mistake of the client's in what it sent.
    pub fn bad(kind: ScimType, detail: impl Into<String>) -> Self {
        let status = if kind == ScimType::Uniqueness { 409 } else { 400 };
        Self { status, kind: Some(kind), detail: detail.into() }
    }

    /// Any other refusal.
    pub fn plain(status: u16, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into() }
    }

    /// There is no such resource, or none that whoever asks may know of: the same answer for both.
    pub fn not_found() -> Self {
        Self::plain(404, "there is no such resource")
    }

    /// The body that says so.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(object)) = (self.kind, body.as_object_mut()) {
            object.insert("scimType".to_owned(), kind.as_str().into());
        }
        body
    }
}

/// A client's own text, short enough to be repeated to it.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
