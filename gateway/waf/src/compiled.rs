//! The rules as automata: every literal of every rule in one, and the expressions that confirm.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::{Regex, RegexBuilder};

use crate::BuildError;
use crate::class::Classes;
use crate::rules::{self, Pattern, Rule, Surfaces};

/// All patterned rules, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    literals: AhoCorasick,
    /// For each literal in the automaton, its pattern's place in `patterns`.
    owners: Vec<usize>,
    patterns: Vec<CompiledPattern>,
    scanners: AhoCorasick,
}

#[derive(Debug)]
struct CompiledPattern {
    rule: &'static Rule,
    expression: Option<Regex>,
    needs: Classes,
}

impl Compiled {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let mut literals: Vec<&str> = Vec::new();
        let mut owners = Vec::new();
        let mut patterns = Vec::new();
        for rule in rules::patterned() {
            for pattern in rule.patterns {
                owners.extend(pattern.literals.iter().map(|_| patterns.len()));
                literals.extend(pattern.literals);
                patterns.push(compile(rule, pattern)?);
            }
        }
        Ok(Self { literals: automaton(&literals)?, owners, patterns, scanners: automaton(rules::SCANNERS)? })
    }

    /// Calls `found` for every rule that matches the value on this surface, at least once and not in order.
    /// `spend` is asked before each pass over the value; where it refuses, the search ends.
    pub(crate) fn search(
        &self,
        surface: Surfaces,
        value: &[u8],
        classes: Classes,
        mut spend: impl FnMut() -> bool,
        mut found: impl FnMut(&'static Rule),
    ) {
        let mut tried = 0u128;
        for hit in self.literals.find_overlapping_iter(value) {
            let Some(&owner) = self.owners.get(hit.pattern().as_usize()) else { continue };
            let bit = u32::try_from(owner).ok().and_then(|owner| 1u128.checked_shl(owner)).unwrap_or_default();
            if tried & bit != 0 {
                continue;
            }
            tried |= bit;
            let Some(pattern) = self.patterns.get(owner) else { continue };
            let applies =
                pattern.rule.surfaces.any(surface) && (pattern.needs == Classes::NONE || pattern.needs.any(classes));
            if !applies {
                continue;
            }
            let matches = match &pattern.expression {
                None => true,
                Some(_) if !spend() => return,
                Some(expression) => expression.is_match(value),
            };
            if matches {
                found(pattern.rule);
            }
        }
    }

    /// Whether this user agent is an attack tool that says so.
    pub(crate) fn is_scanner(&self, agent: &[u8]) -> bool {
        self.scanners.is_match(agent)
    }
}

fn compile(rule: &'static Rule, pattern: &Pattern) -> Result<CompiledPattern, BuildError> {
    let expression = pattern
        .expression
        .map(|expression| {
            RegexBuilder::new(expression).case_insensitive(true).unicode(false).dot_matches_new_line(true).build()
        })
        .transpose()
        .map_err(|source| BuildError::Expression { rule: rule.id, source: Box::new(source) })?;
    Ok(CompiledPattern { rule, expression, needs: pattern.needs })
}

fn automaton(literals: &[&str]) -> Result<AhoCorasick, BuildError> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(literals)
        .map_err(|source| BuildError::Literals(Box::new(source)))
}
