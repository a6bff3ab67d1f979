//! One exchange on its way through the phases.

mod act;
mod body;
mod evaluate;
mod head;
mod json;
mod multipart;
mod report;
mod response;
mod setup;
mod urlencoded;
mod xml;

pub use self::head::RequestHead;
pub use self::report::{Interruption, LimitReached, Matched, Report, RuleMatch};
pub use self::setup::{Budget, Setup};
use super::ast::{Allowance, EngineMode, Processor};
use super::compiled::{Bits, Compiled, Failed, Found, Removed};
use super::pcre::Steps;
use super::program::{Program, Target};
use super::store::{Span, Store};

/// The memory that transactions use, one after the other. Keep it: in the steady state a transaction allocates nothing.
#[derive(Debug)]
pub struct Scratch {
    pub(super) store: Store,
    pub(super) buffers: Buffers,
    pub(super) found: Found,
    pub(super) steps: Steps,
}

/// Texts that live for one test.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) text: Vec<u8>,
    pub(super) next: Vec<u8>,
    pub(super) argument: Vec<u8>,
    set: Vec<u8>,
    matched: Vec<(Span, Span)>,
    captured: super::operator::Captured,
    failed: Failed,
    /// Where the rule that runs has matched: the variable's name, and the place in its value.
    variables: Vec<(Span, Option<usize>)>,
    removed_rules: Bits,
    removed_targets: Vec<(std::sync::Arc<[usize]>, Target)>,
}

/// An exchange that is being inspected. Give it what there is in the order of its methods; each runs its phase.
#[derive(Debug)]
pub struct Transaction<'s> {
    program: &'s Program,
    /// What lets rules be passed over; none for the plain interpreter.
    compiled: Option<&'s Compiled>,
    scratch: &'s mut Scratch,
    mode: EngineMode,
    request_body: bool,
    response_body: bool,
    processor: Option<Processor>,
    force_body_variable: bool,
    removed_rules: Bits,
    removed_targets: Vec<(std::sync::Arc<[usize]>, Target)>,
    allowed: Option<Allowance>,
    /// What a gateway asks for beside its rules.
    setup: Setup<'s>,
    report: Report,
    /// Where the phase that runs goes on when a rule says so.
    phase: u8,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(program: &'s Program, compiled: Option<&'s Compiled>, scratch: &'s mut Scratch) -> Self {
        scratch.store.clear(&program.tx, program.settings.arguments_max);
        scratch.found.begin();
        scratch.steps = Steps::default();
        let removed_rules = std::mem::take(&mut scratch.buffers.removed_rules);
        let removed_targets = std::mem::take(&mut scratch.buffers.removed_targets);
        Self {
            program,
            compiled,
            scratch,
            mode: program.settings.mode,
            request_body: program.settings.request_body,
            response_body: program.settings.response_body,
            processor: None,
            force_body_variable: false,
            removed_rules,
            removed_targets,
            allowed: None,
            setup: Setup::of(program.settings.mode),
            report: Report::default(),
            phase: 0,
        }
    }

    /// Ends the transaction: runs phase 5 and says what was found.
    pub fn finish(mut self) -> Report {
        self.run_phase(5);
        self.report.inbound_score = self.score(&["blocking_inbound_anomaly_score", "anomaly_score"]);
        self.report.outbound_score = self.score(&["blocking_outbound_anomaly_score", "outbound_anomaly_score"]);
        self.report.is_cut_short = self.setup.budget == Budget::Brief
            && matches!(self.exhaustion(), Some(LimitReached::Work | LimitReached::Steps));
        self.scratch.shrink();
        self.removed_rules.clear();
        self.removed_targets.clear();
        self.scratch.buffers.removed_rules = self.removed_rules;
        self.scratch.buffers.removed_targets = self.removed_targets;
        self.report
    }

    /// What ends the exchange, if something does by now.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.report.interruption.as_ref()
    }

    /// The limit that was reached by now, if one was. In mode `On` it is the [`Interruption`], too: what was not inspected to
    /// its end is refused before it goes further.
    pub fn limit(&self) -> Option<LimitReached> {
        self.report.limit
    }

    fn reach(&mut self, limit: LimitReached) {
        self.report.limit.get_or_insert(limit);
        if self.mode == EngineMode::On {
            self.report.interruption.get_or_insert(Interruption::Limit(limit));
        }
    }

    /// Allows for what so many more octets of an exchange may cost.
    fn allow_work(&mut self, bytes: usize) {
        if self.setup.budget == Budget::Brief {
            return;
        }
        self.scratch.found.allow(bytes);
        self.scratch.steps.allow(bytes);
    }

    /// Whether the transaction has used up its memory, steps or work: then it does nothing more, whatever its mode.
    fn is_exhausted(&self) -> bool {
        self.exhaustion().is_some()
    }

    fn exhaustion(&self) -> Option<LimitReached> {
        if self.scratch.store.is_full() {
            Some(LimitReached::Values)
        } else if self.scratch.steps.is_exceeded() {
            Some(LimitReached::Steps)
        } else if self.compiled.is_some() && self.scratch.found.is_exceeded() {
            Some(LimitReached::Work)
        } else {
            None
        }
    }

    fn score(&self, names: &[&str]) -> i64 {
        let store = &self.scratch.store;
        let known = |name: &&str| self.program.tx.iter().position(|tx| **tx == **name);
        let list = super::variable::List::Tx;
        let value = names.iter().filter_map(known).find_map(|index| store.at(list, index));
        value.map_or(0, |span| super::bytes::integer(store.text(span)))
    }

    fn run_phase(&mut self, phase: u8) {
        self.phase = phase;
        self.run_rules(phase);
        if let Some(limit) = self.exhaustion() {
            self.reach(limit);
        }
    }

    fn run_rules(&mut self, phase: u8) {
        let ended = self.report.interruption.is_some() && phase != 5;
        let allowed = match self.allowed {
            Some(Allowance::All) => phase != 5,
            Some(Allowance::Request) => phase < 3,
            Some(Allowance::Phase) | None => false,
        };
        if ended || allowed || self.mode == EngineMode::Off || self.is_exhausted() {
            return;
        }
        let range = self.program.phase(phase);
        if let Some(compiled) = self.compiled {
            let removed = Removed { rules: &self.removed_rules, targets: &self.removed_targets };
            compiled.scan(self.program, phase, &removed, self.scratch);
        }
        let mut at = range.start;
        while at < range.end && !self.is_exhausted() {
            if let Some(compiled) = self.compiled {
                match self.scratch.found.next(at, range.end) {
                    Some(next) => at = next,
                    None => break,
                }
                if !compiled.may_match(at, &self.scratch.store) {
                    at += 1;
                    continue;
                }
            }
            let Some(rule) = self.program.rules.get(at) else { break };
            let is_removed = self.removed_rules.contains(at);
            let matched = !is_removed && self.evaluate(at, rule);
            at = match rule.next {
                Some(next) if matched => next.max(at + 1),
                _ => at + 1,
            };
            let over = self.report.interruption.is_some() && phase != 5;
            let allowed =
                matched && self.allowed.is_some() && !matches!(self.allowed, Some(Allowance::Request) if phase >= 3);
            if over || allowed || self.mode == EngineMode::Off {
                break;
            }
        }
        if self.allowed == Some(Allowance::Phase) {
            self.allowed = None;
        }
    }
}

impl Scratch {
    /// Memory for transactions, of whatever rules.
    pub fn new() -> Self {
        let (buffers, found, steps) = (Buffers::default(), Found::default(), Steps::default());
        Self { store: Store::new(0), buffers, found, steps }
    }

    /// Lets go of what an unusual exchange took, so that each costs memory only while it is inspected.
    fn shrink(&mut self) {
        self.store.shrink();
        self.found.shrink();
        self.buffers.shrink();
    }

    /// How much room is held, in octets.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let buffers = &self.buffers;
        self.store.held() + self.found.held() + buffers.text.capacity() + buffers.next.capacity()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Room for one text that is kept from one transaction to the next.
const BUFFER_KEPT_MAX: usize = 64 << 10;

impl Buffers {
    fn shrink(&mut self) {
        for text in [&mut self.text, &mut self.next, &mut self.argument, &mut self.set] {
            text.clear();
            text.shrink_to(BUFFER_KEPT_MAX);
        }
        self.matched.clear();
        self.matched.shrink_to(BUFFER_KEPT_MAX / size_of::<(Span, Span)>());
        self.variables.clear();
        self.variables.shrink_to(BUFFER_KEPT_MAX / size_of::<(Span, Option<usize>)>());
    }
}
