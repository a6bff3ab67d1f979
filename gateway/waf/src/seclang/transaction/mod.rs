//! One exchange on its way through the phases.

mod act;
mod body;
mod evaluate;
mod head;
mod json;
mod multipart;
mod report;
mod response;
mod urlencoded;
mod xml;

pub use self::head::RequestHead;
pub use self::report::{Interruption, LimitReached, Matched, Report, RuleMatch};
use super::ast::{Allowance, EngineMode, Processor};
use super::compiled::{Bits, Compiled, Found, Removed};
use super::program::{Program, Target};
use super::store::{Span, Store};

/// The memory that transactions use, one after the other. Keep it: in the steady state a transaction allocates nothing.
#[derive(Debug)]
pub struct Scratch {
    pub(super) store: Store,
    pub(super) buffers: Buffers,
    pub(super) found: Found,
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
    report: Report,
    /// Where the phase that runs goes on when a rule says so.
    phase: u8,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(program: &'s Program, compiled: Option<&'s Compiled>, scratch: &'s mut Scratch) -> Self {
        scratch.store.clear(&program.tx);
        scratch.found.clear();
        Self {
            program,
            compiled,
            scratch,
            mode: program.settings.mode,
            request_body: program.settings.request_body,
            response_body: program.settings.response_body,
            processor: None,
            force_body_variable: false,
            removed_rules: Bits::default(),
            removed_targets: Vec::new(),
            allowed: None,
            report: Report::default(),
            phase: 0,
        }
    }

    /// Ends the transaction: runs phase 5 and says what was found.
    pub fn finish(mut self) -> Report {
        self.run_phase(5);
        self.note_limits();
        self.report.inbound_score = self.score(&["blocking_inbound_anomaly_score", "anomaly_score"]);
        self.report.outbound_score = self.score(&["blocking_outbound_anomaly_score", "outbound_anomaly_score"]);
        self.report
    }

    /// What ends the exchange, if something does by now.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.report.interruption.as_ref()
    }

    /// The limit that was reached by now, if one was: such an exchange is to be refused before it goes further.
    pub fn limit(&self) -> Option<LimitReached> {
        self.report.limit
    }

    fn score(&self, names: &[&str]) -> i64 {
        let store = &self.scratch.store;
        let known = |name: &&str| self.program.tx.iter().position(|tx| **tx == **name);
        let list = super::variable::List::Tx;
        let value = names.iter().filter_map(known).find_map(|index| store.at(list, index));
        value.map_or(0, |span| super::bytes::integer(store.text(span)))
    }

    fn note_limits(&mut self) {
        if self.scratch.store.is_full() {
            self.report.limit.get_or_insert(LimitReached::Values);
        }
    }

    fn run_phase(&mut self, phase: u8) {
        self.phase = phase;
        let ended = self.report.interruption.is_some() && phase != 5;
        let allowed = match self.allowed {
            Some(Allowance::All) => phase != 5,
            Some(Allowance::Request) => phase < 3,
            Some(Allowance::Phase) | None => false,
        };
        if ended || allowed || self.mode == EngineMode::Off {
            return;
        }
        let range = self.program.phase(phase);
        if let Some(compiled) = self.compiled {
            let removed = Removed { rules: &self.removed_rules, targets: &self.removed_targets };
            compiled.scan(self.program, phase, &removed, self.scratch);
            if self.scratch.found.exceeded {
                self.report.limit.get_or_insert(LimitReached::Work);
            }
        }
        let mut at = range.start;
        while at < range.end {
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
        self.note_limits();
    }
}

impl Scratch {
    pub(super) fn for_program(program: &Program) -> Self {
        // Names and values of a form, cookies and header fields; what rules set; each bounded by one number.
        let items = program.settings.arguments_max.saturating_add(4_096);
        Self { store: Store::new(items), buffers: Buffers::default(), found: Found::default() }
    }
}
