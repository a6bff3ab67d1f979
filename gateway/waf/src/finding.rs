//! What the inspection says: findings by rule and place, and the verdict that follows.
//!
//! INVARIANT (no value in a finding): nothing here is built from a value that was judged, only from rules and from
//! the names of places, so that a finding can be logged and recorded.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::Mode;

/// How bad one match is, in the Core Rule Set's steps, so that thresholds mean the same to whoever knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth noting: scores 2.
    Notice,
    /// Unusual, yet seen in harmless traffic: scores 3.
    Warning,
    /// Probably an attack: scores 4.
    Error,
    /// An attack, or something that cannot be inspected: scores 5, which blocks at the default threshold.
    Critical,
}

impl Severity {
    /// What one match adds to the score.
    pub fn score(self) -> u32 {
        match self {
            Self::Notice => 2,
            Self::Warning => 3,
            Self::Error => 4,
            Self::Critical => 5,
        }
    }
}

/// One rule that matched at one place. Says nothing of the value that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's stable id, for example `sqli/libinjection`.
    pub rule: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of attack it is, for example `sqli`.
    pub tags: Arc<[Arc<str>]>,
    /// Where it was found.
    pub place: Place,
}

/// A part of a request, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The request target as it was sent.
    Target,
    /// The path.
    Path,
    /// The name of a query argument; which one is not said, because the name is what matched.
    QueryName,
    /// The value of a query argument.
    Query(Name),
    /// A header's value.
    Header(Name),
    /// The name of a cookie.
    CookieName,
    /// A cookie's value.
    Cookie(Name),
    /// The name of a form field, multipart included.
    FieldName,
    /// The value of a form field, multipart included.
    Field(Name),
    /// The file name of an uploaded file.
    FileName(Name),
    /// The content of an uploaded file.
    File(Name),
    /// A member name in a JSON body, somewhere below this JSON pointer.
    JsonName(Name),
    /// The string at this JSON pointer (RFC 6901).
    Json(Name),
    /// The body as a whole.
    Body,
    /// The request as a whole.
    Request,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target => f.write_str("target"),
            Self::Path => f.write_str("path"),
            Self::QueryName => f.write_str("query name"),
            Self::Query(name) => write!(f, "query `{name}`"),
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::CookieName => f.write_str("cookie name"),
            Self::Cookie(name) => write!(f, "cookie `{name}`"),
            Self::FieldName => f.write_str("form field name"),
            Self::Field(name) => write!(f, "form field `{name}`"),
            Self::FileName(name) => write!(f, "file name in `{name}`"),
            Self::File(name) => write!(f, "file in `{name}`"),
            Self::JsonName(below) => write!(f, "JSON name below `{below}`"),
            Self::Json(pointer) => write!(f, "JSON `{pointer}`"),
            Self::Body => f.write_str("body"),
            Self::Request => f.write_str("request"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A name that a client chose, cut to [`Name::BYTES_MAX`] and escaped: safe in a log line, a terminal and HTML.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Box<str>);

impl Name {
    /// The longest name that is shown; what is cut is marked with `...`.
    pub const BYTES_MAX: usize = 96;

    /// Cuts and escapes: letters, digits and `_ - . / ~ [ ] :` stand for themselves, every other octet is percent-encoded.
    pub fn of(raw: &[u8]) -> Self {
        use fmt::Write;
        let mut shown = String::new();
        for &byte in raw {
            let width = if is_plain(byte) { 1 } else { 3 };
            if shown.len() + width > Self::BYTES_MAX - 3 {
                shown.push_str("...");
                break;
            }
            if width == 1 {
                shown.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(shown, "%{byte:02X}");
            }
        }
        Self(shown.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'~' | b'[' | b']' | b':')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outcome of an inspection: its findings, in the order in which the request was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "an inspection that nobody reads stops nothing"]
pub struct Inspected {
    score: u32,
    findings: Vec<Finding>,
    #[serde(skip)]
    mode: Mode,
}

impl Inspected {
    pub(crate) fn new(mode: Mode, findings: Vec<Finding>) -> Self {
        let score = findings.iter().map(|finding| finding.severity.score()).sum();
        Self { score, findings, mode }
    }

    /// The sum of the findings' scores: Cedar's `context.waf.score`.
    pub fn score(&self) -> u32 {
        self.score
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The rules that matched, sorted and without repeats.
    pub fn rules(&self) -> Vec<Arc<str>> {
        sorted(self.findings.iter().map(|finding| finding.rule.clone()))
    }

    /// The kinds of attack that were found, sorted and without repeats.
    pub fn tags(&self) -> Vec<Arc<str>> {
        sorted(self.findings.iter().flat_map(|finding| finding.tags.iter().cloned()))
    }

    /// This and a later inspection of the same request's body as one.
    pub fn and(mut self, body: Self) -> Self {
        self.findings.extend(body.findings);
        Self::new(self.mode, self.findings)
    }

    /// Whether the request ends here. It never does in a scope whose mode is not [`Mode::Block`].
    pub fn verdict(&self, threshold: Threshold) -> Verdict {
        match self.mode {
            Mode::Block if self.score >= threshold.0.get() => Verdict::Block,
            Mode::Block | Mode::Score | Mode::Off => Verdict::Pass,
        }
    }

    /// What the audit event carries; none where nothing was found.
    pub fn summary(&self) -> Option<cedargate_model::Inspection> {
        (!self.findings.is_empty()).then(|| cedargate_model::Inspection {
            score: self.score,
            rules: self.rules(),
            tags: self.tags().into_iter().take(cedargate_model::Inspection::TAGS_MAX).collect(),
            places: Vec::new(),
            limit: None,
        })
    }
}

fn sorted(texts: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// The score from which on a request in mode `block` ends. Never zero, which would block everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(std::num::NonZeroU32);

impl Threshold {
    /// The score.
    pub const fn score(self) -> u32 {
        self.0.get()
    }

    /// A threshold of this score; none for zero.
    pub fn new(score: u32) -> Option<Self> {
        std::num::NonZeroU32::new(score).map(Self)
    }
}

impl Default for Threshold {
    /// One critical finding.
    fn default() -> Self {
        const CRITICAL: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(4);
        Self(CRITICAL)
    }
}

/// What becomes of an inspected request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict that nobody reads stops nothing"]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It ends with a refusal.
    Block,
}
