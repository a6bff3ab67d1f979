//! One inspection: judges values one by one within its bounds and collects findings.

use std::sync::Arc;

use libinjectionrs::{SqliFlags, SqliState, detect_xss};

use crate::class::Classes;
use crate::compiled::Compiled;
use crate::decode::{self, Coding};
use crate::injection::with_short_words;
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
        if !self.spend(raw.len()) || Classes::of(raw).only(Classes::ONE_WORD) {
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
            && may_be_sqli(surface, form, classes)
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

/// Whether there could be SQL in a value. libinjection takes most of an inspection's time, and most values are words,
/// numbers, dates, slugs, host names and UUIDs. In numbers and dates it finds nothing, as the tests of this gate show.
/// In the rest it objects to the likes of `1limit-a`, but SQL that does anything needs a space, a quote, a parenthesis
/// or a comment, none of which a value of letters, digits, `_`, `.` and single `-` has. A user agent or referring page
/// can only ever be a string in SQL, and nothing breaks out of a string without a quote or a backslash.
fn may_be_sqli(surface: Surfaces, value: &[u8], classes: Classes) -> bool {
    let is_string = surface.any(Surfaces::AGENT.or(Surfaces::REFERER));
    if is_string && !classes.any(Classes::QUOTE.or(Classes::BACKSLASH)) {
        return false;
    }
    let plain = !classes.any(Classes::WORDY) || !classes.any(Classes::UNSLUGLIKE);
    !plain || value.windows(2).any(|pair| pair == b"--")
}

fn is_sqli(value: &[u8]) -> bool {
    let value = with_short_words(value);
    SqliState::new(&value, SqliFlags::FLAG_NONE).detect()
}

fn finding(rule: &Rule, place: Place) -> Finding {
    Finding {
        rule: rule.id.into(),
        severity: rule.severity,
        tags: rule.tags.iter().map(|&tag| Arc::from(tag)).collect(),
        place,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passes_the_gate(value: &str) -> bool {
        may_be_sqli(Surfaces::FIELD, value.as_bytes(), Classes::of(value.as_bytes()))
    }

    #[test]
    fn every_short_number_like_text_is_kept_out_rightly() {
        // libinjection folds what it reads to five tokens: short texts of every kind of octet say most there is to say.
        let octets = b"1T .,:/+-";
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            texts = texts
                .iter()
                .flat_map(|text| octets.iter().map(move |&octet| format!("{text}{}", char::from(octet))))
                .filter(|text| !text.ends_with("--"))
                .collect();
            for text in &texts {
                assert!(!passes_the_gate(text) && !is_sqli(text.as_bytes()), "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn numbers_are_no_sql(number in "[0-9TZ .,:/+-]{1,24}") {
            prop_assert!(passes_the_gate(&number) || !is_sqli(number.as_bytes()), "{}", number);
        }

        #[test]
        fn uuids_are_no_sql(uuid in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}") {
            prop_assert!(!passes_the_gate(&uuid) && !is_sqli(uuid.as_bytes()), "{}", uuid);
        }
    }

    #[test]
    fn attacks_pass_the_gate() {
        for attack in
            ["1 or 1", "1--", "1-- ", "'", "1/*", "a b", "1;1", "a-1--", "a-(1)", "sleep(1)", "a'-1", "a/**/or/**/1"]
        {
            assert!(passes_the_gate(attack), "{attack}");
        }
        assert!(!passes_the_gate("2024-05-01T08:30:00Z"));
        assert!(!passes_the_gate("0190b8e4-7c1a-7d7e-a1b2-c3d4e5f60718"));
    }
}
