//! Rules as they were written, each with its place.

use std::fmt;
use std::sync::Arc;

use super::transform::Transform;
use super::variable::{Counted, Variable};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A directive and its place.
#[derive(Clone, Debug)]
pub(crate) struct Directive {
    pub(crate) position: Position,
    pub(crate) kind: Kind,
}

/// What a directive says.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `SecRule`, and `SecAction`, which tests nothing.
    Rule { targets: Vec<Target>, operator: OperatorCall, actions: Vec<Action> },
    /// `SecDefaultAction`.
    Defaults(Vec<Action>),
    /// `SecMarker`.
    Marker(String),
    /// `SecRuleRemoveBy*`.
    Remove(Selection),
    /// `SecRuleUpdateTargetBy*`.
    UpdateTargets(Selection, Vec<Target>),
    /// `SecRuleUpdateActionById`.
    UpdateActions(Selection, Vec<Action>),
    /// A setting of the engine.
    Setting(Setting),
    /// Something that is accepted and has no effect here.
    WithoutEffect(String),
}

/// Which values a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
    pub(crate) mode: Counted,
}

/// Which members of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    All,
    /// The member of this name, in any case.
    Name(String),
    /// Members whose names match this pattern, in any case.
    Pattern(String),
}

/// An operator as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OperatorCall {
    pub(crate) negated: bool,
    pub(crate) name: String,
    pub(crate) argument: String,
}

/// Which rules a removal or an update is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Ranges of ids, their ends included.
    Ids(Vec<(u64, u64)>),
    /// Rules with a tag that this pattern matches.
    Tag(String),
    /// Rules with a message that this pattern matches.
    Message(String),
}

/// One action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Id(u64),
    Phase(u8),
    Message(String),
    LogData(String),
    Severity(Severity),
    Tag(String),
    /// `ver`, `rev`, `maturity`, `accuracy` and what else only describes.
    Description,
    Transform(Transform),
    /// `t:none`.
    NoTransforms,
    Capture,
    MultiMatch,
    Chain,
    Skip(usize),
    SkipAfter(String),
    SetVar(String),
    Initialize {
        collection: String,
        key: String,
    },
    Control(Control),
    Log(bool),
    AuditLog(bool),
    Disrupt(Disruption),
    Status(u16),
    /// Something that is accepted and has no effect here.
    WithoutEffect(String),
}

/// What a rule that matches does with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruption {
    /// What the defaults of its phase say.
    Block,
    Deny,
    Pass,
    /// No more rules, of all phases or of this one, or until the response.
    Allow(Allowance),
}

/// How far `allow` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    All,
    Phase,
    Request,
}

/// `ctl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Engine(EngineMode),
    RemoveRules(Selection),
    RemoveTargets(Selection, Target),
    BodyProcessor(Processor),
    ForceBodyVariable(bool),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
}

/// What reads a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    UrlEncoded,
    Multipart,
    Json,
    Xml,
}

impl Processor {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UrlEncoded => "URLENCODED",
            Self::Multipart => "MULTIPART",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

/// Whether rules run, and whether they block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineMode {
    /// They run, and end what they object to.
    On,
    /// They run, and end nothing.
    DetectionOnly,
    /// They do not run.
    Off,
}

/// A setting of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Engine(EngineMode),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
    ResponseBodyTypes(Vec<String>),
    RequestBodyLimit(usize),
    ResponseBodyLimit(usize),
    /// Whether a response over its limit is inspected in part.
    ResponseBodyPartial(bool),
    ArgumentsLimit(usize),
    JsonDepthLimit(usize),
    ArgumentSeparator(u8),
    Component(String),
}

/// How grave a rule's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `EMERGENCY`
    Emergency,
    /// `ALERT`
    Alert,
    /// `CRITICAL`
    Critical,
    /// `ERROR`
    Error,
    /// `WARNING`
    Warning,
    /// `NOTICE`
    Notice,
    /// `INFO`
    Info,
    /// `DEBUG`
    Debug,
}

impl Severity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "0" | "EMERGENCY" => Self::Emergency,
            "1" | "ALERT" => Self::Alert,
            "2" | "CRITICAL" => Self::Critical,
            "3" | "ERROR" => Self::Error,
            "4" | "WARNING" => Self::Warning,
            "5" | "NOTICE" => Self::Notice,
            "6" | "INFO" => Self::Info,
            "7" | "DEBUG" => Self::Debug,
            _ => return None,
        })
    }
}
