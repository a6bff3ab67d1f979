//! Rules that are ready to run: everything that can be resolved before a request is.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Allowance, EngineMode, Processor, Severity};
use super::operator::Operator;
use super::pcre::Pattern;
use super::template::Template;
use super::transform::Transform;
use super::variable::{List, Part};

/// A rule set.
#[derive(Debug)]
pub(crate) struct Program {
    /// All rules, those of a phase one after the other in the order of the files.
    pub(crate) rules: Vec<Rule>,
    /// Where each phase's rules begin and end; the first is phase 1.
    pub(crate) phases: [(usize, usize); 5],
    /// The names of TX's members that rules name, which have numbers; the first ten are the captures.
    pub(crate) tx: Vec<Box<str>>,
    /// The places of those names, in lower case.
    pub(crate) tx_places: HashMap<Box<[u8]>, usize>,
    pub(crate) settings: Settings,
}

/// The engine's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: EngineMode,
    pub(crate) request_body: bool,
    pub(crate) response_body: bool,
    pub(crate) response_types: Vec<String>,
    pub(crate) request_body_bytes_max: usize,
    pub(crate) response_body_bytes_max: usize,
    /// Whether a larger response is inspected as far as that, and no limit reached.
    pub(crate) response_body_partial: bool,
    pub(crate) arguments_max: usize,
    pub(crate) json_depth_max: usize,
    pub(crate) argument_separator: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: EngineMode::DetectionOnly,
            request_body: true,
            response_body: true,
            response_types: ["text/plain", "text/html", "text/xml", "application/json"].map(str::to_owned).to_vec(),
            request_body_bytes_max: 1 << 20,
            response_body_bytes_max: 512 << 10,
            response_body_partial: false,
            // 780 values of 10 KB of JSON are ordinary; ModSecurity's recommended configuration has 1,000.
            arguments_max: 20_000,
            json_depth_max: 512,
            argument_separator: b'&',
        }
    }
}

/// A rule, with the rules that are chained to it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) links: Vec<Link>,
    pub(crate) message: Option<Template>,
    pub(crate) log_data: Option<Template>,
    pub(crate) severity: Option<Severity>,
    pub(crate) tags: Arc<[Arc<str>]>,
    pub(crate) logs: bool,
    pub(crate) outcome: Outcome,
    /// Which rule is next where this one matches, if not the one behind it.
    pub(crate) next: Option<usize>,
}

/// What a rule that matches does with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Deny { status: u16 },
    Allow(Allowance),
}

/// One rule of a chain.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) targets: Vec<Target>,
    pub(crate) exceptions: Vec<Target>,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) multi_match: bool,
    pub(crate) capture: bool,
    pub(crate) sets: Vec<Set>,
    pub(crate) controls: Vec<Control>,
}

/// Which values a rule looks at.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) lists: &'static [List],
    pub(crate) part: Part,
    pub(crate) select: Select,
    /// Only their number.
    pub(crate) count: bool,
}

/// Which members of a list.
#[derive(Clone, Debug)]
pub(crate) enum Select {
    All,
    /// The one at this place.
    At(usize),
    /// Those of this name, in any case.
    Name(Box<[u8]>),
    /// Those whose names match, in any case.
    Pattern(Arc<Pattern>),
}

/// `setvar`.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) list: List,
    pub(crate) name: SetName,
    pub(crate) to: SetTo,
}

/// Which member is set.
#[derive(Clone, Debug)]
pub(crate) enum SetName {
    /// The one at this place of TX.
    At(usize),
    Template(Template),
}

/// What it is set to.
#[derive(Clone, Debug)]
pub(crate) enum SetTo {
    Nothing,
    Text(Template),
    Add(Template),
    Subtract(Template),
}

/// `ctl`, resolved.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Mode(EngineMode),
    /// These rules, by their places.
    RemoveRules(Arc<[usize]>),
    RemoveTargets(Arc<[usize]>, Target),
    Processor(Processor),
    ForceBodyVariable(bool),
    RequestBody(bool),
    ResponseBody(bool),
}

impl Program {
    /// The rules of a phase, by their places.
    pub(crate) fn phase(&self, phase: u8) -> std::ops::Range<usize> {
        let (begin, end) = self.phases.get(usize::from(phase).wrapping_sub(1)).copied().unwrap_or_default();
        begin..end
    }
}
