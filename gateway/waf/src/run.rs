//! One inspection: judges values one by one within its bounds and collects findings.

use std::sync::Arc;

use libinjectionrs::{SqliFlags, SqliState, detect_xss};

use crate::class::Classes;
use crate::compiled::Compiled;
use crate::decode::{self, Coding};
use crate::rules::{self, Rule, Surfaces};
use crate::{Finding, Inspected, Limits, Mode, Place};

/// The state of one inspection of a head or a body.
pub(crate) struct Run<'e> {
    compiled: &'e Compiled,
    limits: &'e Limits,
    values: usize,
    work: usize,
    findings: Vec<Finding>,
    ended: bool,
}

impl<'e> Run<'e> {
    pub(crate) fn new(compiled: &'e Compiled, limits: &'e Limits) -> Self {
        Self { compiled, limits, values: 0, work: 0, findings: Vec::new(), ended: false }
    }

    /// What was found.
    pub(crate) fn inspected(self, mode: Mode) -> Inspected {
        Inspected::new(mode, self.findings)
    }

    /// Whether a bound was exceeded, so that nothing further is judged.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn limits(&self) -> &'e Limits {
        self.limits
    }

    /// Notes that a rule matched at a place. The same rule at the same place counts once.
    pub(crate) fn raise(&mut self, rule: &'static Rule, place: Place) {
        if self.ended || self.findings.iter().any(|finding| *finding.rule == *rule.id && finding.place == place) {
            return;
        }
        if self.findings.len() >= self.limits.findings_max {
            self.end(&rules::LIMIT_FINDINGS);
            return;
        }
        self.findings.push(finding(rule, place));
    }

    /// Notes that a bound was exceeded and ends the run.
    pub(crate) fn end(&mut self, limit: &'static Rule) {
        if !self.ended {
            self.ended = true;
            self.findings.push(finding(limit, Place::Request));
        }
    }

    /// Judges a value in every form that it may take. `place` is asked only when there is something to say.
    pub(crate) fn judge(&mut self, surface: Surfaces, raw: &[u8], coding: Coding, place: impl Fn() -> Place) {
        if self.ended {
            return;
        }
        self.values += 1;
        if self.values > self.limits.values_max {
            return self.end(&rules::LIMIT_VALUES);
        }
        if !self.spend(raw.len()) || Classes::of(raw).only(Classes::WORD) {
            return;
        }
        let mut form = coding.decode(raw);
        for decodings in 0.. {
            let classes = Classes::of(&form);
            self.judge_form(surface, &form, classes, &place);
            if self.ended || !classes.any(Classes::ENCODED) {
                return;
            }
            let Some(next) = decode::again(&form) else { return };
            if decodings == self.limits.decodings_max {
                return self.raise(&rules::LIMIT_DECODINGS, place());
            }
            if !self.spend(form.len()) {
                return;
            }
            form = next.into();
        }
    }

    /// Judges a user agent's name for being a scanner's.
    pub(crate) fn judge_agent(&mut self, agent: &[u8], place: impl Fn() -> Place) {
        if self.compiled.is_scanner(agent) {
            self.raise(&rules::SCANNER, place());
        }
    }

    fn judge_form(&mut self, surface: Surfaces, form: &[u8], classes: Classes, place: &impl Fn() -> Place) {
        if classes.any(Classes::NUL) && !surface.any(Surfaces::OPAQUE) {
            self.raise(&rules::NULL_BYTE, place());
        }
        if surface.any(Surfaces::SQL)
            && !classes.only(Classes::WORD)
            && self.spend(form.len().saturating_mul(SQLI_WEIGHT))
            && is_sqli(form)
        {
            self.raise(&rules::SQLI_LIBINJECTION, place());
        }
        if surface.any(Surfaces::MARKUP)
            && classes.any(Classes::LESS.or(Classes::EQUALS))
            && self.spend(form.len().saturating_mul(XSS_WEIGHT))
            && detect_xss(form).is_injection()
        {
            self.raise(&rules::XSS_LIBINJECTION, place());
        }
        if classes.only(Classes::CALM) {
            return;
        }
        self.search(surface, form, classes, place);
        if classes.any(Classes::QUOTE.or(Classes::BACKSLASH).or(Classes::EXPAND))
            && classes.any(Classes::SHELL.or(Classes::OTHER))
            && !surface.any(Surfaces::OPAQUE)
            && let Some(plain) = decode::unquoted(form)
        {
            self.search(surface, &plain, Classes::of(&plain), place);
        }
    }

    fn search(&mut self, surface: Surfaces, form: &[u8], classes: Classes, place: &impl Fn() -> Place) {
        if !self.spend(form.len()) {
            return;
        }
        let compiled = self.compiled;
        let mut matched: Vec<&'static Rule> = Vec::new();
        let mut spent_out = false;
        let (mut work, bound) = (self.work, self.limits.work_bytes_max);
        let spend = || {
            work = work.saturating_add(form.len());
            spent_out = work > bound;
            !spent_out
        };
        compiled.search(surface, form, classes, spend, |rule| matched.push(rule));
        self.work = work;
        // In the tables' order, whatever the order of literals in the value.
        matched.sort_unstable_by_key(|rule| rule.id);
        for rule in matched {
            self.raise(rule, place());
        }
        if spent_out {
            self.end(&rules::LIMIT_WORK);
        }
    }

    /// Counts work before it is done. False where the bound is exceeded, which is then a finding.
    fn spend(&mut self, bytes: usize) -> bool {
        self.work = self.work.saturating_add(bytes);
        if self.work > self.limits.work_bytes_max {
            self.end(&rules::LIMIT_WORK);
        }
        !self.ended
    }
}

/// How many plain passes one run of libinjection over an octet is worth at its worst.
const SQLI_WEIGHT: usize = 4;
/// The same for markup: five contexts, each with a table of names to compare.
const XSS_WEIGHT: usize = 8;

fn is_sqli(value: &[u8]) -> bool {
    SqliState::new(value, SqliFlags::FLAG_NONE).detect()
}

fn finding(rule: &Rule, place: Place) -> Finding {
    Finding {
        rule: rule.id.into(),
        severity: rule.severity,
        tags: rule.tags.iter().map(|&tag| Arc::from(tag)).collect(),
        place,
    }
}
